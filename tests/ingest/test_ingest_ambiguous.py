"""Lines whose text can be read in two ways, or claims more than a logger writes, are rejected with the reason."""

from __future__ import annotations

import polars as pl
import pytest
from tests.ingest.reading import CATALOG, engine_reads

from breachscope.ingest.engine import Context, read_lines

OPEN_QUOTE = "a quote is not closed, or stands inside a value"
LOGIN = "ts=2026-08-29T10:15:04+09:00 level=warn event=login result=failure "


def rejection(line: str, fmt: str) -> str:
    frame = pl.DataFrame({"line": [1], "text": [line]}, schema={"line": pl.Int64, "text": pl.String})
    return str(read_lines(frame, CATALOG[fmt], CATALOG, Context(source=1)).rejects()["reason"].item())


@pytest.mark.parametrize("name", ["a,ip=192.0.2.1", "a;ip=192.0.2.1"])
def test_an_accounts_name_does_not_choose_the_address(name: str) -> None:
    found = engine_reads([f"{LOGIN}account={name} ip=203.0.113.66"], "shopd")[0]
    assert found is not None
    assert (found["user"], found["client_ip"]) == (name, "203.0.113.66")


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ("ip=203.0.113.66 ip=192.0.2.1", "key stands twice"),
        ("ip= ip=192.0.2.1", "key stands twice"),
        ('ua="a ip=192.0.2.2" ip=203.0.113.66 ip="192.0.2.1"', "key stands twice"),
        ('reason="x ua="y ip=192.0.2.1', OPEN_QUOTE),
        ('account=a" ip=203.0.113.66 ua="y ip=192.0.2.1 "', OPEN_QUOTE),
        ('account=b=" ip=203.0.113.66 ua="y ip=192.0.2.1 z="', OPEN_QUOTE),
        ('ip=203.0.113.66 ua="y', OPEN_QUOTE),
    ],
)
def test_pairs_that_can_be_read_in_two_ways_are_rejected_with_the_reason(pairs: str, reason: str) -> None:
    assert rejection(LOGIN + pairs, "shopd") == reason


def repeated(times: int) -> str:
    return f"2026-03-02T10:15:04Z srv1 sshd[8]: message repeated {times} times: [ Failed password for root from 192.0.2.9 port 51512 ssh2]"


@pytest.mark.parametrize("times", [1, 10_000])
def test_a_folded_message_counts_as_often_as_it_says(times: int) -> None:
    found = engine_reads([repeated(times)], "syslog")[0]
    assert found is not None
    assert found["attempts"] == times


@pytest.mark.parametrize("times", [0, 10_001, 99_999_999_999_999_999_999])
def test_no_daemon_folds_that_many_messages(times: int) -> None:
    assert rejection(repeated(times), "syslog") == "message repeated 0 or more than 10,000 times"


@pytest.mark.parametrize(
    "message", ["FW IN=eth0 OUT= SRC=192.0.2.9 SRC=192.0.2.66 DST=203.0.113.5 PROTO=TCP", 'FW IN=eth0 OUT= SRC=192.0.2.9 DST="203.0.113.5 PROTO=TCP']
)
def test_pairs_behind_syslog_that_can_be_read_in_two_ways_are_rejected(message: str) -> None:
    """The reason is told; a fault found behind the envelope once ended the whole run."""
    frame = pl.DataFrame({"line": [7], "text": [f"2026-03-02T10:15:04Z fw1 kernel: {message}"]}, schema={"line": pl.Int64, "text": pl.String})
    reading = read_lines(frame, CATALOG["syslog"], CATALOG, Context(source=1))
    assert (reading.event_lines, reading.rejects()["line"].to_list()) == (0, [7])
