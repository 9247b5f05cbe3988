"""From a number back to the raw lines behind it: person → exposures → events → lines of the original file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow.compute as pc
import pyarrow.parquet as pq

from breachscope.case import Case
from breachscope.errors import UsageError
from breachscope.ingest import RawLine, read_raw_line
from breachscope.schema import EVENT_ID_LINE_FACTOR, EVENT_ID_SOURCE_FACTOR

FILES_READ: Mapping[str, tuple[str, ...]] = {
    "person": ("exposures.parquet",),
    "record": ("exposures.parquet",),
    "finding": ("findings.parquet", "evidence.parquet"),
    "event": (),
}
"""Which results each kind of question reads, besides the manifest."""


def trace_reasons(case: Case, kind: str, identifier: str) -> tuple[list[dict[str, str]], list[int]]:
    """Why the case speaks of a person, record (``TABLE:KEY``), finding or event (id or ``SOURCE:LINE``), and the event ids behind it.

    Raises UsageError when the case does not know it.
    """
    if kind == "event":
        return [], [_event_id(identifier)]
    if kind == "finding":
        return _trace_finding(case, identifier)
    from breachscope.scope import trace_person, trace_record  # heavy, and an event needs none of it

    if kind == "person":
        exposures = trace_person(case, identifier)
    else:
        table, separator, key = identifier.partition(":")
        if not separator:
            raise UsageError("a record is given as TABLE:KEY, for example customers:1042")
        exposures = trace_record(case, table, key)
    reasons = [
        {"incident": e.incident_id, "table": e.table, "record": e.record, "grade": e.grade, "reason": e.reason, "kinds": ", ".join(e.data_kinds)}
        for e in exposures
    ]  # fmt: skip
    return reasons, sorted({event for e in exposures for event in e.event_ids})


def _event_id(identifier: str) -> int:
    source, separator, line = identifier.partition(":")
    if not (source.isdecimal() and (line.isdecimal() if separator else True)):
        raise UsageError("an event is given by its id, or as SOURCE:LINE, both numbers as 'breachscope query' shows them")
    return int(source) * EVENT_ID_SOURCE_FACTOR + int(line) * EVENT_ID_LINE_FACTOR if separator else int(source)


def _trace_finding(case: Case, identifier: str) -> tuple[list[dict[str, str]], list[int]]:
    path, evidence_path = case.path / "findings.parquet", case.path / "evidence.parquet"
    if not (path.is_file() and evidence_path.is_file()):
        raise UsageError(f"the case has no findings yet; run 'breachscope detect --case {case.path}' first")
    findings = pq.read_table(path)
    rows = findings.filter(pc.field("finding_id") == identifier).to_pylist()
    if not rows:
        raise UsageError(f"the case has no finding {identifier!r}; see 'breachscope detect --case {case.path}'")
    row = rows[0]
    reason = {
        "incident": row["incident_id"],
        "detector": row["detector"],
        "level": row["level"],
        "actor": f"{row['actor_kind']} {row['actor']}",
        "measure": f"{row['measure']:,.12g} (threshold {row['threshold']:,.12g})",
    }
    evidence = pq.read_table(evidence_path, columns=["event_id", "finding_id"], filters=[("finding_id", "=", identifier)])
    return [reason], sorted(evidence["event_id"].to_pylist())


def trace_events(case: Case, event_ids: Sequence[int]) -> list[RawLine]:
    """The raw lines of events, in the order given. Raises as :func:`breachscope.ingest.read_raw_line` does."""
    return [read_raw_line(case, event_id) for event_id in event_ids]
