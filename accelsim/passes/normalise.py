"""The exact rewritings that every run starts with, in their order."""

from accelsim.ir.graph import Graph, Weights
from accelsim.passes.fold_batchnorm import fold_batchnorm
from accelsim.passes.fold_crop import fold_crop
from accelsim.passes.fuse_activation import fuse_activation
from accelsim.passes.gather_norm import gather_norm
from accelsim.passes.hoist_modulation import hoist_modulation

PASSES = {
    "hoist-modulation": "styles leave the weights of a convolution for what goes into it and comes out",
    "gather-norm": "norms written out as arithmetic become one operator",
    "fold-crop": "slices after transposed convolutions and zero pads before convolutions join them",
    "fold-batchnorm": "batch norms join the multiplying layer beside them where that is exact",
    "fuse-activation": "activations ride on the operator before them",
    "formats": "every value and layer gets its number format",
    "calibrate": "ranges of values over calibration inputs fix their scales",
    "quantize": "weights become integer codes, biases and requantization constants",
    "target": "what the machine does to values: accumulator width and overflow",
}
"""Name -> one line of meaning, in the order in which they run, for `accelsim list passes`."""


def normalise(graph: Graph, weights: Weights | None) -> tuple[Graph, Weights | None]:
    """Styles, norms, crops and pads, then batch norms, then crops that those freed, then activations."""
    graph, weights = hoist_modulation(graph, weights)
    graph, weights = fold_batchnorm(fold_crop(gather_norm(graph)), weights)
    return fuse_activation(fold_crop(graph)), weights
