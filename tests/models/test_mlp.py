import numpy as np
import torch

from accelsim.engine.run import run_float
from accelsim.frontend.torch_export import lower_module
from accelsim.ir.ops import BatchNorm, ChannelAffine
from accelsim.models.mlp import LATENT, Generator
from accelsim.passes.normalise import normalise


def moved() -> Generator:
    """A generator whose norms have statistics and gains that a fold must carry."""
    torch.manual_seed(3)
    generator = Generator()
    for norm in generator.norms:
        for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
            tensor.normal_()
        norm.running_var.uniform_(0.1, 3)
    return generator.eval()


def test_parameters_with_and_without_the_running_statistics() -> None:
    graph, weights = lower_module(Generator(), [torch.zeros(1, LATENT)], "mlp32")
    assert graph.trainable_parameters == 3_835_136
    assert sum(tensor.size for tensor in weights.values()) == 3_838_720


def test_each_norm_after_its_activation_folds_into_the_next_layer() -> None:
    """Within 2e-5 of the largest value before tanh: new weights are rounded once, 2**-24 relative a term."""
    generator, z = moved(), torch.randn(5, LATENT)
    graph, weights = normalise(*lower_module(generator, [torch.zeros(1, LATENT)], "mlp32"))
    assert weights is not None
    assert not any(isinstance(node.op, BatchNorm | ChannelAffine) for node in graph.nodes)
    made = run_float(graph, weights, {"z": z.numpy()})[graph.outputs[0]]
    with torch.no_grad():
        wanted = generator.double()(z.double()).numpy()
    assert np.abs(wanted).mean() > 0.2
    np.testing.assert_allclose(made, wanted, atol=2e-5 * np.abs(np.arctanh(wanted.clip(-0.999, 0.999))).max())
