"""How A1 and A2 are set up: stored zeros from the published ones, and a search of its own over whole planes."""

from itertools import permutations
from math import prod

import pytest

from accelsim.frontend.workload import load_workload
from accelsim.validation.comparison import compare
from accelsim.validation.targets_file import read_targets, shipped_targets

BUFFER_WORDS = 128 * 1024 // 2


def test_the_stated_zeros_are_those_of_table_v_and_of_the_border() -> None:
    """Of the tensors with their border, and of the multiplies, by a walk over the outputs and taps of one axis."""
    stated = load_workload("alexnet_layers").activity
    published = {2: (0.039, 27, 31, 5), 3: (0.724, 13, 15, 3), 4: (0.793, 13, 15, 3), 5: (0.776, 13, 15, 3)}
    for layer, (zeros, real, stored, taps) in published.items():
        border = (stored - real) // 2
        inside = sum(border <= out + tap < border + real for out in range(real) for tap in range(taps))
        assert stated[f"x{layer}"].zero_fraction == pytest.approx(1 - (1 - zeros) * (real / stored) ** 2, abs=5e-5)
        multiplied = 1 - (1 - zeros) * (inside / (real * taps)) ** 2
        assert stated[f"conv{layer}"].zero_multiplies == pytest.approx(multiplied, abs=5e-5)
    assert [stated[f"conv{n}"].zero_fraction for n in range(1, 5)] == [zeros for zeros, *_ in published.values()]
    assert stated["x1"].zero_fraction == stated["conv1"].zero_multiplies == 0.0001


def divisors(number: int) -> list[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


def fetches(order: tuple[str, ...], turns: dict[str, int], moving: str) -> float:
    """How often each word of an operand comes in: turns of loops that do not move it, outside the last that does."""
    last = max((place for place, dim in enumerate(order) if dim in moving and turns[dim] > 1), default=-1)
    return prod(turns[dim] for dim in order[: last + 1]) / prod(turns[dim] for dim in moving)


def least_dram_words(images: int, groups: int, outs: int, ins: int, size: int, taps: int) -> float:
    """Over blocks of images, output and input channels, whole planes each, that fit into the buffer."""
    stored = (size + taps - 1) ** 2
    plane, kernel = size**2, taps**2
    least = float("inf")
    for n in divisors(images):
        for k in divisors(outs):
            for c in divisors(ins):
                if n * c * stored + n * k * plane + k * c * kernel > BUFFER_WORDS:
                    continue
                turns = {"n": images // n, "k": outs // k, "c": ins // c}
                for order in permutations("nkc"):
                    words = images * ins * stored * fetches(order, turns, "nc")
                    words += outs * ins * kernel * fetches(order, turns, "kc")
                    words += images * outs * plane * (2 * fetches(order, turns, "nk") - 1)
                    least = min(least, groups * words)
    return least


def test_dram_words_of_a2_are_the_least_over_whole_planes() -> None:
    ours = {row.quantity: row.ours for row in compare(read_targets(shipped_targets()), ("A2",))}
    layers = {
        "conv2": (16, 2, 128, 48, 27, 5),
        "conv3": (16, 1, 384, 256, 13, 3),
        "conv4": (16, 2, 192, 192, 13, 3),
        "conv5": (16, 2, 128, 192, 13, 3),
    }
    for name, shape in layers.items():
        assert ours[f"{name} DRAM, 1e9"] == round(200 * least_dram_words(*shape) / 1e9, 2)
