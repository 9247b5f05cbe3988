"""JSON documents of many records, as cloud services export them: each record becomes a line, whatever lines the document has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from breachscope.ingest.xml_records import on_one_line

_QUOTE, _BACKSLASH, _OPEN, _CLOSE = b'"\\{}'
_LOWER = 0x20
"""Makes a brace of a bracket."""
_BETWEEN = b" \t\r\n,"
_HELD_BYTES = 1 << 20
"""Of a longer record the beginning is given out before its end is known."""
_SCALAR = rb'(?:"(?:[^"\\]|\\.)*"|-?[0-9.eE+-]+|true|false|null)'
_WRAPPED = re.compile(
    rb'\s*\{(?:\s*"(?:[^"\\]|\\.)*"\s*:\s*' + _SCALAR + rb'\s*,)*\s*"(?:Records|records|value|items|events|entries|results)"\s*:\s*\[\s*(?:\{|\])'
)
"""An object whose scalars stand before its list of records: CloudTrail, Azure diagnostic settings, Microsoft Graph, Google Workspace."""
_ARRAY = re.compile(rb"\s*\[\s*(?:\{|\])")
FLOW_TUPLES = b'"flowTuples"'
"""The key under which Azure's network watcher lists the flows of a record."""
_HERE = "\uffff"
_MOST_AROUND = 1 << 12
"""Characters that enclose a flow tuple; Azure writes some hundreds, and they are repeated for each tuple."""
_MOST_UNFOLDED_BYTES = 64 << 20
_SPREAD = re.compile(rb"\s*\{\s*\n")
"""An object written over several lines, and others behind it."""


def record_depth(head: bytes) -> int | None:
    r"""How many brackets enclose the records of a JSON document; None for what is no such document.

    >>> record_depth(b'[{"a":1},'), record_depth(b'{"Records":[{"a":1}'), record_depth(b'{\n "a": 1\n}'), record_depth(b'{"a":1}\n{"a":2}')
    (1, 2, 0, None)
    """
    if _ARRAY.match(head):
        return 1
    if _WRAPPED.match(head):
        return 2
    return 0 if _SPREAD.match(head) else None


def as_lines(chunks: Iterator[bytes], depth: int) -> Iterator[bytes]:
    """Every object that stands inside ``depth`` brackets as one line, in order; line ends within become spaces.

    What else stands there becomes a line too, so that it is rejected and not lost, as does a record that breaks off. Only
    the brackets, the commas and what encloses the records are dropped. A malformed document is cut in odd places, but
    no byte of its records is lost.
    """
    scan = _Scan(depth)
    for chunk in filter(None, chunks):  # a decoder gives an empty one where its input ends
        if lines := scan.lines(chunk):
            yield lines
    if rest := scan.rest():
        yield rest


def unfolded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines of records, each of which may hold many flows: such a record becomes a line for every flow tuple, with what encloses it."""
    held = b""
    for chunk in chunks:
        *lines, held = (held + chunk).split(b"\n")
        if lines:
            yield b"".join(piece + b"\n" for line in lines for piece in _unfolded(line))
        if len(held) > _MOST_UNFOLDED_BYTES:
            yield held
            held = b""
    if held:
        yield b"\n".join(_unfolded(held))


def _unfolded(record: bytes) -> list[bytes]:
    """The record once for each of its flow tuples, holding that one alone besides the scalars around it; the record itself where it holds none.

    What is no JSON, or encloses its tuples in more text than a record of flows has, stays as it is.
    """
    if FLOW_TUPLES not in record:
        return [record]
    try:
        found = [
            (json.dumps(around, ensure_ascii=False, separators=(",", ":")).partition(f'"{_HERE}"'), tuples) for around, tuples in _tuples(json.loads(record))
        ]
        if not any(tuples for _, tuples in found) or any(len(before) + len(after) > _MOST_AROUND for (before, _, after), _ in found):
            return [record]
        return [f"{before}{json.dumps(one, ensure_ascii=False)}{after}".encode() for (before, _, after), tuples in found for one in tuples]
    except (ValueError, RecursionError):
        return [record]


def _tuples(value: object) -> Iterator[tuple[object, list[object]]]:
    """Every list of flow tuples, with what encloses it; :data:`_HERE` stands in its place."""
    if isinstance(value, list):
        yield from (([around], tuples) for item in value for around, tuples in _tuples(item))
    elif isinstance(value, dict):
        scalars = {key: inner for key, inner in value.items() if not isinstance(inner, (dict, list))}
        for key, inner in value.items():
            if key == "flowTuples" and isinstance(inner, list):
                yield {**scalars, key: [_HERE]}, inner
            else:
                yield from (({**scalars, key: around}, tuples) for around, tuples in _tuples(inner))


class _Scan:
    """Where in the document the next byte stands."""

    def __init__(self, record_depth: int) -> None:
        self.record_depth = record_depth
        self.depth = 0
        self.is_quoted = False
        self.is_escaped = False
        self.held = b""
        """What is not yet given out: a record that goes on, or what stands between records."""
        self.is_open = False
        """Whether the beginning of the record was given out already."""

    def lines(self, chunk: bytes) -> bytes:
        data = np.frombuffer(chunk, np.uint8)
        is_escaped = self._escaped(data)
        quotes = (np.cumsum((data == _QUOTE) & ~is_escaped) + self.is_quoted) & 1
        folded = data | _LOWER
        marks = np.flatnonzero(((folded == _OPEN) | (folded == _CLOSE)) & (quotes == 0))
        self.is_quoted = bool(quotes[-1])
        depths = self.depth + np.cumsum(np.where(folded[marks] == _OPEN, 1, -1))
        self.depth = int(depths[-1]) if len(depths) else self.depth
        # Records end where the depth comes back to theirs; the enclosing brackets end what stands between records.
        is_record_end = (data[marks] == _CLOSE) & (depths == self.record_depth)
        is_end = is_record_end | ((folded[marks] == _CLOSE) & (depths == self.record_depth - 1))
        is_enclosing = (folded[marks] == _OPEN) & (depths == self.record_depth)
        found: list[bytes] = []
        start = 0
        for at in np.flatnonzero(is_end | is_enclosing).tolist():
            mark = int(marks[at])
            if is_enclosing[at]:
                self.held = b""
            else:
                self._end(found, chunk[start : mark + int(is_record_end[at])])
            start = mark + 1
        if self.depth >= self.record_depth:
            self.held += chunk[start:]
        self.depth = max(self.depth, 0)
        if len(self.held) > _HELD_BYTES:
            found.append(self._piece(b""))
            self.is_open = True
        return b"".join(found)

    def _end(self, found: list[bytes], piece: bytes) -> None:
        record = self._piece(piece)
        if record or self.is_open:
            found.append(record + b"\n")
        self.is_open = False

    def _piece(self, piece: bytes) -> bytes:
        record = self.held + piece
        self.held = b""
        if not self.is_open:
            record = record.lstrip(_BETWEEN)
        return on_one_line(record if record.endswith(b"}") else record.rstrip(_BETWEEN))

    def rest(self) -> bytes:
        """What is left at the end of the document: a record that breaks off."""
        return self._piece(b"")

    def _escaped(self, data: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Which bytes stand behind a backslash that is not escaped itself."""
        escaped = np.zeros(len(data) + 1, bool)
        escaped[0] = self.is_escaped
        backslashes = np.flatnonzero(data == _BACKSLASH)
        if len(backslashes):
            begins = np.flatnonzero(np.diff(backslashes, prepend=-2) != 1)
            place = np.arange(len(backslashes)) - np.repeat(begins, np.diff(np.append(begins, len(backslashes))))
            place[: begins[1] if len(begins) > 1 else None] += bool(self.is_escaped and backslashes[0] == 0)
            escaped[backslashes[place % 2 == 0] + 1] = True
        self.is_escaped = bool(escaped[-1])
        return escaped[:-1]
