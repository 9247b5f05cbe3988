"""Lines under a header that names their columns, against readers of the standard library and across blocks."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breachscope.case import Case
from breachscope.ingest import FormatCatalog, IngestOptions, ingest, load_formats
from breachscope.ingest.engine import read_lines
from breachscope.ingest.headers import Headers
from breachscope.ingest.reading import Context
from breachscope.progress import Silent

EXPORT = """
title = "Export of a web application firewall"
spec = ["none"]
kind = "table"
table = "web"
order = 990
separator = ","
quote = '"'
require = ["time", "client_ip"]
time.formats = ["%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M"]
time.zone = "Asia/Tokyo"

[keys]
time = ["date+time", "日時"]
client_ip = ["IP", "送信元"]
user = "User"
user_agent = ["agent", "client"]

[[sample]]
header = "日時,送信元,User"
line = '2026/03/02 10:15,192.0.2.9,"山田, 太郎"'
[sample.expect]
ts = 2026-03-02T01:15:00Z
ts_offset_min = 540
ts_quality = "exact"
client_ip = "192.0.2.9"
user = "山田, 太郎"
"""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> FormatCatalog:
    folder = tmp_path_factory.mktemp("formats")
    (folder / "export.toml").write_text(EXPORT, encoding="utf-8")
    return load_formats([folder])


@pytest.mark.parametrize(("titles", "is_read"), [(0, True), (1, True), (10, True), (11, False)])
def test_a_header_is_found_below_some_titles(catalog: FormatCatalog, titles: int, is_read: bool) -> None:
    lines = [*["出力日時,2026/03/02"] * titles, "日時,送信元,User", "2026/03/02 10:15,192.0.2.9,u1", "日時,送信元,User"]
    headers = Headers().with_those_of("\r\n".join(lines).encode("cp932"), 1, catalog["export"], "cp932")
    frame = pl.DataFrame({"line": range(1, len(lines) + 1), "text": lines}, schema={"line": pl.Int64, "text": pl.String})
    reading = read_lines(frame, catalog["export"], catalog, Context(1, headers=headers))
    assert reading.skipped == (Counter({"header": 1, "title": titles}) if is_read else Counter())
    assert [rows["user"].to_list() for _, _, rows in reading.events] == ([["u1"]] if is_read else [])
    assert len(reading.rejects()) == (1 if is_read else len(lines))


CELL = st.text(alphabet='ab",;+ 表\\-', max_size=6)
NAMES = ["date", "time", "ip", "user", "agent", "client", "other"]


@given(st.permutations(NAMES), st.lists(st.fixed_dictionaries(dict.fromkeys(["user", "agent", "client", "other"], CELL)), min_size=1, max_size=8), st.data())
def test_cells_are_those_of_the_csv_module(catalog: FormatCatalog, names: list[str], rows: list[dict[str, str]], data: st.DataObject) -> None:
    rows = [{**r, "date": "2026-03-02", "time": "10:15:04", "ip": f"192.0.2.{n}"} for n, r in enumerate(rows)]
    out = io.StringIO()
    writer = csv.DictWriter(out, names, quoting=data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    lines = out.getvalue().splitlines()
    frame = pl.DataFrame({"line": range(1, len(lines) + 1), "text": lines}, schema={"line": pl.Int64, "text": pl.String})
    headers = Headers().with_those_of(out.getvalue().encode(), 1, catalog["export"])
    reading = read_lines(frame, catalog["export"], catalog, Context(1, headers=headers))
    assert dict(reading.skipped) == {"header": 1}
    found = [row for _, _, part in reading.events for row in part.iter_rows(named=True)]
    expected = [{"client_ip": r["ip"], "user": said(r["user"]), "user_agent": said(r["agent"]) or said(r["client"])} for r in rows]
    assert [{c: row[c] for c in ("client_ip", "user", "user_agent")} for row in found] == expected
    assert {row["ts"] for row in found} == {datetime(2026, 3, 2, 1, 15, 4, tzinfo=UTC)}


def said(text: str) -> str | None:
    """A cell's text, or null for what says nothing."""
    return None if text in ("", "-", '""') else text


def ingested(tmp_path: Path, text: str, block_bytes: int, formats: tuple[Path, ...] = ()) -> tuple[Any, list[dict[str, Any]], list[dict[str, Any]]]:
    log = tmp_path / "x.log"
    log.write_text(text, encoding="utf-8")
    case = Case.create_or_open(tmp_path / f"case{block_bytes}")
    source = ingest(case, [log], IngestOptions(block_bytes=block_bytes, formats_dirs=formats, tz="Asia/Tokyo"), Silent()).added[0]
    read = [row for path in (*case.event_files("web"), *case.event_files("network")) for row in pq.read_table(path).to_pylist()]
    return source, sorted(read, key=lambda r: int(r["line"])), [row for path in case.reject_files() for row in pq.read_table(path).to_pylist()]


@pytest.mark.parametrize("block_bytes", [1 << 20, 300])
def test_columns_change_within_a_log(tmp_path: Path, block_bytes: int) -> None:
    """IIS writes a new header when it is restarted or its columns are changed."""
    first = [f"2026-03-02 01:15:{n:02} 192.0.2.{n} GET /a/{n} 200 0" for n in range(20)]
    second = [f"2026-03-03 01:15:{n:02} 404 2 /b/{n} POST 198.51.100.{n}" for n in range(20)]
    text = "\n".join(
        [
            "#Software: Microsoft Internet Information Services 10.0",
            "#Fields: date time c-ip cs-method cs-uri-stem sc-status sc-win32-status",
            *first,
            "#Date: 2026-03-03 00:00:00",
            "#Fields: date time sc-status sc-win32-status cs-uri-stem cs-method c-ip",
            *second,
            "2026-03-03 01:15:30 404 2",
            "",
        ]
    )
    source, events, rejects = ingested(tmp_path, text, block_bytes)
    assert [(e["client_ip"], e["path"], e["status"], e["method"]) for e in events] == [(f"192.0.2.{n}", f"/a/{n}", 200, "GET") for n in range(20)] + [
        (f"198.51.100.{n}", f"/b/{n}", 404, "POST") for n in range(20)
    ]
    assert {e["ts"].replace(second=0) for e in events} == {datetime(2026, 3, 2, 1, 15, tzinfo=UTC), datetime(2026, 3, 3, 1, 15, tzinfo=UTC)}, (
        "UTC, whatever --tz says"
    )
    assert source.skipped == {"comment": 4}
    assert [r["line"] for r in rejects] == [45]


@pytest.mark.parametrize("block_bytes", [1 << 20, 300])
@pytest.mark.parametrize(("software", "name", "agent"), [("Microsoft Internet Information Services 8.5", "iis", "a b"), ("Example Proxy", "w3c", "a+b")])
def test_the_writers_name_tells_iis_from_others(tmp_path: Path, block_bytes: int, software: str, name: str, agent: str) -> None:
    """Its status of Windows may be left out, as any column."""
    rows = [f"2026-03-02 01:15:{n:02} 192.0.2.{n} GET /a/{n} 200 a+b" for n in range(20)]
    text = "\n".join([f"#Software: {software}", "#Fields: date time c-ip cs-method cs-uri-stem sc-status cs(User-Agent)", *rows, ""])
    _, events, rejects = ingested(tmp_path, text, block_bytes)
    assert ({(e["format"], e["user_agent"]) for e in events}, len(events), rejects) == ({(name, agent)}, 20, [])


def test_lines_above_the_first_header_are_rejected(tmp_path: Path) -> None:
    """A rotated log may begin in the middle; what its columns were then is not known."""
    line = "2026-03-02 01:15:04 192.0.2.9 GET /a 200 0"
    text = f"{line}\n#Fields: date time c-ip cs-method cs-uri-stem sc-status sc-win32-status\n{line}\n{line}\n"
    source, events, rejects = ingested(tmp_path, text, 1 << 20)
    assert ([e["line"] for e in events], [r["line"] for r in rejects], source.skipped) == ([3, 4], [1], {"comment": 1})


def test_a_header_of_absurdly_many_names_harms_its_own_lines_alone(tmp_path: Path) -> None:
    """It used to stop the ingest: an expression of so many columns is refused by the engine."""
    names, line = "date time c-ip cs-method cs-uri-stem sc-status", "2026-03-02 01:15:04 192.0.2.9 GET /a 200"
    wide = "".join(f" x-{n}" for n in range(100_000))
    text = f"#Fields: {names}\n{line}\n#Fields: {names}{wide}\n{line}{' 1' * 100_000}\n#Fields: {names}\n{line}\n"
    source, events, rejects = ingested(tmp_path, text, 1 << 22)
    assert ([e["line"] for e in events], [r["line"] for r in rejects], source.skipped) == ([2, 6], [4], {"comment": 3})


@pytest.mark.parametrize("block_bytes", [1 << 20, 200])
def test_the_first_line_is_the_header_of_an_export(tmp_path: Path, block_bytes: int) -> None:
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats/export.toml").write_text(EXPORT, encoding="utf-8")
    text = "\ufeff" + "".join(["日時,送信元,User\n", *(f"2026/03/02 10:{n:02},192.0.2.{n},u{n}\n" for n in range(40)), "日時,送信元\n"])
    source, events, rejects = ingested(tmp_path, text, block_bytes, (tmp_path / "formats",))
    assert [(e["client_ip"], e["user"]) for e in events] == [(f"192.0.2.{n}", f"u{n}") for n in range(40)]
    assert (source.skipped, [r["line"] for r in rejects]) == ({"header": 1}, [42])


def w3c_events(tmp_path: Path, content: str, block_bytes: int, name: str = "ex.log") -> tuple[list[dict[str, Any]], list[int]]:
    (tmp_path / name).write_bytes(content.encode())
    case = Case.create_or_open(tmp_path / f"case-{name}")
    ingest(case, [tmp_path / name], IngestOptions(block_bytes=block_bytes, only_format="w3c"), Silent())
    rejected = [n for path in case.reject_files() for n in pq.read_table(path)["line"].to_pylist()]
    return [row for path in case.event_files("web") for row in pq.read_table(path).to_pylist()], rejected


@pytest.mark.parametrize("block_bytes", [1 << 20, 64])
def test_a_directive_tells_the_day_of_lines_that_tell_the_time_alone(tmp_path: Path, block_bytes: int) -> None:
    content = "\r\n".join(
        [
            "#Fields: time c-ip cs-method cs-uri sc-status", "09:00:00 192.0.2.1 GET /no-day 200", "#Date: 2026-03-02 23:59:30",
            "23:59:59 192.0.2.1 GET /a 200", "00:00:01 192.0.2.1 GET /b 200", "23:59:58 192.0.2.1 GET /late 200", "noon 192.0.2.1 GET /x 200",
            "00:00:02 192.0.2.1 GET /c 200", "11:00:00 192.0.2.1 GET /d 200", "22:00:00 192.0.2.1 GET /e 200", "01:00:00 192.0.2.1 GET /f 200",
            "#Date: 2026-03-10", "#Fields: c-ip time cs-method cs-uri sc-status", "192.0.2.1 00:00:00 GET /g 200",
            "#Fields: date time c-ip cs-method cs-uri sc-status", "2026-04-01 05:00:00 192.0.2.1 GET /h 200",
            "#Fields: time c-ip cs-method cs-uri sc-status", "06:00:00 192.0.2.1 GET /i 200", "#Date: 2026-02-30 00:00:00", "07:00:00 192.0.2.1 GET /j 200", "",
        ]
    )  # fmt: skip
    events, rejected = w3c_events(tmp_path, content, block_bytes)
    assert [(e["path"], e["ts"].strftime("%m-%d %H:%M:%S")) for e in events] == [
        ("/a", "03-02 23:59:59"), ("/b", "03-03 00:00:01"), ("/late", "03-02 23:59:58"), ("/c", "03-03 00:00:02"), ("/d", "03-03 11:00:00"),
        ("/e", "03-03 22:00:00"), ("/f", "03-04 01:00:00"), ("/g", "03-10 00:00:00"), ("/h", "04-01 05:00:00"), ("/i", "03-10 06:00:00"),
    ]  # fmt: skip
    assert rejected == [2, 7, 20]


@settings(max_examples=15)
@given(st.lists(st.integers(0, 11 * 3600), min_size=1, max_size=30), st.integers(0, 86_399), st.sampled_from([40, 200, 1 << 16]))
def test_days_go_on_over_midnight_and_over_blocks(tmp_path_factory: pytest.TempPathFactory, gaps: list[int], start: int, block_bytes: int) -> None:
    begin = datetime(2026, 2, 27, tzinfo=UTC) + timedelta(seconds=start)
    times = [begin + timedelta(seconds=sum(gaps[: n + 1])) for n in range(len(gaps))]
    lines = [f"{t:%H:%M:%S} 192.0.2.1 GET /{n} 200" for n, t in enumerate(times)]
    content = "\n".join([f"#Date: {begin:%Y-%m-%d %H:%M:%S}", "#Fields: time c-ip cs-method cs-uri sc-status", *lines, ""])
    events, rejected = w3c_events(tmp_path_factory.mktemp("days"), content, block_bytes)
    assert ([e["ts"] for e in events], rejected) == (times, [])
