"""Text that stays where it stands: columns of Arrow's string views, which point into a block of bytes.

A view is 16 bytes: the length, then the text itself where it is short, else its first four bytes and where it begins
(Arrow columnar format, variable-size binary view layout). So short texts are equal when their views are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

INLINE_BYTES = 12
"""As many bytes of text find room in the view itself."""

Offsets = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]


class _Handed:
    """An Arrow array for those who take it by Arrow's C data interface: ten times faster than Polars' own way, which imports pyarrow.compute."""

    def __init__(self, array: pa.Array) -> None:
        self._array = array

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        held: tuple[object, object] = self._array.__arrow_c_array__(requested_schema)
        return held


def as_series(name: str, array: pa.Array) -> pl.Series:
    """An Arrow array as a series, without copying it."""
    return pl.Series(_Handed(array)).alias(name)


def as_arrow(numbers: Offsets) -> pa.Int64Array:
    """Numbers as an Arrow array, without copying them: pyarrow's own way of making one imports pandas where it is installed, which takes 0.2 s."""
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers, np.int64))])


def narrowed(texts: pl.Series, dtype: pa.DataType) -> pa.Array:
    """Text or bytes without nulls, together less than 2 GiB, as Arrow's plain type of them: pyarrow's own cast imports pyarrow.compute, which takes 40 ms."""
    array = texts.to_arrow()
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return pa.Array.from_buffers(dtype, len(array), [None, pa.py_buffer(starts.astype(np.int32)), data])


def pieces(offsets: Offsets, size: int) -> Iterator[tuple[int, int]]:
    """Runs of texts of about ``size`` bytes together: the first text of each, and the one behind its last.

    ``offsets`` are those of the texts, and the end of the last one.

    >>> list(pieces(np.array([0, 3, 4, 5, 30, 31]), 10)), list(pieces(np.array([0]), 10))
    ([(0, 4), (4, 5)], [])
    """
    firsts = np.searchsorted(offsets, np.arange(0, offsets[-1], size))
    return pairwise(np.unique(np.append(firsts, len(offsets) - 1)).tolist())


def view_of(text: bytes, start: int = 0) -> Words:
    """The view of one text, which begins at ``start``."""
    held = text.ljust(INLINE_BYTES, b"\0") if len(text) <= INLINE_BYTES else text[:4] + bytes(4) + start.to_bytes(4, "little")
    return np.frombuffer(len(text).to_bytes(4, "little") + held, np.uint64)


def without_texts(texts: pl.Series, unwanted: Sequence[str]) -> pl.Series:
    """Null in place of ``unwanted``, texts of up to 12 bytes."""
    array = texts.to_arrow(compat_level=pl.CompatLevel.newest())
    valid, words, *data = array.buffers()
    views = np.frombuffer(words, np.uint64).reshape(-1, 2)[array.offset : array.offset + len(array)]
    is_unwanted = np.zeros(len(array), bool)
    for text in unwanted:
        first, second = view_of(text.encode())
        is_unwanted |= (views[:, 0] == first) & (views[:, 1] == second)
    if not is_unwanted.any():
        return texts
    if valid is not None:
        is_unwanted |= texts.is_null().to_numpy()  # pyarrow's own is_null imports pyarrow.compute
    valid = pa.py_buffer(np.packbits(~is_unwanted, bitorder="little"))
    return as_series(texts.name, pa.Array.from_buffers(array.type, len(array), [valid, pa.py_buffer(views), *data]))
