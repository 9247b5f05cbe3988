"""Lines whose text can be read in two ways, or claims more than a logger writes, are rejected with the reason."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests.ingest.reading import CATALOG, engine_reads

from breachscope.ingest import check_samples, load_formats
from breachscope.ingest.engine import read_lines
from breachscope.ingest.reading import Context

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


PAIRS = """
title = "A firewall that writes pairs behind syslog"
spec = ["none"]
kind = "syslog"
programs = ["fwd"]
table = "network"
order = 990

[[pattern]]
match = '^deny '
keys = { src_ip = "src", dst_ip = "dst" }
set = { action = "deny" }

[[sample]]
line = "2026-03-02T10:15:04Z fw1 fwd: deny src=192.0.2.9 dst=203.0.113.5"
[sample.expect]
ts = 2026-03-02T10:15:04Z
ts_offset_min = 0
ts_quality = "exact"
host = "fw1"
src_ip = "192.0.2.9"
dst_ip = "203.0.113.5"
action = "deny"
"""


def test_pairs_behind_syslog_that_can_be_read_in_two_ways_are_rejected(tmp_path: Path) -> None:
    """The reason is told; such a line once ended the whole run."""
    (tmp_path / "fwd.toml").write_text(PAIRS)
    catalog = load_formats([tmp_path])
    assert check_samples(catalog["fwd"], catalog) == []
    messages = ["deny src=192.0.2.9 src=192.0.2.66 dst=203.0.113.5", 'deny src="192.0.2.9 dst=203.0.113.5', "deny src=192.0.2.9 dst=203.0.113.5"]
    frame = pl.DataFrame({"line": [7, 8, 9], "text": [f"2026-03-02T10:15:04Z fw1 fwd: {m}" for m in messages]}, schema={"line": pl.Int64, "text": pl.String})
    reading = read_lines(frame, catalog["syslog"], catalog, Context(source=1))
    assert [rows["line"].to_list() for _, _, rows in reading.events] == [[9]]
    assert reading.rejects().rows() == [(7, "key stands twice"), (8, "a quote is not closed, or stands inside a value")]


def test_a_message_of_syslog_may_be_missing_or_empty() -> None:
    """RFC 5424 section 6: MSG is optional, and so is the space before it."""
    head = "<134>1 2026-03-02T01:15:04Z gw1 sshd 18160 - "
    lines = [f"{head}{rest}" for rest in ("-", "- ", '[a b="c"]', '[a b="c"] ', "[a]", "- Failed password for u1 from 192.0.2.9 port 1 ssh2")]
    read = [event is not None for event in engine_reads(lines, "syslog")]
    assert read == [False] * 5 + [True]
    assert engine_reads(lines[2:3], "syslog") == [None]


def test_the_service_that_a_message_names_is_not_its_programs() -> None:
    (event,) = engine_reads(["2026-03-02T10:15:04Z srv1 login[2]: pam_unix(gdm-password:session): session closed for user u1"], "syslog")
    assert event is not None
    assert event["service"] == "gdm-password"
