"""CEF and LEEF against a slow reader written from their specifications, and inside syslog."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.reading import engine_reads

Event = dict[str, Any]

KEYS = ("rt", "src", "spt", "dst", "dpt", "act", "suser", "msg", "cs1")
VALUE = st.text(st.sampled_from("ab =\\|\n\r.é1"), max_size=6)
SPACED = VALUE | st.text(st.sampled_from("a =\\\t\u00a0\u3000日<"), max_size=6) | st.sampled_from(["a src=1", "a dst=", "x-y=1", "<13>a", "two words", " - "])


def escaped(value: str) -> str:
    """As the specification has values written."""
    return value.replace("\\", "\\\\").replace("=", "\\=").replace("\n", "\\n").replace("\r", "\\r")


def slow_cef(line: str) -> Event | None:
    """Split at bars that no backslash stands before, then at white space before a key: character by character."""
    rest = line
    for _ in range(7):
        found = re.match(r"((?:[^|\\]|\\.)*)\|", rest)
        if found is None:
            return None
        rest = rest[found.end() :]
    pairs: Event = {}
    starts = list(re.finditer(r"(?:^|\s+)([A-Za-z0-9_.\[\]-]+)=", rest))
    for n, start in enumerate(starts):
        end = starts[n + 1].start() if n + 1 < len(starts) else len(rest)
        if start[1] in pairs:
            return None
        raw = rest[start.end() : end].strip()
        pairs[start[1]] = re.sub(r"\\([\\=|nr])", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), raw)
    return pairs


@settings(max_examples=40)
@given(st.lists(st.tuples(SPACED, SPACED, st.booleans()), min_size=1, max_size=8))
def test_values_end_where_the_next_key_stands(rows: list[tuple[str, str, bool]]) -> None:
    lines = []
    for user, message, is_escaped in rows:
        write = escaped if is_escaped else (lambda text: text.replace("\n", "").replace("\r", ""))
        lines.append(f"CEF:0|Example|FW|1|1|a\\|b|3|rt=1772414104120 src=192.0.2.9 msg={write(message)} dst=203.0.113.5 suser={write(user)} act=deny")
    got = engine_reads(lines, "cef")
    for line, event in zip(lines, got, strict=True):
        slow = slow_cef(line)
        if slow is None:
            assert event is None
            continue
        assert event is not None
        assert (event["src_ip"], event["dst_ip"], event["action"]) == ("192.0.2.9", "203.0.113.5", "deny")
        assert event.get("user", "") == ("" if slow["suser"] in ("-", "") else slow["suser"])


NAMED = {"^": "^", ";": ";", "~": "~", "\t": "\t", "x5E": "^", "0x7c": "|", "x61": "a", "x3D": "=", "xE9": "é", "x1F": "\x1f", "": "\t"}
PARTS = st.sampled_from(
    ["usrName=", "usrName=u 1", "xusrName=y", " usrName=z", "src=10.9.9.9", "msg=a=b", "usrName", "=", "", "#0#011", "<13>b", "\x1fusrName=m", "日=x"]
)
PARTED = st.tuples(st.sampled_from(sorted(NAMED)), st.lists(PARTS | st.text("ab =|^é", max_size=5), max_size=4), st.booleans())


def slow_leef(text: str, written: str) -> list[tuple[str, str]]:
    """Split wherever the separator stands: a pair is a key, "=" and all the rest."""
    separator = "#011" if not written and "\t" not in text else NAMED[written]
    parts = text.removeprefix("<13>").replace("\x1f", "\ufffd").split(separator)
    return [(key, value) for key, is_pair, value in (part.partition("=") for part in parts) if is_pair]


@settings(max_examples=40)
@given(st.lists(PARTED, min_size=1, max_size=8))
def test_a_line_names_what_sets_its_pairs_apart(rows: list[tuple[str, list[str], bool]]) -> None:
    lines, told = [], []
    for written, parts, is_relayed in rows:
        separator = "#011" if is_relayed and not written else NAMED[written]
        text = is_relayed * "<13>" + separator.join(["devTime=1772414104120", "src=192.0.2.9", *parts, "dst=203.0.113.5", "action=deny"])
        lines.append(f"LEEF:2.0|Example|FW|1|1|{written}|{text}")
        told.append(slow_leef(text, written))
    for pairs, event in zip(told, engine_reads(lines, "leef"), strict=True):
        wanted = [key for key, _ in pairs if key in ("devTime", "src", "usrName", "dst", "action")]
        if len(wanted) > len(set(wanted)) or not {"devTime", "src", "dst"} <= set(wanted):
            assert event is None
            continue
        assert event is not None
        user = dict(pairs).get("usrName", "")
        assert event.get("user", "") == ("" if user == "-" else user)
        assert (event["src_ip"], event["dst_ip"], event.get("action")) == ("192.0.2.9", "203.0.113.5", "deny" if "action" in wanted else None)


HEADERS = ["Mar  2 10:15:36 fw1 ", "<134>1 2026-03-02T01:15:36Z fw1 CEF - - - ", "2026-03-02T10:15:36+09:00 fw1 ", "<134>Mar  2 10:15:36 fw1 "]
THREAT = "CEF: 0|Ubiquiti|UniFi Network|9.4|201|Threat Detected and Blocked|7|src=192.0.2.9 dst=203.0.113.5 UNIFIcategory=Security"


def test_behind_syslog_the_header_gives_host_and_time_where_the_message_has_none() -> None:
    for header in HEADERS:
        bare, told = engine_reads([header + THREAT, f"{header}{THREAT} UNIFIutcTime=2026-03-02T01:15:04.120Z"], "syslog")
        assert bare is not None
        assert told is not None
        assert (bare["host"], bare["src_ip"], bare["action"]) == ("fw1", "192.0.2.9", "deny")
        assert {**told, "ts": None, "ts_offset_min": None} == {**bare, "ts": None, "ts_offset_min": None}
        assert told["ts"].isoformat() == "2026-03-02T01:15:04.120000+00:00"
    assert engine_reads([HEADERS[2] + THREAT], "syslog")[0]["ts"].isoformat() == "2026-03-02T01:15:36+00:00"  # type: ignore[index]


def test_a_time_that_cannot_be_read_is_not_taken_from_the_header() -> None:
    assert engine_reads([f"{HEADERS[2]}{THREAT} UNIFIutcTime=soon"], "syslog") == [None]


def test_the_consoles_of_unifi_tell_who_came_in_and_whence() -> None:
    begin = f"{HEADERS[2]}CEF:0|Ubiquiti|UniFi OS|4.3.6|"
    names = ["ops1", "x accessed UniFi OS via web. Source IP: 10.9.9.9"]
    lines = [f"{begin}admins|1|msg={name} accessed the UniFi OS via unifi.ui.com. Source IP: 192.0.2.9" for name in names]
    found = engine_reads([*lines, f"{begin}updates|1|msg=UniFi OS was updated", f"{lines[0]} or else"], "syslog")
    assert [(e["user"], e["client_ip"], e["method"], e["action"], e["host"]) for e in found if e] == [
        (name, "192.0.2.9", "unifi.ui.com", "logon", "fw1") for name in names
    ]
    assert found[2:] == [None, None]


LOGIN = r"(?:log[ _-]?(?:in|on)|logged[ _-](?:in|on)|sign[ _-]?(?:in|on)|authenticat(?:ion|ed|e))\b"
LOGOUT = r"(?:log[ _-]?(?:off|out)|logged[ _-](?:off|out)|sign[ _-]?(?:off|out))\b"
FAILED = r"\b(?:fail(?:ed|ure)?|den(?:ied|y)|reject(?:ed)?|invalid|unsuccessful|incorrect|refused)\b"
SUCCEEDED = r"\b(?:success(?:ful(?:ly)?)?|succeeded|accepted|granted|passed|logged[ _-](?:in|on))\b"
NAMES = st.lists(
    st.sampled_from(["login", "Log-on", "logged in", "logout", "sign_in", "failed", "DENIED", "success", "accepted", "x", "1", "_", "é", "-", " ", " "])
)


def slow_login(name: str) -> tuple[str, str] | None:
    """What the name of an event tells of a login, by whole words."""

    def both(first: str, second: str) -> bool:
        return re.search(f"(?i){first}.*{second}|{second}.*{first}", name) is not None

    if both(LOGIN, FAILED):
        return "logon", "failure"
    if re.search(f"(?i){LOGOUT}", name):
        return "logoff", "success"
    if both(LOGIN, SUCCEEDED) or re.search(r"(?i)\blogged[ _-](?:in|on)\b", name):
        return "logon", "success"
    return None


@settings(max_examples=5)
@given(st.lists(NAMES.map("".join), min_size=20, max_size=60))
def test_the_name_of_an_event_tells_a_login_by_whole_words(names: list[str]) -> None:
    for fmt, header in (("cef", ""), ("syslog", HEADERS[3]), ("syslog", HEADERS[1])):
        lines = [f"{header}CEF:0|Example|VPN|1|5|{name}|3|rt=1772414104120 src=192.0.2.9 duser=u1" for name in names]
        lines += [f"{header}LEEF:1.0|Example|VPN|1|{name}|devTime=1772414104120\tsrc=192.0.2.9\tusrName=u1" for name in names]
        of_cef, of_leef = lines[: len(names)], lines[len(names) :]
        got = engine_reads(of_cef, "cef") + engine_reads(of_leef, "leef") if fmt == "cef" else engine_reads(lines, fmt)
        told = [event and (event["action"], event["outcome"]) for event in got]
        assert told == [slow_login(name) for name in names] * 2
        assert all(event["ts"].isoformat() == "2026-03-02T01:15:04.120000+00:00" for event in got if event)
