"""The memory plan: hand figures, and against every subset."""

import time
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import DoesNotFit
from accelsim.mapping.residency import Step, plan

BUFFER = 1_200_000


def dcgan32(bits, io_bits=None):
    def packed(words, width=bits):
        return -(-words * width // 8)

    io_bits = io_bits or bits
    words = {"z": 100, "a0": 4096, "a1": 8 * 8 * 128, "a2": 16 * 16 * 64, "image": 32 * 32 * 3}
    sizes = {name: packed(n, io_bits if name in ("z", "image") else bits) for name, n in words.items()}
    work = 2 * packed(32 * 32)
    layers = [("dense", "z", "a0", 409_600), ("up1", "a0", "a1", 819_200), ("up2", "a1", "a2", 204_800)]
    layers.append(("up3", "a2", "image", 4_800))
    return tuple(Step(n, (i,), (o,), packed(weights), work) for n, i, o, weights in layers), sizes


@pytest.mark.parametrize(
    ("bits", "io_bits", "offchip"), [(16, 16, 1_736_392), (8, 8, 268_196), (6, 6, 2_379), (6, 8, 3_172)]
)
def test_dcgan32_in_a_buffer_of_1_2_megabytes(bits, io_bits, offchip):
    steps, sizes = dcgan32(bits, io_bits)
    found = plan(steps, sizes, {"image"}, BUFFER)
    assert found.offchip_bytes_steady == offchip
    assert found.gap_bytes == 0
    assert found.resident == ("a0", "a1", "a2")
    assert found.peak_bytes <= BUFFER
    assert found.offchip_bytes_cold == found.offchip_bytes_steady + found.pinned_weight_bytes


def test_dcgan32_with_nothing_kept_moves_every_byte():
    steps, sizes = dcgan32(8)
    found = plan(steps, sizes, {"image"}, BUFFER, keep_activations=False, pin_weights=False)
    assert found.offchip_bytes_cold == found.offchip_bytes_steady == 1_498_916
    assert (found.offchip_input_bytes, found.offchip_output_bytes) == (100, 3072)
    assert found.offchip_intermediate_bytes == 2 * (4096 + 8192 + 16384)
    activations = plan(steps, sizes, {"image"}, BUFFER, pin_weights=False)
    assert activations.offchip_bytes_cold == 1_441_572


def test_a_batch_scales_activations_and_shares_weights():
    steps, sizes = dcgan32(8)
    found = plan(steps, sizes, {"image"}, BUFFER, batch=10)
    assert found.offchip_input_bytes + found.offchip_output_bytes == 10 * 3172
    assert found.peak_bytes <= BUFFER
    assert found.live_bytes[2] == 10 * (8192 + 16384) + 2048 + found.pinned_weight_bytes
    assert found.reserved_bytes(2) == found.live_bytes[2] - 2048


def test_work_beyond_the_memory_names_the_step():
    with pytest.raises(DoesNotFit, match=r"'up1' needs 60 bytes .* has 50"):
        plan((Step("up1", ("x",), ("y",), 0, 60),), {"x": 1, "y": 1}, {"y"}, 50)


@st.composite
def graphs(draw):
    small, tensors, steps = st.integers(1, 9), ["x", "y"], []
    for i in range(draw(st.integers(1, 5))):
        reads = draw(st.lists(st.sampled_from(tensors), min_size=1, max_size=2))
        made = tuple(f"t{i}{j}" for j in range(draw(st.sampled_from([1, 1, 1, 2]))))
        weights, work = draw(st.integers(0, 12)), draw(st.integers(1, 3))
        steps.append(Step(f"s{i}", tuple(reads), made, weights, work, draw(st.sampled_from([1, 1, 3]))))
        tensors += made
    sizes = {name: draw(small) for name in tensors}
    outputs = {*steps[-1].writes, draw(st.sampled_from(tensors[2:]))}
    return tuple(steps), sizes, outputs, draw(st.integers(3, 40))


def offchip(steps, sizes, outputs, capacity, kept):
    """Steady bytes of one batch straight from the rules, walking the steps; None where it does not fit."""
    touched = [{*s.reads, *s.writes} for s in steps]
    seen, moved, peak = set(), 0, 0
    for i, step in enumerate(steps):
        for name in step.reads:
            moved += sizes[name] if name not in kept or name not in seen else 0
            seen.add(name)
        for name in step.writes:
            moved += sizes[name] if name not in kept or name in outputs else 0
            seen.add(name)
        alive = [t for t in kept if t in seen and any(t in later for later in touched[i:])]
        peak = max(peak, step.work_bytes + sum(sizes[t] for t in alive))
    if peak > capacity:
        return None
    room = capacity - peak
    for step in sorted(steps, key=lambda s: -s.weight_reads):
        pinned = min(room, step.weight_bytes)
        room -= pinned
        moved += (step.weight_bytes - pinned) * step.weight_reads
    return moved


def best_of_every_subset(steps, sizes, outputs, capacity):
    names = sorted({n for s in steps for n in (*s.reads, *s.writes)})
    subsets = ({n for n, keep in zip(names, bits, strict=True) if keep} for bits in product((0, 1), repeat=len(names)))
    costs = [offchip(steps, sizes, outputs, capacity, kept) for kept in subsets]
    return min(cost for cost in costs if cost is not None)


@settings(deadline=None, max_examples=150)
@given(graphs())
def test_the_plan_is_the_best_of_every_subset(graph):
    found = plan(*graph)
    assert found.gap_bytes == 0
    assert found.offchip_bytes_steady == best_of_every_subset(*graph)
    assert found.offchip_bytes_steady == offchip(*graph, set(found.resident))
    assert found.peak_bytes <= graph[3]


@settings(deadline=None, max_examples=60)
@given(graphs())
def test_a_cut_search_states_how_much_it_may_have_missed(graph):
    found, best = plan(*graph, max_states=1), best_of_every_subset(*graph)
    assert found.offchip_bytes_steady - found.gap_bytes <= best <= found.offchip_bytes_steady
    assert found.offchip_bytes_steady == offchip(*graph, set(found.resident))


def deep_network(layers, skip):
    """Every layer also reads what came `skip` layers before."""
    steps, sizes = [], {"t0": 64_000}
    for i in range(layers):
        reads = (f"t{i}", f"t{i - skip}") if i >= skip else (f"t{i}",)
        steps.append(Step(f"s{i}", reads, (f"t{i + 1}",), 20_000 + i, 2_000))
        sizes[f"t{i + 1}"] = 30_000 + 997 * (i * 7 % 13)
    return tuple(steps), sizes


@pytest.mark.parametrize(("skip", "capacity"), [(2, 90_000), (3, 400_000), (8, 300_000)])
def test_hundreds_of_layers_with_skips_take_moments(skip, capacity):
    steps, sizes = deep_network(150, skip)
    start = time.perf_counter()
    found = plan(steps, sizes, {"t150"}, capacity)
    assert time.perf_counter() - start < 20
    assert found.peak_bytes <= capacity
