"""Exposures before they are counted: evidence for single records (points) and for ranges of rows (covers).

All of it ends in two tables in DuckDB::

    entries   incident_no, table_index, unit, grade, ref     one record, one grade, one piece of evidence
    refs      ref, reason, gives, first_ts, last_ts, events, sample

``gives`` is a list of numbers of column sets (:class:`Gives`), ``sample`` the first events as (ts, event_id). A range that
many rows share is one ref, so that an export of a million rows costs a million small entries and one ref. ``incidents`` numbers
the incidents (incident_no, incident_id) by id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from breachscope.schema import GRADES
from breachscope.scope.customers import Axis, Integers
from breachscope.scope.database import Database

CONFIRMED, PROBABLE, POSSIBLE, EXCLUDED = range(len(GRADES))
MAX_SAMPLE_EVENTS = 20

_COVERS = pa.schema(
    [
        ("incident_id", pa.string()),
        ("grade", pa.int8()),
        ("reason", pa.string()),
        ("gives", pa.int32()),
        ("lo", pa.int64()),
        ("hi", pa.int64()),
        ("t0", pa.int64()),
        ("t1", pa.int64()),
        ("event_id", pa.int64()),
    ]
)

_MERGE = f"""
    min_by(reason, struct_pack(a := first_ts, b := reason)) AS reason,
    list_sort(list_distinct(flatten(list(gives)))) AS gives, min(first_ts) AS first_ts, max(last_ts) AS last_ts, sum(events)::BIGINT AS events,
    list_sort(list_distinct(flatten(list(sample))))[:{MAX_SAMPLE_EVENTS}] AS sample"""
"""Several pieces of evidence as one; the reason is that of the earliest."""


class Gives:
    """Numbers the sets of columns that evidence gives away."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, tuple[str, ...]], int] = {}

    def number(self, table: str, columns: Sequence[str]) -> int:
        return self._numbers.setdefault((table, tuple(sorted(columns))), len(self._numbers))

    def items(self) -> Mapping[int, tuple[str, tuple[str, ...]]]:
        """Number → table, columns."""
        return {number: item for item, number in self._numbers.items()}


@dataclass
class Covers:
    """Ranges of positions on one axis, each covered by one event, or by a span of time without any event (``event_id`` None)."""

    axis: Axis
    _chunks: list[pa.Table] = field(default_factory=list)

    def add(self, incident_id: str, grade: int, reason: str, gives: int, lo: int, hi: int, t0: int, t1: int, event_id: int | None) -> None:
        """Cover positions ``lo`` to ``hi`` (exclusive) of the rows that exist between ``t0`` and ``t1``."""
        if lo < hi:
            row = (incident_id, grade, reason, gives, lo, hi, t0, t1, event_id)
            self._chunks.append(pa.table([[value] for value in row], schema=_COVERS))

    def add_answers(self, answers: Answers, grade: int, reason: str, gives: int, lo: Integers, hi: Integers) -> None:
        """Cover one range for each of many answers; what came from a shared address is possible at best."""
        chosen = np.flatnonzero(lo < hi)
        shared = answers.is_shared[chosen] & (grade < POSSIBLE)
        ts = answers.ts[chosen]
        columns = [
            answers.incident_id[chosen],
            np.where(shared, POSSIBLE, grade),
            np.where(shared, "shared_address", reason),
            np.full(len(chosen), gives),
            lo[chosen],
            hi[chosen],
            ts,
            ts,
            answers.event_id[chosen],
        ]
        arrays = [pa.array(values).cast(column.type) for values, column in zip(columns, _COVERS, strict=True)]
        self._chunks.append(pa.Table.from_arrays(arrays, schema=_COVERS))

    def table(self) -> pa.Table:
        return pa.concat_tables([_COVERS.empty_table(), *self._chunks])


@dataclass(frozen=True)
class Answers:
    """Successful answers as columns: who, which event, when (UTC microseconds)."""

    incident_id: npt.NDArray[np.str_]
    event_id: Integers
    ts: Integers
    is_shared: npt.NDArray[np.bool_]

    def __getitem__(self, chosen: Integers | npt.NDArray[np.bool_]) -> Answers:
        return Answers(self.incident_id[chosen], self.event_id[chosen], self.ts[chosen], self.is_shared[chosen])


def create_tables(database: Database, incident_ids: Sequence[str]) -> None:
    numbered = pa.table({"incident_no": pa.array(range(len(incident_ids)), pa.int32()), "incident_id": pa.array(sorted(incident_ids), pa.string())})
    database.create_from_table("incidents", numbered)
    database.run("CREATE TEMP TABLE entries (incident_no INTEGER, table_index INTEGER, unit BIGINT, grade TINYINT, ref BIGINT)")
    database.run("""
        CREATE TEMP TABLE refs (ref BIGINT, reason VARCHAR, gives INTEGER[], first_ts BIGINT, last_ts BIGINT, events BIGINT,
                                sample STRUCT(ts BIGINT, event_id BIGINT)[])""")
    database.run("""
        CREATE TEMP TABLE points (incident_id VARCHAR, table_index INTEGER, unit BIGINT, grade TINYINT, reason VARCHAR, gives INTEGER,
                                  ts BIGINT, event_id BIGINT)""")


def add_points(database: Database) -> None:
    """Turn ``points`` into entries."""
    database.run(f"""
        CREATE TEMP TABLE new_refs AS
        SELECT row_number() OVER (ORDER BY incident_id, table_index, unit, grade) + {_next_ref(database)} AS ref, *
        FROM (
            SELECT incident_id, table_index, unit, grade, {_MERGE}
            FROM (SELECT incident_id, table_index, unit, grade, reason, [gives] AS gives, ts AS first_ts, ts AS last_ts, 1 AS events,
                         [struct_pack(ts := ts, event_id := event_id)] AS sample
                  FROM (SELECT DISTINCT * FROM points))
            GROUP BY incident_id, table_index, unit, grade)""")
    _move_new_refs(database)
    database.run("INSERT INTO entries SELECT incident_no, table_index, unit, grade, ref FROM new_refs JOIN incidents USING (incident_id)")
    database.run("DROP TABLE new_refs")


def add_covers(database: Database, covers: Covers) -> None:
    """Turn the covers of one axis into entries: rows that exist all the time by segment, the others one by one."""
    rows = covers.table()
    if rows.num_rows == 0:
        return
    database.create_from_table("covers", rows)
    _add_standing_rows(database, covers.axis)
    _add_changing_rows(database, covers.axis)
    database.run("DROP TABLE covers")


def _add_standing_rows(database: Database, axis: Axis) -> None:
    """Add entries of table ``covers`` for the rows that exist all the time, by segment: between two bounds all rows have the same covers."""
    database.run(f"""
        CREATE TEMP TABLE cover_groups AS
        SELECT row_number() OVER (ORDER BY incident_id, grade, lo, hi, reason, gives) AS group_id, *
        FROM (
            SELECT incident_id, grade, reason, gives AS gave, lo, hi, [gives] AS gives, min(t0) AS first_ts, max(t1) AS last_ts, count(event_id) AS events,
                   list_sort(list(struct_pack(ts := t0, event_id := event_id)) FILTER (event_id IS NOT NULL))[:{MAX_SAMPLE_EVENTS}] AS sample
            FROM covers GROUP BY incident_id, grade, reason, gave, lo, hi)""")
    database.run("""
        CREATE TEMP TABLE segments AS
        SELECT incident_id, grade, bound AS lo, lead(bound) OVER (PARTITION BY incident_id, grade ORDER BY bound) AS hi
        FROM (SELECT incident_id, grade, lo AS bound FROM cover_groups UNION SELECT incident_id, grade, hi FROM cover_groups)""")
    database.run(f"""
        CREATE TEMP TABLE new_refs AS
        SELECT row_number() OVER (ORDER BY incident_id, grade, lo) + {_next_ref(database)} AS ref, *
        FROM (
            SELECT s.incident_id, s.grade, s.lo, s.hi, {_MERGE}
            FROM segments s JOIN cover_groups g ON g.incident_id = s.incident_id AND g.grade = s.grade AND g.lo <= s.lo AND g.hi >= s.hi
            GROUP BY s.incident_id, s.grade, s.lo, s.hi)""")
    _move_new_refs(database)
    database.run(f"""
        INSERT INTO entries
        SELECT i.incident_no, {axis.customers.index}, a.unit, s.grade, s.ref
        FROM new_refs s JOIN incidents i USING (incident_id) JOIN {axis.name} a ON a.pos >= s.lo AND a.pos < s.hi
        WHERE {axis.stable_sql}""")
    for name in ("new_refs", "segments", "cover_groups"):
        database.run(f"DROP TABLE {name}")


def _add_changing_rows(database: Database, axis: Axis) -> None:
    """Add entries of table ``covers`` for the rows that come or go, one by one."""
    early, late = axis.customers.doubt
    database.run(f"""
        CREATE TEMP TABLE new_refs AS
        SELECT row_number() OVER (ORDER BY incident_id, grade, unit) + {_next_ref(database)} AS ref, *
        FROM (
            SELECT incident_id, grade, unit, {_MERGE}
            FROM (
                SELECT c.incident_id, a.unit, c.reason, [c.gives] AS gives, c.t0 AS first_ts, c.t1 AS last_ts, (c.event_id IS NOT NULL)::INTEGER AS events,
                       CASE WHEN c.event_id IS NULL THEN NULL ELSE [struct_pack(ts := c.t0, event_id := c.event_id)] END AS sample,
                       CASE WHEN a.since <= c.t1 AND a.until > c.t0 THEN c.grade ELSE {POSSIBLE} END AS grade
                FROM covers c JOIN (SELECT * FROM {axis.name} WHERE NOT ({axis.stable_sql})) a ON a.pos >= c.lo AND a.pos < c.hi
                WHERE a.since - {early} <= c.t1 AND a.until + {late} > c.t0)
            GROUP BY incident_id, grade, unit)""")
    _move_new_refs(database)
    database.run(f"INSERT INTO entries SELECT incident_no, {axis.customers.index}, unit, grade, ref FROM new_refs JOIN incidents USING (incident_id)")
    database.run("DROP TABLE new_refs")


def _next_ref(database: Database) -> int:
    return int(database.value("SELECT coalesce(max(ref), 0) FROM refs"))


def _move_new_refs(database: Database) -> None:
    database.run("INSERT INTO refs SELECT ref, reason, gives, first_ts, last_ts, events, sample FROM new_refs")


def merged_refs_sql(refs: str) -> str:
    """Return the SELECT that merges each list of refs in the column ``ref_list`` of ``refs`` into one row of facts."""
    return f"""
        SELECT ref_list, {_MERGE}
        FROM (SELECT ref_list, unnest(ref_list) AS ref FROM (SELECT DISTINCT ref_list FROM {refs})) JOIN refs USING (ref)
        GROUP BY ref_list"""
