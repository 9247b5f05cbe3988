"""Records out of XML: elements of one name, each of which becomes a line of JSON.

They are cut at their tags and read one by one. So a broken one harms no other, and no document type, hence no entity
besides the five of XML, stands before any of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from xml.etree import ElementTree

from breachscope.ingest.encoding import first_fit

_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:x0*(?:[0-8bceBCEF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));")
"""Characters that XML does not allow, in person or by number. Windows writes them all the same, where a name holds them."""


@dataclass(frozen=True)
class XmlKind:
    """Documents whose records are elements of one name."""

    tag: str
    held: str
    """What the start tag of such a record holds; an element of that name without it may stand inside a record."""
    around: str
    """Regular expression of what stands around records in every such document."""
    longest: int
    """No record has more bytes: of what has, the beginning is given out before its end is known."""
    shape: Callable[[ElementTree.Element], Mapping[str, object]]
    """The record as JSON. Raises ValueError for an element that is none."""

    @cached_property
    def marks(self) -> re.Pattern[bytes]:
        """A start or end tag of such a name."""
        quoted = r""""[^"<]*"|'[^'<]*'|[^<>"']"""
        return re.compile(rf"<{self.tag}(?:\s(?:{quoted})*|/)?>|</{self.tag}\s*>".encode())

    @cached_property
    def _around(self) -> re.Pattern[bytes]:
        return re.compile(rf"\s+|\xEF\xBB\xBF|<\?[^>]*\?>|{self.around}".encode("latin-1"))

    def begins(self, head: bytes) -> bool:
        """Whether a document that begins so is of this kind."""
        at = 0
        while found := self._around.match(head, at):
            at = found.end()
        first = self.marks.match(head, at)
        return first is not None and self.holds(first[0])

    def holds(self, mark: bytes) -> bool:
        """Whether a start tag of the name is a record's."""
        return self.held.encode() in mark

    def between(self, text: bytes) -> bytes:
        """What stands between records, as a line, where it is not merely what is always there."""
        rest = self._around.sub(b" ", text).strip()
        return as_line(rest) if rest else b""

    def line(self, element: bytes) -> bytes:
        """A record as JSON; as it is, on one line, where it is not well-formed."""
        try:
            try:
                parsed = ElementTree.fromstring(element)  # noqa: S314 - an element without a document type: nothing can be defined or fetched
            except ElementTree.ParseError:
                parsed = ElementTree.fromstring(_NO_XML.sub("\ufffd", first_fit(element)[0]))  # noqa: S314 - as above
            return json_line(self.shape(parsed))
        except (ElementTree.ParseError, ValueError):
            return as_line(element)


class XmlRecords:
    """The records of an XML document, or of a file that has one document after the other."""

    name = "XML document"
    problem: str | None = None
    remarks: tuple[str, ...] = ()

    def __init__(self, kind: XmlKind) -> None:
        self._kind = kind

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        kind = self._kind
        held = b""
        begin, seen = 0, 0  # of what is held: where a record or what stands between two begins, and how far marks are sought
        depth = 0
        for piece in pieces:
            held += piece
            found: list[bytes] = []
            for mark in kind.marks.finditer(held, seen):
                seen = mark.end()
                is_end, is_whole = mark[0].startswith(b"</"), mark[0].endswith(b"/>")
                if not is_end and kind.holds(mark[0]):
                    found.append(self._other(held[begin : mark.start()], depth))
                    begin, depth, is_closed = mark.start(), 1, is_whole
                else:
                    is_closed = is_end and depth > 0
                    depth += depth > 0 and not is_end and not is_whole  # an element within a record that has its name
                if is_closed:
                    depth -= 1
                    if not depth:
                        found.append(kind.line(held[begin:seen]))
                        begin = seen
            if len(held) - begin > kind.longest:
                found.append(self._other(held[begin:], depth))
                begin, depth = len(held), 0
            seen = max(seen, begin, held.rfind(b"<"))  # a tag holds no other one's beginning
            held, begin, seen = held[begin:], 0, seen - begin
            yield b"".join(found)
        yield self._other(held, depth)

    def _other(self, text: bytes, depth: int) -> bytes:
        """A record that breaks off, or what stands between two."""
        return as_line(text) if depth else self._kind.between(text)


def as_line(text: bytes) -> bytes:
    """A text of several lines as one."""
    return text.strip().replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


def json_line(record: Mapping[str, object]) -> bytes:
    """A record as a line of JSON."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
