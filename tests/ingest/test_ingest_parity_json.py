"""The columnar engine against slow readers of JSON events, by the standard library's json, each written from the vendor's description."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.reading import CATALOG, Event, engine_reads, slow_address

from breachscope.ingest import check_samples, load_formats
from breachscope.ingest.engine import read_lines
from breachscope.ingest.reading import Context

NULLS = ("", "-", '""', "(null)")
WHEN = {"ts": datetime(2026, 3, 2, 1, 15, 4, tzinfo=UTC), "ts_offset_min": 0}
ANY_IP = st.one_of(st.ip_addresses().map(str), st.ip_addresses(v=4).map(lambda a: f"::ffff:{a}"), st.sampled_from(["-", "", "LOCAL", "host.example"]))
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
NAME = st.one_of(st.sampled_from(["u1", "", "-", "a b", '","user":"root', "山田", "\\", "\n", "\x1f", "\u2028", "(null)", "PC7$", "null"]), TEXT)
PORT = st.one_of(st.integers(0, 65600), st.integers(0, 65535).map(str), st.sampled_from(["-", None, "", "x"]))
STYLES: tuple[Callable[[Any], str], ...] = (
    lambda event: json.dumps(event, ensure_ascii=False),
    lambda event: json.dumps(event, separators=(",", ":")),
    lambda event: json.dumps(event, sort_keys=True),
)
"""The same event as different writers write it."""
MANY = settings(max_examples=20)
"""Reading JSON costs by the block: many events in each of few blocks."""


def text_of(value: object) -> str | None:
    """A value as text; null where the log says nothing."""
    if value is None or value in NULLS:
        return None
    return value if isinstance(value, str) else json.dumps(value)


def number_of(value: object, highest: int) -> int | None:
    """A whole number; raises ValueError for what is none."""
    text = text_of(value)
    if text is None:
        return None
    number = int(text)
    if not text.isascii() or not text.lstrip("-").isdecimal() or not 0 <= number <= highest:
        raise ValueError(text)
    return number


def address_of(value: object) -> str | None:
    text = text_of(value)
    return None if text is None else slow_address(text)


def read_slowly(events: list[dict[str, Any]], slow: Callable[[dict[str, Any]], Mapping[str, Any] | None]) -> list[Event | None]:
    expected: list[Event | None] = []
    for event in events:
        try:
            found = slow(event)
        except ValueError:
            found = None
        expected.append(None if found is None else {name: value for name, value in found.items() if value is not None})
    return expected


# Windows: one event in three layouts

CODES = {
    "0xc000006a": "bad_password",
    "0xc0000064": "no_user",
    "0xc0000234": "locked",
    "0xc0000072": "locked",
    "0x6": "no_user",
    "0x12": "locked",
    "0x18": "bad_password",
}
ZERO = ("0x0", "0x00000000")


def first_said(*values: object) -> str | None:
    return next((text for value in values if (text := text_of(value)) is not None), None)


def slow_windows(event: dict[str, Any]) -> dict[str, Any] | None:
    number, data = event["id"], event["data"]
    found: dict[str, Any] = {**WHEN, "host": "dc1.example.com", "service": "windows", "user": text_of(data.get("TargetUserName"))}
    source = {"client_ip": address_of(data.get("IpAddress"))}
    subject = {"actor_user": text_of(data.get("SubjectUserName")), "session": text_of(data.get("SubjectLogonId"))}
    status, detail = text_of(data.get("Status")), text_of(data.get("SubStatus"))
    if number in (4624, 4625):
        method = text_of(data.get("AuthenticationPackageName"))
        found |= source | {"action": "logon", "attempts": 1, "method": method.lower() if method else None}
        found |= {"client_port": number_of(data.get("IpPort"), 65535), "logon_type": number_of(data.get("LogonType"), 32767)}
        if number == 4624:
            return found | {"outcome": "success", "session": text_of(data.get("TargetLogonId"))}
        code = status if detail in ZERO else detail or status
        return found | {"outcome": "failure", "reason": CODES.get((code or "").lower())}
    if number in (4634, 4647):
        return found | {
            "action": "logoff",
            "outcome": "success",
            "session": text_of(data.get("TargetLogonId")),
            "logon_type": number_of(data.get("LogonType"), 32767),
        }
    if number == 4648:
        return found | source | subject | {"client_port": number_of(data.get("IpPort"), 65535), "action": "logon", "outcome": "unknown", "attempts": 1}
    if number == 4672:
        return found | {"user": subject["actor_user"], "session": subject["session"], "action": "elevate", "outcome": "success"}
    if number in (4720, 4722, 4724, 4726, 4738):
        return found | subject | {"action": "account_create" if number == 4720 else "account_change", "outcome": "success"}
    if number in (4728, 4732, 4756):
        member = first_said(data.get("MemberName"), data.get("MemberSid"))
        return found | subject | {"user": member, "target": found["user"], "action": "group_add", "outcome": "success"}
    if number == 4740:
        return found | {"action": "lockout", "outcome": "success"}
    if number in (4768, 4769, 4771, 4776):
        found |= {"action": "logon", "attempts": 1, "method": "ntlm" if number == 4776 else "kerberos"}
        if number != 4776:
            found |= source | {"client_port": number_of(data.get("IpPort"), 65535)}
        if number == 4769:
            found["service"] = text_of(data.get("ServiceName"))
        if number != 4771 and status in ZERO:
            return found | {"outcome": "success"}
        if number != 4771 and status is None:
            return None
        return found | {"outcome": "failure", "reason": CODES.get((status or "").lower())}
    return None


def winlogbeat(event: dict[str, Any]) -> dict[str, Any]:
    winlog = {"channel": "Security", "computer_name": "dc1.example.com", "event_id": event["id"], "event_data": event["data"]}
    return {"@timestamp": "2026-03-02T01:15:04.000Z", "winlog": winlog, "message": "An account failed to log on. TargetUserName: root"}


def flat(event: dict[str, Any]) -> dict[str, Any]:
    return {"EventID": event["id"], "EventTime": "2026-03-02T10:15:04+09:00", "Hostname": "dc1.example.com", "Channel": "Security", **event["data"]}


def system(event: dict[str, Any]) -> dict[str, Any]:
    written = {"#attributes": {"SystemTime": "2026-03-02T01:15:04.000000Z"}}
    head = {"EventID": event["id"], "Channel": "Security", "Computer": "dc1.example.com", "TimeCreated": written}
    return {"Event": {"System": head, "EventData": event["data"]}}


WINDOWS = st.fixed_dictionaries(
    {
        "id": st.sampled_from([4624, 4625, 4634, 4647, 4648, 4672, 4720, 4722, 4724, 4726, 4728, 4732, 4738, 4740, 4756, 4768, 4769, 4771, 4776, 4688]),
        "data": st.fixed_dictionaries(
            {},
            optional={
                "TargetUserName": NAME,
                "SubjectUserName": NAME,
                "SubjectLogonId": st.sampled_from(["0x3e7", "-"]),
                "TargetLogonId": st.sampled_from(["0x1f", None]),
                "IpAddress": ANY_IP,
                "IpPort": PORT,
                "LogonType": st.sampled_from([3, "10", "x", None]),
                "AuthenticationPackageName": st.sampled_from(["NTLM", "Kerberos", "-"]),
                "Status": st.sampled_from(["0x0", "0xC000006D", "0xc0000234", "0x6", "0x18", "0x12", "0x25", "-", None]),
                "SubStatus": st.sampled_from(["0x0", "0x00000000", "0xC000006A", "0xc0000064", "0xc0000071", "-", None]),
                "MemberName": st.sampled_from(["-", "CN=U1,DC=example,DC=com"]),
                "MemberSid": st.just("S-1-5-21-1-1104"),
                "ServiceName": st.sampled_from(["FILES$", "-"]),
            },
        ),
    }
)


@MANY
@given(st.lists(WINDOWS, min_size=1, max_size=60), st.sampled_from([winlogbeat, flat, system]), st.sampled_from(STYLES))
def test_windows_events_are_read_as_the_slow_reader_reads_them(
    events: list[dict[str, Any]], layout: Callable[[dict[str, Any]], dict[str, Any]], style: Callable[[Any], str]
) -> None:
    expected = read_slowly(events, slow_windows)
    if layout is flat:
        expected = [e and {**e, "ts_offset_min": 540} for e in expected]
    assert engine_reads([style(layout(e)) for e in events], "windows_security_json") == expected


# Suricata: the type tells the table


def slow_suricata(event: dict[str, Any]) -> dict[str, Any] | None:
    kind = event["event_type"]
    source, target = address_of(event.get("src_ip")), address_of(event.get("dest_ip"))
    if kind == "http" and source:
        http = event.get("http", {})
        path, mark, query = (http.get("url") or "").partition("?")
        return {
            **WHEN,
            "client_ip": source,
            "client_port": number_of(event.get("src_port"), 65535),
            "vhost": text_of(http.get("hostname")),
            "path": path if text_of(http.get("url")) else None,
            "query": query if mark else None,
            "status": number_of(http.get("status"), 999) or None,
            "user_agent": text_of(http.get("http_user_agent")),
        }
    if not source or not target or kind not in ("flow", "alert", "dns", "http"):
        return None
    found = {
        **WHEN,
        "src_ip": source,
        "dst_ip": target,
        "src_port": number_of(event.get("src_port"), 65535),
        "dst_port": number_of(event.get("dest_port"), 65535),
        "transport": event["proto"].lower(),
        "flow_id": text_of(event.get("flow_id")),
    }
    if kind == "flow":
        flow = event.get("flow", {})
        age = flow.get("age")
        sizes = {"bytes_out": number_of(flow.get("bytes_toserver"), (1 << 63) - 1), "bytes_in": number_of(flow.get("bytes_toclient"), (1 << 63) - 1)}
        return found | sizes | {"duration_ms": None if age is None else age * 1000.0}
    if kind == "alert":
        alert = event.get("alert", {})
        if text_of(alert.get("signature")) is None:
            return None
        return found | {"rule": alert["signature"], "action": {"allowed": "alert", "blocked": "deny"}.get(alert.get("action"))}
    if event.get("dns", {}).get("type") in ("answer", "response"):
        return None
    return found | {"app": "dns", "dns_query": text_of(event.get("dns", {}).get("rrname"))}


SURICATA = st.fixed_dictionaries(
    {
        "timestamp": st.just("2026-03-02T01:15:04.000000+0000"),
        "event_type": st.sampled_from(["flow", "alert", "dns", "http", "stats"]),
        "proto": st.sampled_from(["TCP", "UDP"]),
    },
    optional={
        "src_ip": ANY_IP,
        "dest_ip": ANY_IP,
        "src_port": PORT,
        "dest_port": PORT,
        "flow_id": st.integers(0, 1 << 53),
        "flow": st.fixed_dictionaries(
            {}, optional={"bytes_toserver": st.integers(0, 1 << 64), "bytes_toclient": st.integers(0, 1 << 40), "age": st.integers(0, 10**6)}
        ),
        "alert": st.fixed_dictionaries({}, optional={"signature": NAME, "action": st.sampled_from(["allowed", "blocked", "wanted"])}),
        "dns": st.fixed_dictionaries({}, optional={"type": st.sampled_from(["query", "answer"]), "rrname": NAME}),
        "http": st.fixed_dictionaries(
            {},
            optional={
                "url": st.sampled_from(["/", "/a?b=c", "-", "", None]),
                "hostname": NAME,
                "status": st.sampled_from([200, 404, "x"]),
                "http_user_agent": NAME,
            },
        ),
    },
)


@MANY
@given(st.lists(SURICATA, min_size=1, max_size=60), st.sampled_from(STYLES))
def test_suricata_events_are_read_as_the_slow_reader_reads_them(events: list[dict[str, Any]], style: Callable[[Any], str]) -> None:
    assert engine_reads([style(e) for e in events], "suricata_eve") == read_slowly(events, slow_suricata)


# CloudTrail: the service and the operation tell the table, an error that it did not happen

OPERATIONS = {"GetObject": "read", "ListObjects": "list", "PutObject": "write", "DeleteObject": "delete", "GetBucketPolicy": None}


def slow_cloudtrail(event: dict[str, Any]) -> dict[str, Any] | None:
    who = event["userIdentity"]
    user = first_said(who.get("userName"), who.get("arn"))
    if user == "HIDDEN_DUE_TO_SECURITY_REASONS":
        user = None
    found = {**WHEN, "client_ip": address_of(event.get("sourceIPAddress")), "user_agent": text_of(event.get("userAgent")), "user": user}
    name = event["eventName"]
    if name == "ConsoleLogin":
        answer = (event.get("responseElements") or {}).get("ConsoleLogin")
        if answer not in ("Success", "Failure"):
            return None
        reason = "no_user" if answer == "Failure" and event.get("errorMessage") == "No username found in supplied account" else None
        return found | {"action": "logon", "outcome": answer.lower(), "reason": reason, "service": "aws", "attempts": 1}
    action = OPERATIONS[name]
    if action is None or event["eventSource"] != "s3.amazonaws.com":
        return None
    asked = event.get("requestParameters") or {}
    outcome = "failure" if text_of(event.get("errorCode")) else "success"
    return found | {"action": action, "outcome": outcome, "store": text_of(asked.get("bucketName")), "object": text_of(asked.get("key"))}


CLOUDTRAIL = st.fixed_dictionaries(
    {
        "eventVersion": st.just("1.09"),
        "eventTime": st.just("2026-03-02T01:15:04Z"),
        "eventSource": st.sampled_from(["s3.amazonaws.com", "s3.amazonaws.com", "ec2.amazonaws.com"]),
        "eventName": st.sampled_from([*OPERATIONS, "ConsoleLogin"]),
        "userIdentity": st.fixed_dictionaries({}, optional={"userName": st.one_of(NAME, st.just("HIDDEN_DUE_TO_SECURITY_REASONS")), "arn": NAME}),
    },
    optional={
        "sourceIPAddress": st.one_of(ANY_IP, st.just("athena.amazonaws.com")),
        "userAgent": NAME,
        "errorCode": st.sampled_from(["AccessDenied", None, ""]),
        "errorMessage": st.sampled_from(["No username found in supplied account", "Failed authentication"]),
        "requestParameters": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"bucketName": NAME, "key": NAME})),
        "responseElements": st.sampled_from([None, {"ConsoleLogin": "Success"}, {"ConsoleLogin": "Failure"}, {"ConsoleLogin": "Perhaps"}]),
    },
)


@MANY
@given(st.lists(CLOUDTRAIL, min_size=1, max_size=60), st.sampled_from(STYLES))
def test_cloudtrail_events_are_read_as_the_slow_reader_reads_them(events: list[dict[str, Any]], style: Callable[[Any], str]) -> None:
    assert engine_reads([style(e) for e in events], "cloudtrail") == read_slowly(events, slow_cloudtrail)


# Entra ID: the error's number tells how the sign-in ended

ERRORS = {
    0: ("success", None),
    50126: ("failure", "bad_password"),
    50034: ("failure", "no_user"),
    50053: ("failure", "locked"),
    50076: ("failure", "mfa_required"),
}
ERRORS |= {500121: ("failure", "mfa_denied"), 50140: ("unknown", None), 53003: ("failure", None)}


def slow_entra(event: dict[str, Any]) -> dict[str, Any] | None:
    user = text_of(event.get("userPrincipalName"))
    if user is None:
        return None
    outcome, reason = ERRORS[event["status"]["errorCode"]]
    found = {**WHEN, "user": user, "client_ip": address_of(event.get("ipAddress")), "service": text_of(event.get("appDisplayName"))}
    return found | {"user_agent": text_of(event.get("userAgent")), "action": "logon", "outcome": outcome, "reason": reason, "attempts": 1}


ENTRA = st.fixed_dictionaries(
    {"createdDateTime": st.just("2026-03-02T01:15:04Z"), "status": st.fixed_dictionaries({"errorCode": st.sampled_from(list(ERRORS)), "failureReason": NAME})},
    optional={"userPrincipalName": NAME, "ipAddress": ANY_IP, "appDisplayName": NAME, "userAgent": NAME},
)


@MANY
@given(st.lists(ENTRA, min_size=1, max_size=60), st.booleans(), st.sampled_from(STYLES))
def test_entra_sign_ins_are_read_as_the_slow_reader_reads_them(events: list[dict[str, Any]], is_wrapped: bool, style: Callable[[Any], str]) -> None:
    lines = [style({"time": "2026-03-02T09:00:00Z", "category": "SignInLogs", "properties": e} if is_wrapped else e) for e in events]
    assert engine_reads(lines, "entra_signin") == read_slowly(events, slow_entra)


# Zeek: keys tell the log


def slow_zeek(event: dict[str, Any]) -> dict[str, Any] | None:
    source, target = address_of(event.get("id.orig_h")), address_of(event.get("id.resp_h"))
    if source is None:
        return None
    ports = number_of(event.get("id.orig_p"), 65535), number_of(event.get("id.resp_p"), 65535)
    if target is None:
        return None
    found: dict[str, Any] = {**WHEN, "src_ip": source, "dst_ip": target, "flow_id": "Ca1", "transport": event["proto"]}
    if event["proto"] != "icmp":
        found |= {"src_port": ports[0], "dst_port": ports[1]}
    duration = event.get("duration")
    found |= {"app": text_of(event.get("service")), "duration_ms": None if duration is None else pytest.approx(duration * 1000)}
    sizes = (event.get("orig_ip_bytes", event.get("orig_bytes")), event.get("resp_ip_bytes", event.get("resp_bytes")))
    return found | {"bytes_out": sizes[0], "bytes_in": sizes[1]}


SIZE = st.integers(0, 1 << 40)
ZEEK = st.fixed_dictionaries(
    {
        "ts": st.sampled_from([1772414104, 1772414104.0, "2026-03-02T01:15:04.000000Z"]),
        "uid": st.just("Ca1"),
        "proto": st.sampled_from(["tcp", "udp", "icmp"]),
        "conn_state": st.just("SF"),
    },
    optional={
        "id.orig_h": ANY_IP,
        "id.resp_h": ANY_IP,
        "id.orig_p": st.integers(0, 65535),
        "id.resp_p": st.integers(0, 65535),
        "service": NAME,
        "duration": st.floats(0, 1e6, allow_nan=False).map(lambda f: round(f, 6)),
        "orig_bytes": SIZE,
        "resp_bytes": SIZE,
        "orig_ip_bytes": SIZE,
        "resp_ip_bytes": SIZE,
    },
)


@MANY
@given(st.lists(ZEEK, min_size=1, max_size=60), st.sampled_from(STYLES))
def test_zeek_connections_are_read_as_the_slow_reader_reads_them(events: list[dict[str, Any]], style: Callable[[Any], str]) -> None:
    assert engine_reads([style(e) for e in events], "zeek_json") == read_slowly(events, slow_zeek)


# No format takes another product's events for its own: a file with all of them is read by the format of each line


FOREIGN = [
    '{"eventVersion":"1.09","eventTime":"2026-03-02T01:15:04Z","eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","eventType":"AwsApiCall","userIdentity":{}}',
    '{"uuid":"1","published":"2026-03-02T01:15:04Z","eventType":"user.session.start","actor":{"alternateId":"u1"}}',
    '{"timestamp":"2026-03-02T01:15:04Z","event_type":"stats"}',
    '{"time":1772414104120,"type":"CODE_TO_TOKEN","realmId":"r"}',
    '{"EventID":4688,"TimeCreated":"2026-03-02T01:15:04Z"}',
    '{"ei":0,"event":"session.start","code":"T2000I","time":"2026-03-02T01:15:04Z"}',
    '{"logger":"sqlstore","t":"2026-03-02T01:15:04Z","msg":"x","level":"info"}',
    '{"ts":1772414104.1,"uid":"C1","id.orig_h":"192.0.2.9","name":"x"}',
    '{"level":"info","ts":1772414104.1,"logger":"tls","msg":"x"}',
]


@pytest.mark.parametrize("line", FOREIGN, ids=["cloudtrail", "okta", "suricata_eve", "keycloak", "windows", "teleport", "grafana", "zeek", "caddy"])
def test_one_format_only_knows_an_event(line: str) -> None:
    frame = pl.DataFrame({"line": [1], "text": [line]}, schema={"line": pl.Int64, "text": pl.String})
    known = [f.id for f in CATALOG.whole_lines if f.kind == "json" and not len(read_lines(frame, f, CATALOG, Context(source=1)).rejects())]
    assert len(known) == 1


JOINED = """
title = "a time in two keys"
kind = "json"
table = "auth"
order = 990
require = ["time", "user"]
time.formats = ["%Y-%m-%d %H:%M:%S"]
[keys]
time = ["$.whole", '$."a+$b"+$.log.time']
user = "$.log.time"
service = "$.s"
[[sample]]
line = '{"a+$b":"2026-03-02","log":{"time":"10:15:04"}}'
[sample.expect]
ts = 2026-03-02T10:15:04Z
ts_offset_min = 0
ts_quality = "assumed_tz"
user = "10:15:04"
"""
DAYS = st.sampled_from([None, "", "-", "2026-03-02", "no day", 5])
CLOCKS = st.sampled_from([None, "", "-", "10:15:04", "25:00:00", [1]])
WHOLE = st.sampled_from([None, "-", "2026-04-01 01:02:03"])


@settings(max_examples=25)
@given(st.lists(st.tuples(WHOLE, DAYS, CLOCKS, st.booleans()), min_size=1, max_size=8))
def test_values_of_several_keys_are_joined(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, Any, Any, bool]]) -> None:
    folder = tmp_path_factory.mktemp("joined")
    (folder / "joined.toml").write_text(JOINED)
    catalog = load_formats([folder])
    assert check_samples(catalog["joined"], catalog) == []
    # Machine code leaves lines with an escape to the engine.
    lines = [json.dumps({"whole": w, "a+$b": d, "log": {"time": c}, "s": "\\x" if odd else "x"}, separators=(",", ":")) for w, d, c, odd in rows]
    expected = []
    for whole, day, clock, odd in rows:
        clock = None if clock in (None, "", "-") else json.dumps(clock, separators=(",", ":")) if isinstance(clock, list) else clock
        written = whole if whole not in (None, "-") else f"{day} {clock}" if day not in (None, "", "-") and clock else None
        try:
            ts = datetime.strptime(written or "", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            ts = None
        expected.append({"ts": ts, "ts_offset_min": 0, "user": clock, "service": "\\x" if odd else "x"} if ts and clock else None)
    assert engine_reads(lines, "joined", catalog) == expected


@pytest.mark.parametrize("fmt", ["nginx_json", "checkpoint_json", "suricata_eve", "modsecurity_audit_json"])
def test_keys_may_be_escaped_whatever_stands_in_other_lines(fmt: str) -> None:
    """JSON lets a writer escape any character (RFC 8259, section 7)."""
    line = next(s.line for s in CATALOG[fmt].samples if s.expect)
    read = engine_reads([line], fmt)
    assert read != [None]
    for place in (0, 1, -1):
        escaped = _with_escaped_keys(line, place)
        assert engine_reads([escaped], fmt) == read
        assert engine_reads([line, escaped], fmt) == read * 2
        assert fmt in {likely.id for likely in CATALOG.likely(partial(pl.Series, [escaped]))}


def _with_escaped_keys(line: str, place: int) -> str:
    """A JSON line with one character of each key escaped, the last one where a key has fewer."""

    def escaped(found: re.Match[str]) -> str:
        key = found[1]
        at = min(place, len(key) - 1) % len(key)
        return f'"{key[:at]}\\u{ord(key[at]):04X}{key[at + 1 :]}"'

    return re.sub(r'"(\w+)"(?= ?:)', escaped, line)


UNITS = st.sampled_from(["\ud83d", "\ude00", "\udbff", "\ufffd", "山", "a", "\\", "\\u", "\\ud800", "d83d", '"', "/"])


@settings(max_examples=25)
@given(st.lists(st.lists(UNITS, max_size=8).map("".join), min_size=1, max_size=30), st.booleans())
def test_half_a_surrogate_pair_hides_no_line(agents: list[str], has_capitals: bool) -> None:
    """JavaScript escapes one that stands alone, which no JSON reader need take (RFC 8259, section 8.2); it stands for no character."""
    log = [
        json.dumps({"time_iso8601": "2026-03-02T10:15:04Z", "remote_addr": "192.0.2.9", "status": 200, "request_uri": "/a", "http_user_agent": a})
        for a in agents
    ]
    if has_capitals:
        log = [line.replace("ud83d", "uD83D").replace("ude00", "uDE00") for line in log]
        agents = [json.loads(line)["http_user_agent"] for line in log]
    meant = [a.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") for a in agents]
    assert [e and e.get("user_agent", "") for e in engine_reads(log, "nginx_json")] == meant
