"""A dash, an empty text, an absent field and a zero are four things; each column says which of them its format can tell apart.

``-`` and the empty text are null, also for bytes: Apache's %b and S3 write it where no body was sent, other writers of the
same format where they do not know. Zero is a number where a number was written; as a status it is the lack of one.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.ingest.reading import engine_reads

T = "[02/Mar/2026:10:15:04 +0900]"


def combined(request: str = "GET /a HTTP/1.1", status: str = "200", size: str = "0", user: str = "-", referer: str = "-", agent: str = "-") -> str:
    return f'192.0.2.9 - {user} {T} "{request}" {status} {size} "{referer}" "{agent}"'


def nginx(**fields: Any) -> str:
    return json.dumps({"time_iso8601": "2026-03-02T10:15:04+09:00", "remote_addr": "192.0.2.9", "status": 200, "request_uri": "/a", **fields})


def flow(**fields: str) -> str:
    told = {"bytes": "9120", "srcport": "51512", **fields}
    return f"2 111122223333 eni-0a 192.0.2.10 203.0.113.5 {told['srcport']} 443 6 96 {told['bytes']} 1772414104 1772414135 ACCEPT OK"


CASES: list[tuple[str, str, str, object]] = [
    ("combined", combined(size="-"), "bytes_sent", None),
    ("combined", combined(size="0"), "bytes_sent", 0),
    ("combined", combined(status="-"), "status", None),
    ("combined", combined(status="000"), "status", None),
    ("combined", combined(user="-"), "user", None),
    ("combined", combined(user='""'), "user", None),
    ("combined", combined(user="0"), "user", "0"),
    ("combined", combined(referer=""), "referer", None),
    ("combined", combined(referer="0"), "referer", "0"),
    ("combined", combined(agent="(null)"), "user_agent", None),
    ("combined", combined(agent="null"), "user_agent", "null"),
    ("combined", combined("GET /a HTTP/1.1"), "query", None),
    ("combined", combined("GET /a? HTTP/1.1"), "query", ""),
    ("combined", combined("GET /a?- HTTP/1.1"), "query", "-"),
    ("combined", combined("GET /a?0 HTTP/1.1"), "query", "0"),
    ("combined", combined("-"), "path", "-"),
    ("combined", combined("-"), "method", None),
    ("combined", combined(""), "path", ""),
    ("common", f'192.0.2.9 - - {T} "GET /a HTTP/1.1" 304 -', "bytes_sent", None),
    ("common", f'192.0.2.9 - - {T} "GET /a HTTP/1.1" 200 0', "user_agent", None),
    ("nginx_json", nginx(body_bytes_sent=0), "bytes_sent", 0),
    ("nginx_json", nginx(body_bytes_sent="0"), "bytes_sent", 0),
    ("nginx_json", nginx(body_bytes_sent=""), "bytes_sent", None),
    ("nginx_json", nginx(body_bytes_sent="-"), "bytes_sent", None),
    ("nginx_json", nginx(body_bytes_sent=None), "bytes_sent", None),
    ("nginx_json", nginx(), "bytes_sent", None),
    ("nginx_json", nginx(request_time="0.000"), "duration_ms", 0.0),
    ("nginx_json", nginx(request_time="-"), "duration_ms", None),
    ("nginx_json", nginx(request_time="-1"), "duration_ms", None),
    ("nginx_json", nginx(status=0), "status", None),
    ("nginx_json", nginx(status="000"), "status", None),
    ("nginx_json", nginx(user=""), "user", None),
    ("nginx_json", nginx(user="0"), "user", "0"),
    ("nginx_json", nginx(user="null"), "user", "null"),
    ("nginx_json", nginx(user=None), "user", None),
    ("nginx_json", nginx(request_uri="/a?"), "query", ""),
    ("nginx_json", nginx(request_uri="/a"), "query", None),
    ("vpc_flow", flow(bytes="0"), "bytes_out", 0),
    ("vpc_flow", flow(srcport="0"), "src_port", 0),
    ("vpc_flow", flow(), "bytes_in", None),
]


@pytest.mark.parametrize(("fmt", "line", "column", "expected"), CASES)
def test_nothing_is_told_from_zero(fmt: str, line: str, column: str, expected: object) -> None:
    (event,) = engine_reads([line], fmt)
    assert event is not None
    assert event.get(column) == expected
    assert (column in event) == (expected is not None)


@pytest.mark.parametrize(
    ("fmt", "line"),
    [
        ("combined", combined(size="")),
        ("combined", combined(size="-1")),
        ("combined", combined(status="")),
        ("nginx_json", nginx(status="")),
        ("nginx_json", nginx(status=None)),
        ("nginx_json", nginx(body_bytes_sent="none")),
        ("nginx_json", nginx(body_bytes_sent=-1)),
        ("vpc_flow", flow(bytes="-1")),
    ],
)
def test_what_a_format_must_have_is_not_made_up(fmt: str, line: str) -> None:
    assert engine_reads([line], fmt) == [None]


def test_what_a_neighbour_says_changes_no_line() -> None:
    lines = [combined(status="000"), combined(status="-1"), combined(status="200"), combined(status="1000")]
    assert [event and event.get("status") for event in engine_reads(lines, "combined")] == [None, None, 200, None]
    answers = [{"status": 0}, {"status": -1}, {"status": 200}, {"status": 1000}]
    events = engine_reads([nginx(**answer) for answer in answers], "nginx_json")
    assert [event is not None for event in events] == [True, False, True, False]
    assert [event.get("status") for event in events if event] == [None, 200]
