"""What the benchmark measures with: the same events in every maker's lines, and breachscope reads every line as an event of that maker's format."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from benchmarks.bare_polars import READERS
from benchmarks.inputs import gzipped, repeated
from benchmarks.simulate import BENIGN, LogFile
from benchmarks.simulator.draw import Draw
from benchmarks.simulator.hosts import firewall, nightly_backups
from benchmarks.simulator.people import invent
from benchmarks.simulator.plan import DAY, FirewallLog, Plan, StoreLog
from benchmarks.simulator.traffic import crawlers, open_store, scanners, store_probe, visitors

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.progress import Silent

PLAN = replace(BENIGN, seed=11, days=1, web_lines=1_500, fw_lines=600, customers=200)


def write(folder: Path, plan: Plan, lines: pl.DataFrame) -> tuple[Path, int]:
    """A log of these lines in order of time, and how many they are."""
    log = LogFile(folder, "the.log", None)
    log.add(lines)
    log.flush(plan.end + DAY)
    log.close()
    return folder / "the.log", log.written


def store_log(folder: Path, form: StoreLog) -> tuple[Path, int]:
    plan = replace(PLAN, store_log=form)
    store = open_store(plan, invent(plan))

    def draw(name: str) -> Draw:
        return Draw(plan.seed, name)

    return write(
        folder,
        plan,
        pl.concat(
            [
                visitors(plan, store, draw("visitors"), plan.start, plan.end, 1.0)[0],
                crawlers(plan, store, draw("crawlers"), plan.start, plan.end, 1.0, 0),
                scanners(plan, draw("scanners"), plan.start, plan.end, 4.0),
                store_probe(plan, plan.start, plan.end),
            ]
        ),
    )


def packet_log(folder: Path, form: FirewallLog) -> tuple[Path, int]:
    plan = replace(PLAN, firewall_log=form)
    return write(folder, plan, pl.concat([firewall(plan, Draw(plan.seed, "firewall"), plan.start, plan.end, 1.0), nightly_backups(plan)]))


def events(folder: Path, log: Path) -> list[dict[str, Any]]:
    """What breachscope makes of a log, line by line; nothing else may have become of a line."""
    case = Case.create_or_open(folder / "case")
    with case.lock():
        (source,) = ingest(case, [log], IngestOptions(tz="Asia/Tokyo", year=2026, reference_date=date(2026, 11, 21)), Silent()).added
    assert (source.skipped, source.rejected) == ({}, 0)
    return pl.concat(pl.read_parquet(p) for t in ("web", "network") for p in case.event_files(t)).sort("line").to_dicts()


COMBINED = re.compile(r'(\S+) - - \[(.*?)\] "(.*)" (\d+) (\d+) "(.*?)" "(.*?)"')
REQUEST = re.compile(r"(\S+) (\S+) (HTTP/\S+)")
DROPPED = re.compile(r"^(\w+ +\d+ [\d:]+) .* SRC=(\S+) DST=(\S+) .*PROTO=(\S+) SPT=(\d+) DPT=(\d+)")
ENDED = re.compile(r"^(\w+ +\d+ [\d:]+) .*ORIG: SRC=(\S+) DST=(\S+) PROTO=(\S+) SPT=(\d+) DPT=(\d+) PKTS=\d+ BYTES=(\d+) , REPLY: .*BYTES=(\d+)$")


def test_the_json_log_tells_the_requests_of_the_combined_log(tmp_path: Path) -> None:
    plain, count = store_log(tmp_path / "a", "combined")
    told = [json.loads(line) for line in store_log(tmp_path / "b", "json")[0].read_text().splitlines()]
    assert len(told) == count
    for line, request in zip(plain.read_text().splitlines(), told, strict=True):
        ip, time, asked, status, size, referer, agent = COMBINED.fullmatch(line).groups()  # type: ignore[union-attr]
        parts = REQUEST.fullmatch(asked)
        assert (request["request_method"], request["request_uri"], request["server_protocol"]) == (parts.groups() if parts else ("", "", ""))
        assert (request["remote_addr"], request["status"], request["body_bytes_sent"]) == (ip, int(status), int(size))
        assert [request["http_referer"], request["http_user_agent"]] == ["" if sent == "-" else sent for sent in (referer, agent)]
        assert datetime.fromisoformat(request["time_iso8601"]) == datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z")
    assert {r["status"] for r in told} >= {200, 304, 400, 403, 404, 405}, "also requests that nginx could not read"


@pytest.mark.parametrize(("form", "kind"), [("combined", "combined"), ("json", "nginx_json")])
def test_every_line_of_the_store_is_read_as_an_event(form: StoreLog, kind: str, tmp_path: Path) -> None:
    log, count = store_log(tmp_path, form)
    found = events(tmp_path, log)
    assert Counter(e["format"] for e in found) == {kind: count}


@pytest.mark.parametrize("kind", ["fortigate", "panos"])
def test_every_line_of_a_firewall_is_read_as_the_event_that_netfilter_logs(kind: FirewallLog, tmp_path: Path) -> None:
    plain, count = packet_log(tmp_path / "a", "netfilter")
    log, same = packet_log(tmp_path / "b", kind)
    found = events(tmp_path, log)
    assert Counter(e["format"] for e in found) == {kind: count} == {kind: same}
    seen: Counter[str] = Counter()
    for line, event in zip(plain.read_text().splitlines(), found, strict=True):
        ended = ENDED.match(line)
        time, source, target, protocol, sport, dport = (ended or DROPPED.match(line)).groups()[:6]  # type: ignore[union-attr]
        assert (event["src_ip"], event["dst_ip"], event["transport"]) == (source, target, protocol.lower())
        assert (event["src_port"], event["dst_port"], event["action"]) == (int(sport), int(dport), "allow" if ended else "deny")
        assert event["ts"].replace(microsecond=0) == datetime.strptime(f"2026 {time} +0900", "%Y %b %d %H:%M:%S %z").astimezone(UTC)
        if ended:
            assert (event["bytes_out"], event["bytes_in"]) == (int(ended[7]), int(ended[8]))
        seen["ended" if ended else "dropped"] += 1
    assert min(seen["ended"], seen["dropped"]) > 200


@pytest.mark.parametrize("form", ["combined", "json"])
def test_the_yardstick_converts_every_line(form: StoreLog, tmp_path: Path) -> None:
    log, count = store_log(tmp_path, form)
    table = READERS[form](log).collect()
    plain = [COMBINED.fullmatch(line).groups() for line in store_log(tmp_path / "plain", "combined")[0].read_text().splitlines()]  # type: ignore[union-attr]
    assert table.height == count == len(plain)
    assert table["status"].to_list() == [int(groups[3]) for groups in plain]
    assert table["client_ip"].to_list() == [groups[0] for groups in plain]
    assert table["ts"].dt.epoch("s").to_list() == [datetime.strptime(groups[1], "%d/%b/%Y:%H:%M:%S %z").timestamp() for groups in plain]


def test_a_compressed_and_a_repeated_log_hold_the_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".bench").mkdir()
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo\n" * 50)
    assert gzip.decompress(gzipped(log).read_bytes()) == log.read_bytes()
    assert repeated(log, 1_200 / 1e9).read_bytes() == log.read_bytes() * 3
