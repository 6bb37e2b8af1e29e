"""How a memory off the chip stores activations run-length coded."""

from typing import Protocol, TypeVar

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from accelsim.hardware.quantity import Count, Frozen, PositiveCount, Source, Status


class RunLength(Frozen):
    """Words of `word_bits`, each of pairs of a run of zeros (`run_bits`) and the value that ends it, and `flag_bits`.

    A run is at most 2**run_bits - 1 zeros; a longer one takes pairs whose value is a zero. A word holds as many pairs
    as fit: three of 5 + 16 bits in 64 with one flag, as in Chen et al., JSSC 52(1) 2017; four of 5 + 8.
    """

    run_bits: PositiveCount
    word_bits: PositiveCount
    flag_bits: Count = Count(0)
    source: Source | None = None
    status: Status | None = None

    @model_validator(mode="after")
    def _holds_a_pair(self) -> "RunLength":
        if self.pairs_per_word(1) < 1:
            given = {"word": int(self.word_bits), "flag": int(self.flag_bits), "run": int(self.run_bits)}
            what = "a word of {word} bits, {flag} of them flags, has no room for a run of {run} bits and a value"
            raise PydanticCustomError("run_length", what, given)
        return self

    @property
    def span(self) -> int:
        """Values that a pair stands for at most: the longest run and the value that ends it."""
        return 1 << int(self.run_bits)

    def pairs_per_word(self, value_bits: int) -> int:
        """Pairs of one word; 0 where no value of this width fits."""
        return max(0, (self.word_bits - self.flag_bits) // (self.run_bits + value_bits))


class _Memory(Protocol):
    run_length: RunLength | None

    @property
    def off_chip(self) -> bool: ...


AMemory = TypeVar("AMemory", bound=_Memory)


def coded_off_chip(memory: AMemory) -> AMemory:
    """The memory; an error where it is on the chip and stores codes."""
    if memory.run_length is not None and not memory.off_chip:
        raise PydanticCustomError("run_length", "only a memory off the chip stores run-length coded activations")
    return memory
