"""Records out of XML: elements of one name, each of which becomes a line of JSON.

They are cut at their tags and read one by one. So a broken one harms no other, and no document type, hence no entity
besides the five of XML, stands before any of them. Most differ from others in their values alone: those are read by an
expression made of the first of them, with the same result as the parser's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from json.encoder import encode_basestring
from typing import Self
from xml.etree import ElementTree

from breachscope.ingest.encoding import first_fit

_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:x0*(?:[0-8bceBCEF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));")
"""Characters that XML does not allow, in person or by number. Windows writes them all the same, where a name holds them."""

_MARK = "\ue000"
"""Of private use: stands around the number of a value."""
_MARKED = re.compile(rf'"{_MARK}([0-9]+){_MARK}"')
_TAG = re.compile(r"""</[A-Za-z_][\w.-]*>|<[A-Za-z_][\w.-]*((?:[ \t\n]+[A-Za-z_][\w.-]*=(?:"[^"<]*"|'[^'<]*'))*)[ \t\n]*/?>""", re.ASCII)
_ATTRIBUTE = re.compile(r"""([\w.-]+)=["']((?<=")[^"]*|(?<=')[^']*)""", re.ASCII)
_IN_TEXT = r"[^<\x00-\x08\x0b-\x1f\ufffe\uffff]"
_IN_QUOTES = {quote: rf"[^<{quote}\x00-\x1f\ufffe\uffff]" for quote in "\"'"}
_OTHER_REFERENCE = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);)")
_REFERENCES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
_USUAL_LENGTH = 1 << 14
"""Of longer records none is taken for the first of many."""
_MOST_TRIED = 16
_MOST_LEARNED = 256
"""A file whose records are all different is read by the parser in the end: to make an expression takes longer."""
_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


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
    naming: str = ""
    """The attribute whose value makes a difference to the shape; no other value does."""

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

    def read(self, element: bytes) -> str | None:
        """A record as JSON; None where it is not well-formed, or no record."""
        try:
            try:
                parsed = ElementTree.fromstring(element)  # noqa: S314 - an element without a document type: nothing can be defined or fetched
            except ElementTree.ParseError:
                parsed = ElementTree.fromstring(_NO_XML.sub("\ufffd", first_fit(element)[0]))  # noqa: S314 - as above
            return _as_json(self.shape(parsed))
        except (ElementTree.ParseError, ValueError):
            return None


@dataclass(frozen=True)
class _Alike:
    """Records that differ in their values alone: texts, and attributes that are no names."""

    regex: re.Pattern[str]
    """Catches the values, with references as they are written."""
    places: tuple[tuple[int, str], ...]
    """For each value of the JSON which one it is, and what stands there if it is empty."""
    form: str
    """The JSON, with %s for each of its values."""

    @classmethod
    def of(cls, text: str, kind: XmlKind) -> Self | None:
        """Those like this record, that is well-formed; None where that takes more than this reads."""
        if "&" in text or _MARK in text:
            return None
        regex: list[str] = []
        around: list[str] = []  # what stands around the values
        begin = held = 0

        def value(start: int, end: int, characters: str) -> None:
            nonlocal held
            regex.append(f"{re.escape(text[held:start])}({characters}*+)")
            around.append(text[held:start])
            held = end

        opened = None
        for tag in _TAG.finditer(text):
            between = text[begin : tag.start()]
            if opened is not None and tag[0].startswith("</"):
                value(begin, tag.start(), _IN_TEXT)
            elif between.strip(" \t\n"):
                return None
            for attribute in _ATTRIBUTE.finditer(tag[1] or ""):
                if attribute[1] not in (kind.naming, "xmlns"):
                    at = tag.start(1)
                    value(at + attribute.start(2), at + attribute.end(2), _IN_QUOTES[text[at + attribute.end(2)]])
            opened = tag if tag[1] is not None and not tag[0].endswith("/>") else None
            begin = tag.end()
        if begin < len(text) or not around:
            return None
        marked = kind.read("".join(f"{before}{_MARK}{n}{_MARK}" for n, before in enumerate(around)).encode() + text[held:].encode())
        emptied = kind.read("".join(around).encode() + text[held:].encode())
        if marked is None or emptied is None:
            return None
        pieces = _MARKED.split(marked)
        numbers = [int(n) for n in pieces[1::2]]
        empties = re.fullmatch('(null|"")'.join(map(re.escape, pieces[::2])), emptied)
        if empties is None or len(set(numbers)) < len(numbers) or any(_MARK in piece for piece in pieces[::2]):
            return None
        form = "%s".join(piece.replace("%", "%%") for piece in pieces[::2])
        return cls(re.compile("".join(regex) + re.escape(text[held:])), tuple(zip(numbers, empties.groups(), strict=True)), form)

    def read(self, text: str, *, has_references: bool) -> str | None:
        """A record of this kind as JSON; None for another."""
        found = self.regex.fullmatch(text)
        if found is None:
            return None
        values = [*map(_resolved, found.groups())] if has_references else found.groups()
        return self.form % tuple([encode_basestring(values[n]) if values[n] else empty for n, empty in self.places])


def _resolved(value: str) -> str:
    if "&" in value:
        for reference, character in _REFERENCES.items():
            value = value.replace(reference, character)
    return value


class _Reader:
    """Reads records one after the other, those by an expression that are like one before."""

    def __init__(self, kind: XmlKind) -> None:
        self._kind = kind
        self._known: dict[int, list[_Alike]] = {}
        """By how many tags they have, the latest first."""
        self._learned = 0

    def line(self, element: bytes) -> bytes:
        """A record as JSON; as it is, on one line, where it is not well-formed."""
        told = self._read(element)
        return as_line(element) if told is None else told.encode() + b"\n"

    def _read(self, element: bytes) -> str | None:
        try:
            text = element.decode()
        except UnicodeDecodeError:
            return self._kind.read(element)
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")  # as XML has it (section 2.11)
        has_references = "&" in text
        if "]]>" in text or (has_references and _OTHER_REFERENCE.search(text)):
            return self._kind.read(element)
        known = self._known.get(tags := text.count("<"), [])
        for n, alike in enumerate(known):
            if (told := alike.read(text, has_references=has_references)) is not None:
                if n:
                    known.insert(0, known.pop(n))
                return told
        told = self._kind.read(element)
        if told is not None and len(text) <= _USUAL_LENGTH and len(known) < _MOST_TRIED and self._learned < _MOST_LEARNED:
            self._learned += 1
            if first := _Alike.of(text, self._kind):
                self._known[tags] = [first, *known]
        return told


class XmlRecords:
    """The records of an XML document, or of a file that has one document after the other."""

    name = "XML document"
    problem: str | None = None
    remarks: tuple[str, ...] = ()

    def __init__(self, kind: XmlKind) -> None:
        self._kind = kind
        self._reader = _Reader(kind)

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
                        found.append(self._reader.line(held[begin:seen]))
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


def on_one_line(text: bytes) -> bytes:
    """A text with spaces for its line ends."""
    return text.replace(b"\r", b" ").replace(b"\n", b" ")


def as_line(text: bytes) -> bytes:
    """A text of several lines as one."""
    return on_one_line(text.strip()) + b"\n"


def json_line(record: Mapping[str, object]) -> bytes:
    """A record as a line of JSON."""
    return _as_json(record).encode() + b"\n"
