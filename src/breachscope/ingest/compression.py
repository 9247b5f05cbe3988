"""Compressed streams: gzip, bzip2, xz and zstd, each perhaps several in a file, decompressed little by little and within a bound."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, cast

import zstandard
from isal.igzip_lib import DECOMP_GZIP, IgzipDecompressor, IsalError

_MAGIC: tuple[tuple[bytes, str], ...] = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
_DECOMPRESSION_ERRORS = (EOFError, lzma.LZMAError, zstandard.ZstdError, IsalError, OSError, ValueError)
_PIECE_BYTES = 128 << 10
"""Decompressed at a time: a damaged stream loses less than this before the damage, and a small bomb cannot fill the memory."""
_ZSTD_STORED_BYTES = 2 << 10
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


def decompress(compression: str, fed: bytes, read: Callable[[], bytes]) -> Iterator[bytes]:
    """Decompress what begins with the bytes ``fed`` and goes on with those of ``read``, stream after stream; zero bytes behind the last one are padding.

    Raises DamagedError where a stream is cut or damaged, or where anything else stands behind the last one.
    """
    start = _DECOMPRESSORS[compression]
    count = 0
    while fed:
        stream = start()
        began_at = count
        while not stream.eof:
            if stream.needs_input:
                fed = fed or read()
                if not fed:
                    raise _damaged(compression, count)
            try:
                piece = stream.decompress(fed if stream.needs_input else b"", _PIECE_BYTES)
            except _DECOMPRESSION_ERRORS as error:  # type: ignore[misc] # IsalError is an exception; its stub says otherwise
                if count == began_at > 0:
                    raise DamagedError(f"other data follow the {compression} stream, after {count:,} bytes of content; they were not read") from error
                raise _damaged(compression, count) from error
            fed = b""
            count += len(piece)
            if piece:
                yield piece
        fed = stream.unused_data
        while not (fed := fed.lstrip(b"\0")):
            if not (fed := read()):
                return


def _damaged(compression: str, count: int) -> DamagedError:
    return DamagedError(f"the {compression} stream is cut or damaged after {count:,} bytes of content; what follows is not known")


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
