"""Inputs: find them, open them read-only, decompress, hash, and cut the stream into blocks of whole lines."""

from __future__ import annotations

import bz2
import codecs
import glob
import hashlib
import lzma
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Literal, cast

import zstandard
from isal import igzip
from isal.igzip_lib import IsalError

from breachscope.errors import InputError

BLOCK_BYTES = 16 << 20
MAX_LINE_BYTES = 64 << 20
"""A longer line is rejected; it would hold the memory bound hostage."""
KEPT_OF_LONG_LINE = 64 << 10
_SNIFF_BYTES = 1 << 20

_MAGIC: tuple[tuple[bytes, str], ...] = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
_DECOMPRESSION_ERRORS = (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, IsalError, OSError, ValueError)  # gzip.BadGzipFile is an OSError

Encoding = Literal["utf-8", "cp932", "utf-16-le", "utf-16-be"]


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


@dataclass
class Stream:
    """One input being read. Iterate :meth:`blocks` to the end; then the digests, sizes and ``problem`` are final."""

    path: Path
    compression: str = "none"
    encoding: Encoding = "utf-8"
    newline: bytes = b"\n"
    size: int = 0
    problem: str | None = None
    lacks_final_newline: bool = False
    stored_digest: str = ""
    content_digest: str = ""
    index: list[tuple[int, int]] = field(default_factory=list)
    """(first line, offset) of every block."""
    _bytes_out: int = 0
    _stored: _HashingReader | None = None

    @property
    def position(self) -> int:
        """Bytes of the stored file read so far."""
        return self._stored.count if self._stored else 0

    @property
    def is_seekable(self) -> bool:
        """Whether an offset into the content is an offset into the file."""
        return self.compression == "none" and not self.encoding.startswith("utf-16")

    def blocks(self) -> Iterator[Block]:
        """Read the input once. Raises InputError when it cannot be opened; later trouble becomes ``problem``."""
        with _open(self.path) as handle:
            stored = self._stored = _HashingReader(handle)
            buffered: BufferedReader = BufferedReader(stored, 1 << 20)
            self.compression = _compression(buffered.peek(8))
            content_hash = stored.digest if self.compression == "none" else hashlib.sha256()
            chunks = self._decompressed(buffered)
            if self.compression != "none":
                chunks = _hashed(chunks, content_hash)
            yield from self._cut(self._as_lines_encoding(chunks))
            while stored.readinto(bytearray(1 << 20)):
                pass  # what follows a broken stream still belongs to the file's digest
            self.size = stored.count
            self.stored_digest = stored.digest.hexdigest()
            self.content_digest = content_hash.hexdigest()

    def _decompressed(self, stored: IO[bytes]) -> Iterator[bytes]:
        reader = _decompressor(stored, self.compression)
        while True:
            try:
                chunk = reader.read(1 << 20)
            except _DECOMPRESSION_ERRORS as error:  # type: ignore[misc] # IsalError is an exception; its stub says otherwise
                if isinstance(error, OSError) and error.errno is not None:
                    self.problem = f"reading failed after {self._bytes_out:,} bytes ({error.strerror}); what follows is not known"
                else:
                    self.problem = f"the {self.compression} stream is cut or damaged after {self._bytes_out:,} bytes of content; what follows is not known"
                return
            if not chunk:
                return
            self._bytes_out += len(chunk)
            yield chunk

    def _as_lines_encoding(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Choose encoding and line end from the first megabyte; UTF-16 is turned into UTF-8 on the way."""
        head = b""
        for chunk in chunks:
            head += chunk
            if len(head) >= _SNIFF_BYTES:
                break
        self.encoding, bom = detect_encoding(head)
        if self.encoding.startswith("utf-16"):
            decoder = codecs.getincrementaldecoder(self.encoding)(errors="replace")
            decoded = decoder.decode(head[bom:]).encode()
            self.newline = _newline(decoded)
            yield decoded
            for chunk in chunks:
                yield decoder.decode(chunk).encode()
            yield decoder.decode(b"", final=True).encode()
            return
        self.newline = _newline(head)
        yield head
        yield from chunks

    def _cut(self, chunks: Iterator[bytes]) -> Iterator[Block]:
        """Join chunks into blocks of about BLOCK_BYTES that end with a line end; the cuts depend on the content alone."""
        pending = bytearray()
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
                        yield self._block(line, offset, bytes(pending), overlong)
                        line, offset = line + 1, offset + overlong
                        pending.clear()
                        overlong = 0
                    continue
                taken = min(len(chunk) - start, BLOCK_BYTES - len(pending) % BLOCK_BYTES)
                pending += chunk[start : start + taken]
                start += taken
                if len(pending) % BLOCK_BYTES:
                    continue
                end = pending.rfind(self.newline) + 1
                if end:
                    block = self._block(line, offset, bytes(pending[:end]))
                    yield block
                    line, offset = line + block.data.count(self.newline), offset + end
                    del pending[:end]
                elif len(pending) >= MAX_LINE_BYTES:
                    overlong = len(pending)
                    del pending[KEPT_OF_LONG_LINE:]
        if pending:
            self.lacks_final_newline = overlong > 0 or not pending.endswith(self.newline)
            yield self._block(line, offset, bytes(pending), overlong or None)

    def _block(self, line: int, offset: int, data: bytes, overlong: int | None = None) -> Block:
        self.index.append((line, offset))
        return Block(line, offset, data, overlong)


class _HashingReader(RawIOBase):
    """Passes bytes through, counting and hashing them."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self.digest = hashlib.sha256()
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        read = cast("RawIOBase", self._handle).readinto(buffer) or 0
        self.digest.update(memoryview(buffer)[:read])
        self.count += read
        return read


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}); check the path and its permissions", path=path) from error


def _hashed(chunks: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _compression(magic: bytes) -> str:
    return next((name for start, name in _MAGIC if magic.startswith(start)), "none")


def _decompressor(stored: IO[bytes], compression: str) -> IO[bytes]:
    if compression == "gzip":
        return cast("IO[bytes]", igzip.IGzipFile(fileobj=stored, mode="rb"))  # type: ignore[no-untyped-call]
    if compression == "bzip2":
        return bz2.BZ2File(stored)
    if compression == "xz":
        return lzma.LZMAFile(stored)
    if compression == "zstd":
        return cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True))
    return stored


def detect_encoding(head: bytes) -> tuple[Encoding, int]:
    """Encoding of a stream from its beginning, and the length of its UTF-16 byte order mark.

    UTF-8 wins whenever it fits, CP932 (Shift_JIS as Windows writes it) comes next; lines that fit neither are dealt with
    one by one later. UTF-16 without a mark shows as NUL in every other byte.
    """
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le", 2
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be", 2
    sample = head[:4096]
    if len(sample) >= 4:
        even, odd = sample[0::2], sample[1::2]
        if odd.count(0) > 0.6 * len(odd) and even.count(0) < 0.1 * len(even):
            return "utf-16-le", 0
        if even.count(0) > 0.6 * len(even) and odd.count(0) < 0.1 * len(odd):
            return "utf-16-be", 0
    if _decodes(head, "utf-8"):
        return "utf-8", 0
    return ("cp932", 0) if _decodes(head, "cp932") else ("utf-8", 0)


def _decodes(head: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _newline(head: bytes) -> bytes:
    return b"\r" if b"\r" in head and b"\n" not in head else b"\n"


def find_inputs(paths: Sequence[str | Path]) -> tuple[list[Path], list[InputError]]:
    """Files behind paths, folders and globs, sorted and each once; and a complaint for every path that leads nowhere.

    Folders are walked without following links to folders, so that loops cannot trap the walk.
    """
    found: set[Path] = set()
    missing: list[InputError] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
            files = [f for f in files if f.is_file()]
            if not files:
                missing.append(InputError("is an empty folder; there is nothing to ingest", path=path))
            found.update(f.absolute() for f in files)
        elif path.exists():
            found.add(path.absolute())
        elif matches := [Path(m) for m in glob.glob(str(given), recursive=True) if Path(m).is_file()]:  # noqa: PTH207 - patterns may be absolute
            found.update(m.absolute() for m in matches)
        else:
            missing.append(InputError("does not exist; check the path", path=path))
    return sorted(found), missing


def read_lines_at(stream: Stream, index: Sequence[tuple[int, int]], line: int) -> bytes | None:
    """The raw bytes of one line (without its line end), found through the sparse ``index``; None when there is no such line."""
    first, offset = next(((n, o) for n, o in reversed(index) if n <= line), (1, 0))
    if stream.is_seekable:
        with _open(stream.path) as handle:
            handle.seek(offset)
            return _nth_line(iter(lambda: handle.read(1 << 20), b""), stream.newline, line - first)
    skipped = ((b.first_line, b.data) for b in Stream(stream.path).blocks())
    for number, data in skipped:
        if number == first:
            return _nth_line(iter([data]), stream.newline, line - first)
    return None


def _nth_line(chunks: Iterator[bytes], newline: bytes, skip: int) -> bytes | None:
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).split(newline)
        rest = lines.pop()
        if skip < len(lines):
            return lines[skip]
        skip -= len(lines)
    return rest if skip == 0 and rest else None
