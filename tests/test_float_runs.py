"""A shipped generator in every floating format: pictures and quality anywhere, a cost where the machine has floats."""

import numpy as np
import pytest

import accelsim

LEAST_PSNR = {
    "fp16": 60, "bf16": 52, "mxint8": 44, "fp8e4m3": 33, "fp8e5m2": 27, "mxfp8e4m3": 31, "mxfp6e3m2": 29,
    "mxfp6e2m3": 31, "mxfp4": 22, "weights=fp8e4m3,activations=fp16": 40,
}  # fmt: skip


@pytest.mark.parametrize("precision", LEAST_PSNR)
def test_every_format_draws_pictures_without_a_cost_where_there_is_none(precision: str) -> None:
    report = accelsim.simulate("dcgan32", on="zcu104", precision=precision, images=4)
    assert report.images is not None and report.images.shape == (4, 32, 32, 3)
    assert LEAST_PSNR[precision] < report.quality["psnr_db"] < LEAST_PSNR[precision] + 10
    assert report.totals["energy_j"] is None
    assert any("none holds floating-point" in sentence for sentence in report.assumptions)
    assert any("products and sums in float32, each rounded" in sentence for sentence in report.assumptions)


def test_plain_and_compiled_sums_and_threads_give_the_same_pictures() -> None:
    made = [
        accelsim.simulate("dcgan32", on="zcu104", precision="mxfp4", images=3, kernels=kernels, threads=threads).outputs
        for kernels, threads in (("reference", 1), ("fast", 1), ("fast", 2))
    ]
    for outputs in made[1:]:
        for name, values in outputs.items():
            np.testing.assert_array_equal(values, made[0][name])


def test_bytes_follow_the_width_where_float32_stands_in() -> None:
    totals = {p: accelsim.estimate("dcgan32", on="rpi4", precision=p) for p in ("float32", "fp16", "fp8e4m3", "mxfp4")}
    bytes_of = [report.totals["weight_bytes"] for report in totals.values()]
    assert bytes_of == sorted(bytes_of, reverse=True) and bytes_of[0] > 1.9 * bytes_of[1] > 3.6 * bytes_of[2]
    moved = [report.totals["offchip_bytes"] for report in totals.values()]
    assert moved == sorted(moved, reverse=True)
    assert any("at the cost of float32" in sentence for sentence in totals["fp16"].assumptions)
    assert any("MX blocks: the scale bytes" in sentence for sentence in totals["mxfp4"].assumptions)
