"""Logs whose records stretch over lines: MySQL's audit as XML, its slow queries, ModSecurity's audit in sections."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.ingest.modsecurity import SerialRecords
from breachscope.ingest.mysql_audit import AUDIT_RECORDS
from breachscope.ingest.mysql_slow import SlowRecords
from breachscope.ingest.trace import read_raw_line
from breachscope.ingest.xml_records import XmlRecords
from breachscope.manifest import Source
from breachscope.progress import Silent


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[n : n + size] for n in range(0, len(data), size))


def ingested(tmp_path: Path, text: str, only_format: str) -> tuple[Case, Source, list[dict[str, Any]], dict[int, str]]:
    (tmp_path / "audit.log").write_text(text, encoding="utf-8", newline="")
    case = Case.create_or_open(tmp_path / "case")
    source = ingest(case, [tmp_path / "audit.log"], IngestOptions(only_format=only_format), Silent()).added[0]
    rows = [row for table in ("auth", "data_access", "network") for path in case.event_files(table) for row in pq.read_table(path).to_pylist()]
    rejected = {row["line"]: row["reason"] for path in case.reject_files() for row in pq.read_table(path).to_pylist()}
    return case, source, sorted(rows, key=lambda row: row["line"]), rejected


# MySQL

CONNECT = {
    "TIMESTAMP": "2026-03-02T01:15:04 UTC", "RECORD_ID": "5_2026", "NAME": "Connect", "CONNECTION_ID": "5", "STATUS": "1045", "STATUS_CODE": "1",
    "USER": "root", "OS_LOGIN": "", "HOST": "", "IP": "192.0.2.9", "COMMAND_CLASS": "connect", "PRIV_USER": "", "DB": "",
}  # fmt: skip
QUERY = {
    "TIMESTAMP": "2026-03-02T01:15:05 UTC", "RECORD_ID": "6_2026", "NAME": "Query", "CONNECTION_ID": "6", "STATUS": "0", "STATUS_CODE": "0",
    "USER": "app[app] @ gw [192.0.2.10]", "HOST": "gw", "IP": "192.0.2.10", "SQLTEXT": "select '</AUDIT_RECORD>' from t\nwhere a > \"b\"", "DB": "crm",
}  # fmt: skip
AUDIT = {"TIMESTAMP": "2026-03-02T01:15:03 UTC", "RECORD_ID": "1_2026", "NAME": "Audit", "SERVER_ID": "1"}


def by_element(records: Sequence[dict[str, str]]) -> str:
    """The new style."""
    told = ["".join(f"  <{k}>{escape(v)}</{k}>\n" if v else f"  <{k}/>\n" for k, v in record.items()) for record in records]
    return '<?xml version="1.0" encoding="utf-8"?>\n<AUDIT>\n' + "".join(f" <AUDIT_RECORD>\n{t} </AUDIT_RECORD>\n" for t in told) + "</AUDIT>\n"


def by_attribute(records: Sequence[dict[str, str]]) -> str:
    """The old style."""
    told = ["".join(f"  {k}={quoteattr(v)}\n" for k, v in record.items()) for record in records]
    return '<?xml version="1.0" encoding="UTF-8"?>\n<AUDIT>\n' + "".join(f"<AUDIT_RECORD\n{t}/>\n" for t in told) + "</AUDIT>\n"


@pytest.mark.parametrize("style", [by_element, by_attribute])
def test_mysql_records_are_read_in_either_style(tmp_path: Path, style: Any) -> None:
    case, source, events, rejected = ingested(tmp_path, style([AUDIT, CONNECT, QUERY]), "mysql_audit_json")
    assert (source.lines, rejected, source.skipped) == (3, {}, {"mysql: neither login nor statement": 1})
    login, query = events
    assert (login["action"], login["outcome"], login["user"], login["client_ip"], login["session"]) == ("logon", "failure", "root", "192.0.2.9", "5")
    assert login["ts"].isoformat() == "2026-03-02T01:15:04+00:00"
    assert (query["action"], query["outcome"], query["user"], query["client_ip"], query["store"]) == ("query", "success", "app", "192.0.2.10", "crm")
    assert query["statement"] == QUERY["SQLTEXT"]
    assert json.loads(read_raw_line(case, query["event_id"]).text) == {"audit_record": {k.lower(): v for k, v in QUERY.items()}}


def test_a_broken_record_harms_no_other(tmp_path: Path) -> None:
    text = by_element([CONNECT, QUERY, CONNECT]).replace("<SQLTEXT>", "<SQLTEXT><b>", 1)
    _, source, events, rejected = ingested(tmp_path, text + by_element([CONNECT])[:-40], "mysql_audit_json")
    assert [e["line"] for e in events] == [1, 3]
    assert (source.lines, sorted(rejected)) == (4, [2, 4])


def test_a_field_that_stands_twice_has_no_value(tmp_path: Path) -> None:
    twice = by_element([CONNECT]).replace("<IP>", "<IP>203.0.113.7</IP><IP>")
    _, _, events, rejected = ingested(tmp_path, twice, "mysql_audit_json")
    assert (events, sorted(rejected)) == ([], [1])


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), min_size=1)


@settings(max_examples=30)
@given(st.lists(st.text("</AUDIT_RECORD \"'&;表\n", min_size=1) | TEXTS, min_size=1, max_size=4), st.booleans(), st.integers(1, 300))
def test_any_statement_comes_through_xml_whatever_pieces_it_is_read_in(statements: list[str], is_new: bool, size: int) -> None:
    records = [{"NAME": "Query", "SQLTEXT": text, "X": "/>"} for text in statements]
    data = (by_element if is_new else by_attribute)(records).encode()
    assert AUDIT_RECORDS.begins(data)
    lines = b"".join(XmlRecords(AUDIT_RECORDS).lines(pieces(data, size))).decode().split("\n")
    assert [json.loads(line)["audit_record"]["sqltext"] for line in lines[:-1]] == statements


SLOW = """/usr/sbin/mysqld, Version: 8.0.36 (MySQL Community Server - GPL). started with:
Tcp port: 3306  Unix socket: /var/run/mysqld/mysqld.sock
Time                 Id Command    Argument
# Time: 2026-03-02T01:15:04.120000Z
# User@Host: app[app] @ gw [192.0.2.9]  Id:    12
# Query_time: 0.310000  Lock_time: 0.000000 Rows_sent: 5000  Rows_examined: 5000
use crm;
SET timestamp=1772414103;
select * from customers
where name = 'x'
# not a header
;
# Time: 260302 10:15:05
# User@Host: rep[rep] @  [2001:DB8::9]
# Thread_id: 13  Schema: dwh  QC_hit: No
# Query_time: 1.0  Lock_time: 0.0  Rows_sent: 0  Rows_examined: 9
SET timestamp=1772414105;
delete from t;
# User@Host: app[app] @ localhost []  Id: 14
# Schema: crm  Last_errno: 1146  Killed: 0
# Query_time: 0.1  Lock_time: 0.0  Rows_sent: 0  Rows_examined: 0
SET timestamp=1772414106.5;
select * from nowhere;
/usr/sbin/mysqld, Version: 8.0.36 (MySQL Community Server - GPL). started with:
Tcp port: 3306  Unix socket: /var/run/mysqld/mysqld.sock
Time                 Id Command    Argument
# Time: 2026-03-02T01:15:07.000000Z
# User@Host: app[app] @ gw [192.0.2.9]  Id:    12
# Query_time: 0.000001  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 0
SET timestamp=1772414107;
# administrator command: Quit;
# Time: 2026-03-02T01:15:08.000000Z
# User@Host: nobody
"""


def test_slow_queries_tell_the_rows_that_they_returned(tmp_path: Path) -> None:
    _, source, events, rejected = ingested(tmp_path, SLOW, "mysql_slow")
    told = [(e["line"], e.get("user"), e["client_ip"], e["session"], e["store"], e["row_count"], e["outcome"], e["ts"].isoformat()) for e in events]
    assert told == [
        (1, "app", "192.0.2.9", "12", "crm", 5000, "success", "2026-03-02T01:15:04.120000+00:00"),
        (2, "rep", "2001:db8::9", "13", "dwh", 0, "unknown", "2026-03-02T01:15:05+00:00"),
        (3, "app", "localhost", "14", "crm", 0, "failure", "2026-03-02T01:15:06.500000+00:00"),
    ]
    assert [e["statement"] for e in events] == ["select * from customers\nwhere name = 'x'\n# not a header\n", "delete from t", "select * from nowhere"]
    assert (source.skipped, list(rejected)) == ({"mysql: neither login nor statement": 1}, [5])


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_slow_queries_are_the_same_whatever_pieces_they_are_read_in(size: int) -> None:
    whole = b"".join(SlowRecords().lines(iter([SLOW.encode()])))
    assert b"".join(SlowRecords().lines(pieces(SLOW.encode(), size))) == whole
    assert whole.count(b"\n") == 5


# ModSecurity

A = "[02/Mar/2026:10:15:04 +0900] {unique} 192.0.2.9 51512 203.0.113.5 443"
B = "GET /?x=1 HTTP/1.1\nHost: shop.example"
F = "HTTP/1.1 403 Forbidden\nContent-Length: 9"
MATCHED = 'Warning. Matched "[id \\"1\\"]" at ARGS:x. [file "/etc/r.conf"] [line "7"] [id "942100"] [data "[id \\"2\\"]"]'
DENIED = 'Access denied with code 403 (phase 2). Operator GE matched 5 at TX:score. [file "/etc/r.conf"] [id "949110"]'


def serial(sections: dict[str, str], digits: str = "a1b2c3d4", *, version: int = 2) -> str:
    begin, end = ("--", "-") if version == 2 else ("---", "---")
    return "".join(f"{begin}{digits}{end}{letter}--\n{content}\n\n" for letter, content in (sections | {"Z": ""}).items())


def test_transactions_in_sections_are_alerts(tmp_path: Path) -> None:
    told = [
        {"A": A.format(unique="u1"), "B": B, "F": F, "H": f"Message: {MATCHED}\nMessage: {DENIED}\nAction: Intercepted (phase 2)\nProducer: x"},
        {"A": A.format(unique="u2"), "B": B, "F": F, "H": f"Message: {MATCHED}\nStopwatch: 1"},
        {"A": A.format(unique="u3"), "B": B, "F": F, "H": "Stopwatch: 1"},
    ]
    text = "".join(serial(t, f"0000000{n}") for n, t in enumerate(told))
    third = [{**t, "H": t["H"].replace("Message: ", "ModSecurity: ").partition("\nAction")[0]} for t in told]
    for written in (text, text.replace("\n", "\r\n"), "".join(serial(t, f"aB3dE6g{n}", version=3) for n, t in enumerate(third))):
        folder = tmp_path / str(len(written))
        folder.mkdir()
        _, source, events, rejected = ingested(folder, written, "modsecurity_audit_json")
        assert (source.lines, rejected, source.skipped) == (3, {}, {"modsecurity: a request that no rule matched": 1})
        assert [(e["action"], e["rule"], e["flow_id"]) for e in events] == [("deny", "942100", "u1"), ("alert", "942100", "u2")]
        assert {(e["src_ip"], e["src_port"], e["dst_ip"], e["dst_port"]) for e in events} == {("192.0.2.9", 51512, "203.0.113.5", 443)}
        assert {e["ts"].isoformat() for e in events} == {"2026-03-02T01:15:04+00:00"}


FORGED = serial({"A": A.format(unique="forged"), "H": f"Message: {DENIED}\nAction: Intercepted (phase 1)"}, "cafebabe")


def unique_ids(data: str, size: int = 1 << 20) -> tuple[list[str | None], str | None]:
    """Transactions by their ids, None for a line that is none; and what went wrong."""
    records = SerialRecords()
    lines = b"".join(records.lines(pieces(data.encode(), size))).decode().split("\n")
    return [json.loads(x)["transaction"]["transaction_id"] if x.startswith("{") else None for x in lines if x], records.problem


@settings(max_examples=40)
@given(st.lists(st.text("-ABHZ\nc", max_size=30) | st.just(FORGED), min_size=1, max_size=5), st.integers(1, 400), st.sampled_from([2, 3]))
def test_a_body_holds_no_transaction_of_its_own(bodies: list[str], size: int, version: int) -> None:
    told = [{"A": A.format(unique=f"u{n}"), "B": B, "C": body, "F": F} for n, body in enumerate(bodies)]
    data = "".join(serial(t, f"{n:08x}", version=version) for n, t in enumerate(told))
    assert unique_ids(data, size) == ([f"u{n}" for n in range(len(bodies))], None)


@pytest.mark.parametrize("size", [7, 1 << 20])
@pytest.mark.parametrize(
    ("broken", "read", "is_told"),
    [
        ({"A": A.format(unique="u1"), "B": "GET / HT"}, [None, "u2"], False),  # breaks off where the server alone writes
        ({"A": A.format(unique="u1"), "B": B, "C": "a=" + FORGED}, [None], True),  # what follows may be the client's
        ({"A": "[02/Mar"}, [None, "u2"], False),
    ],
)
def test_a_transaction_that_breaks_off_forges_none(broken: dict[str, str], read: list[str | None], is_told: bool, size: int) -> None:
    text = serial(broken).partition("\n--a1b2c3d4-Z--")[0] + "\n" + serial({"A": A.format(unique="u2"), "B": B}, "11112222")
    ids, problem = unique_ids(serial({"A": A.format(unique="u0")}, "00000000") + text, size)
    assert ids == ["u0", *read]
    assert (problem is not None) == is_told


def test_what_stands_between_transactions_is_not_lost() -> None:
    text = serial({"A": A.format(unique="u1")}) + "stray\nlines\n" + serial({"A": "gibberish", "B": B}, "11112222") + "end"
    assert unique_ids(text) == (["u1", None, None, None], None)
