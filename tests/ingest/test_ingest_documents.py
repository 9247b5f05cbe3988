"""JSON documents of many records, against the standard library's reader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.ingest.documents import as_lines, record_depth
from breachscope.ingest.trace import read_raw_line
from breachscope.progress import Silent

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\{}[],:\n\r\t 表', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='k"\\{}', max_size=4), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(st.text(alphabet="abc", max_size=3), VALUES, max_size=4), min_size=1, max_size=6)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[n : n + size] for n in range(0, len(data), size))


def lines_of(data: bytes, size: int = 1 << 20) -> list[str]:
    depth = record_depth(data)
    assert depth is not None
    return b"".join(as_lines(pieces(data, size), depth)).decode().splitlines()


@given(RECORDS, st.sampled_from([None, 1, 4]), st.booleans(), st.integers(1, 40))
def test_every_record_of_a_document_becomes_a_line(records: list[dict[str, object]], indent: int | None, ascii_only: bool, size: int) -> None:
    arrays = [json.dumps(records, indent=indent, ensure_ascii=ascii_only)]
    wrapped = [json.dumps({"id": 'a "{[\\', "n": 1, "Records": records}, indent=indent, ensure_ascii=ascii_only)]
    for document in (*arrays, *wrapped, "\n".join(wrapped * 2)):
        expected = records * document.count('"Records":') or records
        assert [json.loads(line) for line in lines_of(document.encode(), size)] == expected


@given(RECORDS, st.integers(1, 40))
def test_objects_spread_over_lines_are_records(records: list[dict[str, object]], size: int) -> None:
    document = "\n".join(json.dumps({"first": 1, **r}, indent=2) for r in records)
    assert [json.loads(line) for line in lines_of(document.encode(), size)] == [{"first": 1, **r} for r in records]


@pytest.mark.parametrize(
    ("document", "lines"),
    [
        ('[{"a":1},{"b":', ['{"a":1}', '{"b":']),  # cut off: the broken record is a line of its own
        ('[{"a":1}, 7, "x", {"b":2}]', ['{"a":1}', '7, "x", {"b":2}']),  # no records: kept with what follows, for the reader to reject
        ('[{"a":1},\n 7]', ['{"a":1}', "7"]),
        ('{"value":[{"a":1}],"next":"https://x/?[{"}', ['{"a":1}']),
        ("[]", []),
        ('[{"a":"' + "x" * (3 << 20) + '"}]', ['{"a":"' + "x" * (3 << 20) + '"}']),
    ],
)
def test_what_is_no_whole_record_is_not_lost(document: str, lines: list[str]) -> None:
    for size in (7, 1 << 20) if len(document) < 1000 else (1 << 18,):
        assert lines_of(document.encode(), size) == lines


@pytest.mark.parametrize("text", ['{"a":1}\n{"b":2}\n', '{"headers":[{"x":1}],"status":200}', "192.0.2.1 - - [", "[error] x", '["a"]', ""])
def test_lines_are_no_document(text: str) -> None:
    assert record_depth(text.encode()) is None


def test_an_event_of_a_document_leads_back_to_its_record(tmp_path: Path) -> None:
    records = [
        {"time_iso8601": f"2026-03-02T10:15:0{n}+09:00", "remote_addr": "192.0.2.9", "request": f"GET /o/{n} HTTP/1.1", "status": 200, "body_bytes_sent": n}
        for n in range(3)
    ]
    (tmp_path / "export.json").write_text(json.dumps(records, indent=1))
    case = Case.create_or_open(tmp_path / "case")
    result = ingest(case, [tmp_path / "export.json"], IngestOptions(), Silent())
    assert [(s.lines, s.event_lines, s.newline) for s in result.added] == [(3, 3, "JSON document")]
    events = pq.read_table(case.event_files("web")[0]).to_pylist()
    assert [e["path"] for e in events] == ["/o/0", "/o/1", "/o/2"]
    assert json.loads(read_raw_line(case, events[1]["event_id"]).text) == records[1]
