"""Writes the files of one source in the case: event tables, rejects and line index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow as pa

from breachscope.case import Case, ParquetFile, sha256_file
from breachscope.ingest.folds import set_second_passes, span_of
from breachscope.ingest.settings import SourceSettings
from breachscope.ingest.source_reader import BlockResult
from breachscope.ingest.views import as_series
from breachscope.schema import EVENT_TABLES

_ROWS_IN_A_GROUP = 1 << 16


def _varied(name: str) -> list[str]:
    """Columns of a file in which most rows have a text of their own."""
    folder, table, *_ = name.split("/")
    return [c.name for c in EVENT_TABLES[table].columns if c.is_varied] if folder == "events" else []


class SourceWriter:
    """The files of one source: event tables, rejects and line index, each replaced as a whole at the end."""

    def __init__(self, case: Case, source: int, settings: SourceSettings) -> None:
        self.case, self.source, self.settings = case, source, settings
        self.rows: Counter[str] = Counter()
        """Event table → rows."""
        self.files: dict[str, str] = {}
        self.first_ts: str | None = None
        self.last_ts: str | None = None
        self._span: list[datetime] = []
        self._ambiguous: set[str] = set()
        """Event files with times that a clock showed twice."""
        self._stack = ExitStack()
        self._writers: dict[str, ParquetFile] = {}
        self._waiting: dict[str, list[pa.Table]] = {}

    def __enter__(self) -> Self:
        self._stack.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._stack:
            if error is not None:
                raise error  # inside, so that every file stays as it was
            for name in sorted(self._waiting):
                self._flush(name)
            for writer in self._writers.values():
                writer.flush()  # before any of the files takes the place of an older one
        if self._ambiguous:
            set_second_passes(self.case, sorted(self._ambiguous), self.settings.tz, self.settings.skew)
            self._span = [t for name in sorted(self._writers) if name.startswith("events/") for t in span_of(self.case, name)]
        for table in EVENT_TABLES:
            self._drop_stale(f"events/{table}/{self.source}.parquet")
        for folder in ("rejects", "index"):
            self._drop_stale(f"{folder}/{self.source}.parquet")
        self.files = {name: sha256_file(self.case.path / name) for name in sorted(self._writers)}
        if self._span:
            self.first_ts, self.last_ts = min(self._span).isoformat(), max(self._span).isoformat()

    def _drop_stale(self, name: str) -> None:
        """Remove what an earlier reading of this source left in a table that it no longer feeds."""
        if name not in self._writers:
            self.case.remove(name)

    def write(self, result: BlockResult) -> None:
        for table, rows in sorted(result.events.items()):
            self.rows[table] += len(rows)
            times = as_series("ts", rows["ts"].combine_chunks())
            self._span += [t for t in (times.min(), times.max()) if isinstance(t, datetime)]
            self._span = [min(self._span), max(self._span)] if self._span else []
            name = f"events/{table}/{self.source}.parquet"
            if (as_series("ts_quality", rows["ts_quality"].combine_chunks()) == "ambiguous").any():
                self._ambiguous.add(name)
            self._add(name, rows)
        if len(result.rejects):
            self._add(f"rejects/{self.source}.parquet", result.rejects)

    def write_index(self, index: Sequence[tuple[int, int]]) -> None:
        lines, offsets = [n for n, _ in index], [o for _, o in index]
        if lines:  # an archive may hold very many empty files; pyarrow, given lists, would import pandas where it is installed
            self._add(f"index/{self.source}.parquet", pl.DataFrame({"line": lines, "offset": offsets}, {"line": pl.Int64, "offset": pl.Int64}).to_arrow())

    def _add(self, name: str, rows: pa.Table) -> None:
        waiting = self._waiting.setdefault(name, [])
        waiting.append(rows)
        if sum(map(len, waiting)) >= _ROWS_IN_A_GROUP:
            self._flush(name)

    def _flush(self, name: str) -> None:
        waiting = self._waiting[name]
        if not waiting:
            return
        if name not in self._writers:
            self._writers[name] = self._stack.enter_context(self.case.open_parquet(name, waiting[0].schema, _varied(name)))
        self._writers[name].write(pa.concat_tables(waiting), row_group_size=1 << 20)
        waiting.clear()
