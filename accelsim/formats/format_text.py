"""How one number format is spelled: `int8`, `int4:tensor`, `fixed8.6:rnd_conv:sat`, `ap_fixed<8,2>`, ...

A format adds itself by one `Family` in FAMILIES.
"""

import re
from typing import Literal

from accelsim.errors import AccelsimError, did_you_mean
from accelsim.formats.fixed_text import FIXED, HLS, hls_mistake
from accelsim.formats.flex_text import FLEXPOINT
from accelsim.formats.float32 import Float32
from accelsim.formats.float_text import BLOCK_FLOAT, MINIFLOAT
from accelsim.formats.integer_text import INTEGERS
from accelsim.formats.number_format import NumberFormat
from accelsim.formats.spelling import Family
from accelsim.formats.weight_text import BINARY, CODEBOOK, LOGARITHMIC, TANH, TERNARY

Role = Literal["weights", "activations"]

_FLOAT32 = Family(
    re.compile("float32"),
    lambda match, role: Float32(),
    ("float32",),
    {"float32": "IEEE single precision: the reference"},
)
FAMILIES: tuple[Family[NumberFormat], ...] = (
    _FLOAT32,
    MINIFLOAT,
    BLOCK_FLOAT,
    INTEGERS,
    FIXED,
    HLS,
    FLEXPOINT,
    TERNARY,
    BINARY,
    CODEBOOK,
    LOGARITHMIC,
    TANH,
)
MEANINGS = {spelling: meaning for family in FAMILIES for spelling, meaning in family.meanings.items()}
"""Spelling -> one line of meaning, for `accelsim list formats`."""


def parse_format(text: str, role: str = "activations") -> NumberFormat:
    """A number format from its spelling; `role` ("weights" or "activations") sets the defaults of its options.

    Raises:
        AccelsimError: no such format, width or option.
    """
    for family in FAMILIES:
        if match := family.pattern.fullmatch(text):
            return family.read(match, role)
    if text.startswith("ap_"):
        raise hls_mistake(text)
    known = [example for family in FAMILIES for example in family.examples]
    raise AccelsimError(
        f"precision: no number format {text!r}{did_you_mean(text, known)}",
        hint=f"formats are {', '.join(MEANINGS)} (`accelsim list formats`)",
    )
