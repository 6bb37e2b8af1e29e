"""Inputs as the tiles read them: pixels end to end, real zeros around the image."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.kernels.planes import below, unequal
from accelsim.machine_code import compiled, inlined

Array = NDArray[Any]

WORD_BITS = 64


class Frame(NamedTuple):
    """An image `[channels, height, width]` inside a padded one, and the strides of its codes, in elements."""

    channels: int
    height: int
    width: int
    top: int
    left: int
    padded_height: int
    padded_width: int
    from_image: int
    from_channel: int
    from_row: int
    from_column: int


def _lay_codes(first: int, last: int, codes: Array, frame: Frame, offset: int, zero: int, out: Array) -> None:
    """Padded rows first <= r < last of all images one after another, as code + offset; `zero` is the code of zero."""
    channels, width = frame.channels, frame.width
    pitch = frame.padded_width * channels
    for index in range(first, last):
        image, y = divmod(index, frame.padded_height)
        row, y = out[index * pitch : (index + 1) * pitch], y - frame.top
        if y < 0 or y >= frame.height:
            for k in range(pitch):
                row[k] = zero + offset
            continue
        begin, end = frame.left * channels, (frame.left + width) * channels
        for k in range(begin):
            row[k] = zero + offset
        for k in range(end, pitch):
            row[k] = zero + offset
        start = image * frame.from_image + y * frame.from_row
        if frame.from_channel == 1 and frame.from_column == channels:
            inside, seen = row[begin:end], codes[start : start + width * channels]
            for k in range(len(inside)):
                inside[k] = seen[k] + offset
        else:
            for x in range(width):
                inside, at = row[begin + x * channels : begin + (x + 1) * channels], start + x * frame.from_column
                for c in range(channels):
                    inside[c] = codes[at + c * frame.from_channel] + offset


def _word_of(codes: Array, at: int, step: int, count: int, zero: int) -> tuple[np.uint64, np.uint64]:
    """Which of `count` codes, `step` apart, are less than `zero`, and which are not `zero`."""
    negative, present = np.uint64(0), np.uint64(0)
    for c in range(count):
        code = np.int64(codes[at + c * step]) - zero
        negative |= np.uint64(code < 0) << np.uint64(c)
        present |= np.uint64(code != 0) << np.uint64(c)
    return negative, present


word_of = inlined(_word_of)


def _lay_planes(
    first: int, last: int, codes: Array, frame: Frame, zero: int, groups: int, planes: int, out: Array
) -> None:
    """The same rows as bit planes: of every 64 channels of a group whether each is negative and, in a second word of
    two `planes`, whether it is not 0. Codes minus `zero` are -1, 0 or 1."""
    each = frame.channels // groups
    words = -(-each // WORD_BITS)
    pixel = groups * words * planes
    pitch = frame.padded_width * pixel
    in_bytes = codes.itemsize == 1 and frame.from_channel == 1
    for index in range(first, last):
        image, y = divmod(index, frame.padded_height)
        row, y = out[index * pitch : (index + 1) * pitch], y - frame.top
        inside = 0 <= y < frame.height
        begin, end = (frame.left * pixel, (frame.left + frame.width) * pixel) if inside else (pitch, pitch)
        for k in range(begin):
            row[k] = 0
        for k in range(end, pitch):
            row[k] = 0
        place = begin
        for x in range(frame.width if inside else 0):
            start = image * frame.from_image + y * frame.from_row + x * frame.from_column
            for group in range(groups):
                for word in range(words):
                    channel = group * each + word * WORD_BITS
                    count = min(WORD_BITS, each - word * WORD_BITS)
                    at = start + channel * frame.from_channel
                    if in_bytes and count == WORD_BITS:
                        row[place] = below(codes.ctypes.data + at, zero)
                        if planes == 2:
                            row[place + 1] = unequal(codes.ctypes.data + at, zero)
                    else:
                        negative, present = word_of(codes, at, frame.from_channel, count, zero)
                        row[place] = negative
                        if planes == 2:
                            row[place + 1] = present
                    place += planes


lay_codes, lay_planes = compiled(_lay_codes), compiled(_lay_planes)
