"""Weights by seed, for networks whose cost is wanted and whose images are not."""

import zlib

import numpy as np
from numpy.typing import NDArray

from accelsim.ir.graph import Graph
from accelsim.ir.ops import Shape

ONES = ("var", "scale")


def random_weights(graph: Graph, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """A float32 tensor for every parameter, from the seed and its name alone.

    Matrices and kernels are normal with variance 2 / fan-in (He et al. 2015, arXiv 1502.01852), so that activations
    neither vanish nor explode; norms start at one and zero, biases at zero; other stored tensors are normal.
    """
    return {name: _tensor(name, shape, seed) for name, shape in graph.parameter_shapes.items()}


def _tensor(name: str, shape: Shape, seed: int) -> NDArray[np.float32]:
    role = name.rsplit(".", 1)[-1]
    vector = len(shape) < 2
    if role in ("bias", "mean", "shift"):
        return np.zeros(shape, np.float32)
    if role in ONES or (role == "weight" and vector):
        return np.ones(shape, np.float32)
    generator = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    drawn = generator.standard_normal(shape, np.float32)
    if role != "weight":
        return drawn
    return drawn * np.float32(np.sqrt(2 / np.prod(shape[1:], dtype=np.int64)))
