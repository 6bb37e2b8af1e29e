from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import one_layer, program_of, tiny_machine

from accelsim.cost.costing import cost
from accelsim.cost.fpga_resources import Buffer, Resources, bram18_blocks, fpga_resources, uram_blocks
from accelsim.cost.lut_cost import accumulator, binary_dot, multiply_accumulate
from accelsim.cost.lut_machine import CONTROL_LUTS, element_luts
from accelsim.cost.lut_rows import residual, single
from accelsim.cost.records import Cost
from accelsim.errors import AccelsimError
from accelsim.hardware.architecture import FpgaArchitecture
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.ir.ops import Dense, ReLU, Tanh
from accelsim.mapping.scheduled import ScheduleOptions
from accelsim.shared import find_shared
from accelsim.yaml_file import Plain, read_yaml

SHIPPED = read_yaml(find_shared("hw_configs", "zcu104")).data


@pytest.fixture(scope="module")
def zcu104() -> FpgaArchitecture:
    return cast(FpgaArchitecture, load_architecture("zcu104"))


@pytest.mark.parametrize(
    ("width", "depth", "by_hand"),
    [
        (1, 16_384, 1), (1, 16_385, 2),
        (2, 8_192, 1), (2, 8_193, 2),
        (3, 4_096, 1), (4, 4_096, 1), (4, 4_097, 2),
        (8, 2_048, 1), (9, 2_048, 1), (9, 2_049, 2),
        (16, 1_024, 1), (18, 1_025, 2),
        (19, 512, 1), (36, 512, 1), (37, 512, 2), (72, 512, 2),
        (36, 513, 2), (36, 1_024, 2), (72, 1_024, 4), (64, 2_000, 8),
        (256, 288, 8),  # weights of 32 lanes x 8 bit, 288 deep: 8 columns of 36
    ],
)  # fmt: skip
def test_block_ram_by_hand(width: int, depth: int, by_hand: int) -> None:
    assert bram18_blocks(width, depth) == by_hand


@pytest.mark.parametrize(("width", "depth", "by_hand"), [(72, 4096, 1), (73, 4096, 2), (72, 4097, 2), (8, 1, 1)])
def test_ultra_ram_by_hand(width: int, depth: int, by_hand: int) -> None:
    assert uram_blocks(width, depth) == by_hand


@given(st.integers(1, 400), st.integers(1, 40_000))
def test_blocks_always_hold_the_bits_and_grow_with_depth(width: int, depth: int) -> None:
    assert bram18_blocks(width, depth) * 18_432 >= width * depth
    assert uram_blocks(width, depth) * 294_912 >= width * depth
    assert bram18_blocks(width, depth) <= bram18_blocks(width, depth + 1024)


def test_the_shipped_machine(zcu104: FpgaArchitecture) -> None:
    resources = fpga_resources(zcu104)
    assert resources.used == {"dsp": 1024, "bram36": 248, "uram": 0, "lut": None, "ff": None}
    assert resources.available == {"dsp": 1728, "bram36": 312, "uram": 96, "lut": 230_400, "ff": 460_800}
    assert resources.fits
    assert resources.limited_by == "bram36"  # 248 / 312 = 0.79 against 1024 / 1728 = 0.59
    assert set(resources.reasons) == {"lut", "ff"}


def test_halves_of_different_buffers_share_a_block(zcu104: FpgaArchitecture) -> None:
    fifo = Buffer("fifo", width_bits=36, depth=512)
    assert fpga_resources(zcu104, [fifo]).used["bram36"] == 249
    assert fpga_resources(zcu104, [fifo, fifo]).used["bram36"] == 249
    assert fpga_resources(zcu104, [fifo, fifo, fifo]).used["bram36"] == 250


def test_the_last_block_fits_and_one_more_does_not(zcu104: FpgaArchitecture) -> None:
    full = Buffer("line", width_bits=72, depth=512, copies=64)  # one RAMB36 each: 248 + 64 = 312
    assert fpga_resources(zcu104, [full]).fits
    over = fpga_resources(zcu104, [full, Buffer("one more", width_bits=1, depth=1)])
    assert (over.used["bram36"], over.fits, over.limited_by) == (313, False, "bram36")


def test_ultra_ram_is_counted_apart(zcu104: FpgaArchitecture) -> None:
    resources = fpga_resources(zcu104, [Buffer("image", width_bits=64, depth=8192, kind="uram", copies=50)])
    assert (resources.used["uram"], resources.used["bram36"]) == (100, 248)
    assert (resources.fits, resources.limited_by) == (False, "uram")


def test_a_larger_array_is_limited_by_its_slices() -> None:
    array = {**cast(dict[str, Plain], SHIPPED["array"]), "rows": 64}
    machine = parse_architecture({**SHIPPED, "array": array}, "64 rows", must_fit=False)
    resources = fpga_resources(cast(FpgaArchitecture, machine))
    assert (resources.used["dsp"], resources.fits, resources.limited_by) == (2048, False, "dsp")


@pytest.mark.parametrize("change", [{"width_bits": 0}, {"depth": 0}, {"copies": -1}])
def test_a_buffer_without_size_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(AccelsimError, match=f"buffer x: {next(iter(change))} is"):
        Buffer("x", **{"width_bits": 8, "depth": 8, **change})  # type: ignore[arg-type]


# --- the fabric, for a program ---------------------------------------------------------------------------------------

FABRIC = {"device": "none", "dsp": 64, "lut": 4000, "ff": 4000, "bram36": 8, "uram": 0}
DENSE = Dense(8, 4, False)
REQUANTIZER, TANH = 160, 25  # rows pe_rqmul (variable shift, multiplier in 4 slices) and pe_tanh of 7 series


def of_tiny(op=DENSE, precision="int8", program=None, **changes: object) -> tuple[Resources, Cost]:
    machine = tiny_machine(rows=2, cols=2, **{"fpga": FABRIC, **changes})
    made = cost(program or one_layer(op, (op.in_features,), precision), machine, 1, ScheduleOptions())
    assert isinstance(made, Cost) and made.resources is not None
    return made.resources, made


def test_measured_units_are_those_of_the_file() -> None:
    assert single("pe_rqmul", "fix", -1).luts == REQUANTIZER and single("pe_rqmul", "fix", -1).dsps == 4
    assert single("pe_tanh", "impl", 0).luts == TANH


def test_an_array_of_slices_has_its_accumulators_and_requantizers_in_the_fabric() -> None:
    """4 results of 8 products on 2 x 2 PEs: 8 cycles, so one requantizer; 2 sums leave the array in a cycle."""
    resources, _ = of_tiny()
    assert resources.used["dsp"] == 4
    assert resources.used["lut"] == CONTROL_LUTS + 2 * 32 + REQUANTIZER
    assert resources.used["ff"] == 8  # the requantizer's output
    estimate = resources.estimates["lut"]
    assert estimate.parts == {"control": 300, "2 x accumulator of 32 bits": 64, "requantizer": 160}
    assert estimate.low == 300 + 64 + 50  # a constant shift
    assert estimate.high == 300 + 2 * accumulator(32, saturating=True) + 226  # rows of UltraScale+
    assert resources.estimates["ff"].high is None
    assert resources.reasons == {}


def test_elements_without_slices_are_counted_in_luts() -> None:
    resources, _ = of_tiny(fpga=FABRIC | {"dsp_per_pe": 0})
    element = multiply_accumulate(8, 8, 32)
    assert resources.used["dsp"] == 0
    assert resources.used["lut"] == CONTROL_LUTS + 4 * element + 2 * 32 + REQUANTIZER
    assert resources.used["ff"] == 4 * 32 + 8
    off = residual("multiply-accumulate", behavioural=False, later=True)
    estimate = resources.estimates["lut"]
    assert estimate.low <= 414 + 4 * element * off.low <= estimate.low + 1
    assert estimate.high >= 4 * element * off.high


def test_latched_weights_are_registers_of_the_element() -> None:
    array = {"rows": 2, "cols": 2, "unroll": {"rows": "in_channels", "cols": "out_channels"}, "latches": ["weights"]}
    resources, _ = of_tiny(fpga=FABRIC | {"dsp_per_pe": 0}, array=array)
    assert resources.used["ff"] == 4 * (32 + 8) + 8


def test_narrower_formats_take_fewer_luts() -> None:
    formats = {f"int{bits}": {"macs_per_cycle_per_pe": 1, "energy_pj": 1} for bits in (2, 4, 8, 16)}
    used = [
        of_tiny(precision=f"int{bits}", formats=formats, fpga=FABRIC | {"dsp_per_pe": 0})[0].used["lut"]
        for bits in (2, 4, 8, 16)
    ]
    assert used == sorted(used, key=int) and len(set(used)) == 4


def test_an_element_of_single_bits_counts_equal_bits() -> None:
    assert element_luts(1, 1, 16, macs=32) == binary_dot(32, 16) < 32 * element_luts(2, 2, 16, macs=1)


def test_sums_in_flip_flops_are_registers_and_a_choice() -> None:
    """32 bytes of sums are 4 positions of 2 sums of 32 bits: one LUT6 a bit chooses one of four."""
    resources, _ = of_tiny(sums_bytes=32)
    assert resources.used["ff"] == 256 + 8
    assert resources.estimates["lut"].parts["choice of 1 of 4 x 2 sums"] == 64
    assert "choice of 1 of 4 x 2 sums" in resources.estimates["lut"].parts
    assert resources.estimates["lut"].low == 300 + 64 + 50  # none where the sums rotate


def test_a_sum_that_stays_in_its_element_has_no_accumulator_below() -> None:
    array = {"rows": 2, "cols": 2, "unroll": {"rows": "in_channels", "cols": "out_channels"}}
    stationary, _ = of_tiny(array=array | {"dataflow": "output_stationary"})
    assert stationary.used["lut"] == CONTROL_LUTS + REQUANTIZER


def test_a_fast_layer_needs_several_requantizers_and_tables() -> None:
    """16 results of 2 products on 2 x 2 PEs: 8 cycles, 2 results in each; the last operator is a tanh."""
    nodes = [("y", Dense(2, 16, False), ("x",)), ("z", Tanh(), ("y",))]
    resources, made = of_tiny(program=program_of({"x": (2,)}, nodes, ("z",)))
    parts = resources.estimates["lut"].parts
    assert parts["2 x requantizer"] == 2 * REQUANTIZER and parts["2 x tanh table of 8 bits"] == 2 * TANH
    assert any("their 8 DSP slices are not in `dsp`" in sentence for sentence in made.assumptions)


def test_each_estimate_is_called_one_and_says_what_it_leaves_out() -> None:
    resources, made = of_tiny()
    text = "\n".join(made.assumptions)
    assert f"{resources.used['lut']:,} LUTs" in text and "is an estimate" in text
    assert "a lower bound" in text and "LUTs leave out" in text


def test_a_fabric_that_is_too_small_is_the_limit() -> None:
    resources, _ = of_tiny(fpga=FABRIC | {"lut": 500})
    assert (resources.fits, resources.limited_by) == (False, "lut")


def test_no_estimate_without_measurement_or_multiplication() -> None:
    formats = {
        "int8": {"macs_per_cycle_per_pe": 1, "energy_pj": 1},
        "float32": {"macs_per_cycle_per_pe": 1, "energy_pj": 9},
    }
    floating, _ = of_tiny(formats=formats)
    idle, _ = of_tiny(program=program_of({"x": (4,)}, [("y", ReLU(), ("x",))], ("y",)))
    for resources, word in ((floating, "floating-point"), (idle, "no step")):
        assert resources.used["lut"] is resources.used["ff"] is None
        assert word in resources.reasons["lut"] and resources.estimates == {}
