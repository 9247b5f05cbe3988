"""Inputs: find them, open them read-only, decompress, hash, and cut the stream into blocks of whole lines."""

from __future__ import annotations

import bz2
import codecs
import glob
import hashlib
import lzma
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from io import FileIO
from itertools import chain, pairwise
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import zstandard
from isal.igzip_lib import DECOMP_GZIP, IgzipDecompressor, IsalError

from breachscope.errors import InputError
from breachscope.ingest.encoding import Encoding, detect_encoding
from breachscope.ingest.native import Survey, survey
from breachscope.ingest.records import Records, binary_records, text_records

BLOCK_BYTES = 24 << 20
MAX_LINE_BYTES = 64 << 20
"""A longer line is rejected; it would hold the memory bound hostage."""
KEPT_OF_LONG_LINE = 64 << 10
_SNIFF_BYTES = 1 << 20

_MAGIC: tuple[tuple[bytes, str], ...] = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
_DECOMPRESSION_ERRORS = (EOFError, lzma.LZMAError, zstandard.ZstdError, IsalError, OSError, ValueError)
_STORED_BYTES = 64 << 10
_PIECE_BYTES = 128 << 10
"""Decompressed at a time: a damaged stream loses less than this before the damage, and a small bomb cannot fill the memory."""
_ZSTD_STORED_BYTES = 2 << 10
_MOST_LINES = 1 << 20
"""In one block: a line costs memory however short it is."""
_CACHED_BYTES = 1 << 20
_LEAST_BOUND_BYTES = 1 << 30
_MOST_EXPANSION = 1000
"""Most logs are compressed to a twentieth up to a hundredth; xz -9e brought the checks of a load balancer, one every 5 s, to a four-hundredth."""


def most_content(size: int) -> int:
    """Bytes of content that a file of ``size`` bytes as stored may expand to before it is taken for a decompression bomb."""
    return max(_LEAST_BOUND_BYTES, _MOST_EXPANSION * size)


class UnreadableError(Exception):
    """What stands in an archive cannot be read any further; the text says why."""


class Readable(Protocol):
    """Bytes one after the other; reading may raise OSError or UnreadableError."""

    def read(self, length: int, /) -> bytes: ...


class Member(Protocol):
    """A file inside an archive."""

    @property
    def name(self) -> str:
        """Its path in the archive, told apart from others of the same name."""

    @property
    def size(self) -> int:
        """Bytes, as far as the archive tells them."""

    def open(self) -> AbstractContextManager[Readable]:
        """Its bytes from the beginning. Raises UnreadableError where they cannot be had."""


@dataclass(frozen=True)
class Input:
    """What is read as one: a file, or a member of an archive."""

    file: Path
    member: Member | None = None

    @property
    def place(self) -> str:
        """Where it stands: the file's path, with the member behind ``!``."""
        return f"{self.file}!{self.member.name}" if self.member else str(self.file)

    @property
    def name(self) -> str:
        return f"{self.file.name}!{self.member.name}" if self.member else self.file.name

    @property
    def unpacked_path(self) -> str:
        """Where it would stand if its archive were a folder."""
        return f"{self.file}/{self.member.name}" if self.member else str(self.file)

    def open(self) -> AbstractContextManager[Readable]:
        """Its bytes as stored. Raises InputError when it cannot be opened."""
        try:
            return self.file.open("rb", buffering=0) if self.member is None else self.member.open()
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror}); check the path and its permissions", path=self.place) from error
        except UnreadableError as error:
            raise InputError(str(error), path=self.place) from error


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
    is_cut: bool = False
    """Whether it is one line within which the input breaks off."""


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
    newline: bytes = b"\n"
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
    most_bytes: int | None = None
    """Where the content goes on behind so many bytes it is not read any further, for it may never end."""
    file_id: tuple[int, int] | None = None
    """Device and number of the file that was opened; None for a member."""
    was_truncated: bool = False
    """Whether the file became shorter while it was read."""
    _bytes_out: int = 0
    _stored: _HashingReader | None = None

    @property
    def position(self) -> int:
        """Bytes of the stored file read so far."""
        return self._stored.count if self._stored else 0

    @property
    def is_seekable(self) -> bool:
        """Whether an offset into the lines is an offset into the file."""
        is_plain = self.compression == "none" and not self.encoding.startswith("utf-16")
        return is_plain and self.records is None and self.input.member is None

    def blocks(self) -> Iterator[Block]:
        """Read the input once. Raises InputError when it cannot be opened; later trouble becomes ``problem``."""
        with self.input.open() as handle:
            stored = self._stored = _HashingReader(handle, is_hashed=self.is_hashed)
            stat = os.fstat(handle.fileno()) if isinstance(handle, FileIO) else None
            self.file_id = (stat.st_dev, stat.st_ino) if stat else None
            content_hash = hashlib.sha256()
            chunks = self._content(stored)
            if self.compression == "none" and self.input.member is None:
                content_hash = stored.digest
            elif self.is_hashed:
                chunks = _hashed(chunks, content_hash)
            yield from self._cut(self._as_lines(chunks))
            while self.input.member is None and self._read_stored(stored):
                pass  # what follows a broken stream still belongs to the file's digest
            if isinstance(handle, FileIO) and os.fstat(handle.fileno()).st_size < stored.count:
                self.was_truncated = True
                self.problem = self.problem or f"was truncated while it was read, {stored.count:,} bytes of it: give its rotated copy too, where there is one"
            self.size = stored.count
            self.stored_digest = stored.digest.hexdigest()
            self.content_digest = content_hash.hexdigest()

    def content(self) -> Iterator[bytes]:
        """The decompressed bytes, as far as they can be read. Raises InputError when the input cannot be opened."""
        with self.input.open() as handle:
            yield from self._content(_HashingReader(handle, is_hashed=False))

    def _content(self, stored: _HashingReader) -> Iterator[bytes]:
        """The decompressed bytes up to the bound; what compresses them is known at once."""
        head = self._read_stored(stored)
        self.compression = compression_of(head)
        return self._bounded(self._plain(stored, head) if self.compression == "none" else self._decompressed(stored, head))

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

    def _read_stored(self, stored: _HashingReader, length: int = _STORED_BYTES) -> bytes:
        """The next bytes as stored; an error of the disk, the network share or the archive ends the input and becomes its problem."""
        try:
            return stored.read(length)
        except OSError as error:
            self.problem = f"reading failed after {stored.count:,} bytes ({error.strerror}); what follows is not known"
        except UnreadableError as error:
            self.problem = str(error)
        return b""

    def _plain(self, stored: _HashingReader, head: bytes) -> Iterator[bytes]:
        yield head
        while chunk := self._read_stored(stored, 1 << 20):
            yield chunk

    def _decompressed(self, stored: _HashingReader, fed: bytes) -> Iterator[bytes]:
        """Decompress member after member; zero bytes behind the last one are padding, anything else there is a problem."""
        start = _DECOMPRESSORS[self.compression]
        while fed:
            member = start()
            began_at = self._bytes_out
            while not member.eof:
                if member.needs_input:
                    fed = fed or self._read_stored(stored)
                    if not fed:
                        self._tell_damage()
                        return
                try:
                    piece = member.decompress(fed if member.needs_input else b"", _PIECE_BYTES)
                except _DECOMPRESSION_ERRORS:  # type: ignore[misc] # IsalError is an exception; its stub says otherwise
                    self._tell_damage(is_between_members=self._bytes_out == began_at > 0)
                    return
                fed = b""
                self._bytes_out += len(piece)
                if piece:
                    yield piece
            fed = member.unused_data
            while not (fed := fed.lstrip(b"\0")):
                if not (fed := self._read_stored(stored)):
                    return

    def _tell_damage(self, *, is_between_members: bool = False) -> None:
        if self.problem:
            return
        if is_between_members:
            self.problem = f"other data follow the {self.compression} stream, after {self._bytes_out:,} bytes of content; they were not read"
        else:
            self.problem = f"the {self.compression} stream is cut or damaged after {self._bytes_out:,} bytes of content; what follows is not known"

    def _as_lines(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Take an input of records apart into a line each; other inputs pass as they are, but for UTF-16, which becomes UTF-8.

        What the input is, its encoding and line end are chosen from the first megabyte.
        """
        head = b""
        for chunk in chunks:
            head += chunk
            if len(head) >= _SNIFF_BYTES:
                break
        chunks = chain([head], chunks)
        records = binary_records(head, Path(self.input.place))
        if records is None:
            self.encoding, bom = detect_encoding(head)
            if self.encoding.startswith("utf-16"):
                chunks = _decoded(chunks, self.encoding, bom)
                head = next(chunks)
                chunks = chain([head], chunks)
            self.newline = _newline(head)
            records = text_records(head)
        if records is None:
            return chunks
        self.newline = b"\n"
        return self._lines_of(records, chunks)

    def _lines_of(self, records: Records, chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield from filter(None, records.lines(chunks))
        self.problem = self.problem or records.problem
        self.records, self.remarks = records.name, records.remarks

    def _cut(self, chunks: Iterator[bytes]) -> Iterator[Block]:
        """Join chunks into blocks of about ``block_bytes`` that end with a line end; the cuts depend on the content alone."""
        pending: list[bytes] = []
        held = 0
        line, offset = 1, 0
        overlong = 0
        for chunk in chunks:
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
                taken = min(len(chunk) - start, self.block_bytes - held % self.block_bytes)
                pending.append(chunk[start : start + taken])
                held += taken
                start += taken
                if held % self.block_bytes:
                    continue
                last = pending.pop()
                end = last.rfind(self.newline) + 1
                if not end and pending:
                    last, pending = b"".join((*pending, last)), []
                    end = last.rfind(self.newline) + 1
                data, rest = b"".join((*pending, last[:end])), last[end:]
                pending, held = [rest], len(rest)
                if data:
                    for part, seen in self._of_few_lines(data):
                        yield self._block(line, offset, part, seen=seen)
                        line, offset = line + seen.newlines, offset + len(part)
                elif held >= self.max_line_bytes:
                    overlong = held
                    pending = [rest[:KEPT_OF_LONG_LINE]]
        if held:
            data = b"".join(pending)
            self.lacks_final_newline = overlong > 0 or not data.endswith(self.newline)
            if overlong:
                yield self._block(line, offset, data, overlong)
                return
            whole = data.rfind(self.newline) + 1 if self.problem else len(data)
            for part, seen in self._of_few_lines(data[:whole]):
                yield self._block(line, offset, part, seen=seen)
                line, offset = line + seen.newlines, offset + len(part)
            if whole < len(data):
                yield replace(self._block(line, offset, data[whole:]), is_cut=True)

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


class _HashingReader:
    """Passes bytes through, counting and hashing them."""

    def __init__(self, handle: Readable, *, is_hashed: bool) -> None:
        self._handle = handle
        self._is_hashed = is_hashed
        self.digest = hashlib.sha256()
        self.count = 0

    def read(self, length: int) -> bytes:
        chunk = self._handle.read(length)
        if self._is_hashed:
            self.digest.update(chunk)
        self.count += len(chunk)
        return chunk


class _Decompressor(Protocol):
    """For one compressed stream of a file that may hold several, as the standard library's decompressors read it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _ZstdDecompressor:
    """A zstd frame, fed little by little, for its decompressor cannot bound what it gives back."""

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data + self._waiting

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        data = self._waiting + data
        self._waiting = data[_ZSTD_STORED_BYTES:]
        return self._frame.decompress(data[:_ZSTD_STORED_BYTES])


_DECOMPRESSORS: Mapping[str, Callable[[], _Decompressor]] = {
    "gzip": lambda: cast("_Decompressor", IgzipDecompressor(flag=DECOMP_GZIP)),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
    "zstd": _ZstdDecompressor,
}


def _hashed(chunks: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def compression_of(magic: bytes) -> str:
    """Name of the compression that begins with these bytes; ``none`` for any others."""
    return next((name for start, name in _MAGIC if magic.startswith(start)), "none")


def _decoded(chunks: Iterator[bytes], encoding: Encoding, bom: int) -> Iterator[bytes]:
    """Bytes of UTF-16 behind its mark as UTF-8."""
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


def find_inputs(paths: Sequence[str | Path], without: Path | None = None) -> tuple[list[Path], list[InputError]]:
    """Files behind paths, folders and globs, sorted and each once; and a complaint for every path that leads nowhere.

    Folders are walked without following links to folders, so that loops cannot trap the walk; a link that leads out of all
    that was given is complained of. Nor is the folder ``without`` entered: a case never reads its own files, unless they
    are named one by one.
    """
    found: set[Path] = set()
    missing: list[InputError] = []
    links: list[Path] = []
    for given in paths:
        path = Path(given)
        try:
            if path.is_dir():
                found.update(_walk(path, without, missing, links))
            elif path.is_file():
                found.add(path.absolute())
            elif path.exists():
                missing.append(InputError("is neither a file nor a folder; pipe it in and give - instead", path=path))
            elif matches := [m for m in map(Path, glob.glob(str(given), recursive=True)) if m.is_file()]:  # noqa: PTH207 - patterns may be absolute
                found.update(m.absolute() for m in matches if without is None or not m.resolve().is_relative_to(without.resolve()))
            else:
                missing.append(InputError("does not exist; check the path", path=path))
        except (OSError, ValueError) as error:
            missing.append(InputError(f"cannot be read ({getattr(error, 'strerror', None) or error}); check the path and its permissions", path=path))
    walked = [Path(given).resolve() for given in paths if Path(given).is_dir()]
    for link in sorted(set(links)):
        target = link.resolve()
        if not any(target.is_relative_to(folder) for folder in walked):
            missing.append(InputError(f"is a link to a folder, which was not followed; give {target} too", path=link))
    return sorted(found), missing


def _walk(folder: Path, without: Path | None, missing: list[InputError], links: list[Path]) -> list[Path]:
    """All files in a folder; what cannot be entered is complained of, and ``links`` to folders are gathered."""
    files: list[Path] = []
    locked: list[InputError] = []

    def complain(error: OSError) -> None:
        locked.append(InputError(f"cannot be read ({error.strerror}); check its permissions", path=error.filename))

    for inner, folders, names in os.walk(folder, onerror=complain):
        if without is not None and Path(inner).resolve() == without.resolve():
            folders.clear()
            continue
        links += [path.absolute() for name in folders if (path := Path(inner) / name).is_symlink()]
        files += [path.absolute() for name in names if (path := Path(inner) / name).is_file()]
    if not files and not locked:
        locked.append(InputError("is an empty folder; there is nothing to ingest", path=folder))
    missing += locked
    return files


def read_lines_at(stream: Stream, index: Sequence[tuple[int, int]], line: int) -> bytes | None:
    """The raw bytes of one line (without its line end), found through the sparse ``index``; None when there is no such line."""
    first, offset = next(((n, o) for n, o in reversed(index) if n <= line), (1, 0))
    if stream.is_seekable:
        with stream.input.file.open("rb", buffering=0) as handle:
            handle.seek(offset)
            return _nth_line(iter(lambda: handle.read(1 << 20), b""), stream.newline, line - first)
    for block in Stream(stream.input, is_hashed=False).blocks():
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
