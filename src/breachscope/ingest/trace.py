"""From an event back to the line that it was read from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from breachscope.case import Case, Source
from breachscope.errors import CaseError, UsageError
from breachscope.ingest.encoding import Encoding, decode_line
from breachscope.ingest.sources import Stream, read_lines_at
from breachscope.schema import locate_event


@dataclass(frozen=True)
class RawLine:
    """One line as it stands in an input."""

    source: Source
    line: int
    raw: bytes

    @property
    def text(self) -> str:
        """The line decoded as ingest decodes it."""
        return decode_line(self.raw)

    def as_json(self) -> dict[str, object]:
        return {"source": self.source.id, "path": self.source.path, "line": self.line, "raw": self.text}


def read_raw_line(case: Case, event_id: int) -> RawLine:
    """The raw line of an event, from the original input. Raises UsageError for an unknown event, CaseError when the input is gone or changed."""
    source_id, line = locate_event(event_id)
    source = next((s for s in case.sources() if s.id == source_id), None)
    if source is None or not 1 <= line <= source.lines:
        raise UsageError(f"there is no event {event_id} in this case; take an id from 'breachscope query' or a finding")
    path = Path(source.path)
    if not path.is_file():
        raise CaseError("is gone; put the original back to trace its lines", path=path)
    index = pq.read_table(case.path / f"index/{source_id}.parquet").to_pydict()
    stream = Stream(path, source.compression, _encoding(source), b"\r" if source.newline == "CR" else b"\n")
    raw = read_lines_at(stream, list(zip(index["line"], index["offset"], strict=True)), line)
    if raw is None:
        raise CaseError(f"no longer has line {line}: it was changed after the ingest; see 'breachscope verify'", path=path)
    return RawLine(source, line, raw)


def _encoding(source: Source) -> Encoding:
    for known in ("utf-8", "cp932", "utf-16-le", "utf-16-be"):
        if source.encoding == known:
            return known
    raise CaseError(f"names an encoding that this version does not know ({source.encoding})", path=source.path)
