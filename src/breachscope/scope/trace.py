"""From a person or a record back to its exposures and the events behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow.compute as pc
import pyarrow.parquet as pq

from breachscope.case import Case
from breachscope.errors import UsageError


@dataclass(frozen=True)
class Exposure:
    """One row of ``exposures.parquet``; ``event_ids`` are at most 20 of ``events``."""

    incident_id: str
    table: str
    record: str
    person: str | None
    grade: str
    reason: str
    columns: tuple[str, ...]
    data_kinds: tuple[str, ...]
    first_ts: datetime | None
    last_ts: datetime | None
    event_ids: tuple[int, ...]
    events: int


def trace_person(case: Case, person: str) -> Sequence[Exposure]:
    """Return the exposures of a person, best grade first. Raises UsageError when the case has none."""
    found = _read(case, pc.field("person") == person)
    if not found:
        raise UsageError("no exposure of this person is in the case; the key must be written as in the customer table")
    return found


def trace_record(case: Case, table: str, key: str) -> Sequence[Exposure]:
    """Return the exposures of a record, best grade first. Raises UsageError when the case has none."""
    found = _read(case, (pc.field("table") == table) & (pc.field("record") == key))
    if not found:
        raise UsageError(f"no exposure of this record of table {table!r} is in the case; the key must be written as in the table")
    return found


def _read(case: Case, condition: pc.Expression) -> list[Exposure]:
    path = case.path / "exposures.parquet"
    if not path.is_file():
        raise UsageError(f"the case has no exposures yet; run 'breachscope scope --case {case.path} --map MAP' first")
    rows = pq.read_table(path, filters=condition).to_pylist()
    found = [
        Exposure(**{**row, "columns": tuple(row["columns"]), "data_kinds": tuple(row["data_kinds"]), "event_ids": tuple(row["event_ids"] or ())})
        for row in rows
    ]
    order = ("confirmed", "probable", "possible", "excluded")
    return sorted(found, key=lambda e: (order.index(e.grade), e.table, e.record, e.incident_id))
