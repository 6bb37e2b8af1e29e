"""Every operator that computes on codes by whole numbers alone."""

from accelsim.engine import integer_elementwise, integer_moves, integer_norms, integer_products, integer_sums
from accelsim.engine.integer_dispatch import Finisher, Operand, run_integer_op, sloped

__all__ = ["FAMILIES", "Finisher", "Operand", "run_integer_op", "sloped"]

FAMILIES = (integer_elementwise, integer_sums, integer_norms, integer_products, integer_moves)
"""Importing these registers their operators with `run_integer_op`."""
