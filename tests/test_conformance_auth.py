"""Real logs of logins, mail, FTP, VPN and databases against other engines' expectations and plain counts; without the logs nothing here runs.

Where an expectation is not met it is another tool's habit, and the test says which.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.test_conformance import DATA, lines_of, read

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the example logs (../shared/data beside the checkout) are not here")

ASSERTION = re.compile(r'results\["s01-parse"\]\["([^"]+)"\]\[(\d+)\]\.Evt\.(?:Parsed|Meta)\["([^"]+)"\] == (".*")')


def expected(case: str, parser: str) -> list[dict[str, str]]:
    """Asserted fields of the events that a parser of CrowdSec's read, in their order."""
    found: dict[int, dict[str, str]] = {}
    for line in (DATA / "crowdsec" / case / "parser.assert").read_text(encoding="utf-8").splitlines():
        if (match := ASSERTION.fullmatch(line)) and match[1].endswith(parser):
            found.setdefault(int(match[2]), {})[match[3]] = json.loads(match[4])
    return [theirs for _, theirs in sorted(found.items()) if "source_ip" in theirs]


def auth_events(name: str) -> list[dict[str, Any]]:
    """Events of one log in the order of its lines; none of its lines is rejected."""
    source, events, rejected = read(name)
    assert rejected == {}
    assert source.lines == len(events) + sum(source.skipped.values())
    return [event for _, event in sorted(events.items())]


@pytest.mark.parametrize(
    ("case", "parser", "user"),
    [("vsftpd-logs", "vsftpd-logs", "user"), ("proftpd-logs", "proftpd-logs", "username")],
)
def test_failed_logins_are_read_as_crowdsec_reads_them(case: str, parser: str, user: str) -> None:
    ours = [e for e in auth_events(f"crowdsec/{case}/{case}.log") if e["outcome"] == "failure"]
    wanted = expected(case, parser)
    assert wanted
    # Both in any order: CrowdSec sorts a case's events by time.
    assert sorted((e["user"], e["client_ip"]) for e in ours) == sorted((t[user], t["source_ip"]) for t in wanted)
    assert all((e["action"], e["attempts"]) == ("logon", 1) for e in ours)


def test_postgresql_failures_are_read_as_crowdsec_reads_them() -> None:
    """CrowdSec asserts two of the lines, one of each log_line_prefix."""
    ours = auth_events("crowdsec/pgsql-logs/pgsql-logs.log")
    assert len(ours) == len([line for line in lines_of("crowdsec/pgsql-logs/pgsql-logs.log") if line.strip()])
    wanted = expected("pgsql-logs", "pgsql-logs")
    assert {(e["user"], e["client_ip"], e["method"]) for e in ours} == {(t["pgsql_target_user"], t["source_ip"], t["auth_method"]) for t in wanted}


def test_a_weekday_that_the_date_contradicts_does_not_lose_the_line() -> None:
    """One line of the case says Monday of a Tuesday: the day of the month is what the log is sorted by."""
    assert datetime(2020, 6, 9, 12, 8, 53, tzinfo=UTC) in [e["ts"] for e in auth_events("crowdsec/vsftpd-logs/vsftpd-logs.log")]


def test_grafana_failures_are_read_as_crowdsec_reads_them() -> None:
    ours = [
        e for e in auth_events("crowdsec/grafana-logs/grafana-logs.log") if e["table"] == "auth" and e["outcome"] == "failure" and e["format"] == "grafana_text"
    ]
    wanted = [t for t in expected("grafana-logs", "grafana-logs") if t["message"].startswith("logger=context") and "Request Completed" not in t["message"]]
    assert len(wanted) == len(ours) == 4
    assert sorted(e["client_ip"] for e in ours) == sorted(t["source_ip"] for t in wanted)
    assert Counter(e["reason"] for e in ours) == {"no_user": 2, "bad_password": 2}


def test_guacamole_failures_are_of_the_address_that_reached_the_server() -> None:
    _, events, rejected = read("crowdsec/apache-guacamole-logs/apache-guacamole-logs.log")
    wanted = expected("apache-guacamole-logs", "apache-guacamole-logs")
    assert [e["user"] for e in events.values()] == [t["username"] for t in wanted]
    # CrowdSec takes the first address of the list, which the client may write itself; ours is the last, the connection's own.
    assert {t["source_ip"] for t in wanted} == {"127.0.0.1"}
    assert {e["client_ip"] for e in events.values()} == {"127.0.0.2"}
    assert len(rejected) == 1  # Tomcat's own line, of another shape


@pytest.mark.parametrize(
    "case", ["dovecot-slow-bf", "dovecot-slow-bf-no-overlap", "dovecot-slow-bf-user-enum", "dovecot-time-based-bf", "dovecot-spam"]
)  # fmt: skip
def test_dovecot_failures_are_those_of_a_plain_search(case: str) -> None:
    name = f"crowdsec/{case}/{case}.log"
    ours = auth_events(name)
    told = [re.search(r"auth failed, (\d+) attempts.*user=<(.*?)>.*rip=([^,]*),", line) for line in lines_of(name)]
    assert [(str(e["attempts"]), e["user"], e["client_ip"]) for e in ours if e["attempts"]] == [m.groups() for m in told if m]
    # A worker's line gives the reason of a try that the login process counts.
    workers = [re.search(r"pam\((.*?),([\d.]+)[,)].*(unknown user|Authentication failure)", line) for line in lines_of(name)]
    reasons = {"no_user": "unknown user", "bad_password": "Authentication failure"}
    assert [(e["user"], e["client_ip"], reasons[e["reason"]]) for e in ours if not e["attempts"]] == [m.groups() for m in workers if m]


@pytest.mark.parametrize("name", ["crowdsec/mysql-bf/mysql-bf.log", "crowdsec/mariadb-bf/mariadb-bf.log"])
def test_mysql_refusals_are_those_of_a_plain_search(name: str) -> None:
    told = [re.search(r"Access denied for user '(.*)'@'(.*)' \(", line) for line in lines_of(name)]
    assert [(e["user"], e["client_ip"]) for e in auth_events(name)] == [m.groups() for m in told if m]


def test_openvpn_packets_without_a_login_are_no_logins() -> None:
    """CrowdSec raises an alert on them; no account was tried."""
    source, events, rejected = read("crowdsec/openvpn-bf/openvpn.log")
    assert (events, rejected) == ({}, {})
    assert source.skipped == {"openvpn: connection bookkeeping": source.lines}


def test_proftpd_attackers_are_read() -> None:
    ours = auth_events("crowdsec/proftpd-bf/proftpd-bf.log")
    assert {(e["user"], e["client_ip"], e["reason"]) for e in ours} == {("seb", "192.168.1.142", "bad_password")}


def test_vsftpd_attackers_are_read() -> None:
    ours = auth_events("crowdsec/vsftpd-bf/vsftpd-bf.log")
    assert [(e["user"], e["client_ip"], e["outcome"], e["attempts"]) for e in ours] == [("user", "93.24.101.89", "failure", 1)] * 6


def test_ssh_banners_are_no_logins() -> None:
    source, events, rejected = read("crowdsec/sshd_banner_exchange/sshd_banner_exchange.log")
    assert (events, rejected) == ({}, {})
    assert sum(source.skipped.values()) == source.lines


# The real auth log


def test_lockouts_account_tools_and_su_are_those_of_grep() -> None:
    _, events, _ = read("real/auth_7k.log")
    lines = lines_of("real/auth_7k.log")
    kinds = Counter((e["service"], e["action"], e["outcome"]) for e in events.values())
    assert kinds["sshd", "lockout", "success"] == sum("error: maximum authentication attempts exceeded" in line for line in lines)
    assert kinds["useradd", "account_create", "success"] == sum("new user: name=" in line for line in lines)
    assert kinds["useradd", "account_create", "failure"] == sum("failed adding user" in line for line in lines)
    assert kinds["chpasswd", "account_change", "success"] == sum("password changed for" in line for line in lines)
    tries = [e for e in events.values() if (e["service"], e["outcome"]) == ("su", "success") and e["attempts"]]  # PAM tells of them again
    assert len(tries) == sum("Successful su for" in line for line in lines)


# PostgreSQL

POSTGRES = [
    "postgresql-11.4.log", "postgresql-9.6-debian-with-slowlog.log", "postgresql-9.6-multi-core.log", "postgresql-9.6-new-timestamp.log",
    "postgresql-query-steps-slowlog.log", "postgresql-ubuntu-9.5.log",
]  # fmt: skip


@pytest.mark.parametrize("log", POSTGRES)
def test_postgresql_entries_are_those_of_a_plain_search(log: str) -> None:
    """As Filebeat does it, further lines of a statement are joined to the first; here without the tab that the server set before each."""
    name = f"filebeat/postgresql/log/{log}"
    source, events, rejected = read(name)
    further = 0
    lines = lines_of(name)
    for number, line in enumerate(lines, 1):
        entry = re.match(r"\d{4}-\d\d-\d\d [\d:.]+ [A-Z]+ \[[\d-]+\] (?:([^@ ]+)@([^ ]+) )?([A-Z]+):  (?:\d{5}: )?(.*)", line.rstrip("\r"))
        if entry is None:
            assert number not in events
            further += bool(line.strip())
            continue
        user, store, level, text = entry.groups()
        for line in itertools.takewhile(lambda line: line[:1] in ("\t", " "), lines[number:]):
            text = text.rstrip("\r") + "\n" + line.removeprefix("\t").rstrip("\r")
        statement = re.fullmatch(r"(?:duration: [\d.]+ ms  )?(?:statement|execute \w+): (.*)", text, re.DOTALL)
        login = re.match(r"connection authorized: user=(\w+)", text)
        if level == "STATEMENT" or statement:
            ours = events[number]
            assert ours.get("statement") == (statement[1] if statement else text)
            assert (ours.get("user"), ours.get("store")) == (user, store)
            assert ours["outcome"] == ("failure" if level == "STATEMENT" else "success" if text.startswith("duration") else "unknown")
        elif login:
            assert (events[number]["user"], events[number]["outcome"]) == (login[1], "success")
        else:
            assert number not in events
    assert rejected == {}
    assert source.skipped.get("postgresql: continues the line above", 0) == further
