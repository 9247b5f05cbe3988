"""The customer tables of a map, staged in DuckDB: keys, people, times of existence, orders and row sizes.

The staged table ``rows_<i>`` has one row per row of the source::

    row_id    0-based position in the source
    unit      row_id of the first row with the same record and person: what one exposure is about
    record    the key, or ``row:<n>`` where the key is empty
    person    whose data it is, with the population in front where the map names one; null where the row names nobody
    since     exists from here on (UTC microseconds); NEVER_BEFORE where unknown or always
    until     exists no longer from here on; NEVER_AFTER where unknown or still
    c<j>      further columns that slots and accounts are compared with
    smallest_<k>, likely_<k>, largest_<k>   bytes of the row in layout k
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from breachscope.errors import BreachscopeError, ContentErrors, TableError, did_you_mean
from breachscope.scope.database import Database
from breachscope.scope.datamap import DataMap, MapTable, OrderTerm, Route
from breachscope.scope.sizes import Layout, quotes_sql
from breachscope.scope.tables import SourceFacts, TableReader, open_table
from breachscope.scope.templates import quote

Integers = npt.NDArray[np.int64]

NEVER_BEFORE = -(1 << 62)
NEVER_AFTER = 1 << 62
HOUR = 3_600_000_000
ZONE_DOUBT_BEFORE = 14 * HOUR
"""A zone-less time read as UTC may lie this much earlier: the easternmost zone is UTC+14."""
ZONE_DOUBT_AFTER = 12 * HOUR
"""As above, later: the westernmost zone is UTC-12."""


@dataclass(frozen=True)
class TableCounts:
    """What is odd about a table, in rows."""

    rows: int
    people: int
    null_keys: int
    duplicate_keys: int
    """Rows whose key an earlier row already has."""
    null_people: int
    zoneless_times: int
    unreadable_times: int
    deleted_before_created: int


@dataclass(frozen=True)
class OrderedBy:
    """One term of an order as it was worked out; ``compared_as``: whole_number, number, time or text."""

    column: str
    compared_as: str
    descending: bool


@dataclass(frozen=True)
class Customers:
    """One staged table."""

    index: int
    table: MapTable
    facts: SourceFacts
    counts: TableCounts
    compared: Mapping[str, str]
    """Source column → staged column, for slots and accounts."""
    layouts: Mapping[Layout, int]
    orders: Mapping[tuple[OrderTerm, ...], str]
    """Order → SQL order terms over the staged table."""
    ordered_by: Mapping[tuple[OrderTerm, ...], tuple[OrderedBy, ...]] = field(default_factory=dict)

    @property
    def rows(self) -> str:
        """Name of the staged table."""
        return f"rows_{self.index}"

    @property
    def has_zone_doubt(self) -> bool:
        return self.table.tz_assumed and self.counts.zoneless_times > 0

    @property
    def doubt(self) -> tuple[int, int]:
        """Microseconds that a time of this table may lie earlier, and later, than read."""
        return (ZONE_DOUBT_BEFORE, ZONE_DOUBT_AFTER) if self.has_zone_doubt else (0, 0)


def stage_tables(database: Database, datamap: DataMap, scratch: Path) -> Mapping[str, Customers]:
    """Open, check and stage every table of the map. All its mistakes are raised at once, with the place in the map."""
    readers = open_checked(datamap, scratch)
    staged = {}
    for index, (name, reader) in enumerate(readers.items()):
        table = datamap.tables[name]
        routes = [r for r in datamap.routes if r.returns == name]
        try:
            staged[name] = _stage(database, index, table, routes, reader)
        except TableError as exc:
            raise _placed(datamap, name, exc) from exc
    return staged


def open_checked(datamap: DataMap, scratch: Path) -> Mapping[str, TableReader]:
    """Open every table and check that it has the columns that the map names."""
    readers: dict[str, TableReader] = {}
    errors: list[BreachscopeError] = []
    for name, table in datamap.tables.items():
        try:
            readers[name] = open_table(table, datamap.path.parent, scratch)
        except TableError as exc:
            errors.append(_placed(datamap, name, exc))
            continue
        errors += _missing_columns(datamap, table, readers[name].columns)
    if errors:
        raise ContentErrors(errors) if len(errors) > 1 else errors[0]
    return readers


def _placed(datamap: DataMap, name: str, exc: TableError) -> TableError:
    line = datamap.document.line_of("tables", name, "source")
    return TableError(f"table {name}: {exc}", path=datamap.path, line=line)


def _missing_columns(datamap: DataMap, table: MapTable, known: Sequence[str]) -> list[BreachscopeError]:
    errors = []

    def check(column: str | None, what: str, *place: str | int) -> None:
        if column is not None and column not in known:
            hint = did_you_mean(column, known) or f"; it has: {', '.join(known)}"
            errors.append(datamap.complain(f"{what}: table {table.name} has no column {column!r}{hint}", *place))

    for key in ("key", "person", "created", "deleted"):
        check(getattr(table, key), key, "tables", table.name, key)
    for column in table.columns:
        check(column, "columns", "tables", table.name, "columns", column)
    for route in datamap.routes:
        if route.returns != table.name:
            continue
        for i, column in enumerate(route.columns):
            check(column, "columns", "routes", route.index, "columns", i)
        for term in route.order_by:
            check(term.column, "order_by", "routes", route.index, "order_by")
        check(route.user_column, "user_column", "routes", route.index, "user_column")
        if route.kind == "item" and route.template is not None:
            for slot in route.template.named_slots:
                check(slot, f"slot {{{slot}}}", "routes", route.index, "match")
    return errors


def route_layout(route: Route) -> Layout:
    """How the responses of a route write their rows."""
    return Layout(route.columns, route.format, route.header, route.newline, route.encoding)


def table_layout(table: MapTable) -> Layout:
    """The whole row, as traffic from the store itself would carry it."""
    return Layout(tuple(dict.fromkeys((table.key, *table.columns))))


def _stage(database: Database, index: int, table: MapTable, routes: Sequence[Route], reader: TableReader) -> Customers:
    compared: dict[str, str] = {table.key: "key"}
    for route in routes:
        slots = route.template.named_slots if route.kind == "item" and route.template is not None else ()
        for column in (*slots, *((route.user_column,) if route.user_column else ())):
            compared.setdefault(column, f"c{len(compared)}")
    orders = {term.column for route in routes for term in route.order_by}
    layouts = _needed_sizes(table, routes)
    needed = dict.fromkeys(
        [table.key, *(c for c in (table.person, table.created, table.deleted) if c), *compared, *sorted(orders), *(c for lay in layouts for c in lay.columns)]
    )
    columns = list(needed)
    # DuckDB takes "ID" and "id" for the same column, so that the columns come in under names of our own.
    names = {column: f"i{n}" for n, column in enumerate(columns)}
    schema = pa.schema([pa.field("row_id", pa.int64()), *(pa.field(name, pa.string()) for name in names.values())])
    database.run(f"SET TimeZone = {quote(table.tz)}")
    database.create_from_batches(f"rows_{index}", schema, _numbered(reader.batches(columns), schema), _staged(table, names, compared, sorted(orders), layouts))
    database.run("SET TimeZone = 'UTC'")
    counts = _counts(database, index)
    if counts.duplicate_keys:
        _tie_units(database, index)
    typed = {column: _order_type(database, index, f"o{i}") for i, column in enumerate(sorted(orders))}
    sort_sql = {}
    notes = {}
    for route in routes:
        if route.order_by and route.order_by not in sort_sql:
            terms = [
                f"{typed[t.column].format(f'o{sorted(orders).index(t.column)}')} {'DESC NULLS FIRST' if t.descending else 'ASC NULLS LAST'}"
                for t in route.order_by
            ]
            sort_sql[route.order_by] = ", ".join(terms)
            notes[route.order_by] = tuple(OrderedBy(t.column, _ORDER_NAMES[typed[t.column]], t.descending) for t in route.order_by)
    numbers = {layout: k for layout, (k, _) in layouts.items()}
    return Customers(index, table, reader.facts, counts, compared, numbers, sort_sql, notes)


def _needed_sizes(table: MapTable, routes: Sequence[Route]) -> Mapping[Layout, tuple[int, frozenset[str]]]:
    """Return the layouts that some grade depends on, each with its number and the sizes needed of it."""
    needed: dict[Layout, set[str]] = {table_layout(table): {"smallest", "likely"}}
    for route in routes:
        layout = route_layout(route)
        if route.kind == "item":
            needed.setdefault(layout, set()).add("smallest")
        elif route.kind == "export":
            needed.setdefault(layout, set()).update({"smallest"} if layout.is_exact else {"smallest", "likely", "largest"})
    return {layout: (k, frozenset(sizes)) for k, (layout, sizes) in enumerate(needed.items())}


def _numbered(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Put the number of each row in front; counted here, for DuckDB numbers a stream with one thread only."""
    done = 0
    for batch in batches:
        row_ids = pa.array(np.arange(done, done + batch.num_rows, dtype=np.int64))
        yield pa.RecordBatch.from_arrays([row_ids, *batch.columns], schema=schema)
        done += batch.num_rows


def _staged(
    table: MapTable, names: Mapping[str, str], compared: Mapping[str, str], orders: Sequence[str], layouts: Mapping[Layout, tuple[int, frozenset[str]]]
) -> str:
    """Return the SELECT that makes the staged table, each row a unit of its own."""
    person = names[table.person] if table.person else "NULL::VARCHAR"
    if table.person and table.population:
        person = f"{quote(table.population + ':')} || {person}"
    selected = ["row_id", "row_id AS unit", f"{person} AS person"]
    for name, column in (("since", table.created), ("until", table.deleted)):
        text = names[column] if column else "NULL::VARCHAR"
        selected.append(f"{_instant_sql(text, ends_day=name == 'until') if column else 'NULL::BIGINT'} AS {name}_read")
        selected.append(f"{text} IS NOT NULL AS {name}_given")
        selected.append(f"{f'coalesce({_is_zoneless_sql(text)}, false)' if column and table.tz_assumed else 'false'} AS {name}_zoneless")
    selected += [f"{names[column]} AS {name}" for column, name in compared.items()]
    selected += [f"{names[column]} AS o{i}" for i, column in enumerate(orders)]
    for layout, (k, sizes) in layouts.items():
        for size, sql in (("smallest", layout.smallest_sql), ("likely", layout.likely_sql), ("largest", layout.largest_sql)):
            if size in sizes:
                selected.append(f"({sql(names, 'may_quote')})::BIGINT AS {size}_{k}")
    # Few rows hold anything to quote: one look at the whole row spares the others a look at every value, for each layout.
    whole = f"concat({', '.join(names.values())})"
    incoming = f"SELECT *, {quotes_sql(whole)} AS may_quote FROM incoming"
    return f"""
        SELECT * EXCLUDE (since_read, since_given, until_read, until_given), coalesce(key, 'row:' || (row_id + 1)) AS record,
               coalesce(since_read, {NEVER_BEFORE}) AS since, since_given AND since_read IS NULL AS since_unreadable,
               coalesce(until_read, {NEVER_AFTER}) AS until, until_given AND until_read IS NULL AS until_unreadable
        FROM (SELECT {", ".join(selected)} FROM ({incoming}))"""


def _plain_sql(text: str) -> str:
    """The time text with Japanese and spaced forms made plain: 2026年8月9日 → 2026-8-9."""
    dashed = f"regexp_replace(regexp_replace(trim({text}), '[年月.](\\d)', '-\\1', 'g'), '日', '')"
    dated = f"CASE WHEN regexp_matches(trim({text}), '^\\d+[年.]') THEN {dashed} ELSE trim({text}) END"
    return f"regexp_replace({dated}, '\\s+([+-]\\d{{2}}:?\\d{{2}})$', '\\1')"


def _instant_sql(text: str, *, ends_day: bool) -> str:
    """Microseconds since 1970 UTC; zone-less text is local to the connection's zone. A date alone begins (or ends) its day."""
    plain = _plain_sql(text)
    whole_day = f"CASE WHEN contains({text}, ':') THEN 0 ELSE {24 * HOUR} END" if ends_day else "0"
    return f"""coalesce(epoch_us(try_cast({text} AS TIMESTAMPTZ)) + {whole_day}, CASE
        WHEN {text} IS NULL THEN NULL
        WHEN regexp_full_match({plain}, '\\d{{9,10}}(\\.\\d+)?') THEN (try_cast({plain} AS DECIMAL(24, 6)) * 1000000)::BIGINT
        WHEN regexp_full_match({plain}, '\\d{{12,13}}') THEN try_cast({plain} AS BIGINT) * 1000
        WHEN regexp_full_match({plain}, '\\d{{15,16}}') THEN try_cast({plain} AS BIGINT)
        WHEN regexp_full_match({plain}, '\\d{{8}}')
            THEN epoch_us(try_cast(substr({plain}, 1, 4) || '-' || substr({plain}, 5, 2) || '-' || substr({plain}, 7, 2) AS TIMESTAMPTZ)) + {whole_day}
        ELSE epoch_us(try_cast({plain} AS TIMESTAMPTZ)) + {whole_day} END)"""


def _is_zoneless_sql(text: str) -> str:
    zoned = f"regexp_matches({text}, ':\\d\\d[+-]\\d\\d:\\d\\d$')"
    zone = "(:\\d\\d([.]\\d+)?\\s*(Z|z|[+-]\\d\\d(:?\\d\\d)?| ?[A-Z][A-Za-z]*(/[A-Za-z_]+)*))$|^\\d{9,}([.]\\d+)?$"
    # The most usual form needs not be made plain first.
    return f"CASE WHEN {zoned} THEN false ELSE NOT regexp_matches({_plain_sql(text)}, '{zone}') END"


def _tie_units(database: Database, index: int) -> None:
    """Tie rows that agree in record and person together."""
    database.run(f"""
        CREATE OR REPLACE TEMP TABLE rows_{index} AS
        SELECT * REPLACE (CASE WHEN key IS NULL THEN row_id ELSE min(row_id) OVER (PARTITION BY key, person) END AS unit) FROM rows_{index}""")


_AS_WHOLE = "CAST({} AS BIGINT)"
_AS_NUMBER = "CAST({} AS DOUBLE)"
_AS_TIME = "epoch_us(CAST({} AS TIMESTAMPTZ))"
_AS_TEXT = "{}"
_ORDER_NAMES = {_AS_WHOLE: "whole_number", _AS_NUMBER: "number", _AS_TIME: "time", _AS_TEXT: "text"}


def _order_type(database: Database, index: int, column: str) -> str:
    """Find how a column sorts: as a number only if every value is one, written without leading zeros."""
    for kind, condition in (
        (_AS_WHOLE, "regexp_full_match({}, '-?(0|[1-9]\\d{{0,17}})')"),
        (_AS_NUMBER, "regexp_full_match({}, '-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?')"),
        (_AS_TIME, "try_cast({} AS TIMESTAMPTZ) IS NOT NULL"),
    ):
        if database.value(f"SELECT bool_and({condition.format(column)}) FROM rows_{index} WHERE {column} IS NOT NULL"):
            return kind
    return _AS_TEXT


def _counts(database: Database, index: int) -> TableCounts:
    return TableCounts(*database.rows(f"""
        SELECT count(*), count(DISTINCT person), count(*) FILTER (key IS NULL), count(key) - count(DISTINCT key), count(*) FILTER (person IS NULL),
               count(*) FILTER (since_zoneless OR until_zoneless), count(*) FILTER (since_unreadable OR until_unreadable), count(*) FILTER (until < since)
        FROM rows_{index}""")[0])  # fmt: skip


class Axis:
    """The rows of a table in one order, and which of them exist when.

    Positions are those among all rows that exist at some time in the span looked at; a rank is a position among the rows
    that exist at one moment.
    """

    def __init__(self, database: Database, name: str, customers: Customers, order: tuple[OrderTerm, ...], span: tuple[int, int], layout: Layout | None) -> None:
        self.name = name
        self.customers = customers
        terms = customers.orders.get(order)
        is_unique = bool(order) and order[0].column == customers.table.key and not customers.counts.duplicate_keys and not customers.counts.null_keys
        sort = "row_id" if not terms else terms if is_unique else f"{terms}, key NULLS LAST, row_id"
        sizes = ""
        if layout is not None:
            k = customers.layouts[layout]
            likely, largest = ("smallest", "smallest") if layout.is_exact else ("likely", "largest")
            sizes = f", smallest_{k} AS smallest, {likely}_{k} AS likely, {largest}_{k} AS largest"
        ties = f", rank() OVER (ORDER BY {terms}) - 1 AS tie" if terms and not is_unique else ""
        early, late = customers.doubt
        database.run(f"""
            CREATE TEMP TABLE {name} AS
            SELECT row_number() OVER (ORDER BY {sort}) - 1 AS pos, row_id, unit, since, until {sizes} {ties}
            FROM {customers.rows} WHERE since - {early} <= {span[1]} AND until + {late} > {span[0]}""")
        stable = f"since <= {span[0]} AND until > {span[1]}"
        self.length = int(database.value(f"SELECT count(*) FROM {name}"))
        volatile = database.numbers(f"SELECT pos, since, until FROM {name} WHERE NOT ({stable}) ORDER BY pos")
        self._volatile: Integers = np.asarray(volatile["pos"], np.int64)
        self._since: Integers = np.asarray(volatile["since"], np.int64)
        self._until: Integers = np.asarray(volatile["until"], np.int64)
        self.stable_sql = stable
        self._tie_first: Integers | None = None
        if ties:
            ties_of = np.asarray(database.numbers(f"SELECT tie FROM {name} ORDER BY pos")["tie"], np.int64)
            if not np.array_equal(ties_of, np.arange(self.length)):
                self._tie_first = ties_of
        self._offsets: dict[str, Integers] = {}
        if layout is not None:
            for size, values in database.numbers(f"SELECT smallest, likely, largest FROM {name} ORDER BY pos").items():
                self._offsets[size] = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.asarray(values, np.int64))])

    def moment(self, ts: int) -> Moment:
        """Return the view of the rows that exist at ``ts``."""
        absent = self._volatile[(self._since > ts) | (self._until <= ts)]
        return Moment(self, absent)

    def epochs(self, instants: Integers) -> Integers:
        """Return a number per instant; instants with the same number see the same rows."""
        turns = np.unique(np.concatenate([self._since, self._until]))
        return np.searchsorted(turns, instants, side="right").astype(np.int64)

    def tie_bounds(self, positions: Integers) -> tuple[Integers, Integers]:
        """Return first and one-past-last position of the rows that the order does not tell apart from these."""
        if self._tie_first is None:
            return positions, positions + 1
        first = self._tie_first[positions]
        return first, np.searchsorted(self._tie_first, first, side="right").astype(np.int64)

    def offsets(self, size: str) -> Integers:
        """Return bytes before each position, all rows of the axis counted."""
        return self._offsets[size]


@dataclass(frozen=True)
class Moment:
    """An axis at one moment; ``absent`` are the sorted positions of rows that do not exist then."""

    axis: Axis
    absent: Integers

    @property
    def existing(self) -> int:
        return self.axis.length - len(self.absent)

    def positions(self, ranks: Integers) -> Integers:
        """Return the positions of the rows with these 0-based ranks."""
        return ranks + np.searchsorted(self.absent - np.arange(len(self.absent)), ranks, side="right")

    def total_bytes(self, size: str) -> int:
        offsets = self.axis.offsets(size)
        return int(offsets[-1] - (offsets[self.absent + 1] - offsets[self.absent]).sum())

    def rows_begun(self, size: str, body_bytes: int) -> int:
        """Return how many rows have at least one byte among the first ``body_bytes`` bytes of all rows in order."""
        offsets = self.axis.offsets(size)
        gone = np.concatenate([np.zeros(1, np.int64), np.cumsum(offsets[self.absent + 1] - offsets[self.absent])])
        low, high = 0, self.existing
        while low < high:
            middle = (low + high) // 2
            position = int(self.positions(np.array([middle]))[0])
            starts_at = int(offsets[position] - gone[np.searchsorted(self.absent, position)])
            if starts_at < body_bytes:
                low = middle + 1
            else:
                high = middle
        return low
