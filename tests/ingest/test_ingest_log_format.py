"""Formats made from the server's own configuration, on lines as Apache and nginx write them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from breachscope.case import Case
from breachscope.errors import UsageError
from breachscope.ingest import FormatCatalog, IngestOptions, ingest
from breachscope.ingest.engine import read_lines
from breachscope.ingest.log_format import format_of
from breachscope.ingest.reading import Context
from breachscope.progress import Silent


def read(definition: str, line: str) -> dict[str, Any] | None:
    frame = pl.DataFrame({"line": [1], "text": [line]}, schema={"line": pl.Int64, "text": pl.String})
    events = read_lines(frame, format_of(definition), FormatCatalog(()), Context(source=1)).events
    kept = {c: v for c, v in events[0][2].row(0, named=True).items() if v is not None} if events else None
    return {c: v for c, v in kept.items() if c not in ("event_id", "source", "line", "format", "ts_quality", "ts_offset_min")} if kept else None


AT = datetime(2026, 3, 2, 1, 15, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("definition", "line", "expected"),
    [
        (
            r'%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\" %D',
            r'192.0.2.9 - u1 [02/Mar/2026:10:15:04 +0900] "GET /o/47?v=1 HTTP/1.1" 200 512 "-" "a \"b\"" 21500',
            {"ts": AT, "client_ip": "192.0.2.9", "user": "u1", "method": "GET", "path": "/o/47", "query": "v=1",
             "protocol": "HTTP/1.1", "status": 200, "bytes_sent": 512, "user_agent": 'a "b"', "duration_ms": 21.5},
        ),
        (
            'LogFormat "%v:%p %a %{c}a %t %m %U%q %s %B %T \\"%{X-Forwarded-For}i\\" %{sid}C" mine',
            'shop.example:443 192.0.2.9 10.0.0.1 [02/Mar/2026:10:15:04 +0900] POST /login?x=1 302 0 2 "198.51.100.7, 10.0.0.2" s-1',
            {"ts": AT, "client_ip": "192.0.2.9", "peer_ip": "10.0.0.1", "vhost": "shop.example",
             "method": "POST", "path": "/login", "query": "x=1", "status": 302, "bytes_sent": 0,
             "duration_ms": 2000.0, "forwarded_for": "198.51.100.7, 10.0.0.2"},
        ),
        (
            """log_format main escape=default '$remote_addr - $remote_user [$time_local] "$request" '
                '$status $body_bytes_sent "$http_user_agent" rt=$request_time';""",
            '2001:DB8::9 - - [02/Mar/2026:10:15:04 +0900] "GET /?q=%22 HTTP/2.0" 404 7 "curl/8" rt=0.021',
            {"ts": AT, "client_ip": "2001:db8::9", "method": "GET", "path": "/", "query": "q=%22",
             "protocol": "HTTP/2.0", "status": 404, "bytes_sent": 7, "user_agent": "curl/8", "duration_ms": 21.0},
        ),
        (
            "$msec|$remote_addr|$request_method|$request_uri|$status|${upstream_addr}x",
            "1772414104.000|192.0.2.9|GET|/a?b|200|10.0.0.1:80x",
            {"ts": AT, "client_ip": "192.0.2.9", "method": "GET", "path": "/a", "query": "b", "status": 200},
        ),
        ("%{%Y-%m-%d %H:%M:%S %z}t %h 100%% %>s", "2026-03-02 10:15:04 +0900 192.0.2.9 100% 200", {"ts": AT, "client_ip": "192.0.2.9", "status": 200}),
        ("%h %t %v%m %>s", "192.0.2.9 [02/Mar/2026:10:15:04 +0900] shop.exampleGET 200", {"ts": AT, "client_ip": "192.0.2.9", "status": 200}),
        ("%h %t %>s", "192.0.2.9 02/Mar/2026:10:15:04 200", None),
        ("%h %t %>s", "192.0.2.9 [02/Mar/2026:10:15:04 +0900] many", None),
    ],
)  # fmt: skip
def test_a_line_is_read_as_the_server_was_told_to_write_it(definition: str, line: str, expected: dict[str, Any] | None) -> None:
    assert read(definition, line) == expected


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ("%h %>s", "writes no time"),
        ("%t %r", "writes no client"),
        ("%h %t %", "'%' is no directive"),
        ('log_format main "$remote_addr', "a quote is not closed"),
        ("%h %{%Q nonsense}t", "cannot be read"),
        ("combined", "'combined' holds no directive"),
        ("", "holds no directive"),
        ("%h$time_local %r", "writes nothing between a time"),
        ("$time_iso8601 $remote_addr$status", "writes nothing between the client"),
    ],
)
def test_a_string_that_makes_no_event_is_refused(definition: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        format_of(definition)


def test_a_given_string_goes_before_the_formats_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text('192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET / HTTP/1.1" 200 512 "-" "x" 21\n' * 3)
    (tmp_path / "b.log").write_text('192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET / HTTP/1.1" 200 512\n')
    case = Case.create_or_open(tmp_path / "case")
    options = IngestOptions(log_formats=('%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %{ms}T',))
    result = ingest(case, [tmp_path / "a.log", tmp_path / "b.log"], options, Silent())
    assert [dict(s.formats) for s in result.added] == [{"log_format": 3}, {"common": 1}]
    assert pq.read_table(case.event_files("web")[0])["duration_ms"].to_pylist() == [21.0, 21.0, 21.0]
    assert ingest(case, [tmp_path / "a.log"], IngestOptions(), Silent()).added, "read otherwise, it is read again"
