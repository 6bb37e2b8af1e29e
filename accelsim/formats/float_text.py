"""The spellings of floating-point formats: `fp16`, `fp8e4m3`, `mxfp4`, ..."""

import re

from accelsim.formats.block import BLOCKS, BlockFormat
from accelsim.formats.minifloat import MINIFLOATS, MiniFloat
from accelsim.formats.spelling import Family

_MINIFLOATS: dict[str, MiniFloat] = {format.name: format for format in MINIFLOATS}
_BLOCKS: dict[str, BlockFormat] = {format.name: format for format in BLOCKS}

_SCALED = "saturating, with a power-of-two scale per tensor (weights: per output channel)"
_SHARED = "in blocks of 32 input channels that share a power-of-two scale (OCP MX)"

MINIFLOAT = Family(
    re.compile("|".join(_MINIFLOATS)),
    lambda match, role: _MINIFLOATS[match[0]],
    tuple(_MINIFLOATS),
    {
        "fp16": "IEEE half precision: 5 exponent bits, 10 mantissa bits, up to 65504, then infinity",
        "bf16": "float32 rounded to its upper half: 8 exponent bits, 7 mantissa bits",
        "fp8e4m3": f"OCP 8-bit float, 4 exponent bits, 3 mantissa bits, up to 448, {_SCALED}",
        "fp8e5m2": f"OCP 8-bit float, 5 exponent bits, 2 mantissa bits, up to 57344, {_SCALED}",
    },
)
BLOCK_FLOAT = Family(
    re.compile("|".join(_BLOCKS)),
    lambda match, role: _BLOCKS[match[0]],
    tuple(_BLOCKS),
    {
        "mxint8": f"multiples of 1/64 up to 127/64 {_SHARED}",
        "mxfp8e4m3": f"fp8e4m3 elements {_SHARED}",
        "mxfp6e3m2": f"6-bit floats, 3 exponent bits, 2 mantissa bits, up to 28, {_SHARED}",
        "mxfp6e2m3": f"6-bit floats, 2 exponent bits, 3 mantissa bits, up to 7.5, {_SHARED}",
        "mxfp4": f"4-bit floats, 2 exponent bits, 1 mantissa bit: 0, 0.5, 1, 1.5, 2, 3, 4, 6, {_SHARED}",
    },
)
