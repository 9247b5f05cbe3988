"""Compressed streams: gzip, bzip2, xz and zstd, each perhaps several in a file, decompressed little by little and within a bound."""

from __future__ import annotations

import bz2
import lzma
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, cast

import zstandard
from isal.igzip_lib import DECOMP_GZIP, IgzipDecompressor, IsalError

from breachscope.errors import counted
from breachscope.ingest.native import clear_registers

_MAGIC: tuple[tuple[bytes, str], ...] = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
_DECOMPRESSION_ERRORS = (EOFError, lzma.LZMAError, zstandard.ZstdError, IsalError, OSError, ValueError)
_PIECE_BYTES = 128 << 10
"""Decompressed at a time: a damaged stream loses less than this before the damage, and a small bomb cannot fill the memory."""
_ZSTD_STORED_BYTES = 2 << 10
_MEMBER = b"\x1f\x8b\x08"
_HEADER_BYTES, _RESERVED_FLAGS = 10, 0xE0
_TRIED_BYTES = 16 << 10
"""By so many bytes a member is told from others that begin like one by chance: of these all but a few end within some hundred."""
_MOST_TRIALS = 10_000
"""In one input, for who stored it may have filled it with beginnings of members."""
_LEAST_BOUND_BYTES = 1 << 30
_MOST_EXPANSION = 1000
"""Most logs are compressed to a twentieth up to a hundredth; xz -9e brought the checks of a load balancer, one every 5 s, to a four-hundredth."""


def most_content(size: int) -> int:
    """Bytes of content that a file of ``size`` bytes as stored may expand to before it is taken for a decompression bomb."""
    return max(_LEAST_BOUND_BYTES, _MOST_EXPANSION * size)


def compression_of(magic: bytes) -> str:
    """Name of the compression that begins with these bytes; ``none`` for any others."""
    return next((name for start, name in _MAGIC if magic.startswith(start)), "none")


class DamagedError(Exception):
    """A compressed stream cannot be read any further; the text says why."""


class Gap(bytes):
    """Nothing, in place of content that is lost: a member is damaged, and a later one can be read."""

    begin: int
    """Where the damaged member begins, in bytes of what is stored."""
    resumed: int
    """Where the later one does."""
    since: int
    """Bytes of content before the damaged member's: what it gave out may be wrong in places, for its check failed."""
    content: int
    """Bytes of content before the gap."""

    @classmethod
    def of(cls, begin: int, resumed: int, since: int, content: int) -> Gap:
        gap = cls()
        gap.begin, gap.resumed, gap.since, gap.content = begin, resumed, since, content
        return gap


def decompress(compression: str, fed: bytes, read: Callable[[], bytes]) -> Iterator[bytes]:
    """Decompress what begins with the bytes ``fed`` and goes on with those of ``read``, stream after stream; zero bytes behind the last one are padding.

    Behind a damaged member of gzip a :class:`Gap` is given out, and then what the next member holds, if one can be found.
    Raises DamagedError where a stream is cut or damaged, or where anything else stands behind the last one.
    """
    stored = _Stored(fed, read)
    count = 0
    while stored.has_more():
        begin, began_at = stored.offset, count
        try:
            for piece in _content(compression, stored):
                count += len(piece)
                yield piece
        except _DECOMPRESSION_ERRORS as error:  # type: ignore[misc] # IsalError is an exception; its stub says otherwise
            if compression == "gzip" and stored.find_member(begin + 1):
                yield Gap.of(begin, stored.offset, began_at, count)
            elif count == began_at > 0:
                raise DamagedError(f"other data follow the {compression} stream, after {counted(count, 'byte')} of content; they were not read") from error
            else:
                raise DamagedError(damage(compression, count)) from error


def damage(compression: str, count: int) -> str:
    """What is told of a stream that is not read beyond its damage."""
    return f"the {compression} stream is cut or damaged after {counted(count, 'byte')} of content; what follows is not known"


def _content(compression: str, stored: _Stored) -> Iterator[bytes]:
    """What one stream holds. Raises one of the errors of decompressors, EOFError where it is cut."""
    stream = _DECOMPRESSORS[compression]()
    while not stream.eof:
        fed = stored.take() if stream.needs_input else b""
        if stream.needs_input and not fed:
            raise EOFError
        piece = stream.decompress(fed, _PIECE_BYTES)
        clear_registers()
        if piece:
            yield piece
    stored.give_back(stream.unused_data)


class _Stored:
    """Bytes as stored, in turn; those given out last can be looked through again, for damage is noticed behind the place where it is."""

    def __init__(self, fed: bytes, read: Callable[[], bytes]) -> None:
        self._read, self._waiting = read, fed
        self._given: deque[bytes] = deque(maxlen=2)
        self._trials = _MOST_TRIALS
        self.offset = 0
        """Of the next byte."""

    def has_more(self) -> bool:
        """Whether anything but zero bytes follows; these are passed over."""
        while waiting := self._waiting or self._read():
            self._waiting = waiting.lstrip(b"\0")
            self.offset += len(waiting) - len(self._waiting)
            if self._waiting:
                return True
        return False

    def take(self) -> bytes:
        taken, self._waiting = self._waiting or self._read(), b""
        self._given.append(taken)
        self.offset += len(taken)
        return taken

    def give_back(self, rest: bytes) -> None:
        """Take back the end of what was taken last."""
        self._given[-1] = self._given[-1].removesuffix(rest)
        self.offset -= len(rest)
        self._waiting = rest

    def find_member(self, after: int) -> bool:
        """Go to the next member of gzip at an offset of ``after`` or behind it, as far back as bytes are kept; return whether there is one.

        A member shows by its header (RFC 1952, section 2.3) and by what stands behind it, which must be sound for as much as is tried.
        """
        data = b"".join(self._given) + self._waiting
        base = self.offset + len(self._waiting) - len(data)
        at = max(after - base, 0)
        while self._trials:
            at = data.find(_MEMBER, at)
            if at >= 0:
                while len(data) - at < _TRIED_BYTES and (more := self._read()):
                    data += more
                self._trials -= 1
                if _is_member(data[at : at + _TRIED_BYTES]):
                    self._given.clear()
                    self._waiting, self.offset = data[at:], base + at
                    return True
                at += 1
                continue
            more = self._read()
            if not more:
                break
            kept = data[1 - len(_MEMBER) :]
            base, data, at = base + len(data) - len(kept), kept + more, 0
        return False


def _is_member(begin: bytes) -> bool:
    """Whether these bytes can be the beginning of a member of gzip, or all of it."""
    if len(begin) < _HEADER_BYTES or begin[3] & _RESERVED_FLAGS:
        return False
    member = IgzipDecompressor(flag=DECOMP_GZIP)
    try:
        return bool(member.decompress(begin, _PIECE_BYTES)) or member.eof
    except _DECOMPRESSION_ERRORS:  # type: ignore[misc] # IsalError is an exception; its stub says otherwise
        return False


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
