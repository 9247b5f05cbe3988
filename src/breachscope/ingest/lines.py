"""From a block of bytes to a column of text lines, whatever the encoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from breachscope.ingest.encoding import Encoding, first_fit
from breachscope.ingest.sources import Block, find_bytes

_BOM = "\ufeff"
_NEWLINE, _RETURN, _SPACE, _QUOTE, _BACKSLASH = b'\n\r "\\'
LEAST_NULS = 64
"""No program writes so many NUL bytes in a row into a log: a system that crashed before it had written the block leaves them."""
_VIEW_BYTES = 12
"""As many bytes of text find room in a string view itself (Arrow columnar format, variable-size binary view layout)."""
_FIRST_BYTES = np.array([0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF], np.dtype("<u4"))
"""Masks that keep so many bytes of a little-endian word."""


@dataclass(frozen=True)
class Lines:
    """The lines of one block, as bytes and as text."""

    data: bytes
    starts: npt.NDArray[np.int64]
    """Offset of every line, and the end of the last one."""
    first_line: int
    newline: bytes
    encoding: Encoding
    decoded: pl.Series | None = None
    """The text where not all bytes are UTF-8."""
    strays: int = 0
    """Lines that are not in the stream's encoding."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def frame(self) -> pl.DataFrame:
        """Columns line (i64, 1-based) and text. NUL bytes at either end of a line (left by copy-and-truncate rotation) are dropped from its text."""
        return self.take(np.arange(len(self)))

    def take(self, rows: npt.NDArray[np.int64]) -> pl.DataFrame:
        """Some lines, by 0-based row; columns as in :attr:`frame`."""
        if self.decoded is not None:
            text = self.decoded[rows]
        else:
            array = _as_arrow(self.data, self.starts)
            text = pl.Series(pl.from_arrow(array if len(rows) == len(self) else array.take(pa.array(rows))))
        text = text.str.strip_chars_end("\r\n")
        if b"\0" in self.data:
            text = text.str.strip_chars_start("\0").str.strip_chars_end("\r\0")
        if self._has_mark:
            text = text.str.strip_prefix(_BOM)
        return pl.DataFrame([self._numbers(rows), text.alias("text")])

    @property
    def _has_mark(self) -> bool:
        """Whether a byte order mark stands anywhere: also where files with marks were joined."""
        return not self.data.isascii() and _BOM.encode() in self.data

    def _numbers(self, rows: npt.NDArray[np.int64]) -> pl.Series:
        return pl.Series("line", self.first_line + rows, dtype=pl.Int64)

    def without_tail(self, fields: Sequence[str]) -> tuple[pl.DataFrame, npt.NDArray[np.bool_]]:
        """Cut lines before the quoted fields at their end: ``head "field" "field"``. No text is copied.

        Returns the lines that end so, with line, text (the head) and a column per field, and which those are. Lines with
        a backslash in these fields are not among them, for it may escape a quote.
        """
        starts, ends = self.starts[:-1], self.starts[1:].copy()
        if self.decoded is not None or self.newline != b"\n" or b"\0" in self.data or self._has_mark or not self.data:
            return self.take(np.arange(0)).with_columns(pl.lit("").alias(f) for f in fields), np.zeros(len(self), bool)
        data = np.frombuffer(self.data, np.uint8)
        ends -= data[ends - 1] == _NEWLINE
        ends -= data[np.maximum(ends - 1, 0)] == _RETURN
        marks = find_bytes(self.data, _QUOTE, _BACKSLASH)
        last = np.searchsorted(marks, ends) - 1  # the line's last mark
        needed = 2 * len(fields)
        quote = [marks[np.maximum(last - n, 0)] if len(marks) else np.zeros_like(last) for n in reversed(range(needed))]
        is_cut = (last >= needed - 1) & (quote[0] > starts) & (quote[-1] == ends - 1) & (data[quote[0] - 1] == _SPACE)
        for position in quote:
            is_cut &= data[position] == _QUOTE
        for closing, opening in zip(quote[1:-1:2], quote[2::2], strict=True):
            is_cut &= (opening == closing + 2) & (data[closing + 1] == _SPACE)
        is_cut &= quote[-1] + _VIEW_BYTES <= len(data)  # a view is made of words that begin up to here
        rows = np.flatnonzero(is_cut)
        cut = [self._numbers(rows), self._slices(starts[rows], quote[0][rows] - 1).alias("text")]
        for field, opening, closing in zip(fields, quote[::2], quote[1::2], strict=True):
            cut.append(self._slices(opening[rows] + 1, closing[rows]).alias(field))
        return pl.DataFrame(cut), is_cut

    def _slices(self, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> pl.Series:
        """Parts of the data as text that points into it: Arrow's string views, of which short ones hold the text themselves."""
        lengths = ends - starts
        words: npt.NDArray[np.uint32] = np.ndarray(len(self.data) - 3, np.dtype("<u4"), self.data, strides=(1,))
        views = np.zeros((len(starts), 4), np.dtype("<u4"))
        views[:, 0] = lengths
        views[:, 1] = words[starts] & _FIRST_BYTES[np.minimum(lengths, 4)]
        views[:, 3] = starts
        short = np.flatnonzero(lengths <= _VIEW_BYTES)
        for place in (1, 2):
            views[short, place + 1] = words[starts[short] + 4 * place] & _FIRST_BYTES[np.clip(lengths[short] - 4 * place, 0, 4)]
        array = pa.Array.from_buffers(pa.string_view(), len(starts), [None, pa.py_buffer(views), pa.py_buffer(self.data)])
        return pl.Series(pl.from_arrow(array))

    def nul_runs(self) -> list[tuple[int, int]]:
        """(line, bytes) of every run of at least :data:`LEAST_NULS` NUL bytes."""
        if bytes(LEAST_NULS) not in self.data:
            return []
        nuls = np.flatnonzero(np.frombuffer(self.data, np.uint8) == 0)
        begins = np.flatnonzero(np.diff(nuls, prepend=-2) != 1)
        lengths = np.diff(begins, append=len(nuls))
        long = lengths >= LEAST_NULS
        rows = np.searchsorted(self.starts, nuls[begins[long]], side="right") - 1
        return list(zip((rows + self.first_line).tolist(), lengths[long].tolist(), strict=True))

    def raw(self, line: int) -> bytes:
        """The bytes of a line as they stand in the (decompressed) input, without the line end."""
        index = line - self.first_line
        raw = self.data[self.starts[index] : self.starts[index + 1]].removesuffix(self.newline)
        return raw.decode().encode(self.encoding) if self.encoding.startswith("utf-16") else raw


def split_lines(block: Block, encoding: Encoding, newline: bytes) -> Lines:
    """Split and decode a block."""
    data = block.data
    starts = _line_starts(data, newline)
    try:
        _as_arrow(data, starts).validate(full=True)
    except pa.ArrowInvalid:
        text, read_as = _decoded(data, starts)
        strays = len(text) - read_as["utf-8"] - (read_as["cp932"] if encoding == "cp932" else 0)
        return Lines(data, starts, block.first_line, newline, encoding, text, strays)
    return Lines(data, starts, block.first_line, newline, encoding)


def _line_starts(data: bytes, newline: bytes) -> npt.NDArray[np.int64]:
    """Offset of every line, and the end of the last one."""
    ends = find_bytes(data, newline[0])
    starts = np.zeros(len(ends) + 1 + (not data.endswith(newline)), np.int64)
    starts[1 : len(ends) + 1] = ends + 1
    starts[-1] = len(data)
    return starts


def _as_arrow(data: bytes, starts: npt.NDArray[np.int64]) -> pa.LargeStringArray:
    """The lines as text without copying them."""
    return pa.LargeStringArray.from_buffers(len(starts) - 1, pa.py_buffer(starts), pa.py_buffer(data))


def _decoded(data: bytes, starts: npt.NDArray[np.int64]) -> tuple[pl.Series, Counter[str]]:
    """Decode lines that are not all UTF-8, and count them by encoding. A loop: it does a million lines a second, and such blocks are rare."""
    decoded = [first_fit(data[start:end]) for start, end in pairwise(starts.tolist())]
    return pl.Series([text for text, _ in decoded], dtype=pl.String), Counter(encoding for _, encoding in decoded)
