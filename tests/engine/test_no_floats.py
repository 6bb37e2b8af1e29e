"""Between the codes of its inputs and those of its outputs a program computes in whole numbers alone: every numpy
operation of every shipped network is watched, and a float among its operands or results fails the test."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from accelsim.engine import program_chain, run
from accelsim.engine.integer_dispatch import Finisher, Operand, sloped
from accelsim.engine.kernels.fast import FastKernel
from accelsim.engine.linear_kernel import LinearKernel
from accelsim.engine.run import run_program
from accelsim.formats.quantize import quantize
from accelsim.formats.text import parse_precision
from accelsim.frontend.workload import load_workload
from accelsim.ir.constants import Constants, Slopes
from accelsim.ir.graph import Graph
from accelsim.ir.ops import Linear, Product
from accelsim.ir.program import Encoding, LinearLayer, arithmetic
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.normalise import normalise
from accelsim.passes.quantize import quantize_weights
from accelsim.shared import list_shared

Array = np.ndarray[Any, Any]
WHOLE = "biu"


class Watched(Array):
    """Codes whose every use is checked."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Runs the function on plain arrays, all of whole numbers."""
        options = {key: _plain(value) for key, value in options.items()}
        return _checked(ufunc.__name__, getattr(ufunc, method)(*map(_plain, inputs), **options))

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        """The same for functions that are no ufuncs."""
        options = {key: _plain(value) for key, value in options.items()}
        return _checked(function.__name__, function(*map(_plain, inputs), **options))

    def __array_finalize__(self, parent: Any) -> None:
        """Views and copies are checked too."""
        _whole("a copy", np.asarray(self))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return _whole("an operand", np.asarray(value)) if isinstance(value, Watched) else value


def _whole(what: str, values: Array) -> Array:
    counted = values.dtype.kind in WHOLE or all(isinstance(value, int | np.bool_) for value in values.flat)
    assert counted, f"{what} is of {values.dtype}"
    return values


def _checked(what: str, result: Any) -> Any:
    if isinstance(result, tuple | list):
        return type(result)(_checked(what, one) for one in result)
    if isinstance(result, np.generic):
        _whole(what, np.asarray(result))
    return _whole(what, result).view(Watched) if isinstance(result, np.ndarray) else result


class PlainKernel:
    """The multiplying layers themselves: compiled, and of integers by their types."""

    def __init__(self) -> None:
        self.kernel: LinearKernel = FastKernel(1)

    def sums(self, op: Linear, x: Array, *others: Any) -> Array:
        """See `LinearKernel`."""
        return _whole("a sum", self.kernel.sums(op, np.asarray(x), *others)).view(Watched)

    def codes(self, op: Linear, x: Array, *others: Any) -> Array:
        """See `LinearKernel`."""
        return _whole("a code", self.kernel.codes(op, np.asarray(x), *others)).view(Watched)

    def sloped(self, op: Linear, x: Array, source: Encoding, layer: LinearLayer, slopes: Slopes, *others: Any) -> Array:
        """See `LinearKernel`; the slopes are watched, sums being made as ever."""
        dtype, *overflows = others
        return sloped(self.sums(op, x, source, layer, *overflows), slopes).astype(dtype)

    def product(self, op: Product, constants: Constants, finisher: Finisher, first: Operand, second: Operand) -> Array:
        """See `LinearKernel`."""
        plain = (replace(one, codes=np.asarray(one.codes)) for one in (first, second))
        return _whole("a product", self.kernel.product(op, constants, finisher, *plain)).view(Watched)

    def looked_up(self, codes: Array, *others: Any) -> Array:
        """See `LinearKernel`."""
        return _whole("an entry", self.kernel.looked_up(np.asarray(codes), *others)).view(Watched)


def small(graph: Graph) -> Graph:
    """Images of 16 x 16 where the network takes any size."""
    if graph.name != "cyclegan_resnet9_256":
        return graph
    return replace(graph, inputs=tuple(replace(value, shape=(value.shape[0], 16, 16)) for value in graph.inputs))


RUNS = [*((name, "int8") for name in list_shared("workloads")), ("dcgan32", "fixed16.10:trn:wrap"), ("mlp32", "int16")]


@pytest.mark.parametrize(("name", "precision"), RUNS)
def test_shipped_networks_run_without_a_float(name: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = load_workload(name)
    graph, weights = normalise(small(source.graph), source.load())
    assert weights is not None and all(arithmetic(node) == "integer" for node in graph.nodes)
    rng = np.random.default_rng(0)
    x = {value.name: rng.uniform(-1, 1, (2, *value.shape)).astype(np.float32) for value in graph.inputs}
    program = calibrate(assign_formats(graph, parse_precision(precision)), weights, x)
    program = replace(quantize_weights(program, weights), parameters={})
    plain = run_program(program, x)
    used = []

    def watched(*arguments: Any) -> Array:
        used.append(1)
        return quantize(*arguments).view(Watched)

    run_node = program_chain._codes  # results that an operator fills in place are watched again from here
    monkeypatch.setattr(program_chain, "quantize", watched)
    monkeypatch.setattr(run, "_kernel", lambda kernels, threads: PlainKernel())
    monkeypatch.setattr(program_chain, "_codes", lambda *arguments: run_node(*arguments).view(Watched))
    seen = run_program(program, x)
    assert len(used) == len(graph.inputs)
    for value, codes in plain.items():
        np.testing.assert_array_equal(np.asarray(seen[value]), codes)


def test_the_watch_sees_floats() -> None:
    codes = np.arange(5).view(Watched)
    assert (codes + 1).tolist() == [1, 2, 3, 4, 5] and isinstance(codes[1:] << 2, Watched)
    for use in (lambda x: x * 0.5, np.sqrt, np.mean, lambda x: x.astype(np.float64), lambda x: x / 2):
        with pytest.raises(AssertionError, match="float64"):
            use(codes)
