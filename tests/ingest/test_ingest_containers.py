"""Lines of containers: what their runtime cut is joined, and what stands inside is read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.ingest.containers import ContainerRecords
from breachscope.ingest.trace import read_raw_line
from breachscope.manifest import Source
from breachscope.progress import Silent

STAMP = "2026-03-02T01:15:04.123456789Z"


def request(path: str) -> str:
    return f'192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET {path} HTTP/1.1" 200 512 "-" "curl/8"'


def cri(text: str, tag: str = "F", stream: str = "stdout") -> str:
    return f"{STAMP} {stream} {tag} {text}\n"


def docker(text: str, stream: str = "stdout") -> str:
    return json.dumps({"log": text, "stream": stream, "time": STAMP}, separators=(",", ":")) + "\n"


def fluent(text: str) -> str:
    kubernetes = {"pod_name": "web-1", "namespace_name": "shop", "container_name": "nginx"}
    return json.dumps({"stream": "stdout", "log": text, "time": STAMP, "kubernetes": kubernetes}) + "\n"


def ingested(tmp_path: Path, content: str, fmt: str) -> tuple[Case, Source, list[Mapping[str, Any]]]:
    (tmp_path / "container.log").write_text(content)
    case = Case.create_or_open(tmp_path / "case")
    source = ingest(case, [tmp_path / "container.log"], IngestOptions(only_format=fmt), Silent()).added[0]
    return case, source, [row for path in case.event_files("web") for row in pq.read_table(path).to_pylist()]


LONG = "/" + "a" * 40_000


@pytest.mark.parametrize(
    ("fmt", "lines"),
    [
        ("container_cri", [cri(request("/1")), cri(request("/2"), "F:x", "stderr")]),
        ("container_docker", [docker(request("/1") + "\n"), docker(request("/2") + "\r\n")]),
        ("container_fluent", [fluent(request("/1") + "\n"), fluent(request("/2"))]),
    ],
)
def test_the_line_inside_is_read_as_it_would_be_outside(tmp_path: Path, fmt: str, lines: Sequence[str]) -> None:
    case, source, events = ingested(tmp_path, "".join(lines), fmt)
    assert [(e["line"], e["path"], e["client_ip"], e["ts"].hour, e["format"]) for e in events] == [(n, f"/{n}", "192.0.2.9", 1, "combined") for n in (1, 2)]
    assert (source.lines, source.rejected, source.newline) == (2, 0, "LF")
    assert read_raw_line(case, events[1]["event_id"]).text == lines[1].rstrip("\n")


def parts(text: str, size: int) -> list[str]:
    return [text[n : n + size] for n in range(0, len(text), size)]


@pytest.mark.parametrize("fmt", ["container_cri", "container_docker"])
def test_parts_of_a_line_are_joined_and_none_is_read_by_itself(tmp_path: Path, fmt: str) -> None:
    # What stands behind the first cut looks like a line of its own.
    text = f"{request(LONG)[:16_384]}{request('/forged')}"
    assert text[16_384:] == request("/forged")
    if fmt == "container_cri":
        written = [cri(text[:16_384], "P"), cri("other", "F", "stderr"), cri(text[16_384:], "F"), cri(request("/2"))]
    else:
        written = [docker(text[:16_384]), docker("other\n", "stderr"), docker(text[16_384:] + "\n"), docker(request("/2") + "\n")]
    case, source, events = ingested(tmp_path, "".join(written), fmt)
    assert "/forged" not in [e["path"] for e in events]
    assert events[-1]["path"] == "/2"
    assert source.lines == 3
    assert any("1 line was joined" in note for note in source.notes)
    assert read_raw_line(case, events[-1]["event_id"]).text == written[-1].rstrip("\n")


@pytest.mark.parametrize("fmt", ["container_cri", "container_docker"])
def test_a_long_request_is_whole_again(tmp_path: Path, fmt: str) -> None:
    *cut, last = parts(request(LONG), 16_384)
    written = [*(cri(p, "P") for p in cut), cri(last)] if fmt == "container_cri" else [*map(docker, cut), docker(last + "\n")]
    _, source, events = ingested(tmp_path, "".join(written), fmt)
    assert [(e["line"], e["path"], e["user_agent"]) for e in events] == [(1, LONG, "curl/8")]
    assert source.lines == 1


def test_a_part_whose_end_is_missing_is_refused(tmp_path: Path) -> None:
    case, source, events = ingested(tmp_path, cri(request("/1")) + cri(request("/2"), "P"), "container_cri")
    assert [e["path"] for e in events] == ["/1"]
    rejects = pq.read_table(case.reject_files()[0]).to_pylist()
    assert [(r["line"], r["reason"]) for r in rejects] == [(2, "a part of a line that the container runtime cut")]
    assert (source.lines, source.newline) == (2, "LF")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\n\0"), max_size=12)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.lists(TEXTS, min_size=1, max_size=4)), min_size=1, max_size=6), st.integers(1, 200))
def test_every_line_is_the_sum_of_its_parts(lines: list[tuple[str, list[str]]], size: int) -> None:
    written = "".join(cri(p, "F" if n == len(of) - 1 else "P", stream) for stream, of in lines for n, p in enumerate(of)).encode()
    read = b"".join(ContainerRecords().lines(written[n : n + size] for n in range(0, len(written), size))).decode()
    assert read == "".join(cri("".join(of), "F", stream) for stream, of in lines)


SQL = "2026-03-02 10:15:04.120 JST [44] app@crm LOG:  statement: "


def in_pod(text: str, stream: str = "stdout") -> str:
    """The two streams stand for two pods here."""
    return json.dumps({"stream": "stderr", "log": text, "time": STAMP, "kubernetes": {"pod_name": stream, "container_name": "db"}}) + "\n"


WRITERS: Mapping[str, Callable[[str, str], str]] = {
    "container_cri": lambda text, stream: cri(text, "F", stream),
    "container_docker": lambda text, stream: docker(text + "\n", stream),
    "container_fluent": in_pod,
    "container_compose": lambda text, stream: f"{stream:<9}| {text}\n",
}


def statements_of(case: Case) -> list[tuple[int, str, str | None]]:
    return sorted((e["line"], e["statement"], e["completeness"]) for e in events_of(case, "data_access"))


@pytest.mark.parametrize("fmt", WRITERS)
@pytest.mark.parametrize("block_bytes", [2_500, 1 << 20])
def test_a_statement_of_several_lines_is_one_wherever_blocks_are_cut(tmp_path: Path, fmt: str, block_bytes: int) -> None:
    """Lines of two streams stand mixed; what is in a statement is no line of another log."""
    write = WRITERS[fmt]
    written: list[str] = []
    expected: list[tuple[int, str, str | None]] = []
    for n in range(30):
        first, second = [f"{SQL}select {n}", "\tfrom a", "\t"], [f"{SQL}select {n} /*", f"\t{BARE}", "\t\t*/ from b"]
        expected += [(len(written) + 1, f"select {n}\nfrom a\n", None), (len(written) + 2, f"select {n} /*\n{BARE}\n\t*/ from b", None)]
        for one, other in zip(first, second, strict=True):
            written += [write(one, "stdout"), write(other, "stderr")]
    (tmp_path / "container.log").write_text("".join(written))
    case = Case.create_or_open(tmp_path / "case")
    source = ingest(case, [tmp_path / "container.log"], IngestOptions(only_format=fmt, block_bytes=block_bytes, threads=2), Silent()).added[0]
    assert statements_of(case) == expected
    assert (source.event_lines, dict(source.skipped), source.rejected) == (60, {"postgresql: continues the line above": 120}, 0)
    assert not events_of(case, "web")


COLOUR, RESET = "\x1b[36m", "\x1b[0m"
SHOWN: Mapping[str, Callable[[str, str], str]] = {
    "plain": lambda service, text: f"{service:<8} | {text}\n",
    "with times": lambda service, text: f"{service:<8} | {STAMP} {text}\n",
    "coloured": lambda service, text: f"{COLOUR}{service:<8} | {RESET}{text}\n",
    "coloured, with times": lambda service, text: f"{COLOUR}{service:<8} | {RESET}{STAMP} {text}\n",
    "version 1": lambda service, text: f"{COLOUR}{service:<8} |{RESET} {text}\n",
    "version 1, not coloured": lambda service, text: f"{service:<8} | {text}\n",
}


@pytest.mark.parametrize("form", SHOWN)
def test_what_docker_compose_shows_is_read_service_by_service(tmp_path: Path, form: str) -> None:
    """Services are named as a line of another's might begin; what one writes is never another's."""
    named = "2026-03-02 10:15:04 JST [44]: [3-1] user=app,db=crm,app=psql,client=192.0.2.9 LOG:  statement: "
    lines = [
        ("web-1", request("/1")),
        ("LOG", f"{SQL}select 1"),
        ("GET", f"{named}select 2 /*"),
        ("web-1", request("/2")),
        ("LOG", "\tfrom a"),
        ("GET", "\tdb-1  | " + request("/forged")),
        ("GET", f"\t{RESET}LOG      | from b"),
        ("LOG", "\twhere c"),
        ("GET", "\t*/ from d"),
        ("127.0.0.1", request("/3")),
    ]  # fmt: skip
    refused = [
        ("app-1", "web-1    | " + request("/forged")),
        ("app-1", "\tfrom e"),
        ("app-1", f"{COLOUR}web-1    | {RESET}" + request("/forged")),
        ("app-1", "it works"),
    ]
    (tmp_path / "compose.log").write_text("".join(SHOWN[form](*line) for line in [*lines, *refused]))
    case = Case.create_or_open(tmp_path / "case")
    (source,) = ingest(case, [tmp_path / "compose.log"], IngestOptions(), Silent()).added
    assert [(e["line"], e["path"], e["client_ip"]) for e in events_of(case, "web")] == [(1, "/1", "192.0.2.9"), (4, "/2", "192.0.2.9"), (10, "/3", "192.0.2.9")]
    second = f"select 2 /*\ndb-1  | {request('/forged')}\n{RESET}LOG      | from b\n*/ from d"
    assert statements_of(case) == [(2, "select 1\nfrom a\nwhere c", None), (3, second, None)]
    assert [r["line"] for r in pq.read_table(case.reject_files()[0]).to_pylist()] == [11, 12, 13, 14]
    assert (source.lines, source.rejected) == (14, 4)


def test_the_time_that_docker_compose_shows_counts_where_the_line_tells_none(tmp_path: Path) -> None:
    inside = [f"Mar  2 10:15:03 mail sshd[8]: {FAILED}", f"2026-03-02T10:14:00+09:00 mail sshd[8]: {FAILED}", BARE, FAILED]
    written = "".join(SHOWN["with times"]("ssh-1", text) for text in inside) + SHOWN["plain"]("ssh-1", BARE) + SHOWN["plain"]("ssh-1", inside[0])
    case, source, web = ingested(tmp_path, written, "container_compose")
    assert [(e["line"], e["user"], e["ts"].strftime("%H:%M:%S")) for e in events_of(case, "auth")] == [(1, "root", "01:15:04"), (2, "root", "01:14:00")]
    assert [(e["line"], e["path"], e["ts"].strftime("%H:%M:%S")) for e in web] == [(3, "/o/47", "01:15:04")]
    assert source.rejected == 3


def test_lines_of_statements_are_joined_in_any_envelope(tmp_path: Path) -> None:
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "shipper.toml").write_text(
        """title = "what our shipper writes"
kind = "envelope"
order = 2000
require = ["message", "stream"]
[keys]
message = '$."@message"'
stream = "$.instance"
[[sample]]
line = '{"@message":"2026/03/02 10:15:04 [notice] 8#8: signal process started","instance":"web"}'
skip = "nginx: the server's own message"
"""
    )
    lines = [("db1", f"{SQL}select 1"), ("db2", f"{SQL}select 2"), ("db1", "\tfrom a"), ("db2", "\tfrom b")]
    (tmp_path / "shipped.log").write_text("".join(json.dumps({"@message": text, "instance": name}) + "\n" for name, text in lines))
    case = Case.create_or_open(tmp_path / "case")
    source = ingest(case, [tmp_path / "shipped.log"], IngestOptions(formats_dirs=(tmp_path / "formats",), block_bytes=150), Silent()).added[0]
    assert statements_of(case) == [(1, "select 1\nfrom a", None), (2, "select 2\nfrom b", None)]
    assert (source.event_lines, source.rejected) == (2, 0)


def test_where_a_line_inside_a_statement_may_be_missing_it_is_cut(tmp_path: Path) -> None:
    lines = [f"{SQL}select *", "\tfrom a", f"{SQL}select 2", "\tfrom b"]
    written = [*map(cri, lines), cri(f"{SQL}select 3"), "no such line\n", cri("\tfrom c"), cri(f"{SQL}select 4", "F", "stderr")]
    case, source, _ = ingested(tmp_path, "".join(written), "container_cri")
    assert statements_of(case) == [(1, "select *\nfrom a", None), (3, "select 2\nfrom b", None), (5, "select 3\nfrom c", "cut"), (8, "select 4", None)]
    assert (source.rejected, source.lines) == (1, 8)


def test_lines_whose_statement_began_in_another_file_are_refused(tmp_path: Path) -> None:
    case, _, _ = ingested(tmp_path, cri("\tfrom a") + cri("\twhere b") + cri(f"{SQL}select 1") + cri("\tfrom c", "F", "stderr"), "container_cri")
    assert statements_of(case) == [(3, "select 1", None)]
    rejects = pq.read_table(case.reject_files()[0]).to_pylist()
    assert [(r["line"], r["reason"]) for r in rejects] == [(n, "no format reads the line inside") for n in (1, 2, 4)]


def test_what_may_be_lost_with_the_rest_of_a_containers_log_is_told(tmp_path: Path) -> None:
    log = "".join(cri(f"{SQL}select {n}") for n in range(2_000)) + cri(f"{SQL}select *") + cri("\tfrom a")
    (tmp_path / "container.log.gz").write_bytes(gzip.compress(log.encode())[:-12])
    case = Case.create_or_open(tmp_path / "case")
    (source,) = ingest(case, [tmp_path / "container.log.gz"], IngestOptions(), Silent()).added
    assert source.problem
    assert [completeness for _, _, completeness in statements_of(case)] == [None] * (source.event_lines - 1) + ["cut"]


def test_statements_of_mysql_stand_in_containers_too(tmp_path: Path) -> None:
    lines = ["2026-03-02T01:15:04.120000Z\t    8 Query\tselect *", "from a", "2026-03-02T01:15:05.120000Z\t    8 Query\tselect", "2"]
    case, source, _ = ingested(tmp_path, "".join(map(cri, lines)), "container_cri")
    assert statements_of(case) == [(1, "select *\nfrom a", None), (3, "select\n2", None)]
    assert (source.event_lines, source.rejected) == (2, 0)


def test_json_behind_a_syslog_header_is_read_as_a_line_of_its_own(tmp_path: Path) -> None:
    access = '{"time_iso8601":"2026-03-02T10:15:04+09:00","remote_addr":"192.0.2.9","request_method":"GET","request_uri":"/o/47","status":200}'
    messages = [("nginx", access), ("myapp", access), ("myapp", '{"level":"info"}'), ("nginx", '{"level":"info"}'), ("myapp", "{")]
    log = tmp_path / "syslog"
    log.write_text("".join(f"2026-03-02T10:15:04+09:00 web1 {program}: {message}\n" for program, message in messages), encoding="utf-8")
    case = Case.create_or_open(tmp_path / "case")
    (source,) = ingest(case, [log], IngestOptions(), Silent()).added
    assert (source.event_lines, dict(source.skipped), source.rejected) == (2, {"program myapp": 2}, 1)
    rows = pq.read_table(case.path / "events/web/1.parquet").to_pylist()
    assert [(r["line"], r["host"], r["client_ip"], r["path"], r["status"]) for r in rows] == [(n, "web1", "192.0.2.9", "/o/47", 200) for n in (1, 2)]


FAILED = "Failed password for root from 192.0.2.7 port 51512 ssh2"
BARE = '{"remote_addr":"192.0.2.7","request_method":"GET","request_uri":"/o/47","status":200}'


def events_of(case: Case, table: str) -> list[Mapping[str, Any]]:
    return [row for path in case.event_files(table) for row in pq.read_table(path).to_pylist()]


def fluent_at(text: str, node: str = "node1", **time: object) -> str:
    return json.dumps({"log": text, "kubernetes": {"pod_name": "web-1", "host": node}, **time}) + "\n"


@pytest.mark.parametrize(
    ("fmt", "wrap"),
    [("container_cri", cri), ("container_docker", lambda text: docker(text + "\n")), ("container_fluent", lambda text: fluent_at(text, time=STAMP))],
)
def test_where_the_line_inside_tells_no_time_the_envelope_does(tmp_path: Path, fmt: str, wrap: Callable[[str], str]) -> None:
    inside = [
        f"Mar  2 10:15:03 mail sshd[8]: {FAILED}",
        f"<38>Mar  2 10:15:03 mail sshd[8]: {FAILED}",
        f"2026-03-02T10:14:00+09:00 mail sshd[8]: {FAILED}",  # this one tells its time
        f"<38>1 2026-03-02T01:14:00Z mail sshd 8 - - {FAILED}",
        BARE,
        BARE.replace("{", '{"time":"2026-03-02T01:14:00Z",'),
        # No header of syslog but some program's own lines, and what could be anybody's.
        "2026-03-02T10:14:00+09:00 INFO main: started",
        f"sshd: {FAILED}",
        FAILED,
        '{"status":200}',
    ]
    case, source, web = ingested(tmp_path, "".join(map(wrap, inside)), fmt)
    auth = events_of(case, "auth")
    assert [(e["line"], e["host"], e["user"], e["ts"].strftime("%H:%M:%S"), e["ts_quality"]) for e in auth] == [
        (1, "mail", "root", "01:15:04", "exact"), (2, "mail", "root", "01:15:04", "exact"),
        (3, "mail", "root", "01:14:00", "exact"), (4, "mail", "root", "01:14:00", "exact"),
    ]  # fmt: skip
    host = "node1" if fmt == "container_fluent" else None
    assert [(e["line"], e["host"], e["path"], e["ts"].strftime("%H:%M:%S")) for e in web] == [(5, host, "/o/47", "01:15:04"), (6, host, "/o/47", "01:14:00")]
    rejects = pq.read_table(case.reject_files()[0]).to_pylist()
    assert [r["line"] for r in rejects] == [7, 8, 9, 10]
    assert (source.lines, source.year_assumption) == (10, None)


def test_without_a_time_of_the_envelope_such_lines_are_refused(tmp_path: Path) -> None:
    lines = [fluent_at(f"Mar  2 10:15:03 mail sshd[8]: {FAILED}"), fluent_at(BARE, date="soon"), fluent_at(BARE, date=1772414104.5)]
    case, source, web = ingested(tmp_path, "".join(lines), "container_fluent")
    assert [(e["line"], e["ts"].microsecond) for e in web] == [(3, 500_000)]
    assert [(r["line"], r["reason"]) for r in pq.read_table(case.reject_files()[0]).to_pylist()] == [
        (1, "time cannot be read"), (2, "no time is written"),
    ]  # fmt: skip
    assert source.rejected == 2


def test_an_envelope_may_name_the_program_itself(tmp_path: Path) -> None:
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "logins.toml").write_text(
        """title = "kubectl logs --timestamps of our sshd"
kind = "envelope"
order = 2000
[[pattern]]
match = '^(?P<head>(?P<time>[0-9T:.-]+Z) )'
time.formats = ["iso8601"]
set = { program = "sshd", host = "bastion" }
[[sample]]
line = '2026-03-02T01:15:04.5Z Server listening on 0.0.0.0 port 22.'
skip = "sshd: startup"
"""
    )
    (tmp_path / "sshd.log").write_text(f"{STAMP} {FAILED}\n{STAMP} what else\n")
    case = Case.create_or_open(tmp_path / "case")
    source = ingest(case, [tmp_path / "sshd.log"], IngestOptions(formats_dirs=(tmp_path / "formats",)), Silent()).added[0]
    assert [(e["line"], e["host"], e["service"], e["user"], e["ts"].second) for e in events_of(case, "auth")] == [(1, "bastion", "sshd", "root", 4)]
    assert source.rejected == 1


def in_cloud_logging(number: int, **payload: object) -> Mapping[str, object]:
    return {"insertId": f"s={number}", "timestamp": f"2026-03-02T01:15:0{number}.120Z", "logName": "projects/shop-1/logs/x", **payload}


def test_lines_in_entries_of_google_cloud_are_read_and_none_continues_the_entry_listed_before(tmp_path: Path) -> None:
    # gcloud logging read --format=json: an array, the last entry first.
    of_postgres = "2026-03-02 01:15:0{} UTC [8]: [1-1] db=crm,user=app LOG:  statement: select {}"
    entries = [
        in_cloud_logging(5, textPayload=of_postgres.format(5, "*\n\tfrom customers")),
        in_cloud_logging(4, textPayload="\tfrom orders"),
        in_cloud_logging(3, textPayload="2026-03-02T01:15:03.120000Z\t   8 Query\tselect 3"),
        in_cloud_logging(2, jsonPayload={"message": "Mar  2 10:15:02 srv1 sshd[8]: Failed password for root from 192.0.2.9 port 51512 ssh2"}),
        in_cloud_logging(1, jsonPayload={"remote_addr": "192.0.2.9", "request": "GET /o/47 HTTP/1.1", "status": "200", "body_bytes_sent": "512"}),
    ]
    (tmp_path / "entries.json").write_text(json.dumps(entries, indent=2))
    case = Case.create_or_open(tmp_path / "case")
    source = ingest(case, [tmp_path / "entries.json"], IngestOptions(), Silent()).added[0]
    events = {t: [row for path in case.event_files(t) for row in pq.read_table(path).to_pylist()] for t in ("data_access", "auth", "web")}
    assert [(e["line"], e["format"], e["statement"], e["completeness"]) for e in events["data_access"]] == [
        (1, "postgresql", "select *\nfrom customers", None),
        (3, "mysql_general", "select 3", None),
    ]
    assert [(e["format"], e["user"], e["ts"].isoformat()) for e in events["auth"]] == [("sshd", "root", "2026-03-02T01:15:02.120000+00:00")]
    assert [(e["format"], e["path"], e["ts"].isoformat()) for e in events["web"]] == [("nginx_json", "/o/47", "2026-03-02T01:15:01.120000+00:00")]
    assert (source.lines, source.rejected) == (5, 1)


def test_a_request_in_caddys_log_for_consoles_has_the_time_in_front_of_it(tmp_path: Path) -> None:
    asked = '{"request": {"client_ip": "192.0.2.9", "method": "GET", "uri": "/o/47"}, "duration": 0.5, "status": 200}'
    lines = [f"2026/03/02 01:15:04.120\tinfo\thttp.log.access.log0\thandled request\t{asked}\n", "2026/03/02 01:15:04.120\tINFO\ttls\tcleaning\n"]
    _, source, events = ingested(tmp_path, "".join(lines), "caddy_console")
    assert [(e["format"], e["ts"].isoformat(), e["path"], e["duration_ms"]) for e in events] == [
        ("caddy_json", "2026-03-02T01:15:04.120000+00:00", "/o/47", 500.0)
    ]
    assert source.skipped == {"caddy: not a request": 1}
