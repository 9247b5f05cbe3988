"""Real logs and other engines' expectations, where they lie beside the checkout; without them nothing here runs.

Where an expectation is not met it is another tool's habit, and the test says which.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import Counter
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.manifest import Source
from breachscope.progress import Silent
from breachscope.schema import EVENT_TABLES

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the example logs (../shared/data beside the checkout) are not here")

Events = dict[int, dict[str, Any]]


@cache
def read(name: str) -> tuple[Source, Events, dict[int, str]]:
    """One log of the examples: how it was read, its events and the reasons of its rejects, by line."""
    with TemporaryDirectory() as folder:
        case = Case.create_or_open(Path(folder) / "case")
        result = ingest(case, [DATA / name], IngestOptions(reference_date=date(2026, 11, 21)), Silent())
        assert [str(e) for e in result.errors] == []
        rows = [(t, row) for t in EVENT_TABLES for path in case.event_files(t) for row in pq.read_table(path).to_pylist()]
        events = {row["line"]: {"table": t, **{c: v for c, v in row.items() if v is not None}} for t, row in rows}
        assert len(events) == len(rows)
        rejected = {row["line"]: row["reason"] for path in case.reject_files() for row in pq.read_table(path).to_pylist()}
        return result.added[0], events, rejected


def lines_of(name: str) -> list[str]:
    raw = (DATA / name).read_bytes()
    return (gzip.decompress(raw) if name.endswith(".gz") else raw).decode("utf-8", "surrogateescape").split("\n")


# The real logs


@pytest.mark.parametrize("name", ["web_combined_10k.log", "web_combined_105k.log.gz", "auth_7k.log"])
def test_every_line_of_a_real_log_is_explained(name: str) -> None:
    source, events, rejected = read(f"real/{name}")
    assert source.lines == len(lines_of(f"real/{name}")) - 1
    assert rejected == {}
    assert source.lines == len(events) + sum(source.skipped.values())


@pytest.mark.parametrize("name", ["web_combined_10k.log", "web_combined_105k.log.gz"])
def test_web_statuses_and_bytes_are_those_of_a_plain_count(name: str) -> None:
    """What awk finds behind the request: the two fields after the second quote that ends it."""
    _, events, _ = read(f"real/{name}")
    statuses: Counter[str] = Counter()
    total = without = 0
    for line in lines_of(f"real/{name}")[:-1]:
        found = re.match(r'\S+ \S+ .*? \[[^\]]+\] "(?:[^"\\]|\\.|"(?! \d{3} (?:\d+|-) "))*" (\d{3}|-) (\d+|-) "', line)
        assert found is not None, line
        statuses[found[1]] += 1
        if found[2] == "-":
            without += 1
        else:
            total += int(found[2])
    assert Counter(str(e.get("status", "-")) for e in events.values()) == statuses
    assert sum(e.get("bytes_sent", 0) for e in events.values()) == total
    assert sum("bytes_sent" not in e for e in events.values()) == without


def test_sshd_successes_and_failures_are_those_of_grep() -> None:
    _, events, _ = read("real/auth_7k.log")
    messages = [line.split(": ", 1)[1] for line in lines_of("real/auth_7k.log")[:-1] if re.search(r" sshd\[\d+\]: ", line)]
    logins = [e for e in events.values() if e["service"] == "sshd" and e["action"] == "logon" and e["attempts"] > 0]
    repeated = sum(int(m[1]) for m in (re.match(r"message repeated (\d+) times: \[ Failed ", text) for text in messages) if m)
    assert sum(e["outcome"] == "success" for e in logins) == sum(m.startswith("Accepted ") for m in messages)
    assert sum(e["attempts"] for e in logins if e["outcome"] == "failure") == sum(m.startswith("Failed ") for m in messages) + repeated
    invalid = sum(m.startswith("Invalid user ") for m in messages)
    assert sum(e.get("reason") == "no_user" and e["outcome"] == "unknown" for e in events.values()) == invalid


def test_sudo_commands_are_those_of_grep() -> None:
    _, events, _ = read("real/auth_7k.log")
    lines = [line for line in lines_of("real/auth_7k.log") if re.search(r" sudo: .* ; COMMAND=", line)]
    assert sum(e["service"] == "sudo" for e in events.values()) == len(lines)


# Filebeat

FILEBEAT = [
    "filebeat/apache/access/darwin-2.4.23.log",
    "filebeat/apache/access/test.log",
    "filebeat/apache/access/test-vhost.log",
    "filebeat/apache/access/ubuntu-2.2.22.log",
    "filebeat/nginx/access/access.log",
    "filebeat/nginx/access/test.log",
    "filebeat/nginx/access/test-with-host.log",
]


def expected_by_filebeat(name: str) -> Events:
    """Filebeat's events by line. Its offsets were counted without carriage returns, so that they only give the order."""
    wanted = sorted(json.loads((DATA / f"{name}-expected.json").read_bytes()), key=lambda e: int(e["log.offset"]))
    filled = [n for n, line in enumerate(lines_of(name), 1) if line.strip()]
    return dict(zip(filled, wanted, strict=True))


@pytest.mark.parametrize("name", FILEBEAT)
def test_access_logs_are_read_as_filebeat_reads_them(name: str) -> None:
    _, events, rejected = read(name)
    wanted = expected_by_filebeat(name)
    assert rejected == {}
    assert set(events) == set(wanted)
    for line, theirs in wanted.items():
        ours = events[line]
        assert ours["ts"] == datetime.fromisoformat(theirs["@timestamp"]).astimezone(UTC)
        assert ours["status"] == theirs["http.response.status_code"]
        assert ours.get("bytes_sent") == theirs.get("http.response.body.bytes")
        # The module for Apache writes methods in lower case; they are case-sensitive (RFC 9110, section 9.1).
        assert ours.get("method", "").lower() == theirs.get("http.request.method", "").lower()
        if "url.original" in theirs:
            assert ours["path"] + ("?" + ours["query"] if "query" in ours else "") == theirs["url.original"]
        if "http.version" in theirs:
            assert ours["protocol"] == f"HTTP/{theirs['http.version']}"
        # A "-" is text to Filebeat and null to us.
        assert ours.get("user", "-") == theirs["user.name"]
        assert ours.get("user_agent", "-") == theirs.get("user_agent.original", "-")
        assert ours.get("referer", "-") == theirs.get("http.request.referrer", "-")
        listed = theirs.get("nginx.access.remote_ip_list", [])
        if len(listed) > 1:
            # Filebeat takes the first public or else the first address of a forwarded list for the client. Whoever sends the
            # request writes that one; we take the address that the nearest proxy, or the connection itself, saw.
            assert ours["client_ip"] == canonical(listed[-1])
        else:
            assert ours["client_ip"] == canonical(theirs.get("source.address") or theirs["source.ip"])
        if "destination.domain" in theirs:
            assert ours["vhost"] == theirs["destination.domain"]


def canonical(address: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


def test_auth_logs_are_read_as_filebeat_reads_them() -> None:
    source, events, rejected = read("filebeat/system/auth/test.log")
    wanted = expected_by_filebeat("filebeat/system/auth/test.log")
    assert rejected == {}
    for line, theirs in wanted.items():
        if theirs["process.name"] == "groupadd":  # groups are no accounts
            assert line not in events
            continue
        if "system.auth.ssh.dropped_ip" in theirs:  # nobody tried to log in
            assert line not in events
            continue
        ours = events[line]
        assert ours["host"] == theirs["host.hostname"]
        assert ours["service"] == theirs["process.name"]
        assert ours["user"] == theirs["user.name"]
        assert ours.get("client_ip") == theirs.get("source.ip")
        assert ours.get("client_port") == theirs.get("source.port")
        assert ours.get("method") == theirs.get("system.auth.ssh.method")
        assert ours.get("target") == theirs.get("system.auth.sudo.user")
        if theirs.get("system.auth.ssh.event") == "Invalid":
            # Filebeat counts the line as a failed login; sshd writes it before any password was tried.
            assert (ours["outcome"], ours["attempts"]) == ("unknown", 0)
        elif "event.outcome" in theirs:
            assert ours["outcome"] == theirs["event.outcome"]
        if "system.auth.sudo.error" in theirs:
            assert ours["outcome"] == "failure"
    assert source.skipped == {"accounts: groups and homes": 1, "sshd: connection bookkeeping": 1}


# CrowdSec

ASSERTION = re.compile(r'results\["s01-parse"\]\["crowdsecurity/([\w-]+)"\]\[(\d+)\]\.Evt\.(Parsed|Meta)\["([^"]+)"\] == (".*")')


def expected_by_crowdsec(case: str) -> dict[tuple[str, int], dict[str, str]]:
    """Asserted fields by (parser, number of the event)."""
    found: dict[tuple[str, int], dict[str, str]] = {}
    for line in (DATA / "crowdsec" / case / "parser.assert").read_text(encoding="utf-8").splitlines():
        if match := ASSERTION.fullmatch(line):
            found.setdefault((match[1], int(match[2])), {})[match[4]] = json.loads(match[5], strict=False)
    return found


def line_holding(name: str, message: str) -> int:
    """Number of the (first) line that ends with a message."""
    return next(n for n, line in enumerate(lines_of(name), 1) if line.rstrip("\r").endswith(message))


@pytest.mark.parametrize(("case", "parser"), [("apache2-logs", "apache2-logs"), ("nginx_http-logs", "nginx-logs"), ("nginx-cve-2021-41773", "nginx-logs")])
def test_access_logs_are_read_as_crowdsec_reads_them(case: str, parser: str) -> None:
    name = f"crowdsec/{case}/{next((DATA / 'crowdsec' / case).glob('*.log')).name}"
    if not (DATA / "crowdsec" / case / "parser.assert").is_file():
        pytest.skip("this case asserts alerts only")
    _, events, rejected = read(name)
    lines = lines_of(name)
    checked = 0
    for (by, _), theirs in expected_by_crowdsec(case).items():
        if by != parser or theirs.get("log_type") != "http_access-log":
            continue
        ours = events[line_holding(name, theirs["message"])]
        assert ours["client_ip"] == theirs["source_ip"]
        assert str(ours["status"]) == theirs["http_status"]
        assert ours["method"] == theirs["http_verb"]
        assert ours["path"] + ("?" + ours["query"] if "query" in ours else "") == theirs["http_path"]
        assert ours.get("user_agent", "-") == theirs.get("http_user_agent", "-")
        assert str(ours.get("bytes_sent", "-")) == theirs.get("bytes", theirs.get("body_bytes_sent"))
        assert ours["protocol"] == f"HTTP/{theirs.get('httpversion', theirs.get('http_version'))}"
        assert ours.get("user", "-") == theirs.get("auth", theirs.get("remote_user", "-"))
        assert ours.get("vhost") == theirs.get("target_fqdn")
        checked += 1
    # CrowdSec reads error logs by other parsers; tests/test_conformance_json.py holds ours to them.
    of_errors = {n for n, e in events.items() if e["format"] in ("apache_error", "nginx_error")}
    assert checked == len(events) - len(of_errors)
    assert all(re.match(r"\[\w{3} \w{3} \d\d |\d{4}/\d\d/\d\d ", lines[n - 1]) for n in (*rejected, *of_errors))


def test_caddy_logs_are_read_as_crowdsec_reads_them() -> None:
    name = "crowdsec/caddy-logs/caddy-logs.log"
    source, events, rejected = read(name)
    lines = lines_of(name)
    wanted = [theirs for (by, _), theirs in sorted(expected_by_crowdsec("caddy-logs").items()) if by == "caddy-logs"]
    assert len(wanted) == len(events)
    for theirs in wanted:
        ours = events[line_holding(name, theirs["message"])]
        assert ours["client_ip"] == theirs["source_ip"]
        # What CrowdSec calls remote_ip is client_ip again; the TCP peer stands in the line.
        assert theirs["remote_ip"] == theirs["source_ip"]
        assert ours["peer_ip"] == json.loads(lines[ours["line"] - 1])["request"]["remote_ip"]
        assert str(ours.get("status", 0)) == theirs["http_status"]  # Caddy's 0 is no status: no answer was sent
        assert (ours["method"], ours["path"], ours["user_agent"]) == (theirs["http_verb"], theirs["http_path"], theirs["http_user_agent"])
        assert ours["protocol"] == f"HTTP/{theirs['http_version']}"
        assert ours["vhost"] == theirs["target_fqdn"]
    assert (rejected, source.skipped["caddy: not a request"]) == ({}, 1), "what the reverse proxy says is no access record"


def test_iptables_logs_are_read_as_crowdsec_reads_them() -> None:
    name = "crowdsec/iptables-logs/iptables-logs.log"
    source, events, rejected = read(name)
    wanted = [theirs for (by, _), theirs in sorted(expected_by_crowdsec("iptables-logs").items()) if by == "iptables-logs"]
    assert len(wanted) == len(events) == 3
    for ours, theirs in zip(events.values(), wanted, strict=True):
        assert ours["host"] == theirs["machine"]
        assert (ours["src_ip"], ours["dst_ip"]) == (theirs["src_ip"], theirs["dst_ip"])
        assert (str(ours["src_port"]), str(ours["dst_port"])) == (theirs["src_port"], theirs["dst_port"])
        assert ours["transport"] == theirs["proto"].lower()
        # The first LEN is the packet's length, as tcpdump would count it. CrowdSec takes the last one: UDP's own.
        assert str(ours["bytes_out"]) == re.findall(r" LEN=(\d+) ", theirs["message"] + " ")[0]
        assert theirs["length"] == re.findall(r" LEN=(\d+) ", theirs["message"] + " ")[-1]
        # CrowdSec calls every packet a drop; only the prefix says what was done, and two of these have none.
        assert theirs["log_type"] == "iptables_drop"
        assert ours.get("action") == ("deny" if "IPTABLES-DROP" in theirs["message"] else None)
    assert (rejected, source.skipped) == ({}, {"kernel: not a packet": 1})


def test_sshd_successes_are_read_as_crowdsec_reads_them() -> None:
    _, events, _ = read("crowdsec/sshd-success-logs/sshd-success-logs.log")
    wanted = [theirs for (by, _), theirs in sorted(expected_by_crowdsec("sshd-success-logs").items()) if by == "sshd-success-logs"]
    assert len(wanted) == len(events) == 4
    for ours, theirs in zip(events.values(), wanted, strict=True):
        assert (ours["user"], ours["client_ip"]) == (theirs["sshd_auth_user"], theirs["sshd_client_ip"])
        assert str(ours["client_port"]) == theirs["sshd_client_port"]
        assert (ours["outcome"], ours["host"]) == ("success", theirs["machine"])
        # CrowdSec puts the running year into these times; ours is the latest that puts no line after the reference day.
        assert (ours["ts"].year, ours["ts_quality"]) == (2026, "inferred_year")


def test_invalid_users_over_rfc_5424_are_read_as_crowdsec_reads_them() -> None:
    name = "crowdsec/opnsense-sshd/opnsense-sshd.log"
    _, events, rejected = read(name)
    wanted = [theirs for (by, _), theirs in sorted(expected_by_crowdsec("opnsense-sshd").items()) if by == "sshd-logs"]
    assert (len(wanted), rejected) == (10, {})
    for ours, theirs in zip(events.values(), wanted, strict=True):
        assert (ours["user"], ours["client_ip"]) == (theirs["target_user"], theirs["source_ip"])
        assert ours["ts"] == datetime.fromisoformat(theirs["timestamp8601"]).astimezone(UTC)
        assert ours["host"] == theirs["machine"]


def test_pam_logs_are_read_as_crowdsec_reads_them() -> None:
    source, events, rejected = read("crowdsec/pam-logs/pam-logs.log")
    wanted = expected_by_crowdsec("pam-logs")
    tally = next(t for t in wanted.values() if "tally" in t["message"])
    assert [(e["user"], e["action"], e["service"], e["host"]) for e in events.values()] == [(tally["username"], "lockout", tally["program"], tally["machine"])]
    # CrowdSec counts PAM's line of a failed sudo as an event; sudo itself reports the same tries with their number.
    assert (rejected, source.skipped) == ({}, {"sudo: PAM's own line of a try that sudo reports itself": 1})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("crowdsec/sshd-bad-keyexchange-bf/sshd-bad-keyexchange-bf.log", "sshd: protocol trouble before any login"),
        ("crowdsec/sshd-refused-conn/sshd-refused-conn.log", "sshd: protocol trouble before any login"),
        ("crowdsec/sshd-logs-fp/sshd-logs.log", "sshd: connection bookkeeping"),
    ],
)
def test_ssh_connections_without_a_login_are_no_logins(name: str, kind: str) -> None:
    """CrowdSec raises alerts on these lines as attacks on the daemon; nobody tried an account."""
    source, events, rejected = read(name)
    assert (events, rejected) == ({}, {})
    assert source.skipped == {kind: source.lines}


WEB_CASES = [
    "http-admin-interface-probing", "http-bf-wordpress-bf", "http-dos-bypass-cache", "http-dos-invalid-http-versions", "http-dos-random-uri",
    "http-dos-switching-ua", "http-generic-test", "http-wordpress-scan", "http-wordpress_user-enum", "nginx-http-open-proxy", "nginx-http-sensitive-files",
    "nginx-http-sqli-probing", "nginx-http-w00twoot", "caddy-basic-auth-bf", "grafana_cve-2021-43798", "litespeed-http-sensitive-files",
]  # fmt: skip


@pytest.mark.parametrize("case", WEB_CASES)
def test_every_line_of_a_web_attack_becomes_an_event(case: str) -> None:
    path = next(iter(sorted((DATA / "crowdsec" / case).glob("*.log"))))
    source, events, rejected = read(str(path.relative_to(DATA)))
    assert rejected == {}
    assert len(events) == source.lines - source.skipped.get("blank", 0)
    assert all("client_ip" in e and "status" in e for e in events.values())


def test_a_request_that_apache_refused_stands_in_its_error_log_alone() -> None:
    _, events, rejected = read("crowdsec/apache-cve-2021-41773/apache-cve-2021-41773.log")
    assert ([e["format"] for e in events.values()], rejected) == (["apache_error", "common", "common"], {})
    assert all(e["path"].lower().startswith("/cgi-bin/.%2e/") for e in events.values())
    assert ["status" in e for e in events.values()] == [False, True, True]  # the error log tells none; CrowdSec sets 400


def test_cloudfront_without_its_header_is_read_as_crowdsec_reads_it() -> None:
    name = "crowdsec/aws-cloudfront-logs/aws-cloudfront-logs.log"
    _, events, rejected = read(name)
    wanted = [theirs for (by, _), theirs in sorted(expected_by_crowdsec("aws-cloudfront-logs").items()) if by == "aws-cloudfront"]
    assert (len(events), rejected) == (len(wanted), {})
    for ours, theirs in zip(events.values(), wanted, strict=True):
        assert (ours["client_ip"], str(ours["client_port"])) == (theirs["c_ip"], theirs["c_port"])
        assert (ours["method"], ours["path"], ours["query"]) == (theirs["cs_method"], theirs["cs_uri_stem"], theirs["cs_uri_query"])
        assert (str(ours["status"]), str(ours["bytes_sent"]), str(ours["bytes_received"])) == (theirs["sc_status"], theirs["sc_bytes"], theirs["cs_bytes"])
        assert (ours["user_agent"], ours["protocol"]) == (theirs["cs_user_agent"], theirs["cs_protocol_version"])
        # The site that was asked for stands in x-host-header; cs(Host) is CloudFront's own name, which CrowdSec takes.
        assert (ours["vhost"], theirs["cs_host"]) == (theirs["x_host_header"], "d6rcaj0q1hys9.cloudfront.net")
        assert ours["duration_ms"] == float(theirs["time_taken"]) * 1000


def test_requests_that_iis_logs_as_events_are_read_as_crowdsec_reads_them() -> None:
    _, events, rejected = read("crowdsec/iis-xml-logs/iis-logs.log")
    (theirs,) = [t for (by, _), t in expected_by_crowdsec("iis-xml-logs").items() if by == "iis-logs"]
    (ours,) = events.values()
    assert (rejected, ours["table"], ours["client_ip"], ours["host"]) == ({}, "web", theirs["source_ip"], theirs["Computer"])
    assert (ours["method"], ours["path"], ours["query"]) == (theirs["verb"], theirs["http_path"], theirs["http_args"])
    assert str(ours["status"]) == theirs["http_status"]


def test_auth_logs_with_iso_times_are_read_as_filebeat_reads_them() -> None:
    """Both lines close a session; the first has no zone of its own, and Filebeat was told of one."""
    source, events, rejected = read("filebeat/system/auth/timestamp.log")
    assert (events, rejected, source.skipped) == ({}, {}, {"program pam": 1, "sudo: session bookkeeping": 1})


def test_a_blank_line_at_the_end_is_no_message() -> None:
    source, events, rejected = read("crowdsec/syslog-logs/syslog-logs.log")
    assert [(e["user"], e["reason"], e["outcome"]) for e in events.values()] == [("pascal", "no_user", "unknown")] * 3
    assert (rejected, source.skipped) == ({}, {"blank": 1})


def test_this_file_runs_without_the_engines_it_compares_with() -> None:
    assert not {"elasticsearch", "crowdsec"} & set(sys.modules)
