"""Where the batch lies in a torch tensor, and which axes of a sample its other dimensions are.

A sample of the layer IR has no batch axis. In torch the batch may stand anywhere, and may be folded with other
dimensions into one, as in `x.view(-1, features)`: that dimension then counts outer * N * inner elements.
"""

from dataclasses import dataclass
from typing import Any

from accelsim.ir.ops import Shape


@dataclass(frozen=True)
class Layout:
    """Sizes of a tensor: before the batch dimension, folded into it on both sides, and after it."""

    before: Shape
    outer: int
    inner: int
    after: Shape

    @property
    def axis(self) -> int:
        """The batch dimension."""
        return len(self.before)

    @property
    def rank(self) -> int:
        """Number of dimensions, the batch included."""
        return len(self.before) + 1 + len(self.after)

    @property
    def folded(self) -> Shape:
        """Sample axes that the batch dimension holds beside the batch."""
        return tuple(n for n in (self.outer, self.inner) if n > 1)

    @property
    def shape(self) -> Shape:
        """Shape of one sample."""
        return (*self.before, *self.folded, *self.after)

    @property
    def plain(self) -> bool:
        """Whether the batch is the first dimension, alone."""
        return not self.before and not self.folded

    def sample_axes(self, dim: int) -> tuple[int, ...]:
        """The sample axes of a dimension (negative ones count from the end): one, or those folded into the batch."""
        dim %= self.rank
        if dim == self.axis:
            return tuple(range(self.axis, self.axis + len(self.folded)))
        return (dim if dim < self.axis else dim - 1 + len(self.folded),)


def batch_factor(size: Any) -> int | None:
    """k of a dimension of k * N elements, None for one of fixed size; raises ValueError for any other."""
    if isinstance(size, int):
        return None
    expression = size.node.expr
    (symbol,) = expression.free_symbols
    factor = expression / symbol
    if not factor.is_Integer:
        raise ValueError(f"{expression} is no multiple of the batch")
    return int(factor)


def layout_of(sizes: Any, outer: int) -> Layout | None:
    """The layout of a tensor with these sizes, `outer` of its batch dimension being known; None without a batch.

    Raises:
        ValueError: the batch is in two dimensions, or not a whole factor of one.
    """
    factors = [batch_factor(n) for n in sizes]
    places = [i for i, factor in enumerate(factors) if factor is not None]
    if not places:
        return None
    if len(places) > 1:
        raise ValueError("the batch is in two dimensions")
    (axis,) = places
    total = factors[axis]
    assert total is not None
    if total % outer:
        raise ValueError("the batch is folded in another order than it was")
    before, after = (tuple(int(n) for n in part) for part in (sizes[:axis], sizes[axis + 1 :]))
    return Layout(before, outer, total // outer, after)
