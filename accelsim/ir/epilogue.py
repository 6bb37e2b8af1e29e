"""How the functions on an operator's result are computed: as clamps of its code, two slopes, or a table."""

from dataclasses import dataclass
from typing import get_args

from accelsim.formats.lookup import table_bytes
from accelsim.ir.activations import (
    ELU,
    GELU,
    Abs,
    Activation,
    Clamp,
    Cos,
    Exp,
    LeakyReLU,
    Mish,
    ReLU,
    ScaleShift,
    Sigmoid,
    SiLU,
    Sin,
    Softplus,
    Tanh,
)
from accelsim.ir.graph import Node
from accelsim.ir.ops import Constant, Embedding, Linear, OneHot, View

CLAMPS = (ReLU, Clamp)
SMOOTH = (ELU, Tanh, Sigmoid, Softplus, GELU, SiLU, Mish, Exp, Sin, Cos, ScaleShift)
"""Functions that lie near the line between two knots wherever these are."""
BENT_AT_ZERO = (ReLU, LeakyReLU, Abs)
"""The same where zero is a knot: as the first function of a table."""
STORED = (Constant, Embedding, OneHot)
"""Operators whose results are codes from the start."""
EXTRA_BITS = 4
"""A code that a function still has to act on has this many bits more than the stored one."""
WIDEST_TABLE = 16
"""Bits of the widest code that a table without interpolation is addressed with."""


@dataclass(frozen=True)
class Functions:
    """What acts on a result: functions, then clamps of the code."""

    functions: tuple[Activation, ...]
    clamps: tuple[ReLU | Clamp, ...]

    @property
    def knots(self) -> bool:
        """Whether wide tables hold knots to interpolate between."""
        first, *others = self.functions
        return isinstance(first, SMOOTH + BENT_AT_ZERO) and all(isinstance(one, SMOOTH) for one in others)

    @property
    def tabulated(self) -> bool:
        """Whether a table is needed: LeakyReLU alone is two slopes."""
        return bool(self.functions) and not (len(self.functions) == 1 and isinstance(self.functions[0], LeakyReLU))

    @property
    def affine(self) -> bool:
        """Whether a factor and an offset are all there is, besides clamps."""
        return not self.functions or (len(self.functions) == 1 and isinstance(self.functions[0], ScaleShift))


def is_function(node: Node) -> bool:
    """Whether the operator only moves codes or is a function of each, so that all functions act on input codes."""
    return isinstance(node.op, get_args(Activation) + get_args(View))


def functions_of(node: Node) -> Functions:
    """The functions of a node; those of a node that is a function include itself."""
    chain = (node.op, *node.epilogue) if isinstance(node.op, Activation) else node.epilogue
    split = len(chain)
    while split and isinstance(chain[split - 1], CLAMPS):
        split -= 1
    clamps = tuple(one for one in chain[split:] if isinstance(one, ReLU | Clamp))
    return Functions(chain[:split], clamps)


def lands_before(node: Node) -> bool:
    """Whether the result lands on a code that is not stored, for functions to act on.

    Not so where they act on input codes or on accumulators, or on what is known before the run.
    """
    if isinstance(node.op, STORED) or is_function(node):
        return False
    functions = functions_of(node)
    return functions.tabulated or (bool(functions.functions) and not isinstance(node.op, get_args(Linear)))


def bits_before(node: Node, bits: int) -> int:
    """Width of that code where the stored one has `bits`."""
    wanted = bits + EXTRA_BITS
    return wanted if functions_of(node).knots else min(wanted, WIDEST_TABLE)


def lookup_bytes(node: Node, input_bits: int, bits: int) -> int:
    """Bytes of a node's table, 0 where it has none."""
    functions = functions_of(node)
    if isinstance(node.op, STORED) or not functions.tabulated:
        return 0
    if is_function(node):
        return 0 if functions.affine else table_bytes(input_bits, bits, functions.knots)
    return table_bytes(bits_before(node, bits), bits, functions.knots)
