"""From a block of bytes to a column of text lines, whatever the encoding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from breachscope.ingest.encoding import Encoding, decode_cp932, decode_euc_jp, first_fit, is_wide
from breachscope.ingest.native import Survey, days_begin, find_lines, has_mark, is_built, not_utf_8, sort, survey, texts_at
from breachscope.ingest.onepass import one_pass
from breachscope.ingest.streams import Block, find_bytes
from breachscope.ingest.views import Offsets, as_arrow, as_series
from breachscope.timestamps import YEARLESS_BEGINNING, has_yearless_times

_BOM = "\ufeff"
_SPACES = b" \t\v\f\r\n"
"""Lines that begin so may be blank."""
LEAST_NULS = 64
"""No program writes so many NUL bytes in a row into a log: a system that crashed before it had written the block leaves them."""


@dataclass(frozen=True)
class Lines:
    """The lines of one block, as bytes and as text."""

    data: bytes
    seen: Survey
    starts: Offsets
    """Offset of every line, and the end of the last one."""
    first_line: int
    newline: bytes
    encoding: Encoding
    ends: Offsets | None = None
    """Where the text of every line ends, before its line end; None where nobody looked."""
    firsts: npt.NDArray[np.uint8] | None = None
    """The first byte of every text, the newline for an empty one; None where nobody looked."""
    decoded: pl.Series | None = None
    """The text of lines that do not stand beside one another, where nobody looked where it ends."""
    stored: tuple[bytes, Offsets] | None = None
    """The lines as they stand in the input, and the offsets of these, where ``data`` are others: the same in UTF-8."""
    strays: int = 0
    """Lines that are not in the stream's encoding."""
    row_of: Offsets | None = None
    """The place of each line among those of the block; None where these are all of them."""
    is_open: bool = False
    """Whether lines may be lost, or cannot be read, that continue the last one."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def in_input(self) -> tuple[bytes, Offsets]:
        """The lines as they stand in the (decompressed) input, the offset of every one there, and the end of the last."""
        return self.stored or (self.data, self.starts)

    @cached_property
    def frame(self) -> pl.DataFrame:
        """Columns line (i64, 1-based) and text. NUL bytes at either end of a line (left by copy-and-truncate rotation) are dropped from its text."""
        return self.take(np.arange(len(self)))

    def take(self, rows: Offsets) -> pl.DataFrame:
        """Some lines, by 0-based row; columns as in :attr:`frame`."""
        if self.decoded is not None:
            text = self.decoded[rows]
        elif self.newline == b"\n" and self.ends is not None:
            text = texts_at(self.data, self.starts[rows], self.ends[rows])
        else:
            array = _as_arrow(self.data, self.starts)
            text = as_series("text", array if len(rows) == len(self) else array.take(as_arrow(rows)))
        return pl.DataFrame([self.numbers(rows), self._bare(text)])

    def only(self, rows: Offsets) -> Lines:
        """Some lines, by 0-based row, as if there were no others."""
        decoded = self.take(rows)["text"] if self.ends is None else None
        starts, ends = np.append(self.starts[rows], self.starts[-1]), None if self.ends is None else self.ends[rows]
        firsts = None if self.firsts is None else self.firsts[rows]
        return replace(self, starts=starts, ends=ends, firsts=firsts, decoded=decoded, row_of=rows)

    def joined(self, first: Offsets, last: Offsets) -> pl.DataFrame:
        """Lines from one row to another, each as one text with a newline between; columns as in :attr:`frame`, with the number of the first line."""
        text = _slices(self.data, self.starts[first], self.starts[last + 1]).cast(pl.String)
        if b"\r\n" in self.data:
            text = text.str.replace_all(r"\r+\n", "\n")
        return pl.DataFrame([self.numbers(first), self._bare(text)])

    def _bare(self, text: pl.Series) -> pl.Series:
        """Texts without what is no part of them at either end."""
        text = text.str.strip_chars_end("\r\n")
        if self.seen.nuls:
            text = text.str.strip_chars_start("\0").str.strip_chars_end("\r\0")
        if self._has_mark:
            text = text.str.strip_prefix(_BOM)
        return text.alias("text")

    @cached_property
    def _has_mark(self) -> bool:
        """Whether a byte order mark stands anywhere: also where files with marks were joined."""
        return not self.seen.is_ascii and has_mark(self.data)

    def numbers(self, rows: Offsets) -> pl.Series:
        """1-based numbers of the lines in these rows."""
        return pl.Series("line", self.first_line + (rows if self.row_of is None else self.row_of[rows]), dtype=pl.Int64)

    @property
    def places(self) -> tuple[Offsets, Offsets] | None:
        """Where the text of each line begins and ends; None where that is not known or not simply the line's bytes without the line end."""
        if self.newline != b"\n" or self.seen.nuls or self._has_mark:
            return None
        return (self.starts[:-1], self.ends) if self.ends is not None else None

    def not_blank(self, comment: str | None) -> Offsets:
        """0-based rows of the lines that are surely neither blank nor a comment; there must be :attr:`places`."""
        if self.firsts is None:
            raise AssertionError("nobody looked where texts begin")
        is_unwanted = np.zeros(256, bool)
        is_unwanted[list(_SPACES + (comment or "").encode()[:1])] = True
        return np.flatnonzero(~is_unwanted[self.firsts])

    def of_new_days(self) -> tuple[Offsets, pl.Series]:
        """Numbers and texts of the lines that may begin with another day than the one before: at least those."""
        places = self.places if is_built() else None
        rows = np.arange(len(self)) if places is None else days_begin(self.data, *places)
        return self.first_line + rows, self.take(rows)["text"]

    def has_yearless_times(self) -> bool:
        """Whether a line begins with a time that lacks its year."""
        places, beginning = self.places if is_built() else None, one_pass(YEARLESS_BEGINNING)
        is_like = None if places is None or beginning is None else sort(self.data, *places, [beginning]) != 0
        return has_yearless_times(self.take(np.arange(len(self)) if is_like is None else np.flatnonzero(is_like))["text"])

    def nul_runs(self) -> list[tuple[int, int]]:
        """(line, bytes) of every run of at least :data:`LEAST_NULS` NUL bytes."""
        if self.seen.nuls < LEAST_NULS or bytes(LEAST_NULS) not in self.data:
            return []
        nuls = np.flatnonzero(np.frombuffer(self.data, np.uint8) == 0)
        begins = np.flatnonzero(np.diff(nuls, prepend=-2) != 1)
        lengths = np.diff(begins, append=len(nuls))
        long = lengths >= LEAST_NULS
        rows = np.searchsorted(self.starts, nuls[begins[long]], side="right") - 1
        return list(zip((rows + self.first_line).tolist(), lengths[long].tolist(), strict=True))

    def raw(self, numbers: Offsets, most: int) -> tuple[pl.Series, Offsets]:
        """Up to ``most`` bytes of lines, in rising order, as they stand in the (decompressed) input without the line end; and how many bytes each has."""
        data, starts = self.in_input
        begins, ends = starts[numbers - self.first_line], starts[numbers - self.first_line + 1]
        ends = ends - (np.frombuffer(data, np.uint8)[ends - 1] == self.newline[0])
        if is_wide(self.encoding):  # what is held is UTF-8
            raw = [data[begin:end].decode().encode(self.encoding) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
            return pl.Series([r[:most] for r in raw], dtype=pl.Binary), np.array([len(r) for r in raw], np.int64)
        return _slices(data, begins, np.minimum(ends, begins + most)), ends - begins


def split_lines(block: Block, encoding: Encoding, newline: bytes) -> Lines:
    """Split and decode a block."""
    lines = _split(block, block.seen or survey(block.data, newline), encoding, newline)
    if lines.seen.is_ascii:
        return lines
    others = _not_ascii(lines.data, lines.starts) if encoding == "euc_jp" else not_utf_8(lines.data, lines.starts)
    if not len(others):
        return lines
    utf_8, strays = _in_utf_8(lines, others)
    told = _split(replace(block, data=utf_8), survey(utf_8, newline), encoding, newline)
    if len(told) != len(lines):
        raise AssertionError("no character holds a line end")
    return replace(told, strays=strays, stored=(lines.data, lines.starts))


def _split(block: Block, seen: Survey, encoding: Encoding, newline: bytes) -> Lines:
    data = block.data
    count = seen.newlines + (not data.endswith(newline))
    starts, ends, firsts = find_lines(data, newline, count) if is_built() else (_line_starts(data, newline), None, None)
    return Lines(data, seen, starts, block.first_line, newline, encoding, ends, firsts, is_open=block.is_open)


def _line_starts(data: bytes, newline: bytes) -> Offsets:
    """Offset of every line, and the end of the last one."""
    ends = find_bytes(data, newline[0])
    starts = np.zeros(len(ends) + 1 + (not data.endswith(newline)), np.int64)
    starts[1 : len(ends) + 1] = ends + 1
    starts[-1] = len(data)
    return starts


def _slices(data: bytes, begins: Offsets, ends: Offsets) -> pl.Series:
    """Parts of ``data`` in rising order."""
    places = np.stack([begins, ends], axis=1).ravel()
    return as_series("", _as_binary(data, places)).gather_every(2)


def _as_arrow(data: bytes, starts: Offsets) -> pa.LargeStringArray:
    """The lines as text without copying them."""
    return pa.LargeStringArray.from_buffers(len(starts) - 1, pa.py_buffer(starts), pa.py_buffer(data))


def _not_ascii(data: bytes, starts: Offsets) -> Offsets:
    """0-based rows of the lines that hold other bytes."""
    return np.flatnonzero(np.bitwise_or.reduceat(np.frombuffer(data, np.uint8), starts[:-1]) >= 0x80)


def _in_utf_8(lines: Lines, others: Offsets) -> tuple[bytes, int]:
    """All lines in UTF-8, which those in the rows ``others`` are not, or not surely; and how many are not in the input's encoding."""
    whole = _as_binary(lines.data, lines.starts)
    data, starts = lines.data, lines.starts
    if len(others) < len(lines):
        part = whole.take(as_arrow(others))
        starts = np.frombuffer(part.buffers()[1], np.int64, len(part) + 1)
        data = part.buffers()[2].to_pybytes()[: starts[-1]]
    text, is_stray = decode_euc_jp(data, starts) if lines.encoding == "euc_jp" else decode_cp932(data, starts, lines.newline.decode())
    utf_8 = text.encode()
    strays = np.flatnonzero(is_stray)
    count = len(others) if lines.encoding == "utf-8" else len(strays)
    if len(others) == len(lines) and not len(strays):
        return utf_8, count
    told = [first_fit(data[starts[n] : starts[n + 1]])[0].encode() for n in strays.tolist()]
    place = np.arange(len(lines))
    place[others] = len(lines) + np.arange(len(others))
    place[others[strays]] = len(lines) + len(others) + np.arange(len(strays))
    parts = [whole, _as_binary(utf_8, _line_starts(utf_8, lines.newline)), pa.array(told, pa.large_binary())]
    return pa.concat_arrays(parts).take(as_arrow(place)).buffers()[2].to_pybytes(), count


def _as_binary(data: bytes, starts: Offsets) -> pa.LargeBinaryArray:
    """Bytes from each of the offsets to the next, without copying them."""
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(starts) - 1, [None, pa.py_buffer(starts), pa.py_buffer(data)])
