"""Archives of many logs: zip, and tar, plain or compressed. Their members are read as inputs of their own, nothing is unpacked to where a name says.

What an archive says of a member is never believed where it can harm: a name only names, a size only bounds. A compressed
tar can be read from its beginning alone, so it is decompressed once, into the case's scratch folder, before its members are
read in turn. A member that cannot be read takes its place with the reason, and the others are read.

Sources: APPNOTE.TXT 6.3.10 (zip); POSIX.1-2024 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual,
"Basic Tar Format".
"""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from breachscope.errors import InputError, counted
from breachscope.ingest.compression import compression_of, most_content
from breachscope.ingest.encoding import first_fit
from breachscope.ingest.inputs import Input, UnreadableError
from breachscope.ingest.streams import Stream

_TAR_BLOCK = 512
_MOST_NAME = 4096
"""Characters that are kept of a name."""
_MOST_TOLD_BYTES = 1 << 20
"""Of a long name or an extended header."""
_SKIPPED_BYTES = 1 << 20
_MOST_MEMBERS = 1 << 17
_MOST_CONTENTS_BYTES = 1 << 24
"""Of a zip archive's table of contents: it is held as a whole."""
_MAGIC = ((b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"Rar!\x1a\x07", "RAR"))
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_LOCAL_HEADER_BYTES, _END_BYTES = 30, 22
_DESCRIPTOR_BYTES = 24
"""What may follow a member's data, at most."""
_FED_BYTES = 1 << 16
_IS_ENCRYPTED, _IS_SIZED_BEHIND, _IS_UTF_8 = 0x1, 0x8, 0x800
_IN_EXTRA = 0xFFFFFFFF
"""For a size: it stands in the extra field."""
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
_UNPACK = "unpack it and give what it holds"


@dataclass(frozen=True)
class Archive:
    """An archive that was opened. ``problem`` tells why further members are not known."""

    members: Sequence[ArchiveMember]
    problem: str | None = None


@dataclass(frozen=True)
class ArchiveMember:
    """One file in an archive; ``fault`` tells why it cannot be read."""

    name: str
    size: int
    content: _ZipContent | _LooseContent | _TarContent
    fault: str | None = None

    def open(self) -> AbstractContextManager[_Content]:
        if self.fault:
            raise UnreadableError(self.fault)
        return closing(self.content.open())


class _Content:
    """The bytes of one member, no more than it has, and an error where they end before."""

    def __init__(self, handle: IO[bytes] | _Pieces | _Inflated, size: int | None, whole: str) -> None:
        self._handle, self._left, self._whole = handle, size, whole
        self._read = 0

    def read(self, length: int, /) -> bytes:
        try:
            data = self._handle.read(length if self._left is None else min(length, self._left))
        except _ZIP_ERRORS as error:
            raise UnreadableError(f"the member is damaged or cut after {counted(self._read, 'byte')} ({error}); what follows is not known") from error
        if self._left is not None:
            if not data and self._left:
                raise UnreadableError(f"{self._whole} breaks off within this member, after {self._read:,} of its {counted(self._read + self._left, 'byte')}")
            self._left -= len(data)
        self._read += len(data)
        return data

    def close(self) -> None:
        self._handle.close()


class _Pieces:
    """Pieces of bytes as one that is read from its beginning."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._held, self.at = pieces, b"", 0

    def read(self, length: int) -> bytes:
        """Up to ``length`` bytes; fewer only at the end."""
        parts = []
        while length > 0:
            self._held = self._held or next(self._pieces, b"")
            if not self._held:
                break
            part, self._held = self._held[:length], self._held[length:]
            parts.append(part)
            length -= len(part)
            self.at += len(part)
        return b"".join(parts)

    def skip(self, length: int) -> None:
        end = self.at + length
        while self.at < end and self.read(min(end - self.at, _SKIPPED_BYTES)):
            pass

    def close(self) -> None:
        if isinstance(self._pieces, Generator):
            self._pieces.close()


class _File(_Pieces):
    """A file read from its beginning, past what is skipped."""

    def __init__(self, handle: IO[bytes]) -> None:
        super().__init__(iter(()))
        self._handle = handle

    def read(self, length: int) -> bytes:
        data = self._handle.read(length)
        self.at += len(data)
        return data

    def skip(self, length: int) -> None:
        self.at += length
        self._handle.seek(self.at)

    def close(self) -> None:
        self._handle.close()


# zip


@dataclass(frozen=True)
class _ZipContent:
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    def open(self) -> _Content:
        try:
            return _Content(self.archive.open(self.info), None, "the archive")
        except _ZIP_ERRORS as error:
            raise UnreadableError(f"the member cannot be read ({error}); {_UNPACK}") from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[ArchiveMember]:
    infos = archive.infolist()
    shared = _overlapping(infos)
    for info in infos:
        if info.filename.endswith("/") or stat.S_ISLNK(info.external_attr >> 16):
            continue
        fault = None
        if info.flag_bits & _IS_ENCRYPTED:
            fault = f"is encrypted: {_UNPACK}"
        elif info.compress_type not in _METHODS:
            fault = f"is compressed by method {info.compress_type}, which this program does not read: {_UNPACK}"
        elif info.header_offset in shared:
            fault = "shares its bytes with other members, as decompression bombs do; nothing was read from it"
        yield ArchiveMember(_zip_name(info), info.file_size, _ZipContent(archive, info), fault)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name as it was written; what is not marked as UTF-8 may be it all the same, or CP932."""
    return info.orig_filename if info.flag_bits & _IS_UTF_8 else first_fit(info.orig_filename.encode("cp437", "replace"))[0]


def _overlapping(infos: Sequence[zipfile.ZipInfo]) -> set[int]:
    """Where those members begin whose bytes are those of others too."""
    shared: set[int] = set()
    end, begun = 0, -1
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset < end:
            shared |= {begun, info.header_offset}
        reach = info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size
        if reach > end:
            end, begun = reach, info.header_offset
    return shared


@dataclass(frozen=True)
class _LooseContent:
    """A member of a zip archive that has no table of contents, by its own header."""

    path: Path
    begin: int
    size: int
    """Bytes as stored; 0 where the header leaves that to what follows them."""
    is_stored: bool

    def open(self) -> _Content:
        handle = self.path.open("rb", buffering=0)
        handle.seek(self.begin)
        return _Content(handle, self.size, "the archive") if self.is_stored else _Content(_Inflated(handle), None, "the archive")


class _Inflated:
    """What a deflated stream expands to."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle, self._stream, self._fed = handle, zlib.decompressobj(-zlib.MAX_WBITS), b""

    def read(self, length: int) -> bytes:
        while not self._stream.eof:
            self._fed = self._fed or self._handle.read(_FED_BYTES)
            if not self._fed:
                raise EOFError("the archive breaks off within it")
            piece = self._stream.decompress(self._fed, length)
            self._fed = self._stream.unconsumed_tail
            if piece:
                return piece
        return b""

    @property
    def end(self) -> int:
        """Where in the file the stream ends."""
        return self._handle.tell() - len(self._stream.unused_data)

    def close(self) -> None:
        self._handle.close()


def _loose_members(path: Path) -> Iterator[ArchiveMember]:
    """Members one after the other, as long as each tells where it ends; of the last the end may be missing."""
    most_bytes = most_content(path.stat().st_size)
    with path.open("rb", buffering=0) as handle:
        at = 0
        while (header := _read_at(handle, at, _LOCAL_HEADER_BYTES)).startswith(b"PK\x03\x04") and len(header) == _LOCAL_HEADER_BYTES:
            flags, method = struct.unpack_from("<HH", header, 6)
            size, _, *lengths = struct.unpack_from("<IIHH", header, 18)
            begin = at + _LOCAL_HEADER_BYTES + sum(lengths)
            raw = _read_at(handle, at + _LOCAL_HEADER_BYTES, lengths[0])
            extra = _read_at(handle, begin - lengths[1], lengths[1])
            if size == _IN_EXTRA and extra.startswith(b"\x01\0") and len(extra) >= 20:
                size = int.from_bytes(extra[12:20], "little")
            fault = None
            if flags & _IS_ENCRYPTED:
                fault = f"is encrypted: {_UNPACK}"
            elif method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or (method == zipfile.ZIP_STORED and flags & _IS_SIZED_BEHIND and not size):
                fault = "cannot be read without the archive's table of contents"
            content = _LooseContent(path, begin, size, method == zipfile.ZIP_STORED)
            if raw and not raw.endswith(b"/"):
                yield ArchiveMember(first_fit(raw)[0], size, content, fault)
            end = begin + size
            if flags & _IS_SIZED_BEHIND and not size:
                if fault:
                    return
                inflated = _Inflated(handle)
                handle.seek(begin)
                try:
                    while most_bytes > 0 and (piece := inflated.read(_FED_BYTES)):
                        most_bytes -= len(piece)
                except (EOFError, zlib.error):
                    return
                end = inflated.end
            follows = _read_at(handle, end, _DESCRIPTOR_BYTES + 4).find(b"PK\x03\x04")
            if follows < 0:
                return
            at = end + follows


def _read_at(handle: IO[bytes], at: int, length: int) -> bytes:
    handle.seek(at)
    return handle.read(length)


# tar


@dataclass(frozen=True)
class _TarContent:
    tar: Path
    """The archive, or its decompressed copy."""
    begin: int
    size: int

    def open(self) -> _Content:
        reader = _open_tar(self.tar)
        reader.skip(self.begin)
        return _Content(reader, self.size, "the archive")


def _open_tar(tar: Path) -> _Pieces:
    handle = tar.open("rb", buffering=0)
    is_plain = compression_of(handle.read(_TAR_BLOCK)) == "none"
    handle.seek(0)
    if is_plain:
        return _File(handle)
    handle.close()
    return _Pieces(Stream(Input(tar)).content())


@dataclass
class _TarNames:
    """What extended headers say of the member that follows them."""

    path: bytes | None = None
    size: int | None = None
    is_sparse: bool = False


def _tar_members(tar: Path, reader: _Pieces) -> Iterator[ArchiveMember]:
    """Members up to the end, or to what is none. Raises UnreadableError there."""
    told = _TarNames()
    is_ended = False
    while header := reader.read(_TAR_BLOCK):
        if not header.strip(b"\0"):
            is_ended = True  # other archives may follow where several were joined
            continue
        is_ended = False
        if not _is_tar_header(header):
            raise UnreadableError(f"the tar archive is cut or damaged after {reader.at - len(header):,} bytes; further members are not known")
        kind, size = header[156:157], _tar_number(header[124:136])
        begin = reader.at
        if kind in b"xgLK":
            if size > _MOST_TOLD_BYTES:
                raise UnreadableError(f"the tar archive holds a name of {size:,} bytes; further members are not known")
            data = reader.read(size)
            reader.skip(-size % _TAR_BLOCK)
            if kind == b"L":
                told.path = data.rstrip(b"\0")
            elif kind == b"x":
                _read_pax(data, told)
            continue
        size = 0 if kind in b"123456" else told.size if told.size is not None else size  # links, devices, folders
        name = told.path or b"/".join(filter(None, [_text(header[345:500]) if header[257:263] == b"ustar\0" else b"", _text(header[:100])]))
        if kind not in b"123456DVM" and not name.endswith(b"/"):
            fault = f"is stored as a sparse file, which this program does not read: {_UNPACK}" if told.is_sparse or kind == b"S" else None
            yield ArchiveMember(first_fit(name)[0], size, _TarContent(tar, begin, size), fault)
        elif kind == b"M":
            raise UnreadableError("begins inside a member that another volume holds the beginning of: join the volumes and give the whole")
        reader.skip(size + -size % _TAR_BLOCK)
        told = _TarNames()
    if not is_ended:
        raise UnreadableError("the tar archive ends without the mark of its end: it was cut, and further members are not known")


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _tar_number(field: bytes) -> int:
    """Octal digits, or a number of base 256 where the first bit is set. A negative one stands for none."""
    if field[0] & 0x80:
        return max(0, int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")) if field[0] != 0xFF else 0
    digits = _text(field).strip()
    return int(digits, 8) if digits and not digits.strip(b"01234567") else 0


def _is_tar_header(header: bytes) -> bool:
    """Whether the checksum fits; some writers summed bytes with a sign."""
    if len(header) < _TAR_BLOCK or not (digits := _text(header[148:156]).strip()) or digits.strip(b"01234567"):
        return False
    around = header[:148] + b" " * 8 + header[156:]
    return int(digits, 8) in (sum(around), sum(b - 256 if b > 127 else b for b in around))


def _read_pax(data: bytes, told: _TarNames) -> None:
    """Records ``LENGTH KEY=VALUE`` with a line end each; behind one that is none nothing counts."""
    while data:
        digits, space, _ = data.partition(b" ")
        if not space or not digits.isdigit() or len(digits) > 7 or not len(digits) < int(digits) <= len(data):
            return
        record, data = data[len(digits) + 1 : int(digits)], data[int(digits) :]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        if key == b"path":
            told.path = value
        elif key == b"size" and value.isdigit() and len(value) < 19:
            told.size = int(value)
        elif key.startswith(b"GNU.sparse."):
            told.is_sparse = True


# Both


@contextmanager
def open_archive(path: Path, spool: Callable[[Iterator[bytes]], AbstractContextManager[Path]], most_bytes: int | None) -> Iterator[Archive | None]:
    """What an archive holds; None for what is none. A compressed tar is decompressed up to ``most_bytes`` by ``spool``, which keeps it as a file.

    Raises InputError when the file cannot be opened.
    """
    with ExitStack() as stack:
        kind = _kind_of(path)
        if kind is None:
            yield None
        elif kind == "zip":
            yield _opened_zip(path, stack)
        elif kind == "tar":
            yield _listed(_tar_members(path, stack.enter_context(closing(_open_tar(path)))))
        else:
            stream = Stream(Input(path), most_bytes=most_bytes)
            tar = stack.enter_context(spool(stream.content()))
            listed = _listed(_tar_members(tar, stack.enter_context(closing(_open_tar(tar)))))
            yield Archive(listed.members, stream.problem or listed.problem)


def find_member(path: Path, name: str) -> Input:
    """A member of an archive that was read before. Raises InputError where the archive does not hold it any more."""
    kind = _kind_of(path)
    stack = ExitStack()
    if kind == "zip":
        archive = _opened_zip(path, stack)
    elif kind is not None:
        with closing(_open_tar(path)) as reader:
            archive = _listed(_tar_members(path, reader), name)
    found = next((m for m in archive.members if m.name == name), None) if kind is not None else None
    if found is None:
        raise InputError(f"no longer holds {name}", path=path)
    return Input(path, found)


def archive_kind(head: bytes) -> str | None:
    r"""Name of the archive that begins so; None for what is none.

    >>> archive_kind(b"PK\x03\x04"), archive_kind(b"7z\xbc\xaf\x27\x1c"), archive_kind(b"192.0.2.9 - -")
    ('zip', '7-Zip', None)
    """
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), "tar" if _is_tar_header(head[:_TAR_BLOCK]) else None)


def _kind_of(path: Path) -> str | None:
    """``zip``, ``tar``, ``compressed tar``, or None for what is no archive."""
    with Input(path).open() as handle:
        head = handle.read(_TAR_BLOCK)
    kind = archive_kind(head)
    if kind in ("zip", "tar") or compression_of(head) == "none":
        return kind if kind in ("zip", "tar") else None
    with closing(_Pieces(Stream(Input(path)).content())) as inside:
        return "compressed tar" if _is_tar_header(inside.read(_TAR_BLOCK)) else None


def _opened_zip(path: Path, stack: ExitStack) -> Archive:
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            told = _contents_bytes(handle, size)
        if told > _MOST_CONTENTS_BYTES:
            return Archive((), f"the zip archive has a table of contents of {told:,} bytes, more than this program holds: {_UNPACK}")
        return _listed(_zip_members(stack.enter_context(zipfile.ZipFile(path))))
    except _ZIP_ERRORS as error:
        loose = _listed(_loose_members(path))
        problem = f"the zip archive is cut or damaged ({error}): its table of contents, which stands at its end, cannot be read; further members are not known"
        return Archive(loose.members, problem)


def _contents_bytes(handle: IO[bytes], size: int) -> int:
    """Bytes of the table of contents, as the end of the archive tells; 0 where it tells nothing."""
    handle.seek(max(0, size - (1 << 16) - _END_BYTES))
    tail = handle.read()
    # What looks like an end within the end, as two numbers of members can, is none.
    end = len(tail) - _END_BYTES if tail[-_END_BYTES:].startswith(b"PK\x05\x06") and tail.endswith(b"\0\0") else tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 16:
        return 0
    told = int.from_bytes(tail[end + 12 : end + 16], "little")
    locator = tail[max(0, end - 20) : end]
    if told == 0xFFFFFFFF and locator.startswith(b"PK\x06\x07"):
        handle.seek(min(int.from_bytes(locator[8:16], "little"), size))
        told = int.from_bytes(handle.read(48)[40:48], "little")
    return told


def _listed(members: Iterator[ArchiveMember], wanted: str | None = None) -> Archive:
    """All members, those of one name told apart by a number behind it; the ``wanted`` one is the last."""
    found: dict[str, ArchiveMember] = {}
    numbers: Counter[str] = Counter()
    try:
        for member in members:
            if len(found) >= _MOST_MEMBERS:
                return Archive(tuple(found.values()), f"holds more than {_MOST_MEMBERS:,} members; further ones were not read: {_UNPACK}")
            name = plain = member.name[:_MOST_NAME] or "?"
            while name in found:
                numbers[plain] += 1
                name = f"{plain}#{numbers[plain] + 1}"
            found[name] = replace(member, name=name)
            if name == wanted:
                break
    except UnreadableError as error:
        return Archive(tuple(found.values()), str(error))
    return Archive(tuple(found.values()))
