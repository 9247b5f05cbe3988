"""Text that stays where it stands: columns of Arrow's string views, which point into a block of bytes.

A view is 16 bytes: the length, then the text itself where it is short, else its first four bytes and where it begins
(Arrow columnar format, variable-size binary view layout). So short texts are equal when their views are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

_INLINE_BYTES = 12
"""As many bytes of text find room in the view itself."""
LEAST_BYTES = 32
"""A block that views point into has at least as many: the words that a view is made of."""
_ROWS_AT_A_TIME = 1 << 13
"""Texts that stay in the processor's cache while all their words are read."""
_LOW_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)
"""Masks that keep so many bytes of a little-endian word."""
_HALF = np.uint64(32)

Offsets = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]


def text_views(data: bytes, starts: Offsets, ends: Offsets) -> pl.Series:
    """The texts between these offsets."""
    views = np.empty((len(starts), 2), np.uint64)
    for begin in range(0, len(starts), _ROWS_AT_A_TIME):
        rows = slice(begin, begin + _ROWS_AT_A_TIME)
        _fill(views[rows], data, starts[rows], ends[rows])
    return pl.Series(pl.from_arrow(pa.Array.from_buffers(pa.string_view(), len(views), [None, pa.py_buffer(views), pa.py_buffer(data)])))


def _fill(views: Words, data: bytes, starts: Offsets, ends: Offsets) -> None:
    lengths = ends - starts
    first = np.minimum(starts, len(data) - LEAST_BYTES)
    head, tail = _words_at(data, first, 2)
    head &= _LOW_BYTES.take(lengths, mode="clip")
    is_long = lengths > _INLINE_BYTES
    tail &= _LOW_BYTES.take(np.clip(lengths - 8, 0, 4))
    views[:, 0] = lengths.astype(np.uint64) | head << _HALF
    views[:, 1] = np.where(is_long, starts.astype(np.uint64) << _HALF, head >> _HALF | tail << _HALF)
    for row in np.flatnonzero(starts > first).tolist():  # the last bytes of the block are no full words
        views[row] = _view(data[starts[row] : ends[row]], int(starts[row]))


def _words_at(data: bytes, starts: Offsets, count: int) -> list[Words]:
    """The ``count`` words of eight bytes that begin at each offset, put together from aligned ones, which are read many times faster."""
    aligned = np.frombuffer(data, np.dtype("<u8"), len(data) // 8)
    index = starts >> 3
    shift = ((starts & 7) << 3).astype(np.uint64)
    rest = np.uint64(64) - shift  # NumPy shifts everything out at 64
    read = [aligned.take(index + n) for n in range(count + 1)]
    return [low >> shift | high << rest for low, high in pairwise(read)]


def _view(text: bytes, start: int = 0) -> Words:
    """The view of one text, which begins at ``start``."""
    held = text.ljust(_INLINE_BYTES, b"\0") if len(text) <= _INLINE_BYTES else text[:4] + bytes(4) + start.to_bytes(4, "little")
    return np.frombuffer(len(text).to_bytes(4, "little") + held, np.uint64)


def without_texts(texts: pl.Series, unwanted: Sequence[str]) -> pl.Series:
    """Null in place of ``unwanted``, texts of up to 12 bytes."""
    array = texts.to_arrow(compat_level=pl.CompatLevel.newest())
    valid, words, *data = array.buffers()
    views = np.frombuffer(words, np.uint64).reshape(-1, 2)[array.offset : array.offset + len(array)]
    is_unwanted = np.zeros(len(array), bool)
    for text in unwanted:
        first, second = _view(text.encode())
        is_unwanted |= (views[:, 0] == first) & (views[:, 1] == second)
    if not is_unwanted.any():
        return texts
    if valid is not None:
        is_unwanted |= array.is_null().to_numpy(zero_copy_only=False)
    valid = pa.py_buffer(np.packbits(~is_unwanted, bitorder="little"))
    return pl.Series(texts.name, pl.from_arrow(pa.Array.from_buffers(array.type, len(array), [valid, pa.py_buffer(views), *data])))


def are_text(data: bytes, starts: Offsets, ends: Offsets, text: str) -> Mask:
    """Which of the places hold ``text`` and nothing else."""
    wanted = text.encode()
    found: Mask = ends - starts == len(wanted)
    held = np.frombuffer(data, np.uint8)
    for place, byte in enumerate(wanted):
        found[found] = held[starts[found] + place] == byte
    return found


def begins_of_runs(data: bytes, starts: Offsets, width: int) -> Offsets:
    """Rows at which a text of ``width`` bytes differs from the one before it; the first row is one."""
    differs = np.zeros(len(starts), bool)
    differs[:1] = True
    words, more = divmod(width, 8)
    first = np.minimum(starts, len(data) - 8 * (words + 3))
    for begin in range(0, len(starts), _ROWS_AT_A_TIME):
        rows = slice(max(begin - 1, 0), begin + _ROWS_AT_A_TIME)
        *whole, part = _words_at(data, first[rows], words + 1)
        for word in (*whole, part & _LOW_BYTES[more]):
            differs[rows][1:] |= word[1:] != word[:-1]
    differs |= starts > first  # the last bytes of the block are no full words
    return np.flatnonzero(differs)
