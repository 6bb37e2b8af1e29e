"""Off-chip bytes of a layer whose activations are stored run-length coded, as on the Eyeriss chip."""

from collections.abc import Mapping

from accelsim.validation.targets_file import StoredZeros

CODED_BITS = 64 / 3
"""Bits of one value that is not zero: three pairs of a 5-bit run of zeros and a 16-bit value, and one bit that ends the
stream, share a word of 64 bits (Chen et al., JSSC 52(1) 2017, section on run-length compression). Runs beyond 31 zeros
take a pair more, which is not counted."""


def coded_share(zero_fraction: float, word_bits: int = 16) -> float:
    """Stored bits over plain bits; 1 where coding would not make it smaller."""
    return min(1.0, (1 - zero_fraction) * CODED_BITS / word_bits)


def run_length_bytes(offchip_bits: Mapping[str, Mapping[str, int]], zeros: StoredZeros) -> float:
    """Bytes off chip, both ways; weights and unfinished sums are not coded. `offchip_bits`: operand -> read, write."""
    share = {"inputs": coded_share(zeros.inputs), "outputs": coded_share(zeros.outputs)}
    return sum(share.get(operand, 1.0) * sum(moved.values()) for operand, moved in offchip_bits.items()) / 8
