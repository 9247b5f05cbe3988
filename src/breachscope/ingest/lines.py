"""From a block of bytes to a column of text lines, whatever the encoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa

from breachscope.ingest.encoding import Encoding, first_fit
from breachscope.ingest.sources import Block, find_bytes
from breachscope.ingest.views import LEAST_BYTES, Offsets

_BOM = "\ufeff"
_NEWLINE, _RETURN, _QUOTE, _BACKSLASH = b'\n\r"\\'
LEAST_NULS = 64
"""No program writes so many NUL bytes in a row into a log: a system that crashed before it had written the block leaves them."""


@dataclass(frozen=True)
class Lines:
    """The lines of one block, as bytes and as text."""

    data: bytes
    starts: Offsets
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

    def take(self, rows: Offsets) -> pl.DataFrame:
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
        return pl.DataFrame([self.numbers(rows), text.alias("text")])

    @property
    def _has_mark(self) -> bool:
        """Whether a byte order mark stands anywhere: also where files with marks were joined."""
        return not self.data.isascii() and _BOM.encode() in self.data

    def numbers(self, rows: Offsets) -> pl.Series:
        """1-based numbers of the lines in these rows."""
        return pl.Series("line", self.first_line + rows, dtype=pl.Int64)

    def stretches(self, widths: Sequence[int | None]) -> tuple[Offsets, list[tuple[Offsets, Offsets]]]:
        """Cut lines at their quotes: 0-based rows of the lines that have as many as needed, and where each of their stretches begins and ends.

        Of ``widths``, each None is what stands before, between or behind quotes; a number is so many bytes at the end of
        the one before it. Lines with a backslash are left out, for it may escape a quote, and such whose text is not
        their bytes.
        """
        if self.decoded is not None or self.newline != b"\n" or b"\0" in self.data or self._has_mark or len(self.data) < LEAST_BYTES:
            return np.zeros(0, np.int64), []
        data = np.frombuffer(self.data, np.uint8)
        starts, ends = self.starts[:-1], self.starts[1:].copy()
        ends -= data.take(ends - 1) == _NEWLINE
        ends -= (ends > starts) & (data.take(ends - 1, mode="clip") == _RETURN)
        found = find_bytes(self.data, _QUOTE, _BACKSLASH)
        is_quote = data.take(found) == _QUOTE
        quotes, backslashes = found[is_quote], found[~is_quote]
        first = np.searchsorted(quotes, self.starts)
        needed = widths.count(None) - 1
        is_cut = (np.diff(first) == needed) & (data.take(ends - 1, mode="clip") != _RETURN)
        is_cut[np.searchsorted(self.starts, backslashes, side="right") - 1] = False
        rows = np.flatnonzero(is_cut)
        marks = [quotes.take(first[rows] + n) for n in range(needed)]
        begins = iter([starts[rows], *(mark + 1 for mark in marks)])
        closes = iter([*marks, ends[rows]])
        places: list[tuple[Offsets, Offsets]] = []
        for width in widths:
            if width is None:
                places.append((next(begins), next(closes)))
            else:
                begin, end = places[-1]
                places[-1:] = [(begin, end - width), (end - width, end)]
        fits = np.logical_and.reduce([begin <= end for begin, end in places])
        return (rows, places) if fits.all() else (rows[fits], [(begin[fits], end[fits]) for begin, end in places])

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


def _line_starts(data: bytes, newline: bytes) -> Offsets:
    """Offset of every line, and the end of the last one."""
    ends = find_bytes(data, newline[0])
    starts = np.zeros(len(ends) + 1 + (not data.endswith(newline)), np.int64)
    starts[1 : len(ends) + 1] = ends + 1
    starts[-1] = len(data)
    return starts


def _as_arrow(data: bytes, starts: Offsets) -> pa.LargeStringArray:
    """The lines as text without copying them."""
    return pa.LargeStringArray.from_buffers(len(starts) - 1, pa.py_buffer(starts), pa.py_buffer(data))


def _decoded(data: bytes, starts: Offsets) -> tuple[pl.Series, Counter[str]]:
    """Decode lines that are not all UTF-8, and count them by encoding. A loop: it does a million lines a second, and such blocks are rare."""
    decoded = [first_fit(data[start:end]) for start, end in pairwise(starts.tolist())]
    return pl.Series([text for text, _ in decoded], dtype=pl.String), Counter(encoding for _, encoding in decoded)
