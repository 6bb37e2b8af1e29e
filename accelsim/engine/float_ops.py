"""Every operator in floating point, NCHW, in the dtype of its input (float32 for the reference network)."""

from accelsim.engine import float_elementwise, float_moves, float_products, float_sums
from accelsim.engine.float_dispatch import Array, run_float_op
from accelsim.engine.float_moves import pad
from accelsim.engine.float_products import scatter_and_crop

__all__ = ["FAMILIES", "Array", "pad", "run_float_op", "scatter_and_crop"]

FAMILIES = (float_products, float_elementwise, float_sums, float_moves)
"""Importing these registers their operators with `run_float_op`."""
