"""The plain integer interpreter: slow, and obviously right. Fast kernels must equal it bit for bit."""

from functools import singledispatch
from typing import Any

import numpy as np

from accelsim.engine.float_ops import scatter_and_crop
from accelsim.engine.integer_dispatch import Finisher, Operand, plainly_looked_up, run_integer_op, sloped
from accelsim.engine.linear_kernel import (
    Array,
    Integers,
    Overflows,
    affine_of,
    channel_axis,
    codes_of_sums,
    integers_of,
)
from accelsim.engine.tap_order import register_sums
from accelsim.formats.accumulator import wrap
from accelsim.formats.lookup import Lookup
from accelsim.formats.quantize import along
from accelsim.ir.constants import Constants, Slopes
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Product
from accelsim.ir.program import Encoding, LinearLayer


@singledispatch
def accumulate(op: Linear, x: Integers, weights: Integers) -> Integers:
    """Exact sums of products in int64, without bias: x `[N, ...]` are codes minus their zero point, so padding is 0."""
    raise TypeError(f"{type(op).__name__} does not accumulate")


@accumulate.register
def _(op: Dense, x: Integers, weights: Integers) -> Integers:
    sums: Integers = x @ weights.T
    return sums


@accumulate.register
def _(op: Conv2d, x: Integers, weights: Integers) -> Integers:
    top, bottom, left, right = op.padding
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    rows = (x.shape[2] - op.dilation[0] * (op.kernel[0] - 1) - 1) // op.stride[0] + 1
    columns = (x.shape[3] - op.dilation[1] * (op.kernel[1] - 1) - 1) // op.stride[1] + 1
    sums = np.zeros((len(x), op.out_channels, rows, columns), np.int64)
    each_in, each_out = op.in_channels // op.groups, op.out_channels // op.groups
    for group in range(op.groups):
        inside, outside = slice(group * each_in, (group + 1) * each_in), slice(group * each_out, (group + 1) * each_out)
        for r, s in np.ndindex(*op.kernel):
            y, z = r * op.dilation[0], s * op.dilation[1]
            rows_seen = slice(y, y + (rows - 1) * op.stride[0] + 1, op.stride[0])
            columns_seen = slice(z, z + (columns - 1) * op.stride[1] + 1, op.stride[1])
            seen = x[:, inside, rows_seen, columns_seen]
            sums[:, outside] += np.einsum("nchw,kc->nkhw", seen, weights[outside, :, r, s])
    return sums


@accumulate.register
def _(op: ConvTranspose2d, x: Integers, weights: Integers) -> Integers:
    each_in = op.in_channels // op.groups
    products = [
        np.einsum(
            "nchw,ckrs->nkrshw",
            x[:, group * each_in : (group + 1) * each_in],
            weights[group * each_in : (group + 1) * each_in],
        )
        for group in range(op.groups)
    ]
    together = np.concatenate(products, axis=1)
    n, channels, rows_of_taps, columns_of_taps, rows, columns = together.shape
    return scatter_and_crop(op, together.reshape(n, channels, rows_of_taps * columns_of_taps, rows, columns))


class ReferenceKernel:
    """The plain interpreter behind the `LinearKernel` interface."""

    def sums(
        self, op: Linear, x: Array, source: Encoding, layer: LinearLayer, overflows: Overflows | None = None
    ) -> Integers:
        """See `LinearKernel`."""
        integers, accumulator = integers_of(layer), layer.accumulator
        assert accumulator is not None
        centred, factors = x.astype(np.int64) - affine_of(source)[1].zero_point, integers.factors.astype(np.int64)
        if accumulator.overflow == "wrap":  # in any order the same
            exact = accumulate(op, centred, factors)
            exact += along(integers.bias, exact.ndim, channel_axis(op, exact))
            sums = wrap(exact, accumulator)
            overflowed = int(np.count_nonzero(sums != exact))
        else:
            sums, overflowed = register_sums(op, centred, factors, integers.bias, accumulator)
        if overflows is not None:
            overflows.outputs += overflowed
        return sums

    def codes(
        self,
        op: Linear,
        x: Array,
        source: Encoding,
        layer: LinearLayer,
        out: Encoding,
        relu: bool,
        overflows: Overflows | None = None,
    ) -> Array:
        """See `LinearKernel`."""
        return codes_of_sums(op, self.sums(op, x, source, layer, overflows), layer, out, relu)

    def sloped(
        self,
        op: Linear,
        x: Array,
        source: Encoding,
        layer: LinearLayer,
        slopes: Slopes,
        dtype: type[np.signedinteger[Any]],
        overflows: Overflows | None = None,
    ) -> Array:
        """See `LinearKernel`."""
        return sloped(self.sums(op, x, source, layer, overflows), slopes).astype(dtype)

    def looked_up(self, codes: Array, table: Lookup, dtype: type[np.signedinteger[Any]]) -> Array:
        """See `LinearKernel`."""
        return plainly_looked_up(codes, table, dtype)

    def product(self, op: Product, constants: Constants, finisher: Finisher, first: Operand, second: Operand) -> Array:
        """See `LinearKernel`."""
        return run_integer_op(op, constants, finisher, first, second)
