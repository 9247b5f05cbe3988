"""Where detector SQL runs: one SELECT over prepared relations, and nothing else.

Two walls, each sufficient for files and network:

1. :class:`SqlChecker` parses the text with DuckDB's own parser and admits one SELECT whose every table is a prepared
   relation or one of its own CTEs and whose every function is on the list of pure ones (DuckDB's catalogue says which
   are consistent). File, network, environment and clock functions are not on it.
2. :class:`Sandbox` runs it with external access off except for the case's event folders, and the configuration locked.

A timer interrupts what runs too long; memory is limited and spills into the case's scratch folder.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from breachscope.errors import BreachscopeError, DetectorError
from breachscope.schema import EVENT_TABLES

MEMORY_LIMIT = "2GB"
TIME_LIMIT_SECONDS = 600.0

_STREAM_ROWS = 1 << 18
_INTERRUPT_AGAIN_SECONDS = 0.01

Scalar = int | float | str | timedelta

_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_TABLE_FUNCTIONS = {"unnest", "range", "generate_series"}
_TABLE_MACROS = {"sliding_total", "sliding_distinct", "leaky_bucket"}
"""Macros of macros.sql whose first argument names a table."""
_SAFE_MACROS = ("list_", "array_")
_SAFE_MACRO_NAMES = {"nullif", "fdiv", "fmod", "split_part", "date_add", "days_in_month", "if"}
_IMPURE = {"getenv", "version", "write_log", "parse_duckdb_log_message", "query", "vector_type", "stats", "error", "sleep_ms", "pg_sleep"}
_UNSTABLE = {
    "any_value": "min or max",
    "arbitrary": "min or max",
    "first": "min or arg_min",
    "last": "max or arg_max",
    "approx_count_distinct": "count(DISTINCT …)",
    "approx_quantile": "quantile_cont",
    "approx_top_k": "a GROUP BY",
    "reservoir_quantile": "quantile_cont",
}
"""Aggregates whose value depends on the order in which threads deliver rows, and what to use instead."""
_CLOCK_WORDS = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user", "session_user", "current_role"}
"""SQL keywords that read as columns but are functions of the clock or the process."""


@dataclass(frozen=True)
class SqlUse:
    """What one query refers to."""

    relations: frozenset[str]
    parameters: frozenset[str]


class SqlChecker:
    """Says what is wrong with a query before anything runs it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, relations: frozenset[str]) -> None:
        self._connection = connection
        self._relations = relations
        self._functions = _pure_functions(connection)

    def check(self, sql: str, path: Path, also: frozenset[str] = frozenset()) -> tuple[SqlUse, list[DetectorError]]:
        """Return what ``sql`` uses and every reason why it may not run; it may read the tables ``also`` too."""

        def complain(message: str, offset: int = 0) -> DetectorError:
            return DetectorError(message, path=path, line=1 + sql.encode()[:offset].count(b"\n"))

        nothing = SqlUse(frozenset(), frozenset())
        try:
            statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            return nothing, [complain(_first_sentence(error), _error_offset(str(error), sql))]
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            kinds = ", ".join(str(s.type).rpartition(".")[2] for s in statements) or "nothing"
            return nothing, [complain(f"must be exactly one SELECT, but holds {kinds}", _leading_comment(sql))]
        ((serialized,),) = self._connection.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()
        tree = json.loads(serialized)
        if tree["error"]:
            return nothing, [complain(str(tree["error_message"]))]
        walk = _Walk(tree["statements"][0]["node"])
        found = [complain(message, offset) for offset, message in self._refusals(walk, also)]
        relations = frozenset(name for name, _ in walk.tables) & self._relations
        return SqlUse(relations, frozenset(statements[0].named_parameters)), found

    def _refusals(self, walk: _Walk, also: frozenset[str]) -> Iterator[tuple[int, str]]:
        for kind, offset in walk.foreign:
            yield offset, f"{kind.removesuffix('_NODE').replace('_', ' ').lower()} is not allowed in a detector"
        for name, offset in walk.tables:
            if name not in self._relations | also | walk.ctes:
                yield offset, f"there is no table {name!r}; a detector reads {', '.join(sorted(self._relations))}"
        for name, offset in walk.table_functions:
            if name not in _TABLE_FUNCTIONS:
                yield offset, f"table function {name}() is not allowed: a detector reads the case's events only"
        for name, offset in walk.functions:
            if name in _UNSTABLE:
                yield offset, f"{name}() differs from run to run; use {_UNSTABLE[name]}"
            elif name not in self._functions:
                yield offset, f"function {name}() is not allowed in a detector"


class _Walk:
    """Collects tables, functions and foreign nodes of a serialized SELECT, each with its byte offset."""

    def __init__(self, node: Any) -> None:
        self.ctes: set[str] = set()
        self.tables: list[tuple[str, int]] = []
        self.functions: list[tuple[str, int]] = []
        self.table_functions: list[tuple[str, int]] = []
        self.foreign: list[tuple[str, int]] = []
        stack = [node]
        while stack:
            item = stack.pop()
            if isinstance(item, list):
                stack.extend(item)
            elif isinstance(item, dict):
                self._visit(item)
                stack.extend(item.values())

    def _visit(self, item: dict[str, Any]) -> None:
        kind = item["type"] if isinstance(item.get("type"), str) else ""
        offset = item.get("query_location", 0)
        offset = offset if isinstance(offset, int) and offset < 1 << 63 else 0
        if "cte_map" in item:
            self.ctes |= {entry["key"].lower() for entry in item["cte_map"]["map"]}
        if (kind.endswith("_NODE") and kind not in _NODES) or kind in {"SHOW_REF", "PIVOT", "COLUMN_DATA"}:
            self.foreign.append((kind, offset))
        elif kind == "COLUMN_REF" and len(item["column_names"]) == 1 and item["column_names"][0].lower() in _CLOCK_WORDS:
            self.functions.append((item["column_names"][0].lower(), offset))
        elif kind == "BASE_TABLE":
            self.tables.append((".".join(item["qualified_name"]["path"]).lower(), offset))
        elif kind == "TABLE_FUNCTION":
            self._visit_table_function(item["function"]["function_name"].lower(), item["function"]["arguments"], offset)
            item["function"] = item["function"]["arguments"]
        elif item.get("class") in {"FUNCTION", "WINDOW"} and item.get("function_name"):
            path = item.get("qualified_name", {}).get("path") or [item["function_name"]]
            self.functions.append((".".join(path).lower(), offset))
        if item.get("sample") is not None:
            self.foreign.append(("TABLESAMPLE", offset))

    def _visit_table_function(self, name: str, arguments: list[dict[str, Any]], offset: int) -> None:
        if name in _TABLE_MACROS and arguments:
            literal = arguments[0]["expression"].get("literal", {})
            self.tables.append((str(literal.get("text")).lower(), offset))
        else:
            self.table_functions.append((name, offset))


@cache
def _builtin_functions() -> frozenset[str]:
    rows = (
        duckdb.connect()
        .execute(
            "SELECT DISTINCT lower(function_name), function_type, stability FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate', 'macro')"
        )
        .fetchall()
    )
    unstable = {name for name, _, stability in rows if stability not in (None, "CONSISTENT")} | _IMPURE
    macros = {name for name, kind, _ in rows if kind == "macro" and (name.startswith(_SAFE_MACROS) or name in _SAFE_MACRO_NAMES)}
    plain = {name for name, kind, _ in rows if kind != "macro"}
    windows = {"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value", "last_value", "nth_value"}
    return frozenset((plain | macros) - unstable - {n for n in plain if n.startswith(("pg_", "duckdb_", "has_"))} | windows | {"unnest"})


def _pure_functions(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    own = connection.execute("SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE NOT internal").fetchall()
    return _builtin_functions() | {name for (name,) in own}


def _first_sentence(error: duckdb.Error) -> str:
    text = str(error).split("\n", 1)[0]
    return text.partition(": ")[2] or text


def _error_offset(message: str, sql: str) -> int:
    """Byte offset of the line that DuckDB's ``LINE n:`` names."""
    _, _, rest = message.partition("\nLINE ")
    number = rest.partition(":")[0]
    if not number.isdigit():
        return 0
    return len("\n".join(sql.split("\n")[: int(number) - 1]).encode()) + (1 if int(number) > 1 else 0)


def _leading_comment(sql: str) -> int:
    """Byte offset of the first line that is neither blank nor a comment."""
    offset = 0
    for line in sql.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("--"):
            break
        offset += len(line.encode())
    return offset


class Sandbox:
    """A DuckDB connection that holds the prepared relations and can reach nothing but the case's events."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, checker: SqlChecker, time_limit: float) -> None:
        self.connection = connection
        self._checker = checker
        self._time_limit = time_limit

    def inspect(self, sql: str, path: Path, also: frozenset[str] = frozenset()) -> tuple[SqlUse, list[DetectorError]]:
        """What ``sql`` uses, and why it may not run; an empty list when it may."""
        return self._checker.check(sql, path, also)

    def check(self, sql: str, path: Path) -> SqlUse:
        use, errors = self.inspect(sql, path)
        if errors:
            raise errors[0]
        return use

    def run(self, sql: str, path: Path, parameters: Mapping[str, Scalar] | None = None, *, limited: bool = False) -> None:
        """Run a statement built around checked SQL, for no longer than the time limit when ``limited``.

        Raises DetectorError naming ``path`` when it fails or takes too long.
        """
        with self._guarded(path, limited=limited):
            self.connection.execute(sql, dict(parameters or {})).fetchall()

    def fetch(self, sql: str, path: Path, parameters: Mapping[str, Scalar] | None = None) -> pa.Table:
        with self._guarded(path):
            return self.connection.sql(sql, params=dict(parameters or {})).to_arrow_table()

    def stream(self, sql: str, path: Path) -> Iterator[pa.Table]:
        """Yield the rows of ``sql`` in its order, a bounded number at a time."""
        with self._guarded(path):
            for batch in self.connection.sql(sql).to_arrow_reader(_STREAM_ROWS):
                yield pa.Table.from_batches([batch])

    def load(self, name: str, rows: pa.Table) -> None:
        """Make the temporary table ``name`` from Arrow rows."""
        self.connection.register("arriving", rows)
        self.connection.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS SELECT * FROM arriving')
        self.connection.unregister("arriving")

    def count(self, sql: str) -> tuple[int, ...]:
        """The one row of whole numbers that ``sql`` returns."""
        ((*numbers,),) = self.connection.execute(sql).fetchall()
        return tuple(int(n) for n in numbers)

    @contextmanager
    def _guarded(self, path: Path, *, limited: bool = False) -> Iterator[None]:
        done = threading.Event()
        watch = threading.Thread(target=self._interrupt_after_limit, args=(done,), daemon=True)
        if limited:
            watch.start()
        try:
            yield
        except duckdb.InterruptException as error:
            raise DetectorError(f"took longer than {self._time_limit:g} seconds and was stopped", path=path) from error
        except duckdb.OutOfMemoryException as error:
            raise DetectorError("needs more memory than it may have; narrow its groups before its windows", path=path) from error
        except duckdb.Error as error:
            raise DetectorError(_first_sentence(error), path=path) from error
        finally:
            done.set()
            if limited:
                watch.join()

    def _interrupt_after_limit(self, done: threading.Event) -> None:
        """Interrupt again and again, for an interrupt that comes before the query has begun is lost."""
        wait = self._time_limit
        while not done.wait(wait):
            self.connection.interrupt()
            wait = _INTERRUPT_AGAIN_SECONDS


@contextmanager
def open_sandbox(
    event_files: Mapping[str, Sequence[Path]],
    scratch: Path,
    *,
    allowed: Sequence[Path] = (),
    threads: int | None = None,
    memory_limit: str = MEMORY_LIMIT,
    time_limit: float = TIME_LIMIT_SECONDS,
) -> Iterator[Sandbox]:
    """Yield a locked sandbox over ``event_files`` (event table → Parquet files); ``allowed`` are the folders they stand in.

    Times in every relation are UTC without a zone, so that windows need no calendar.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        # Tables made here are short-lived: checkpoints would only spend time on compressing them.
        "checkpoint_threshold": "1TB",
        "memory_limit": memory_limit,
        "temp_directory": str(scratch),
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "preserve_insertion_order": False,
        "python_enable_replacements": False,
    }
    if threads:
        config["threads"] = threads
    with duckdb.connect(":memory:", config=config) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        for table, paths in event_files.items():
            connection.execute(_event_view(table, paths))
        connection.execute(_resource("macros.sql"))
        connection.execute("SET allowed_directories = $folders", {"folders": [str(p) for p in (*allowed, scratch)]})
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield Sandbox(connection, SqlChecker(connection, relation_names()), time_limit)


def _event_view(table: str, paths: Sequence[Path]) -> str:
    columns = EVENT_TABLES[table].columns
    if paths:
        names = ", ".join("'" + str(p).replace("'", "''") + "'" for p in paths)
        selected = ", ".join("make_timestamp(epoch_us(ts)) AS ts" if c.name == "ts" else f'"{c.name}"' for c in columns)
        return f'CREATE VIEW "{table}" AS SELECT {selected} FROM read_parquet([{names}], hive_partitioning = false)'
    types = {
        "timestamp[us, tz=UTC]": "TIMESTAMP",
        "string": "VARCHAR",
        "int16": "SMALLINT",
        "int32": "INTEGER",
        "int64": "BIGINT",
        "double": "DOUBLE",
        "bool": "BOOLEAN",
    }
    nulls = ", ".join(f'NULL::{types[str(c.type)]} AS "{c.name}"' for c in columns)
    return f'CREATE VIEW "{table}" AS SELECT {nulls} WHERE false'


def _resource(name: str) -> str:
    return files("breachscope.detect").joinpath("relations", name).read_text(encoding="utf-8")


@cache
def relation_names() -> frozenset[str]:
    """Every relation that a detector may read: the event tables and the relations prepared from them."""
    prepared = [
        p.name.removesuffix(".sql") for p in files("breachscope.detect").joinpath("relations").iterdir() if p.name.endswith(".sql") and p.name != "macros.sql"
    ]
    return frozenset([*EVENT_TABLES, *prepared])


class Relations:
    """Creates prepared relations when they are first needed, each after those it reads."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._made: set[str] = set(EVENT_TABLES)

    def need(self, names: frozenset[str]) -> None:
        """Create ``names`` and everything they read. A file's first word after ``-- `` says whether it is a table or a view."""
        for name in sorted(names):
            if name in self._made:
                continue
            sql = _resource(f"{name}.sql")
            kind = sql.split(None, 2)[1].rstrip(":")
            if kind not in {"table", "view"}:
                raise BreachscopeError(f"relation {name} says neither 'table' nor 'view' in its first comment")
            path = Path(f"{name}.sql")
            self.need(self._sandbox.check(sql, path).relations)
            self._sandbox.run(f"CREATE {kind} {name} AS {sql}", path)
            self._made.add(name)
