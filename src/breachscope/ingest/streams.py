"""Inputs as streams: opened read-only, decompressed, hashed, and cut into blocks of whole lines."""

from __future__ import annotations

import codecs
import hashlib
import os
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import FileIO
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from breachscope.errors import counted
from breachscope.ingest.compression import DamagedError, Gap, compression_of, damage, decompress
from breachscope.ingest.encoding import Encoding, detect_encoding, encoding_doubt, is_wide
from breachscope.ingest.hashing import Digest, HashingReader, hashed
from breachscope.ingest.inputs import Input, UnreadableError
from breachscope.ingest.native import Survey, survey
from breachscope.ingest.records import Records, binary_records, text_records

BLOCK_BYTES = 40 << 20
"""Large, for each block costs ten milliseconds however little it holds."""
MAX_LINE_BYTES = 64 << 20
"""A longer line is rejected; it would hold the memory bound hostage."""
KEPT_OF_LONG_LINE = 64 << 10
_SNIFF_BYTES = 1 << 20

_STORED_BYTES = 64 << 10
_AIMED_LINES = 1 << 18
"""In one block: a line costs memory however short it is."""
_MOST_LINES = 1 << 20
_CACHED_BYTES = 1 << 20
_BREAKS_OFF = "the input breaks off within this line"
_BEHIND_GAP = "what stands before this line is lost: it may be the end of another"
_MOST_GAPS_TOLD = 10


@dataclass(frozen=True)
class Block:
    """Whole lines of one stream.

    ``first_line`` is 1-based; ``offset`` counts bytes of the decompressed, line-addressable stream. Where
    ``overlong_bytes`` is set the block is one line of that length, of which ``data`` keeps the beginning.
    """

    first_line: int
    offset: int
    data: bytes
    overlong_bytes: int | None = None
    seen: Survey | None = None
    """What the data are made of, where that was looked at already."""
    fault: str | None = None
    """Why it is one line that must not be read: perhaps only a part of it is there."""
    is_open: bool = False
    """Whether lines may be lost, or cannot be read, that continue its last one."""

    @property
    def is_readable(self) -> bool:
        """Whether its lines are all there."""
        return self.fault is None and self.overlong_bytes is None


def find_bytes(data: bytes, *wanted: int) -> npt.NDArray[np.int64]:
    """Offsets at which one of the ``wanted`` bytes stands. Searched piece by piece, so that what is made on the way stays in the cache."""
    found = []
    for begin in range(0, len(data), _CACHED_BYTES):
        piece = np.frombuffer(data, np.uint8, min(_CACHED_BYTES, len(data) - begin), begin)
        is_wanted = piece == wanted[0]
        for byte in wanted[1:]:
            is_wanted |= piece == byte
        found.append(np.flatnonzero(is_wanted) + begin)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


@dataclass
class Stream:
    """One input being read. Iterate :meth:`blocks` to the end; then the digests, sizes and ``problem`` are final."""

    input: Input
    compression: str = "none"
    encoding: Encoding = "utf-8"
    """As it was found, or asked for."""
    newline: bytes = b"\n"
    encoding_doubt: str | None = None
    """What is to be told where the text is most likely in another encoding."""
    size: int = 0
    problem: str | None = None
    lacks_final_newline: bool = False
    content_size: int = 0
    stored_digest: str = ""
    content_digest: str = ""
    index: list[tuple[int, int]] = field(default_factory=list)
    """(first line, offset) of every block."""
    records: str | None = None
    """What the input is, where it is no text of lines but holds records; each of them counts as a line."""
    remarks: tuple[str, ...] = ()
    """What is to be known of its records."""
    is_hashed: bool = True
    """Whether the digests are wanted; a second look at the same input does without."""
    block_bytes: int = BLOCK_BYTES
    max_line_bytes: int = MAX_LINE_BYTES
    asked_encoding: Encoding | None = None
    """In place of the one that the content shows."""
    most_bytes: int | None = None
    """Where the content goes on behind so many bytes it is not read any further, for it may never end."""
    file_id: tuple[int, int] | None = None
    """Device and number of the file that was opened; None for a member."""
    was_truncated: bool = False
    """Whether the file became shorter while it was read."""
    _stored: HashingReader | None = None
    _is_content_cut: bool = False
    """Whether blocks are cut from the content itself; records, UTF-16 and UTF-32 become other bytes before."""
    _aimed_bytes: int = 0
    """Most bytes of the block being cut, as the lines of the one before are long."""
    _room: int = 0
    """Bytes that it may still take, where blocks are cut so."""
    _gaps: list[str] = field(default_factory=list)

    @property
    def position(self) -> int:
        """Bytes of the stored file read so far."""
        return self._stored.count if self._stored else 0

    @property
    def is_seekable(self) -> bool:
        """Whether an offset into the lines is an offset into the file."""
        is_plain = self.compression == "none" and not is_wide(self.encoding)
        return is_plain and self.records is None and self.input.member is None

    def blocks(self) -> Iterator[Block]:
        """Read the input once. Raises InputError when it cannot be opened; later trouble becomes ``problem``."""
        with self.input.open() as handle:
            stored = self._stored = HashingReader(handle, is_hashed=self.is_hashed)
            stat = os.fstat(handle.fileno()) if isinstance(handle, FileIO) else None
            self.file_id = (stat.st_dev, stat.st_ino) if stat else None
            content_hash = Digest()
            chunks = self._content(stored)
            if self.compression == "none" and self.input.member is None:
                content_hash = stored.digest
            elif self.is_hashed:
                chunks = hashed(self._gathered(chunks), content_hash)
            yield from self._cut(self._as_lines(chunks))
            while self.input.member is None and self._read_stored(stored):
                pass  # what follows a broken stream still belongs to the file's digest
            if isinstance(handle, FileIO) and os.fstat(handle.fileno()).st_size < stored.count:
                self.was_truncated = True
                self.problem = (
                    self.problem or f"was truncated while it was read, {counted(stored.count, 'byte')} of it: give its rotated copy too, where there is one"
                )
            if self._gaps:
                more = [f"and {counted(len(self._gaps) - _MOST_GAPS_TOLD, 'more gap')}"] if len(self._gaps) > _MOST_GAPS_TOLD else []
                self.problem = "; ".join([*self._gaps[:_MOST_GAPS_TOLD], *more, *([self.problem] if self.problem else [])])
            self.size = stored.count
            self.stored_digest = stored.digest.hexdigest()
            self.content_digest = content_hash.hexdigest()

    def content(self) -> Iterator[bytes]:
        """The decompressed bytes, as far as they can be read. Raises InputError when the input cannot be opened."""
        with self.input.open() as handle:
            yield from self._content(HashingReader(handle, is_hashed=False))

    def _content(self, stored: HashingReader) -> Iterator[bytes]:
        """The decompressed bytes up to the bound; what compresses them is known at once."""
        head = self._read_stored(stored)
        self.compression = compression_of(head)
        return self._bounded(self._plain(stored, head) if self.compression == "none" else self._unpacked(stored, head))

    def _bounded(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            left = None if self.most_bytes is None else self.most_bytes - self.content_size
            if left is not None and len(chunk) > left:
                self.content_size += left
                yield chunk[:left]
                self.problem = (
                    f"expands to more than {self.content_size:,} bytes, as a decompression bomb does; what follows was not read: "
                    "if it is a log, give --unbounded"
                )
                return
            self.content_size += len(chunk)
            yield chunk

    def _read_stored(self, stored: HashingReader, length: int = _STORED_BYTES) -> bytes:
        """The next bytes as stored; an error of the disk, the network share or the archive ends the input and becomes its problem."""
        try:
            return stored.read(length)
        except OSError as error:
            self.problem = f"reading failed after {counted(stored.count, 'byte')} ({error.strerror}); what follows is not known"
        except UnreadableError as error:
            self.problem = str(error)
        return b""

    def _plain(self, stored: HashingReader, head: bytes) -> Iterator[bytes]:
        """The content as it is stored: where the end of a block can be seen beforehand, all of it at once, for chunks have to be copied into one."""
        yield head
        while True:
            whole = stored.until_last(self.newline, self._room)
            chunk = self._read_stored(stored, whole or _CACHED_BYTES)
            if not chunk:
                return
            yield chunk
            if len(chunk) == whole and chunk.endswith(self.newline):  # the file may have been changed meanwhile
                yield Cut()

    def _gathered(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Chunks joined up to the end of the block that is being cut, if one is: they have to be joined once, and so are hashed in one go."""
        begun: list[bytes] = []
        held = 0
        for chunk in chunks:
            begun.append(chunk)
            held += len(chunk)
            if held < self._room and not isinstance(chunk, Gap):
                continue
            end = chunk.rfind(self.newline, 0, max(len(chunk) - held + self._room, 0)) + 1
            if self._room and end:
                yield b"".join((*begun[:-1], chunk[:end]))
                yield Cut()
                begun, held = [chunk[end:]], len(chunk) - end
            else:
                yield b"".join(begun)
                begun, held = [], 0
                if isinstance(chunk, Gap):
                    yield chunk
        yield from filter(None, [b"".join(begun)])

    def _unpacked(self, stored: HashingReader, head: bytes) -> Iterator[bytes]:
        try:
            yield from decompress(self.compression, head, lambda: self._read_stored(stored))
        except DamagedError as error:
            self.problem = self.problem or str(error)

    def _as_lines(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Take an input of records apart into a line each; other inputs pass as they are, but for UTF-16 and UTF-32, which become UTF-8.

        What the input is, its encoding and line end are chosen from the first megabyte.
        """
        begun: list[bytes] = []
        for chunk in chunks:
            begun.append(chunk)
            if sum(map(len, begun)) >= _SNIFF_BYTES or isinstance(chunk, Gap):
                break
        head = b"".join(begun)
        chunks = chain([head, *(c for c in begun[-1:] if isinstance(c, Gap))], chunks)
        records = binary_records(head, Path(self.input.place))
        if records is None:
            self.encoding, bom = detect_encoding(head, self.asked_encoding)
            if is_wide(self.encoding):
                chunks = _decoded(self._before_gap(chunks), self.encoding, bom)
                head = next(chunks)
                chunks = chain([head], chunks)
            self.newline = _newline(head)
            records = text_records(head)
            if records is not None and self.encoding == "euc_jp":
                self.encoding = "utf-8"  # what takes records apart does not know EUC-JP
            self.encoding_doubt = None if self.encoding == self.asked_encoding else encoding_doubt(head, self.encoding)
        if records is None:
            self._is_content_cut = not is_wide(self.encoding)
            return self._told_gaps(chunks)
        self.newline = b"\n"
        return self._lines_of(records, self._before_gap(chunks))

    def _told_gaps(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if isinstance(chunk, Gap):
                self._gaps.append(
                    f"the {self.compression} stream that begins at byte {chunk.begin:,} is damaged: what it gave, bytes {chunk.since:,} to "
                    f"{chunk.content:,} of the content, may be wrong in places; reading went on with the stream at byte {chunk.resumed:,}, and "
                    "what stood between is not known"
                )
            yield chunk

    def _before_gap(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """What stands before a gap: of records and wide characters, none behind it is surely whole."""
        part = _Unbroken(chunks)
        yield from part
        if part.gap is not None:
            self.problem = self.problem or damage(self.compression, part.gap.content)

    def _lines_of(self, records: Records, chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield from filter(None, records.lines(chunks))
        self.problem = self.problem or records.problem
        self.records, self.remarks = records.name, records.remarks

    def _cut(self, chunks: Iterator[bytes]) -> Iterator[Block]:
        """Blocks of whole lines; where content is lost, the line before it and the one behind it stand alone."""
        part = _Unbroken(chunks)
        line, offset = yield from self._cut_part(part, 1, 0)
        while part.gap is not None:
            part = _Unbroken(chunks)
            data, size = part.take_line(self.newline, self.max_line_bytes)
            if size:
                is_overlong = size > len(data)
                yield replace(self._block(line, offset, data, size - 1 if is_overlong else None), fault=None if is_overlong else _BEHIND_GAP)
                line, offset = line + 1, offset + size
            line, offset = yield from self._cut_part(part, line, offset)

    def _cut_part(self, chunks: _Unbroken, line: int, offset: int) -> Generator[Block, None, tuple[int, int]]:
        """Join chunks into blocks of at most ``block_bytes`` that end with a line end; the cuts depend on the content alone. Returns the place behind them."""
        pending: list[bytes] = []
        held = 0
        overlong = 0
        self.lacks_final_newline = False
        self._aimed_bytes = self.block_bytes
        self._room = self._aimed_bytes if self._is_content_cut else 0
        for chunk in chunks:
            if isinstance(chunk, Cut) and held and not overlong:
                line, offset = yield from self._whole(b"".join(pending), line, offset)
                pending, held = [], 0
            start = 0
            while start < len(chunk):
                if overlong:
                    end = chunk.find(self.newline, start)
                    taken = len(chunk) - start if end < 0 else end + 1 - start
                    overlong += taken
                    start += taken
                    if end >= 0:
                        yield self._block(line, offset, b"".join(pending), overlong - 1)
                        line, offset = line + 1, offset + overlong
                        pending, held, overlong = [], 0, 0
                    continue
                taken = min(len(chunk) - start, self._aimed_bytes - held % self._aimed_bytes)
                pending.append(chunk[start : start + taken])
                held += taken
                start += taken
                if held % self._aimed_bytes:
                    continue
                last = pending.pop()
                end = last.rfind(self.newline) + 1
                if not end and pending:
                    last, pending = b"".join((*pending, last)), []
                    end = last.rfind(self.newline) + 1
                data, rest = b"".join((*pending, last[:end])), last[end:]
                pending, held = [rest] if rest else [], len(rest)
                if data:
                    line, offset = yield from self._whole(data, line, offset)
                elif held >= self.max_line_bytes:
                    overlong = held
                    pending = [rest[:KEPT_OF_LONG_LINE]]
            self._room = self._aimed_bytes - held % self._aimed_bytes if self._is_content_cut and not overlong else 0
        if held:
            data = b"".join(pending)
            self.lacks_final_newline = overlong > 0 or not data.endswith(self.newline)
            if overlong:
                yield self._block(line, offset, data, overlong)
                return line + 1, offset + overlong
            whole = data.rfind(self.newline) + 1 if self.problem or chunks.gap is not None else len(data)
            line, offset = yield from self._whole(data[:whole], line, offset)
            if whole < len(data):
                yield replace(self._block(line, offset, data[whole:]), fault=_BREAKS_OFF)
                line, offset = line + 1, offset + len(data) - whole
        return line, offset

    def _whole(self, data: bytes, line: int, offset: int) -> Generator[Block, None, tuple[int, int]]:
        """Whole lines as blocks. Returns the place behind them."""
        for part, seen in self._of_few_lines(data):
            yield self._block(line, offset, part, seen=seen)
            line, offset = line + seen.newlines, offset + len(part)
            self._aimed_bytes = min(self.block_bytes, len(part) * _AIMED_LINES // max(seen.newlines, 1))
        return line, offset

    def _of_few_lines(self, data: bytes) -> Iterator[tuple[bytes, Survey]]:
        """Lines in parts of at most ``_MOST_LINES``, and what each part is made of."""
        seen = survey(data, self.newline)
        if seen.newlines <= _MOST_LINES:
            if data:
                yield data, seen
            return
        ends = find_bytes(data, self.newline[0])[_MOST_LINES - 1 :: _MOST_LINES] + 1
        for begin, end in pairwise(dict.fromkeys([0, *ends.tolist(), len(data)])):
            yield data[begin:end], survey(data[begin:end], self.newline)

    def _block(self, line: int, offset: int, data: bytes, overlong: int | None = None, seen: Survey | None = None) -> Block:
        self.index.append((line, offset))
        return Block(line, offset, data, overlong, seen)


class _Unbroken:
    """Chunks up to a gap or the end."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._first = b""
        self.gap: Gap | None = None
        """The gap that ends them, once they have ended."""

    def __iter__(self) -> Iterator[bytes]:
        if self._first:
            yield self._first
        for chunk in self._chunks:
            if isinstance(chunk, Gap):
                self.gap = chunk
                return
            yield chunk

    def take_line(self, newline: bytes, most: int) -> tuple[bytes, int]:
        """The first line, with its end, and its size; of one longer than ``most`` the beginning."""
        parts: list[bytes] = []
        size = 0
        for chunk in self:
            end = chunk.find(newline) + 1
            size += end or len(chunk)
            parts.append(chunk[: end or len(chunk)])
            if size > most:
                parts = [b"".join(parts)[:KEPT_OF_LONG_LINE]]
            if end:
                self._first = chunk[end:]
                break
        return b"".join(parts), size


class Cut(bytes):
    """Nothing, behind bytes with which a block ends."""


def _decoded(chunks: Iterator[bytes], encoding: Encoding, bom: int) -> Iterator[bytes]:
    """Bytes of UTF-16 or UTF-32 behind its mark as UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    for chunk in chunks:
        yield decoder.decode(chunk[bom:]).encode()
        bom = 0
    yield decoder.decode(b"", final=True).encode()


def _newline(head: bytes) -> bytes:
    return b"\r" if b"\r" in head and b"\n" not in head else b"\n"


def content_digests(given: Input, sizes: Collection[int]) -> dict[int, str]:
    """SHA-256 of the first ``size`` decompressed bytes, for each of ``sizes`` that the content reaches; one pass, no further than needed."""
    wanted = sorted(sizes)
    found: dict[int, str] = {}
    digest = hashlib.sha256()
    at = 0
    for chunk in Stream(given).content():
        start = 0
        while wanted and wanted[0] - at <= len(chunk) - start:
            taken = wanted[0] - at
            digest.update(memoryview(chunk)[start : start + taken])
            start, at = start + taken, wanted.pop(0)
            found[at] = digest.copy().hexdigest()
        if not wanted:
            break
        digest.update(memoryview(chunk)[start:])
        at += len(chunk) - start
    return found


def read_lines_at(stream: Stream, index: Sequence[tuple[int, int]], line: int) -> bytes | None:
    """The raw bytes of one line (without its line end), found through the sparse ``index``; None when there is no such line."""
    first, offset = next(((n, o) for n, o in reversed(index) if n <= line), (1, 0))
    if stream.is_seekable:
        with stream.input.file.open("rb", buffering=0) as handle:
            handle.seek(offset)
            return _nth_line(iter(lambda: handle.read(1 << 20), b""), stream.newline, line - first)
    for block in Stream(stream.input, is_hashed=False, asked_encoding=stream.encoding).blocks():
        if block.first_line <= line < block.first_line + block.data.count(stream.newline) + (not block.data.endswith(stream.newline)):
            return _nth_line(iter([block.data]), stream.newline, line - block.first_line)
    return None


def _nth_line(chunks: Iterator[bytes], newline: bytes, skip: int) -> bytes | None:
    """The line behind ``skip`` others; of one longer than any that is read, the beginning."""
    parts: list[bytes] = []
    for chunk in chunks:
        first, *lines = chunk.split(newline)
        if skip == 0:
            parts.append(first)
            if lines:
                return b"".join(parts)
            if sum(map(len, parts)) > MAX_LINE_BYTES:
                return b"".join(parts)[:KEPT_OF_LONG_LINE]
        elif lines:
            if skip < len(lines):
                return lines[skip - 1]
            skip -= len(lines)
            parts = [lines[-1]] if skip == 0 else []
    return b"".join(parts) or None
