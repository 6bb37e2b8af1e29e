"""A heap of partial mappings, the most promising on top: keys float64 [n, 3], compared in turn, then by number."""

import numpy as np
from numpy.typing import NDArray

from accelsim.machine_code import part

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@part
def before(keys: Floats, i: int, j: int) -> bool:
    """Whether row i is better than row j."""
    for column in range(3):
        if keys[i, column] != keys[j, column]:
            return bool(keys[i, column] < keys[j, column])
    return i < j


@part
def sift(heap: Ints, keys: Floats, size: int, place: int) -> None:
    """Move the entry at `place` down to where it belongs."""
    row = heap[place]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and before(keys, heap[child + 1], heap[child]):
            child += 1
        if not before(keys, heap[child], row):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = row


@part
def make_heap(heap: Ints, keys: Floats, size: int) -> None:
    """Rows 0 .. size - 1 of the keys as a heap."""
    for row in range(size):
        heap[row] = row
    for place in range(size // 2 - 1, -1, -1):
        sift(heap, keys, size, place)


@part
def pop(heap: Ints, keys: Floats, size: int) -> int:
    """Take the best of `size` rows out; afterwards the heap has one less."""
    best = heap[0]
    heap[0] = heap[size - 1]
    sift(heap, keys, size - 1, 0)
    return int(best)
