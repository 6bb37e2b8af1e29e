"""Batches that run side by side: the same codes, counts and order of progress as one after the other."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.activity import Activity, ActivityCounter
from accelsim.engine.batching import even
from accelsim.engine.kernels import fast
from accelsim.engine.run import run_program
from accelsim.errors import AccelsimError
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import Program
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.quantize import quantize_weights

Array = np.ndarray[Any, Any]
NET = Graph(
    "net",
    (Input("z", (6,)), Input("class", (1,))),
    (
        Node("fc", ops.Dense(6, 16, True), ("z",), (ops.LeakyReLU(0.2),)),
        Node("row", ops.Embedding(5, 16), ("class",)),
        Node("flat", ops.Reshape((16,)), ("row",)),
        Node("both", ops.Mul(), ("fc", "flat")),
        Node("view", ops.Reshape((4, 2, 2)), ("both",)),
        Node("up", ops.ConvTranspose2d(4, 5, (3, 3), (2, 2), (1, 1), (1, 0, 0, 1), 1, True), ("view",), (ops.ReLU(),)),
        Node("rgb", ops.Conv2d(5, 3, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True), ("up",), (ops.Tanh(),)),
    ),
    ("rgb",),
)


def inputs_of(count: int, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 5, (count, 1)).astype(np.float32)
    return {"z": rng.standard_normal((count, 6), np.float32), "class": classes}


def built(precision: str) -> Program:
    rng = np.random.default_rng(3)
    weights = {name: rng.standard_normal(shape, np.float32) for name, shape in NET.parameter_shapes.items()}
    inputs = inputs_of(40) | {"class": np.arange(40, dtype=np.float32)[:, None] % 5}
    return quantize_weights(calibrate(assign_formats(NET, parse_precision(precision)), weights, inputs), weights)


PROGRAMS = {
    precision: built(precision) for precision in ("int8", "int16", "weights=int8,activations=int8,accumulator=acc12")
}


def seen(program: Program, inputs: dict[str, Array], **options: Any) -> tuple[dict[str, Array], Activity, list[int]]:
    counter, done = ActivityCounter(counts_runs=True), list[int]()
    codes = run_program(program, inputs, keep=tuple(NET.shapes), activity=counter, on_batch=done.append, **options)
    return codes, counter.activity(), done


@settings(max_examples=25, deadline=None)
@given(
    precision=st.sampled_from(sorted(PROGRAMS)),
    count=st.integers(0, 40),
    batch=st.one_of(st.none(), st.integers(1, 20)),
    threads=st.integers(2, 5),
    kernels=st.sampled_from(["native", "portable"]),
)
def test_nothing_depends_on_threads_and_batches(
    precision: str, count: int, batch: int | None, threads: int, kernels: str
) -> None:
    program, inputs = PROGRAMS[precision], inputs_of(count, count)
    plain, counted, _ = seen(program, inputs, kernels="reference")
    codes, activity, done = seen(program, inputs, batch=batch, threads=threads, kernels=kernels)
    assert activity == counted and sum(done) == count and max(done) <= (batch or 64)
    assert list(codes) == list(plain)
    for name, values in plain.items():
        assert codes[name].dtype == values.dtype
        np.testing.assert_array_equal(codes[name], values)


def test_what_is_collected_replaces_the_codes() -> None:
    program, inputs = PROGRAMS["int8"], inputs_of(33)
    plain = run_program(program, inputs, keep=("fc",))
    made = run_program(
        program, inputs, batch=5, threads=2, keep=("fc",), collect={"rgb": lambda codes: codes.max((1, 2, 3))}
    )
    np.testing.assert_array_equal(made["rgb"], plain["rgb"].max((1, 2, 3)))
    np.testing.assert_array_equal(made["fc"], plain["fc"])


def test_what_one_thread_raises_is_raised() -> None:
    wrong = inputs_of(40)["z"][37]

    def refusing(codes: Array) -> Array:
        if (codes == refused).all((1, 2, 3)).any():
            raise AccelsimError("not this one")
        return codes

    program = PROGRAMS["int8"]
    refused = run_program(program, {"z": wrong[None], "class": inputs_of(40)["class"][37:38]})["rgb"]
    with pytest.raises(AccelsimError, match="not this one"):
        run_program(program, inputs_of(40), batch=4, threads=2, collect={"rgb": refusing})
    with pytest.raises(AccelsimError, match="threads=0"):
        run_program(program, inputs_of(40), threads=0)


@given(total=st.integers(0, 10_000), most=st.integers(1, 300), threads=st.integers(1, 9))
def test_every_thread_gets_as_many_batches(total: int, most: int, threads: int) -> None:
    size = even(total, most, threads)
    assert 1 <= size <= most
    if threads > 1:
        sizes = [min(size, total - start) for start in range(0, total, size)]
        each = [sum(sizes[thread::threads]) for thread in range(threads)]
        assert max(each) <= -(-total // (threads * most)) * size
        assert len(sizes) <= -(-total // (threads * most)) * threads


def test_threads_that_meet_at_the_first_call_make_a_layer_ready_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[object]()

    def counting(op: ops.Linear, *others: Any) -> Any:
        made.append(op)
        return make(op, *others)

    make: Any = vars(fast)["make_ready"]
    monkeypatch.setattr(fast, "make_ready", counting)
    run_program(PROGRAMS["int8"], inputs_of(40), batch=2, threads=4)
    assert sorted(type(op).__name__ for op in made) == ["Conv2d", "ConvTranspose2d", "Dense"]
