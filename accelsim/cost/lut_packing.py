"""LUTs around DSP slices that make several narrow products of one common factor: what takes their sums apart.

The products of a slice lie beside each other in one word, so the sum of a lower lane carries or borrows into the next
one. Two ways to put that right, both counted from a description and fitted to nothing:

slices    each slice keeps sums of its own; beside it the two lowest bits of each higher product are multiplied and
          added up in LUTs, and what differs from the slice's sum is the carry (Xilinx/finn, finn-rtllib/mvu:
          mvu_8sx8u_dsp48.sv for two lanes of w + a bits, mvu_4sx4u.sv for four lanes of 8, 7, 7 and the rest)
cascade   two lanes 18 bits apart; products add up along the cascade, 7 at most before the lower lane is full; each such
          segment is added in LUTs, the borrow as carry-in (Xilinx WP486, recalled)
"""

from accelsim.cost.lut_cost import adder, adder_tree
from accelsim.errors import AccelsimError

CANARY_LUTS = 5
"""A slice and a boundary of lanes: the low product bits (one LUT6_2), their sum (2 bits), the difference (2 bits)."""
LANE_BITS = {2: 8, 4: 4}
"""Widest factors that so many lanes hold."""
SEGMENT = 7
"""Products that two lanes 18 bits apart can add up (WP486)."""
SEGMENT_BITS = 19


def low_lanes(lanes: int, weight_bits: int, activation_bits: int) -> tuple[int, ...]:
    """Bits of all lanes but the highest, which has the rest of the word.

    Raises:
        AccelsimError: neither 2 nor 4 lanes.
    """
    if lanes == 2:
        return (weight_bits + activation_bits,)
    if lanes == 4:
        return (8, 7, 7)
    raise AccelsimError(f"LUT cost: {lanes} products share a slice, expected 2 or 4: no other circuit is known")


def packed_slices(lanes: int, slices: int, operand_bits: tuple[int, int], sum_bits: int, kept_bits: int) -> int:
    """LUTs beside `slices` slices of `lanes` lanes, for `lanes` sums over all slices.

    Args:
        operand_bits: of weights and activations.
        sum_bits: of each result.
        kept_bits: of what one slice adds up by itself; `sum_bits` where it accumulates, else those of a product.

    Raises:
        AccelsimError: neither 2 nor 4 lanes.
    """
    total = min(adder_tree(slices, kept_bits), (slices - 1) * sum_bits)  # the highest lane
    for bits in low_lanes(lanes, *operand_bits):
        carries = CANARY_LUTS * slices + adder_tree(slices, 2)
        held = adder(1 + max(sum_bits - bits, (slices - 1).bit_length(), 1))
        total += carries + held + adder_tree(slices, bits, signed=False)
    return total + (2 * lanes - 2) * adder(
        sum_bits
    )  # each lane and its carry; less that of the lane below, but for one


def packed_cascade(products: int) -> int:
    """LUTs that add the segments of two cascaded sums of so many products each; without accumulator."""
    return 2 * adder_tree(-(-products // SEGMENT), SEGMENT_BITS)
