"""Which activations and weights stay on chip between layers: one memory plan over exact lifetimes.

Steps run in order; step i needs `work_bytes` for its own tiles. A tensor lives from the step that makes it (a network
input: its first reader) to its last reader. Kept on chip it saves its write and all its reads; a network input must
still be read once, a network output still be written. Weights live for ever and all bytes of equally often read
weights are alike, so they take what is left:

    peak = max over steps of (kept tensors alive + work),   pinned = min(weights, capacity - peak)

The best set is found by dynamic programming over the steps. A state is what its kept tensors will still occupy at each
later step (tensors that die together are merged); it carries every pair (peak, bytes saved) that is not dominated. A
pair with a lower peak but fewer bytes saved is dropped when the weights that the lower peak lets in cannot make up for
it, so with few weights one pair remains. A state is dropped when even keeping all later tensors would not reach a plan
already at hand. Should more than `max_states` pairs remain (dozens of long overlapping skips), those with the highest
such bound go on, and the best bound among the dropped limits what was lost: `MemoryPlan.gap_bytes`, 0 when proven best.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from accelsim.errors import DoesNotFit


@dataclass(frozen=True)
class Step:
    """One layer in the schedule. Bytes of weights and work are per batch, work being its streaming tiles on chip."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    weight_bytes: int = 0
    work_bytes: int = 0
    weight_reads: int = 1
    """Times a batch fetches the weights when they are not pinned."""


@dataclass(frozen=True)
class MemoryPlan:
    """What stays on chip, and the off-chip bytes of one batch under it.

    "steady" is every batch but the first: pinned weights are there already. "cold" loads them once.
    """

    resident: tuple[str, ...]
    pinned_bytes: tuple[int, ...]
    """Per step, how many of its weight bytes stay on chip for ever."""
    resident_bytes: tuple[int, ...]
    """Per step, bytes of the kept tensors alive in it."""
    live_bytes: tuple[int, ...]
    """Per step, kept tensors, work and pinned weights."""
    capacity_bytes: int
    offchip_weight_bytes_steady: int
    offchip_weight_bytes_cold: int
    offchip_input_bytes: int
    offchip_output_bytes: int
    offchip_intermediate_bytes: int
    gap_bytes: int = 0
    """No plan has fewer steady off-chip bytes than this one's less the gap."""

    @property
    def pinned_weight_bytes(self) -> int:
        """Weight bytes that stay on chip for ever."""
        return sum(self.pinned_bytes)

    @property
    def peak_bytes(self) -> int:
        """Most bytes in use at any step, pinned weights included."""
        return max(self.live_bytes, default=0)

    def reserved_bytes(self, step: int) -> int:
        """Bytes that the mapping of this step may not use for its tiles."""
        return self.resident_bytes[step] + self.pinned_weight_bytes

    @property
    def offchip_activation_bytes(self) -> int:
        """Network inputs, outputs and what lies between."""
        return self.offchip_input_bytes + self.offchip_output_bytes + self.offchip_intermediate_bytes

    @property
    def offchip_bytes_steady(self) -> int:
        """All off-chip bytes of a batch with the pinned weights in place."""
        return self.offchip_weight_bytes_steady + self.offchip_activation_bytes

    @property
    def offchip_bytes_cold(self) -> int:
        """All off-chip bytes of the first batch."""
        return self.offchip_weight_bytes_cold + self.offchip_activation_bytes


@dataclass(frozen=True)
class _Tensor:
    name: str
    size: int
    made: bool
    output: bool
    reads: int
    born: int
    dies: int

    def offchip(self, kept: bool) -> int:
        reads = self.reads if not kept else 0 if self.made else 1
        writes = self.made and (self.output or not kept)
        return self.size * (reads + writes)

    @cached_property
    def saves(self) -> int:
        return self.offchip(False) - self.offchip(True)


Profile = tuple[tuple[int, int], ...]
"""((last step, bytes), ...) of the kept tensors alive."""


@dataclass(frozen=True)
class _Choice:
    peak: int
    saved: int
    kept: tuple[str, ...]


def plan(
    steps: tuple[Step, ...],
    sizes: Mapping[str, int],
    outputs: Iterable[str],
    capacity: int,
    *,
    batch: int = 1,
    keep_activations: bool = True,
    pin_weights: bool = True,
    max_states: int = 2000,
) -> MemoryPlan:
    """The memory plan with the fewest steady off-chip bytes a batch.

    sizes: bytes of each tensor for one image, at its own width; they scale with `batch`. capacity: bytes on chip.
    Tensors that no step writes are network inputs. Raises DoesNotFit where a step's work alone exceeds the capacity.
    """
    for step in steps:
        if step.work_bytes > capacity:
            raise DoesNotFit(
                f"memory plan: step {step.name!r} needs {step.work_bytes} bytes on chip for its own tiles, "
                f"the memory has {capacity}"
            )
    tensors = _tensors(steps, sizes, frozenset(outputs), batch)
    worth = _pinning_worth(steps) if pin_weights else _no_worth
    candidates = [t for t in tensors if t.saves > 0] if keep_activations else []
    best, gap = _best_choice(steps, candidates, capacity, worth, max_states)
    return _finish(steps, tensors, frozenset(best.kept), capacity, pin_weights, gap)


def _tensors(steps: tuple[Step, ...], sizes: Mapping[str, int], outputs: frozenset[str], batch: int) -> list[_Tensor]:
    reads = Counter(name for step in steps for name in step.reads)
    made = {name for step in steps for name in step.writes}
    born: dict[str, int] = {}
    dies: dict[str, int] = {}
    for i, step in enumerate(steps):
        for name in (*step.reads, *step.writes):
            born.setdefault(name, i)
            dies[name] = i
    return [
        _Tensor(name, sizes[name] * batch, name in made, name in outputs, reads[name], born[name], dies[name])
        for name in born
    ]


def _no_worth(_room: int) -> int:
    return 0


def _pinning_worth(steps: tuple[Step, ...]) -> Callable[[int], int]:
    """Bytes a batch saves when `room` bytes are left for weights: the most often read ones first."""

    order = sorted((step for step in steps if step.weight_bytes), key=_by_reads)

    @cache
    def worth(room: int) -> int:
        saved = 0
        for step in order:
            pinned = min(room, step.weight_bytes)
            saved, room = saved + pinned * step.weight_reads, room - pinned
        return saved

    return worth


def _by_reads(step: Step) -> int:
    return -step.weight_reads


def _pinned(steps: tuple[Step, ...], room: int) -> tuple[int, ...]:
    pinned = [0] * len(steps)
    for i in sorted(range(len(steps)), key=lambda i: _by_reads(steps[i])):
        pinned[i] = min(room, steps[i].weight_bytes)
        room -= pinned[i]
    return tuple(pinned)


def _best_choice(
    steps: tuple[Step, ...],
    candidates: list[_Tensor],
    capacity: int,
    worth: Callable[[int], int],
    max_states: int,
) -> tuple[_Choice, int]:
    """The best choice, and how many bytes the dropped ones could have saved beyond it."""
    born: dict[int, list[_Tensor]] = {}
    for tensor in candidates:
        born.setdefault(tensor.born, []).append(tensor)
    work = [step.work_bytes for step in steps]
    states: dict[Profile, list[_Choice]] = {(): [_Choice(0, 0, ())]}
    dropped, to_come = 0, sum(tensor.saves for tensor in candidates)
    for i, step in enumerate(steps):
        for tensor in born.get(i, ()):
            states = _offered(states, tensor, capacity)
            to_come -= tensor.saves
        states = _after_step(states, i, step.work_bytes, capacity)
        pairs = [
            (value, choice, profile)
            for profile, choices in states.items()
            if (ahead := _peak_ahead(work, profile, i)) <= capacity
            for value, choice in _undominated(choices, ahead, capacity, worth)
        ]
        reached = max(value for value, _, _ in pairs)
        pairs = sorted((p for p in pairs if p[0] + to_come >= reached), key=lambda p: (-p[0], p[1].peak, p[1].kept))
        dropped = max([dropped, *(value + to_come for value, _, _ in pairs[max_states:])])
        states = {}
        for _, choice, profile in pairs[:max_states]:
            states.setdefault(profile, []).append(choice)
    final = [(c.saved + worth(capacity - c.peak), c.saved, -c.peak, c) for choices in states.values() for c in choices]
    value, *_, best = max(final, key=lambda entry: entry[:3])
    return best, max(0, dropped - value)


def _peak_ahead(work: list[int], profile: Profile, i: int) -> int:
    """The peak after step i when nothing more is kept; no plan with this profile has a lower one."""
    left, start, peak = sum(size for _, size in profile), i + 1, 0
    for dies, size in (*profile, (len(work) - 1, 0)):
        if dies >= start:
            peak = max(peak, left + max(work[start : dies + 1]))
        left, start = left - size, dies + 1
    return peak


def _offered(states: dict[Profile, list[_Choice]], tensor: _Tensor, capacity: int) -> dict[Profile, list[_Choice]]:
    """Every state with and without the tensor."""
    grown = {profile: list(choices) for profile, choices in states.items()}
    for profile, choices in states.items():
        if sum(size for _, size in profile) + tensor.size > capacity:
            continue
        alive = dict(profile)
        alive[tensor.dies] = alive.get(tensor.dies, 0) + tensor.size
        grown.setdefault(tuple(sorted(alive.items())), []).extend(
            _Choice(c.peak, c.saved + tensor.saves, (*c.kept, tensor.name)) for c in choices
        )
    return grown


def _after_step(states: dict[Profile, list[_Choice]], i: int, work: int, capacity: int) -> dict[Profile, list[_Choice]]:
    """The states that fit with the step's work, without the tensors that die in it."""
    passed: dict[Profile, list[_Choice]] = {}
    for profile, choices in states.items():
        live = sum(size for _, size in profile) + work
        if live <= capacity:
            left = tuple(entry for entry in profile if entry[0] > i)
            passed.setdefault(left, []).extend(_Choice(max(c.peak, live), c.saved, c.kept) for c in choices)
    return passed


def _undominated(
    choices: list[_Choice], ahead: int, capacity: int, worth: Callable[[int], int]
) -> list[tuple[int, _Choice]]:
    """(bytes saved if nothing more is kept, choice) of those that no other of the same state beats whatever follows.

    A lower peak is worth at most the weights it lets in now: later steps can only narrow the difference. So a choice
    with a higher peak beats it when its lead in bytes saved is at least that.
    """
    kept: list[tuple[int, _Choice]] = []
    for choice in sorted(choices, key=lambda c: (c.peak, -c.saved)):
        if kept and choice.saved <= kept[-1][1].saved:
            continue
        value = choice.saved + worth(capacity - max(choice.peak, ahead))
        while kept and value >= kept[-1][0]:
            kept.pop()
        kept.append((value, choice))
    return kept


def _finish(
    steps: tuple[Step, ...],
    tensors: list[_Tensor],
    kept: frozenset[str],
    capacity: int,
    pin_weights: bool,
    gap: int,
) -> MemoryPlan:
    alive = [t for t in tensors if t.name in kept]
    resident = tuple(sum(t.size for t in alive if t.born <= i <= t.dies) for i in range(len(steps)))
    peak = max((held + step.work_bytes for held, step in zip(resident, steps, strict=True)), default=0)
    pinned = _pinned(steps, capacity - peak if pin_weights else 0)
    moved = Counter[str]()
    for t in tensors:
        bytes_moved = t.offchip(t.name in kept)
        written = t.size if t.output and t.made else 0
        moved["output"] += written
        moved["intermediate" if t.made else "input"] += bytes_moved - written
    weights = sum(step.weight_bytes * step.weight_reads for step in steps)
    saved = sum(p * step.weight_reads for p, step in zip(pinned, steps, strict=True))
    return MemoryPlan(
        resident=tuple(t.name for t in alive),
        pinned_bytes=pinned,
        resident_bytes=resident,
        live_bytes=tuple(held + step.work_bytes + sum(pinned) for held, step in zip(resident, steps, strict=True)),
        capacity_bytes=capacity,
        offchip_weight_bytes_steady=weights - saved,
        offchip_weight_bytes_cold=weights - saved + sum(pinned),
        offchip_input_bytes=moved["input"],
        offchip_output_bytes=moved["output"],
        offchip_intermediate_bytes=moved["intermediate"],
        gap_bytes=gap,
    )
