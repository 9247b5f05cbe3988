"""Tables and JSON lines that no format reads are read by what their columns are called, where that is sure; else not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.test_ingest_run import bytes_of, events, new_case, only, read, rejects

from breachscope.ingest import load_formats, read_raw_line, try_file
from breachscope.ingest.draft import new_format
from breachscope.ingest.guess import guess_format, guess_lines
from breachscope.ingest.table_rows import WrappedRows

Table = Sequence[Sequence[object]]


def written(rows: Table, separator: str = ",", end: str = "\n") -> str:
    held = io.StringIO()
    csv.writer(held, delimiter=separator, lineterminator=end).writerows(rows)
    return held.getvalue()


WEB = [["Date Time", "Client IP", "User", "Method", "URL", "Status", "Bytes", "Note"]] + [
    [f"2026/03/02 10:15:{n:02}", f"192.0.2.{n}", f"u{n}", "GET", f"/o/{n}?a=1,2", 200, n, "x"] for n in range(40)
]
FIREWALL = [["日時", "送信元IP", "宛先IP", "宛先ポート", "プロトコル", "結果", "送信バイト数", "Bytes Received"]] + [
    [f"2026-03-02 10:15:{n:02}", f"192.0.2.{n}", "203.0.113.5", 443, "TCP", "許可" if n % 2 else "拒否", n, 7] for n in range(40)
]
LOGINS = [["日付", "時刻", "ユーザー名", "接続元IPアドレス", "ログイン結果"]] + [
    ["2026/3/2", f"10:15:{n:02}", f"u{n}", f"192.0.2.{n}", "失敗" if n % 2 else "成功"] for n in range(40)
]

DEEDS = [("顧客一覧", "list"), ("登録情報照会", "read"), ("CSV出力", "export"), ("ログイン", None)]
DATA = [["日時", "ユーザー", "接続元IP", "操作", "結果", "対象"]] + [
    [f"2026/03/02 10:15:{n:02}", f"u{n}", f"192.0.2.{n}", DEEDS[n % 4][0], "成功" if n % 3 else "エラー", f"顧客{n}"] for n in range(40)
]
STAFF = [["操作日時", "社員番号", "端末IPアドレス", "操作内容", "対象テーブル", "件数"]] + [
    [f"2026/03/02 10:15:{n:02}", f"E{n:05}", f"192.0.2.{n}", "顧客を検索しました", "customers", n] for n in range(40)
]
# Whose account it is stands before who acted, and a display name before the login.
AUDIT = [["Date", "User Name", "User", "Actor", "IP Address", "Action", "Item"]] + [
    [f"2026-03-02 10:15:{n:02}", "A B", "other", f"u{n}", f"192.0.2.{n}", "Downloaded" if n % 2 else "Previewed", f"c{n}.csv"] for n in range(40)
]


@pytest.mark.parametrize(
    ("name", "stored", "table", "expected"),
    [
        (
            "data.csv", written(DATA).encode("cp932"), "data_access",
            {"user": "u1", "client_ip": "192.0.2.1", "action": "read", "outcome": "success", "object": "顧客1"},
        ),
        (
            "staff.csv", written(STAFF).encode(), "data_access",
            {"user": "E00001", "client_ip": "192.0.2.1", "action": "list", "object": "customers", "row_count": 1},
        ),
        ("audit.csv", written(AUDIT).encode(), "data_access", {"user": "u1", "client_ip": "192.0.2.1", "action": "export", "object": "c1.csv"}),
        (
            "two.jsonl",
            "".join(
                json.dumps({"log": {"date": "2026/03/02", "time": f"10:15:{n:02}"}, "user": f"u{n}", "event": "read", "file": f"192.0.2.{n}"}) + "\n"
                for n in range(40)
            ).encode(),
            "data_access", {"user": "u1", "action": "read", "object": "192.0.2.1"},
        ),
        (
            "audit.jsonl",
            "".join(
                json.dumps({"at": 1772414104 + n, "actor": {"id": f"u{n}"}, "event": "customer.read", "target": {"table": "customers"}, "ip": f"192.0.2.{n}"})
                + "\n"
                for n in range(40)
            ).encode(),
            "data_access", {"user": "u1", "client_ip": "192.0.2.1", "action": "read", "object": "customers"},
        ),
        (
            "web.csv", written(WEB).encode(), "web",
            {"client_ip": "192.0.2.1", "user": "u1", "method": "GET", "path": "/o/1", "query": "a=1,2", "status": 200, "bytes_sent": 1, "line": 3},
        ),
        ("web.tsv", written(WEB, "\t", "\r\n").encode(), "web", {"client_ip": "192.0.2.1", "path": "/o/1", "status": 200}),
        (
            "fw.csv", written(FIREWALL, end="\r\n").encode("cp932"), "network",
            {"src_ip": "192.0.2.1", "dst_ip": "203.0.113.5", "dst_port": 443, "transport": "tcp", "action": "allow", "bytes_out": 1, "bytes_in": 7},
        ),
        (
            "titled.csv", ("ファイアウォールログ\r\n出力日時,2026/03/02\r\n\r\n" + written(FIREWALL, end="\r\n")).encode("cp932"), "network",
            {"src_ip": "192.0.2.1", "action": "allow", "line": 6},
        ),
        (
            "filled.csv", ("操作ログ一覧" + "," * (len(STAFF[0]) - 1) + "\n" + written(STAFF)).encode(), "data_access",
            {"user": "E00001", "client_ip": "192.0.2.1", "line": 4},
        ),
        ("fw16.csv", b"\xff\xfe" + written(FIREWALL).encode("utf-16-le"), "network", {"action": "allow"}),
        ("vpn.csv", b"\xef\xbb\xbf" + written(LOGINS, ";").encode(), "auth", {"client_ip": "192.0.2.1", "user": "u1", "action": "logon", "outcome": "failure"}),
        (
            "app.jsonl",
            "".join(json.dumps({"ts": 1772414104 + n, "a": {"client ip": f"192.0.2.{n}", "path": f"/{n}", "status": 404}}) + "\n" for n in range(40)).encode(),
            "web", {"client_ip": "192.0.2.1", "path": "/1", "status": 404, "line": 2},
        ),
    ],
)  # fmt: skip
def test_columns_are_known_by_their_names(tmp_path: Path, name: str, stored: bytes, table: str, expected: Mapping[str, Any]) -> None:
    (tmp_path / name).write_bytes(stored)
    case = new_case(tmp_path / "case")
    source = only(read(case, tmp_path / name, tz="Asia/Tokyo"))
    assert (source.formats, source.rejected, source.problem) == ({f"guessed/{table}": 40}, 0, None)
    assert (source.confidence, source.tz_assumed) == (1.0, False)
    found = events(case, table)[1]
    assert {c: found[c] for c in expected} == expected
    assert (found["format"], found["ts"].isoformat()[:16]) == (f"guessed/{table}", "2026-03-02T01:15")
    (note,) = [n for n in source.notes if "guessed" in n]
    assert note.startswith(f"no known format reads it: its columns were guessed, as {table} events: time = ")
    assert note.endswith("; check that, and write it down with 'breachscope formats new' for --formats DIR")
    line = read_raw_line(case, found["event_id"])
    assert "192.0.2.1" in line.text
    again = new_case(tmp_path / "again")
    read(again, tmp_path / name, tz="Asia/Tokyo", threads=1)
    assert bytes_of(again) == bytes_of(case)
    # What is written down reads the same.
    (tmp_path / "mine").mkdir()
    new_format(tmp_path / name, tmp_path / "mine" / "mine.toml")
    drafted = new_case(tmp_path / "drafted")
    assert only(read(drafted, tmp_path / name, tz="Asia/Tokyo", formats_dirs=(tmp_path / "mine",))).formats == {"mine": 40}
    bare = [[{**e, "format": None} for e in events(c, table)] for c in (case, drafted)]
    assert bare[0] == bare[1]
    ((_, trial),) = try_file(tmp_path / name, load_formats())
    assert trial.format == f"guessed/{table}"


def test_the_note_names_what_was_guessed_and_what_not(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(written([[*WEB[0][:7], "\x1b[m" + "n" * 90], *WEB[1:]]))
    (note,) = [n for n in only(read(new_case(tmp_path / "case"), tmp_path / "x.csv", tz="UTC")).notes if "guessed" in n]
    assert 'client_ip = "Client IP", user = "User", method = "Method", uri = "URL", status = "Status", bytes_sent = "Bytes"' in note
    assert '; not used: "\\u001b[m' + "n" * 37 + '…"; check' in note


def test_rows_that_are_not_so_are_rejected_one_by_one(tmp_path: Path) -> None:
    bad: Table = [["no time", *WEB[1][1:]], WEB[1][:5], [*WEB[1][:5], "many", 1, ""]]
    rows = [*WEB, *WEB[1:], *WEB[1:], *bad, [*WEB[1][:7], '=cmd|" /C calc"!A0'], WEB[2]]
    (tmp_path / "x.csv").write_text(written(rows) + "\nprose at the end\n")
    case = new_case(tmp_path / "case")
    source = only(read(case, tmp_path / "x.csv"))
    assert (source.lines, source.event_lines, source.skipped) == (len(rows) + 2, 122, {"blank": 1, "header": 1})
    assert sorted({r["reason"] for r in rejects(case)}) == ["no format reads this line", "status is not a whole number in range", "time cannot be read"]
    source.check_lines()


NOT_SURE: Mapping[str, Table] = {
    "a time that is a duration": [["time", "client ip", "path"]] + [[n, "192.0.2.9", "/a"] for n in range(40)],
    "an address that is none": [["timestamp", "ip", "path"]] + [["2026-03-02 10:15:04", "version 4", "/a"] for _ in range(40)],
    "day and month may be either": [["timestamp", "ip", "path"]] + [["03/02/2026 10:15:04", "192.0.2.9", "/a"] for _ in range(40)],
    "an account and an address, and nothing that was done": [["timestamp", "user", "ip"]] + [["2026-03-02 10:15:04", "u", "192.0.2.9"] for _ in range(40)],
    "an address alone": [["timestamp", "ip", "message"]] + [["2026-03-02 10:15:04", "192.0.2.9", "x"] for _ in range(40)],
    "half of the rows have no time": [["timestamp", "ip", "path"]] + [["2026-03-02 10:15:04" if n % 2 else "", "192.0.2.9", "/a"] for n in range(40)],
    "no header": [["2026-03-02 10:15:04", "192.0.2.9", "/a"] for _ in range(40)],
    "outcomes of no known kind": [["login time", "user", "ip", "result"]] + [["2026-03-02 10:15:04", "u", "192.0.2.9", f"E{n}"] for n in range(40)],
    "orders, which are no accesses": [["created at", "user id", "customer id", "item", "price"]]
    + [["2026-03-02 10:15:04", f"u{n}", n, "pen", 7] for n in range(40)],
    "a header and nothing below": [["timestamp", "client ip", "path"]],
}


@pytest.mark.parametrize("why", NOT_SURE)
def test_what_is_not_sure_is_rejected_as_ever(tmp_path: Path, why: str) -> None:
    (tmp_path / "x.csv").write_text(written(NOT_SURE[why]))
    case = new_case(tmp_path / "case")
    source = only(read(case, tmp_path / "x.csv"))
    assert (source.formats, source.rejected) == ({}, len(NOT_SURE[why]))
    assert not any("guessed" in note for note in source.notes)


def test_what_was_done_with_data_is_told_by_its_verb(tmp_path: Path) -> None:
    deeds = [
        *DEEDS, ("一覧参照", "list"), ("顧客情報の更新", "write"), ("登録しました", "write"), ("削除", "delete"), ("明細を印刷", "export"),
        ("変更履歴照会", "read"), ("パスワード", None), ("repo.download_zip", "export"), ("FileAccessed", "read"), ("GetObject", "read"),
        ("file_deleted", "delete"), ("SELECT", "read"), ("View created records", "read"), ("address", None), ("target", None),
        ("editor role granted", None), ("Insert", "write"), ("query", "query"),
    ]  # fmt: skip
    rows = [["2026-03-02 10:15:04", "u", deed, "o"] for deed, _ in deeds]
    (tmp_path / "x.csv").write_text(written([["timestamp", "user", "action", "object"], *rows]))
    case = new_case(tmp_path / "case")
    read(case, tmp_path / "x.csv", tz="UTC")
    assert [(deed, e["action"]) for (deed, _), e in zip(deeds, events(case, "data_access"), strict=True)] == deeds


def test_a_result_of_0_may_say_that_all_is_well(tmp_path: Path) -> None:
    rows = [["timestamp", "user", "object", "result", "success"]] + [["2026-03-02 10:15:04", "u", "o", n % 2, (n + 1) % 2] for n in range(40)]
    (tmp_path / "x.csv").write_text(written(rows))
    case = new_case(tmp_path / "case")
    read(case, tmp_path / "x.csv", tz="UTC")
    assert [e["outcome"] for e in events(case, "data_access")[:2]] == ["success", "failure"]


def test_pairs_are_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("ts=2026-03-02T10:15:04Z ip=192.0.2.9 path=/a status=200\n" * 9)
    assert only(read(new_case(tmp_path / "case"), tmp_path / "x.log")).rejected == 9


def test_what_a_known_format_reads_is_not_guessed(tmp_path: Path) -> None:
    line = '{"time":"2026-03-02T01:15:04Z","remote_addr":"192.0.2.9","request":"GET /a HTTP/1.1","status":"200"}'
    (tmp_path / "x.log").write_text((line + "\n") * 20)
    assert list(only(read(new_case(tmp_path / "case"), tmp_path / "x.log")).formats) == ["nginx_json"]
    (tmp_path / "y.csv").write_text(written(WEB))
    assert only(read(new_case(tmp_path / "other"), tmp_path / "y.csv", only_format="sshd")).formats == {}


NAMES = st.one_of(st.sampled_from(["time", "日時", "client ip", "url", "status", "user", "結果", "src ip", "dst ip", "bytes"]), st.text(max_size=12))
CELLS = st.one_of(st.sampled_from(["2026-03-02 10:15:04", "192.0.2.9", "/a", "200", "u1", "成功", "deny", "=1+1", '"', "\x7f", "\ud800"]), st.text(max_size=12))


@settings(max_examples=30)
@given(names=st.lists(NAMES, min_size=1, max_size=6), rows=st.lists(st.lists(CELLS, min_size=1, max_size=6), max_size=4), how=st.sampled_from(["csv", "json"]))
def test_no_table_is_a_fault(names: list[str], rows: list[list[str]], how: str) -> None:
    objects = [json.dumps(dict(zip(names, row, strict=False))) for row in rows]
    lines = written([names, *rows]).splitlines() if how == "csv" else objects
    lines = [line.encode(errors="replace").decode() for line in lines] * 3
    frame = pl.DataFrame({"line": range(1, len(lines) + 1), "text": lines}, schema={"line": pl.Int64, "text": pl.String})
    guessed = guess_format(frame, "\n".join(lines).encode(), 0.0)
    assert guessed is None or guessed[1] >= 0.95


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("20260901090501", "%Y%m%d%H%M%S"),
        ("20260901 090501", "%Y%m%d%H%M%S"),
        ("20260901090501123", "%Y%m%d%H%M%S%3f"),
        ("1788220800123", "epoch_ms"),
        ("2026/09/01 (火) 9:05:01 JST", "japanese"),
    ],
)
def test_a_number_is_the_time_that_is_of_this_age(written: str, form: str) -> None:
    assert guess_lines(["日時,ユーザーID,対象,操作", *[f"{written},u1,x,参照"] * 3]).form == form


OPERATIONS = [
    ["No", "操作日時", "ユーザーID", "氏名", "端末IPアドレス", "操作内容", "検索条件", "対象件数", "結果", "備考"],
    *(
        [str(n), f"2026年9月{n}日(火) 9:05:01", f"u{n}", "佐藤, 花子", "10.1.2.3", "検索", '氏名="佐藤",住所=東京\n電話=03', "12", "正常", "二行の\r\n備考"]
        for n in range(1, 9)
    ),
]


@pytest.mark.parametrize(("codec", "end"), [("cp932", "\r\n"), ("utf-8-sig", "\r\n"), ("utf-8", "\n")])
def test_rows_that_go_on_over_several_lines_are_one_event_each(tmp_path: Path, codec: str, end: str) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator=end).writerows(OPERATIONS)
    (tmp_path / "x.csv").write_bytes(written.getvalue().encode(codec))
    case = new_case(tmp_path / "case")
    source = only(read(case, tmp_path / "x.csv", tz="Asia/Tokyo"))
    assert (source.lines, source.event_lines, source.rejected, source.newline) == (9, 8, 0, "table whose rows go on over several lines")
    rows = events(case, "data_access")
    assert [(r["line"], r["user"], r["client_ip"], r["action"], r["row_count"], r["outcome"]) for r in rows] == [
        (n + 1, f"u{n}", "10.1.2.3", "list", 12, "success") for n in range(1, 9)
    ]
    assert read_raw_line(case, rows[2]["event_id"]).text == (
        '3,2026年9月3日(火) 9:05:01,u3,"佐藤, 花子",10.1.2.3,検索,"氏名=""佐藤"",住所=東京 電話=03",12,正常,"二行の 備考"'
    )


@pytest.mark.parametrize(
    "text",
    [
        'time,user,note\n2026-03-02 10:15:04,a,5" disk\n2026-03-02 10:15:05,b,3" disk\n',
        'a,b,c\n1,2,"x\ny",4\n',
        '192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET /a,b,c\n192.0.2.9 - - "GET /\n',
        '2026-03-02,10,"x\ny"\n2026-03-02,11,"x\ny"\n',
    ],
    ids=["stray quotes", "other cells", "no table", "no header"],
)
def test_quotes_that_no_table_writes_join_no_lines(text: str) -> None:
    assert not WrappedRows.reads(text.encode())


def test_who_has_a_logins_name_does_something_else() -> None:
    lines = [
        "日付\t時刻\tログインID\t接続元IP\t操作種別\t対象者番号\t処理結果",
        *[f"2026/09/01\t09:{n}:01\tu1\t10.0.0.1\t閲覧\tP{n}\tOK" for n in range(10, 20)],
    ]
    guess = guess_lines(lines)
    assert (guess.table.name, guess.is_sure) == ("data_access", True)
    assert guess_lines(["日時,ログインID,接続元IP,ログイン結果", *["2026/09/01 09:05:01,u1,10.0.0.1,成功"] * 3]).table.name == "auth"
