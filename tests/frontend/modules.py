"""Small torch modules for the tests: each a module and the sample shapes of its inputs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Function(nn.Module):
    """`function(self, *inputs)` with the given submodules."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(self, *inputs)


def tied() -> nn.Module:
    a, b = nn.Linear(4, 4), nn.Linear(4, 4)
    b.weight = a.weight
    return Function(lambda m, x: m.b(m.a(x)), a=a, b=b)


def scrambled(module: nn.Module) -> nn.Module:
    """The module with statistics and affine parameters of batch norms far from their start."""
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) and part.running_mean is not None:
            part.running_mean.normal_(generator=generator)
            assert part.running_var is not None
            part.running_var.uniform_(0.2, 3, generator=generator)
            if part.affine:
                nn.init.normal_(part.weight, generator=generator)
                nn.init.normal_(part.bias, generator=generator)
    return module


def in_place_statement(m: Any, x: Tensor) -> Tensor:
    h = m.c(x)
    h.relu_()
    return h + m.c(h)


def in_place_residual(m: Any, x: Tensor) -> Tensor:
    y = m.c(x)
    y += x
    return torch.relu(y)


def same_everywhere(m: Any, x: Tensor) -> Tensor:
    x = F.dropout(m.drop(m.same(x)), 0.5, m.training).contiguous()
    return m.c(x.clone().detach()[:, :])


GOOD: dict[str, tuple[Callable[[], nn.Module], list[tuple[int, ...]], str]] = {
    "linear": (lambda: nn.Linear(5, 3), [(5,)], "Dense"),
    "linear over a sequence": (lambda: nn.Linear(5, 3, bias=False), [(2, 5)], "Dense"),
    "conv": (lambda: nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), groups=2), [(4, 7, 8)], "Conv2d"),
    "conv same": (lambda: nn.Conv2d(3, 4, (4, 2), 1, "same", (1, 3)), [(3, 7, 8)], "Conv2d"),
    "conv valid": (lambda: nn.Conv2d(3, 4, 3, 2, "valid", bias=False), [(3, 7, 8)], "Conv2d"),
    "up": (
        lambda: nn.ConvTranspose2d(4, 6, (5, 3), (3, 2), (2, 1), (2, 1), 2, True, (1, 2)),
        [(4, 4, 5)],
        "ConvTranspose2d",
    ),
    "up without a crop": (lambda: nn.ConvTranspose2d(2, 2, 3, 3, 0, 2), [(2, 3, 3)], "ConvTranspose2d"),
    "norm 1d": (lambda: nn.BatchNorm1d(5), [(5,)], "BatchNorm"),
    "norm 1d of a sequence": (lambda: nn.BatchNorm1d(5), [(5, 3)], "BatchNorm"),
    "norm 2d, no affine": (lambda: nn.BatchNorm2d(5, eps=0.3, affine=False), [(5, 3, 2)], "BatchNorm"),
    "activations": (
        lambda: nn.Sequential(nn.ReLU(), nn.Linear(4, 4), nn.LeakyReLU(0.3), nn.Sigmoid(), nn.Tanh()),
        [(4,)],
        "ReLU Dense LeakyReLU Sigmoid Tanh",
    ),
    "leaky slope by default": (lambda: Function(lambda m, x: F.leaky_relu(x)), [(4,)], "LeakyReLU"),
    "in place": (
        lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.LeakyReLU(0.1, True), nn.Dropout(0.5, True)),
        [(4,)],
        "Dense ReLU LeakyReLU",
    ),
    "in place, read again": (lambda: Function(in_place_statement, c=nn.Linear(4, 4)), [(4,)], "Dense ReLU Dense Add"),
    "in place residual": (lambda: Function(in_place_residual, c=nn.Linear(4, 4)), [(4,)], "Dense Add ReLU"),
    "pad": (lambda: Function(lambda m, x: F.pad(x, (1, 2, 0, 3))), [(2, 3, 4)], "ZeroPad"),
    "pad channels": (lambda: Function(lambda m, x: F.pad(x, (0, 0, 0, 0, 1, 2))), [(2, 3, 4)], "ZeroPad"),
    "ZeroPad2d": (lambda: nn.ZeroPad2d((3, 0, 1, 2)), [(2, 3, 4)], "ZeroPad"),
    "slices": (
        lambda: Function(lambda m, x: x[:, 1:, -5:-1, ::3][:, :, :100, 1:]),
        [(3, 7, 8)],
        "Slice Slice Slice Slice",
    ),
    "pools": (
        lambda: Function(
            lambda m, x: m.p(x).flatten(1) + x.mean((-1, 2)) + x.mean((2, 3), True)[:, :, 0:1].view(-1, 3),
            p=nn.AdaptiveAvgPool2d(1),
        ),
        [(3, 4, 5)],
        "GlobalAveragePool Reshape Reshape GlobalAveragePool Add GlobalAveragePool Reshape Reshape Add",
    ),
    "shapes": (
        lambda: Function(
            lambda m, x: (
                m.u(m.f(x).view(-1, 4, 6).transpose(1, -1).permute(0, 2, 1).reshape(x.shape[0], 24))
                .unsqueeze(1)
                .squeeze(1)
            ),
            f=nn.Flatten(),
            u=nn.Unflatten(1, (2, -1)),
        ),
        [(2, 3, 4)],
        "Reshape Reshape Permute Permute Reshape Reshape Reshape Reshape",
    ),
    "nothing but identities": (
        lambda: Function(same_everywhere, drop=nn.Dropout2d(), same=nn.Identity(), c=nn.Linear(4, 4)),
        [(3, 4, 4)],
        "Dense",
    ),
    "a module twice": (lambda: Function(lambda m, x: m.c(m.c(x)), c=nn.Linear(4, 4)), [(4,)], "Dense Dense"),
    "a tied weight with two biases": (tied, [(4,)], "Dense Dense"),
    "two inputs, two outputs": (
        lambda: Function(
            lambda m, x, y: (m.a(x) + m.b(y), {"x": x, "h": m.a(y)}), a=nn.Linear(4, 4), b=nn.Linear(4, 4)
        ),
        [(4,), (4,)],
        "Dense Dense Add Dense",
    ),
    "parameters of its own": (
        lambda: Function(lambda m, x: F.linear(x, m.c.weight), c=nn.Linear(4, 4)),
        [(4,)],
        "Dense",
    ),
}


def bad_statement(m: Any, x: Tensor) -> Tensor:
    h = m.c(x)
    h.view(-1, 2, 2).cumsum_(1)
    return h


class Iterating(nn.Module):
    """A spectral norm that iterates in every forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, bias=False)
        self.u = nn.Parameter(torch.randn(2), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        matrix = self.conv.weight.view(2, 2)
        self.u.data = torch.mv(matrix.data, self.u.data)
        return F.conv2d(x, self.conv.weight / self.u.dot(matrix.mv(self.u)))


class RunningSum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(x, 1)


class Block(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 2, 1), norm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Net(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.block = Block(norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


BAD: dict[str, tuple[Callable[[], nn.Module], list[tuple[int, ...]], str]] = {
    "running sum": (
        lambda: Net(RunningSum()),
        [(2, 4, 4)],
        "block.norm (RunningSum): operator aten.cumsum.default is not supported",
    ),
    "indices with a gap between": (
        lambda: Function(lambda m, x: x[:, [0, 1], :, [2, 0]]),
        [(2, 4, 4)],
        "indexing that is not by stored indices of dimensions that follow each other",
    ),
    "a mask of two dimensions": (
        lambda: Function(lambda m, x: x[:, torch.eye(4) > 0]),
        [(4, 4)],
        "a mask of several dimensions",
    ),
    "writing into data": (
        lambda: Net(Iterating()),
        [(2, 4, 4)],
        "torch.export refuses this module: its forward writes into `.data`",
    ),
    "batch norm without statistics": (
        lambda: Net(nn.BatchNorm2d(2, track_running_stats=False)),
        [(2, 4, 4)],
        "block.norm (BatchNorm2d): batch norm without stored statistics is not supported",
    ),
    "batch norm in training": (
        lambda: Function(
            lambda m, x: F.batch_norm(x, m.n.running_mean, m.n.running_var, training=True), n=nn.BatchNorm1d(4)
        ),
        [(4,)],
        "batch norm without stored statistics",
    ),
    "dropout that stays on": (
        lambda: Function(lambda m, x: F.dropout(x)),
        [(4,)],
        "dropout that stays on in eval mode",
    ),
    "a fixed batch": (lambda: Function(lambda m, x: x.view(2, 8)), [(8,)], "torch.export refuses this module"),
    "a batch in another place": (
        lambda: Function(lambda m, x: x.view(2, x.shape[0], 3)),
        [(2, 3)],
        "Function: torch.export refuses this module: its batch is not free",
    ),
    "permuting the batch": (
        lambda: Function(lambda m, x: x.permute(1, 0, 2)),
        [(4, 3)],
        "output inputs_0: its first dimension is not the batch",
    ),
    "transposing the batch": (
        lambda: Function(lambda m, x: x.transpose(-1, 0)),
        [(4,)],
        "output inputs_0: its first dimension is not the batch",
    ),
    "a mean over the batch": (
        lambda: Function(lambda m, x: x - x.mean(0)),
        [(4,)],
        "aten.mean.dim along the batch dimension is not supported",
    ),
    "samples against each other": (
        lambda: Function(lambda m, x: x @ x.t()),
        [(4,)],
        "aten.matmul.default over the batch dimension is not supported",
    ),
    "a sum over everything": (
        lambda: Function(lambda m, x: x / x.sum()),
        [(4,)],
        "aten.sum.dim_IntList over the batch is not supported",
    ),
    "norm over the batch": (
        lambda: Function(lambda m, x: x.t().softmax(1)),
        [(4,)],
        "aten.softmax.int along the batch dimension is not supported",
    ),
    "reversing the batch": (lambda: Function(lambda m, x: x.flip(0)), [(4,)], "aten.flip.default along the batch"),
    "joining batches": (lambda: Function(lambda m, x: torch.cat([x, x])), [(4,)], "aten.cat.default along the batch"),
    "uniform noise": (
        lambda: Function(lambda m, x: x + torch.rand_like(x)),
        [(4,)],
        "drawing numbers with aten.rand_like.default is not supported",
    ),
    "noise for all samples at once": (
        lambda: Function(lambda m, x: x + torch.randn(1, 4)),
        [(4,)],
        "aten.randn.default: [1, 4] has no batch dimension",
    ),
    "volumes": (
        lambda: Function(lambda m, x: m.c(x), c=nn.Conv3d(2, 2, 1)),
        [(2, 4, 4, 4)],
        "c (Conv3d): operator aten.conv3d.default is not supported",
    ),
    "control flow by values": (
        lambda: Function(lambda m, x: x if x.sum() > 0 else -x),
        [(4,)],
        "torch.export refuses this module: ",
    ),
    "a largest index": (
        lambda: Function(lambda m, x: x.argmax(1)),
        [(4,)],
        "operator aten.argmax.default is not supported",
    ),
    "weights of each sample that are not": (
        lambda: Function(lambda m, x, w: F.conv2d(x, w)),
        [(4, 5, 5), (4, 3, 3)],
        "with computed weights that are not one set for each sample is not supported",
    ),
    "a computed index": (
        lambda: Function(lambda m, x: m.e(x.long()), e=nn.Embedding(4, 3)),
        [(4,)],
        "converting torch.float32 to torch.int64 is not supported",
    ),
    "a pad by minus infinity": (
        lambda: Function(lambda m, x: F.pad(x, (1, 1), value=float("-inf"))),
        [(4,)],
        "padding with -inf is not supported",
    ),
    "slicing the batch": (
        lambda: Function(lambda m, x: x[:1]),
        [(4, 3)],
        "slicing the batch dimension is not supported",
    ),
    "an empty slice": (lambda: Function(lambda m, x: x[:, 5:2]), [(8,)], "a slice that keeps nothing of 8"),
    "pad of the batch": (lambda: Function(lambda m, x: F.pad(x, (0, 0, 1, 1))), [(4,)], "is not supported"),
    "an unknown statement": (
        lambda: Function(bad_statement, c=nn.Linear(4, 4)),
        [(4,)],
        "operator aten.cumsum.default is not supported",
    ),
    "a constant output": (lambda: Function(lambda m, x: (x, 3)), [(4,)], "output reads 3, which is not a value"),
}
