"""The columnar engine against a second reader of access logs: slow, obvious, row by row, written from the specifications.

Apache mod_log_config: ``%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"``; quotes, backslashes and control
characters are written ``\\"``, ``\\\\``, ``\\n``, ``\\xHH``. nginx writes ``\\xHH``. RFC 9112 section 3: the request line.
"""

from __future__ import annotations

import json
import re
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from tests.ingest.reading import CATALOG, Event, engine_reads, slow_address

from breachscope.ingest.columns import canonical_addresses, split_request
from breachscope.ingest.escapes import unescape
from breachscope.ingest.events import split_uri

# The slow reader

QUOTED = r'((?:[^"\\]|\\.)*)'
IP = r'(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]*)?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:%[^ ,"]*)?|\[[0-9A-Fa-f:.]*\](?::[0-9]*)?)'
HOST = rf"(?:{IP}|[0-9A-Za-z_.-]+(?::[0-9]*)?)"
"""Neither a time with its offset nor what grep writes in front of a line."""
IDENT = r'(?:[^ .:,"]+|[^ ,"]*[^ 0-9a-fA-F.:,"][^ ,"]*)'
USER_FIELD = r'(-|""|(?:[^"\\-]|\\.|-(?:[^ "\\]|\\.))(?:[^"\\]|\\.)*|)'
"""Not ``- …``: that is the ident of a line with something more in front."""
TIME = r"([0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4})"
COMMON = rf'(?:({IP}) -(?: {USER_FIELD})?|({HOST}) {IDENT}(?: (""|(?:[^"\\]|\\.)*))?) \[{TIME}\] "{QUOTED}" ([0-9]{{3}}|-) ([0-9]+|-)'
COMBINED = re.compile(rf'{COMMON} "{QUOTED}" "{QUOTED}"', re.ASCII)
LONELY_HYPHEN = re.compile(r"(?:^| )-(?: |$)")
BEFORE_FREE_TEXT = re.compile(rf"([^ ]+) [^ ]+ .*? \[{TIME}\] ", re.ASCII)


def slow_unescape(text: str) -> str:
    """Undo C escapes byte by byte; text whose bytes would be no UTF-8 stays as it is."""
    simple = {"n": 10, "t": 9, "r": 13, "v": 11, "b": 8, '"': 34, "\\": 92, "'": 39}
    out = bytearray()
    i = 0
    while i < len(text):
        if text[i] == "\\" and i + 1 < len(text):
            if text[i + 1] == "x" and re.fullmatch("[0-9a-fA-F]{2}", text[i + 2 : i + 4]):
                out.append(int(text[i + 2 : i + 4], 16))
                i += 4
                continue
            if text[i + 1] in simple:
                out.append(simple[text[i + 1]])
                i += 2
                continue
            out += text[i : i + 2].encode()
            i += 2
            continue
        out += text[i].encode()
        i += 1
    try:
        return out.decode()
    except UnicodeDecodeError:
        return text


def slow_request(text: str) -> dict[str, str]:
    written = re.search(r" +([A-Z]{2,8}/[0-9.]+)\Z", text)
    rest = text[: written.start()] if written else text
    method, _, target = rest.partition(" ")
    target = target.lstrip(" ")
    path, mark, query = target.partition("?")
    if not re.fullmatch("[A-Za-z][A-Za-z_-]*", method) or not path or not (written or path.startswith("/")):
        return {"path": text}
    parts = {"method": method, "path": path}
    if mark:
        parts["query"] = query
    if written:
        parts["protocol"] = written[1]
    return parts


def slow_combined(line: str) -> Event | None:
    match = COMBINED.fullmatch(line)
    if match is None:
        return None
    address, user, other, other_user, time, request, status, size, referer, agent = match.groups()
    if other is not None:
        if other_user not in (None, "-") and LONELY_HYPHEN.search(re.sub(r"\\.", "xx", other_user)):
            return None  # an ident: there is a header in front
        address, user = other, other_user
    try:
        written = datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z")
    except ValueError:
        return None
    if size != "-" and int(size) >= 1 << 63:
        return None
    offset = written.utcoffset()
    assert offset is not None
    event: dict[str, Any] = {"ts": written.astimezone(UTC), "ts_offset_min": int(offset.total_seconds() // 60), **slow_request(slow_unescape(request))}
    for name, text in (("client_ip", address), ("user", user), ("referer", referer), ("user_agent", agent)):
        if text not in (None, "-", "", '""', "(null)"):
            event[name] = slow_unescape(text)
    if "client_ip" in event:
        event["client_ip"] = slow_address(event["client_ip"])
    event |= {name: int(text) for name, text in (("status", status), ("bytes_sent", size)) if text != "-" and (name, text) != ("status", "000")}
    return event


# Lines

PRINTABLE = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\\u2028\u2029')
ESCAPE = st.sampled_from(['\\"', "\\\\", "\\n", "\\t", "\\x00", "\\x16\\x03\\x01", "\\xE3\\x81\\x82", "\\xff", "\\xZZ", "\\x4", "\\q", "\\'"])
FREE_TEXT = st.lists(
    st.one_of(st.text(PRINTABLE, max_size=8), ESCAPE, st.sampled_from(["-", "(null)", " HTTP/1.1", "[02/Mar/2026:10:15:04 +0900] "])), max_size=5
)
FREE = FREE_TEXT.map("".join)
ADDRESS = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda a: a.exploded.upper()),
    st.ip_addresses(v=4).map(lambda a: f"::ffff:{a}"),
    st.ip_addresses(v=4).map(lambda a: f"{a}:51512"),
    st.ip_addresses(v=6).map(lambda a: f"[{a}]:443"),
    st.sampled_from(["host.example", "-", "unknown", "fe80::1%eth0", "999.1.1.1", "1.2.3", "192.0.2.09", "host.example:80"]),
)
USER = st.one_of(st.sampled_from(["-", '""', "u1", "yamada taro", "a[b", "x] [y", 'q\\"q', "o'brien", "山田 太郎"]), FREE.filter(lambda t: t != ""))
REQUEST = st.one_of(
    st.builds(
        "{} {}{} {}".format,
        st.sampled_from(["GET", "POST", "get", "PROPFIND", "BASELINE-CONTROL", "G3T", ""]),
        st.one_of(st.sampled_from(["/", "/a b", "*", "http://h/x", "host:443", "", "/\\x0a", "//"]), FREE),
        st.sampled_from(["", "?", "?a=b&c=%20", "?a?b", "?\\x0a "]),
        st.sampled_from(["HTTP/1.1", "HTTP/2.0", "HTTP/1.1 ", "SIP/2.0", "http/1.1", "", " HTTP/1.0"]),
    ),
    st.sampled_from(["-", "", "\\x16\\x03\\x01\\x02", "GET /", "/", "GET", "OPTIONS sip:nm SIP/2.0"]),
    FREE,
)
WRITTEN_TIME = st.one_of(
    st.builds(
        lambda t, m: f"{t:%d/%b/%Y:%H:%M:%S} {'+-'[m < 0]}{abs(m) // 60:02}{abs(m) % 60:02}",
        st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 30)),
        st.integers(-840, 840),
    ),
    st.sampled_from(
        ["30/Feb/2026:10:15:04 +0900", "02/Mar/2026:25:15:04 +0900", "02/Mar/2026:10:15:04", "2/Mar/2026:10:15:04 +0900", "٠٢/Mar/2026:10:15:04 +0900"]
    ),
)
STATUS = st.one_of(st.integers(100, 599).map(str), st.sampled_from(["-", "000", "999", "1000", "99999", "-1", "2000000000000000000000", "20", "abc"]))
SIZE = st.one_of(st.integers(0, 10**7).map(str), st.sampled_from(["-", "0", "-1", "9223372036854775807", "9223372036854775808", "00012", "1.5", "1e3"]))
LINE = st.builds('{} {} {} [{}] "{}" {} {} "{}" "{}"'.format, ADDRESS, st.sampled_from(["-", "ident"]), USER, WRITTEN_TIME, REQUEST, STATUS, SIZE, FREE, FREE)


@given(lines=st.lists(LINE, min_size=1, max_size=12))
@example(lines=['192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET / HTTP/1.1" 200 1 "\\"\\"" "\\\\"'])
@example(lines=['192.0.2.9 - a [01/Jan/1999:00:00:00 +0000] [02/Mar/2026:10:15:04 +0900] "GET / HTTP/1.1" 200 1 "-" "-"'])
@example(lines=['192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET  ? HTTP/1.1" 200 1 "-" "-"'])
def test_combined_lines_are_read_as_the_slow_reader_reads_them(lines: list[str]) -> None:
    assert engine_reads(lines, "combined") == [slow_combined(line) for line in lines]


PLAIN = '192.0.2.9 - - [12/Mar/2026:10:15:04 +0900] "GET /o HTTP/1.1" 200 512'
HEADERS = [
    "Mar 12 10:15:04 lb1 nginx: ",
    "Mar  2 10:15:04 lb1 nginx[8]: ",
    "<134>Mar 12 10:15:04 lb1 httpd[8]: ",
    "2026-03-12T10:15:04+09:00 lb1 apache2: ",
    "<134>1 2026-03-12T10:15:04+09:00 lb1 nginx - - - ",
]


@pytest.mark.parametrize("fmt", ["combined", "common", "combined_extra", "forwarded_combined", "vhost_combined"])
@pytest.mark.parametrize(
    "head",
    [*HEADERS, "2026-03-12T10:15:04.123456789+09:00 stdout F ", "web-1 | ", "web_1  | ", "access.log:", "access.log-17:", "INFO: ", "lb1.example.com nginx: "],
)
def test_what_stands_in_front_of_a_line_is_no_client(head: str, fmt: str) -> None:
    tail = {"common": "", "combined_extra": ' "-" "curl/8" "203.0.113.7"'}.get(fmt, ' "-" "curl/8"')
    assert engine_reads([head + PLAIN + tail], fmt) == [None]


@pytest.mark.parametrize("head", HEADERS)
def test_lines_behind_syslog_are_read_as_by_themselves(head: str) -> None:
    combined, common = f'{PLAIN} "-" "curl/8"', PLAIN
    alone = engine_reads([combined], "combined") + engine_reads([common], "common")
    assert engine_reads([head + combined, head + common], "syslog") == [{**e, "host": "lb1"} for e in alone if e]
    error = '2026/03/12 10:15:04 [error] 8#8: *9 user "u1": password mismatch, client: 192.0.2.9, server: x, request: "GET / HTTP/1.1", host: "x"'
    if "nginx" in head:
        (refused,) = engine_reads([head + error], "syslog")
        assert refused is not None
        assert (refused["user"], refused["reason"], refused["host"]) == ("u1", "bad_password", "lb1")


@given(line=LINE, cut=st.integers(0, 200), insert=st.text(max_size=3))
def test_damaged_lines_keep_what_stands_before_the_damage(line: str, cut: int, insert: str) -> None:
    """Beyond the specification the engine reads records cut off or with bare quotes; never other than their sound beginning."""
    assume("\n" not in insert)
    damaged = line[:cut] + insert + line[cut + 1 :]
    found = engine_reads([damaged], "combined")[0]
    expected = slow_combined(damaged)
    if expected is not None or found is None:
        assert found == expected
        return
    before = BEFORE_FREE_TEXT.match(damaged)
    assert before is not None
    assert found.get("client_ip", "-") == slow_address(slow_unescape(before[1]))
    assert found["status"] is None or re.search(rf'" {found["status"]:03} ', damaged) if "status" in found else True


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # many a line begins with something else than an address
@given(line=LINE, vhost=st.sampled_from(["shop.example", "shop.example:443", "_", "192.0.2.1:80"]))
def test_virtual_host_in_front_is_told_from_the_client(line: str, vhost: str) -> None:
    """With an address behind it a first field is a virtual host, whoever the user is."""
    expected = slow_combined(line)
    assume(expected is not None and re.fullmatch("[0-9a-fA-F.:]*[.:][0-9a-fA-F.:]*", line.split(" ")[0]))
    assert expected is not None
    assert engine_reads([f"{vhost} {line}"], "vhost_combined") == [{**expected, "vhost": vhost.split(":")[0]} if vhost != "-" else expected]
    assert engine_reads([f"{vhost} {line}"], "combined") == [None]


@given(lines=st.lists(LINE, min_size=1, max_size=8), extra=st.sampled_from(['"203.0.113.9, 10.0.0.7"', "0.012", '"x" 12', "1234 -"]))
def test_further_fields_change_nothing_before_them(lines: list[str], extra: str) -> None:
    expected = [slow_combined(line) for line in lines]
    if extra.startswith('"2'):
        expected = [e and {**e, "forwarded_for": "203.0.113.9, 10.0.0.7"} for e in expected]
    assert engine_reads([f"{line} {extra}" for line in lines], "combined_extra") == expected


@given(texts=st.lists(st.one_of(FREE, st.text(max_size=12), st.text("\\x0123abn\"'é", max_size=12)), min_size=1, max_size=12))
@example(texts=["\\", "\\\\", "\\x", "\\xE3", "\\xE3\\x81", "\\x82", "\\xE3\\x81\\x82", "", "a\\\\x41", "\\\\\\x41"])
@example(texts=["\\xF0\\x9F", "\\x98\\x80"])  # two halves of one character in two values
def test_unescape_agrees_with_a_byte_by_byte_reading(texts: list[str]) -> None:
    expected = [slow_unescape(t) for t in texts]
    for piece in (5, 1 << 20):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("breachscope.ingest.escapes._PIECE_BYTES", piece)
            assert unescape(pl.Series(texts, dtype=pl.String)).to_list() == expected


def test_texts_of_escapes_alone_take_little_memory() -> None:
    """Eight megabytes, as an attacker writes them; worked on at once they took 260."""
    texts = pl.Series(["\\xff" * 5_000] * 400)
    tracemalloc.start()
    assert unescape(texts).equals(texts)
    assert tracemalloc.get_traced_memory()[1] < 80 << 20
    tracemalloc.stop()


@given(st.lists(st.one_of(st.none(), FREE), max_size=8))
def test_unescape_keeps_nulls(texts: list[str | None]) -> None:
    assert unescape(pl.Series(texts, dtype=pl.String)).to_list() == [t if t is None else slow_unescape(t) for t in texts]


@given(st.lists(st.one_of(ADDRESS, FREE, st.none()), max_size=12))
def test_addresses_get_the_spelling_of_ipaddress(texts: list[str | None]) -> None:
    assert canonical_addresses(pl.Series(texts, dtype=pl.String)).to_list() == [t if t is None else slow_address(t) for t in texts]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("192.0.2.9", "192.0.2.9"),
        ("192.0.2.9:51512", "192.0.2.9"),
        ("2001:DB8:0:0:0:0:0:9", "2001:db8::9"),
        ("[2001:db8::9]:443", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("::FFFF:C000:0209", "192.0.2.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1", "::1"),
        ("shop.example", "shop.example"),
        ("256.1.1.1", "256.1.1.1"),
        ("", ""),
    ],
)
def test_address_spelling(written: str, canonical: str) -> None:
    assert canonical_addresses(pl.Series([written])).to_list() == [canonical]


@given(st.lists(st.one_of(REQUEST.map(slow_unescape), st.text(max_size=20)), min_size=1, max_size=12))
@example(["GET /a?b?c HTTP/1.1", "GET  / HTTP/1.1", "GET /a b HTTP/1.1", "GET   HTTP/1.1", "GET / HTTP/1.1\n", "\n", "GET /\na?\nb HTTP/1.1"])
def test_request_lines_split_as_the_slow_reader_splits_them(requests: list[str]) -> None:
    found = split_request(pl.Series(requests, dtype=pl.String)).rows(named=True)
    assert [{k: v for k, v in row.items() if v is not None} for row in found] == [slow_request(r) for r in requests]


@given(st.lists(st.text("/?&a=%\n é日", max_size=30) | st.none(), max_size=10), st.integers(0, 3))
def test_uris_are_cut_at_the_first_question_mark(uris: list[str | None], begin: int) -> None:
    expected = [(None, None) if u is None else (u.partition("?")[0], u.partition("?")[2] if "?" in u else None) for u in uris[begin:]]
    assert split_uri(pl.Series(uris, dtype=pl.String)[begin:]).rows() == expected


# JSON lines, with the json module as the oracle

SCALAR = st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.text(PRINTABLE, max_size=6))
STRUCTURE = st.one_of(st.lists(SCALAR, max_size=2), st.dictionaries(st.text("ab", max_size=2), SCALAR, max_size=2))
TEXT_KEYS = {"remote_user": "user", "session": "session", "host": "vhost", "request_method": "method", "http_user_agent": "user_agent"}


@given(
    users=st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), SCALAR, STRUCTURE), min_size=1, max_size=8),
    status=st.one_of(st.integers(100, 599), st.sampled_from(["200", "-", "", 200.0, "200.0", True, None, -1, 1000, "x", [200], {"a": 1}])),
    tail=st.sampled_from(["", " ", " x", "}", '{"a":1}', ",", "\\"]),
    ascii_only=st.booleans(),
)  # fmt: skip
def test_json_lines_are_read_as_the_json_module_reads_them(users: list[Any], status: Any, tail: str, ascii_only: bool) -> None:
    lines, expected = [], []
    for user in users:
        record = {"time_iso8601": "2026-03-02T10:15:04+09:00", "remote_addr": "192.0.2.9", "status": status, "remote_user": user, "request_uri": "/a?b"}
        lines.append(json.dumps(record, ensure_ascii=ascii_only) + tail)
        expected.append(slow_nginx_json(lines[-1]))
    assert engine_reads(lines, "nginx_json") == expected


def slow_nginx_json(line: str) -> Event | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None

    def told(key: str) -> str | None:
        value = record.get(key)
        text = value if isinstance(value, str) or value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return None if text in ("-", "", "(null)", '""') else text

    status = told("status")
    if status is None or told("remote_addr") is None or told("time_iso8601") is None:
        return None
    whole = re.fullmatch(r"([0-9]+)(\.0+)?", status)
    if not whole or int(whole[1]) > 999:
        return None
    written = datetime.fromisoformat(record["time_iso8601"])
    event = {
        "ts": written.astimezone(UTC),
        "ts_offset_min": 540,
        "client_ip": record["remote_addr"],
        "path": "/a",
        "query": "b",
        "status": int(whole[1]),
    }
    user = told("remote_user")
    return event if user is None else {**event, "user": user}


RECORD = '{"time_iso8601":"2026-03-02T01:15:04Z","remote_addr":"192.0.2.9","status":200'


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (RECORD + ',"status":500}', {}),  # of two values the first
        (RECORD + ',"user":"","remote_user":"bob"}', {"user": "bob"}),
        (RECORD + ',"user":"-","remote_user":"bob"}', {"user": "bob"}),
        (RECORD + ',"user":"al","remote_user":"bob"}', {"user": "al"}),
        ("  " + RECORD + "}  ", {}),
        (RECORD + ',"request_time":-1}', {}),
        (RECORD + ',"request_time":0.25,"body_bytes_sent":"12"}', {"duration_ms": 250.0, "bytes_sent": 12}),
        (RECORD + ',"http_user_agent":"a\\u0022b"}', {"user_agent": 'a"b'}),
        (RECORD + ',"http_user_agent":"a\\x22b \\xE3\\x81\\x82"}', {"user_agent": 'a"b あ'}),  # nginx without escape=json
    ],
)
def test_json_quirks(line: str, expected: dict[str, Any]) -> None:
    common = {"ts": datetime(2026, 3, 2, 1, 15, 4, tzinfo=UTC), "ts_offset_min": 0, "client_ip": "192.0.2.9", "status": 200}
    assert engine_reads([line], "nginx_json") == [{**common, **expected}]


@pytest.mark.parametrize(
    "line",
    [
        "[1]",
        '"x"',
        "null",
        "{}",
        "{",
        '{"time_iso8601":"2026-03-02T01:15:04Z","remote_addr":"192.0.2.9","status":null}',
        '{"time_iso8601":null,"remote_addr":"192.0.2.9","status":200}',
        '{"time_iso8601":"2026-03-02T01:15:04Z","remote_addr":"-","status":200}',
        '{"time_iso8601":"2026-03-02T01:15:04Z","remote_addr":"192.0.2.9","status":200} trailing',
        '{"time_iso8601":"2026-03-02T01:15:04Z","remote_addr":"192.0.2.9","status":200,"request_time":NaN}',
        '{"time_iso8601":"2026-03-02T01:15:04Z","remote_addr":"192.0.2.9","status":200,"body_bytes_sent":-5}',
        '{"a":' * 5000 + "1" + "}" * 5000,
    ],
)
def test_what_is_no_json_record_of_the_format_is_refused(line: str) -> None:
    assert engine_reads([line], "nginx_json") == [None]


def test_every_json_format_survives_deep_nesting_and_huge_numbers() -> None:
    for fmt in (f for f in CATALOG.formats if f.kind == "json"):
        assert engine_reads(["[" * 100_000, '{"ts":' + "9" * 400 + "}", '{"status":1e999}'], fmt.id) == [None, None, None]
