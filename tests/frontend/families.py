"""Torch modules for every family of operators: name -> (module, its inputs, what of it the graph must show)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from modules import Function
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Labels:
    """An integer input of this sample shape, in range(classes)."""

    classes: int
    shape: tuple[int, ...] = ()


Case = tuple[Callable[[], nn.Module], list[tuple[int, ...] | Labels], str]


def of(function: Callable[..., Any], *inputs: tuple[int, ...] | Labels, **parts: Callable[[], nn.Module]) -> Any:
    """A case of a function of `self` and its inputs."""
    return lambda: Function(function, **{name: make() for name, make in parts.items()}), list(inputs)


class WithParameters(nn.Module):
    """`function(self, *inputs)` with parameters of the given shapes."""

    def __init__(self, function: Callable[..., Any], **shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.function = function
        generator = torch.Generator().manual_seed(1)
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.randn(shape, generator=generator)))

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(self, *inputs)


def held(function: Callable[..., Any], *inputs: tuple[int, ...] | Labels, **shapes: tuple[int, ...]) -> Any:
    """A case of a function with parameters of its own."""
    return lambda: WithParameters(function, **shapes), list(inputs)


IMAGE = (4, 6, 8)

# fmt: off
ELEMENTWISE: dict[str, Any] = {
    "activations": of(
        lambda m, x: (
            F.elu(x, 0.5),
            F.selu(x),
            F.celu(x),
            F.gelu(x),
            F.gelu(x, approximate="tanh"),
            F.silu(x),
            F.mish(x),
            F.softplus(x),
            F.hardtanh(x, -0.5, 0.7),
            F.relu6(x),
            F.hardswish(x),
            F.hardsigmoid(x),
            F.logsigmoid(x),
            F.softsign(x),
            F.tanhshrink(x),
            F.hardtanh(x),
        ),
        (3, 4),
    ),
    "activation modules": of(
        lambda m, x: (m.a(x), m.b(x), m.c(x), m.d(x), m.e(x)),
        (3, 4),
        a=nn.PReLU,
        b=lambda: nn.PReLU(3),
        c=lambda: nn.ELU(inplace=True),
        d=lambda: nn.RReLU(0.1, 0.3),
        e=nn.GLU,
    ),
    "functions": of(
        lambda m, x: (
            x.abs().sqrt(),
            x.exp(),
            (x.abs() + 1).log(),
            (x * x + 1).rsqrt(),
            x.square(),
            x**3,
            2**x,
            -x,
            x.sin(),
            x.cos(),
            x.sign(),
            (x + 9).reciprocal(),
            x.clamp(-0.1),
            x.clamp(max=0.2),
            x.clamp(-1, 1),
            x.abs().log1p(),
        ),
        (3, 4),
    ),
    "numbers": of(
        lambda m, x: (x + 1, 1 + x, x - 2, 2 - x, x * 3, 3 * x, x / 4, 4 / (x + 9), torch.add(x, 1, alpha=2), x * 1.0),
        (3, 4),
    ),
    "numbers as tensors": of(
        lambda m, x: x * torch.tensor(3.0) + torch.sqrt(torch.tensor(2.0)) - torch.tensor([0.5]) / math.pi, (3, 4)
    ),
    "in place with numbers": of(lambda m, x: x.clone().mul_(2).add_(1).sub_(0.5).div_(3).clamp_(-1, 1), (3, 4)),
    "broadcast": of(
        lambda m, x, y, z: (x + y, y - x, x * y, torch.sub(x, y, alpha=2), x / (y * y + 1), torch.maximum(x, z)),
        (4, 3),
        (1, 3),
        (4, 1),
    ),
    "a style over an image": of(lambda m, x, s: x * s[:, :, None, None] + s.view(-1, 4, 1, 1), IMAGE, (4,)),
    "a value to the power of another": of(lambda m, x, y: (x.abs() + 0.5) ** y, (4,), (4,)),
    "parameters": held(
        lambda m, x: (x * m.a + m.b) * m.c.view(1, -1, 1, 1) + m.d / (m.e.abs() + 1),
        IMAGE,
        a=(4, 1, 1),
        b=(1, 4, 1, 1),
        c=(4,),
        d=(),
        e=(6, 8),
    ),
    "one parameter twice": held(lambda m, x: (x + m.a) * m.a, (3,), a=(3,)),
    "thresholds by hand": of(lambda m, x: torch.minimum(x.relu(), -x.neg().mul(0.5)), (3, 4)),
}

REDUCTIONS: dict[str, Any] = {
    "sums": of(
        lambda m, x: (
            x.mean(1),
            x.mean((1, 3), True),
            x.sum(2),
            x.sum((-1, -2), keepdim=True),
            x.amax(1),
            x.amin((2, 3), True),
            x.max(1)[0],
            x.min(2, keepdim=True).values,
        ),
        IMAGE,
    ),
    "spread": of(
        lambda m, x: (x.var(1), x.std((2, 3), keepdim=True), x.var((1, 2), unbiased=False), x.std(-1, correction=0)),
        IMAGE,
    ),
    "norms of vectors": of(lambda m, x: (x.norm(dim=1), F.normalize(x), F.normalize(x, dim=2, eps=0.1)), (4, 5)),
    "pixel norm": of(lambda m, x: x * torch.rsqrt(torch.mean(x**2, dim=1, keepdim=True) + 1e-8), IMAGE),
    "instance norm by hand": of(
        lambda m, x: (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True) + 1e-5).sqrt(), IMAGE
    ),
    "adaptive instance norm": of(
        lambda m, x, w: (lambda s: m.n(x) * (s[0][:, :, None, None] + 1) + s[1][:, :, None, None])(m.f(w).chunk(2, 1)),
        IMAGE,
        (5,),
        n=lambda: nn.InstanceNorm2d(4),
        f=lambda: nn.Linear(5, 8),
    ),
    "adaptive instance norm by batch norm": of(
        lambda m, x, w: F.batch_norm(
            x.reshape(1, -1, 6, 8),
            m.n.running_mean.repeat(x.size(0)),
            m.n.running_var.repeat(x.size(0)),
            m.f(w).view(-1),
            w.reshape(-1),
            training=True,
        ).view(-1, *IMAGE),
        IMAGE,
        (4,),
        n=lambda: nn.BatchNorm1d(4),
        f=lambda: nn.Linear(4, 4),
    ),
    "norm modules": of(
        lambda m, x: (m.a(x), m.b(x), m.c(x), m.d(x), m.e(x), m.f(x), m.g(x), m.h(x)),
        IMAGE,
        a=lambda: nn.InstanceNorm2d(4),
        b=lambda: nn.InstanceNorm2d(4, affine=True, eps=1e-2),
        c=lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
        d=lambda: nn.GroupNorm(2, 4),
        e=lambda: nn.LayerNorm(8),
        f=lambda: nn.LayerNorm(IMAGE, elementwise_affine=False),
        g=lambda: nn.RMSNorm(8),
        h=lambda: nn.LayerNorm([6, 8], bias=False),
    ),
    "softmax": of(lambda m, x: (x.softmax(1), F.softmax(x, -1), F.log_softmax(x, 2)), (4, 5)),
}

SHAPES: dict[str, Any] = {
    "joins": of(
        lambda m, x, y: (torch.cat([x, y, x], 1), torch.cat((x, x), -1), torch.stack([x, x], 1), torch.hstack((x, y))),
        (3, 4),
        (2, 4),
    ),
    "parts": of(
        lambda m, x: (*x.chunk(3, 1), *x.split(2, dim=2), *x.split([1, 4], 1), *x.unbind(2), x[:, 1], x[:, :, -1]),
        (5, 4),
    ),
    "copies": of(
        lambda m, x: (
            x.repeat(1, 2, 3),
            x.unsqueeze(2).expand(-1, -1, 5, -1),
            x.repeat_interleave(2, dim=1),
            x.tile(1, 1, 2),
            x[:, :1].expand_as(x),
            x.unsqueeze(1).repeat(1, 4, 1, 1),
        ),
        (3, 4),
    ),
    "orders": of(
        lambda m, x: (x.flip(1), x.flip(-1, -2), x.roll(1, 2), x.roll((1, -2), (1, 3)), x.movedim(1, -1), x.mT),
        IMAGE,
    ),
    "selections": of(
        lambda m, x: (x[:, [2, 0, 0]], x.index_select(2, torch.tensor([5, 1])), x.narrow(1, 1, 2), x[:, ::2, 1:-1]),
        IMAGE,
    ),
    "selections of several axes": of(
        lambda m, x: (x[:, [2, 0], [1, -1]], x[:, :, [[0, 1], [2, 2]]], x[..., [[0], [1]], [3, 2, 3]]), IMAGE
    ),
    "writing into slices": of(
        lambda m, x: (lambda y: (y[:, 1:3].mul_(2), y[:, :, :2].add_(1), y[:, :, :, ::1].neg_(), y)[-1])(x * 1), IMAGE
    ),
    "new axes": of(lambda m, x: (x[:, None, :, None], x[..., None].squeeze(-1), x.unflatten(1, (2, 2))), (4, 3)),
    "pixel shuffle": of(lambda m, x: (F.pixel_shuffle(x, 2), F.pixel_unshuffle(x, 2), F.channel_shuffle(x, 2)), IMAGE),
    "the batch folded": of(
        lambda m, x: m.c(x.reshape(-1, 3, 4, 4).mul(2)).view(-1, 10, 4, 4),
        (6, 4, 4),
        c=lambda: nn.Conv2d(3, 5, 3, 1, 1),
    ),
    "pixels as samples": of(
        lambda m, x: m.f(x.permute(0, 2, 3, 1).reshape(-1, 4)).view(-1, 6, 8, 5).permute(0, 3, 1, 2),
        IMAGE,
        f=lambda: nn.Linear(4, 5),
    ),
    "the batch in the middle": of(
        lambda m, x: m.f(x.transpose(0, 1).contiguous().view(-1, 5)).view(3, x.shape[0], 2).transpose(0, 1).tanh(),
        (3, 5),
        f=lambda: nn.Linear(5, 2),
    ),
    "a learned constant": held(lambda m, x: m.a.repeat(x.shape[0], 1, 1) * x[:, :, None], (3,), a=(1, 3, 4)),
    "constants over the batch": held(
        lambda m, x: torch.cat(
            [
                x,
                m.a.expand(x.shape[0], -1, -1, 8),
                torch.zeros(x.shape[0], 1, 6, 8),
                torch.ones_like(x[:, :1]),
                torch.full_like(x[:, :2], 0.5),
                torch.linspace(-1, 1, 8).view(1, 1, 1, 8).expand(x.size(0), 1, 6, 8),
            ],
            1,
        ),
        IMAGE,
        a=(1, 2, 6, 1),
    ),
}

WINDOWS: dict[str, Any] = {
    "pools": of(
        lambda m, x: (
            F.max_pool2d(x, 2),
            F.max_pool2d(x, 3, 2, 1),
            F.avg_pool2d(x, 2),
            F.avg_pool2d(x, 3, 2, 1),
            F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
            F.max_pool2d(x, (3, 5), 2, (1, 2), ceil_mode=True),
            F.avg_pool2d(x, 4, 3, ceil_mode=True),
            F.adaptive_avg_pool2d(x, (3, 5)),
            F.adaptive_max_pool2d(x, 2),
            F.adaptive_avg_pool2d(x, (None, 1)),
            F.avg_pool2d(x, 2, divisor_override=3),
            F.max_pool2d(x, 2, 1, dilation=2),
        ),
        IMAGE,
    ),
    "pools of sequences": of(
        lambda m, x: (
            F.max_pool1d(x, 2),
            F.avg_pool1d(x, 3, 2, 1),
            F.adaptive_avg_pool1d(x, 3),
            F.adaptive_max_pool1d(x, 2),
        ),
        (3, 9),
    ),
    "windows as columns": of(lambda m, x: (F.unfold(x, 3, padding=1), F.unfold(x, 2, dilation=2, stride=2)), IMAGE),
    "resizing": of(
        lambda m, x: (
            F.interpolate(x, scale_factor=2),
            F.interpolate(x, (5, 3)),
            F.interpolate(x, scale_factor=(1.5, 0.7)),
            F.interpolate(x, scale_factor=2, mode="bilinear"),
            F.interpolate(x, (9, 3), mode="bilinear"),
            F.interpolate(x, (9, 3), mode="bilinear", align_corners=True),
            F.interpolate(x, (9, 3), mode="bicubic"),
            F.interpolate(x, scale_factor=1.3, mode="bilinear", recompute_scale_factor=True),
            F.interpolate(x, scale_factor=1.3, mode="bilinear"),
            F.interpolate(x, (9, 3), mode="nearest-exact"),
            F.interpolate(x, scale_factor=0.5, mode="area"),
        ),
        IMAGE,
    ),
    "resizing of sequences": of(
        lambda m, x: (F.interpolate(x, 7), F.interpolate(x, scale_factor=2.0, mode="linear", align_corners=True)),
        (3, 4),
    ),
    "padding": of(
        lambda m, x: (
            F.pad(x, (1, 2, 3, 0), "reflect"),
            F.pad(x, (1, 2, 0, 9), "replicate"),
            F.pad(x, (3, 2), "constant", 0.5),
            F.pad(x, (-1, 2, 1, -2)),
            F.pad(x, (0, 0, 0, 0, 2, 1)),
            F.pad(x, (1, 1, 1, 1), "circular"),
        ),
        IMAGE,
    ),
    "padding modules": of(
        lambda m, x: m.d(m.c(m.b(m.a(x)))),
        IMAGE,
        a=lambda: nn.ReflectionPad2d(2),
        b=lambda: nn.ReplicationPad2d((1, 0, 2, 1)),
        c=lambda: nn.ConstantPad2d(1, 0.0),
        d=lambda: nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"),
    ),
    "sequences": of(
        lambda m, x: m.b(F.pad(m.a(x), (2, 1), "reflect")) + m.c(x),
        (4, 6),
        a=lambda: nn.Conv1d(4, 6, 3, 1, 1, groups=2),
        b=lambda: nn.Conv1d(6, 5, 4, dilation=1),
        c=lambda: nn.ConvTranspose1d(4, 5, 3, 1, 1, bias=False),
    ),
    "sequences growing": of(
        lambda m, x: m.a(x), (4, 6), a=lambda: nn.ConvTranspose1d(4, 5, 25, 4, 11, output_padding=1)
    ),
}

# fmt: on


class Attention(nn.Module):
    """Self-attention of SAGAN (Zhang et al. 2019, arXiv 1805.08318)."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1), nn.Conv2d(4, 4, 1)
        self.gamma = nn.Parameter(torch.full((1,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        q, k = self.q(x).view(n, -1, h * w).permute(0, 2, 1), self.k(x).view(n, -1, h * w)
        a = torch.softmax(torch.bmm(q, k), -1)
        return self.gamma * torch.bmm(self.v(x).view(n, -1, h * w), a.permute(0, 2, 1)).view(n, c, h, w) + x


class Modulated(nn.Module):
    """Modulated convolution of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958) as grouped convolutions."""

    def __init__(self, transposed: bool, demodulate: bool = True) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.weight = nn.Parameter(torch.randn(1, 5, 4, 3, 3, generator=generator))
        self.style, self.transposed, self.demodulate = nn.Linear(6, 4), transposed, demodulate

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        n, c, h, w = x.shape
        weight = 0.2 * self.weight * self.style(s).view(n, 1, c, 1, 1)
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4]) + 1e-8).view(n, 5, 1, 1, 1)
        x = x.reshape(1, n * c, h, w)
        if self.transposed:
            weight = weight.transpose(1, 2).reshape(n * c, 5, 3, 3)
            y = F.conv_transpose2d(x, weight, padding=0, stride=2, groups=n)
        else:
            y = F.conv2d(x, weight.view(n * 5, c, 3, 3), padding=1, groups=n)
        return y.view(n, 5, y.shape[2], y.shape[3])


def blur(m: Any, x: Tensor) -> Tensor:
    """A fixed filter over every channel, as the resampling of StyleGAN2 does it."""
    _, c, h, w = x.shape
    kernel = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.flip(kernel[:, None] * kernel[None, :] / 64, [0, 1])
    x = x.reshape(-1, h, 1, w, 1, 1)
    x = F.pad(x, [0, 0, 0, 1, 0, 0, 0, 1]).view(-1, h * 2, w * 2, 1)
    x = F.pad(x, [0, 0, 2, 1, 2, 1]).permute(0, 3, 1, 2)
    return F.conv2d(x, kernel[None, None]).reshape(-1, c, h * 2, w * 2)


# fmt: off
PRODUCTS: dict[str, Any] = {
    "matrices": of(
        lambda m, x, y: (x @ y, torch.bmm(x, y), torch.matmul(x, y.mean(1, keepdim=True).expand_as(y)), x @ m.f.weight),
        (3, 4),
        (4, 5),
        f=lambda: nn.Linear(5, 4),
    ),
    "matrices of parameters": held(
        lambda m, x: (x @ m.a, m.b @ x, torch.addmm(m.c, x[:, 0], m.a), torch.baddbmm(x, x @ x, x, beta=0.5, alpha=2)),
        (3, 3),
        a=(3, 5),
        b=(2, 3),
        c=(5,),
    ),
    "sums by letters": of(
        lambda m, x, y: (
            torch.einsum("nij,njk->nik", x, y),
            torch.einsum("nij,njk->nki", x, y),
            torch.einsum("nij,kj->nik", x, m.f.weight),
        ),
        (3, 4),
        (4, 5),
        f=lambda: nn.Linear(4, 6),
    ),
    "attention": (Attention, [IMAGE]),
    "scaled dot product attention": of(
        lambda m, x: F.scaled_dot_product_attention(m.q(x), m.q(x) * 0.5, x, scale=0.7),
        (5, 4),
        q=lambda: nn.Linear(4, 4),
    ),
    "multi-head attention": of(
        lambda m, x: m.a(x, x, x, need_weights=False)[0],
        (5, 8),
        a=lambda: nn.MultiheadAttention(8, 2, batch_first=True),
    ),
    "a transformer layer": of(
        lambda m, x: m.a(x), (5, 8), a=lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    ),
    "modulated convolution": (lambda: Modulated(False), [IMAGE, (6,)]),
    "modulated convolution, not demodulated": (lambda: Modulated(False, False), [IMAGE, (6,)]),
    "modulated transposed convolution": (lambda: Modulated(True), [IMAGE, (6,)]),
    "blurred upsampling": of(blur, IMAGE),
}

# fmt: on


class EqualLinear(nn.Module):
    """Weights scaled at run time (Karras et al. 2018, arXiv 1710.10196)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(5, 4)), nn.Parameter(torch.randn(5))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * (1 / math.sqrt(4) * 0.01 * 100), bias=self.bias * 0.5)


def without_gradients(m: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        y = m.f(x).relu()
    return m.f(y)


FOLDED: dict[str, Any] = {
    "spectral norm": (lambda: nn.utils.spectral_norm(nn.Conv2d(4, 3, 3)), [IMAGE]),
    "spectral norm as a parametrization": (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)), [(4,)]),
    "weight norm": (lambda: nn.utils.parametrizations.weight_norm(nn.ConvTranspose2d(4, 3, 3), dim=1), [IMAGE]),
    "scaled weights": (EqualLinear, [(4,)]),
    "without gradients": of(without_gradients, (4,), f=lambda: nn.Linear(4, 4)),
    "coordinates": of(
        lambda m, x: x + torch.stack(torch.meshgrid(torch.arange(6.0), torch.linspace(-1, 1, 8), indexing="ij")).sum(0),
        IMAGE,
    ),
}


def bad_view(m: Any, x: Tensor) -> Tensor:
    h = m.c(x)
    h.view(-1, 2, 2).relu_()
    return h


def assigned(m: Any, x: Tensor) -> Tensor:
    h = m.c(x)
    h.view(-1, 2, 2).mul_(2)
    return h + x


TABLES: dict[str, Any] = {
    "embedding": of(lambda m, y: m.e(y), Labels(10), e=lambda: nn.Embedding(10, 4)),
    "embedding of a row": of(lambda m, y: m.e(y).sum(1), Labels(300, (3,)), e=lambda: nn.Embedding(300, 4)),
    "one-hot": of(lambda m, x, y: torch.cat([x, F.one_hot(y, 6).float()], 1), (3,), Labels(6)),
    "label maps": of(
        lambda m, x, y: torch.cat([x, m.e(y)[:, :, None, None].expand(-1, -1, 6, 8)], 1),
        IMAGE,
        Labels(5),
        e=lambda: nn.Embedding(5, 2),
    ),
    "conditional batch norm": of(
        lambda m, x, y: m.n(x) * (1 + m.g(y))[:, :, None, None] + m.b(y).view(-1, 4, 1, 1),
        IMAGE,
        Labels(7),
        n=lambda: nn.BatchNorm2d(4, affine=False),
        g=lambda: nn.Embedding(7, 4),
        b=lambda: nn.Embedding(7, 4),
    ),
    "one label, two tables": of(
        lambda m, y: m.a(y) * m.b(y), Labels(4), a=lambda: nn.Embedding(4, 3), b=lambda: nn.Embedding(9, 3)
    ),
}

MEMORY: dict[str, Any] = {
    "writing through a view": of(bad_view, (4,), c=lambda: nn.Linear(4, 4)),
    "writing through a view, then reading": of(assigned, (4,), c=lambda: nn.Linear(4, 4)),
    "a skip past an in-place activation": of(
        lambda m, x: (lambda h: torch.cat([h, m.b(F.leaky_relu_(h, 0.2))], 1))(m.a(x)),
        IMAGE,
        a=lambda: nn.Conv2d(4, 4, 1),
        b=lambda: nn.Conv2d(4, 4, 1),
    ),
}

EVERY: dict[str, Any] = ELEMENTWISE | REDUCTIONS | SHAPES | WINDOWS | PRODUCTS | FOLDED | TABLES | MEMORY
