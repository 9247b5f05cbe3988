"""The bytes of an input on their way: counted, and hashed beside what is done with them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import FileIO

from breachscope.ingest.inputs import Readable

_LOOKED_AHEAD = 64 << 10
"""Where so many bytes hold no line end, it is sought while they are read."""
_LEAST_BESIDE = 1 << 20
"""Fewer bytes are hashed by the thread that reads them: a small file needs no other."""


class Digest:
    """SHA-256 of bytes in turn. What is large is taken by a thread of its own, for meanwhile the next can be read."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._beside: ThreadPoolExecutor | None = None
        self._last: Future[None] | None = None

    def update(self, chunk: bytes) -> None:
        self._wait()
        if len(chunk) < _LEAST_BESIDE:
            self._digest.update(chunk)
        else:
            self._beside = self._beside or ThreadPoolExecutor(1)
            self._last = self._beside.submit(self._digest.update, chunk)

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
            self._last = None

    def hexdigest(self) -> str:
        self._wait()
        if self._beside is not None:
            self._beside.shutdown()
        return self._digest.hexdigest()


class HashingReader:
    """Passes bytes through, counting and hashing them, up to the first end: what is written behind it later is for the next run."""

    def __init__(self, handle: Readable, *, is_hashed: bool) -> None:
        self._handle = handle
        self._is_hashed = is_hashed
        self._has_ended = False
        self.digest = Digest()
        self.count = 0

    def read(self, length: int) -> bytes:
        chunk = b"" if self._has_ended else self._handle.read(length)
        self._has_ended = not chunk
        if self._is_hashed:
            self.digest.update(chunk)
        self.count += len(chunk)
        return chunk

    def until_last(self, mark: bytes, room: int) -> int:
        """How many bytes there are up to and with the last ``mark`` in the next ``room``; 0 where that is not seen at their end."""
        looked = min(room, _LOOKED_AHEAD)
        if not looked or not isinstance(self._handle, FileIO):
            return 0
        try:
            end = os.pread(self._handle.fileno(), looked, self.count + room - looked)
        except OSError:
            return 0  # a pipe; of a disk that fails, the reading itself tells
        found = end.rfind(mark)
        return room - looked + found + 1 if len(end) == looked and found >= 0 else 0


def hashed(chunks: Iterator[bytes], digest: Digest) -> Iterator[bytes]:
    """The chunks, hashed as they pass."""
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
