"""Codes of any layout, stored as the tiles read them."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.kernels.jobs import Job
from accelsim.engine.kernels.packing import Geometry, pitch_of
from accelsim.engine.kernels.storing import Frame, lay_codes, lay_planes
from accelsim.engine.kernels.workers import Workers
from accelsim.ir.ops import Dense, Linear

Array = NDArray[Any]
ROOM = 64
"""Bytes at the end that the last word of a step may reach into, besides one more step."""


def stored(op: Linear, x: Array, shape: Geometry, job: Job, zero_point: int, workers: Workers) -> Array:
    """Codes `[N, ...]` flat, pixel by pixel, with real zeros around each image, as the method of the job wants them."""
    method, (rows, columns) = job.method, shape.padded
    codes, frame = _frame(op, x, shape)
    shares = workers.shares(len(x) * rows)
    if method.is_planes:
        planes, groups = method.unit // 8, 1 if isinstance(op, Dense) else op.groups
        words = np.empty(len(x) * rows * columns * pitch_of(op, shape.image[0], method) // 8, np.uint64)
        workers.results([partial(lay_planes, a, b, codes, frame, zero_point, groups, planes, words) for a, b in shares])
        return words.view(np.uint8)
    longest = max((one.work.words for one in job.passes), default=0) * method.codes
    size, dtype = len(x) * rows * columns * shape.image[0], np.uint8 if method.storage == "bytes" else np.int16
    laid = np.empty(size + longest + ROOM, dtype)
    workers.results([partial(lay_codes, a, b, codes, frame, method.offset, zero_point, laid) for a, b in shares])
    return laid.view(np.uint8) if method.is_native else laid


def _frame(op: Linear, x: Array, shape: Geometry) -> tuple[Array, Frame]:
    """The codes flat, not copied where images or their pixels lie end to end, and where they lie."""
    (channels, height, width), (top, _), (left, _) = shape.image, *shape.padding
    by_pixel = x if isinstance(op, Dense) else x.transpose(0, 2, 3, 1)
    if by_pixel.flags.c_contiguous:
        flat, strides = by_pixel, (height * width * channels, 1, width * channels, channels)
    else:
        flat, strides = np.ascontiguousarray(x), (height * width * channels, height * width, width, 1)
        if isinstance(op, Dense):
            strides = (height * width * channels, 1, width * channels, channels)
    if not flat.flags.writeable:  # another type to the compiler
        flat = flat.copy()
    return flat.reshape(-1), Frame(channels, height, width, top, left, *shape.padded, *strides)
