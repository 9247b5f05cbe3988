"""Tables whose rows may go on over several lines: each row becomes a line."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from breachscope.ingest.encoding import first_fit
from breachscope.ingest.xml_records import as_line

_QUOTE, _LINE_END = b'"\n'
_HELD_BYTES = 1 << 20
"""No row is as long: of what is, the beginning is given out before its end is known."""


def rows_as_lines(pieces: Iterator[bytes], begin: int, separator: str, line_of: Callable[[Sequence[str]], bytes | None]) -> Iterator[bytes]:
    """The rows from byte ``begin`` on, each as the line that ``line_of`` makes of its cells; where that is None, or a row has no cells, as it stands."""

    def line(row: bytes) -> bytes:
        text = first_fit(row)[0].strip("\r\n")
        if not text or text.isspace():
            return b"\n"
        try:
            cells = next(csv.reader([text], delimiter=separator, strict=True))
        except (csv.Error, StopIteration):
            return as_line(row)
        told = line_of(cells)
        return as_line(row) if told is None else told

    held = b""
    for piece in pieces:
        held += piece
        if begin:
            if len(held) < begin:
                continue
            held, begin = held[begin:], 0
        rows, held = _whole_rows(held, _HELD_BYTES)
        yield b"".join(map(line, rows))
    if held.strip():
        yield line(held)


def _whole_rows(text: bytes, most: int) -> tuple[list[bytes], bytes]:
    """Whole rows of a table, and the beginning of one that goes on: a line end counts outside quotes alone, or behind ``most`` bytes."""
    data = np.frombuffer(text, np.uint8)
    line_ends = np.flatnonzero(data == _LINE_END)
    is_outside = np.searchsorted(np.flatnonzero(data == _QUOTE), line_ends) % 2 == 0
    row_begins = np.concatenate([[0], line_ends[is_outside] + 1])
    if np.diff(row_begins, append=len(text)).max() <= most:
        places = row_begins.tolist()
        return [text[begin:end] for begin, end in pairwise(places)], text[places[-1] :]
    rows: list[bytes] = []
    begin = at = quotes = 0
    while (end := text.find(b"\n", at) + 1) > 0:
        quotes += text.count(b'"', at, end)
        at = end
        if quotes % 2 == 0 or end - begin > most:
            rows.append(text[begin:end])
            begin, quotes = end, 0
    return rows, text[begin:]
