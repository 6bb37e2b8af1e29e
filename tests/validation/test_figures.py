"""Estimates of targets: on some of the cores, and in a second precision."""

from pathlib import Path

import pytest

from accelsim.errors import AccelsimError
from accelsim.flow import estimate
from accelsim.validation.figures import figures
from accelsim.validation.targets_file import EstimateSpec

HERE = Path()


def test_fewer_cores_take_longer_and_all_of_them_are_the_machine() -> None:
    one, four = (figures(EstimateSpec(workload="mlp32", on="rpi4", cores=cores), HERE) for cores in (1, 4))
    whole = estimate("mlp32", on="rpi4").totals["latency_s"]
    assert four["totals.latency_s"] == whole < one["totals.latency_s"]


def test_the_second_precision_stands_behind_its_own_name() -> None:
    spec = EstimateSpec(workload="mlp32", on="rpi4", precision="float32", second_precision="int8")
    made = figures(spec, HERE)
    for path, precision in (("totals.latency_s", "float32"), ("second.totals.latency_s", "int8")):
        assert made[path] == estimate("mlp32", on="rpi4", precision=precision).totals["latency_s"]


@pytest.mark.parametrize(("on", "cores"), [("rpi4", 5), ("zcu104", 1)])
def test_cores_that_there_are_not(on: str, cores: int) -> None:
    with pytest.raises(AccelsimError, match=f"cores: {cores}; {on} is no processor with so many cores"):
        figures(EstimateSpec(workload="mlp32", on=on, cores=cores), HERE)
