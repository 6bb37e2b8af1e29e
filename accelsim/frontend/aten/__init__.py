"""ATen operators -> layer IR, by family: one entry each in `LOWER`. A new operator is one function and one entry."""

import operator
from typing import Any

from accelsim.frontend.aten import elementwise, norms, products, shapes, sources, windows
from accelsim.frontend.aten.elementwise import Handler

LOWER: dict[Any, Handler] = {
    **products.LOWER,
    **elementwise.LOWER,
    **norms.LOWER,
    **windows.LOWER,
    **shapes.LOWER,
    **sources.LOWER,
    operator.getitem: shapes.getitem,
}

VIEWS = {*shapes.VIEWS, *sources.SAME_MEMORY, operator.getitem}
"""Operators whose result may lie in the memory of their input."""
