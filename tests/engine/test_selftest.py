"""The self-test compares what it says, and notices a kernel that is wrong."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from accelsim.cli import app
from accelsim.engine import selftest as subject
from accelsim.engine.kernels import native
from accelsim.engine.kernels.fast import FastKernel

FEW = {name: subject.PRODUCTS[name] for name in ("int8 x int8", "ternary x ternary")}


def test_every_kernel_of_this_processor_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PRODUCTS", FEW)
    checks = list(subject.selftest())
    kinds = {"native", "portable"} if native.available() else {"portable"}
    assert {(check.kernels, check.product) for check in checks} == {(kind, name) for kind in kinds for name in FEW}
    assert all(check.different == 0 and check.compared > 10_000 for check in checks)


def test_one_wrong_code_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = FastKernel.codes

    def wrong(*arguments: object, **more: object) -> np.ndarray:
        codes = right(*arguments, **more)  # type: ignore[arg-type]
        codes.flat[-1] ^= 1
        return codes

    monkeypatch.setattr(subject, "PRODUCTS", {"int8 x int8": FEW["int8 x int8"]})
    monkeypatch.setattr(FastKernel, "codes", wrong)
    assert [check.different for check in subject.selftest()] == [len(subject.LAYERS)] * (1 + native.available())


def test_the_command_prints_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PRODUCTS", {"int8 x int8": FEW["int8 x int8"]})
    made = CliRunner().invoke(app, ["selftest", "--json"])
    assert made.exit_code == 0
    assert {row["different"] for row in json.loads(made.stdout)} == {0}
