"""From pieces of evidence to exposures, records and people: each counted once, under the best grade."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from breachscope.schema import EXPOSURES, GRADES, PEOPLE
from breachscope.scope.covers import EXCLUDED, POSSIBLE, Gives, merged_refs_sql
from breachscope.scope.customers import Customers
from breachscope.scope.database import Database
from breachscope.scope.datamap import DataMap
from breachscope.scope.personal_data import KINDS
from breachscope.scope.templates import loose_sql, quote

_MOST_BITS = 62
"""Bits of a BIGINT that are surely positive."""
_EXPOSING = range(EXCLUDED)
"""The grades of what was given away."""
_KIND_BITS = {kind: bit for bit, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class GradeCounts:
    """How many of something, by best grade."""

    confirmed: int
    probable: int
    possible: int
    excluded: int

    @property
    def exposed(self) -> int:
        return self.confirmed + self.probable + self.possible


@dataclass(frozen=True)
class PeopleCounts:
    """People by best grade. ``upper_bound`` adds records that name nobody and keys that were answered but are not in a table: each
    may be a further person; None where no incident was found, for then nothing bounds it.

    ``least`` counts people once whose keys differ only in writing (width, case, outer spaces, leading zeros); None where it was not
    counted.
    """

    grades: GradeCounts
    upper_bound: int | None
    least: int | None


@dataclass(frozen=True)
class KindCounts:
    """People per kind of data, under the best grade with which that kind was given away."""

    kind: str
    grades: GradeCounts


def build_exposures(database: Database, datamap: DataMap, customers: Mapping[str, Customers], gives: Gives) -> None:
    """Make ``exposed`` (one row per incident, unit and grade), ``facts`` about them, ``record_grades`` and ``people``.

    The row of ``exposed`` that gives a record its grade ``leads``.
    """
    _merge_entries(database)
    _make_facts(database, datamap, gives)
    _make_exposed(database)
    for name in ("records", "grouped", "several", "gathered", "merged", "given", "column_sets"):
        database.run(f"DROP TABLE {name}")
    database.run("CREATE TEMP VIEW record_grades AS SELECT table_index, unit, grade FROM exposed WHERE leads")
    _gather_people(database, customers)


def _merge_entries(database: Database) -> None:
    """Make of ``entries`` and ``refs`` the tables ``records``, ``gathered`` and ``merged``: evidence of one grade for one record becomes one."""
    # Most records have a single entry: only the others are gathered and compared.
    database.run("""
        CREATE TEMP TABLE records AS
        SELECT table_index, unit, count(*) AS entries, min(incident_no) AS incident_no, min(grade) AS grade, min(ref) AS ref
        FROM entries GROUP BY table_index, unit""")
    database.run("""
        CREATE TEMP TABLE grouped AS
        SELECT incident_no, table_index, unit, grade, min(ref) AS ref, max(ref) AS last_ref
        FROM entries SEMI JOIN (FROM records WHERE entries > 1) r USING (table_index, unit) GROUP BY incident_no, table_index, unit, grade""")
    database.run("""
        CREATE TEMP TABLE several AS
        SELECT incident_no, table_index, unit, grade, list_sort(list_distinct(list(ref))) AS ref_list
        FROM entries SEMI JOIN (SELECT * FROM grouped WHERE ref < last_ref) g USING (incident_no, table_index, unit, grade) GROUP BY ALL""")
    database.run("DROP TABLE entries")
    database.run(f"""
        CREATE TEMP TABLE merged AS
        SELECT row_number() OVER (ORDER BY ref, ref_list) - 1 AS fact, *
        FROM (SELECT NULL::BIGINT AS ref, * FROM ({merged_refs_sql("several")})
              UNION ALL
              SELECT ref, NULL, reason, gives, first_ts, last_ts, events, sample FROM refs
              WHERE ref IN (SELECT ref FROM records WHERE entries = 1 UNION ALL SELECT ref FROM grouped WHERE ref = last_ref))""")
    database.run("""
        CREATE TEMP TABLE gathered AS
        SELECT g.incident_no, g.table_index, g.unit, g.grade, m.fact FROM grouped g JOIN merged m ON m.ref = g.ref WHERE g.ref = g.last_ref
        UNION ALL
        SELECT s.incident_no, s.table_index, s.unit, s.grade, m.fact FROM several s JOIN merged m ON m.ref_list = s.ref_list""")


def _make_facts(database: Database, datamap: DataMap, gives: Gives) -> None:
    """Make ``facts`` of ``merged``, and ``column_sets``: which sets of columns hold which others."""
    database.create_from_table("given", _given(datamap, gives))
    # What merged evidence gives away: the union of its column sets, as columns and as a bit per kind.
    database.run("""
        CREATE TEMP TABLE facts AS
        SELECT m.fact, m.ref, m.reason, m.first_ts, m.last_ts, m.events, list_transform(m.sample, lambda s: s.event_id) AS event_ids,
               g.columns, g.kinds, dense_rank() OVER (ORDER BY g.columns) AS column_set
        FROM merged m JOIN (
            SELECT fact, list_sort(list_distinct(flatten(list(columns)))) AS columns, bit_or(kinds) AS kinds
            FROM (SELECT fact, unnest(gives) AS number FROM merged) JOIN given USING (number) GROUP BY fact) g USING (fact)""")
    database.run("""
        CREATE TEMP TABLE column_sets AS
        WITH sets AS (SELECT DISTINCT column_set, columns FROM facts)
        SELECT a.column_set, list(b.column_set) AS supersets FROM sets a JOIN sets b ON list_has_all(b.columns, a.columns) GROUP BY a.column_set""")


def _make_exposed(database: Database) -> None:
    """Make ``exposed``."""
    # Weaker evidence for the same record adds nothing where stronger evidence already covers its columns.
    database.run(f"""
        CREATE TEMP TABLE exposed AS
        SELECT incident_no, table_index, unit, grade, fact, kinds, leads
        FROM (
            SELECT g.incident_no, g.table_index, g.unit, g.grade, f.fact, f.kinds, c.supersets,
                   lag(f.column_set, 1) OVER better AS better_1, lag(f.column_set, 2) OVER better AS better_2,
                   row_number() OVER (PARTITION BY g.table_index, g.unit ORDER BY g.grade, g.incident_no) = 1 AS leads
            FROM gathered g JOIN facts f USING (fact) JOIN column_sets c USING (column_set)
            WINDOW better AS (PARTITION BY g.incident_no, g.table_index, g.unit ORDER BY g.grade))
        WHERE better_1 IS NULL
           OR (grade < {EXCLUDED} AND NOT list_contains(supersets, better_1) AND (better_2 IS NULL OR NOT list_contains(supersets, better_2)))
        UNION ALL
        SELECT r.incident_no, r.table_index, r.unit, r.grade, f.fact, f.kinds, true FROM records r JOIN facts f USING (ref) WHERE r.entries = 1""")


def _gather_people(database: Database, customers: Mapping[str, Customers]) -> None:
    """Make ``people``: grade, exposed records, and bits of tables, of kinds given away under each grade or a better one, and of incidents."""
    about = " UNION ALL ".join(
        f"SELECT n.person, {1 << bit} AS table_bit, e.grade, e.leads, e.kinds, e.incident_no, e.fact "
        f"FROM exposed e JOIN {customers[name].rows} n ON n.row_id = e.unit WHERE e.table_index = {customers[name].index} AND n.person IS NOT NULL"
        for bit, name in enumerate(sorted(customers))
    )
    kinds = ", ".join(f"coalesce(bit_or(a.kinds) FILTER (a.grade <= {g}), 0) AS kinds_{g}" for g in _EXPOSING)
    incidents = "bit_or(1::BIGINT << a.incident_no)" if _has_bit_per_incident(database) else "list(DISTINCT a.incident_no)"
    database.run(f"""
        CREATE TEMP TABLE people AS
        SELECT a.person, min(a.grade) AS grade, count(*) FILTER (a.leads AND a.grade < {EXCLUDED}) AS records, bit_or(a.table_bit) AS tables, {kinds},
               {incidents} FILTER (a.grade < {EXCLUDED}) AS incidents, min(f.first_ts) AS first_ts, max(f.last_ts) AS last_ts
        FROM ({about}) a JOIN facts f USING (fact) GROUP BY a.person""")


def _has_bit_per_incident(database: Database) -> bool:
    return int(database.value("SELECT count(*) FROM incidents")) <= _MOST_BITS


def _given(datamap: DataMap, gives: Gives) -> pa.Table:
    numbers, columns, kinds = [], [], []
    for number, (table, names) in gives.items().items():
        numbers.append(number)
        columns.append(list(names))
        known = datamap.tables[table].columns
        kinds.append(sum(1 << bit for bit in {_KIND_BITS[known[name]] for name in names if name in known}))
    schema = pa.schema([("number", pa.int32()), ("columns", pa.list_(pa.string())), ("kinds", pa.int64())])
    return pa.table([numbers, columns, kinds], schema=schema)


def exposure_batches(database: Database, customers: Mapping[str, Customers]) -> Iterator[pa.RecordBatch]:
    """Stream the rows of ``exposures.parquet``, by table, grade and place in the table."""
    facts = database.arrow(f"""
        SELECT reason, columns, {_kind_names_sql("kinds")} AS data_kinds, first_ts, last_ts, event_ids, events FROM facts ORDER BY fact""").combine_chunks()
    incidents = database.arrow("SELECT incident_id FROM incidents ORDER BY incident_no")["incident_id"]
    for customer in customers.values():
        for batch in database.batches(f"""
            SELECT e.incident_no, n.record, n.person, e.grade, e.fact FROM exposed e JOIN {customer.rows} n ON n.row_id = e.unit
            WHERE e.table_index = {customer.index} ORDER BY e.grade, e.unit, e.incident_no"""):
            told = facts.take(batch["fact"])
            yield _batch(
                EXPOSURES.arrow,
                incident_id=incidents.take(batch["incident_no"]),
                table=pa.repeat(customer.table.name, batch.num_rows),
                record=batch["record"],
                person=batch["person"],
                grade=_GRADE_NAMES.take(batch["grade"]),
                **{name: told[name] for name in facts.column_names},
            )


def people_batches(database: Database, customers: Mapping[str, Customers]) -> Iterator[pa.RecordBatch]:
    """Stream the rows of ``people.parquet``, by grade and key."""
    key = f"tables, kinds_{POSSIBLE}, incidents"
    database.run(f"""
        CREATE TEMP TABLE sets AS SELECT row_number() OVER (ORDER BY {key}) - 1 AS set_no, * FROM (SELECT DISTINCT {key} FROM people)""")
    by_bit = "list_filter(ids, lambda id, i: (incidents >> (i - 1)::BIGINT) & 1 = 1)"
    chosen = by_bit if _has_bit_per_incident(database) else "list_sort(list_transform(incidents, lambda n: ids[n + 1]))"
    sets = database.arrow(f"""
        SELECT {_bit_names_sql("tables", sorted(customers))} AS tables, {_kind_names_sql(f"kinds_{POSSIBLE}")} AS data_kinds,
               coalesce({chosen}, []) AS incidents
        FROM sets, (SELECT list(incident_id ORDER BY incident_no) AS ids FROM incidents) ORDER BY set_no""").combine_chunks()
    same = " AND ".join(f"s.{column} IS NOT DISTINCT FROM p.{column}" for column in key.split(", "))
    for batch in database.batches(f"""
        SELECT p.person, p.grade, p.records, s.set_no, p.first_ts, p.last_ts FROM people p JOIN sets s ON {same} ORDER BY p.grade, p.person"""):
        told = sets.take(batch["set_no"])
        given = {name: batch[name] for name in ("person", "records", "first_ts", "last_ts")}
        yield _batch(PEOPLE.arrow, grade=_GRADE_NAMES.take(batch["grade"]), **given, **{name: told[name] for name in sets.column_names})


_GRADE_NAMES = pa.array(GRADES)


def _batch(schema: pa.Schema, **columns: pa.Array | pa.ChunkedArray) -> pa.RecordBatch:
    """Make a batch of ``schema``; times come as microseconds."""
    arrays = []
    for column in schema:
        values = columns[column.name]
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        arrays.append(array.cast(column.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _kind_names_sql(bits: str) -> str:
    return _bit_names_sql(bits, list(_KIND_BITS))


def _bit_names_sql(bits: str, names: Sequence[str]) -> str:
    """Return the sorted names whose bits are set."""
    listed = f"[{', '.join(quote(name) for name in names)}]"
    return f"list_sort(list_filter({listed}, lambda name, i: ({bits} >> (i - 1)::BIGINT) & 1 = 1))"


def count_people(database: Database, customers: Mapping[str, Customers]) -> PeopleCounts:
    """Count people over the whole case."""
    grades = _grade_counts(database, "people")
    nameless = sum(_count_nameless(database, c, "record_grades") for c in customers.values())
    least = int(database.value(f"SELECT count(DISTINCT {loose_sql('person')}) FROM people WHERE grade < {EXCLUDED}"))
    is_bounded = bool(database.value("SELECT count(*) FROM incidents"))
    return PeopleCounts(grades, grades.exposed + nameless + _count_unknown(database, customers) if is_bounded else None, least)


def count_people_of(database: Database, customers: Mapping[str, Customers], incident: str) -> PeopleCounts:
    """Count people over one incident's own exposures."""
    own = f"(SELECT e.* FROM exposed e JOIN incidents USING (incident_no) WHERE incident_id = {quote(incident)})"
    if database.value(f"SELECT count(*) FROM {own}") == database.value("SELECT count(*) FROM exposed"):
        grades = _grade_counts(database, "people")
    else:
        people = " UNION ALL ".join(
            f"SELECT n.person, o.grade FROM {own} o JOIN {c.rows} n ON n.row_id = o.unit WHERE o.table_index = {c.index} AND n.person IS NOT NULL"
            for c in customers.values()
        )
        grades = _grade_counts(database, f"(SELECT person, min(grade) AS grade FROM ({people}) GROUP BY person)")
    nameless = sum(_count_nameless(database, c, own) for c in customers.values())
    return PeopleCounts(grades, grades.exposed + nameless + _count_unknown(database, customers, f"incident_id = {quote(incident)}"), None)


def _count_nameless(database: Database, customers: Customers, units: str) -> int:
    """Exposed records of a table about people that name nobody."""
    if customers.table.person is None or not customers.counts.null_people:
        return 0
    return int(
        database.value(f"""
            SELECT count(DISTINCT n.record) FROM {units} u JOIN {customers.rows} n ON n.row_id = u.unit
            WHERE u.table_index = {customers.index} AND u.grade < {EXCLUDED} AND n.person IS NULL""")
    )


def _count_unknown(database: Database, customers: Mapping[str, Customers], condition: str = "true") -> int:
    """Keys of tables about people that were answered with a record though no row of today has them."""
    about_people = ", ".join(str(c.index) for c in customers.values() if c.table.person is not None) or "-1"
    return int(
        database.value(f"""
            SELECT count(*) FROM (SELECT DISTINCT table_index, key FROM unknown_keys WHERE {condition} AND table_index IN ({about_people}))""")
    )


def count_records(database: Database, customers: Customers) -> GradeCounts:
    """Count records, by key, of one table."""
    own = f"SELECT unit, grade FROM record_grades WHERE table_index = {customers.index}"
    if customers.counts.duplicate_keys:
        own = f"SELECT n.record, min(o.grade) AS grade FROM ({own}) o JOIN {customers.rows} n ON n.row_id = o.unit GROUP BY n.record"
    return _grade_counts(database, f"({own})")


def count_kinds(database: Database) -> list[KindCounts]:
    """Count people per kind of data, in the order of KINDS, kinds that concern somebody only."""
    sums = ", ".join(f"coalesce(sum(((kinds_{g} >> {bit}) & 1) * people), 0)::BIGINT" for bit in _KIND_BITS.values() for g in _EXPOSING)
    # Most people share a few patterns of what was given away: the bits are summed over the patterns.
    patterns = f"SELECT {', '.join(f'kinds_{g}' for g in _EXPOSING)}, count(*) AS people FROM people GROUP BY ALL"
    totals = database.rows(f"SELECT {sums} FROM ({patterns})")[0]
    found = []
    for kind, bit in _KIND_BITS.items():
        confirmed, probable, possible = totals[3 * bit : 3 * bit + 3]
        if possible:
            found.append(KindCounts(kind, GradeCounts(confirmed, probable - confirmed, possible - probable, 0)))
    return found


def _grade_counts(database: Database, rows: str) -> GradeCounts:
    counted = dict(database.rows(f"SELECT grade, count(*) FROM {rows} GROUP BY grade"))
    return GradeCounts(*(int(counted.get(g, 0)) for g in range(len(GRADES))))
