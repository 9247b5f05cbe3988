"""From a block of bytes to a column of text lines, whatever the encoding."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from breachscope.ingest.encoding import Encoding, first_fit
from breachscope.ingest.sources import Block

_BOM = "\ufeff"


@dataclass(frozen=True)
class Lines:
    """The lines of one block: ``frame`` has line (i64, 1-based) and text; ``raw`` gives back any line's own bytes."""

    frame: pl.DataFrame
    data: bytes
    starts: npt.NDArray[np.int64]
    first_line: int
    newline: bytes
    encoding: Encoding
    strays: int = 0
    """Lines that are not in the stream's encoding."""

    def raw(self, line: int) -> bytes:
        """The bytes of a line as they stand in the (decompressed) input, without the line end."""
        index = line - self.first_line
        raw = self.data[self.starts[index] : self.starts[index + 1]].removesuffix(self.newline)
        return raw.decode().encode(self.encoding) if self.encoding.startswith("utf-16") else raw


def split_lines(block: Block, encoding: Encoding, newline: bytes) -> Lines:
    """Split and decode a block. NUL bytes at either end of a line (left by copy-and-truncate rotation) are dropped from its text."""
    data = block.data
    starts = _line_starts(data, newline)
    text = _from_arrow(data, starts)
    strays = 0
    if text is None:
        text, read_as = _decoded(data, starts)
        strays = len(text) - read_as["utf-8"] - (read_as["cp932"] if encoding == "cp932" else 0)
    text = text.str.strip_chars_end("\r\n")
    if b"\0" in data:
        text = text.str.strip_chars_start("\0").str.strip_chars_end("\r\0")
    if not data.isascii() and _BOM.encode() in data:  # also where files with marks were joined
        text = text.str.strip_prefix(_BOM)
    lines = pl.Series("line", np.arange(block.first_line, block.first_line + len(text), dtype=np.int64))
    return Lines(pl.DataFrame([lines, text.alias("text")]), data, starts, block.first_line, newline, encoding, strays)


def _line_starts(data: bytes, newline: bytes) -> npt.NDArray[np.int64]:
    """Offset of every line, and the end of the last one."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == newline[0])
    starts = np.zeros(len(ends) + 1 + (not data.endswith(newline)), np.int64)
    starts[1 : len(ends) + 1] = ends + 1
    starts[-1] = len(data)
    return starts


def _from_arrow(data: bytes, starts: npt.NDArray[np.int64]) -> pl.Series | None:
    """The lines as text without copying them, or None when some are not UTF-8."""
    array = pa.LargeStringArray.from_buffers(len(starts) - 1, pa.py_buffer(starts), pa.py_buffer(data))
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return pl.Series(pl.from_arrow(array))


def _decoded(data: bytes, starts: npt.NDArray[np.int64]) -> tuple[pl.Series, Counter[str]]:
    """Decode lines that are not all UTF-8, and count them by encoding. A loop: it does a million lines a second, and such blocks are rare."""
    decoded = [first_fit(data[start:end]) for start, end in pairwise(starts.tolist())]
    return pl.Series([text for text, _ in decoded], dtype=pl.String), Counter(encoding for _, encoding in decoded)
