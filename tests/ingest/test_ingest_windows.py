"""Windows events out of EVTX, XML and CSV: the same events by whichever way they were exported."""

from __future__ import annotations

import gzip
import json
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.evtx_writer import CHUNK_BYTES, evtx

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest, table_rows, windows_events
from breachscope.ingest.trace import read_raw_line
from breachscope.ingest.windows_events import XML_EVENTS
from breachscope.ingest.xml_records import XmlRecords
from breachscope.manifest import Source
from breachscope.progress import Silent

NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"
PROVIDER = "Microsoft-Windows-Security-Auditing"

Data = Mapping[str, str]


def event_xml(event: int, data: Data, *, second: int = 4, provider: str = PROVIDER, channel: str = "Security") -> str:
    fields = "".join(f"<Data Name={quoteattr(name)}>{escape(value)}</Data>" for name, value in data.items())
    return (
        f"<Event xmlns='{NAMESPACE}'><System><Provider Name='{provider}' Guid='{{54849625-5478-4994-a5ba-3e3b0328c30d}}'/><EventID>{event}</EventID>"
        f"<Version>0</Version><Level>0</Level><TimeCreated SystemTime='2026-03-02T01:15:{second:02}.1234567Z'/><EventRecordID>{second}</EventRecordID>"
        f"<Correlation/><Execution ProcessID='700' ThreadID='704'/><Channel>{channel}</Channel><Computer>dc1.example.com</Computer><Security/></System>"
        f"<EventData>{fields}</EventData></Event>"
    )


EVENTS: Sequence[tuple[int, Data, Mapping[str, Any]]] = [
    (4624, {"TargetUserName": "u1", "TargetLogonId": "0x3e7a", "LogonType": "10", "AuthenticationPackageName": "Negotiate", "IpAddress": "192.0.2.9",
            "IpPort": "51512"},
     {"action": "logon", "outcome": "success", "user": "u1", "session": "0x3e7a", "logon_type": 10, "method": "negotiate", "client_ip": "192.0.2.9",
      "client_port": 51512, "attempts": 1}),
    (4624, {"TargetUserName": "WS7$", "TargetLogonId": "0x9", "LogonType": "3", "AuthenticationPackageName": "Kerberos", "IpAddress": "::1", "IpPort": "0"},
     {"action": "logon", "outcome": "success", "user": "WS7$", "session": "0x9", "logon_type": 3, "method": "kerberos", "client_ip": "::1", "client_port": 0,
      "attempts": 1}),
    (4625, {"TargetUserName": "表 太郎", "LogonType": "3", "IpAddress": "-", "IpPort": "-", "Status": "0xC000006D", "SubStatus": "0xC000006A"},
     {"action": "logon", "outcome": "failure", "reason": "bad_password", "user": "表 太郎", "logon_type": 3, "attempts": 1}),
    (4625, {"TargetUserName": "nobody", "LogonType": "8", "IpAddress": "127.0.0.1", "IpPort": "50001", "Status": "0xc000006d", "SubStatus": "0xc0000064"},
     {"action": "logon", "outcome": "failure", "reason": "no_user", "user": "nobody", "logon_type": 8, "client_ip": "127.0.0.1", "client_port": 50001,
      "attempts": 1}),
    (4634, {"TargetUserName": "u1", "TargetLogonId": "0x3e7a", "LogonType": "10"},
     {"action": "logoff", "outcome": "success", "user": "u1", "session": "0x3e7a", "logon_type": 10}),
    (4648, {"SubjectUserName": "u1", "SubjectLogonId": "0x3e7a", "TargetUserName": "admin1", "IpAddress": "2001:DB8::9", "IpPort": "0"},
     {"action": "logon", "outcome": "unknown", "user": "admin1", "actor_user": "u1", "session": "0x3e7a", "client_ip": "2001:db8::9", "client_port": 0,
      "attempts": 1}),
    (4672, {"SubjectUserName": "admin1", "SubjectLogonId": "0x77"},
     {"action": "elevate", "outcome": "success", "user": "admin1", "session": "0x77"}),
    (4720, {"SubjectUserName": "admin1", "SubjectLogonId": "0x77", "TargetUserName": "new1"},
     {"action": "account_create", "outcome": "success", "user": "new1", "actor_user": "admin1", "session": "0x77"}),
    (4728, {"SubjectUserName": "admin1", "SubjectLogonId": "0x77", "MemberName": "CN=new1,CN=Users,DC=example,DC=com", "TargetUserName": "Domain Admins"},
     {"action": "group_add", "outcome": "success", "user": "CN=new1,CN=Users,DC=example,DC=com", "target": "Domain Admins", "actor_user": "admin1",
      "session": "0x77"}),
    (4732, {"SubjectUserName": "admin1", "SubjectLogonId": "0x77", "MemberSid": "S-1-5-21-1-2-3-1104", "MemberName": "-", "TargetUserName": "Administrators"},
     {"action": "group_add", "outcome": "success", "user": "S-1-5-21-1-2-3-1104", "target": "Administrators", "actor_user": "admin1", "session": "0x77"}),
    (4740, {"TargetUserName": "u1", "SubjectUserName": "DC1$"},
     {"action": "lockout", "outcome": "success", "user": "u1"}),
    (4768, {"TargetUserName": "u1", "IpAddress": "::ffff:192.0.2.9", "IpPort": "50000", "Status": "0x0"},
     {"action": "logon", "outcome": "success", "user": "u1", "method": "kerberos", "client_ip": "192.0.2.9", "client_port": 50000, "attempts": 1}),
    (4769, {"TargetUserName": "u1@EXAMPLE.COM", "ServiceName": "FILES$", "IpAddress": "::ffff:192.0.2.9", "IpPort": "50002", "Status": "0x0"},
     {"action": "logon", "outcome": "success", "user": "u1@EXAMPLE.COM", "service": "FILES$", "method": "kerberos", "client_ip": "192.0.2.9",
      "client_port": 50002, "attempts": 1}),
    (4771, {"TargetUserName": "u1", "IpAddress": "::ffff:192.0.2.9", "IpPort": "50003", "Status": "0x18"},
     {"action": "logon", "outcome": "failure", "reason": "bad_password", "user": "u1", "method": "kerberos", "client_ip": "192.0.2.9", "client_port": 50003,
      "attempts": 1}),
    (4776, {"TargetUserName": "u1", "Workstation": "PC7", "Status": "0xC0000064"},
     {"action": "logon", "outcome": "failure", "reason": "no_user", "user": "u1", "method": "ntlm", "attempts": 1}),
]  # fmt: skip
XMLS = [event_xml(event, data, second=n) for n, (event, data, _) in enumerate(EVENTS, 1)]
EXPECTED = [{"service": "windows", "line": n, "format": "windows_security_json", **expected} for n, (_, _, expected) in enumerate(EVENTS, 1)]


def ingested(tmp_path: Path, name: str, content: bytes, **options: Any) -> tuple[Case, Source, list[dict[str, Any]]]:
    """A file put into a case: its source and its events of logins, without what is empty or follows from the file."""
    (tmp_path / name).write_bytes(content)
    case = Case.create_or_open(tmp_path / f"{name}.case")
    # Trying the other formats on what is refused is no concern of these tests, and takes long.
    source = ingest(case, [tmp_path / name], IngestOptions(**{"only_format": "windows_security_json", **options}), Silent()).added[0]
    rows = [row for path in case.event_files("auth") for row in pq.read_table(path).to_pylist()]
    kept = [{k: v for k, v in row.items() if v is not None and k not in ("event_id", "source", "ts_offset_min", "ts_quality")} for row in rows]
    return case, source, kept


def without_time(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in e.items() if k not in ("ts", "host")} for e in events]


def rejects(case: Case) -> list[tuple[int, bytes]]:
    return [(r["line"], r["raw"]) for path in case.reject_files() for r in pq.read_table(path).to_pylist()]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("security.evtx", evtx(XMLS, per_chunk=4)),
        ("security.evtx.gz", gzip.compress(evtx(XMLS, per_chunk=4))),
        ("wevtutil.xml", "\r\n".join(XMLS).encode()),
        ("viewer.xml", ('<?xml version="1.0" encoding="utf-8" standalone="yes"?>\r\n<Events>' + "".join(XMLS) + "</Events>").encode()),
        ("utf16.xml", ("\ufeff<Events>" + "\n".join(XMLS) + "</Events>").encode("utf-16-le")),
        ("pretty.xml", ("<Events>\n" + "".join(XMLS).replace("><", ">\n  <").replace("'", '"') + "\n</Events>\n").encode()),
        ("dumped.xml", "".join(f'Record {n}\n<?xml version="1.0" encoding="utf-8"?>\n{x}\n' for n, x in enumerate(XMLS, 1)).encode()),
    ],
)
def test_events_read_the_same_by_whichever_way_they_came(tmp_path: Path, name: str, content: bytes) -> None:
    case, source, events = ingested(tmp_path, name, content, only_format=None)
    assert without_time(events) == EXPECTED
    assert (source.lines, source.rejected, source.problem, len(source.notes)) == (len(XMLS), 0, None, 1)
    assert source.notes[0].endswith(": each of its records counts as a line")
    assert {e["host"] for e in events} == {"dc1.example.com"}
    assert events[3]["ts"] == datetime(2026, 3, 2, 1, 15, 4, 123456, tzinfo=UTC)
    event_id = pq.read_table(case.event_files("auth")[0])["event_id"][2].as_py()
    record = json.loads(read_raw_line(case, event_id).text)["Event"]
    assert record["System"]["Provider"]["#attributes"]["Name"] == PROVIDER
    assert record["EventData"]["TargetUserName"] == "表 太郎"


@pytest.mark.parametrize("provider", ["EventSystem", "Microsoft-Windows-Security-Kerberos"])
def test_the_same_number_of_another_provider_is_another_event(tmp_path: Path, provider: str) -> None:
    events = [event_xml(4625, {"TargetUserName": "x"}, provider=provider, channel="Application"), XMLS[0]]
    _, source, found = ingested(tmp_path, "application.xml", "\n".join(events).encode())
    assert (source.lines, len(found), source.skipped) == (2, 1, {"windows: no login and no change of accounts": 1})


def test_a_cleared_log_is_told_with_who_cleared_it(tmp_path: Path) -> None:
    cleared = XMLS[0].replace(">4624<", ">1102<").replace(PROVIDER, "Microsoft-Windows-Eventlog")
    data = "<UserData><LogFileCleared xmlns='http://manifests.microsoft.com/win/2004/08/windows/eventlog'><SubjectUserName>admin1</SubjectUserName></LogFileCleared></UserData>"
    cleared = cleared.partition("<EventData>")[0] + data + "</Event>"
    for name, content in (("cleared.xml", cleared.encode()), ("cleared.evtx", evtx([cleared]))):
        _, _, events = ingested(tmp_path, name, content)
        assert [(e["action"], e["user"]) for e in events] == [("log_clear", "admin1")]


HOSTILE_XML = [
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>',
    '<!DOCTYPE x [<!ENTITY p SYSTEM "file:///etc/passwd">]>',
]


@pytest.mark.parametrize("prolog", HOSTILE_XML)
@pytest.mark.parametrize("name", ["&c;", "&p;"])
def test_entities_are_neither_expanded_nor_fetched(tmp_path: Path, prolog: str, name: str) -> None:
    harmful = event_xml(4624, {**EVENTS[0][1], "TargetUserName": "NAME"}).replace("NAME", name)
    case, source, events = ingested(tmp_path, "bomb.xml", f"<Events>{XMLS[0]}\n{prolog}\n{harmful}\n{XMLS[1]}</Events>".encode())
    assert [e["user"] for e in events] == ["u1", "WS7$"]
    assert (source.lines, source.rejected) == (4, 2), "the document type and the event that needs it"
    assert [line for line, _ in rejects(case)] == [2, 3]


@pytest.mark.parametrize(
    ("broken", "lines"),
    [
        (XMLS[0][:-60], 1),  # the next begins before it has ended
        (XMLS[0].replace("</Data>", "", 1), 1),
        (XMLS[0].replace("<System>", "<System><EventID>4634</EventID>"), 1),
        (XMLS[0].replace("<EventData>", "<EventData><Data Name='TargetUserName'>other</Data>"), 1),
        (XMLS[0].replace("<EventData>", "<EventData>" + "<a>" * 400 + "</a>" * 400), 1),
        ("stray text", 1),
        ("</Event>", 1),
    ],
)
def test_a_broken_element_is_refused_and_harms_no_other(tmp_path: Path, broken: str, lines: int) -> None:
    case, source, events = ingested(tmp_path, "broken.xml", f"{XMLS[4]}\n{broken}\n{XMLS[6]}\n".encode())
    assert [e["action"] for e in events] == ["logoff", "elevate"]
    assert (source.lines, source.rejected) == (2 + lines, lines)
    assert rejects(case) == [(2, broken.encode())]


def test_an_export_that_breaks_off_keeps_what_is_whole(tmp_path: Path) -> None:
    case, source, events = ingested(tmp_path, "cut.xml", ("<Events>" + "".join(XMLS[:3])).encode()[:-100])
    assert (len(events), source.lines, source.rejected) == (2, 3, 1)
    assert rejects(case)[0][1].startswith(b"<Event xmlns")


def test_names_with_characters_that_xml_forbids_are_read(tmp_path: Path) -> None:
    raw = XMLS[2].replace("表 太郎", "a\x01b&#x2;c&#65;")
    _, _, events = ingested(tmp_path, "control.xml", f"{XMLS[0]}\n{raw}".encode())
    assert [e["user"] for e in events] == ["u1", "a\ufffdb\ufffdcA"]


XML_CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")


@settings(max_examples=30)
@given(st.lists(st.text(XML_CHARACTERS), min_size=1, max_size=4), st.integers(1, 400))
def test_any_text_comes_through_xml_whatever_pieces_it_is_read_in(names: list[str], size: int) -> None:
    document = "<Events>" + "".join(event_xml(4624, {"TargetUserName": n, "X": "</Event> <Event>"}) for n in names) + "</Events>"
    data = document.encode()
    lines = b"".join(XmlRecords(XML_EVENTS).lines(data[n : n + size] for n in range(0, len(data), size))).decode().split("\n")
    assert [json.loads(line)["Event"]["EventData"]["TargetUserName"] or "" for line in lines[:-1]] == names


ODD_VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "-",
            "a\r\n\tb",
            "&amp;lt;",
            "&lt;&quot;&apos;&gt;",
            "&#65;",
            "&x;",
            "]]>",
            "\x01",
            "\ufffe",
            "\ue0000\ue000",
            'say "x" \\ %s',
            "<b/>",
            "<!-- -->",
        ]
    ),
    st.text("a'\"<>&;%\\\n\r\t\x7f\u3042", max_size=5),
)


@settings(max_examples=40)
@given(st.lists(st.tuples(ODD_VALUES, ODD_VALUES, ODD_VALUES), min_size=2, max_size=5), st.sampled_from("'\""))
def test_records_like_one_before_are_read_as_the_parser_reads_them(values: list[tuple[str, str, str]], quote: str) -> None:
    usual = XMLS[0].replace("'", quote)
    records = [
        usual.replace(">dc1.example.com<", f">{host}<").replace("54849625", guid).replace("<EventData>", f"<EventData><Data>{free}</Data>\n <Data>2</Data>")
        for host, guid, free in [("h", "1", "x"), *values]
    ]
    lines = b"".join(XmlRecords(XML_EVENTS).lines(iter(["\n".join(records).encode()]))).decode().splitlines()
    if len(lines) == len(records):  # others are cut elsewhere, which is tested above
        told = [XML_EVENTS.read(record.encode()) for record in records]
        assert [line for line, known in zip(lines, told, strict=True) if known is not None] == [known for known in told if known is not None]


def event_data_line_by_line(message: str, event: str) -> tuple[dict[str, str], str | None]:
    """As :func:`_event_data`, one line after the other."""
    data: dict[str, str] = {}
    heading = ""
    seen: set[tuple[str, str]] = set()
    for line in re.split(r"\r\n|\r|\n", message):
        is_indented = line.startswith("\t")
        if not is_indented and (begun := re.fullmatch(r"([^\t:]+):[\t ]*", line)):
            heading = windows_events._NAMES.get(begun[1], begun[1])
            key, value = (heading, ""), None
        elif labelled := re.fullmatch(r"\t?([^\t:]+):\t+(.*)|\t([^\t:]+): *", line):
            label = (labelled[1] or labelled[3]).strip()
            heading = heading if is_indented else ""
            key, value = (heading, windows_events._NAMES.get(label, label)), (labelled[2] or "").strip()
        else:
            continue
        if key in seen:
            return data, f"{key[1] or key[0]!r}"
        seen.add(key)
        if value is None:
            continue
        party = windows_events._PARTIES.get(heading)
        name = windows_events._field("Target" if party == "Subject" and event in windows_events._ENDED else party, key[1])
        if name is not None:
            if name in data:
                return data, repr(key[1])
            data[name] = value
    return data, None


MESSAGE_LINES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "\t", "\t\t", " "]),
        st.sampled_from(["Subject", "New Logon", "サブジェクト", "Account Name", "アカウント名", "Source Port", "Status", "Error Code", "x", ""]),
        st.sampled_from(["", ":", ": ", ":\t", ":\t\t", ": \t", ":\t \t"]),
        st.sampled_from(["", "u1", " a:\tb ", "\u3000", "\x0b", "\x85"]),
        st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    ),
)


@settings(max_examples=40)
@given(st.lists(st.lists(MESSAGE_LINES, max_size=8).map("".join), min_size=1, max_size=30), st.sampled_from(["4624", "4634"]))
def test_messages_are_read_as_line_by_line(messages: list[str], event: str) -> None:
    for message in messages:
        assert windows_events._event_data(message, event) == event_data_line_by_line(message, event)


@settings(max_examples=40)
@given(st.binary(max_size=40).map(lambda b: bytes(b'"\n\r,a'[x % 5] for x in b)), st.integers(1, 45))
def test_rows_end_at_line_ends_outside_quotes(text: bytes, most: int) -> None:
    rows, begin, is_quoted = [], 0, False
    for at, byte in enumerate(text, 1):
        is_quoted ^= byte == ord('"')
        if byte == ord("\n") and (not is_quoted or at - begin > most):
            rows.append(text[begin:at])
            begin, is_quoted = at, False
    assert table_rows._whole_rows(text, most) == (rows, text[begin:])


def damaged(at: int, byte: int = 0x77, content: bytes = evtx(XMLS, per_chunk=5)) -> bytes:
    return content[:at] + bytes([byte]) + content[at + 1 :]


SECOND_CHUNK = 4096 + CHUNK_BYTES


def records_of(content: bytes) -> list[tuple[int, int]]:
    """Where records begin and end, by the mark and the size in front of each."""
    found = []
    at = content.find(b"**\0\0")
    while at >= 0:
        found.append((at, at + int.from_bytes(content[at + 4 : at + 8], "little")))
        at = content.find(b"**\0\0", found[-1][1])
    return found


@pytest.mark.parametrize(
    ("offset", "lost"),
    [
        (0, [2]),  # the mark of a record
        (5, [2]),  # its size
        (28, [2]),  # its content
    ],
)
def test_a_damaged_record_is_told_with_its_place_and_no_other_is_lost(tmp_path: Path, offset: int, lost: list[int]) -> None:
    begin, end = records_of(evtx(XMLS, per_chunk=5))[1]
    case, source, events = ingested(tmp_path, "damaged.evtx", damaged(begin + offset))
    assert [e["line"] for e in events] == [n for n in range(1, len(XMLS) + 1) if n not in lost]
    assert without_time(events) == [e for e in EXPECTED if e["line"] not in lost]
    assert source.lines == len(XMLS)
    assert [line for line, _ in rejects(case)] == lost
    place = f"bytes {begin:,} to {end - 1:,}"
    assert rejects(case)[0][1].decode().startswith(f"EVTX {place}: ")
    assert source.problem is not None
    assert place in source.problem
    assert any("checksum" in note and "byte 4,096" in note for note in source.notes)


@pytest.mark.parametrize("offset", [0, 48, 100, 124, 130])
def test_a_damaged_chunk_header_loses_no_record(tmp_path: Path, offset: int) -> None:
    _, source, events = ingested(tmp_path, "header.evtx", damaged(SECOND_CHUNK + offset))
    assert without_time(events) == EXPECTED
    assert (source.problem, source.rejected) == (None, 0)
    assert any("checksum" in note and f"byte {SECOND_CHUNK:,}" in note for note in source.notes)


def test_a_log_copied_while_it_was_open_is_read_beyond_what_its_headers_tell(tmp_path: Path) -> None:
    stale, fresh = evtx(XMLS[:2], per_chunk=15, is_dirty=True), evtx(XMLS, per_chunk=15)
    chunk = stale[4096 : 4096 + 512] + fresh[4096 + 512 :]
    _, source, events = ingested(tmp_path, "live.evtx", stale[:4096] + chunk)
    assert without_time(events) == EXPECTED
    _, source, events = ingested(tmp_path, "torn.evtx", damaged(4096 + 52, content=stale[:4096] + chunk))
    assert without_time(events) == EXPECTED
    assert any("copied while it was open" in note for note in source.notes)


def test_remains_of_older_records_behind_the_last_one_are_no_events(tmp_path: Path) -> None:
    new, old = evtx(XMLS[:2], per_chunk=15), evtx(XMLS, per_chunk=15)
    spans = records_of(new)
    remains = old[records_of(old)[5][0] :][: 4096 + CHUNK_BYTES - spans[-1][1]]
    content = (new[: spans[-1][1]] + remains).ljust(4096 + CHUNK_BYTES, b"\0")[: 4096 + CHUNK_BYTES]
    _, source, events = ingested(tmp_path, "remains.evtx", content)
    assert without_time(events) == EXPECTED[:2]
    assert (source.problem, source.rejected) == (None, 0)


@pytest.mark.parametrize("cut", [100, SECOND_CHUNK + 10, records_of(evtx(XMLS, per_chunk=5))[7][0] + 40])
def test_a_log_that_breaks_off_says_where(tmp_path: Path, cut: int) -> None:
    whole = [n for n, (_, end) in enumerate(records_of(evtx(XMLS, per_chunk=5)), 1) if end <= cut]
    _, source, events = ingested(tmp_path, "cut.evtx", evtx(XMLS, per_chunk=5)[:cut])
    assert without_time(events) == [e for e in EXPECTED if e["line"] in whole]
    assert source.problem is not None
    assert "damaged" in source.problem


def test_chunks_that_are_set_aside_hold_nothing(tmp_path: Path) -> None:
    _, source, events = ingested(tmp_path, "aside.evtx", evtx(XMLS) + bytes(CHUNK_BYTES))
    assert without_time(events) == EXPECTED
    assert (source.lines, source.problem) == (len(XMLS), None)


def test_without_the_extra_one_sentence_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evtx", None)
    (tmp_path / "security.evtx").write_bytes(evtx(XMLS))
    result = ingest(Case.create_or_open(tmp_path / "case"), [tmp_path / "security.evtx"], IngestOptions(), Silent())
    assert [str(e) for e in result.errors] == [
        f"{tmp_path}/security.evtx: is a Windows event log (EVTX), which needs an extra: pip install 'breachscope[evtx]'"
    ]
    assert result.added == []


MESSAGES = tomllib.loads((Path(__file__).parent / "windows_messages.toml").read_text(encoding="utf-8"))
ENGLISH: Mapping[str, str] = MESSAGES["en"]
JAPANESE: Mapping[str, str] = MESSAGES["ja"]


def expected_of(event: str) -> Mapping[str, Any]:
    """What the first of the events with this number holds; of the method only messages tell that of a failed logon."""
    return {**next(e for number, _, e in EVENTS if str(number) == event), **({"method": "ntlm"} if event == "4625" else {})}


def viewer_csv(messages: Mapping[str, str], header: str, time: str, separator: str = ",", end: str = "\r\n") -> str:
    """As Event Viewer writes it: no name stands above the messages."""
    quoted = {event: '"' + text.replace('"', '""').replace("\n", end) + '"' for event, text in messages.items()}
    return header + end + "".join(separator.join(["x", time, PROVIDER, event, "Logon", text]) + end for event, text in quoted.items())


def powershell_csv(messages: Mapping[str, str], time: str, header: str = '"Message","Id","ProviderName","LogName","MachineName","TimeCreated"') -> str:
    rows = "".join('"' + '","'.join([m.replace('"', '""'), e, PROVIDER, "Security", "dc1.example.com", time]) + '"\n' for e, m in messages.items())
    return "#TYPE System.Diagnostics.Eventing.Reader.EventLogRecord\n" + header + "\n" + rows


def selected_csv(messages: Mapping[str, str], time: str, level: str) -> str:
    """As ``Select-Object TimeCreated,Id,LevelDisplayName,Message`` leaves it: the provider is not told."""
    rows = "".join('"' + '","'.join([time, event, level, m.replace('"', '""').replace("\n", "\r\n")]) + '"\r\n' for event, m in messages.items())
    return '"TimeCreated","Id","LevelDisplayName","Message"\r\n' + rows


ENGLISH_HEADER = "Keywords,Date and Time,Source,Event ID,Task Category"
JAPANESE_HEADER = "キーワード,日付と時刻,ソース,イベント ID,タスクのカテゴリ"


@pytest.mark.parametrize(
    ("messages", "content"),
    [
        (ENGLISH, viewer_csv(ENGLISH, ENGLISH_HEADER, "3/2/2026 1:15:04 PM").encode("utf-8-sig")),
        (ENGLISH, viewer_csv(ENGLISH, ENGLISH_HEADER.replace(",", "\t"), "3/13/2026 1:15:04 PM", "\t").encode("utf-16")),
        (ENGLISH, viewer_csv(ENGLISH, ENGLISH_HEADER + ",", "3/2/2026 1:15:04 PM").encode()),
        (ENGLISH, powershell_csv(ENGLISH, "3/2/2026 1:15:04\u202fPM").encode()),
        (ENGLISH, selected_csv(ENGLISH, "3/2/2026 1:15:04 PM", "Information").encode("utf-8-sig")),
        (JAPANESE, viewer_csv(JAPANESE, JAPANESE_HEADER, "2026/03/02 13:15:04").encode("utf-8-sig")),
        (JAPANESE, viewer_csv(JAPANESE, "レベル" + JAPANESE_HEADER[5:], "2026/03/02 13:15:04").encode("cp932")),
        (JAPANESE, powershell_csv(JAPANESE, "2026/03/02 13:15:04").encode("cp932")),
        (JAPANESE, selected_csv(JAPANESE, "2026/03/02 13:15:04", "情報").encode("cp932")),
    ],
)
def test_messages_of_tables_give_the_events_data(tmp_path: Path, messages: Mapping[str, str], content: bytes) -> None:
    _, source, events = ingested(tmp_path, "events.csv", content, tz="Asia/Tokyo")
    assert without_time(events) == [
        {"service": "windows", "line": n, "format": "windows_security_json", **expected_of(event)} for n, event in enumerate(messages, 1)
    ]
    assert (source.lines, source.rejected, source.problem) == (len(messages), 0, None)
    assert {(e["ts"].month, e["ts"].hour, e["ts"].minute) for e in events} == {(3, 4, 15)}


@pytest.mark.parametrize(
    ("times", "days"),
    [
        (["3/2/2026 1:15:04 PM", "3/4/2026 1:15:04 AM"], [(3, 2, 13), (3, 4, 1)]),  # as in the United States
        (["02/03/2026 13:15:04", "04/03/2026 01:15:04"], [(3, 2, 13), (3, 4, 1)]),  # as in Britain
        (["2/3/2026 1:15:04 PM", "13/3/2026 12:15:04 AM"], [(3, 2, 13), (3, 13, 0)]),  # as in Australia: no month is the 13th
        (["02.03.2026 13:15:04", "2-3-2026 13:15:04"], [(3, 2, 13), (3, 2, 13)]),
        (["2026/03/02 13:15:04", "2026-03-02 午後 1:15:04"], [(3, 2, 13), (3, 2, 13)]),
        (["3/2/2026 12:15:04 PM", "3/2/2026 12:15:04 AM"], [(3, 2, 12), (3, 2, 0)]),
    ],
)
def test_the_order_of_days_and_months_is_found_and_told(tmp_path: Path, times: list[str], days: list[tuple[int, int, int]]) -> None:
    rows = "".join(viewer_csv({"4672": ENGLISH["4672"]}, "", time).removeprefix("\r\n") for time in times)
    _, source, events = ingested(tmp_path, "times.csv", f"{ENGLISH_HEADER}\r\n{rows}".encode(), tz="UTC")
    assert [(e["ts"].month, e["ts"].day, e["ts"].hour) for e in events] == days
    assert any("they were read with the" in note for note in source.notes) == ("/2026" in times[0])


@pytest.mark.parametrize(
    "message",
    [
        ENGLISH["4624"].replace("u1\n\tAccount Domain", "x\n\n\tSource Network Address:\t203.0.113.1\n\tAccount Domain", 1),  # as an attacker's name goes on
        ENGLISH["4625"].replace("表 太郎", "x\n\nNetwork Information:\n\tSource Network Address:\t203.0.113.1"),
        ENGLISH["4776"].replace("u1", "u1\nError Code:\t0x0"),
        "Ein Konto wurde erfolgreich angemeldet.\n\nAntragsteller:\n\tSicherheits-ID:\t\tSYSTEM\n",
        "",
    ],
)
def test_a_message_that_tells_a_thing_twice_or_in_an_unknown_tongue_is_refused(tmp_path: Path, message: str) -> None:
    event = "4776" if "validate" in message else "4625" if "failed" in message else "4624"
    content = viewer_csv({event: message, "4672": ENGLISH["4672"]}, ENGLISH_HEADER, "2026/03/02 10:15:04")
    case, source, events = ingested(tmp_path, "hostile.csv", content.encode(), tz="UTC")
    assert [(e["line"], e["action"]) for e in events] == [(2, "elevate")]
    assert (source.lines, source.rejected) == (2, 1)
    assert b'{"Fault":"the message ' in rejects(case)[0][1]


def test_rows_that_are_no_rows_are_refused_one_by_one(tmp_path: Path) -> None:
    rows = viewer_csv({"4672": ENGLISH["4672"]}, "", "2026/03/02 10:15:04").removeprefix("\r\n")
    content = f"{ENGLISH_HEADER}\r\n{rows}x,2026\r\n\r\n{rows}"
    _, source, events = ingested(tmp_path, "rows.csv", content.encode(), tz="UTC")
    assert [e["line"] for e in events] == [1, 4]
    assert (source.lines, source.rejected, source.skipped) == (4, 1, {"blank": 1})


def powershell_json(messages: Mapping[str, str], time: str, indent: int | None) -> str:
    """As ConvertTo-Json writes events, whose properties it does not reach; Windows PowerShell escapes the slashes of its times."""
    told = [
        {"Message": message, "Id": int(event), "Version": 2, "ProviderName": PROVIDER, "LogName": "Security", "MachineName": "dc1.example.com", "UserId": None,
         "TimeCreated": time, "Properties": ["System.Diagnostics.Eventing.Reader.EventProperty"]}
        for event, message in messages.items()
    ]  # fmt: skip
    return json.dumps(told, indent=indent).replace('": "/Date(', '":  "\\/Date(').replace(")/", ")\\/")


@pytest.mark.parametrize(
    ("messages", "content"),
    [
        (ENGLISH, powershell_json(ENGLISH, "/Date(1772424904000)/", 4).encode("utf-16")),
        (JAPANESE, powershell_json(JAPANESE, "2026-03-02T13:15:04.0000000+09:00", None).encode()),
        (ENGLISH, powershell_json(ENGLISH, "/Date(1772424904000)/", None).replace('"Id"', '"EventID"').replace("TimeCreated", "TimeGenerated").encode()),
        (ENGLISH, "\r\n".join(powershell_json({e: m}, "/Date(1772424904000)/", None)[1:-1] for e, m in ENGLISH.items()).encode()),
    ],
)
def test_messages_of_json_exports_give_the_events_data(tmp_path: Path, messages: Mapping[str, str], content: bytes) -> None:
    _, source, events = ingested(tmp_path, "events.json", content)
    assert [{k: v for k, v in e.items() if k != "ts"} for e in events] == [
        {"service": "windows", "line": n, "format": "windows_security_json", "host": "dc1.example.com", **expected_of(event)}
        for n, event in enumerate(messages, 1)
    ]
    assert (source.lines, source.rejected, source.problem) == (len(messages), 0, None)
    assert {e["ts"].isoformat() for e in events} == {"2026-03-02T04:15:04+00:00"}


def test_a_json_export_that_tells_nothing_or_a_thing_twice_is_refused(tmp_path: Path) -> None:
    forged = ENGLISH["4625"].replace("表 太郎", "x\n\nNetwork Information:\n\tSource Network Address:\t203.0.113.1")
    lines = [powershell_json(m, "/Date(1772424904000)/", None)[1:-1] for m in ({"4672": ENGLISH["4672"]}, {"4625": forged}, {"4624": ""})]
    case, source, events = ingested(tmp_path, "hostile.json", "\n".join([*lines, '{"Message":"x"}', "[1]", "end"]).encode())
    assert [(e["line"], e["action"]) for e in events] == [(1, "elevate")]
    assert (source.lines, [line for line, _ in rejects(case)]) == (6, [2, 3, 4, 5, 6])


def test_a_message_that_was_shortened_tells_what_is_left_of_it(tmp_path: Path) -> None:
    short = {
        "4625": "An account failed to log on.\n\nAccount For Which Logon Failed:\n\tAccount Name:\t\tu1\n\nNetwork Information:\n"
        "\tSource Network Address:\t192.0.2.9\n",
        "4624": "アカウントが正常にログオンしました。\n\n新しいログオン:\n\tアカウント名:\t\tu1\n\nネットワーク情報:\n"
        "\tソース ネットワーク アドレス:\t192.0.2.9\n",
    }
    content = selected_csv({**short, "4720": "アカウント"}, "2026/03/02 13:15:04", "情報")
    _, source, events = ingested(tmp_path, "short.csv", content.encode("utf-8-sig"), tz="Asia/Tokyo")
    told = [(e["line"], e["user"], e["client_ip"], e["outcome"], e.get("logon_type"), e.get("reason")) for e in events]
    assert told == [(1, "u1", "192.0.2.9", "failure", None, None), (2, "u1", "192.0.2.9", "success", None, None)]
    assert source.rejected == 1


def test_columns_that_are_the_events_data_need_no_message(tmp_path: Path) -> None:
    content = (
        "TimeCreated,EventID,Computer,TargetUserName,IpAddress,LogonType,Status,SubStatus\n2026-03-02T01:15:04Z,4625,dc1,u1,192.0.2.9,3,0xC000006D,0xC0000234\n"
    )
    _, _, events = ingested(tmp_path, "flat.csv", content.encode())
    assert [(e["user"], e["client_ip"], e["reason"], e["ts"].hour) for e in events] == [("u1", "192.0.2.9", "locked", 1)]


def evtxecmd_row(event: int, payload: str) -> str:
    quoted = payload.replace('"', '""')
    return f'1,101,2026-03-02 01:15:04.1234567,{event},LogAlways,{PROVIDER},Security,dc1,Some logon,"{quoted}"\r\n'


def test_tables_of_evtxecmd_have_the_data_in_their_payload(tmp_path: Path) -> None:
    failed = '{"EventData":{"Data":[{"@Name":"TargetUserName","#text":"u1"},{"@Name":"IpAddress","#text":"192.0.2.9"},{"@Name":"LogonType","#text":"3"}]}}'
    cleared = '{"UserData":{"LogFileCleared":{"SubjectUserName":"ops1"}}}'
    twice = failed.replace("IpAddress", "TargetUserName")
    header = "RecordNumber,EventRecordId,TimeCreated,EventId,Level,Provider,Channel,Computer,MapDescription,Payload\r\n"
    rows = "".join(evtxecmd_row(event, payload) for event, payload in [(4624, failed), (1102, cleared), (4624, twice), (4624, "{")])
    _, source, events = ingested(tmp_path, "evtxecmd.csv", (header + rows).encode(), tz="Asia/Tokyo")
    assert [(e["line"], e["action"], e["user"], e.get("client_ip"), e.get("logon_type")) for e in events] == [
        (1, "logon", "u1", "192.0.2.9", 3),
        (2, "log_clear", "ops1", None, None),
    ]
    assert {e["ts"] for e in events} == {datetime(2026, 3, 2, 1, 15, 4, 123456, tzinfo=UTC)}
    assert (source.lines, source.rejected) == (4, 2)
