"""The whole of ingest: every line has a fate, the same inputs give the same bytes, nothing that was ingested is lost."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import stat
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.reading import SHOP_FORMATS

from breachscope.case import CUSTODY, Case
from breachscope.errors import BreachscopeError, CaseError, UsageError
from breachscope.ingest import IngestOptions, IngestResult, ingest, load_formats, read_raw_line
from breachscope.manifest import Source
from breachscope.progress import Silent
from breachscope.schema import EVENT_ID_LINE_FACTOR, EVENT_ID_SOURCE_FACTOR, EVENT_TABLES

DAY = date(2026, 11, 21)


def web(n: int, host: str = "192.0.2.9") -> str:
    return f'{host} - - [02/Mar/2026:10:{n // 60 % 60:02}:{n % 60:02} +0900] "GET /o/{n} HTTP/1.1" 200 {n} "-" "curl/8.0"'


def failed_login(n: int) -> str:
    return f"Mar  2 10:{n // 60 % 60:02}:{n % 60:02} srv1 sshd[{n}]: Failed password for root from 192.0.2.9 port {1024 + n} ssh2"


def new_case(folder: Path) -> Case:
    return Case.create_or_open(folder)


def read(case: Case, *paths: str | Path, **options: Any) -> IngestResult:
    with case.lock():
        return ingest(case, paths, IngestOptions(**{"reference_date": DAY, "formats_dirs": (SHOP_FORMATS,), **options}), Silent())


def events(case: Case, table: str = "web") -> list[dict[str, Any]]:
    return [row for path in case.event_files(table) for row in pq.read_table(path).to_pylist()]


def rejects(case: Case) -> list[dict[str, Any]]:
    return [row for path in case.reject_files() for row in pq.read_table(path).to_pylist()]


def bytes_of(case: Case) -> dict[str, str]:
    """Every file of the case but the diary, by content."""
    files = (p for p in sorted(case.path.rglob("*")) if p.is_file() and p.name not in (CUSTODY, ".lock"))
    return {p.relative_to(case.path).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def only(result: IngestResult) -> Source:
    """The one source read; that none of its lines could be read is the only complaint allowed, and then made."""
    assert all("be read" in str(e) for e in result.errors)
    assert bool(result.errors) == any(s.rejected and s.rejected + s.skipped.get("blank", 0) + s.skipped.get("comment", 0) == s.lines for s in result.added)
    assert len(result.added) == 1
    return result.added[0]


def write(path: Path, lines: Sequence[str | bytes], end: bytes = b"\n") -> Path:
    raws = [line if isinstance(line, bytes) else line.encode() for line in lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(raw + end for raw in raws))
    return path


# Every line has a fate

GOOD: dict[str, list[str]] = {
    fmt.id: [s.line for s in fmt.samples if s.expect is not None or s.skip is not None] for fmt in load_formats([SHOP_FORMATS]).formats if fmt.kind != "table"
}
"""Lines that can be read by themselves, without a header above."""
KINDS = ("combined", "nginx_json", "sshd", "netfilter", "fortigate", "cloudtrail", "postgresql", "syslog")
"""One of each kind: every file of another format costs a fifth of a second for each time that it is read."""
JUNK = st.one_of(
    st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b"")),
    st.sampled_from(
        [b"", b"   ", b"\0\0", b"}{", b'{"a":', b"192.0.2.9 - - [", "表示".encode("cp932"), b"x" * 3000, b"version ", b"Mar  2 10:15:04 srv1 sshd[8]: x"]
    ),
)
HOSTILE_LINES = st.lists(st.one_of(st.sampled_from([line.encode() for lines in GOOD.values() for line in lines]), JUNK), min_size=1, max_size=60)


@settings(max_examples=20)
@given(lines=HOSTILE_LINES, block_bytes=st.sampled_from([100, 1000, 1 << 24]))
def test_every_line_of_a_mix_becomes_event_skipped_or_reject(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], block_bytes: int) -> None:
    folder = tmp_path_factory.mktemp("mix")
    case = new_case(folder / "case")
    path = write(folder / "x.log", [b"a first line that is text and no format's", *lines])
    source = only(read(case, path, block_bytes=block_bytes))
    assert source.lines == len(lines) + 1
    assert source.lines == source.event_lines + sum(source.skipped.values()) + source.rejected
    rejected = rejects(case)
    assert len(rejected) == source.rejected
    for row in rejected:
        assert row["raw"] == [b"a first line that is text and no format's", *lines][row["line"] - 1]
        assert row["raw_bytes"] == len(row["raw"])
        assert row["reason"]
    found = [e for t in EVENT_TABLES for e in events(case, t)]
    assert len(found) == source.event_lines
    assert {e["line"] for e in found} & {r["line"] for r in rejected} == set()
    assert len({e["event_id"] for e in found}) == len(found)
    for table in EVENT_TABLES:
        assert [e["line"] for e in events(case, table)] == sorted(e["line"] for e in events(case, table)), "events stand in the order of their lines"


@settings(max_examples=2)
@given(st.randoms(use_true_random=False))
def test_a_good_line_is_read_alike_among_any_neighbours(tmp_path_factory: pytest.TempPathFactory, chance: random.Random) -> None:
    folder = tmp_path_factory.mktemp("mix")
    lines = [(fmt, line) for fmt, samples in GOOD.items() for line in samples]
    chance.shuffle(lines)
    case = new_case(folder / "case")
    source = only(read(case, write(folder / "x.log", [line for _, line in lines])))
    assert source.rejected == 0
    by_line = {e["line"]: e["format"] for t in EVENT_TABLES for e in events(case, t)}
    expected = {n: fmt for n, (fmt, line) in enumerate(lines, 1) if n in by_line}
    assert by_line == expected
    assert len(by_line) == source.event_lines


def test_ten_thousand_lines_of_junk_hide_no_good_line(tmp_path: Path) -> None:
    lines = [f"junk {n}" for n in range(10_000)]
    lines[7_000] = web(1)
    lines += [web(n) for n in range(2, 12)]
    source = only(read(new_case(tmp_path / "case"), write(tmp_path / "x.log", lines)))
    assert (source.formats, source.rejected, source.lines) == ({"combined": 11}, 9_999, 10_010)


def test_the_format_may_change_inside_a_file(tmp_path: Path) -> None:
    common = '192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET / HTTP/1.1" 200 1'
    vhost = 'shop.example:443 192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET / HTTP/1.1" 200 1 "-" "x"'
    source = only(read(new_case(tmp_path / "case"), write(tmp_path / "x.log", [web(1)] * 500 + [common] * 300 + [vhost] * 200 + [failed_login(1)])))
    assert source.formats == {"combined": 500, "common": 300, "sshd": 1, "vhost_combined": 200}


def test_year_less_lines_late_in_another_log_get_their_year(tmp_path: Path) -> None:
    case = new_case(tmp_path / "case")
    source = only(read(case, write(tmp_path / "x.log", [web(1)] * 100 + [failed_login(1)])))
    assert source.year_assumption == "year 2026: the latest that puts no line after 2026-11-21"
    assert events(case, "auth")[0]["ts"] == datetime(2026, 3, 2, 10, 0, 1, tzinfo=UTC)


def test_one_syslog_file_feeds_several_tables(tmp_path: Path) -> None:
    kernel = "Mar  2 10:15:04 srv1 kernel: [1.2] [UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.9 DST=203.0.113.5 LEN=60 PROTO=TCP SPT=51512 DPT=22 SYN"
    lines = [failed_login(1), kernel, "Mar  2 10:15:04 srv1 ntpd[8]: synchronized", "Mar  2 10:15:04 srv1 sshd[8]: never seen before"]
    case = new_case(tmp_path / "case")
    source = only(read(case, write(tmp_path / "messages", lines)))
    assert (source.events, source.skipped, source.rejected) == ({"auth": 1, "network": 1}, {"program ntpd": 1}, 1)
    assert [(r["line"], r["reason"]) for r in rejects(case)] == [(4, "sshd: a message of unknown kind")]
    assert [e["line"] for e in events(case, "auth")] == [1]
    assert [e["line"] for e in events(case, "network")] == [2]


def test_a_reject_keeps_the_bytes_as_they_stand(tmp_path: Path) -> None:
    raws = [b"\xff\xfe raw \x00 bytes\r", "表".encode("cp932"), b"\x1b[31m<script>=cmd|' /C calc'!A0", b""]
    case = new_case(tmp_path / "case")
    write(tmp_path / "x.log", [b"text", *raws])
    read(case, tmp_path / "x.log")
    assert [r["raw"] for r in rejects(case)] == [b"text", *raws[:3]]


def test_a_reject_from_utf_16_keeps_its_bytes(tmp_path: Path) -> None:
    case = new_case(tmp_path / "case")
    (tmp_path / "x.log").write_bytes(b"\xff\xfe" + "表 junk\nmore\n".encode("utf-16-le"))
    read(case, tmp_path / "x.log")
    assert [(r["raw"], r["raw_bytes"]) for r in rejects(case)] == [("表 junk".encode("utf-16-le"), 12), ("more".encode("utf-16-le"), 8)]


def test_a_long_reject_keeps_its_beginning_and_its_length(tmp_path: Path) -> None:
    case = new_case(tmp_path / "case")
    source = only(read(case, write(tmp_path / "x.log", [web(1), b"j" * 1_000_000, web(2)])))
    assert source.event_lines == 2
    assert [(r["line"], len(r["raw"]), r["raw_bytes"]) for r in rejects(case)] == [(2, 65_536, 1_000_000)]


def test_blank_lines_are_counted(tmp_path: Path) -> None:
    source = only(read(new_case(tmp_path / "case"), write(tmp_path / "x.log", [web(1), "", "  ", "\t", b"\0\0\0"])))
    assert (source.event_lines, source.skipped) == (1, {"blank": 4})


# The same inputs give the same bytes


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    write(folder / "web" / "access.log", [web(n) for n in range(3_000)])
    write(folder / "auth.log", [failed_login(n) for n in range(2_000)] + ["junk", ""])
    (folder / "old.log.gz").write_bytes(gzip.compress(b"".join(web(n, "203.0.113.7").encode() + b"\n" for n in range(1_000))))
    for fmt in KINDS:
        write(folder / "samples" / f"{fmt}.log", GOOD[fmt])
    write(folder / "junk.log", ["junk"] * 50)
    with tarfile.open(folder / "more.tar.gz", "w:gz") as archive:
        for number in range(3):
            data = "".join(f"{web(n, f'198.51.100.{number}')}\n" for n in range(50)).encode()
            info = tarfile.TarInfo(f"var/log/access.log.{number}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return folder


def test_threads_and_order_of_arguments_change_no_byte(tmp_path: Path, logs: Path) -> None:
    files = sorted(p for p in logs.rglob("*") if p.is_file())
    shuffled = files.copy()
    random.Random(1).shuffle(shuffled)
    results = []
    for number, (paths, threads) in enumerate([(files, 1), (shuffled, 2), ([logs], 3)]):
        case = new_case(tmp_path / f"case{number}")
        read(case, *paths, threads=threads, block_bytes=50_000)
        results.append(bytes_of(case))
    assert all(r == results[0] for r in results)
    assert any(name.startswith("rejects/") for name in results[0])


def test_a_table_of_a_log_is_one_file_whose_row_groups_tell_their_times(tmp_path: Path) -> None:
    """A query for an hour passes over the groups of other hours by these statistics alone."""
    minutes = [f'192.0.2.9 - - [02/Mar/2026:{n // 60 % 24:02}:{n % 60:02}:00 +0000] "GET /o HTTP/1.1" 200 5 "-" "-"' for n in range(24 * 60)]
    log = write(tmp_path / "logs" / "access.log", [line for line in minutes for _ in range(100)])
    case = new_case(tmp_path / "case")
    read(case, log, block_bytes=1 << 20)
    (path,) = case.event_files("web")
    metadata = pq.ParquetFile(path).metadata
    assert metadata.num_rows == 144_000
    at = metadata.schema.names.index("ts")
    spans = [metadata.row_group(n).column(at).statistics for n in range(metadata.num_row_groups)]
    assert len(spans) >= 2
    assert all(before.max <= after.min for before, after in pairwise(spans))
    assert all(span.max - span.min < timedelta(hours=14) for span in spans)
    assert (spans[0].min.hour, spans[-1].max.hour, spans[-1].max.minute) == (0, 23, 59)


def test_the_size_of_a_block_changes_no_row(tmp_path: Path, logs: Path) -> None:
    rows = []
    for number, block_bytes in enumerate((7_777, 1 << 24)):
        case = new_case(tmp_path / f"case{number}")
        read(case, logs, block_bytes=block_bytes)
        rows.append(([events(case, t) for t in EVENT_TABLES], rejects(case), [(s.skipped, s.formats, s.year_assumption) for s in case.sources()]))
    assert rows[0] == rows[1]


def test_running_again_does_nothing(tmp_path: Path, logs: Path) -> None:
    write(logs / "copy.log", [web(n) for n in range(3_000)])
    case = new_case(tmp_path / "case")
    first = read(case, logs)
    before = bytes_of(case)
    times = {p: p.stat().st_mtime_ns for p in case.path.rglob("*.parquet")}
    again = read(case, logs)
    assert (again.added, len(again.unchanged)) == ([], len(first.added))
    assert bytes_of(case) == before
    assert {p: p.stat().st_mtime_ns for p in case.path.rglob("*.parquet")} == times


def test_inputs_are_neither_written_nor_touched(tmp_path: Path, logs: Path) -> None:
    for path in logs.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {p: (p.read_bytes() if p.is_file() else b"", p.stat().st_mtime_ns, p.stat().st_mode) for p in sorted(logs.rglob("*"))}
    read(new_case(tmp_path / "case"), logs)
    assert {p: (p.read_bytes() if p.is_file() else b"", p.stat().st_mtime_ns, p.stat().st_mode) for p in sorted(logs.rglob("*"))} == before


def test_the_modification_time_dates_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "auth.log", [failed_login(1)])
    years = []
    for number, mtime in enumerate((0, 1_000_000_000)):
        os.utime(path, (mtime, mtime))
        case = new_case(tmp_path / f"case{number}")
        read(case, path)
        years.append(events(case, "auth")[0]["ts"].year)
    assert years == [2026, 2026]


def test_files_of_the_case_are_private(tmp_path: Path, logs: Path) -> None:
    before = os.umask(0)
    try:
        case = new_case(tmp_path / "case")
        read(case, logs)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(p.stat().st_mode) for p in case.path.rglob("*") if p.is_file()} == {0o600}
    assert {stat.S_IMODE(p.stat().st_mode) for p in case.path.rglob("*") if p.is_dir()} == {0o700}


# Adding to a case


def test_a_grown_file_is_read_again_and_equals_a_fresh_ingest(tmp_path: Path) -> None:
    path = write(tmp_path / "access.log", [web(n) for n in range(100)])
    case = new_case(tmp_path / "case")
    read(case, path)
    with path.open("ab") as handle:
        handle.write(b"junk\n" + web(100).encode() + b"\n" + failed_login(1).encode() + b"\n")
    assert only(read(case, path)).lines == 103
    fresh = new_case(tmp_path / "fresh")
    read(fresh, path)
    assert bytes_of(case) == bytes_of(fresh)


def test_a_line_cut_while_being_written_is_whole_after_the_file_grew(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text(web(1) + "\n" + web(2)[:60])
    case = new_case(tmp_path / "case")
    assert "ends inside a line" in only(read(case, path)).notes[0]
    path.write_text(web(1) + "\n" + web(2) + "\n")
    read(case, path)
    assert [e["path"] for e in events(case)] == ["/o/1", "/o/2"]


def test_new_files_are_added_and_old_ones_keep_their_ids(tmp_path: Path) -> None:
    case = new_case(tmp_path / "case")
    write(tmp_path / "logs" / "m.log", [web(1)])
    read(case, tmp_path / "logs")
    write(tmp_path / "logs" / "a.log", [web(2)])
    assert only(read(case, tmp_path / "logs")).id == 2
    assert {s.name: s.id for s in case.sources()} == {"m.log": 1, "a.log": 2}


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("grows", [False, True])
def test_a_rotated_log_is_counted_once(tmp_path: Path, compress: bool, grows: bool) -> None:
    """access.log was ingested, then perhaps grew, became access.log.1 (or .1.gz), and a new access.log began."""
    log = write(tmp_path / "logs" / "access.log", [web(n) for n in range(50)])
    case = new_case(tmp_path / "case")
    read(case, tmp_path / "logs")
    old = log.read_bytes() + (web(50).encode() + b"\n" if grows else b"")
    if compress:
        (tmp_path / "logs" / "access.log.1.gz").write_bytes(gzip.compress(old))
        log.unlink()
    else:
        log.rename(tmp_path / "logs" / "access.log.1")
        (tmp_path / "logs" / "access.log.1").write_bytes(old)
    write(log, [web(n) for n in range(60, 70)])
    read(case, tmp_path / "logs")
    assert sorted(e["path"] for e in events(case)) == sorted(f"/o/{n}" for n in [*range(50 + grows), *range(60, 70)])
    assert {s.id: s.name for s in case.sources()} == {1: "access.log.1" + ".gz" * compress, 2: "access.log"}
    assert case.verify() == []
    for event in events(case):
        assert event["path"].encode() in read_raw_line(case, event["event_id"]).raw
    assert read(case, tmp_path / "logs").added == []


def test_content_under_two_names_is_counted_once(tmp_path: Path) -> None:
    lines = [web(n) for n in range(10)]
    write(tmp_path / "a.log", lines)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress((tmp_path / "a.log").read_bytes()))
    case = new_case(tmp_path / "case")
    result = read(case, tmp_path / "a.log", tmp_path / "b.log.gz")
    assert len(events(case)) == 10
    assert [(s.name, s.duplicate_of, s.lines, s.skipped) for s in result.added] == [
        ("a.log", None, 10, {}),
        ("b.log.gz", 1, 10, {"copy of source 1": 10}),
    ]
    assert result.added[1].notes == (f"has the same content as {tmp_path}/a.log; counted once",)


def test_a_copy_given_later_is_counted_once_and_known_afterwards(tmp_path: Path) -> None:
    write(tmp_path / "a.log", [web(1)])
    case = new_case(tmp_path / "case")
    read(case, tmp_path / "a.log")
    write(tmp_path / "0.log", [web(1)])
    for _ in range(3):
        read(case, tmp_path / "0.log", tmp_path / "a.log")
    assert [(s.id, s.name, s.duplicate_of) for s in case.sources()] == [(1, "a.log", None), (2, "0.log", 1)]
    assert len(events(case)) == 1


def test_other_content_under_the_same_name_size_and_time_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", [web(11)])
    kept = path.stat()
    case = new_case(tmp_path / "case")
    read(case, path)
    write(path, [web(12)])
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert path.stat().st_size == kept.st_size
    assert only(read(case, path)).id == 2
    assert sorted(e["path"] for e in events(case)) == ["/o/11", "/o/12"], "what was ingested before stays in the case"


def test_a_renamed_file_is_the_same_source(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", [web(1)])
    case = new_case(tmp_path / "case")
    read(case, path)
    path.rename(tmp_path / "b.log")
    result = read(case, tmp_path / "b.log")
    assert (result.added, [(s.id, s.name) for s in result.unchanged]) == ([], [(1, "b.log")])
    assert case.sources()[0].path == str(tmp_path / "b.log")


@pytest.mark.parametrize(
    ("before", "after"), [({}, {"tz": "Asia/Tokyo"}), ({"tz": "Asia/Tokyo"}, {"tz": "UTC"}), ({}, {"year": 2020}), ({}, {"only_format": "sshd"})]
)
def test_another_option_reads_again_and_equals_a_fresh_ingest(tmp_path: Path, before: dict[str, Any], after: dict[str, Any]) -> None:
    path = write(tmp_path / "auth.log", [failed_login(1), web(1)])
    case, fresh = new_case(tmp_path / "case"), new_case(tmp_path / "fresh")
    read(case, path, **before)
    assert len(read(case, path, **after).added) == 1
    read(fresh, path, **after)
    assert bytes_of(case) == bytes_of(fresh)


def test_another_format_file_reads_again(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", ["ts=2026-03-02T10:15:04+09:00 level=info event=login result=success account=a ip=192.0.2.9"])
    case = new_case(tmp_path / "case")
    assert only(read(case, path, formats_dirs=())).rejected == 1
    assert only(read(case, path)).formats == {"shopd": 1}
    assert rejects(case) == []


def test_a_log_first_read_months_after_the_case_was_made_is_dated_by_its_own_day(tmp_path: Path) -> None:
    """A nightly case lives for years; each log's missing year counts from the day on which it was first read."""
    case = new_case(tmp_path / "case")
    write(tmp_path / "a.log", [failed_login(1)])
    read(case, tmp_path / "a.log", reference_date=date(2025, 1, 15))
    write(tmp_path / "b.log", [failed_login(2)])
    read(case, tmp_path / "b.log", reference_date=None)
    this_year = datetime.now(UTC)
    latest = this_year.year if (this_year.month, this_year.day) >= (3, 2) else this_year.year - 1
    assert [e["ts"].year for e in events(case, "auth")] == [2024, latest]
    assert read(case, tmp_path / "a.log", tmp_path / "b.log", reference_date=None).added == []


# Trouble


def test_bad_inputs_are_told_and_the_others_ingested(tmp_path: Path) -> None:
    good = write(tmp_path / "good.log", [web(1)])
    (tmp_path / "empty.log").touch()
    (tmp_path / "empty.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "binary").write_bytes(b"\x7fELF" + random.Random(1).randbytes(5_000))
    (tmp_path / "cut.log.gz").write_bytes(gzip.compress(b"".join(web(n).encode() + b"\n" for n in range(100)))[:-20])
    (tmp_path / "garbage.gz").write_bytes(b"\x1f\x8b garbage")
    (tmp_path / "twice.gz").write_bytes(gzip.compress(gzip.compress("\n".join(web(n) for n in range(500)).encode())))
    case = new_case(tmp_path / "case")
    result = read(case, tmp_path, tmp_path / "absent.log")
    told = {Path(e.path or "").name: e.text for e in result.errors}
    assert told.pop("cut.log.gz").startswith("the gzip stream is cut or damaged after ")
    assert told == {
        "absent.log": "does not exist; check the path",
        "binary": "is not a text log but binary data; nothing was read from it",
        "garbage.gz": "the gzip stream is cut or damaged after 0 bytes of content; what follows is not known; nothing could be read",
        "twice.gz": "holds a further gzip stream; nothing was read from it: decompress it once and give the result",
    }
    by_name = {s.name: s for s in case.sources()}
    assert by_name["empty.log"].notes == by_name["empty.gz"].notes == ("is empty",)
    assert by_name["good.log"].event_lines == 1
    assert by_name["cut.log.gz"].event_lines > 50
    assert [e["path"] for e in events(case) if e["source"] == by_name["good.log"].id] == ["/o/1"]
    assert good.exists()


def test_nul_bytes_in_the_middle_are_told_with_their_place(tmp_path: Path) -> None:
    crashed: list[str | bytes] = [
        bytes(5_000) + web(1).encode(),
        web(2),
        web(3)[:40].encode() + bytes(4_096) + web(4).encode(),
        bytes(100),
        web(5),
        bytes(63) + web(6).encode(),
    ]
    case = new_case(tmp_path / "case")
    for block_bytes in (100, 1 << 24):
        source = only(read(case, write(tmp_path / f"{block_bytes}.log", [*crashed, str(block_bytes)]), block_bytes=block_bytes))
        # Line 1 holds what rotation by copy and truncate leaves; 63 bytes are too few for a block that was never written.
        assert source.nul_runs == ((3, 4, 4_196),)
        assert "holds 9,196 NUL bytes, first in line 1: what was written there is not in this file" in source.notes
        assert source.skipped == {"blank": 1}
    assert case.sources()[-1].nul_runs == ((3, 4, 4_196),)
    assert [e["path"] for e in events(case) if e["source"] == 1] == ["/o/1", "/o/2", "/o/5", "/o/6"]


def test_nul_bytes_in_the_second_line_are_no_part_of_the_beginning(tmp_path: Path) -> None:
    case = new_case(tmp_path / "case")
    source = only(read(case, write(tmp_path / "x.log", [bytes(500) + web(1).encode(), bytes(700) + web(2).encode()])))
    assert source.nul_runs == ((2, 2, 700),)


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    """Root may read anything, so this runs as nobody where the tests run as root."""
    write(tmp_path / "logs" / "secret.log", [web(1)]).chmod(0)
    write(tmp_path / "logs" / "locked" / "x.log", [web(2)]).parent.chmod(0)
    write(tmp_path / "logs" / "good.log", [web(3)])
    script = f"""
import os
from pathlib import Path
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.progress import Silent
case = Case.create_or_open(Path({str(tmp_path)!r}) / "open" / "case")
result = ingest(case, [Path({str(tmp_path / "logs")!r})], IngestOptions(), Silent())
print([s.name for s in result.added], sorted(Path(e.path).name + ": " + e.text for e in result.errors))
"""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    tmp_path.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    (tmp_path / "logs" / "locked").chmod(0o700)
    if "ModuleNotFoundError" in done.stderr or "PermissionError" in done.stderr:
        pytest.skip("another user may not read this installation")
    denied = "cannot be read (Permission denied); check"
    assert done.stdout == f"['good.log'] ['locked: {denied} its permissions', 'secret.log: {denied} the path and its permissions']\n", done.stderr


def test_names_with_newlines_spaces_and_bytes_that_are_no_utf_8(tmp_path: Path) -> None:
    names = [b"new\nline.log", b" space ", b"\xff\xfe.log", "表.log".encode(), b"-", b"--help"]
    for n, name in enumerate(names):
        write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/logs/" + name)), [web(n)])
    case = new_case(tmp_path / "case")
    result = read(case, tmp_path / "logs")
    assert (result.errors, len(events(case))) == ([], len(names))
    assert {os.fsencode(s.name) for s in case.sources()} == set(names)
    assert read(case, tmp_path / "logs").added == []
    assert case.verify() == []
    for event in events(case):
        assert read_raw_line(case, event["event_id"]).raw.decode().split()[6] == event["path"]


def test_bad_options_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", [web(1)])
    for wrong in ({"tz": "Asia/Tokio"}, {"only_format": "combind"}, {"formats_dirs": (tmp_path / "absent",)}):
        case = new_case(tmp_path / "case")
        with pytest.raises(BreachscopeError, match=r"did you mean|is not a folder"):
            read(case, path, **wrong)
        assert case.sources() == ()


def test_a_folder_that_holds_the_case_is_read_without_it(tmp_path: Path) -> None:
    write(tmp_path / "x.log", [web(1)])
    case = new_case(tmp_path / "case")
    for _ in range(2):
        assert read(case, tmp_path).errors == []
    assert [s.name for s in case.sources()] == ["x.log"]


def test_what_comes_through_a_pipe_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = new_case(tmp_path / "case")
    for _ in range(2):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{web(1)}\n{web(2)}\n".encode())))
        read(case, "-")
    assert len(case.sources()) == 1
    assert [read_raw_line(case, e["event_id"]).text for e in events(case)] == [web(1), web(2)]
    assert case.verify() == []


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    case = new_case(tmp_path / "case")
    write(tmp_path / "a.log", [web(n) for n in range(10)])
    read(case, tmp_path / "a.log")
    before = bytes_of(case)
    chance = random.Random(1)
    write(tmp_path / "b.log", [web(chance.randrange(10**9), f"192.0.2.{chance.randrange(256)}") for _ in range(50_000)])
    script = f"""
import resource
from datetime import date
from pathlib import Path
from breachscope.case import Case
from breachscope.errors import CaseError
from breachscope.ingest import IngestOptions, ingest
from breachscope.progress import Silent
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
case = Case.open(Path({str(case.path)!r}))
try:
    with case.lock():
        options = IngestOptions(reference_date=date(2026, 11, 21), formats_dirs=(Path({str(SHOP_FORMATS)!r}),))
        ingest(case, [Path({str(tmp_path / "b.log")!r})], options, Silent())
except CaseError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert "events/web/2.parquet: cannot be written (" in done.stdout
    assert "File too large" in done.stdout
    assert bytes_of(case) == before
    read(case, tmp_path / "b.log")
    assert len(events(case)) == 50_010


class Meddler(Silent):
    """Does something to the inputs while they are read, once or each time that a piece was read."""

    def __init__(self, *deeds: Callable[[], object]) -> None:
        super().__init__()
        self.deeds = list(deeds)

    def advance(self, amount: int, lines: int = 0) -> None:
        if self.deeds:
            self.deeds.pop(0)()


def read_while(case: Case, folder: Path, *deeds: Callable[[], object], block_bytes: int = 5_000) -> IngestResult:
    with case.lock():
        return ingest(case, [folder], IngestOptions(reference_date=DAY, threads=1, block_bytes=block_bytes), Meddler(*deeds))


def paths_read(case: Case) -> list[int]:
    return sorted(int(e["path"].removeprefix("/o/")) for e in events(case))


def test_a_log_truncated_while_it_is_read_keeps_what_was_read_and_counts_the_rotated_copy_once(tmp_path: Path) -> None:
    log, rotated = tmp_path / "logs" / "access.log", tmp_path / "logs" / "access.log.1"
    write(log, [web(n) for n in range(1_000)])
    write(rotated, [web(n) for n in range(5_000, 5_010)])

    def rotate() -> None:
        rotated.write_bytes(log.read_bytes())
        write(log, [web(n) for n in range(2_000, 2_010)])

    case = new_case(tmp_path / "case")
    result = read_while(case, tmp_path / "logs", rotate)
    assert ["was truncated while it was read" in str(e) for e in result.errors] == [True]
    # The copy's turn came in the same run: it holds all that was read before.
    assert paths_read(case) == list(range(1_000))
    read(case, tmp_path / "logs")
    assert paths_read(case) == [*range(1_000), *range(2_000, 2_010)]
    assert case.verify() == []


def test_a_log_truncated_while_it_is_read_without_a_copy_keeps_its_events(tmp_path: Path) -> None:
    """Whoever covers their tracks in that moment must not take from the case what it has."""
    log = write(tmp_path / "logs" / "access.log", [web(n) for n in range(40_000)])
    case = new_case(tmp_path / "case")
    read_while(case, tmp_path / "logs", lambda: log.write_bytes(b""), block_bytes=200_000)
    kept = paths_read(case)
    assert kept == list(range(len(kept)))
    assert 5_000 < len(kept) < 40_000
    assert case.sources()[0].problem is not None
    write(log, [web(n) for n in range(50_000, 50_010)])
    read(case, tmp_path / "logs")
    assert paths_read(case) == [*kept, *range(50_000, 50_010)]


def test_a_log_renamed_or_removed_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    log = write(tmp_path / "logs" / "access.log", [web(n) for n in range(1_000)])

    def rotate() -> None:
        log.rename(tmp_path / "logs" / "access.log.1")
        write(log, [web(n) for n in range(2_000, 2_010)])

    case = new_case(tmp_path / "case")
    assert read_while(case, tmp_path / "logs", rotate).errors == []
    assert paths_read(case) == list(range(1_000))
    read_while(case, tmp_path / "logs", log.unlink)
    assert paths_read(case) == [*range(1_000), *range(2_000, 2_010)]
    assert sorted(s.name for s in case.sources()) == ["access.log", "access.log.1"]


def test_years_are_not_taken_from_another_file_that_rotation_put_there(tmp_path: Path) -> None:
    log = write(tmp_path / "logs" / "messages", [web(n) for n in range(500)] + [failed_login(n) for n in range(50)])

    def rotate() -> None:
        log.rename(tmp_path / "logs" / "messages.1")
        write(log, [web(1_000)])

    case = new_case(tmp_path / "case")
    result = read_while(case, tmp_path / "logs", rotate)
    assert [e.text for e in result.errors] == ["was replaced by another file while it was read, as rotation does; ingest again"]
    assert result.added == []
    assert read(case, tmp_path / "logs").errors == []
    assert sorted((s.name, s.event_lines) for s in case.sources()) == [("messages", 1), ("messages.1", 550)]


def test_a_log_that_grows_while_it_is_read_is_completed_by_the_next_run(tmp_path: Path) -> None:
    log = write(tmp_path / "logs" / "access.log", [web(n) for n in range(300)])

    def append(*parts: bytes) -> None:
        with log.open("ab") as handle:
            handle.writelines(parts)

    more = [web(n).encode() + b"\n" for n in range(300, 320)]
    case = new_case(tmp_path / "case")
    source = only(read_while(case, tmp_path / "logs", lambda: append(*more[:10]), lambda: append(*more[10:19], more[19][:30])))
    source.check_lines()
    found = paths_read(case)
    assert found == list(range(len(found)))
    assert len(found) >= 300
    append(more[19][30:])
    read(case, tmp_path / "logs")
    assert paths_read(case) == list(range(320))
    assert case.verify() == []


KILLED_RUN = """
import sys
from datetime import date
from pathlib import Path
from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
import breachscope.ingest.run as run
from breachscope.progress import Silent
run._COMMIT_SECONDS = 0.0
case = Case.create_or_open(Path(sys.argv[1]))
print("ready", flush=True)
with case.lock():
    ingest(case, [Path(sys.argv[2])], IngestOptions(reference_date=date(2026, 11, 21), formats_dirs=(Path(sys.argv[3]),), block_bytes=20_000), Silent())
"""


def test_a_run_killed_at_any_moment_is_completed_to_the_same_bytes(tmp_path: Path, logs: Path) -> None:
    whole = new_case(tmp_path / "whole")
    read(whole, logs, block_bytes=20_000)
    chance = random.Random(time.time_ns())
    killed = 0
    for number in range(2):
        folder = tmp_path / f"case{number}"
        for _ in range(5):
            process = subprocess.Popen([sys.executable, "-c", KILLED_RUN, str(folder), str(logs), str(SHOP_FORMATS)], stdout=subprocess.PIPE)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.8))
            process.kill()
            killed += process.wait() == -9
            process.stdout.close()
        case = new_case(folder)
        for source in case.sources():
            source.check_lines()
            assert all((case.path / name).is_file() for name in source.files)
        read(case, logs, block_bytes=20_000)
        assert bytes_of(case) == bytes_of(whole)
        assert case.verify() == []
    assert killed > 0


# Back to the raw line


def as_stored(lines: list[str], how: str) -> bytes:
    text = "".join(line + ("\r\n" if how == "crlf" else "\r" if how == "cr" else "\n") for line in lines)
    if how == "utf-16":
        return b"\xff\xfe" + text.encode("utf-16-le")
    if how == "cp932":
        return text.encode("cp932")
    if how == "bom":
        return b"\xef\xbb\xbf" + text.encode()
    return gzip.compress(text.encode()) if how == "gzip" else text.encode()


@pytest.mark.parametrize("how", ["plain", "gzip", "cp932", "utf-16", "crlf", "cr", "bom"])
def test_an_event_leads_back_to_its_line(tmp_path: Path, how: str) -> None:
    lines = [web(n).replace("curl/8.0", f"表示 {n}") if n % 7 else "" for n in range(3_000)]
    path = tmp_path / "x.log"
    path.write_bytes(as_stored(lines, how))
    case = new_case(tmp_path / "case")
    source = only(read(case, path, block_bytes=10_000))
    assert source.encoding == {"cp932": "cp932", "utf-16": "utf-16-le"}.get(how, "utf-8")
    found = events(case)
    assert len(found) == sum(bool(line) for line in lines)
    for event in [*random.Random(1).sample(found, 25), found[0], found[-1]]:
        line = read_raw_line(case, event["event_id"])
        assert (line.line, line.text) == (event["line"], lines[event["line"] - 1])
        assert event["user_agent"] in line.text


def test_any_line_can_be_shown_also_one_that_is_no_event(tmp_path: Path) -> None:
    case = new_case(tmp_path / "case")
    read(case, write(tmp_path / "x.log", [web(1), "", "junk", b"\xff\xfe"]))
    shown = [read_raw_line(case, EVENT_ID_SOURCE_FACTOR + n * EVENT_ID_LINE_FACTOR) for n in (1, 2, 3, 4)]
    assert [line.raw for line in shown] == [web(1).encode(), b"", b"junk", b"\xff\xfe"]


def test_lines_of_a_copy_can_be_shown_and_a_copy_serves_for_a_lost_original(tmp_path: Path) -> None:
    case = new_case(tmp_path / "case")
    for name in ("a.log", "b.log"):
        write(tmp_path / name, [web(1), web(2)])
    read(case, tmp_path / "a.log", tmp_path / "b.log")
    assert read_raw_line(case, 2 * EVENT_ID_SOURCE_FACTOR + 2 * EVENT_ID_LINE_FACTOR).text == web(2)
    (tmp_path / "a.log").unlink()
    assert read_raw_line(case, EVENT_ID_SOURCE_FACTOR + 2 * EVENT_ID_LINE_FACTOR).text == web(2)


@pytest.mark.parametrize("event_id", [0, -1, 5, 10**18, EVENT_ID_SOURCE_FACTOR, EVENT_ID_SOURCE_FACTOR + 3 * EVENT_ID_LINE_FACTOR])
def test_an_unknown_event_is_refused(tmp_path: Path, event_id: int) -> None:
    case = new_case(tmp_path / "case")
    read(case, write(tmp_path / "x.log", [web(1), web(2)]))
    with pytest.raises(UsageError, match="there is no event"):
        read_raw_line(case, event_id)


@pytest.mark.parametrize("change", ["gone", "other", "shorter"])
def test_a_changed_input_shows_no_wrong_line(tmp_path: Path, change: str) -> None:
    path = write(tmp_path / "x.log", [web(1), web(2)])
    case = new_case(tmp_path / "case")
    read(case, path)
    if change == "gone":
        path.unlink()
    else:
        write(path, [web(3), web(4)] if change == "other" else [web(1)])
    with pytest.raises(CaseError, match=r"is gone|changed after the ingest"):
        read_raw_line(case, EVENT_ID_SOURCE_FACTOR + 2 * EVENT_ID_LINE_FACTOR)


def test_a_grown_input_still_shows_its_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", [web(1), web(2)])
    case = new_case(tmp_path / "case")
    read(case, path)
    write(path, [web(1), web(2), web(3)])
    assert read_raw_line(case, EVENT_ID_SOURCE_FACTOR + 2 * EVENT_ID_LINE_FACTOR).text == web(2)


def test_the_lines_of_a_format_are_counted(tmp_path: Path) -> None:
    lines = [web(n) for n in range(7)] + [failed_login(n) for n in range(5)] + ["junk"] * 3
    source = only(read(new_case(tmp_path / "case"), write(tmp_path / "x.log", lines)))
    assert source.formats == Counter(combined=7, sshd=5)
    assert source.confidence == round(12 / 15, 4) or source.confidence == round(7 / 15, 4)


def test_requests_of_an_error_log_are_not_counted_beside_the_access_log(tmp_path: Path) -> None:
    """A request that was not found would otherwise stand there once more with no status, as if it may have been answered."""
    access = write(tmp_path / "access.log", ['192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET /o/47 HTTP/1.1" 404 153 "-" "x"'])
    told = '2026/03/02 10:15:04 [error] 8#8: *1 open() "/html/o/47" failed (2: No such file), client: 192.0.2.9, server: s, request: "GET /o/47 HTTP/1.1"'
    errors = write(tmp_path / "error.log", [told])
    alone = new_case(tmp_path / "alone")
    read(alone, errors)
    assert alone.counted_files("web") == alone.event_files("web"), "without the access log it is all that there is"
    both = new_case(tmp_path / "both")
    result = read(both, access, errors)
    assert len(both.event_files("web")) == 2
    assert [pq.read_table(f)["status"].to_pylist() for f in both.counted_files("web")] == [[404]]
    assert any("an access log holds" in note for s in result.added for note in s.notes)
