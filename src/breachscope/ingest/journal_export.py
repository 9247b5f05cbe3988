"""The systemd journal as ``journalctl -o export`` writes it, each entry a line of JSON as ``journalctl -o json`` writes it.

An entry is a line for each of its fields, ``NAME=value``, and an empty line behind the last. A value that is no plain text, or
one of several lines, stands behind its name on a line of its own, the value's length in 64 bits and before another line
end, so whatever it holds, no program can write what looks like an entry. One that is no UTF-8 is read in the encoding that fits.

Source: https://systemd.io/JOURNAL_EXPORT_FORMATS/.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from breachscope.ingest.encoding import first_fit
from breachscope.ingest.xml_records import json_line, on_one_line

_HELD_BYTES = 32 << 20
"""No entry of a login is as long; such as hold the memory of a crashed program are."""
_BEGIN = re.compile(rb"__(?:CURSOR|SEQNUM|REALTIME_TIMESTAMP|MONOTONIC_TIMESTAMP)=[^\n]*\n")
_NAME = re.compile(rb"[A-Z0-9_]{1,64}")
_LENGTH_BYTES = 8


class _OutOfStepError(ValueError):
    """What stands here is no field."""


class ExportRecords:
    """The entries of such an export. One that does not end is rejected; so is, as one line, all that stands behind what is no field."""

    name = "systemd journal written by journalctl -o export"
    problem: str | None = None
    remarks: tuple[str, ...] = ()

    @staticmethod
    def reads(head: bytes) -> bool:
        r"""Whether an input that begins so is such an export.

        >>> ExportRecords.reads(b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1\n"), ExportRecords.reads(b'{"__CURSOR":"s=1"}\n')
        (True, False)
        """
        return _BEGIN.match(head) is not None

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        held = b""
        for piece in pieces:
            held = yield from self._cut(held + piece)
            if not self.problem and len(held) > _HELD_BYTES:
                self.problem = f"an entry of the journal is longer than {_HELD_BYTES >> 20} MiB; it and what follows were not read"
            if self.problem:
                break
        yield on_one_line(held)  # a single line, however long the rest is
        for piece in pieces:
            yield on_one_line(piece)

    def _cut(self, held: bytes) -> Generator[bytes, None, bytes]:
        """Give out the whole entries; return the rest."""
        begin = 0
        try:
            while entry := _entry(held, begin):
                fields, begin = entry
                yield json_line({name: told if len(told) > 1 else told[0] for name, told in fields.items()}) if fields else b""
        except _OutOfStepError:
            self.problem = "the export of the journal was changed or damaged: what stands where a field must is none; what follows was not read"
        return held[begin:]


def _entry(held: bytes, begin: int) -> tuple[dict[str, list[str]], int] | None:
    """The fields of the entry that begins there, a name may have several, and where it ends; None where its end is not held yet."""
    fields: dict[str, list[str]] = {}
    while (end := held.find(b"\n", begin)) >= 0:
        if end == begin:
            return fields, end + 1
        name, is_text, value = held[begin:end].partition(b"=")
        if not _NAME.fullmatch(name):
            raise _OutOfStepError
        if not is_text:
            since = end + 1 + _LENGTH_BYTES
            end = since + int.from_bytes(held[end + 1 : since], "little")
            if end >= len(held):
                return None
            if held[end : end + 1] != b"\n":
                raise _OutOfStepError
            value = held[since:end]
        fields.setdefault(name.decode(), []).append(first_fit(value)[0])
        begin = end + 1
    return None
