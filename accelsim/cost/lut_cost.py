"""6-input LUTs of processing elements that are built in the fabric of an FPGA, counted from their structure.

Nothing here is fitted. Every number is a count of gates in a described circuit: an adder takes one LUT a bit on its
carry chain, a LUT6 gives two outputs where those share at most 5 inputs, and any function of 6 inputs is one LUT. The
circuits, and the measurements (Yosys `synth_xilinx`, 7 series, no DSP) that the counts are held against, are in
`docs/fpga_resources.md`; `accelsim.cost.lut_rows` says by how much they are off, family by family.

There are two ways to build a multiplier. `rows`: partial products two at a time on carry chains, the sums added up on
carry chains, the nearer to what an FPGA designer writes. `operator`: what a synthesizer makes of `w * a`, carry-save
adders in LUTs and one carry chain at the end.
"""

from functools import cache
from typing import Literal

from accelsim.errors import AccelsimError

Multiplier = Literal["rows", "operator"]
LUT_INPUTS = 6


def adder(bits: int) -> int:
    """LUTs of a sum of two `bits`-wide numbers: one a bit, the carry chain is beside them."""
    return _at_least(bits, 1, "bits of an adder")


@cache
def adder_tree(operands: int, bits: int, *, signed: bool = True) -> int:
    """LUTs of the sum of `operands` numbers of `bits` bits, at full precision, as a balanced tree of two-input adders.

    An adder of b bits has b + 1 of sum: signed, the last takes a LUT (the signs); unsigned, it is the carry itself.
    """
    _at_least(operands, 1, "operands of a tree")
    if operands == 1:
        return 0
    left, right = operands - operands // 2, operands // 2
    wide = bits + (left - 1).bit_length()
    here = wide + 1 if signed else wide
    return adder_tree(left, bits, signed=signed) + adder_tree(right, bits, signed=signed) + here


def multiplier(weight_bits: int, activation_bits: int, build: Multiplier = "rows") -> int:
    """LUTs of a signed product of full width; one of at most 6 input bits is looked up, a LUT a bit of the product."""
    _at_least(weight_bits, 1, "weight bits")
    _at_least(activation_bits, 2, "activation bits")
    rows = build == "rows"
    built = _row_pairs(weight_bits, activation_bits, signed=True) if rows else _carry_save(weight_bits, activation_bits)
    bits = weight_bits + activation_bits
    return min(built, bits) if bits <= LUT_INPUTS else built


def multiply_accumulate(
    weight_bits: int, activation_bits: int, sum_bits: int, build: Multiplier = "rows", *, saturating: bool = False
) -> int:
    """LUTs of `sum += w * a`, one product a cycle, of `sum_bits` (wrapping, or clamped at the ends)."""
    return multiplier(weight_bits, activation_bits, build) + accumulator(sum_bits, saturating=saturating)


def accumulator(sum_bits: int, *, saturating: bool = False) -> int:
    """LUTs of `sum += x`. Saturating: one bit more of sum, and a choice between sum and rail, two bits a LUT."""
    return adder(sum_bits + 1) + _half(sum_bits) if saturating else adder(sum_bits)


def dot(lanes: int, weight_bits: int, activation_bits: int) -> int:
    """LUTs of a sum of `lanes` products a cycle, row-pair products and a tree, without accumulator."""
    products = lanes * multiplier(weight_bits, activation_bits)
    return products + adder_tree(lanes, weight_bits + activation_bits)


def ternary_accumulate(sum_bits: int) -> int:
    """LUTs of `sum += w * a` with w of -1, 0, 1: the choice of 0, a or not a is in the adder, +1 by its carry-in."""
    return adder(sum_bits + 1)


def ternary_dot(lanes: int, activation_bits: int, *, negated: bool = False) -> int:
    """LUTs of a sum of `lanes` terms w * a, w of -1, 0, 1.

    Terms are 0, a or not a in a tree, and the number of negative weights is counted and added; the first adders of the
    tree choose both their operands, the second of them in further LUTs, two bits each. negated: each term is 0, a or -a
    by a negation and a choice of its own, before the tree.
    """
    if negated:
        term = adder(activation_bits + 1) + _half(activation_bits + 1)
        return lanes * term + adder_tree(lanes, activation_bits + 1)
    chosen = (lanes // 2) * _half(activation_bits)
    total = adder(activation_bits + 1 + (lanes - 1).bit_length())
    return chosen + adder_tree(lanes, activation_bits) + population_count(lanes, inputs_per_bit=2) + total


def ternary_ternary_dot(lanes: int, *, biased: bool = False) -> int:
    """LUTs of a sum of `lanes` products of two values of -1, 0, 1: how many are 1 less how many are -1.

    biased: the sum of the products plus 1, in a tree, less `lanes`. Each of two bits a product takes a LUT, the top bit
    of each first adder one more to reach the chain, and the last difference one (for a power of two).
    """
    if biased:
        return 2 * lanes + adder_tree(lanes, 2, signed=False) + lanes // 2 + 1
    products = 2 * lanes  # is it 1, is it -1
    counts = 2 * population_count(lanes, inputs_per_bit=1)
    return products + counts + adder((lanes - 1).bit_length() + 2)


def binary_dot(lanes: int, sum_bits: int = 0, group: Literal[3, 6] = 3) -> int:
    """LUTs of the number of equal bits (XNOR) of two words of `lanes` bits, added to a sum where that has bits.

    The count is made of groups of 3 or of 6 bits, then of a tree.
    """
    return population_count(lanes, inputs_per_bit=2, group=group) + (adder(sum_bits) if sum_bits else 0)


def population_count(bits: int, inputs_per_bit: Literal[1, 2], group: Literal[3, 6] = 6) -> int:
    """LUTs of the number of ones in `bits` bits, each of which is a function of one or two signals.

    A group of 3 gives a sum and a carry: two LUT6 of 2 x 3 signals, one LUT of 3. A group of 6 is two of those and
    three functions of their four results. What is left over is counted in a smaller group.
    """
    _at_least(bits, 1, "bits to count")
    groups, rest = divmod(bits, group)
    counters = groups * _counter(group, inputs_per_bit) + (_counter(rest, inputs_per_bit) if rest else 0)
    width = 2 if group == 3 else 3
    return counters + adder_tree(groups + bool(rest), width, signed=False)


def _counter(bits: int, inputs_per_bit: int) -> int:
    if bits == 1:
        return 0 if inputs_per_bit == 1 else 1
    if bits * inputs_per_bit <= 5:
        return 1
    if bits <= 3:
        return 2
    return _counter(3, inputs_per_bit) + _counter(bits - 3, inputs_per_bit) + 3


def _row_pairs(weight_bits: int, activation_bits: int, *, signed: bool) -> int:
    if weight_bits == 1:
        return adder(activation_bits + 1) if signed else _half(activation_bits)
    if weight_bits == 2:
        return adder(activation_bits + 1)  # the lowest bit of a pair is that of its first row
    low = 2 * ((weight_bits + 3) // 4)
    high = weight_bits - low
    halves = _row_pairs(low, activation_bits, signed=False) + _row_pairs(high, activation_bits, signed=signed)
    return halves + adder(activation_bits + high)


def _carry_save(weight_bits: int, activation_bits: int) -> int:
    """Rows become two by full adders. Those of the first rows are fed by AND gates, 6 signals and a LUT an output;
    the others have 3 signals, a LUT for both outputs."""
    rows, columns = min(weight_bits, activation_bits), max(weight_bits, activation_bits)
    adders = max(0, rows - 2) * columns
    gated = (rows // 3) * columns if rows > 2 else 0
    return adders + gated + adder(weight_bits + activation_bits)


def _half(bits: int) -> int:
    return -(-bits // 2)


def _at_least(number: int, least: int, what: str) -> int:
    if number < least:
        raise AccelsimError(f"LUT cost: {what}: {number}, expected at least {least}")
    return number
