"""Audit trails exported as tables: rows over several lines are whole, and events are those of the trail."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.test_ingest_run import events, new_case, only, read, rejects

from breachscope.case import Case
from breachscope.ingest.audit_tables import AuditRecords
from breachscope.manifest import Source


def written(rows: Sequence[Mapping[str, object]], **how: Any) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), **{"lineterminator": "\r\n", **how})
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def ingested(tmp_path: Path, content: bytes, **settings: Any) -> tuple[Case, Source]:
    (tmp_path / "export.csv").write_bytes(content)
    case = new_case(tmp_path / "case")
    return case, only(read(case, tmp_path / "export.csv", **settings))


SQL = {
    "event_time": "2026-03-02 01:15:04.1200000", "sequence_number": "1", "action_id": "SL  ", "succeeded": "1", "class_type": "U ",
    "server_principal_name": "app1", "database_name": "crm", "object_name": "customers", "statement": 'SELECT *\r\nFROM "customers"\r\nWHERE x = 1',
    "additional_information": "NULL", "client_ip": "192.0.2.9", "response_rows": "812", "note": "",
}  # fmt: skip


@pytest.mark.parametrize(
    "stored",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: b"#TYPE System.Data.DataRow\r\n" + text.encode(),
    ],
)
def test_rows_of_sql_server_may_go_on_over_lines(tmp_path: Path, stored: Any) -> None:
    rows = [SQL, {**SQL, "action_id": "LGIS", "statement": "-- network protocol\nset quoted_identifier on"}, {**SQL, "object_name": "cards"}]
    case, source = ingested(tmp_path, stored(written(rows, quoting=csv.QUOTE_ALL)))
    told = [(e["line"], e["object"], e["statement"], e["row_count"], e["ts"].microsecond) for e in events(case, "data_access")]
    assert told == [(1, "customers", SQL["statement"], 812, 120_000), (3, "cards", SQL["statement"], 812, 120_000)]
    assert [(e["line"], e["user"], e["client_ip"], e["action"]) for e in events(case, "auth")] == [(2, "app1", "192.0.2.9", "logon")]
    assert (source.lines, source.rejected, source.newline, source.tz_assumed) == (3, 0, "table of SQL Server's audit", False)


def test_rows_that_are_no_rows_are_rejected(tmp_path: Path) -> None:
    text = written([SQL, SQL])
    case, source = ingested(tmp_path, (text + "2026-03-02,SL,1\r\n\r\n" + text.partition("\r\n")[2] + '2026-03-02 01:15:04,2,SL,1,"open').encode())
    assert (source.lines, source.event_lines, source.skipped) == (7, 4, {"blank": 1})
    assert len(rejects(case)) == 2


def test_oracle_tells_the_time_in_utc_where_it_was_exported(tmp_path: Path) -> None:
    row = {
        "AUDIT_TYPE": "Standard", "DBUSERNAME": "APP1", "EVENT_TIMESTAMP": "02-MAR-26 10.15.04.120000 AM",
        "EVENT_TIMESTAMP_UTC": "02-MAR-26 01.15.04.120000 AM",
        "ACTION_NAME": "SELECT", "RETURN_CODE": "0", "OBJECT_SCHEMA": "CRM", "OBJECT_NAME": "CUSTOMERS", "SQL_TEXT": "SELECT *\nFROM customers",
        "AUTHENTICATION_TYPE": "(TYPE=(DATABASE));(CLIENT ADDRESS=((PROTOCOL=tcp)(HOST=192.0.2.9)(PORT=51512)));",
    }  # fmt: skip
    rows = [row, {**row, "EVENT_TIMESTAMP_UTC": ""}, {**row, "ACTION_NAME": "LOGON", "RETURN_CODE": "1017"}]
    case, source = ingested(tmp_path, written(rows).encode(), tz="Asia/Tokyo")
    assert [(e["ts"].hour, e["ts_offset_min"], e["statement"]) for e in events(case, "data_access")] == [(1, 0, row["SQL_TEXT"]), (1, 540, row["SQL_TEXT"])]
    assert [(e["user"], e["client_ip"], e["client_port"], e["outcome"], e["reason"]) for e in events(case, "auth")] == [
        ("APP1", "192.0.2.9", 51512, "failure", None)
    ]
    assert source.rejected == 0


IDENTITY = (
    "{type=AssumedRole, principalid=AROA:s1, arn=arn:aws:sts::111122223333:assumed-role/R/s1, accountid=111122223333, invokedby=null, accesskeyid=A, "
    "username=null, sessioncontext={attributes={mfaauthenticated=false, creationdate=x}, sessionissuer={type=Role, arn=r, username=R}}}"
)
CLOUD = {
    "eventversion": "1.09", "useridentity": IDENTITY, "eventtime": "2026-03-02T01:15:04Z", "eventsource": "s3.amazonaws.com", "eventname": "GetObject",
    "awsregion": "ap-northeast-1", "sourceipaddress": "192.0.2.9", "useragent": "aws-cli/2.0", "errorcode": "",
    "requestparameters": json.dumps({"bucketName": "crm", "key": 'a"b,c\n.csv'}), "responseelements": "null",
}  # fmt: skip


def test_events_of_cloudtrail_out_of_athena_are_those_of_cloudtrail(tmp_path: Path) -> None:
    user = (
        "{type=IAMUser, principalid=AIDA, arn=arn:aws:iam::111122223333:user/u1, accountid=1, invokedby=null, accesskeyid=A, username=u1, sessioncontext=null}"
    )
    rows = [
        CLOUD,
        {**CLOUD, "useridentity": user, "errorcode": "AccessDenied"},
        {**CLOUD, "useridentity": user, "eventsource": "signin.amazonaws.com", "eventname": "ConsoleLogin", "responseelements": '{"ConsoleLogin":"Success"}'},
        {**CLOUD, "useridentity": '{"type":"IAMUser","userName":"u2"}'},
        {**CLOUD, "useridentity": user.replace("accesskeyid=A", "username=root")},  # it cannot be told which
    ]
    case, source = ingested(tmp_path, written(rows, quoting=csv.QUOTE_ALL).encode())
    told = [(e["line"], e["user"], e["store"], e["object"], e["outcome"], e["client_ip"]) for e in events(case, "data_access")]
    assert told == [
        (1, "arn:aws:sts::111122223333:assumed-role/R/s1", "crm", 'a"b,c\n.csv', "success", "192.0.2.9"),
        (2, "u1", "crm", 'a"b,c\n.csv', "failure", "192.0.2.9"),
        (4, "u2", "crm", 'a"b,c\n.csv', "success", "192.0.2.9"),
        (5, None, "crm", 'a"b,c\n.csv', "success", "192.0.2.9"),
    ]
    assert [(e["line"], e["user"], e["action"]) for e in events(case, "auth")] == [(3, "u1", "logon")]
    assert (source.lines, source.rejected) == (5, 0)


def test_the_consoles_event_history_names_its_columns_in_words(tmp_path: Path) -> None:
    row = {
        "Event ID": "1", "Event time": "2026-03-02T01:15:04Z", "User name": "u1", "Event name": "CreateUser", "Resource type": "", "AWS region": "us-east-1",
        "Error code": "", "Event source": "iam.amazonaws.com", "Request ID": "2", "Source IP address": "192.0.2.9",
    }  # fmt: skip
    case, source = ingested(tmp_path, written([row, {**row, "Event name": "DescribeInstances", "Event source": "ec2.amazonaws.com"}]).encode())
    assert [(e["line"], e["actor_user"], e["action"], e["client_ip"]) for e in events(case, "auth")] == [(1, "u1", "account_create", "192.0.2.9")]
    assert source.skipped == {"cloudtrail: other events": 1}


CELL = st.text(alphabet='ab",;\n\r 表', max_size=6)


@settings(max_examples=40)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6), st.integers(1, 40), st.sampled_from([",", ";", "\t"]))
def test_cells_are_those_of_the_csv_module(cells: list[tuple[str, str]], size: int, separator: str) -> None:
    rows = [{"event_time": "t", "action_id": "x", "succeeded": a, "server_principal_name": b} for a, b in cells]
    stored = written(rows, delimiter=separator).encode()
    records = AuditRecords(stored)
    lines = b"".join(records.lines(stored[n : n + size] for n in range(0, len(stored), size))).splitlines()
    expected = [{k: v.strip() for k, v in row.items() if v.strip()} for row in csv.DictReader(io.StringIO(stored.decode(), newline=""), delimiter=separator)]
    assert [json.loads(line)["sqlserver_audit"] for line in lines] == expected
