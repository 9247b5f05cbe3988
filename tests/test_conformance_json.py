"""Real logs of web servers' errors, proxies and JSON events beside the checkout, and what other engines expect of them."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.test_conformance import DATA, expected_by_crowdsec, expected_by_filebeat, line_holding, lines_of, read

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the example logs (../shared/data beside the checkout) are not here")


def log_of(case: str) -> str:
    return f"crowdsec/{case}/{next((DATA / 'crowdsec' / case).glob('*.log')).name}"


def kinds(case: str) -> tuple[Counter[tuple[str, str]], dict[str, int], list[str]]:
    """Events by format and table, skipped lines by kind, and the texts of the rejects."""
    source, events, rejected = read(log_of(case))
    lines = lines_of(log_of(case))
    assert source.lines == len(events) + sum(source.skipped.values()) + len(rejected)
    return (
        Counter((e["format"], e["table"]) for e in events.values()),
        {k: n for k, n in source.skipped.items() if k != "blank"},
        [lines[n - 1] for n in rejected],
    )


@pytest.mark.parametrize(
    ("case", "events", "skipped"),
    [
        ("aws-alb-logs", {("aws_alb", "web"): 14}, {}),
        ("haproxy-logs", {("haproxy", "web"): 2}, {"haproxy: connection trouble before any request": 3}),
        ("modsecurity", {("apache_error", "network"): 10}, {}),
        ("modsecurity-logs", {("apache_error", "network"): 13}, {}),
        ("modsecurity-logs-nginx", {("nginx_error", "network"): 8}, {}),
        ("nginx_req_limit_exceeded", {("nginx_error", "web"): 9}, {}),
        ("nginx-mail-bf", {("nginx_error", "auth"): 11}, {}),
        ("litespeed-admin-bf", {("litespeed_error", "auth"): 9}, {}),
        ("litespeed-logs", {("litespeed_error", "auth"): 2, ("combined", "web"): 1}, {}),
        ("authelia-bf", {("authelia", "auth"): 144}, {}),
        ("teleport-logs", {("teleport", "auth"): 1}, {}),
        ("teleport-impossible-travel", {("teleport", "auth"): 2}, {}),
        ("grafana-logs", {("grafana_text", "auth"): 5, ("grafana_text", "web"): 1, ("grafana_json", "auth"): 3}, {}),
        ("grafana-bf", {("grafana_text", "auth"): 24, ("grafana_json", "auth"): 12}, {}),
        ("suricata-logs-fastlog", {("suricata_fast", "network"): 4}, {}),
        ("gitlab-bf", {("gitlab_json", "web"): 18}, {}),
        ("aws-bf", {("cloudtrail", "auth"): 6}, {}),
        ("aws-cloudtrail-postexploit", {("cloudtrail", "data_access"): 2}, {"cloudtrail: other events": 2}),
        ("k8s-audit-pod-exec-file", {("k8s_audit", "data_access"): 1}, {}),
        ("k8s-audit-priv-pod-file", {("k8s_audit", "data_access"): 1}, {}),
        ("suricata-eve-detect", {("suricata_eve", "network"): 4}, {}),
        ("suricata-logs-evelog", {("suricata_eve", "network"): 6}, {"suricata: other events": 2}),
        ("caddy-basic-auth-bf", {("caddy_json", "web"): 6}, {}),
        ("caddy-coraza", {("caddy_json", "network"): 55}, {}),
    ],
)
def test_every_line_is_read_or_skipped_by_name(case: str, events: dict[tuple[str, str], int], skipped: dict[str, int]) -> None:
    assert kinds(case) == (events, skipped, [])


def test_what_another_program_wrote_between_the_lines_is_rejected() -> None:
    events, _, rejected = kinds("traefik_json")
    assert events == {("traefik_json", "web"): 6}
    assert rejected == ["DEBUG: CrowdsecBouncerTraefikPlugin: 2025/09/05 13:53:40 handleStreamCache:updated"]


# Fields


def test_load_balancer_lines_are_read_as_a_plain_split_reads_them() -> None:
    _, events, _ = read(log_of("aws-alb-logs"))
    for number, line in enumerate(lines_of(log_of("aws-alb-logs"))[:14], 1):
        before, request, _, agent, *_ = line.split('"')
        fields = before.split(" ")
        method, url, protocol = request.split(" ")
        found = re.fullmatch(r"\w+://([^/:]+):\d+([^?]*)(?:\?(.*))?", url)
        assert found is not None
        ours = events[number]
        assert (ours["client_ip"], str(ours["client_port"])) == tuple(fields[3].split(":"))
        assert (ours["method"], ours["protocol"], ours["vhost"], ours["path"], ours.get("query")) == (method, protocol, *found.groups())
        assert (ours["user_agent"], str(ours["status"])) == (agent, fields[8])
        assert (str(ours["bytes_received"]), str(ours["bytes_sent"])) == (fields[10], fields[11])


def test_haproxy_lines_are_read_as_crowdsec_reads_them() -> None:
    name = log_of("haproxy-logs")
    _, events, _ = read(name)
    checked = 0
    for (by, _), theirs in expected_by_crowdsec("haproxy-logs").items():
        if by != "haproxy-logs" or "http_status" not in theirs:
            continue
        ours = events[line_holding(name, theirs["message"])]
        assert ours["client_ip"] == theirs["source_ip"]
        assert (str(ours["status"]), ours["method"], ours["path"]) == (theirs["http_status"], theirs["http_verb"], theirs["http_path"])
        checked += 1
    assert checked == len(events)


def test_ssl_request_lines_are_read_as_filebeat_reads_them() -> None:
    name = "filebeat/apache/access/ssl-request.log"
    _, events, rejected = read(name)
    wanted = expected_by_filebeat(name)
    assert rejected == {}
    assert set(events) == set(wanted)
    for line, theirs in wanted.items():
        ours = events[line]
        assert ours["client_ip"] == theirs["source.ip"]
        assert ours["method"].lower() == theirs["http.request.method"]
        assert ours["path"] + ("?" + ours["query"] if "query" in ours else "") == theirs["url.original"]
        assert ours.get("bytes_sent") == theirs.get("http.response.body.bytes")
        assert ours["ts"].isoformat()[:19] == theirs["@timestamp"][:19]


def test_coraza_alerts_are_those_of_a_plain_search() -> None:
    _, events, _ = read(log_of("caddy-coraza"))
    for number, line in enumerate(lines_of(log_of("caddy-coraza")), 1):
        told = re.match(r'\[client "([^"]+)"\] Coraza: Warning\..*?\[id "(\d+)"\]', json.loads(line)["msg"])
        assert told is not None
        assert (events[number]["src_ip"], events[number]["rule"], events[number]["action"]) == (*told.groups(), "alert")


def test_rules_of_modsecurity_within_nginx_are_those_of_a_plain_search() -> None:
    _, events, _ = read(log_of("modsecurity-logs-nginx"))
    for number, line in enumerate(filter(None, lines_of(log_of("modsecurity-logs-nginx"))), 1):
        assert [events[number]["rule"]] == re.findall(r'\[id "(\d+)"\]', line)


def test_nginx_mail_logins_are_those_of_grep() -> None:
    name = log_of("nginx-mail-logs")
    _, events, rejected = read(name)
    lines = lines_of(name)
    assert rejected == {}
    for number, line in enumerate(lines, 1):
        login = re.search(r'client (logged in|login failed: ).*, client: ([^ ,]+).*, login: "([^"]*)"', line)
        assert (number in events and events[number]["table"] == "auth") == (login is not None), line
        if login:
            ours = events[number]
            outcome = "success" if login[1] == "logged in" else "failure"
            assert (ours["outcome"], ours["client_ip"], ours["user"]) == (outcome, login[2], login[3])


def test_authelia_logins_are_read_as_crowdsec_counts_them() -> None:
    """Text and JSON alike; the name stands between quotes."""
    name = log_of("authelia-bf")
    _, events, _ = read(name)
    for number, line in enumerate(lines_of(name), 1):
        if not line:
            continue
        said = re.search(r"(?:by user|username input) '([^']*)'", line)
        address = re.search(r'remote_ip(?:=|":")([0-9.]+)', line)
        assert said is not None
        assert address is not None
        ours = events[number]
        assert (ours["user"], ours["client_ip"], ours["outcome"]) == (said[1], address[1], "failure")
        assert ours["action"] == ("logon" if "firstfactor" in line else "mfa")
        assert (ours.get("reason") == "no_user") == ("user not found" in line)


def json_lines(case: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Events beside the objects that they were read from."""
    _, events, _ = read(log_of(case))
    lines = lines_of(log_of(case))
    return [(events[n], json.loads(lines[n - 1])) for n in sorted(events) if lines[n - 1].startswith("{")]


@pytest.mark.parametrize("case", ["suricata-eve-detect", "suricata-logs-evelog"])
def test_suricata_events_are_those_of_their_lines(case: str) -> None:
    for ours, theirs in json_lines(case):
        assert (ours["src_ip"], ours["dst_ip"], ours["transport"]) == (theirs["src_ip"], theirs["dest_ip"], theirs["proto"].lower())
        assert ours.get("rule") == theirs.get("alert", {}).get("signature")
        if theirs["event_type"] == "flow":
            assert (ours["bytes_out"], ours["bytes_in"]) == (theirs["flow"]["bytes_toserver"], theirs["flow"]["bytes_toclient"])
        else:
            assert ours["action"] == {"allowed": "alert", "blocked": "deny"}[theirs["alert"]["action"]]
            # The bytes of an alert are those up to it: the flow's own line has them all.
            assert "bytes_out" not in ours


def test_console_logins_are_those_of_their_lines() -> None:
    for ours, theirs in json_lines("aws-bf"):
        assert (ours["user"], ours["client_ip"]) == (theirs["userIdentity"]["userName"], theirs["sourceIPAddress"])
        assert ours["outcome"] == theirs["responseElements"]["ConsoleLogin"].lower()


def test_what_cloudtrail_denied_did_not_happen() -> None:
    assert [(ours["action"], ours["outcome"]) for ours, _ in json_lines("aws-cloudtrail-postexploit")] == [("list", "failure")] * 2


def test_grafana_logins_as_json_are_those_of_their_lines() -> None:
    found = [(ours["outcome"], ours.get("reason"), ours.get("client_ip"), ours.get("user")) for ours, _ in json_lines("grafana-logs")]
    assert found == [
        ("failure", "bad_password", "192.168.1.2", None),
        ("failure", "no_user", "192.168.1.2", None),
        ("success", None, None, "admin@localhost"),
    ]


def test_traefik_durations_are_nanoseconds() -> None:
    for ours, theirs in json_lines("traefik_json"):
        assert ours["duration_ms"] == pytest.approx(theirs["Duration"] / 1e6)
        # Of a list of forwarded addresses CrowdSec takes the first one, which the sender writes; the last one is what the proxy saw.
        assert (ours["client_ip"], ours["peer_ip"]) == (theirs["ClientHost"].split(",")[-1].strip(), theirs["ClientAddr"].rpartition(":")[0])
        assert (ours["status"], ours["path"]) == (theirs["DownstreamStatus"], theirs["RequestPath"].split("?")[0])


def test_kubernetes_takes_the_connections_address() -> None:
    for case in ("k8s-audit-pod-exec-file", "k8s-audit-priv-pod-file"):
        for ours, theirs in json_lines(case):
            assert (ours["user"], ours["client_ip"]) == (theirs["user"]["username"], theirs["sourceIPs"][-1])
            # A shell in a container is no operation on stored data.
            assert ours.get("action") == ("write" if "subresource" not in theirs["objectRef"] else None)


def test_envoy_text_names_no_client() -> None:
    """CrowdSec takes X-Forwarded-For for the client; whoever sends a request writes it."""
    _, events, rejected = read(log_of("envoy-logs"))
    lines = lines_of(log_of("envoy-logs"))
    text = {n: line for n, line in enumerate(lines, 1) if re.search(r"stdout F \[", line)}
    assert {n for n, e in events.items() if e["format"] == "envoy_text"} == set(text)
    for number, line in text.items():
        assert "client_ip" not in events[number]
        assert events[number]["forwarded_for"] == line.split('"')[3]
    assert (set(events), rejected) == ({n for n, line in enumerate(lines, 1) if line.strip()}, {})


@pytest.mark.parametrize("case", ["envoy-logs", "envoy-http-bad-user-agent", "envoy-http-crawl-non_statics"])
def test_json_behind_the_prefix_of_a_container_is_read_as_by_itself(case: str) -> None:
    _, events, rejected = read(log_of(case))
    assert rejected == {}
    for number, line in enumerate(lines_of(log_of(case)), 1):
        if found := re.match(r"\S+ stdout F (\{.*\})$", line):
            told, ours = json.loads(found[1]), events[number]
            assert (ours["method"], ours["path"], ours["status"]) == (told["method"], told["x-envoy-origin-path"], told["response_code"])
            assert ours["ts"] == datetime.fromisoformat(told["start_time"])
            assert ours["client_ip"] == told["downstream_remote_address"].rpartition(":")[0].strip("[]")


def test_apache_and_nginx_tell_refused_logins_in_their_error_logs() -> None:
    for case, count in (("apache2-logs", 1), ("nginx-http-generic-bf", 16)):
        _, events, rejected = read(log_of(case))
        logins = [e for e in events.values() if e["table"] == "auth"]
        assert len(logins) == count
        assert {(e["outcome"], e["reason"]) for e in logins} == {("failure", "no_user")}
        assert rejected == {}


def test_nginx_proxy_manager_is_read_as_crowdsec_reads_it() -> None:
    _, events, rejected = read("crowdsec/nginx_http-catch-npm/nginx_http-catch-npm.log")
    wanted = [fields for (by, _), fields in sorted(expected_by_crowdsec("nginx_http-catch-npm").items()) if by == "nginx-logs"]
    assert (rejected, len(events)) == ({}, len(wanted))
    for ours, theirs in zip(events.values(), wanted, strict=True):
        assert (ours["client_ip"], str(ours["status"])) == (theirs["remote_addr"], theirs["status"])
        assert ours.get("vhost", "_") == theirs["target_fqdn"]
        if theirs.get("verb"):
            assert (ours["method"], ours["path"]) == (theirs["verb"], theirs["request"])
