"""From an event back to the line that it was read from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast, get_args

import pyarrow.parquet as pq

from breachscope.case import Case, sha256_file
from breachscope.errors import CaseError, UsageError
from breachscope.ingest.archives import find_member
from breachscope.ingest.encoding import Encoding, decode_line
from breachscope.ingest.inputs import Input
from breachscope.ingest.streams import Stream, read_lines_at
from breachscope.manifest import Source
from breachscope.schema import locate_event

_HASHED_BYTES = 256 << 20
"""An input up to this size is hashed before a line of it is shown: it takes a fraction of a second."""


@dataclass(frozen=True)
class RawLine:
    """One line as it stands in an input."""

    source: Source
    line: int
    raw: bytes

    @property
    def text(self) -> str:
        """The line decoded as ingest decodes it."""
        return decode_line(self.raw, _encoding(self.source))

    def as_json(self) -> dict[str, object]:
        return {"source": self.source.id, "path": self.source.path, "line": self.line, "raw": self.text}


def read_raw_line(case: Case, event_id: int) -> RawLine:
    """The raw line of an event, from the original input or a copy of it.

    Raises UsageError for an unknown event, CaseError when the input is gone or changed.
    """
    source_id, line = locate_event(event_id)
    sources = case.sources()
    source = next((s for s in sources if s.id == source_id), None)
    if source is None or not 1 <= line <= source.lines:
        raise UsageError(f"there is no event {event_id} in this case; take an id from 'breachscope query' or a finding")
    copies = [source, *(s for s in sources if s is not source and s.content_sha256 == source.content_sha256)]
    holder = next((s for s in copies if _is_intact(s)), None)
    if holder is None:
        state = "was changed after the ingest; see 'breachscope verify'" if source.file.is_file() else "is gone; put the original back to trace its lines"
        raise CaseError(state, path=source.path)
    index = next((path for s in copies if (path := case.path / f"index/{s.id}.parquet").is_file()), None)
    blocks = pq.read_table(index).to_pydict() if index else {"line": [1], "offset": [0]}
    newline, records = b"\r" if holder.newline == "CR" else b"\n", None if holder.newline in ("LF", "CR") else holder.newline
    given = Input(holder.file) if holder.member is None else find_member(holder.file, holder.member)
    stream = Stream(given, holder.compression, _encoding(holder), newline, records=records)
    raw = read_lines_at(stream, list(zip(blocks["line"], blocks["offset"], strict=True)), line)
    if raw is None:
        raise CaseError(f"no longer has line {line}: it was changed after the ingest; see 'breachscope verify'", path=holder.path)
    return RawLine(source, line, raw)


def _is_intact(source: Source) -> bool:
    """Whether an input still begins with the bytes that were ingested; a large one with its old size and time is believed."""
    path = source.file
    try:
        stat = path.stat()
        if stat.st_size < source.size:
            return False
        is_untouched = stat.st_size == source.size and datetime.fromtimestamp(stat.st_mtime, UTC).isoformat() == source.mtime
        return (is_untouched and source.size > _HASHED_BYTES) or sha256_file(path, source.size) == source.sha256
    except OSError:
        return False


def _encoding(source: Source) -> Encoding:
    for known in get_args(Encoding):
        if source.encoding == known:
            return cast("Encoding", known)
    raise CaseError(f"names an encoding that this version does not know ({source.encoding})", path=source.path)
