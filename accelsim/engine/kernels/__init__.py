"""Compiled integer kernels of the multiplying layers, bit-identical to the plain interpreter."""
