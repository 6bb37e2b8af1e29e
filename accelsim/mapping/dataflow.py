"""What the loops inside one memory, and its tiles, are restricted to; dims by their letters."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Dataflow:
    """Restrictions of one memory. The default restricts nothing."""

    stationary: str = ""
    """The operand whose tiles stay in the memory until all that they take part in is done: outside of it no loop that
    moves the operand runs inside one that does not."""
    loops: str | None = None
    """Dims that its loops may run over; None: any."""
    ordered: bool = False
    """The loops run in the order of `loops`, outermost first, and nothing is left to choose."""
    tile: tuple[tuple[str, int, int | None], ...] = ()
    """(dim, least, most) of the length in a tile of the memory, of one copy; all that there is satisfies any least."""
    said: str = field(default="", compare=False)
    """Where the restriction was written, for errors."""
    kept: str = ""
    """Of loops in order, in the levels that are searched: the operands that the order keeps in place."""

    def may_loop(self, dim: str) -> bool:
        """Whether a loop over the dim may run inside the memory."""
        return self.loops is None or dim in self.loops

    def bounds(self, dim: str) -> tuple[int, int | None]:
        """(least, most) length of the dim in a tile."""
        return next(((least, most) for name, least, most in self.tile if name == dim), (1, None))


FREE = Dataflow()
