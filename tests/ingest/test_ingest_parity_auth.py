"""The columnar engine against a slow reader of sshd messages behind the three syslog headers, and of key=value pairs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.ingest.reading import THIS_YEAR, Event, engine_reads, slow_address

from breachscope.ingest import FormatCatalog, load_formats

# sshd: "Failed password for invalid user NAME from ADDRESS port PORT ssh2". The name is the sender's own text.

RFC_3164 = re.compile(r"(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ([^ ]+) ([^ :\[]+)(?:\[[^\]]*\])?: ?(.*)", re.ASCII)
ISO_8601 = re.compile(r"(?:<\d{1,3}>)?(\d{4}-\d\d-\d\d[T ]\S+) ([^ ]+) ([^ :\[]+)(?:\[[^\]]*\])?: ?(.*)", re.ASCII)
RFC_5424 = re.compile(r'<\d{1,3}>1 (\S+) ([^ ]+) ([^ ]+) [^ ]+ [^ ]+ (?:-|(?:\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\])+) (.*)', re.ASCII)
REPEATED = re.compile(r"message repeated (\d+) times: \[ (.*)\]", re.ASCII)
MESSAGE = re.compile(r"(Failed|Accepted) ([^ ]+) for (.*) from ([^ ]+) port (\d+)(?: ssh[12]?(?:: [^ ]+(?: [^ ]+)?| \[preauth\])?)?", re.ASCII)


def slow_sshd(line: str) -> Event | None:
    for header in (RFC_5424, ISO_8601, RFC_3164):
        if match := header.fullmatch(line):
            break
    else:
        return None
    *time, host, program, message = match.groups()
    if program not in ("sshd", "sshd-session"):
        return None
    times = 1
    if repeated := REPEATED.fullmatch(message):
        times, message = int(repeated[1]), repeated[2]
    found = MESSAGE.fullmatch(message)
    if not found or int(found[5]) > 65535:
        return None
    verdict, method, user, address, port = found.groups()
    event: dict[str, Any] = {
        "host": host,
        "client_ip": slow_address(address),
        "client_port": int(port),
        "action": "logon",
        "outcome": "success" if verdict == "Accepted" else "failure",
        "service": "sshd",
        "method": method,
        "attempts": times,
    }
    if verdict == "Failed":
        if method == "keyboard-interactive/pam" and not user.startswith("invalid user "):
            event["attempts"] = 0  # PAM's own message of the try counts
        event["reason"] = "no_user" if user.startswith("invalid user ") else "bad_password"
        user = user.removeprefix("invalid user ")
    if user not in ("", "-", '""', "(null)"):
        event["user"] = user
    if time:
        written = datetime.fromisoformat(time[0])
        offset = written.utcoffset()
        assert offset is not None
        event |= {"ts": written.astimezone(UTC), "ts_offset_min": int(offset.total_seconds() // 60)}
    else:
        event |= {"ts": datetime(2000, 3, 2, 10, 15, 4, tzinfo=UTC), "ts_offset_min": 0}  # a sample's year, none being given
    return event


HEADER = st.sampled_from(
    [
        "Mar  2 10:15:04 srv1 sshd[8]: ",
        "Mar 02 10:15:04 srv1 sshd[8]: ",
        "<38>Mar  2 10:15:04 srv1 sshd: ",
        "2026-03-02T10:15:04.123456+09:00 srv1 sshd-session[77]: ",
        "2026-03-02T10:15:04Z srv1 sshd[8]: ",
        "<38>1 2026-03-02T10:15:04-03:30 srv1 sshd 8 - - ",
        '<38>1 2026-03-02T10:15:04Z srv1 sshd 8 ID47 [meta sequenceId="1"][x y="\\"] Failed"] ',
        "Mar  2 10:15:04 srv1 other[8]: ",
        "10:15:04 srv1 sshd[8]: ",
    ]
)
NAME = st.one_of(
    st.sampled_from(
        # a name may look like the rest of the message
        [
            "root",
            "",
            " ",
            "app 1",
            "a from 10.0.0.1",
            "a from 10.0.0.1 port 22",
            "x from 10.0.0.1 port 22 ssh2",
            "invalid user y",
            "-",
            "山田",
            "a\\",
            "user#011",
            "]",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0"), max_size=12),
)
LOGIN = st.builds(
    "{} {} for {}{} from {} port {}{}".format,
    st.sampled_from(["Failed", "Accepted"]),
    st.sampled_from(["password", "publickey", "keyboard-interactive/pam", "none"]),
    st.sampled_from(["", "invalid user "]),
    NAME,
    st.one_of(st.ip_addresses().map(str), st.just("UNKNOWN"), st.just("host.example")),
    st.one_of(st.integers(0, 65535).map(str), st.sampled_from(["65536", "999999999999999999999", "-1", "port"])),
    st.sampled_from(["", " ssh2", " ssh2: RSA SHA256:abc", " ssh1", " tail"]),
)
REPEATED_LOGIN = st.builds("message repeated {} times: [ {}]".format, st.integers(1, 999), LOGIN)
LOGIN_LINE = st.builds("{}{}".format, HEADER, st.one_of(LOGIN, REPEATED_LOGIN))


@given(st.lists(LOGIN_LINE, min_size=1, max_size=12))
@example(["2026-03-02T10:15:04Z srv1 sshd[8]: Failed password for invalid user  from 192.0.2.9 port 22 ssh2"])
@example(["2026-03-02T10:15:04Z srv1 sshd[8]: Failed password for  from 192.0.2.9 port 22 ssh2"])
@example(["2026-03-02T10:15:04Z srv1 sshd[8]: Failed none for invalid user x from 10.0.0.1 port 22 ssh2 from 192.0.2.9 port 22 ssh2"])
def test_sshd_logins_are_read_as_the_slow_reader_reads_them(lines: list[str]) -> None:
    assert engine_reads(lines, "syslog") == [slow_sshd(line) for line in lines]


# key=value: pairs stand between spaces (and separators that the format names), values may be quoted with backslash escapes;
# what stands inside quotes is never a pair. A line that can be read in two ways is refused: a key of ours twice, a stray quote.

PIECE = re.compile(r'(?:([^\s"=]+)=)?"((?:[^"\\]|\\.)*)"[\]),;:.]*(?=\s|$)|([^\s"]+)(?=\s|$)')
WANTED = {"time": "ts", "user": "user", "client_ip": "ip", "target": "dst.group", "session": "sess"}


def slow_pairs(line: str) -> dict[str, str] | None:
    pairs: dict[str, str] = {}
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        piece = PIECE.match(line, at)
        if piece is None:
            return None
        key, value = (piece[1], piece[2]) if piece[3] is None else (*piece[3].split("=", 1), "")[:2]
        if key in WANTED.values():
            if key in pairs:
                return None
            if piece[3] is None or "=" in piece[3]:
                pairs[key] = value
        at = piece.end()
    return pairs


FORMAT = r"""
title = "Pairs"
spec = ["a test"]
kind = "keyvalue"
table = "auth"
order = 2000
require = ["time"]
time.formats = ["iso8601"]
[keys]
time = "ts"
user = "user"
client_ip = "ip"
target = "dst.group"
session = "sess"
[[sample]]
line = 'ts=2026-03-02T10:15:04Z user=a'
[sample.expect]
ts = 2026-03-02T10:15:04Z
ts_offset_min = 0
ts_quality = "exact"
user = "a"
"""

KEY = st.sampled_from(["user", "ip", "dst.group", "sess", "xuser", "user2", "dstxgroup"])
BARE = st.one_of(
    st.sampled_from(["a", "", "192.0.2.9", "a,b", "a;b", "a=b", "user=x", "-", "it's", "あ"]), st.from_regex(r"[a-z0-9=.:/@+-]{1,8}", fullmatch=True)
)
INNER = st.sampled_from(["a", " ", "user=evil", " ip=203.0.113.1 ", '\\"', "\\\\", "dst.group=root", "あ", ", sess=1,", "="])
QUOTED = st.lists(INNER, max_size=5).map(lambda parts: '"' + "".join(parts) + '"')
PAIRS = st.lists(st.builds("{}={}".format, KEY, st.one_of(BARE, QUOTED)), max_size=8).map(lambda pairs: " ".join(["ts=2026-03-02T10:15:04Z", *pairs]))


@cache
def pairs_catalog(separator: str = "") -> FormatCatalog:
    with TemporaryDirectory() as folder:
        (Path(folder) / "pairs.toml").write_text(FORMAT.replace("order = 2000", f'order = 2000\nseparator = "{separator}"') if separator else FORMAT)
        return load_formats([Path(folder)])


@given(lines=st.lists(PAIRS, min_size=1, max_size=8))
@example(lines=['ts=2026-03-02T10:15:04Z user="x ip=203.0.113.1" ip=192.0.2.9'])
@example(lines=['ts=2026-03-02T10:15:04Z xuser="a user=b" user="c \\" ip=1"'])
def test_pairs_are_read_as_the_slow_reader_reads_them(lines: list[str]) -> None:
    expected: list[Event | None] = []
    for line in lines:
        found = slow_pairs(line)
        if found is None:
            expected.append(None)
            continue
        values = {column: found[key] for column, key in WANTED.items() if column != "time" and found.get(key, "-") not in ("-", "", "(null)")}
        if "client_ip" in values:
            values["client_ip"] = slow_address(values["client_ip"])
        expected.append({"ts": datetime(2026, 3, 2, 10, 15, 4, tzinfo=UTC), "ts_offset_min": 0, **values})
    assert engine_reads(lines, "pairs", pairs_catalog()) == expected


@pytest.mark.parametrize(
    ("separator", "line", "user", "address"),
    [
        ("", "user=u1 ip=192.0.2.9", "u1", "192.0.2.9"),
        (",", "user=u1, ip=192.0.2.9, x=y", "u1", "192.0.2.9"),
        (",", "user=u1,ip=192.0.2.9", "u1", "192.0.2.9"),
        (";", "user=u1;ip=192.0.2.9;", "u1", "192.0.2.9"),
        (",", 'user="u 1",ip="192.0.2.9"', "u 1", "192.0.2.9"),
        ("", "user=tanaka,taro ip=192.0.2.9", "tanaka,taro", "192.0.2.9"),
        ("", 'x="user=evil ip=203.0.113.1" user=u1 ip=192.0.2.9', "u1", "192.0.2.9"),
        ("", 'x="\\" user=evil" user=u1 ip=192.0.2.9', "u1", "192.0.2.9"),
        ("", "user= ip=192.0.2.9", None, "192.0.2.9"),
    ],
)
def test_pairs_by_hand(separator: str, line: str, user: str | None, address: str) -> None:
    found = engine_reads([f"ts=2026-03-02T10:15:04Z{separator} {line}"], "pairs", pairs_catalog(separator))[0]
    assert found is not None
    assert (found.get("user"), found.get("client_ip")) == (user, address)


@pytest.mark.parametrize("line", ["ip=192.0.2.9 ip=203.0.113.1", 'user="open ip=192.0.2.9', 'user=a"b" ip=192.0.2.9', 'x="a"user=u1 ip=192.0.2.9'])
def test_pairs_that_can_be_read_in_two_ways_are_refused(line: str) -> None:
    assert engine_reads([f"ts=2026-03-02T10:15:04Z {line}"], "pairs", pairs_catalog()) == [None]


# Messages by hand: sudo, su, PAM

SUDO = {"action": "elevate", "service": "sudo", "user": "ops1", "target": "root", "attempts": 1}
SU = {"action": "elevate", "service": "su", "user": "ops1", "target": "root", "attempts": 1}
SSHD = {"action": "logon", "service": "sshd", "client_ip": "192.0.2.9", "client_port": 51512}
OK, FAILED = {"outcome": "success"}, {"outcome": "failure"}
WRONG_PASSWORD = {"outcome": "failure", "reason": "bad_password"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("sudo: ops1 : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh", SUDO | OK),
        ("sudo: a b : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh", SUDO | OK | {"user": "a b"}),
        # A folder "/ ; USER=root ; COMMAND=/bin/sh" and a command of these arguments leave the same line: the target stays open.
        ("sudo: ops1 : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh ; USER=evil ; COMMAND=x", {k: v for k, v in SUDO.items() if k != "target"} | OK),
        ("sudo: ops1 : PWD=/ ; USER=root ; COMMAND=/bin/ls", SUDO | OK),
        ("sudo: ops1 : HOST=db1 ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls", SUDO | OK),
        ("sudo: ops1 : TTY=pts/0 ; PWD=/ ; USER=root ; TSID=00/00/01 ; COMMAND=/bin/ls", SUDO | OK),
        ("sudo: ops1 : 1 incorrect password attempt ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls", SUDO | WRONG_PASSWORD),
        ("sudo: ops1 : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls", SUDO | WRONG_PASSWORD | {"attempts": 3}),
        ("sudo: ops1 : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls", SUDO | FAILED),
        ("sudo: ops1 : user NOT in sudoers ; PWD=/ ; USER=root ; COMMAND=/bin/ls", SUDO | FAILED),
        ("su: (to root) ops1 on pts/3", SU | OK),
        ("su[7]: FAILED su for root by ops1", SU | WRONG_PASSWORD),
        ("su: FAILED SU (to root) ops1 on none", SU | WRONG_PASSWORD),
        (
            "su: pam_unix(su-l:auth): authentication failure; logname=ops1 uid=500 euid=0 tty=pts/0 ruser=ops1 rhost=  user=root",
            SU | WRONG_PASSWORD | {"attempts": 0},
        ),
        ("su[7]: pam_unix(su:session): session opened for user root(uid=0) by ops1(uid=500)", SU | OK | {"attempts": 0}),
        ("su[7]: pam_unix(su-l:session): session opened for user root by ops1(uid=500)", SU | OK | {"attempts": 0}),
        (
            "login[9]: pam_unix(login:auth): authentication failure; logname=LOGIN uid=0 euid=0 tty=tty1 ruser= rhost=  user=u1",
            {"user": "u1", "action": "logon", "service": "login", "attempts": 0} | WRONG_PASSWORD,
        ),
        ("sshd[9]: Invalid user  from 192.0.2.9 port 51512", SSHD | {"outcome": "unknown", "reason": "no_user", "attempts": 0}),
        (
            "sshd[9]: Failed password for root from 192.0.2.9 port 51512 ssh2 [preauth]",
            SSHD | WRONG_PASSWORD | {"user": "root", "method": "password", "attempts": 1},
        ),
    ],
)
def test_message_by_hand(message: str, expected: dict[str, Any]) -> None:
    assert engine_reads([f"2026-03-02T10:15:04Z srv1 {message}"], "syslog") == [
        {"ts": datetime(2026, 3, 2, 10, 15, 4, tzinfo=UTC), "ts_offset_min": 0, "host": "srv1", **expected}
    ]


def test_the_shops_own_format_lies_where_the_readme_says() -> None:
    assert (Path(__file__).parents[2] / "sample_logs" / "shop" / "formats" / "shopd.toml").is_file()


HEADS = [
    "Mar  2 10:15:04 srv1 sshd[8]: ",
    "<38>Mar  2 10:15:04 srv1 sshd: ",
    "Mar  2 10:15:04 srv1 sshd[8]:",
    "<38>Mar  2 10:15:04 srv1 U7PG2,245ebe000001,v4.0.80.10875 sshd[8]: ",
    "2026-03-02T10:15:04.000000+00:00 srv1 sshd[8]: ",
    "2026-03-02 10:15:04 srv1 sshd[8]:",
    "<38>1 2026-03-02T10:15:04Z srv1 sshd 8 - - ",
    '<38>1 2026-03-02T10:15:04.0+00:00 srv1 sshd - x [a][m s="1"][x y="\\\\]\\"" z="日"] ',
    '<38>1 2026-03-02T10:15:04Z srv1 sshd 8 - [junos@2636.1.1.1.2.129 a="] - "] ',
]
USERS = st.text("ab-_é日", min_size=1, max_size=5) | st.sampled_from(["%ASA-6-1", "[junos@", "RT_FLOW", "CheckPoint"])


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from(HEADS), USERS), min_size=1, max_size=12))
def test_a_message_says_the_same_behind_every_header_of_syslog(rows: list[tuple[str, str]]) -> None:
    lines = [f"{head}Accepted password for {user} from 192.0.2.9 port 51512 ssh2" for head, user in rows]
    for (_, user), event in zip(rows, engine_reads(lines, "syslog", years=THIS_YEAR), strict=True):
        assert event is not None
        assert (event["ts"], event["host"], event.get("user")) == (datetime(2026, 3, 2, 10, 15, 4, tzinfo=UTC), "srv1", None if user == "-" else user)


def test_what_is_repeated_too_often_is_so_behind_every_header() -> None:
    lines = [f"{head}message repeated {times} times: [ {message}]" for head in HEADS for times in (0, 99_999) for message in ("x", "Connection reset")]
    assert engine_reads(lines, "syslog", years=THIS_YEAR) == [None] * len(lines)
