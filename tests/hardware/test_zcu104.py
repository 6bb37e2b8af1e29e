"""The derivations told in the comments of hw_configs/fpga/zcu104.yaml, done again from the primary figures."""

import pytest

from accelsim.hardware.architecture import Architecture
from accelsim.hardware.load import load_architecture
from accelsim.hardware.quantity import Quantity

# Stillmaker and Baas 2017: energy a2 V^2 + a1 V + a0 by node
ENERGY = {45: (1.103, -0.362, 0.2767), 32: (0.9559, -0.7823, 0.471), 20: (0.373, -0.1582, 0.04104), 16: (0.2958, -0.1241, 0.03024)}  # fmt: skip  # noqa: E501


def at(node: int, volts: float) -> float:
    a2, a1, a0 = ENERGY[node]
    return a2 * volts**2 + a1 * volts + a0


def between(node: float, wide: int, narrow: int, volts: float) -> float:
    """Linear in the node, as the published tools do it."""
    share = (wide - node) / (wide - narrow)
    return (1 - share) * at(wide, volts) + share * at(narrow, volts)


NOW = at(16, 0.85)
FROM_28 = NOW / between(28, 32, 20, 1.0)
FROM_40 = NOW / between(40, 45, 32, 0.9)
WIDTH_16 = 0.80 + (16 - 12) / (18 - 12) * (0.86 - 0.80)  # UG440
FULL_CYCLE = Quantity(value=(1.5 + 3) / 2, low=4 * FROM_28 / WIDTH_16, high=3)  # pJ


def close(actual: Quantity, expected: Quantity) -> bool:
    pairs = ((actual.value, expected.value), (actual.low, expected.low), (actual.high, expected.high))
    return all(a == pytest.approx(e, rel=0.02) for a, e in pairs)


@pytest.fixture(scope="module")
def zcu104() -> Architecture:
    return load_architecture("zcu104")


@pytest.mark.parametrize(("key", "share"), [("int16", WIDTH_16), ("int8", 1 / 2), ("int4", 1 / 4)])
def test_energy_of_a_mac(zcu104: Architecture, key: str, share: float) -> None:
    assert close(zcu104.formats[key].energy_pj, FULL_CYCLE * share)


def test_energy_falls_with_the_width(zcu104: Architecture) -> None:
    int16, int8, int4 = (zcu104.formats[key].energy_j for key in ("int16", "int8", "int4"))
    for wide, narrow in ((int16, int8), (int8, int4)):
        assert (narrow.low, narrow.value, narrow.high) < (wide.low, wide.value, wide.high)


def test_energy_of_a_block_ram_bit(zcu104: Architecture) -> None:
    assert zcu104.memory("bram").energy_pj_per_bit is not None
    expected = Quantity(value=7.5 / 36, low=10 * FROM_28 / 36, high=10 / 36)
    assert close(zcu104.memory("bram").energy_pj_per_bit or expected * 0, expected)


def test_energy_of_a_register_bit(zcu104: Architecture) -> None:
    expected = Quantity(value=0.02, low=0.009 * FROM_40, high=0.03)
    assert close(zcu104.memory("sums").energy_pj_per_bit or expected * 0, expected)


def test_static_power_lies_between_its_neighbours(zcu104: Architecture) -> None:
    share = (230_400 - 70_560) / (274_080 - 70_560)
    low, high = 0.3 + share * (0.7 - 0.3), 0.4 + share * (0.9 - 0.4)
    assert close(zcu104.static_power_w, Quantity(value=(low + high) / 2, low=low, high=high))


def test_the_buffer_keeps_to_the_usable_share_in_two_equal_halves(zcu104: Architecture) -> None:
    blocks = zcu104.memory("bram").blocks or 0
    assert blocks == int(0.8 * 312) // 2 * 2
    assert zcu104.memory("bram").bandwidth_bits_per_cycle == 72 * blocks


def test_the_registers_hold_eight_sums_of_every_int8_lane(zcu104: Architecture) -> None:
    lanes = zcu104.array.cols * zcu104.lanes("int8")["out_channels"]
    assert zcu104.memory("sums").size_bits == lanes * 8 * 32


def test_every_constant_that_is_not_a_choice_of_shape_names_its_source(zcu104: Architecture) -> None:
    for memory in zcu104.memories:
        for name in ("energy_pj_per_bit", "bandwidth_gb_per_s", "bandwidth_bits_per_cycle", "blocks", "burst_bytes"):
            number = getattr(memory, name)
            assert number is None or (number.source and number.status), f"{memory.name}.{name}"
    for cost in zcu104.formats.values():
        assert cost.energy_pj.source and cost.energy_pj.status and cost.macs_per_cycle_per_pe.source
