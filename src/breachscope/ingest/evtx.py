"""Windows event logs as Windows keeps them (EVTX): each record becomes a line of JSON, chunk by chunk.

A file is a header of 4,096 bytes and chunks of 64 KiB that need nothing of each other; so they are handed one by one to
the package ``evtx`` (Rust), which reads the binary XML, and no more than one is held. Which records a chunk has is told
by their own headers: the file's and the chunk's are out of date in a log that was copied while it was open.

Source: libevtx, "Windows XML Event Log (EVTX) format"; [MS-EVEN6] section 2.2.12 (BinXml).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from breachscope.errors import InputError, counted

MAGIC = b"ElfFile\0"
_CHUNK_MAGIC, _RECORD_MAGIC = b"ElfChnk\0", b"**\0\0"
_FILE_HEADER_BYTES, _CHUNK_BYTES = 4096, 1 << 16
_HEADER_BYTES = 512
_UNUSED = bytes(_CHUNK_BYTES)
_TABLES_AT = 128
"""Where the chunk's header tells which names and templates its records share."""
_LEAST_RECORD_BYTES = 28
_ANY_ID = (1 << 64) - 1
_MOST_TOLD = 200


@dataclass(frozen=True)
class _Record:
    """A record by its header; where it stands is counted from the beginning of its chunk."""

    at: int
    size: int
    id: int

    @property
    def end(self) -> int:
        return self.at + self.size


class EvtxRecords:
    """The records of an EVTX file. What cannot be read becomes a line that tells its place, and ``problem``."""

    name = "EVTX file"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: list[str] = []
        self.unsealed: list[int] = []
        """Where the chunks stand whose checksum does not fit."""
        self.is_open = False

    @property
    def problem(self) -> str | None:
        if not self.damaged:
            return None
        return f"the event log is damaged in {counted(len(self.damaged), 'place')}, first: {self.damaged[0]}; what stood there is not known"

    @property
    def remarks(self) -> tuple[str, ...]:
        if not self.unsealed:
            return ()
        why = "the log was copied while it was open" if self.is_open else "they were changed or damaged after Windows had written them"
        return (f"the checksums of {counted(len(self.unsealed), 'chunk')} do not fit, the first at byte {self.unsealed[0]:,}: {why}",)

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Raises InputError where the package that reads the records is missing."""
        try:
            import evtx  # noqa: F401 - an extra; told before anything is read
        except ImportError as error:
            raise InputError("is a Windows event log (EVTX), which needs an extra: pip install 'breachscope[evtx]'", path=self.path) from error
        held = bytearray()
        at, size = 0, _FILE_HEADER_BYTES
        for piece in pieces:
            held += piece
            while len(held) >= size:
                if at:
                    yield from self._chunk(bytes(held[:size]), at)
                else:
                    self.is_open = bool(held[120] & 1)
                del held[:size]
                at, size = at + size, _CHUNK_BYTES
        if held and at:
            yield from self._chunk(bytes(held.ljust(_CHUNK_BYTES, b"\0")), at, len(held))
        elif held:
            yield self._damage(0, _FILE_HEADER_BYTES, "the file breaks off within its header")

    def _damage(self, begin: int, end: int, what: str) -> bytes:
        told = f"bytes {begin:,} to {end - 1:,}: {what}"
        self.damaged.append(told)
        return f"EVTX {told}\n".encode()

    def _chunk(self, chunk: bytes, offset: int, size: int = _CHUNK_BYTES) -> Iterator[bytes]:
        """The records of one chunk, of which ``size`` bytes are there."""
        if chunk == _UNUSED:
            return  # set aside for later
        is_headed = chunk.startswith(_CHUNK_MAGIC) and zlib.crc32(chunk[_TABLES_AT:_HEADER_BYTES], zlib.crc32(chunk[:120])) == _word(chunk, 124)
        free = min(max(_word(chunk, 48), _HEADER_BYTES), _CHUNK_BYTES) if is_headed else _CHUNK_BYTES
        if not is_headed or zlib.crc32(chunk[_HEADER_BYTES:free]) != _word(chunk, 52):
            self.unsealed.append(offset)
        records, gaps = _walk(chunk, min(free, size), is_told=is_headed)
        found: list[tuple[int, bytes]] = []
        for record, (is_read, told) in zip(records, _texts(_mended(chunk, records, has_tables=is_headed), records), strict=True):
            line = told.encode() + b"\n" if is_read else self._damage(offset + record.at, offset + record.end, f"record {record.id}: {told}")
            found.append((record.at, line))
        found += [(begin, self._damage(offset + begin, offset + end, "no record")) for begin, end in gaps]
        if size < free:
            found.append((size, self._damage(offset + size, offset + free, "the file breaks off")))
        yield b"".join(line for _, line in sorted(found))


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _record_at(chunk: bytes, at: int) -> _Record | None:
    """The record whose header stands there, if its size stands at its end again."""
    if chunk[at : at + 4] != _RECORD_MAGIC or at + _LEAST_RECORD_BYTES > len(chunk):
        return None
    size = _word(chunk, at + 4)
    if not _LEAST_RECORD_BYTES <= size <= len(chunk) - at or _word(chunk, at + size - 4) != size:
        return None
    return _Record(at, size, int.from_bytes(chunk[at + 8 : at + 16], "little"))


def _walk(chunk: bytes, free: int, *, is_told: bool) -> tuple[list[_Record], list[tuple[int, int]]]:
    """Records of a chunk up to ``free``, and what stands between them.

    Behind it, those count that go on with the next id; others are remains of older records. Where the header does not
    tell the end, what has a lower id is that.
    """
    records: list[_Record] = []
    gaps: list[tuple[int, int]] = []
    at = _HEADER_BYTES
    while at < len(chunk):
        record = _record_at(chunk, at)
        if record is None and at < free:
            found = chunk.find(_RECORD_MAGIC, at + 1, free)
            while found >= 0 and _record_at(chunk, found) is None:
                found = chunk.find(_RECORD_MAGIC, found + 1, free)
            end = found if found >= 0 else free
            if chunk[at:end].strip(b"\0"):
                gaps.append((at, end))
            at = end
            continue
        if record is None:
            break
        if records and ((at >= free and record.id != records[-1].id + 1) or (not is_told and record.id <= records[-1].id)):
            break
        records.append(record)
        at = record.end
    return records, gaps


def _mended(chunk: bytes, records: list[_Record], *, has_tables: bool) -> bytes:
    """A file of this chunk alone, whose headers say what its records do: each reaches to the next, and no id is the last."""
    data = bytearray(chunk)
    end = records[-1].end if records else _HEADER_BYTES
    struct.pack_into("<8sQQQQIII", data, 0, _CHUNK_MAGIC, 1, len(records), 0, _ANY_ID, 128, records[-1].at if records else _HEADER_BYTES, end)
    if not has_tables:
        data[_TABLES_AT:_HEADER_BYTES] = bytes(_HEADER_BYTES - _TABLES_AT)
    first = records[0].at if records else _HEADER_BYTES
    if first >= _HEADER_BYTES + _LEAST_RECORD_BYTES:
        struct.pack_into("<4sIQ", data, _HEADER_BYTES, _RECORD_MAGIC, first - _HEADER_BYTES, _ANY_ID - 1)
    for record, following in pairwise(records):
        struct.pack_into("<I", data, record.at + 4, following.at - record.at)
    return struct.pack("<8sQQQIHHHH84x", MAGIC, 0, 0, len(records) + 1, 128, 1, 3, _FILE_HEADER_BYTES, 1).ljust(_FILE_HEADER_BYTES, b"\0") + bytes(data)


def _texts(file: bytes, records: list[_Record]) -> list[tuple[bool, str]]:
    """For each record whether it could be read, and its JSON or what is wrong with it."""
    from evtx import PyEvtxParser

    read: dict[int, deque[str]] = {}
    faults: deque[str] = deque()
    results = iter(PyEvtxParser(io.BytesIO(file), 1).records_json())
    for _ in range(len(records) + 1):  # what stands before the first record may pass for one more
        try:
            result = next(results, None)
        except RuntimeError as error:
            faults.append(" ".join(str(error).split())[:_MOST_TOLD])
            continue
        if result is not None:
            text = result["data"].replace("\r", " ").replace("\n", " ")  # in a damaged name: values are escaped
            read.setdefault(result["event_record_id"], deque()).append(text)
    told: list[tuple[bool, str]] = []
    for record in records:
        if texts := read.get(record.id):
            told.append((True, texts.popleft()))
        else:
            told.append((False, faults.popleft() if faults else "its content cannot be read"))
    return told
