"""Tables whose rows may go on over several lines: each row becomes a line."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from breachscope.ingest.encoding import first_fit
from breachscope.ingest.xml_records import as_line

_QUOTE, _LINE_END = b'"\n'
HEADER_BYTES = 1 << 16
"""Headers stand within so many; an input may begin with very many empty lines."""
_HELD_BYTES = 1 << 20
"""No row is as long: of what is, the beginning is given out before its end is known."""
_LEAST_COLUMNS, _MOST_SAMPLED, _NEARLY_ALL = 3, 1_000, 0.95


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


class WrappedRows:
    """The rows of a table below its header, some of which go on over several lines within quotes: each a line, with a space for each line end."""

    name = "table whose rows go on over several lines"
    problem: str | None = None
    remarks: tuple[str, ...] = ()

    @staticmethod
    def reads(head: bytes) -> bool:
        r"""Whether a text that begins so is such a table: nearly all its rows have as many cells as its header, and all that go on.

        >>> WrappedRows.reads(b'time,user,note\n1,a,"x\ny"\n'), WrappedRows.reads(b'time,user,note\n1,a,x"\n2,b,y"\n')
        (True, False)
        """
        if b'"' not in head:
            return False
        rows = [row for row in _whole_rows(head, _HELD_BYTES)[0][:_MOST_SAMPLED] if row.strip()]
        goes_on = [row.strip(b"\r\n").count(b"\n") > 0 for row in rows]
        if not any(goes_on) or goes_on[0]:
            return False
        for separator in "\t,;|":
            # No byte of structure is a part of a Japanese character but for "|", which then stands in a cell too much.
            header, *cells = (_cells(row, separator) for row in rows)
            if len(header) >= _LEAST_COLUMNS and not any(re.search(r"[0-9]{2}", name) for name in header):
                fits = [len(row) == len(header) for row in cells]
                return sum(fits) >= _NEARLY_ALL * len(fits) and all(fit for fit, is_several in zip(fits, goes_on[1:], strict=True) if is_several)
        return False

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        held = b""
        for piece in pieces:
            rows, held = _whole_rows(held + piece, _HELD_BYTES)
            yield b"".join(map(_on_one_line, rows))
        yield _on_one_line(held) if held else b""


def _cells(row: bytes, separator: str) -> list[str]:
    try:
        return next(csv.reader([row.decode("latin-1").strip("\r\n")], delimiter=separator, strict=True), [])
    except csv.Error:
        return []


def _on_one_line(row: bytes) -> bytes:
    whole = row.rstrip(b"\r\n")
    return (whole.replace(b"\r\n", b" ").replace(b"\n", b" ") if b"\n" in whole else whole) + b"\n"
