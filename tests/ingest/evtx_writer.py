"""Writes small EVTX files for tests, as the specification has them: ours is no log of anybody's machine.

Source: libevtx, "Windows XML Event Log (EVTX) format". Elements are written as they are, without templates.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from xml.etree import ElementTree

CHUNK_BYTES = 1 << 16
_HEADER_BYTES = 512
_EPOCH = 116_444_736_000_000_000
"""1970-01-01 in the 100 ns since 1601 of Windows."""


def evtx(events: Sequence[str], *, per_chunk: int = 2, is_dirty: bool = False) -> bytes:
    """An EVTX file of these events, which are XML."""
    chunks = [_chunk(events[n : n + per_chunk], n + 1) for n in range(0, len(events), per_chunk)]
    head = struct.pack("<8sQQQIHHHH76xI", b"ElfFile\0", 0, max(len(chunks) - 1, 0), len(events) + 1, 128, 1, 3, 4096, len(chunks), int(is_dirty))
    return (head + struct.pack("<I", zlib.crc32(head[:120]))).ljust(4096, b"\0") + b"".join(chunks)


def _chunk(events: Sequence[str], first: int) -> bytes:
    body = b""
    last = _HEADER_BYTES
    for number, event in enumerate(events, first):
        last = _HEADER_BYTES + len(body)
        body += _record(event, number, last)
    end = first + len(events) - 1
    head = struct.pack("<8sQQQQIIII64xI", b"ElfChnk\0", first, end, first, end, 128, last, _HEADER_BYTES + len(body), zlib.crc32(body), 0)
    offsets = bytes(_HEADER_BYTES - 128)
    return (head + struct.pack("<I", zlib.crc32(offsets, zlib.crc32(head[:120]))) + offsets + body).ljust(CHUNK_BYTES, b"\0")


def _record(event: str, number: int, at: int) -> bytes:
    binary = b"\x0f\x01\x01\x00"
    binary += _element(ElementTree.fromstring(event), at + 24 + len(binary)) + b"\0"
    size = 24 + len(binary) + 4
    return struct.pack("<IIQQ", 0x2A2A, size, number, _EPOCH + number) + binary + struct.pack("<I", size)


def _element(element: ElementTree.Element, at: int) -> bytes:
    """An open start element token and all within; ``at`` is where it stands in the chunk, for names are found by offset."""
    attributes = list(element.attrib.items())
    start = 1 + 4  # token and size; a dependency stands in templates alone
    named = _name(element.tag.rpartition("}")[2], at + start)
    listed = b""
    for place, (name, value) in enumerate(attributes):
        here = at + start + len(named) + 4 + len(listed)
        listed += (b"\x46" if place + 1 < len(attributes) else b"\x06") + _name(name, here + 1) + _text(value)
    body = named + (struct.pack("<I", len(listed)) + listed if attributes else b"")
    if element.text is None and not len(element):
        body += b"\x03"
    else:
        body += b"\x02" + (_text(element.text) if element.text and element.text.strip() else b"")
        for child in element:
            body += _element(child, at + start + len(body))
        body += b"\x04"
    return struct.pack("<BI", 0x41 if attributes else 0x01, len(body)) + body


def _name(name: str, at: int) -> bytes:
    digest = 0
    for character in name:
        digest = (digest * 65599 + ord(character)) & 0xFFFF_FFFF
    return struct.pack("<IIHH", at + 4, 0, digest & 0xFFFF, len(name)) + name.encode("utf-16-le") + b"\0\0"


def _text(text: str) -> bytes:
    units = text.encode("utf-16-le")
    return struct.pack("<BBH", 0x05, 0x01, len(units) // 2) + units
