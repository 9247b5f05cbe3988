"""Logs of containers, whose runtime cuts long lines into parts: they are joined, so that each line is read as it was written.

A part must never be read by itself: behind the cut may stand what somebody wanted to look like a line of its own.

Sources: the CRI logging format of Kubernetes (``P`` for a part, ``F`` for the last one); Docker's json-file driver, whose
parts are 16 KiB long and lack the line end at the end of ``log``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from breachscope.errors import counted

_CRI = re.compile(rb"(\d{4}-\d\d-\d\dT[\d:]{8}\.\d+(?:Z|[+-]\d\d:\d\d) (std(?:out|err)) )([PF](?::[^ ]*)?) (.*)", re.DOTALL)
_DOCKER = re.compile(rb'\{"log":"((?:[^"\\]|\\.)*)","stream":"(std(?:out|err))"(,(?:"attrs":\{[^{}]*\},)?"time":"[^"]*"\}\s*)', re.DOTALL)
_MAY_BE_PART = re.compile(rb' P[ :]|(?<!\\n)","stream":"std')
_LINES = re.compile(rb"[^\n]*\n|[^\n]+")
_PART_BYTES = 16 << 10
"""As much of a line Docker keeps in one part."""
_HELD_BYTES = 4 << 20
"""Of a longer line the parts are given out as they are."""


class ContainerRecords:
    """The lines of a container's log, whole again. Where none was cut, it is a text of lines like any other."""

    problem: str | None = None

    def __init__(self) -> None:
        self._joined = 0
        self._parts: dict[bytes, list[bytes]] = {}
        """Stream → the lines that hold the parts of a line so far."""

    @staticmethod
    def reads(head: bytes) -> bool:
        r"""Whether a text that begins so is such a log.

        >>> ContainerRecords.reads(b"2026-03-02T10:15:04.123456789+09:00 stdout F x\n"), ContainerRecords.reads(b"2026-03-02T10:15:04Z x\n")
        (True, False)
        """
        first = head.partition(b"\n")[0]
        return bool(_CRI.match(first) or _DOCKER.match(first))

    @property
    def name(self) -> str | None:
        return "log of a container whose runtime cut lines" if self._joined else None

    @property
    def remarks(self) -> tuple[str, ...]:
        told = counted(self._joined, "line was", "lines were")
        return (f"{told} joined of the parts that the container runtime had cut",) if self._joined else ()

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        held = b""
        for piece in pieces:
            held += piece
            end = held.rfind(b"\n") + 1 if len(held) <= _HELD_BYTES else len(held)
            data, held = held[:end], held[end:]
            yield b"".join(map(self._line, _LINES.findall(data))) if self._parts or _MAY_BE_PART.search(data) else data
        yield self._line(held)
        yield b"".join(b"".join(parts) for _, parts in sorted(self._parts.items()))

    def _line(self, line: bytes) -> bytes:
        """What to give out where this line stands: nothing for a part, the whole line for the last of its parts."""
        if cri := _CRI.match(line):
            stream, is_last = cri[2], cri[3].startswith(b"F")
        elif docker := _DOCKER.fullmatch(line):
            stream, is_last = docker[2], docker[1].endswith(rb"\n") or len(docker[1]) < _PART_BYTES
        else:
            return line
        parts = self._parts.get(stream, [])
        if is_last and not parts:
            return line
        parts = [*parts, line]
        if not is_last and sum(map(len, parts)) <= _HELD_BYTES:
            self._parts[stream] = parts
            return b""
        self._parts.pop(stream, None)
        if not is_last:
            return b"".join(parts)
        self._joined += 1
        return _whole(parts)


def _whole(parts: list[bytes]) -> bytes:
    """One line of its parts, with the time of the first."""
    texts = [found[4].removesuffix(b"\n") for part in parts if (found := _CRI.match(part))]
    if first := _CRI.match(parts[0]):
        return first[1] + b"F " + b"".join(texts) + b"\n"
    logs = [found for part in parts if (found := _DOCKER.fullmatch(part))]
    return b'{"log":"' + b"".join(found[1] for found in logs) + b'","stream":"' + logs[0][2] + b'"' + logs[0][3]
