"""The hour that a clock shows twice: the order of lines tells its passes, or they stay in doubt."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.manifest import Source
from breachscope.progress import Silent

Rows = list[tuple[datetime, int, str]]


def read(folder: Path, times: list[datetime], zone: str = "America/New_York", sources: str = "", **options: Any) -> tuple[Rows, Source]:
    """Times, offsets and qualities of a syslog whose lines bear these local times; every third is a line of another table."""
    folder.mkdir(exist_ok=True)
    login = "sshd[8]: Failed password for root from 192.0.2.9 port 51512 ssh2"
    packet = "kernel: FW-DROP: IN=eth0 OUT= SRC=192.0.2.9 DST=203.0.113.5 LEN=60 PROTO=TCP SPT=51512 DPT=22"
    lines = [f"{t:%b} {t.day:>2} {t:%H:%M:%S} srv1 {packet if n % 3 == 2 else login}" for n, t in enumerate(times)]
    (folder / "messages").write_text("".join(f"{line}\n" for line in lines))
    case = Case.create_or_open(folder / "case")
    (case.path / "sources.toml").write_text(sources)
    with case.lock():
        result = ingest(case, [folder / "messages"], IngestOptions(**{"tz": zone, "year": 2026, "reference_date": date(2026, 11, 21), **options}), Silent())
    frames = [
        pl.DataFrame(pl.from_arrow(pq.read_table(p, columns=["line", "ts", "ts_offset_min", "ts_quality"])))
        for t in ("auth", "network")
        for p in case.event_files(t)
    ]
    rows = pl.concat(frames).sort("line").drop("line").rows()
    assert case.verify() == []
    return [(ts.astimezone(UTC), minutes, quality) for ts, minutes, quality in rows], result.added[0]


def every(minutes: float, first: datetime, last: datetime) -> list[datetime]:
    """Instants from first to last."""
    return [first + timedelta(minutes=minutes) * n for n in range(int((last - first) / timedelta(minutes=minutes)) + 1)]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc] # year to minute


@pytest.mark.parametrize("block_bytes", [1 << 24, 1000])
def test_a_clock_that_is_set_back_once_tells_both_passes(tmp_path: Path, block_bytes: int) -> None:
    instants = every(2, utc(2026, 11, 1, 4, 30), utc(2026, 11, 1, 7, 30))
    local = [t.astimezone(ZoneInfo("America/New_York")) for t in instants]
    rows, source = read(tmp_path / "w", [t.replace(tzinfo=None) for t in local], block_bytes=block_bytes)
    assert [ts for ts, _, _ in rows] == instants
    assert [minutes for _, minutes, _ in rows] == [int(t.utcoffset().total_seconds()) // 60 for t in local]  # type: ignore[union-attr] # they have one
    assert [quality for _, _, quality in rows] == ["ambiguous" if utc(2026, 11, 1, 5) <= t < utc(2026, 11, 1, 7) else "inferred_year" for t in instants]
    assert (source.first_ts, source.last_ts) == (instants[0].isoformat(), instants[-1].isoformat())


def test_a_skew_does_not_hide_the_passes(tmp_path: Path) -> None:
    instants = every(2, utc(2026, 10, 25, 0, 0), utc(2026, 10, 25, 1, 58))
    local = [t.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None) for t in instants]
    rows, source = read(tmp_path / "w", local, "Europe/Berlin", '[[source]]\nmatch = "*"\nskew = 4000\n')
    assert [ts for ts, _, _ in rows] == [t - timedelta(seconds=4000) for t in instants]
    assert source.last_ts == (instants[-1] - timedelta(seconds=4000)).isoformat()


def first_pass(times: list[datetime]) -> list[datetime]:
    return [t.replace(tzinfo=ZoneInfo("America/New_York")).astimezone(UTC) for t in times]


@pytest.mark.parametrize(
    "clocks",
    [
        ["01:10", "01:40", "01:59"],  # one pass only: which?
        ["01:10", "01:50", "01:20", "01:40", "02:10"],  # disorder, or two passes that both lack their ends
        ["00:59", "01:00", "01:58", "01:01", "01:57", "01:02", "02:00"],  # lines out of order
        ["01:59", "01:50", "01:01", "01:00", "00:59"][::-1],
        ["02:01", "01:59", "01:01", "00:59"],  # newest first
    ],
)
def test_an_order_that_tells_nothing_leaves_the_first_pass(tmp_path: Path, clocks: list[str]) -> None:
    times = [datetime.fromisoformat(f"2026-11-01T{clock}:00") for clock in clocks]
    rows, _ = read(tmp_path / "w", times)
    assert [ts for ts, _, _ in rows] == first_pass(times)


@settings(max_examples=5, deadline=None)
@given(
    zone=st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]),
    steps=st.lists(st.integers(1, 240), min_size=200, max_size=200),
)
def test_any_dense_log_in_order_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, zone: str, steps: list[int]) -> None:
    begin = {"America/New_York": utc(2026, 11, 1, 4), "Europe/Berlin": utc(2026, 10, 24, 23), "Australia/Lord_Howe": utc(2026, 4, 4, 14)}[zone]
    instants = [begin]
    for step in steps:
        instants.append(instants[-1] + timedelta(seconds=step))
    local = [t.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for t in instants]
    rows, _ = read(tmp_path_factory.mktemp("w"), local, zone)
    assert [ts for ts, _, _ in rows] == instants
