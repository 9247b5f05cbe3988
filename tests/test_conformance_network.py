"""Real logs of network devices, where they lie beside the checkout, held against what another engine reads in them.

Where an expectation is not met it is that engine's habit, and the test says which.
"""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.test_conformance import DATA, expected_by_crowdsec, lines_of, read

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.progress import Silent

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the example logs (../shared/data beside the checkout) are not here")


def of_parser(case: str, parser: str) -> list[dict[str, str]]:
    """What one of the other engine's parsers found in each line that it read."""
    return [fields for (by, _), fields in sorted(expected_by_crowdsec(case).items()) if by == parser]


@pytest.mark.parametrize(("case", "count"), [("pf-logs", 9), ("pf-scan-multi-port", 16)])
def test_filterlog_lines_are_read_column_by_column(case: str, count: int) -> None:
    """CrowdSec keeps the blocked packets alone: the columns themselves are the expectation."""
    name = f"crowdsec/{case}/{case}.log"
    source, events, rejected = read(name)
    assert (rejected, len(events), source.formats) == ({}, count, {"filterlog": count})
    for number, line in enumerate(lines_of(name)[:count], 1):
        columns = re.split(r"filterlog: |\] ", line, maxsplit=1)[1].split(",")
        length, src, dst, src_port, dst_port = columns[17:22] if columns[8] == "4" else [columns[14], *columns[15:19]]
        ours = events[number]
        assert (ours["src_ip"], ours["dst_ip"], str(ours["src_port"]), str(ours["dst_port"])) == (src, dst, src_port, dst_port)
        assert (ours["rule"], ours["transport"], str(ours["bytes_out"])) == (columns[3], columns[16 if columns[8] == "4" else 12], length)
        assert ours["action"] == {"block": "deny", "pass": "allow"}[columns[6]]


BLOCKED = re.compile(r'results\["s01-parse"\]\["firewallservices/pf-logs-drop"\]\[(\d+)\]\.Evt\.(?:Parsed|Meta)\["(\w+)"\] == "(.*)"')


def test_blocked_packets_are_those_of_crowdsec() -> None:
    _, events, rejected = read("crowdsec/pf-logs/pf-logs.log")
    blocked = [e for e in events.values() if e["action"] == "deny"]
    asserted: dict[int, dict[str, str]] = {}
    for line in (DATA / "crowdsec" / "pf-logs" / "parser.assert").read_text(encoding="utf-8").splitlines():
        if match := BLOCKED.fullmatch(line):
            asserted.setdefault(int(match[1]), {})[match[2]] = match[3]
    wanted = [asserted[n] for n in sorted(asserted)]
    assert rejected == {}
    assert len(blocked) == len(wanted) > 0
    for ours, theirs in zip(blocked, wanted, strict=True):
        assert (ours["src_ip"], str(ours["dst_port"]), ours["host"]) == (theirs["source_ip"], theirs["dst_port"], theirs["machine"])


def test_panos_threats_are_read_as_crowdsec_reads_them() -> None:
    name = "crowdsec/palo-alto-threat/palo-alto-threat.log"
    _, events, rejected = read(name)
    wanted = of_parser("palo-alto-threat", "palo-alto-threat-log")
    assert (rejected, len(events)) == ({}, len(wanted))
    for line, ours, theirs in zip(lines_of(name), events.values(), wanted, strict=False):
        assert (ours["src_ip"], ours["dst_ip"], ours["nat_src_ip"]) == (theirs["src_ip"], theirs["dst_ip"], theirs["nat_src_ip"])
        assert (str(ours["src_port"]), str(ours["dst_port"]), ours["flow_id"]) == (theirs["src_port"], theirs["dst_port"], theirs["session_id"])
        assert (ours["rule"], ours["app"], ours["transport"], ours["host"]) == (theirs["rule"], theirs["app"], theirs["ip_proto"], theirs["syslog_hostname"])
        assert ours["action"] == {"reset-both": "reset", "alert": "alert"}[theirs["action"]]
        # CrowdSec takes the relay's time or the local one; the line also tells the device's own, with its offset and in milliseconds.
        columns = next(csv.reader([line[line.index(" 1,") + 1 :]]))
        assert ours["ts"] == datetime.fromisoformat(columns[107]).astimezone(UTC)


def test_fortigate_vpn_failures_are_read_as_crowdsec_reads_them() -> None:
    name = "crowdsec/fortinet-vpn-bf/fortinet-vpn-bf.log"
    _, events, rejected = read(name)
    wanted = of_parser("fortinet-vpn-bf", "fortinet-logs")
    assert (rejected, len(events)) == ({}, len(wanted))
    for line, ours, theirs in zip(lines_of(name), events.values(), wanted, strict=False):
        assert (ours["table"], ours["action"], ours["outcome"], ours["client_ip"]) == ("auth", "logon", "failure", theirs["source_ip"])
        # "N/A" is FortiOS's word for no name; CrowdSec takes it for one.
        assert ours.get("user", "N/A") == theirs["target_user"]
        assert ours.get("reason") == ("no_user" if theirs["reason"] == "sslvpn_login_unknown_user" else None)
        nanoseconds = int(re.search(r"eventtime=(\d+)", line)[1])  # type: ignore[index]
        assert ours["ts"] == datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).replace(microsecond=nanoseconds // 1000 % 1_000_000)


def test_mikrotik_packets_are_those_of_a_plain_pattern() -> None:
    name = "crowdsec/mikrotik-scan-multi_ports/mikrotik-scan-multi_ports.log"
    _, events, rejected = read(name)
    assert (rejected, len(events)) == ({}, 19)
    for number, line in enumerate(lines_of(name)[:19], 1):
        found = re.search(r"proto (\w+) \(SYN\), (\S+):(\d+)->(\S+):(\d+), len (\d+)$", line)
        ours = events[number]
        assert found is not None
        assert [ours["transport"].upper(), ours["src_ip"], str(ours["src_port"]), ours["dst_ip"], str(ours["dst_port"]), str(ours["bytes_out"])] == [
            *found.groups()
        ]
        assert (ours["rule"], ours["action"]) == ("drop-tcp", "deny")


def test_unifi_packets_are_read_as_crowdsec_reads_them() -> None:
    name = "crowdsec/unifi-logs/unifi-logs.log"
    _, events, rejected = read(name)
    wanted = of_parser("unifi-logs", "iptables-logs")
    packets = [e for e in events.values() if e["table"] == "network"]
    assert len(packets) == len(wanted) == 3
    for ours, theirs in zip(packets, wanted, strict=True):
        assert (ours["src_ip"], ours["dst_ip"], ours["transport"]) == (theirs["source_ip"], theirs["dst_ip"], theirs["service"])
        assert (str(ours["src_port"]), str(ours["dst_port"])) == (theirs["src_port"], theirs["dst_port"])
        assert ours["rule"].endswith(f"-{theirs['rule_id']}")
        # The first LEN is the packet's length; CrowdSec takes the last one: UDP's own.
        assert (ours["bytes_out"], theirs["length"]) == (122, "102")
    assert [e["action"] for e in packets] == ["deny", "deny", "allow"]
    (login,) = [e for e in events.values() if e["table"] == "auth"]
    (theirs,) = of_parser("unifi-logs", "sshd-logs")
    assert (login["host"], login["user"], login["client_ip"]) == (theirs["hostname"], theirs["sshd_invalid_user"], theirs["sshd_client_ip"])
    assert (login["outcome"], login["reason"], rejected) == ("failure", "no_user", {})


@pytest.mark.parametrize("case", ["cef-logs", "unifi-cef"])
def test_cef_is_read_by_its_pairs(case: str) -> None:
    """One line has neither a time of its own nor a header: it is rejected, and says so."""
    name = f"crowdsec/{case}/cef-logs.log"
    _, events, rejected = read(name)
    assert set(rejected.values()) <= {"no time is written"}
    for number, line in enumerate(filter(None, lines_of(name)), 1):
        time = re.search(r"UNIFIutcTime=(\S+)", line)
        assert (number in rejected) == (time is None)
        if time is None:
            continue
        pairs = dict(re.findall(r"(\w+)=((?:(?! \w+=).)*)", line.rpartition("|")[2]))
        ours = events[number]
        assert ours["ts"] == datetime.fromisoformat(time[1])
        if "UNIFIadmin" in pairs:
            assert (ours["action"], ours["outcome"], ours["user"], ours["client_ip"]) == ("logon", "success", pairs["UNIFIadmin"], pairs["src"])
        else:
            assert (ours["src_ip"], ours.get("dst_ip"), str(ours["dst_port"])) == (pairs["src"], pairs.get("dst"), pairs["dpt"])
            assert (ours["action"], ours["transport"]) == ("deny", pairs["proto"].lower())


def test_wireguard_refusals_are_of_the_address_outside_the_tunnel() -> None:
    """CrowdSec raises its alerts by the same addresses."""
    name = "crowdsec/wireguard-logs/wireguard-logs.log"
    _, events, rejected = read(name)
    told = [re.search(r"([\d.]+):(\d+)\)?$", line) for line in lines_of(name)]
    assert [(e["src_ip"], str(e["src_port"]), e["action"]) for e in events.values()] == [(*m.groups(), "deny") for m in told if m]
    assert rejected == {}


def test_packets_without_a_date_are_rejected_for_that(tmp_path: Path) -> None:
    case = Case.create_or_open(tmp_path / "case")
    (source,) = ingest(case, [DATA / "crowdsec/tcpdump-logs/tcpdump-logs.log"], IngestOptions(), Silent()).added
    (rejects,) = [pq.read_table(path).to_pylist() for path in case.reject_files()]
    assert (source.event_lines, len(rejects)) == (0, source.lines)
    assert {row["reason"] for row in rejects} == {"the time has no date: tcpdump writes it with -tttt"}
