from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.cost.fpga_resources import Buffer, bram18_blocks, fpga_resources, uram_blocks
from accelsim.errors import AccelsimError
from accelsim.hardware.architecture import FpgaArchitecture
from accelsim.hardware.load import load_architecture, parse_architecture
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
