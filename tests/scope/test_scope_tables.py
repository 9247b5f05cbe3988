"""Customer tables: every source, every encoding, nothing changed, nothing told."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.scope.conftest import PASSWORD, PostgresServer
from tests.scope.world import CUSTOMERS, ITEM, World

from breachscope.errors import BreachscopeError, ContentErrors, TableError
from breachscope.scope.database import BATCH_ROWS, Database
from breachscope.scope.datamap import MapTable, load_datamap
from breachscope.scope.tables import open_table

ROWS = [("007", "田中 太郎", None), ("8", 'a "b", c\nd', "x"), ("0009", "ソ能表", "")]


def map_table(source: str, **more: str) -> MapTable:
    values: dict[str, object] = dict.fromkeys(("person", "created", "deleted", "relation_schema", "encoding", "delimiter"))
    values |= {"name": "t", "source": source, "key": "id", "population": "", "tz": "UTC", "tz_assumed": False, "columns": {}, "relation": "t", **more}
    return MapTable(**values)  # type: ignore[arg-type]  # the fields are those of the class, given as a mapping


def read(table: MapTable, folder: Path, columns: list[str], environment: Mapping[str, str] | None = None) -> list[tuple[object, ...]]:
    reader = open_table(table, folder, folder, environment)
    return [row for batch in reader.batches(columns) for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]


def csv_text(delimiter: str = ",", newline: str = "\n") -> str:
    quoted = '"a ""b""' + f'{delimiter} c\nd"'
    rows = [("id", "name", "note"), ("007", "田中 太郎", ""), ("8", quoted, "x"), ("0009", "ソ能表", "")]
    lines = [delimiter.join(row) for row in rows]
    return newline.join(lines) + newline


EXPECTED = [("007", "田中 太郎", None), ("8", 'a "b", c\nd', "x"), ("0009", "ソ能表", None)]


@pytest.mark.parametrize(("codec", "stated"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("cp932", "cp932"), ("utf-16", "utf-16")])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_is_read_in_the_encoding_found(tmp_path: Path, codec: str, stated: str, newline: str) -> None:
    (tmp_path / "t.csv").write_bytes(csv_text(newline=newline).encode(codec))
    assert read(map_table("t.csv"), tmp_path, ["id", "name", "note"]) == EXPECTED
    assert open_table(map_table("t.csv"), tmp_path, tmp_path).facts.encoding == stated


@pytest.mark.parametrize(("name", "delimiter"), [("t.tsv", "\t"), ("t.csv", ";"), ("t.csv", "\t"), ("t.csv", "|")])
def test_csv_is_read_with_the_delimiter_found(tmp_path: Path, name: str, delimiter: str) -> None:
    (tmp_path / name).write_text(csv_text(delimiter))
    assert [row[0] for row in read(map_table(name), tmp_path, ["id"])] == ["007", "8", "0009"]


def test_compressed_csv_and_columns_out_of_order(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(csv_text().encode()))
    assert read(map_table("t.csv.gz"), tmp_path, ["note", "id"]) == [(None, "007"), ("x", "8"), (None, "0009")]


def test_names_that_differ_in_case_only_are_different_columns(world: World) -> None:
    world.file("customers.csv", "id,ID,name,email\n1,9,a,a@x.jp\n2,8,b,b@x.jp\n")
    world.map_text = '[tables.customers]\nsource = "customers.csv"\nkey = "ID"\nperson = "id"\n[tables.customers.columns]\nname = "name"\n'
    world.map_text += ITEM.replace("{id}", "{ID}")
    world.web("10:00", "/api/customers/9")
    answer = world.scope()
    assert answer.grades() == {"9": "confirmed"}
    assert list(answer.people_rows) == ["1"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"id,name\n1,a\n2,b,c\n", "row 3 has 3 fields, the header has 2"),
        (b"id,name\n1,\x81\x00\n", "neither UTF-8 nor CP932"),
    ],
)
def test_broken_csv_is_one_clear_sentence(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TableError, match=complaint):
        read(map_table("t.csv"), tmp_path, ["id"])


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,name\n")
    assert read(map_table("t.csv"), tmp_path, ["id"]) == []


def test_a_truncated_gzip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(csv_text().encode() * 100)[:-30])
    with pytest.raises(TableError, match="cannot be read"):
        read(map_table("t.csv.gz"), tmp_path, ["id"])


def test_jsonl_keeps_text_and_numbers_as_written(tmp_path: Path) -> None:
    lines = [{"id": "007", "name": "田中"}, {"id": 812, "name": None, "more": {"x": 1}}, {"name": "", "id": "8"}]
    (tmp_path / "t[1]*.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    (tmp_path / "t1x.jsonl").write_text('{"id": "another file"}\n')
    assert read(map_table("t[1]*.jsonl"), tmp_path, ["id", "name"]) == [("007", "田中"), ("812", None), ("8", None)]
    assert open_table(map_table("t[1]*.jsonl"), tmp_path, tmp_path).columns == ("id", "more", "name")


@pytest.mark.parametrize("content", ['{"id": 1}\n{"id": \n', "not json\n", '{"id": 1}\n{"id": 2}}\n'])
def test_broken_jsonl_is_one_clear_sentence_without_its_content(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(TableError, match="not valid JSON Lines") as caught:
        read(map_table("t.jsonl"), tmp_path, ["id"])
    assert "not json" not in str(caught.value)


def test_parquet_columns_come_as_text(tmp_path: Path) -> None:
    columns = {
        "id": pa.array([7, 812], pa.int64()),
        "float": pa.array([7.0, None], pa.float64()),
        "half": pa.array([1.5, 2.0], pa.float64()),
        "dictionary": pa.array(["a", ""]).dictionary_encode(),
        "day": pa.array([date(2026, 9, 1), None]),
        "zoned": pa.array([datetime(2026, 9, 1, 1, 2, 3, tzinfo=UTC), None], pa.timestamp("us", "Asia/Tokyo")),
        "naive": pa.array([datetime(2026, 9, 1, 1, 2, 3), None], pa.timestamp("ms")),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    found = read(map_table("t.parquet"), tmp_path, ["id", "float", "half", "dictionary", "day"])
    assert found == [("7", "7", "1.5", "a", "2026-09-01"), ("812", None, "2", None, None)]
    (first, _) = read(map_table("t.parquet"), tmp_path, ["zoned", "naive"])
    assert first == ("2026-09-01 10:02:03.000000+0900", "2026-09-01 01:02:03.000")


def test_a_file_that_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(TableError, match="not a Parquet file"):
        open_table(map_table("t.parquet"), tmp_path, tmp_path)


def make_sqlite(path: Path, *, wal: bool = False) -> None:
    with closing(sqlite3.connect(path)) as connection:
        if wal:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute('CREATE TABLE "t ""x"" ;" (id TEXT, "na ""me" TEXT, n INTEGER)')
        connection.executemany('INSERT INTO "t ""x"" ;" VALUES (?, ?, ?)', [("007", "田中", 1), ("8", "", 22), ("0009", None, 3)])
        connection.commit()


def folder_digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir()) if p.is_file()}


@pytest.mark.parametrize("prefix", ["sqlite:///", "sqlite:////"])
def test_sqlite_is_read_with_hostile_names_and_never_changed(tmp_path: Path, prefix: str) -> None:
    folder = tmp_path / "data#1?x"
    folder.mkdir()
    make_sqlite(folder / "shop.db")
    before = folder_digest(folder)
    source = f"{prefix}{str(folder)[1:] if prefix.endswith('////') else 'data#1?x'}/shop.db"
    assert read(map_table(source, relation='t "x" ;'), tmp_path, ["id", 'na "me', "n"]) == [("0009", None, "3"), ("007", "田中", "1"), ("8", None, "22")]
    assert folder_digest(folder) == before


def test_sqlite_with_unfinished_writes_is_read_from_a_copy(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    make_sqlite(folder / "shop.db", wal=True)
    writer = sqlite3.connect(folder / "shop.db")
    writer.execute('INSERT INTO "t ""x"" ;" VALUES (?, ?, ?)', ("10", "in the log", 4))
    writer.commit()
    assert (folder / "shop.db-wal").stat().st_size > 0
    before = folder_digest(folder)
    found = read(map_table("sqlite:///data/shop.db", relation='t "x" ;'), tmp_path, ["id"])
    assert ("10",) in found
    assert folder_digest(folder) == before
    writer.close()


@pytest.mark.parametrize(
    ("prepare", "relation", "complaint"),
    [
        (lambda path: None, "t", "does not exist"),
        (lambda path: path.write_bytes(b"not a database at all, only text" * 100), "t", "not a readable SQLite database"),
        (make_sqlite, "tx", "has no table 'tx'"),
    ],
)
def test_sqlite_that_cannot_be_read_is_an_error(tmp_path: Path, prepare: Callable[[Path], None], relation: str, complaint: str) -> None:
    prepare(tmp_path / "shop.db")
    with pytest.raises(TableError, match=complaint):
        open_table(map_table("sqlite:///shop.db", relation=relation), tmp_path, tmp_path)


def test_postgresql_is_read_with_hostile_names_in_a_read_only_transaction(tmp_path: Path, postgres_server: PostgresServer) -> None:
    table = 'cus"; DROP TABLE t; --'
    quoted = '"' + table.replace('"', '""') + '"'
    postgres_server.execute(
        'DROP SCHEMA IF EXISTS "s""x" CASCADE',
        'CREATE SCHEMA "s""x"',
        f'CREATE TABLE "s""x".{quoted} (id text, "na""me" text, n bigint, at timestamptz, u uuid, d numeric(10,2))',
        f"""INSERT INTO "s""x".{quoted}
            VALUES ('007', '田中', 1, '2026-09-01 10:00:00+09', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1.50), ('8', '', 22, NULL, NULL, NULL)""",
    )
    source = map_table(postgres_server.url, relation=table, relation_schema='s"x')
    assert open_table(source, tmp_path, tmp_path).columns == ("id", 'na"me', "n", "at", "u", "d")
    assert read(source, tmp_path, ["id", 'na"me', "n", "at", "u", "d"]) == [
        ("007", "田中", "1", "2026-09-01 01:00:00+00", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "1.50"),
        ("8", None, "22", None, None, None),
    ]


def test_postgresql_views_that_write_are_refused(tmp_path: Path, postgres_server: PostgresServer) -> None:
    postgres_server.execute(
        "DROP TABLE IF EXISTS noted CASCADE",
        "CREATE TABLE noted (n int)",
        "CREATE OR REPLACE FUNCTION note() RETURNS int LANGUAGE sql AS 'INSERT INTO noted VALUES (1) RETURNING n'",
        "CREATE OR REPLACE VIEW spy AS SELECT note() AS id",
    )
    with pytest.raises(TableError, match="read-only"):
        read(map_table(postgres_server.url, relation="spy"), tmp_path, ["id"])
    assert postgres_server.value("SELECT count(*) FROM noted") == 0


def test_scope_reads_customers_from_postgresql(world: World, postgres_server: PostgresServer) -> None:
    postgres_server.execute(
        "DROP TABLE IF EXISTS customers CASCADE",
        "CREATE TABLE customers (id bigint, name text, email text, created timestamptz, deleted timestamptz)",
        "INSERT INTO customers SELECT n, 'name' || n, 'u' || n || '@example.jp', '2025-01-01' FROM generate_series(1, 10) n",
        "UPDATE customers SET deleted = '2026-09-01 09:00:00+00' WHERE id = 4",
    )
    world.map_text = CUSTOMERS.replace("customers.csv", postgres_server.url) + ITEM
    world.web("10:00", "/api/customers/3")
    world.web("10:00", "/api/customers/4")
    answer = world.scope()
    assert answer.reasons() == {"3": "returned_by_key", "4": "already_deleted"}
    written = (answer.case.path / "scope.json").read_text()
    assert PASSWORD not in written
    assert answer.document["records"][0]["source"]["format"] == "postgresql"


def test_credentials_may_come_from_named_variables(tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres_server.execute("DROP TABLE IF EXISTS t CASCADE", "CREATE TABLE t (id text)", "INSERT INTO t VALUES ('1')")
    monkeypatch.delenv("PGUSER")
    monkeypatch.delenv("PGPASSWORD")
    source = map_table(postgres_server.url.replace("//", "//${DB_USER}:${DB_PASSWORD}@"))
    encoded = PASSWORD.replace("%", "%25").replace("/", "%2F").replace(":", "%3A").replace("@", "%40").replace(" ", "%20")
    assert read(source, tmp_path, ["id"], {"DB_USER": "postgres", "DB_PASSWORD": encoded}) == [("1",)]
    with pytest.raises(TableError, match="needs the environment variables DB_PASSWORD, DB_USER"):
        read(source, tmp_path, ["id"], {})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda url: url.replace("/postgres", "/nowhere"), "nowhere"),
        (lambda url: "postgresql://127.0.0.1:1/postgres", "cannot be read"),
        (lambda url: url.replace("//", "//postgres:wrong%20pass@"), "password authentication failed"),
    ],
)
def test_an_unreachable_database_is_one_sentence_without_secrets(
    tmp_path: Path, postgres_server: PostgresServer, change: Callable[[str], str], complaint: str
) -> None:
    with pytest.raises(TableError, match=complaint) as caught:
        open_table(map_table(change(postgres_server.url)), tmp_path, tmp_path)
    message = str(caught.value)
    assert PASSWORD not in message
    assert "wrong" not in message
    assert "\n" not in message


def test_a_missing_table_is_told_with_the_nearest_name(tmp_path: Path, postgres_server: PostgresServer) -> None:
    postgres_server.execute("DROP TABLE IF EXISTS customers CASCADE", "CREATE TABLE customers (id text)")
    with pytest.raises(TableError, match="has no table 'costumers' in schema 'public'; did you mean 'customers'"):
        open_table(map_table(postgres_server.url, relation="costumers"), tmp_path, tmp_path)


def test_without_the_driver_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql.dbapi", None)
    with pytest.raises(TableError, match=r"pip install 'breachscope\[postgres\]'"):
        open_table(map_table("postgresql://localhost/db"), tmp_path, tmp_path)


def test_all_columns_that_a_table_lacks_are_told_at_once_with_their_lines(world: World) -> None:
    world.map_text = CUSTOMERS.replace('key = "id"', 'key = "idd"').replace('email = "email"', 'mail = "email"') + ITEM.replace('"name"', '"nmae"')
    world.web("10:00", "/api/customers/3")
    with pytest.raises(ContentErrors) as caught:
        world.scope()
    told = [(e.line, e.text) for e in caught.value.errors]
    assert (3, "key: table customers has no column 'idd'; did you mean 'id'?") in told
    assert (10, "columns: table customers has no column 'mail'; did you mean 'email'?") in told
    assert (14, "columns: table customers has no column 'nmae'; did you mean 'name'?") in told


def test_a_missing_file_names_the_line_of_the_map(world: World) -> None:
    (world.folder / "customers.csv").unlink()
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3")
    with pytest.raises(BreachscopeError, match=r"datamap\.toml:2: table customers: .*customers\.csv: does not exist"):
        world.scope()


def test_a_row_that_breaks_off_names_the_map_too(world: World) -> None:
    world.file("customers.csv", "id,name,email,created,deleted\n1,a\n")
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3")
    with pytest.raises(TableError, match=r"datamap\.toml:2: table customers: .*row 2 has 2 fields"):
        world.scope()


@pytest.mark.parametrize(
    ("written", "zone", "instant"),
    [
        ("2026-09-01 10:00:00", "UTC", "2026-09-01T10:00:00"),
        ("2026-09-01 10:00:00", "Asia/Tokyo", "2026-09-01T01:00:00"),
        ("2026-09-01T10:00:00+09:00", "UTC", "2026-09-01T01:00:00"),
        ("2026-09-01 10:00:00 +0900", "UTC", "2026-09-01T01:00:00"),
        ("2026-09-01T01:00:00.5Z", "Asia/Tokyo", "2026-09-01T01:00:00.5"),
        ("2026/9/1 10:00", "Asia/Tokyo", "2026-09-01T01:00:00"),
        ("2026年9月1日 10:00", "Asia/Tokyo", "2026-09-01T01:00:00"),
        ("2026-09-01", "Asia/Tokyo", "2026-08-31T15:00:00"),
        ("20260901", "UTC", "2026-09-01T00:00:00"),
        ("1788224400", "Asia/Tokyo", "2026-09-01T01:00:00"),
        ("1788224400000", "Asia/Tokyo", "2026-09-01T01:00:00"),
        ("1788224400000000", "Asia/Tokyo", "2026-09-01T01:00:00"),
    ],
)
def test_times_of_tables_are_read_as_written(world: World, written: str, zone: str, instant: str) -> None:
    moment = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    world.map_text = CUSTOMERS.replace("UTC", zone) + ITEM
    world.file("customers.csv", f"id,name,email,created,deleted\n1,a,a@x.jp,{written},\n2,b,b@x.jp,{written},\n")
    world.web(moment - timedelta(microseconds=1), "/api/customers/1")
    world.web(moment, "/api/customers/2")
    assert world.scope().reasons() == {"1": "not_yet_created", "2": "returned_by_key"}


def test_a_date_without_time_ends_a_row_at_the_end_of_its_day(world: World) -> None:
    world.file("customers.csv", "id,name,email,created,deleted\n1,a,a@x.jp,,2026-09-01\n2,b,b@x.jp,,2026-08-31\n")
    world.map_text += ITEM
    world.web("10:00", "/api/customers/1")
    world.web("10:00", "/api/customers/2")
    assert world.scope().grades() == {"1": "confirmed", "2": "excluded"}


def test_an_unreadable_time_counts_as_existing_and_is_said(world: World) -> None:
    world.file("customers.csv", "id,name,email,created,deleted\n1,a,a@x.jp,yesterday,never\n")
    world.map_text += ITEM
    world.web("10:00", "/api/customers/1")
    answer = world.scope()
    assert answer.grades() == {"1": "confirmed"}
    assert "table_times_unreadable" in answer.codes


def test_the_map_is_read_relative_to_itself(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert world.scope().grades() == {"1": "confirmed"}
    assert load_datamap(world.folder / "datamap.toml").tables["customers"].source == "customers.csv"


def test_results_stream_in_batches_of_one_size(tmp_path: Path) -> None:
    database = Database(tmp_path)
    batches = list(database.batches("SELECT i FROM range(300000) r(i) WHERE i % 7 <> 0"))
    assert [b.num_rows for b in batches] == [BATCH_ROWS, 257_142 - BATCH_ROWS]
    assert [i for b in batches for i in b["i"].to_pylist()] == [i for i in range(300_000) if i % 7]
    assert list(database.batches("SELECT 1 WHERE false")) == []
    database.close()
