"""Lines of containers: what their runtime cut is joined, and what stands inside is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breachscope.case import Case, Source
from breachscope.ingest import IngestOptions, ingest
from breachscope.ingest.containers import ContainerRecords
from breachscope.ingest.trace import read_raw_line
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
    assert any("1 lines were joined" in note for note in source.notes)
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
