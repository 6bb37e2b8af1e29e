"""float32 layers by torch."""

from collections.abc import Callable

import torch

from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense
from accelsim.ir.parameters import parameter_shapes
from accelsim.measure.layers import Layer


def torch_call(layer: Layer, threads: int) -> Callable[[], object]:
    """A call that runs the layer once on random values."""
    op, functional = layer.op, torch.nn.functional
    shapes = parameter_shapes(op)
    x, weight, bias = (
        torch.randn((layer.batch, *layer.sample)),
        torch.randn(shapes["weight"]),
        torch.randn(shapes["bias"]),
    )

    torch.set_num_threads(threads)

    def call() -> object:
        with torch.inference_mode():
            match op:
                case Dense():
                    return functional.linear(x, weight, bias)
                case Conv2d():
                    return functional.conv2d(x, weight, bias, op.stride, op.padding[0], op.dilation, op.groups)
                case ConvTranspose2d():
                    before, after, _, _ = op.crop
                    return functional.conv_transpose2d(x, weight, bias, op.stride, before, before - after, op.groups)

    return call
