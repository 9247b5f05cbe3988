"""Escapes of C in columns of text, undone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from breachscope.ingest.native import not_utf_8
from breachscope.ingest.views import as_series, pieces

_BACKSLASH, _LOWER_X = 0x5C, 0x78
_HEX_VALUE = np.full(256, 255, np.uint8)
_HEX_VALUE[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
_HEX_VALUE[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16)
SERVERS_ESCAPES = "ntrvb\"\\'x"
"""What web servers write behind a backslash; ``x`` is followed by two hexadecimal digits."""
_PIECE_BYTES = 1 << 20
"""Of texts whose escapes are undone at a time: an escape takes a hundred times the memory of its bytes on the way."""
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "b": "\b"}


@lru_cache
def _meanings(escapes: str) -> npt.NDArray[np.uint8]:
    """Byte behind a backslash → the byte that the two stand for; 0 where they stand for themselves."""
    meanings = np.zeros(256, np.uint8)
    for character in escapes.replace("x", ""):
        meanings[ord(character)] = ord(_CONTROLS.get(character, character))
    return meanings


def unescape(texts: pl.Series, escapes: str = SERVERS_ESCAPES) -> pl.Series:
    r"""Undo C-style escapes, by default as Apache and nginx write them: ``\"``, ``\\``, ``\n``, ``\xHH``; those that are not in ``escapes`` stay.

    The bytes are rebuilt column-wise. A value whose bytes would not be UTF-8 keeps its escapes, so that nothing is lost.

    >>> unescape(pl.Series(['a\\x22b', 'c\\\\x41', '\\xE3\\x81\\x82', 'bad\\xff']) ).to_list()
    ['a"b', 'c\\x41', 'あ', 'bad\\xff']
    """
    escaped = texts.to_frame("t").select_seq(pl.col("t").str.contains("\\", literal=True).fill_null(value=False))["t"]
    if not escaped.any():
        return texts
    written = texts.filter(escaped)
    offsets = np.append(0, written.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy())
    told = [_unescaped(written[first:last], escapes) for first, last in pieces(offsets, _PIECE_BYTES)]
    return texts.clone().scatter(escaped.arg_true(), pl.concat(told))


def _unescaped(texts: pl.Series, escapes: str) -> pl.Series:
    array = texts.to_arrow()
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(array.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    rebuilt, new_offsets = _unescaped_bytes(data, offsets - offsets[0], escapes)
    is_text = np.ones(len(array), bool)
    is_text[not_utf_8(rebuilt.tobytes(), new_offsets)] = False
    readable = np.where(np.repeat(is_text, np.diff(new_offsets)), rebuilt, ord("?")).astype(np.uint8)
    plain = pa.LargeStringArray.from_buffers(len(array), pa.py_buffer(new_offsets), pa.py_buffer(readable))
    return as_series(texts.name, plain).zip_with(pl.Series(is_text), texts)


def unescape_rows(columns: Sequence[pl.Series], rows: pl.Series, escapes: str) -> list[pl.Series]:
    """Columns of texts with the escapes undone in some rows: those that have any."""
    written = pl.DataFrame(columns)[rows].get_columns()
    is_escaped = pl.concat(c.rename("") for c in written).str.contains("\\", literal=True).fill_null(value=False).to_numpy()
    has_some = np.any(is_escaped.reshape(len(columns), -1), axis=1).tolist()
    return [c.clone().scatter(rows, unescape(w, escapes)) if has else c for c, w, has in zip(columns, written, has_some, strict=True)]


def _unescaped_bytes(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], escapes: str
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:  # fmt: skip
    size = len(data)
    is_backslash = data == _BACKSLASH
    positions = np.flatnonzero(is_backslash)
    # Within a run of backslashes every second one is escaped by the one before it; runs do not reach across values.
    value_of = np.searchsorted(offsets, positions, side="right")
    run_starts = np.flatnonzero((np.diff(positions, prepend=-2) != 1) | (np.diff(value_of, prepend=-1) != 0))
    run_index = np.arange(len(positions)) - np.repeat(run_starts, np.diff(np.append(run_starts, len(positions))))
    leaders = positions[run_index % 2 == 0]
    ends = offsets[np.searchsorted(offsets, leaders, side="right")]
    following = np.where(leaders + 1 < ends, data[np.minimum(leaders + 1, size - 1)], 0)
    high = _HEX_VALUE[data[np.minimum(leaders + 2, size - 1)]]
    low = _HEX_VALUE[data[np.minimum(leaders + 3, size - 1)]]
    is_hex = ("x" in escapes) & (following == _LOWER_X) & (leaders + 3 < ends) & (high < 16) & (low < 16)
    meanings = _meanings(escapes)
    is_simple = ~is_hex & (meanings[following] > 0)
    out = data.copy()
    keep = np.ones(size, bool)
    hexes, simples = leaders[is_hex], leaders[is_simple]
    out[hexes] = high[is_hex] * 16 + low[is_hex]
    for step in (1, 2, 3):
        keep[hexes + step] = False
    out[simples] = meanings[following[is_simple]]
    keep[simples + 1] = False
    kept_before = np.concatenate([[0], np.cumsum(keep)])
    return out[keep], kept_before[offsets].astype(np.int64)
