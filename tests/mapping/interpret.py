"""Brute force: run the loop nest on real values, move every word, count. Slow, small, obviously right.

Every copy of a memory is a dict word -> value. A fetch copies words from the parent, which must hold them; a drain adds
partial sums into the parent. In the end the outermost memory must hold the convolution. The words of a tile are found
by visiting every multiply in it.
"""

from collections import Counter
from itertools import product

import numpy as np

from accelsim.mapping.layer_problem import DIMS, LayerProblem
from accelsim.mapping.nest import Loop, Nest

Box = dict[str, tuple[int, int]]
Word = tuple[int, ...]
Copy = tuple[tuple[int, int], ...]


def multiplies(problem: LayerProblem, box: Box):
    """The words (W, I, O) that each multiply of a box touches; None for padding and cropped outputs."""
    h, w = problem.h, problem.w
    for n, g, k, c, p, q, r, s in product(*(range(*box[dim]) for dim in "NGKCPQRS")):
        ih, iw, oh, ow = h.in_index[p][r], w.in_index[q][s], h.out_index[p][r], w.out_index[q][s]
        yield (
            (g, k, c, r, s),
            (n, g, c, ih, iw) if ih >= 0 and iw >= 0 else None,
            (n, g, k, oh, ow) if oh >= 0 and ow >= 0 else None,
        )


class Run:
    """One execution; `count[operand, parent, child, what]`, `peak[operand, level]`, `steps`, `macs`; `refills[parent,
    child]`: fetches that bring any partial sum back.
    """

    def __init__(self, nest: Nest):
        self.nest, self.problem, self.wiring = nest, nest.problem, nest.wiring
        self.box: Box = {dim: (0, self.problem.size[dim]) for dim in DIMS}
        self.weights, self.inputs = self.random_tensors()
        outputs = {o: None for _, _, o in multiplies(self.problem, self.box) if o is not None}
        whole = {"W": self.weights, "I": self.inputs, "O": outputs}
        self.store = {(o, self.wiring.path(o)[0], ()): whole[o] for o in "WIO"}
        self.count, self.peak, self.refetched, self.refills = Counter(), Counter(), Counter(), Counter()
        self.steps = self.macs = 0
        self.tiles: dict = {}
        self.statements: dict[int, list] = {}
        for operand in "WIO":
            for parent, child in self.wiring.boundaries(operand):
                statement = (operand, parent, child)
                self.statements.setdefault(nest.fetch_at(operand, child), []).append(statement)
        for statements in self.statements.values():
            statements.sort(key=lambda statement: statement[2])
        self.before(-1, {(): self.box}, True)
        self.body(0, {(): self.box})
        self.after(-1, None)
        assert self.store["O", self.wiring.path("O")[0], ()] == self.expected(), "the nest computes something else"

    def random_tensors(self):
        rng = np.random.default_rng(0)
        weights, inputs = {}, {}
        for w, i, _ in multiplies(self.problem, self.box):
            weights.setdefault(w, int(rng.integers(-8, 9)))
            if i is not None:
                inputs.setdefault(i, int(rng.integers(-8, 9)))
        return weights, inputs

    def expected(self):
        sums = Counter()
        for w, i, o in multiplies(self.problem, self.box):
            if o is not None:
                sums[o] += self.weights[w] * (self.inputs[i] if i is not None else 0)
        return dict(sums)

    # --- loops -------------------------------------------------------------------------------------------------------

    def narrow(self, boxes: dict[Copy, Box], loop: Loop, turn: int) -> dict[Copy, Box]:
        found = {}
        for copy, box in boxes.items():
            start, end = box[loop.dim]
            a = start + turn * loop.step
            if a < end:
                found[copy] = {**box, loop.dim: (a, min(a + loop.step, end))}
        return found

    def spread(self, index: int, boxes: dict[Copy, Box], loop: Loop) -> dict[Copy, Box]:
        found = {}
        for i in range(self.chunks(boxes, loop)):
            for copy, box in self.narrow(boxes, loop, i).items():
                found[(*copy, (index, i))] = box
        return found

    def chunks(self, boxes: dict[Copy, Box], loop: Loop) -> int:
        return max(-(-(box[loop.dim][1] - box[loop.dim][0]) // loop.step) for box in boxes.values())

    def body(self, index: int, boxes: dict[Copy, Box]) -> None:
        if index == len(self.nest.running):
            self.multiply(boxes)
            return
        loop = self.nest.running[index]
        if loop.spatial:
            self.body(index + 1, self.spread(index, boxes, loop))
            return
        turns = self.chunks(boxes, loop)
        for turn in range(turns):
            now = self.narrow(boxes, loop, turn)
            self.before(index, now, turn == 0)
            self.body(index + 1, now)
            self.after(index, self.narrow(boxes, loop, turn + 1) if turn + 1 < turns else None)

    def moved(self, what: str, operand: str, parent: int, child: int) -> None:
        """Called after each statement (a fetch or a drain), all copies together."""

    # --- movement ----------------------------------------------------------------------------------------------------

    def words(self, operand: str, box: Box) -> set[Word]:
        key = (operand, tuple(sorted(box.items())))
        if key not in self.tiles:
            which = "WIO".index(operand)
            self.tiles[key] = {words[which] for words in multiplies(self.problem, box)} - {None}
        return self.tiles[key]

    def wanted(self, operand: str, index: int, boxes: dict[Copy, Box], parent: int, child: int):
        """{copy of the parent: {copy of the child: words it works on next}}"""
        for j in range(index + 1, self.nest.depth(child)):
            loop = self.nest.running[j]
            boxes = self.spread(j, boxes, loop) if loop.spatial else self.narrow(boxes, loop, 0)
        above, found = self.nest.depth(parent), {}
        for copy, box in boxes.items():
            owner = tuple(part for part in copy if part[0] < above)
            found.setdefault(owner, {})[copy] = self.words(operand, box)
        return found

    def before(self, index: int, boxes: dict[Copy, Box], first: bool) -> None:
        for operand, parent, child in self.statements.get(index, ()):
            keep = self.nest.slides(operand, parent, child) and not first
            for owner, children in self.wanted(operand, index, boxes, parent, child).items():
                self.count[operand, parent, child, "fetches"] += any(children.values())
                self.fetch(operand, parent, child, owner, children, keep)
            self.moved("fetch", operand, parent, child)

    def fetch(self, operand: str, parent: int, child: int, owner: Copy, children, keep: bool) -> None:
        source, shared = self.store[operand, parent, owner], self.wiring.shares(operand, parent, child)
        read, taken = set(), set()
        where = (operand, parent, child)
        for copy, words in children.items():
            old = self.store.get((operand, child, copy), {})
            if words and set(old) == words and not keep:
                self.refetched[operand, child] += 1
            held = {word: value for word, value in old.items() if word in words} if keep else {}
            for word in sorted(words - set(held)):
                assert word in source, (where, word, "the parent does not hold it")
                if operand != "O":
                    held[word] = source[word]
                    self.count[(*where, "parent_reads")] += not shared or word not in read
                    self.count[(*where, "child_writes")] += 1
                    read.add(word)
                elif source[word] is not None and word not in taken:
                    held[word] = source[word]
                    self.count[(*where, "parent_reads")] += 1
                    self.count[(*where, "child_writes")] += 1
                    taken.add(word)
                else:
                    held[word] = None
            self.store[operand, child, copy] = held
            self.peak[operand, child] = max(self.peak[operand, child], len(held))
        self.refills[parent, child] += len(taken) > 0
        for word in taken:
            source[word] = None

    def after(self, index: int, following: dict[Copy, Box] | None) -> None:
        for operand, parent, child in reversed(self.statements.get(index, ())):
            if operand != "O":
                continue
            stay = {}
            if following and self.nest.slides(operand, parent, child):
                for children in self.wanted(operand, index, following, parent, child).values():
                    stay.update(children)
            above, groups = self.nest.depth(parent), {}
            for held, level, copy in self.store:
                if held == "O" and level == child:
                    groups.setdefault(tuple(part for part in copy if part[0] < above), []).append(copy)
            for owner, copies in groups.items():
                self.drain(parent, child, owner, copies, stay)
            self.moved("drain", operand, parent, child)

    def drain(self, parent: int, child: int, owner: Copy, copies: list[Copy], stay) -> None:
        target, adds = self.store["O", parent, owner], self.wiring.shares("O", parent, child)
        arrived = Counter()
        for copy in copies:
            tile = self.store.pop(("O", child, copy))
            kept = {word: value for word, value in tile.items() if word in stay.get(copy, ())}
            for word, value in tile.items():
                if word in kept:
                    continue
                assert value is not None and word in target
                self.count["O", parent, child, "child_reads"] += 1
                if adds:
                    arrived[word] += value
                    continue
                self.count["O", parent, child, "parent_reads"] += target[word] is not None
                self.count["O", parent, child, "parent_writes"] += 1
                target[word] = value + (target[word] or 0)
            if kept:
                self.store["O", child, copy] = kept
        for word, value in arrived.items():
            assert target[word] is None
            target[word] = value
            self.count["O", parent, child, "parent_writes"] += 1

    def multiply(self, boxes: dict[Copy, Box]) -> None:
        self.steps += 1
        level = self.wiring.levels
        for copy, box in boxes.items():
            for w, i, o in multiplies(self.problem, box):
                self.macs += 1
                if o is not None:
                    sums = self.store["O", level, copy]
                    x = self.store["I", level, copy][i] if i is not None else 0
                    sums[o] = self.store["W", level, copy][w] * x + (sums[o] or 0)
