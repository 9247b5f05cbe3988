"""Read-only SQL over a case, and its result in the forms that people and programs want."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from breachscope.case import Case
from breachscope.errors import UsageError
from breachscope.schema import EVENT_TABLES, TABLES, Table

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_BATCH_ROWS = 10_000
MEMORY_LIMIT = "2GB"
TIME_LIMIT_SECONDS = 600.0


def query_case(case: Case, sql: str, scratch: Path, time_limit: float = TIME_LIMIT_SECONDS) -> Iterator[pa.RecordBatch]:
    """Run one SELECT over the case's tables (those of :mod:`breachscope.schema`; absent ones are empty) and stream its rows.

    Files, network and settings are out of reach; memory and time (``time_limit`` in seconds) are bounded. Raises
    UsageError with DuckDB's own words for SQL that cannot run.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(scratch),
        "memory_limit": MEMORY_LIMIT,
        "python_enable_replacements": False,
    }
    with duckdb.connect(config=config) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        for table in TABLES.values():
            connection.execute(_view(table, _files(case, table.name)))
        connection.execute("SET allowed_directories = $folders", {"folders": [str(case.path.absolute()), str(scratch)]})
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        timer = threading.Timer(time_limit, connection.interrupt)
        timer.start()
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError("query takes exactly one SELECT; the case itself is never changed")
            reader = connection.sql(statements[0].query).to_arrow_reader(_BATCH_ROWS)
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)
            yield from reader
        except duckdb.InterruptException as error:
            raise UsageError(f"the query took longer than {time_limit:g} seconds and was stopped") from error
        except duckdb.Error as error:
            hint = "; raw is bytes, decode(raw, 'replace') is its text" if "(BLOB" in str(error) else ""
            raise UsageError(f"the query cannot run: {' '.join(str(error).split())}{hint}") from error
        finally:
            timer.cancel()


def _files(case: Case, table: str) -> list[Path]:
    if table in EVENT_TABLES:
        return case.event_files(table)
    if table == "rejects":
        return case.reject_files()
    single = case.path / f"{table}.parquet"
    return [single] if single.is_file() else []


def _view(table: Table, paths: Sequence[Path]) -> str:
    if paths:
        names = ", ".join("'" + str(p.absolute()).replace("'", "''") + "'" for p in paths)
        return f'CREATE VIEW "{table.name}" AS SELECT * FROM read_parquet([{names}], hive_partitioning = false)'
    columns = ", ".join(f'NULL AS "{c.name}"' for c in table.columns)
    return f'CREATE VIEW "{table.name}" AS SELECT {columns} WHERE false'


def write_csv(batches: Iterator[pa.RecordBatch], out: IO[str]) -> None:
    """Write CSV. A text that a spreadsheet would run as a formula gets an apostrophe in front (OWASP CSV injection)."""
    writer = csv.writer(out, lineterminator="\n")
    for number, batch in enumerate(batches):
        if number == 0:
            writer.writerow(batch.schema.names)
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            writer.writerow([_harmless(value) for value in row])


def _harmless(value: object) -> object:
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def write_json_lines(batches: Iterator[pa.RecordBatch], out: IO[str]) -> None:
    """Write one JSON object a line; times as ISO 8601, bytes as text with escapes."""
    for batch in batches:
        for row in batch.to_pylist():
            out.write(json.dumps(row, ensure_ascii=False, default=_as_text) + "\n")


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def write_parquet(batches: Iterator[pa.RecordBatch], path: Path) -> None:
    first = next(batches)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
