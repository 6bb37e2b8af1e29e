"""64 codes of 8 bits compared at once: a bit of each."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

CODES = 64
_BYTES = ir.VectorType(ir.IntType(8), CODES)


def _comparison(relation: str) -> Any:
    """Intrinsic `(address, zero)`: bits of the 64 signed bytes that so relate to `zero`, the first one lowest."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (address, zero), number = args, ir.IntType(32)
        codes = builder.load(builder.inttoptr(address, _BYTES.as_pointer()))
        codes.align = 1
        nothing = ir.Constant(_BYTES, ir.Undefined)
        first = builder.insert_element(nothing, builder.trunc(zero, _BYTES.element), ir.Constant(number, 0))
        zeros = builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(number, CODES), [0] * CODES))
        return builder.bitcast(builder.icmp_signed(relation, codes, zeros), ir.IntType(64))

    def typed(typing: Any, address: Any, zero: Any) -> Any:
        return types.uint64(types.intp, types.int64), generate

    return intrinsic(typed)


below, unequal = _comparison("<"), _comparison("!=")
