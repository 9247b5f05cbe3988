"""A private DuckDB for one scope run: out of core, spilling into the case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from breachscope.errors import BreachscopeError
from breachscope.scope.templates import identifier, quote

MEMORY_LIMIT = "500MB"
BATCH_ROWS = 1 << 17


class Database:
    """Runs SQL; every statement is finished before the next one starts."""

    def __init__(self, spill: Path) -> None:
        self._connection = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": str(spill),
                # Temporary tables are short-lived: checkpoints would only spend time on compressing them.
                "checkpoint_threshold": "1TB",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self.run("SET TimeZone = 'UTC'; SET enable_progress_bar = false")

    def close(self) -> None:
        self._connection.close()

    def run(self, sql: str, parameters: Sequence[object] = ()) -> None:
        self._connection.execute(sql, parameters).fetchall()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return a small result as Python rows."""
        return self._connection.execute(sql, parameters).fetchall()

    def value(self, sql: str) -> Any:
        """Return the only value of a one-row, one-column result."""
        return self.rows(sql)[0][0]

    def numbers(self, sql: str) -> dict[str, Any]:
        """Return the result as NumPy arrays by column; masked where a value is null."""
        return dict(self._connection.execute(sql).fetchnumpy())

    def arrow(self, sql: str) -> pa.Table:
        return self._connection.sql(sql).to_arrow_table()

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Stream a result; read it to its end before the next statement.

        Every batch but the last has BATCH_ROWS rows, whatever the number of threads: files are cut where batches are.
        """
        waiting: list[pa.RecordBatch] = []
        missing = BATCH_ROWS
        for batch in self._connection.sql(sql).to_arrow_reader(BATCH_ROWS):
            while batch.num_rows >= missing:
                yield pa.concat_batches([*waiting, batch.slice(0, missing)])
                batch, waiting, missing = batch.slice(missing), [], BATCH_ROWS
            if batch.num_rows:
                waiting.append(batch)
                missing -= batch.num_rows
        if waiting:
            yield pa.concat_batches(waiting)

    def create_from_batches(self, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], select: str) -> None:
        """Create ``table`` from a stream of batches, seen by ``select`` as ``incoming``.

        An error of ours raised while the stream is read comes out as it is.
        """
        failures: list[BreachscopeError] = []

        def watched() -> Iterator[pa.RecordBatch]:
            try:
                yield from batches
            except BreachscopeError as error:
                failures.append(error)
                raise

        self._connection.register("incoming", pa.RecordBatchReader.from_batches(schema, watched()))
        try:
            self.run(f"CREATE TEMP TABLE {identifier(table)} AS {select}")
        except duckdb.Error:
            if failures:
                raise failures[0] from None
            raise
        finally:
            self._connection.unregister("incoming")

    def create_from_table(self, table: str, rows: pa.Table) -> None:
        self.create_from_batches(table, rows.schema, rows.to_batches(), "SELECT * FROM incoming")


def parquet_files_sql(files: Sequence[Path]) -> str:
    """Return a table function over Parquet files, in the order given.

    >>> parquet_files_sql([Path("a[1].parquet")])
    "read_parquet(['a[[]1].parquet'])"
    """
    return f"read_parquet([{', '.join(quote(escape_glob(f)) for f in files)}])"


def escape_glob(path: Path) -> str:
    """Return the path so that DuckDB takes ``*``, ``?`` and ``[`` in it literally."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
