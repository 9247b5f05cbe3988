"""From pieces of evidence to exposures, records and people: each counted once, under the best grade."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from breachscope.schema import EXPOSURES, GRADES, PEOPLE
from breachscope.scope.covers import EXCLUDED, POSSIBLE, Gives, merged_refs_sql
from breachscope.scope.customers import Customers
from breachscope.scope.database import Database
from breachscope.scope.datamap import KINDS, DataMap
from breachscope.scope.templates import loose_sql, quote

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
    """People by best grade. ``upper_bound`` adds records that name nobody: each may be a further person.

    ``least`` counts people once whose keys differ only in writing (width, case, outer spaces, leading zeros).
    """

    grades: GradeCounts
    upper_bound: int
    least: int


@dataclass(frozen=True)
class KindCounts:
    """People per kind of data, under the best grade with which that kind was given away."""

    kind: str
    grades: GradeCounts


def build_exposures(database: Database, datamap: DataMap, customers: Mapping[str, Customers], gives: Gives) -> None:
    """Make the tables ``exposed`` (one row per incident, record, person and grade), ``record_grades`` and ``person_grades``."""
    database.run("""
        CREATE TEMP TABLE gathered AS
        SELECT incident_id, table_index, unit, grade, list_sort(list_distinct(list(ref))) AS ref_list FROM entries GROUP BY ALL""")
    database.run(f"CREATE TEMP TABLE merged AS SELECT row_number() OVER (ORDER BY ref_list) AS fact, * FROM ({merged_refs_sql('gathered')})")
    database.create_from_table("given", _given(datamap, gives))
    # What merged evidence gives away: the union of its column sets, as columns and as a bit per kind.
    database.run("""
        CREATE TEMP TABLE facts AS
        SELECT m.fact, m.ref_list, m.reason, m.first_ts, m.last_ts, m.events, m.sample, g.columns, g.kinds
        FROM merged m JOIN (
            SELECT fact, list_sort(list_distinct(flatten(list(columns)))) AS columns, bit_or(kinds) AS kinds
            FROM (SELECT fact, unnest(gives) AS number FROM merged) JOIN given USING (number) GROUP BY fact) g USING (fact)""")
    database.run("""
        CREATE TEMP TABLE candidates AS
        SELECT g.incident_id, g.table_index, g.unit, g.grade, f.fact, count(*) OVER (PARTITION BY g.incident_id, g.table_index, g.unit) AS grades
        FROM gathered g JOIN facts f USING (ref_list)""")
    rows = " UNION ALL ".join(f"SELECT {c.index} AS table_index, row_id AS unit, record, person FROM {c.rows} WHERE row_id = unit" for c in customers.values())
    # Weaker evidence for the same record adds nothing where stronger evidence already covers its columns.
    database.run(f"""
        CREATE TEMP TABLE exposed AS
        WITH kept AS (
            SELECT incident_id, table_index, unit, grade, fact FROM candidates WHERE grades = 1
            UNION ALL
            SELECT w.incident_id, w.table_index, w.unit, w.grade, w.fact
            FROM (SELECT c.*, f.columns FROM candidates c JOIN facts f USING (fact) WHERE grades > 1) w
            WHERE NOT EXISTS (
                SELECT 1 FROM candidates s JOIN facts f USING (fact)
                WHERE s.grades > 1 AND s.incident_id = w.incident_id AND s.table_index = w.table_index AND s.unit = w.unit AND s.grade < w.grade
                  AND (w.grade = {EXCLUDED} OR list_has_all(f.columns, w.columns))))
        SELECT k.*, n.record, n.person, f.kinds FROM kept k JOIN ({rows}) n USING (table_index, unit) JOIN facts f USING (fact)""")
    for name in ("gathered", "merged", "given", "candidates"):
        database.run(f"DROP TABLE {name}")
    database.run("CREATE TEMP TABLE record_grades AS SELECT table_index, record, person, min(grade) AS grade FROM exposed GROUP BY ALL")
    database.run("CREATE TEMP TABLE person_grades AS SELECT person, min(grade) AS grade FROM record_grades WHERE person IS NOT NULL GROUP BY person")


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
    """Stream the rows of ``exposures.parquet``."""
    kinds = _kind_lists_sql()
    for batch in database.batches(f"""
        SELECT e.incident_id, {_table_name_sql(customers, "e.table_index")} AS "table", e.record, e.person,
               {_grade_name_sql("e.grade")} AS grade, f.reason, f.columns, {kinds} AS data_kinds,
               make_timestamp(f.first_ts) AS first_ts, make_timestamp(f.last_ts) AS last_ts,
               list_transform(f.sample, lambda s: s.event_id) AS event_ids, f.events
        FROM exposed e JOIN facts f USING (fact)
        ORDER BY e.table_index, e.grade, length(e.record), e.record, e.person, e.incident_id"""):
        yield _cast(batch, EXPOSURES.arrow)


def people_batches(database: Database, customers: Mapping[str, Customers]) -> Iterator[pa.RecordBatch]:
    """Stream the rows of ``people.parquet``."""
    tables = f"[{', '.join(quote(name) for name in sorted(customers))}]"
    bit_of = {c.index: sorted(customers).index(name) for name, c in customers.items()}
    table_bit = " ".join(f"WHEN {index} THEN {1 << bit}" for index, bit in bit_of.items())
    for batch in database.batches(f"""
        WITH per_record AS (
            SELECT person, table_index, record, min(grade) AS grade, bit_or(x.kinds) FILTER (grade < {EXCLUDED}) AS kinds,
                   list(DISTINCT incident_id) FILTER (grade < {EXCLUDED}) AS incidents, min(f.first_ts) AS first_ts,
                   max(f.last_ts) AS last_ts
            FROM (SELECT person, table_index, record, grade, kinds, incident_id, fact FROM exposed WHERE person IS NOT NULL) x JOIN facts f USING (fact)
            GROUP BY person, table_index, record),
        per_person AS (
            SELECT person, min(grade) AS grade, bit_or(CASE table_index {table_bit} END) AS table_bits, coalesce(bit_or(kinds), 0) AS kinds,
                   count(*) FILTER (grade < {EXCLUDED}) AS records, list_sort(list_distinct(flatten(list(incidents)))) AS incidents,
                   min(first_ts) AS first_ts, max(last_ts) AS last_ts
            FROM per_record GROUP BY person)
        SELECT person, {_grade_name_sql("grade")} AS grade, {_bits_sql("table_bits", tables, len(customers))} AS tables,
               {_kind_lists_sql("kinds")} AS data_kinds, records, coalesce(incidents, []) AS incidents,
               make_timestamp(first_ts) AS first_ts, make_timestamp(last_ts) AS last_ts
        FROM per_person e ORDER BY e.grade, length(person), person"""):
        yield _cast(batch, PEOPLE.arrow)


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = [_as_utc(column) if pa.types.is_timestamp(field.type) else column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _as_utc(column: pa.Array) -> pa.Array:
    return column.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _grade_name_sql(grade: str) -> str:
    return f"[{', '.join(quote(g) for g in GRADES)}][{grade} + 1]"


def _table_name_sql(customers: Mapping[str, Customers], index: str) -> str:
    names = sorted(customers.values(), key=lambda c: c.index)
    return f"[{', '.join(quote(c.table.name) for c in names)}][{index} + 1]"


def _kind_lists_sql(bits: str = "e.kinds") -> str:
    return _bits_sql(bits, f"[{', '.join(quote(k) for k in _KIND_BITS)}]", len(_KIND_BITS))


def _bits_sql(bits: str, names: str, size: int) -> str:
    """Return the names whose bits are set; a join on the few distinct sets would be faster, but this stays in one expression."""
    return f"list_sort(list_filter({names}, lambda name, i: ({bits} >> (i - 1)::BIGINT) & 1 = 1))" if size else "[]"


def count_people(database: Database, customers: Mapping[str, Customers], incident: str | None = None) -> PeopleCounts:
    """Count people over the whole case, or over one incident's own exposures."""
    about_people = ", ".join(str(c.index) for c in customers.values() if c.table.person) or "-1"
    nobody = f"person IS NULL AND grade < {EXCLUDED} AND table_index IN ({about_people})"
    if incident is None:
        grades = _grade_counts(database, "person_grades")
        exposed = f"SELECT person FROM person_grades WHERE grade < {EXCLUDED}"
        nameless = f"SELECT count(*) FROM record_grades WHERE {nobody}"
    else:
        own = f"SELECT person, min(grade) AS grade FROM exposed WHERE incident_id = {quote(incident)} AND person IS NOT NULL GROUP BY person"
        grades = _grade_counts(database, f"({own})")
        exposed = f"SELECT person FROM ({own}) WHERE grade < {EXCLUDED}"
        nameless = f"SELECT count(DISTINCT (table_index, record)) FROM exposed WHERE incident_id = {quote(incident)} AND {nobody}"
    least = int(database.value(f"SELECT count(DISTINCT {loose_sql('person')}) FROM ({exposed})"))
    return PeopleCounts(grades, grades.exposed + int(database.value(nameless)), least)


def count_records(database: Database, customers: Customers) -> GradeCounts:
    """Count records, by key, of one table."""
    return _grade_counts(database, f"(SELECT record, min(grade) AS grade FROM record_grades WHERE table_index = {customers.index} GROUP BY record)")


def count_kinds(database: Database) -> list[KindCounts]:
    """Count people per kind of data, in the order of KINDS, kinds that concern somebody only."""
    used = int(database.value("SELECT coalesce(bit_or(kinds), 0) FROM exposed"))
    masks = ", ".join(f"coalesce(bit_or(kinds) FILTER (grade <= {g}), 0) AS upto_{g}" for g in range(POSSIBLE + 1))
    bits = [bit for bit in _KIND_BITS.values() if used >> bit & 1]
    if not bits:
        return []
    sums = ", ".join(f"coalesce(sum((upto_{g} >> {bit}) & 1), 0)::BIGINT" for bit in bits for g in range(POSSIBLE + 1))
    totals = database.rows(f"SELECT {sums} FROM (SELECT person, {masks} FROM exposed WHERE person IS NOT NULL GROUP BY person)")[0]
    kinds = list(_KIND_BITS)
    found = []
    for i, bit in enumerate(bits):
        confirmed, probable, possible = totals[3 * i : 3 * i + 3]
        if possible:
            found.append(KindCounts(kinds[bit], GradeCounts(confirmed, probable - confirmed, possible - probable, 0)))
    return found


def _grade_counts(database: Database, rows: str) -> GradeCounts:
    counted = dict(database.rows(f"SELECT grade, count(*) FROM {rows} GROUP BY grade"))
    return GradeCounts(*(int(counted.get(g, 0)) for g in range(len(GRADES))))
