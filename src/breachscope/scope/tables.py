"""Customer tables as streams of text columns, whatever they are stored in.

Every value comes as text, so that keys keep their leading zeros and all sources compare alike. Only the columns asked for
are read. Files are opened read-only; databases are read in one read-only transaction.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import importlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Protocol, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from urllib.parse import quote as percent_quote

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from breachscope.errors import TableError, did_you_mean
from breachscope.scope.database import BATCH_ROWS, escape_glob
from breachscope.scope.datamap import MapTable, expand_variables, without_credentials
from breachscope.scope.templates import identifier, quote

_SNIFF_BYTES = 1 << 20
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DELIMITERS = ",\t;|"


class TableReader(Protocol):
    """An opened customer table."""

    columns: tuple[str, ...]
    facts: SourceFacts

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Stream ``columns`` as text, in the table's order; a database's rows come sorted by those columns."""


@dataclass(frozen=True)
class SourceFacts:
    """What the answer states about where a table came from; never holds a credential."""

    name: str
    format: str
    encoding: str | None
    sha256: str | None
    size: int | None
    """Bytes of the file; None for a database server."""


def open_table(table: MapTable, folder: Path, scratch: Path, environment: Mapping[str, str] | None = None) -> TableReader:
    """Open the source of ``table``, a path relative to ``folder``. Raises TableError, without secrets."""
    shown = without_credentials(table.source)
    source, missing = expand_variables(table.source, os.environ if environment is None else environment)
    if missing:
        raise TableError(f"the source {shown!r} needs the environment variable{'s' if len(list(missing)) > 1 else ''} {', '.join(missing)}")
    scheme, separator, rest = source.partition("://")
    if not separator:
        return _open_file(folder / source, table.encoding, table.delimiter)
    if scheme == "sqlite":
        return _SqliteReader(folder / rest.removeprefix("/"), table.relation, scratch)
    return _PostgresReader(source, table.relation_schema, table.relation)


def open_table_file(path: Path) -> TableReader:
    """Open a customer table that no map describes yet."""
    return _open_file(path, None, None)


def _open_file(path: Path, encoding: str | None, delimiter: str | None) -> TableReader:
    if not path.exists():
        raise TableError("does not exist; check the path: in a data map it is relative to the map", path=path)
    name = path.name.lower().removesuffix(".gz")
    try:
        if name.endswith(".parquet"):
            return _ParquetReader(path)
        if name.endswith((".jsonl", ".ndjson")):
            return _JsonLinesReader(path)
        if name.endswith((".csv", ".tsv")):
            return _CsvReader(path, encoding, delimiter)
    except (OSError, EOFError) as exc:
        raise _unreadable(path, exc) from exc
    raise TableError("is no .csv, .tsv, .parquet, .jsonl or .ndjson file", path=path)


def _unreadable(path: Path, exc: Exception) -> TableError:
    reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return TableError(f"cannot be read: {reason}", path=path)


def _file_facts(path: Path, table_format: str, encoding: str | None) -> SourceFacts:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return SourceFacts(path.name, table_format, encoding, digest, path.stat().st_size)


class _CsvReader:
    def __init__(self, path: Path, encoding: str | None, delimiter: str | None) -> None:
        self._path = path
        self._encoding = encoding or self._find_encoding()
        with closing(self._open()) as handle:
            head = handle.read(_SNIFF_BYTES)
        try:
            text = codecs.getincrementaldecoder(self._codec)().decode(head)
        except UnicodeDecodeError as exc:
            raise self._not_text(exc.start) from exc
        header = text.removeprefix("\ufeff").lstrip("\r\n").splitlines()[:1]
        if not header:
            raise TableError("is empty; a header line with the column names is needed", path=path)
        name = path.name.lower().removesuffix(".gz")
        self._delimiter = delimiter or ("\t" if name.endswith(".tsv") else max(_DELIMITERS, key=header[0].count))
        self.columns = self._header()
        self.facts = _file_facts(path, "csv", self._encoding)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for column in columns:
            if self.columns.count(column) > 1:
                raise TableError(f"has {self.columns.count(column)} columns named {column!r}", path=self._path, line=1)
        bad_rows: list[tuple[int | None, int, int]] = []

        def refuse(row: pacsv.InvalidRow) -> str:
            bad_rows.append((row.number, row.actual_columns, row.expected_columns))
            return "error"

        convert = pacsv.ConvertOptions(
            include_columns=list(columns),
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        )
        try:
            with closing(self._open()) as handle, self._reader(handle, convert, refuse) as reader:
                yield from reader
        except pa.ArrowInvalid as exc:
            if bad_rows:
                number, found, expected = bad_rows[0]
                raise TableError(f"row {number} has {found} fields, the header has {expected}", path=self._path) from exc
            raise TableError(f"is not valid CSV: {str(exc).partition(' Row: ')[0].partition(': ')[0]}", path=self._path) from exc
        except (UnicodeDecodeError, OSError, EOFError) as exc:
            raise _unreadable(self._path, exc) from exc

    @property
    def _codec(self) -> str:
        return "utf-8-sig" if self._encoding == "utf-8" else self._encoding

    def _open(self) -> IO[bytes]:
        if self._path.name.lower().endswith(".gz"):
            return cast("IO[bytes]", gzip.open(self._path, "rb"))
        return self._path.open("rb")

    def _reader(self, handle: IO[bytes], convert: pacsv.ConvertOptions, refuse: object) -> pacsv.CSVStreamingReader:
        return pacsv.open_csv(
            handle,
            read_options=pacsv.ReadOptions(encoding="utf8" if self._encoding == "utf-8" else self._encoding, use_threads=False, block_size=4 << 20),
            parse_options=pacsv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=convert,
        )

    def _header(self) -> tuple[str, ...]:
        try:
            with closing(self._open()) as handle, self._reader(handle, pacsv.ConvertOptions(), lambda row: "skip") as reader:
                return tuple(reader.schema.names)
        except (pa.ArrowInvalid, UnicodeDecodeError) as exc:
            raise TableError(f"is not valid CSV: {str(exc).partition(' Row: ')[0]}", path=self._path) from exc

    def _find_encoding(self) -> str:
        with closing(self._open()) as handle:
            head = handle.read(4)
        for bom, name in _BOMS:
            if head.startswith(bom):
                return name
        bad_at = -1
        for candidate in ("utf-8", "cp932"):
            bad_at = self._first_undecodable(candidate)
            if bad_at < 0:
                return candidate
        raise self._not_text(bad_at)

    def _first_undecodable(self, encoding: str) -> int:
        decoder = codecs.getincrementaldecoder(encoding)()
        done = 0
        with closing(self._open()) as handle:
            while block := handle.read(_SNIFF_BYTES):
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as exc:
                    return done + exc.start
                done += len(block)
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                return done
        return -1

    def _not_text(self, offset: int) -> TableError:
        return TableError(f"is neither UTF-8 nor CP932 text (byte {offset:,}); convert it, or say encoding in the map", path=self._path)


class _ParquetReader:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with pq.ParquetFile(path) as file:
                self.columns = tuple(file.schema_arrow.names)
        except pa.ArrowInvalid as exc:
            raise TableError("is not a Parquet file, or damaged", path=path) from exc
        self.facts = _file_facts(path, "parquet", None)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        try:
            with pq.ParquetFile(self._path) as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
                    texts = [_as_text(batch.column(batch.schema.get_field_index(c)), c, self._path) for c in columns]
                    yield pa.RecordBatch.from_arrays(texts, names=list(columns))
        except (pa.ArrowInvalid, OSError) as exc:
            raise TableError("is damaged: it cannot be read to its end", path=self._path) from exc


def _as_text(values: pa.Array, column: str, path: Path) -> pa.Array:
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
        with suppress(pa.ArrowInvalid):
            values = values.cast(pa.int64())
    try:
        text = values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as exc:
        raise TableError(f"column {column!r} of type {values.type} cannot be read as text", path=path) from exc
    return pc.if_else(pc.equal(text, ""), None, text)


class _JsonLinesReader:
    def __init__(self, path: Path) -> None:
        self._path = path
        if path.stat().st_size == 0:
            raise TableError("is empty; one JSON object a line is needed", path=path)
        rows = self._query("SELECT DISTINCT unnest(json_keys(json)) AS name FROM read_json_objects(?, format = 'newline_delimited') ORDER BY name")
        self.columns = tuple(name for (name,) in rows)
        self.facts = _file_facts(path, "jsonl", "utf-8")

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        types = ", ".join(f"{quote(c)}: 'VARCHAR'" for c in columns)
        selected = ", ".join(f"nullif({identifier(c)}, '') AS {identifier(c)}" for c in columns)
        source = f"read_json({quote(escape_glob(self._path))}, format = 'newline_delimited', columns = {{{types}}})"
        try:
            with duckdb.connect(config={"autoload_known_extensions": False}) as connection:
                yield from connection.sql(f"SELECT {selected} FROM {source}").to_arrow_reader(BATCH_ROWS)
        except duckdb.Error as exc:
            raise self._invalid(exc) from exc

    def _query(self, sql: str) -> list[tuple[str]]:
        try:
            with duckdb.connect(config={"autoload_known_extensions": False}) as connection:
                return connection.execute(sql, [escape_glob(self._path)]).fetchall()
        except duckdb.Error as exc:
            raise self._invalid(exc) from exc

    def _invalid(self, exc: duckdb.Error) -> TableError:
        return TableError(f"is not valid JSON Lines: {_json_complaint(str(exc))}", path=self._path)


def _json_complaint(message: str) -> str:
    """Keep the place of a JSON mistake and drop the text around it, which may be personal data."""
    place = message.partition("in line ")[2].partition(":")[0] if "in line " in message else ""
    return f"line {place} is no JSON object" if place.isdigit() else "a line is no JSON object"


class _SqliteReader:
    """Never changes the database, nor the files beside it.

    SQLite wants to write to a database with a write-ahead log or a hot journal even when only reading; such a database is
    copied first.
    """

    def __init__(self, path: Path, relation: str, scratch: Path) -> None:
        self._path = path
        self._relation = relation
        if not path.is_file():
            raise TableError("does not exist; 'sqlite:///name' is relative to the map, four slashes begin an absolute path", path=path)
        self._options = "mode=ro&immutable=1"
        self._opened = self._copy(scratch) if self._has_unfinished_writes() else path
        try:
            with closing(self._connect()) as connection:
                found = connection.execute(f"SELECT name FROM pragma_table_xinfo({quote(relation)})").fetchall()
                if not found:
                    names = [n for (n,) in connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name")]
                    raise TableError(f"has no table {relation!r}{did_you_mean(relation, names)}", path=path)
        except sqlite3.Error as exc:
            raise TableError(f"is not a readable SQLite database: {exc}", path=path) from exc
        self.columns = tuple(name for (name,) in found)
        self.facts = _file_facts(path, "sqlite", None)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([pa.field(c, pa.string()) for c in columns])
        selected = ", ".join(f"nullif(CAST({identifier(c)} AS TEXT), '')" for c in columns)
        order = ", ".join(str(i + 1) for i in range(len(columns)))
        try:
            with closing(self._connect()) as connection:
                cursor = connection.execute(f"SELECT {selected} FROM {identifier(self._relation)} ORDER BY {order}")
                while rows := cursor.fetchmany(BATCH_ROWS):
                    yield pa.RecordBatch.from_arrays([pa.array(values, pa.string()) for values in zip(*rows, strict=True)], schema=schema)
        except sqlite3.Error as exc:
            raise TableError(f"table {self._relation!r} cannot be read: {exc}", path=self._path) from exc

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{percent_quote(str(self._opened.absolute()))}?{self._options}", uri=True)

    def _companions(self) -> list[Path]:
        return [p for suffix in ("-wal", "-journal") if (p := self._path.with_name(self._path.name + suffix)).is_file()]

    def _has_unfinished_writes(self) -> bool:
        return any(p.stat().st_size for p in self._companions())

    def _copy(self, scratch: Path) -> Path:
        folder = scratch / f"sqlite-{hashlib.sha256(str(self._path.absolute()).encode()).hexdigest()[:12]}"
        folder.mkdir(mode=0o700, exist_ok=True)
        for file in (self._path, *self._companions()):
            shutil.copyfile(file, folder / file.name)
        self._options = "mode=rw"
        return folder / self._path.name


class _PostgresReader:
    def __init__(self, url: str, schema: str | None, relation: str) -> None:
        self._url = _with_application_defaults(url)
        self._shown = without_credentials(url)
        self._relation = relation
        self._schema = schema or "public"
        self.columns = self._read_columns()
        self.facts = SourceFacts(f"{self._shown} {self._schema}.{relation}", "postgresql", None, None, None)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        selected = ", ".join(f"nullif({identifier(c)}::text, '') AS {identifier(c)}" for c in columns)
        order = ", ".join(f'{identifier(c)}::text COLLATE "C"' for c in columns)
        table = f"{identifier(self._schema)}.{identifier(self._relation)}"
        driver = self._driver()
        try:
            with self._connect(driver) as connection, connection.cursor() as cursor:
                self._begin(cursor)
                cursor.execute(f"SELECT {selected} FROM {table} ORDER BY {order}")
                yield from cursor.fetch_record_batch()
        except (driver.Error, pa.ArrowException, OSError) as exc:
            raise self._failure(exc) from exc

    def _read_columns(self) -> tuple[str, ...]:
        driver = self._driver()
        names = "SELECT column_name::text FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position"
        tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1"
        try:
            with self._connect(driver) as connection, connection.cursor() as cursor:
                self._begin(cursor)
                cursor.execute(names, (self._schema, self._relation))
                columns = tuple(str(name) for (name,) in cursor.fetchall())
                if not columns:
                    cursor.execute(tables, (self._schema,))
                    known = [str(name) for (name,) in cursor.fetchall()]
                    raise TableError(f"{self._shown} has no table {self._relation!r} in schema {self._schema!r}{did_you_mean(self._relation, known)}")
        except (driver.Error, pa.ArrowException, OSError) as exc:
            raise self._failure(exc) from exc
        return columns

    def _begin(self, cursor: Any) -> None:
        for statement in ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", "SET LOCAL TIME ZONE 'UTC'", "SET LOCAL DateStyle = 'ISO'"):
            cursor.execute(statement)

    def _connect(self, driver: ModuleType) -> Any:
        return driver.connect(self._url)

    def _driver(self) -> ModuleType:
        try:
            return importlib.import_module("adbc_driver_postgresql.dbapi")
        except ImportError as exc:
            raise TableError(f"{self._shown} needs the PostgreSQL driver; install it with: pip install 'breachscope[postgres]'") from exc

    def _failure(self, exc: Exception) -> TableError:
        first_line = next((line.strip() for line in str(exc).splitlines() if line.strip()), "unknown reason")
        return TableError(f"{self._shown} cannot be read: {_without_secrets(first_line, self._url)}")


def _with_application_defaults(url: str) -> str:
    """Let a dead server fail in seconds, and a server log show who read."""
    parts = urlsplit(url)
    arguments = dict(parse_qsl(parts.query, keep_blank_values=True))
    arguments.setdefault("connect_timeout", "10")
    arguments.setdefault("application_name", "breachscope")
    return urlunsplit(parts._replace(query=urlencode(arguments)))


def _without_secrets(message: str, url: str) -> str:
    password = urlsplit(url).password
    for secret in {password, url, os.environ.get("PGPASSWORD")} - {None, ""}:
        message = message.replace(cast(str, secret), "***")
    return message
