"""Integer kernels beside torch and the instructions themselves: `make bench` writes docs/benchmarks.md.

All columns are measured in one run, in turns, and are the best CPU time of each: on a machine that others use too the
ratios hold where the figures do not.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from accelsim.engine.integer_ops import Finisher, Operand
from accelsim.engine.kernels import native
from accelsim.engine.kernels.fast import FastKernel
from accelsim.engine.kernels.peaks import instruction_peak, instruction_peak_of_threads
from accelsim.engine.reference import ReferenceKernel
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.requantize import Requantization
from accelsim.formats.rescale import Landing, Rescale
from accelsim.ir.constants import Constants, Finish, Scaled
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, MatMul, Shape
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer

Array = np.ndarray[Any, Any]
ONE, TWO, SAME = (1, 1), (2, 2), (1, 1, 1, 1)
UP = (2, 1, 2, 1)
"""Of a transposed convolution k5 s2 p2 op1."""


@dataclass(frozen=True)
class Case:
    """One layer: macs are those on real inputs and kept outputs, borders counted as full."""

    name: str
    op: Linear
    sample: Shape
    macs: int


CASES = (
    Case(
        "ConvT 256-128 k5 s2 4-8, 64",
        ConvTranspose2d(256, 128, (5, 5), TWO, ONE, UP, 1, True),
        (64, 256, 4, 4),
        64 * 16 * 25 * 256 * 128,
    ),
    Case(
        "ConvT 128-64 k5 s2 8-16, 64",
        ConvTranspose2d(128, 64, (5, 5), TWO, ONE, UP, 1, True),
        (64, 128, 8, 8),
        64 * 64 * 25 * 128 * 64,
    ),
    Case(
        "Conv 256-256 k3 64x64, 1",
        Conv2d(256, 256, (3, 3), ONE, ONE, SAME, 1, True),
        (1, 256, 64, 64),
        4096 * 9 * 256 * 256,
    ),
    Case("Dense 1024-3072, 64", Dense(1024, 3072, True), (64, 1024), 64 * 1024 * 3072),
    Case(
        "ConvT 64-3 k5 s2 16-32, 64",
        ConvTranspose2d(64, 3, (5, 5), TWO, ONE, UP, 1, True),
        (64, 64, 16, 16),
        64 * 256 * 25 * 64 * 3,
    ),
)
WIDE = CASES[2]
NO_BORDER = Case(
    "Conv 256-256 k3 66-64, 1", Conv2d(256, 256, (3, 3), ONE, ONE, (0, 0, 0, 0), 1, True), (1, 256, 66, 66), WIDE.macs
)


def runner(case: Case, values: Array, weights: Array, register: Accumulator, kernel: FastKernel) -> Callable[[], Any]:
    """A run of one layer in int8 or int16 codes, from stored codes to stored codes."""
    rng, op = np.random.default_rng(0), case.op
    channels = op.out_features if isinstance(op, Dense) else op.out_channels
    constants = Requantization(rng.integers(1 << 30, 1 << 31, channels), rng.integers(40, 44, channels))
    held = rng.choice(weights, parameter_shapes(op)["weight"])
    integers = IntegerWeights(held, Scaling(np.ones(channels), 0), rng.integers(-100, 100, channels), constants)
    layer = LinearLayer(AffineInt(8, "channel", True), register, integers)
    bits = 2 if len(values) <= 3 else 8 * values.dtype.itemsize
    source = Encoding(AffineInt(bits, "tensor", symmetric=bits == 2), Scaling(np.ones(1), 0 if bits == 2 else 3))
    out = Encoding(AffineInt(8, "tensor", symmetric=False), Scaling(np.ones(1), -5))
    x = rng.choice(values, case.sample)
    if x.ndim == 4:  # as another layer leaves it
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return lambda: kernel.codes(op, x, source, layer, out, True)


def torch_float(case: Case) -> Callable[[], Any]:
    functional, op = torch.nn.functional, case.op
    x, w = torch.randn(case.sample), torch.randn(parameter_shapes(op)["weight"])
    match op:
        case Dense():
            return lambda: functional.linear(x, w)
        case Conv2d():
            return lambda: functional.conv2d(x, w, None, op.stride, op.padding[0])
        case _:
            return lambda: functional.conv_transpose2d(x, w, None, 2, 2, 1)


def torch_int8(case: Case) -> Callable[[], Any]:
    """torch's quantized operators, engine fbgemm: the one whose transposed convolution is right."""
    torch.backends.quantized.engine = "fbgemm"
    op = case.op
    x = torch.quantize_per_tensor(torch.randn(case.sample), 0.05, 3, torch.quint8)
    w = torch.quantize_per_tensor(torch.randn(parameter_shapes(op)["weight"]), 0.05, 0, torch.qint8)
    calls = torch.ops.quantized
    if isinstance(op, Dense):
        packed = calls.linear_prepack(w, None)
        return lambda: calls.linear(x, packed, 0.1, 3)
    x = x.contiguous(memory_format=torch.channels_last)
    if isinstance(op, Conv2d):
        packed = calls.conv2d_prepack(w, None, [1, 1], [op.padding[0]] * 2, [1, 1], 1)
        return lambda: calls.conv2d(x, packed, 0.1, 3)
    packed = calls.conv_transpose2d_prepack(w, None, [2, 2], [2, 2], [1, 1], [1, 1], 1)
    return lambda: calls.conv_transpose2d(x, packed, 0.1, 3)


def best_times(runs: list[Callable[[], Any]], rounds: int) -> list[float]:
    """Best CPU seconds of each, taken in turns so that all see the same machine."""
    best = [float("inf")] * len(runs)
    for run in runs:
        run()
    for _ in range(rounds):
        for number, run in enumerate(runs):
            run()  # the others have emptied the caches
            for _ in range(3):
                started = time.process_time()
                run()
                best[number] = min(best[number], time.process_time() - started)
    return best


def int8_rows(rounds: int, peak: float) -> Iterator[str]:
    codes, weights = np.arange(-128, 128).astype(np.int8), np.arange(-127, 128).astype(np.int8)
    for case in CASES:
        ours = runner(case, codes, weights, Accumulator(32), FastKernel())
        rates = [case.macs / t / 1e9 for t in best_times([ours, torch_float(case), torch_int8(case)], rounds)]
        ratios = f"{rates[0] / rates[1]:.1f} | {rates[0] / rates[2]:.1f}"
        yield f"| {case.name} | {rates[0]:.0f} | {rates[0] / peak:.0%} | {rates[1]:.0f} | {rates[2]:.0f} | {ratios} |"


def other_rows(rounds: int, peaks: dict[str, float]) -> Iterator[str]:
    small, trits, signs = (
        np.arange(-127, 128).astype(np.int8),
        np.array([-1, 0, 1], np.int8),
        np.array([-1, 1], np.int8),
    )
    wide = np.arange(-32767, 32768).astype(np.int16)
    kernel = FastKernel()
    rows = [
        ("binary x binary", NO_BORDER, signs, signs, Accumulator(32), "signs", kernel),
        ("ternary x ternary", WIDE, trits, trits, Accumulator(32), "trits", kernel),
        ("int16 x int16, acc48", WIDE, wide, wide, Accumulator(48), "shorts", kernel),
        ("int16 x int8, acc48", WIDE, wide, small, Accumulator(48), "shorts", kernel),
        *(
            (f"int8, acc16:sat:tree{t}", WIDE, small, small, Accumulator(16, "sat", t), "bytes", kernel)
            for t in (1, 4, 16, 64)
        ),
        ("int8, portable loops", WIDE, small, small, Accumulator(32), "bytes", FastKernel(1, is_native=False)),
    ]
    for name, case, values, weights, register, product, used in rows:
        (seconds,) = best_times([runner(case, values, weights, register, used)], rounds)
        rate = case.macs / seconds / 1e9
        yield f"| {name} | {case.name} | {rate:.0f} | {product} | {peaks[product]:.0f} | {rate / peaks[product]:.0%} |"


PRODUCTS = (("scores, 4096 x 64 by 64 x 1024", 4096, 64, 1024), ("values, 4096 x 1024 by 1024 x 256", 4096, 1024, 256))
"""Of the attention of a SAGAN at 64 x 64, for one image."""


def product_rows(rounds: int) -> Iterator[str]:
    """Products of two activations with zero points, codes in, codes out; the plain interpreter once, it is slow."""
    landing = Landing(8, "rnd", "sat", 3, -128, 127)
    constants = Constants(Finish(landing), Scaled(Rescale(np.array(3 << 29), np.array(45))))
    finisher, rng = Finisher(constants.finish, np.int8), np.random.default_rng(0)
    for name, rows, depth, columns in PRODUCTS:
        op, macs = MatMul(columns), rows * depth * columns
        a, b = torch.randn(rows, depth), torch.randn(depth, columns)
        (by_torch,) = best_times([lambda a=a, b=b: a @ b], rounds)  # type: ignore[misc]
        for dtype in (np.int8, np.int16):
            ends = np.iinfo(dtype)
            first, second = (
                Operand(rng.integers(ends.min, ends.max, shape).astype(dtype), zero)
                for shape, zero in (((1, rows, depth), 5), ((1, depth, columns), -7))
            )
            rates = []
            for kernel, times in ((FastKernel(), rounds), (FastKernel(1, is_native=False), 3), (ReferenceKernel(), 1)):
                run = partial(kernel.product, op, constants, finisher, first, second)
                (seconds,) = best_times([run], times)
                rates.append(macs / seconds / 1e9)
            shown = " | ".join(
                [f"{rates[0]:.0f}", f"{rates[1]:.0f}", f"{rates[2]:.1f}", f"{macs / by_torch / 1e9:.0f}"]
            )
            yield f"| {name} | {ends.bits} bits | {shown} |"


def threads_rows(rounds: int) -> list[str]:
    before = os.getloadavg()[0]
    codes = np.arange(-127, 128).astype(np.int8)
    one, two = (runner(WIDE, codes, codes, Accumulator(32), FastKernel(threads)) for threads in (1, 2))
    best, peaks = [float("inf")] * 2, [0.0] * 2
    for number in range(rounds):
        for place, run in enumerate((one, two)):
            started = time.perf_counter()
            run()
            best[place] = min(best[place], time.perf_counter() - started)
            if number % 10 == 0:
                peaks[place] = max(peaks[place], instruction_peak_of_threads("bytes", place + 1))
    rates = [WIDE.macs / seconds / 1e9 for seconds in best]
    return [
        "GMAC/s by the clock, in turns. What the bare instruction gains is the most that a layer can.",
        "",
        "| | one thread | two threads | ratio |",
        "|---|---|---|---|",
        *(
            f"| {name} | {a:.0f} | {b:.0f} | {b / a:.2f} |"
            for name, (a, b) in ((WIDE.name, rates), ("`vpdpbusd` alone", peaks))
        ),
        "",
        f"Load average {before:.1f} before these, {os.getloadavg()[0]:.1f} after.",
    ]


def cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    facts = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in lines if ":" in line}
    family = f"family {facts.get('cpu family')}, model {facts.get('model')}"
    return f"{facts.get('model name', 'unknown')} ({family}), {os.cpu_count()} CPUs"


def page(rounds: int) -> str:
    before = os.getloadavg()[0]
    peaks = {name: instruction_peak(name) for name in ("bytes", "shorts", "signs", "trits")}
    lines = [
        "# Kernel benchmarks",
        "",
        "Written by `make bench`. Best CPU time of one thread, all columns of a row in turns in one run; GMAC/s count",
        "products of real inputs. A layer is measured as a network runs it: stored codes in, padding and layout,",
        "products, requantization, stored codes out. `peak` is a loop of the instruction on data in the nearest cache.",
        "",
        "## int8 (u8 x s8, `vpdpbusd`)",
        f"Peak {peaks['bytes']:.0f} GMAC/s. torch {torch.__version__}, one thread; its int8 is the engine fbgemm.",
        "",
        "| layer, batch | GMAC/s | of peak | torch float32 | torch int8 | x float32 | x torch int8 |",
        "|---|---|---|---|---|---|---|",
        *int8_rows(rounds, peaks["bytes"]),
        "",
        "## Other inner products",
        "| product | layer | GMAC/s | instruction | its peak | of peak |",
        "|---|---|---|---|---|---|",
        *other_rows(max(3, rounds // 4), peaks),
        "",
        "A 16 x 16 bit product takes two `vpdpwssd`, a ternary one two population counts (in its peak). Trees of a",
        "saturating register add and clamp after every addition. The portable loops are measured against `vpdpbusd`.",
        "",
        "## Products of two activations",
        "GMAC/s of an attention's products, zero points of both operands taken off, requantized to 8 bits.",
        "",
        "| product | codes | native | portable | plain | torch float32 |",
        "|---|---|---|---|---|---|",
        *product_rows(max(3, rounds // 4)),
        "",
        "## Threads",
        *threads_rows(rounds),
        "",
        f"CPU: {cpu_model()}. Native instructions: {'yes' if native.available() else 'no'}.",
        f"Load average of the machine: {before:.1f} before, {os.getloadavg()[0]:.1f} after.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=UserWarning, module=__name__)  # torch retires its quantized tensors
    with torch.inference_mode():
        arguments.out.write_text(page(arguments.rounds))
    print(arguments.out.read_text())


if __name__ == "__main__":
    main()
