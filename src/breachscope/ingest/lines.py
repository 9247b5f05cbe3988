"""From a block of bytes to a column of text lines, whatever the encoding."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from breachscope.ingest.sources import Block, Encoding


@dataclass(frozen=True)
class Lines:
    """The lines of one block: ``frame`` has line (i64, 1-based) and text; ``raw`` gives back any line's own bytes."""

    frame: pl.DataFrame
    data: bytes
    starts: npt.NDArray[np.int64]
    first_line: int
    newline: bytes
    undecodable: int = 0
    """Lines that are not in the stream's encoding and were read as CP932 or Latin-1."""

    def raw(self, line: int) -> bytes:
        index = line - self.first_line
        return self.data[self.starts[index] : self.starts[index + 1]].removesuffix(self.newline)


def split_lines(block: Block, encoding: Encoding, newline: bytes) -> Lines:
    """Split and decode a block. NUL bytes at either end of a line (left by copy-and-truncate rotation) are dropped from its text."""
    data = block.data
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == newline[0])
    starts = np.zeros(len(ends) + 1 + (not data.endswith(newline)), np.int64)
    starts[1 : len(ends) + 1] = ends + 1
    starts[-1] = len(data)
    undecodable = 0
    if encoding == "cp932":
        try:
            text = _from_buffer(data.decode("cp932").encode(), newline)
        except UnicodeDecodeError:
            text, undecodable = _one_by_one(data, starts, ("cp932", "utf-8", "latin-1"))
    else:
        decoded = _from_arrow(data, starts)
        text = pl.Series(dtype=pl.String) if decoded is None else decoded
        if decoded is None:
            text, undecodable = _one_by_one(data, starts, ("utf-8", "cp932", "latin-1"))
    text = text.str.strip_chars_end("\r\n")
    if b"\0" in data:
        text = text.str.strip_chars("\0")
    if block.first_line == 1 and data.startswith(b"\xef\xbb\xbf"):
        text = text.str.strip_prefix("\ufeff")
    lines = pl.Series("line", np.arange(block.first_line, block.first_line + len(text), dtype=np.int64))
    return Lines(pl.DataFrame([lines, text.alias("text")]), data, starts, block.first_line, newline, undecodable)


def _from_buffer(data: bytes, newline: bytes) -> pl.Series:
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == newline[0])
    starts = np.zeros(len(ends) + 1 + (not data.endswith(newline)), np.int64)
    starts[1 : len(ends) + 1] = ends + 1
    starts[-1] = len(data)
    text = _from_arrow(data, starts)
    if text is None:
        raise AssertionError("text that Python encoded is UTF-8")
    return text


def _from_arrow(data: bytes, starts: npt.NDArray[np.int64]) -> pl.Series | None:
    """The lines as text without copying them, or None when some are not UTF-8."""
    array = pa.LargeStringArray.from_buffers(len(starts) - 1, pa.py_buffer(starts), pa.py_buffer(data))
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return None
    series = pl.from_arrow(array)
    if not isinstance(series, pl.Series):
        raise TypeError(type(series))
    return series


def _one_by_one(data: bytes, starts: npt.NDArray[np.int64], encodings: tuple[str, ...]) -> tuple[pl.Series, int]:
    """Decode a block that holds lines in more than one encoding: rare, so a loop will do."""
    bounds = starts.tolist()
    texts: list[str] = []
    strays = 0
    for start, end in pairwise(bounds):
        raw = data[start:end]
        for encoding in encodings:
            try:
                texts.append(raw.decode(encoding))
            except UnicodeDecodeError:
                continue
            strays += encoding != encodings[0]
            break
    return pl.Series(texts, dtype=pl.String), strays
