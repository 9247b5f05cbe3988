"""Cloud exports that hold many events in a record, or records inside others, against the standard library's readers."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.reading import engine_reads, slow_address

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.ingest.documents import unfolded
from breachscope.ingest.trace import read_raw_line
from breachscope.progress import Silent

Event = dict[str, Any]

TUPLE = st.tuples(
    st.integers(1_700_000_000, 1_800_000_000),
    st.ip_addresses().map(str),
    st.ip_addresses().map(str),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.sampled_from("TU"),
    st.sampled_from("IO"),
    st.sampled_from("AD"),
    st.one_of(st.none(), st.tuples(st.sampled_from("BCE"), st.integers(0, 1 << 40), st.integers(0, 1 << 40))),
)
GROUPS = st.lists(st.tuples(st.text(alphabet='r"\\表 ', max_size=4).filter(lambda r: r != '""'), st.lists(TUPLE, max_size=4)), max_size=3)


def written(flow: tuple[Any, ...]) -> str:
    *parts, last = flow
    return ",".join(map(str, parts)) + ("" if last is None else f",{last[0]},1,{last[1]},2,{last[2]}")


def slow_flow(rule: str, flow: tuple[Any, ...]) -> Event:
    at, src, dst, src_port, dst_port, transport, direction, action, counted = flow
    event: Event = {
        "ts": datetime.fromtimestamp(at, UTC), "src_ip": slow_address(src), "dst_ip": slow_address(dst), "src_port": src_port, "dst_port": dst_port,
        "transport": {"T": "tcp", "U": "udp"}[transport], "direction": {"I": "inbound", "O": "outbound"}[direction],
        "action": {"A": "allow", "D": "deny"}[action],
    }  # fmt: skip
    if rule:
        event["rule"] = rule
    if counted is not None:
        event |= {"bytes_out": counted[1], "bytes_in": counted[2]}
    return event


def record(groups: list[tuple[str, list[tuple[Any, ...]]]]) -> Event:
    flows = [{"rule": rule, "flows": [{"mac": "00", "flowTuples": [written(f) for f in flows]}]} for rule, flows in groups]
    return {"time": "2026-03-02T01:16:00Z", "tags": [1, {"x": 2}], "properties": {"Version": 2, "flows": flows}}


def read(folder: Path, name: str, text: str, table: str, block_bytes: int = 1 << 20) -> tuple[Case, Any, list[Event]]:
    (folder / name).write_text(text, encoding="utf-8")
    case = Case.create_or_open(folder / f"case-{block_bytes}")
    (source,) = ingest(case, [folder / name], IngestOptions(block_bytes=block_bytes), Silent()).added
    events = [row for path in case.event_files(table) for row in pq.read_table(path).to_pylist()]
    return case, source, events


@settings(max_examples=40)
@given(st.lists(GROUPS, min_size=1, max_size=3), st.integers(1, 300))
def test_every_flow_of_a_record_is_a_line_of_its_own(records: list[Any], size: int) -> None:
    data = "".join(json.dumps(record(groups)) + "\n" for groups in records).encode()
    lines = b"".join(unfolded(data[n : n + size] for n in range(0, len(data), size))).decode().splitlines()
    wanted = []
    for groups in records:
        one_by_one = [record([(rule, [flow])]) for rule, flows in groups for flow in flows]
        wanted += [{**one, "tags": None} for one in one_by_one] or [record(groups)]
    assert [{**json.loads(line), "tags": None} if "[1," not in line else json.loads(line) for line in lines] == wanted


@settings(max_examples=20)
@given(st.lists(st.tuples(st.text(alphabet='r"\\表 ', max_size=4).filter(lambda r: r != '""'), TUPLE), min_size=1, max_size=8))
def test_flows_are_read_as_their_columns_say(flows: list[Any]) -> None:
    got = engine_reads([json.dumps(record([(rule, [flow])])) for rule, flow in flows], "azure_flow")
    assert [{c: v for c, v in (event or {}).items() if c != "ts_offset_min"} for event in got] == [slow_flow(rule, flow) for rule, flow in flows]


def test_a_flow_leads_back_to_its_tuple(tmp_path: Path) -> None:
    flows = [(1_772_414_104 + n, "192.0.2.9", "10.0.0.4", 51512, 22, "T", "I", "D", None) for n in range(300)]
    case, source, events = read(tmp_path, "PT1H.json", json.dumps({"records": [record([("r1", flows)])]}), "network")
    assert (source.lines, source.event_lines, source.newline) == (300, 300, "JSON document")
    assert written(flows[250]) in read_raw_line(case, events[250]["event_id"]).text


@pytest.mark.parametrize(
    "line",
    [
        '{"properties":{"flows":[{"flowTuples":["a","b"]',  # cut off
        '{"flowTuples":"a,b"}',
        '{"flowTuples":[]}',
        json.dumps({"around": "x" * 5000, "flowTuples": ["a", "b"]}),  # would be repeated for each
        "[" * 5000 + '{"flowTuples":["a","b"]}' + "]" * 5000,
    ],
)
def test_what_is_no_record_of_flows_stays_as_it_is(line: str) -> None:
    assert b"".join(unfolded(iter([line.encode()]))).decode() == line


AUDIT = {"CreationTime": "2026-03-02T01:15:04", "Operation": "FileDownloaded", "Workload": "OneDrive", "UserId": "u1@example.com", "ClientIP": "192.0.2.9:443"}


NAMES = ["a", '""b', "c,\\", "表/ d", '\\"']


def test_records_inside_csv_and_json_are_read_as_by_themselves(tmp_path: Path) -> None:
    records = [json.dumps({**AUDIT, "ObjectId": name}, ensure_ascii=False) for name in NAMES]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["RecordId", "CreationDate", "Operation", "AuditData"])
    writer.writerows([n, "2026-03-02T01:15:04Z", "FileDownloaded", text] for n, text in enumerate(records))
    searched = json.dumps([{"Operations": "FileDownloaded", "AuditData": text} for text in records], ensure_ascii=False)
    for name, text in (("bare.json", "\n".join(records) + "\n"), ("audit.csv", table.getvalue()), ("search.json", searched)):
        (tmp_path / name.split(".")[0]).mkdir()
        _, source, events = read(tmp_path / name.split(".")[0], name, text, "data_access")
        assert [e["object"] for e in events] == NAMES
        assert {(e["client_ip"], e["user"], e["action"], e["outcome"], e["format"]) for e in events} == {
            ("192.0.2.9", "u1@example.com", "read", "success", "m365_audit")
        }
        assert source.rejected == 0


def test_a_log_that_merely_mentions_flows_keeps_its_lines(tmp_path: Path) -> None:
    lines = ['Mar  2 10:15:04 srv1 app[8]: {"flowTuples" [', "Mar  2 10:15:05 srv1 sshd[8]: Failed password for root from 192.0.2.9 port 51512 ssh2", "} {"]
    _, source, events = read(tmp_path, "auth.log", "\n".join(lines) + "\n", "auth")
    assert (source.lines, [e["line"] for e in events]) == (3, [2])
