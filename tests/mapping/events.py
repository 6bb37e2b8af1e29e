"""One mapped layer as discrete events: what fetches, multiplies and drains when, from the words that really move.

Every statement of the loop nest is a task. It occupies a port of the memory that it reads and one of the memory that it
writes for bits / bandwidth, and lasts as long as the longer; a step occupies the array for a cycle. A task starts when
all that it needs is there and its ports are free; of those that could, the first of the program starts.

    fetch   needs the tile in the parent, and room in the child: the use of the tile before last, or in a memory that
            waits of the last one, must be over; sums that come back must have been drained
    step    needs its operands; the arithmetic has two registers for each, so it reads ahead, and forwards its sums
    drain   needs all that was added to the tile
"""

import heapq
from dataclasses import dataclass, field

from interpret import Run

from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.nest import Nest

ARITHMETIC_BUFFERS = 2


@dataclass
class Task:
    """Ports with the cycles that each is busy, cycles in all, and the tasks that must end before."""

    ports: dict[str, float]
    cycles: float
    needs: set[int] = field(default_factory=set)


@dataclass
class Slot:
    """The tiles of one operand in one memory: who brought the present one, who uses it, who used those before."""

    brought: int | None = None
    users: set[int] = field(default_factory=set)
    before: list[set[int]] = field(default_factory=list)


class Program(Run):
    """The tasks of a nest in the order of its loops."""

    def __init__(self, nest: Nest, hierarchy: Hierarchy):
        self.hierarchy = hierarchy
        self.tasks: list[Task] = []
        self.slots: dict[tuple[str, int], Slot] = {}
        self.drained: dict[int, set[int]] = {}
        self.counted: dict[tuple[str, int, int, str], int] = {}
        super().__init__(nest)
        bias_only = nest.problem.bias_only_words * hierarchy.output_bits
        self.task({(nest.wiring.path("O")[0], True): bias_only}, set())

    def port(self, level: int, writes: bool) -> tuple[str, float]:
        memory = self.hierarchy.memories[level]
        if memory.shared_port:
            return f"{level}", memory.read_bandwidth
        return (f"{level}w", memory.write_bandwidth) if writes else (f"{level}r", memory.read_bandwidth)

    def task(self, bits: dict[tuple[int, bool], int], needs: set[int]) -> int:
        ports: dict[str, float] = {}
        for (level, writes), amount in bits.items():
            if level < self.hierarchy.levels and amount:
                name, bandwidth = self.port(level, writes)
                if bandwidth:
                    ports[name] = ports.get(name, 0.0) + amount / bandwidth
        self.tasks.append(Task(ports, max(ports.values(), default=0.0), needs))
        return len(self.tasks) - 1

    def slot(self, operand: str, level: int) -> Slot:
        return self.slots.setdefault((operand, level), Slot())

    def since(self, operand: str, parent: int, child: int, key: str) -> int:
        """Counted since this was asked last."""
        where = (operand, parent, child, key)
        fresh = self.count[where] - self.counted.get(where, 0)
        self.counted[where] = self.count[where]
        return fresh

    def moved(self, what, operand, parent, child) -> None:
        width = self.hierarchy.word_bits(operand)
        bits = {
            (level, kind == "write"): width * self.since(operand, parent, child, f"{side}_{kind}s")
            for side, level in (("parent", parent), ("child", child))
            for kind in ("read", "write")
        }
        source, target = self.slot(operand, parent), self.slot(operand, child)
        if what == "fetch":
            self.fetched(operand, child, bits, source, target, bits[parent, False] > 0)
            return
        drain = self.task(bits, set(target.users))
        target.users = {drain}
        source.users.add(drain)
        self.drained.setdefault(child, set()).add(drain)

    def fetched(self, operand: str, child: int, bits, source: Slot, target: Slot, reads: bool) -> None:
        levels = self.hierarchy.levels
        buffers = ARITHMETIC_BUFFERS if child == levels else 1 if self.hierarchy.memories[child].waits else 2
        target.before.append(target.users)
        needs = set(target.before[-buffers]) if len(target.before) >= buffers else set()
        if child == levels and operand == "O":
            needs = set()  # sums are forwarded
        if source.brought is not None:
            needs.add(source.brought)
        if operand == "O" and reads and child < levels:
            needs |= self.drained.get(child, set())
        target.brought, target.users = self.task(bits, needs), set()
        target.users.add(target.brought)
        source.users.add(target.brought)

    def multiply(self, boxes) -> None:
        super().multiply(boxes)
        operands = [self.slot(operand, self.hierarchy.levels) for operand in "WIO"]
        self.tasks.append(Task({"array": 1.0}, 1.0, {s.brought for s in operands if s.brought is not None}))
        for slot in operands:
            slot.users.add(len(self.tasks) - 1)


def event_cycles(nest: Nest, hierarchy: Hierarchy) -> float:
    """When the last task ends."""
    return Clock(Program(nest, hierarchy).tasks).run()


class Clock:
    """Starts what can start, then goes on to when the next port is free or the next task ends."""

    def __init__(self, tasks: list[Task]):
        self.tasks = tasks
        self.missing = [len(task.needs) for task in tasks]
        self.waiting: dict[int, list[int]] = {}
        for index, task in enumerate(tasks):
            for need in task.needs:
                self.waiting.setdefault(need, []).append(index)
        self.ready = [index for index, count in enumerate(self.missing) if count == 0]
        self.ends: list[tuple[float, int]] = []
        self.frees: list[tuple[float, str]] = []
        self.busy: set[str] = set()

    def run(self) -> float:
        now = 0.0
        while self.ready or self.ends:
            self.start(now)
            now = min(queue[0][0] for queue in (self.ends, self.frees) if queue)
            while self.frees and self.frees[0][0] <= now:
                self.busy.discard(heapq.heappop(self.frees)[1])
            while self.ends and self.ends[0][0] <= now:
                self.end(heapq.heappop(self.ends)[1])
        assert not any(self.missing), "tasks wait for each other"
        return now

    def start(self, now: float) -> None:
        held = []
        while self.ready:
            index = heapq.heappop(self.ready)
            task = self.tasks[index]
            if not self.busy.isdisjoint(task.ports):
                held.append(index)
                continue
            self.busy.update(task.ports)
            for port, cycles in task.ports.items():
                heapq.heappush(self.frees, (now + cycles, port))
            heapq.heappush(self.ends, (now + task.cycles, index))
        self.ready = held

    def end(self, done: int) -> None:
        for follower in self.waiting.get(done, ()):
            self.missing[follower] -= 1
            if self.missing[follower] == 0:
                heapq.heappush(self.ready, follower)
