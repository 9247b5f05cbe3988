"""The columnar engine against slow readers of firewalls' messages, each written from the vendor's description of it."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.reading import engine_reads, slow_address

Event = dict[str, Any]

NULLS = ("", "-", "(null)", '""')
AT = datetime(2026, 3, 2, 10, 15, 4, tzinfo=UTC)
BASE: Event = {"ts": AT, "ts_offset_min": 0}

ADDRESS = st.one_of(st.ip_addresses().map(str), st.sampled_from(["192.0.2.9", "2001:DB8::9", "::ffff:192.0.2.9", "mail.example.com", "", "1.2.3.4.5"]))
PORT = st.one_of(st.integers(0, 65535).map(str), st.sampled_from(["0", "65536", "99999999999999999999", "", "-1", "ssh"]))
NUMBER = st.one_of(st.integers(0, 1 << 40).map(str), st.sampled_from(["", "-5", "99999999999999999999", "1.5", "x"]))
ODD_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0"), max_size=8)


def ports_fit(*ports: str) -> bool:
    return all(p.isascii() and p.isdigit() and int(p) <= 65535 for p in ports)


def whole(text: str) -> int | None:
    """A count of bytes; None for what is none."""
    return int(text) if text.isascii() and text.isdigit() and int(text) < 1 << 63 else None


# Cisco ASA: "%ASA-6-302013: Built inbound TCP connection N for IF:ADDRESS/PORT (MAPPED/PORT) to IF:ADDRESS/PORT (MAPPED/PORT) (USER)"

ASA_END = re.compile(r"[^ :]+:([^ /()]+)/(\d+) \(([^ /()]+)/\d+\)(?:\([^()]*\))?", re.ASCII)
ASA_DENIED = re.compile(r'Deny (\S+) src (.*?) dst (.*?) by access-group "([^" ]+)"(?: \[[^\]]*\])?', re.ASCII)
ASA_REJECTED = "AAA user authentication Rejected : reason = Invalid password : local database : user = "


def slow_asa(message: str) -> Event | None:
    number, _, text = message.partition(": ")
    if number == "302013":
        found = re.fullmatch(r"Built (inbound|outbound) (TCP|UDP) connection ([0-9]+) for (.*?) to (.*)", text)
        if found is None:
            return None
        direction, transport, flow, first, second = found.groups()
        user = None
        if second.endswith(")") and " (" in second and second.count(" (") == 2:
            second, _, user = second[:-1].rpartition(" (")
            if "(" in user or ")" in user:
                return None
        ends = [ASA_END.fullmatch(first), ASA_END.fullmatch(second)]
        if not (ends[0] and ends[1]):
            return None
        source, target = (ends[0], ends[1]) if direction == "inbound" else (ends[1], ends[0])
        if not ports_fit(source[2], target[2]):
            return None
        event: Event = {
            "direction": direction, "transport": transport.lower(), "flow_id": flow, "action": "allow",
            "src_ip": slow_address(source[1]), "src_port": int(source[2]), "nat_src_ip": slow_address(source[3]),
            "dst_ip": slow_address(target[1]), "dst_port": int(target[2]),
        }  # fmt: skip
        return event | ({"user": user} if user is not None and user not in (*NULLS, "*****") else {})
    if number == "106023":
        denied = ASA_DENIED.fullmatch(text)
        if denied is None:
            return None
        event = {"action": "deny", "transport": denied[1].lower(), "rule": denied[4]}
        for role, end in (("src", denied[2]), ("dst", denied[3])):
            place = re.fullmatch(r"[^ :]+:([^ /()]+)(?:/(\d+))?", end, re.ASCII)
            if place is None or not (place[2] is None or ports_fit(place[2])):
                return None
            event[f"{role}_ip"] = slow_address(place[1])
            if place[2] is not None:
                event[f"{role}_port"] = int(place[2])
        return event
    if number == "605004":
        opening = re.match(r'Login denied from ([^ /]+)/(\d+) to [^ :]+:[^ /]+/([\w-]+) for user "', text, re.ASCII)
        if opening is None or not text.endswith('"') or len(text) == opening.end() or not ports_fit(opening[2]):
            return None
        user = text[opening.end() : -1]
        login: Event = {"action": "logon", "outcome": "failure", "attempts": 1, "service": opening[3]}
        login |= {"client_ip": slow_address(opening[1]), "client_port": int(opening[2])}
        return login | ({"user": user} if user not in (*NULLS, "*****") else {})
    if number == "113015" and text.startswith(ASA_REJECTED):
        user, _, address = text.removeprefix(ASA_REJECTED).rpartition(" : user IP = ")
        failure = {"action": "logon", "outcome": "failure", "reason": "bad_password", "attempts": 1, "service": "asa", "client_ip": slow_address(address)}
        return failure | ({"user": user} if user not in (*NULLS, "*****") else {})
    return None


ASA_PLACE = st.builds("{}:{}/{}".format, st.sampled_from(["outside", "in-2", "", "a b"]), ADDRESS, PORT)
ASA_BOTH = st.builds("{} ({}/{})".format, ASA_PLACE, ADDRESS, PORT)
ASA_NAME = st.one_of(st.sampled_from(["", "ops1", "a b", "*****", 'x" for user "y', "x : user IP = 10.0.0.1", "山田", " (", "x) (y", ") to ("]), ODD_TEXT)
ASA_MESSAGE = st.one_of(
    st.builds(
        "302013: Built {} {} connection {} for {}{} to {}{}".format,
        st.sampled_from(["inbound", "outbound", "Inbound"]), st.sampled_from(["TCP", "UDP", "SCTP"]), st.sampled_from(["1", "9921", "x", ""]), ASA_BOTH,
        st.sampled_from(["", "", r"(LOCAL\ops1)"]), ASA_BOTH, st.one_of(st.just(""), ASA_NAME.map(lambda n: f" ({n})")),
    ),
    st.builds(
        '106023: Deny {} src {} dst {} by access-group "{}"{}'.format,
        st.sampled_from(["tcp", "UDP", "47"]), ASA_PLACE, ASA_PLACE, st.sampled_from(["outside_in", "", "a b", "規則"]),
        st.sampled_from(["", " [0x0, 0x0]", " x"]),
    ),
    st.builds(
        '605004: Login denied from {}/{} to outside:{}/{} for user "{}"'.format,
        ADDRESS, PORT, ADDRESS, st.sampled_from(["ssh", "https", ""]), ASA_NAME,
    ),
    st.builds(f"113015: {ASA_REJECTED}{{}} : user IP = {{}}".format, ASA_NAME, st.ip_addresses().map(str)),
)  # fmt: skip
ASA_HEADERS: dict[str, Event] = {
    "<166>Mar 02 2026 10:15:04 fw1 : %ASA-6-": BASE | {"host": "fw1"},
    "Mar  2 2026 10:15:04: %FTD-0-": BASE,
    "<166>:Mar 02 2026 10:15:04 %ASA-session-6-": BASE,
    "Mar  2 10:15:04 fw1 %ASA-6-": BASE | {"host": "fw1", "ts": AT.replace(year=2000)},
    "Mar  2 10:15:04 : %ASA-6-": BASE | {"ts": AT.replace(year=2000)},
    "2026-03-02T19:15:04+09:00 2001:db8::1 : %ASA-6-": BASE | {"host": "2001:db8::1", "ts_offset_min": 540},
    "<166>2026-03-02T10:15:04Z fw1 %ASA-6-": BASE | {"host": "fw1"},
    "Mar  2 10:15:05 relay Mar 02 2026 10:15:04 fw1 : %ASA-6-": BASE | {"host": "fw1"},
    "Mar  2 10:15:05 192.0.2.1 Mar 02 2026 10:15:04: %ASA-6-": BASE | {"host": "192.0.2.1"},
    "<166>Mar  2 10:15:05 relay <166>2026-03-02T10:15:04Z fw1 : %ASA-6-": BASE | {"host": "fw1"},
    "2026-03-02T10:15:04Z relay Mar 02 2026 23:15:04 fw1 %ASA-6-": BASE | {"host": "fw1"},
    "2026-03-02T10:15:04Z fw1 Mar 02 2026 23:15:04 %ASA-6-": BASE | {"host": "fw1"},
}


@given(st.lists(st.tuples(st.sampled_from(list(ASA_HEADERS)), ASA_MESSAGE), min_size=1, max_size=10))
def test_asa_messages_are_read_as_the_slow_reader_reads_them(lines: list[tuple[str, str]]) -> None:
    read = [slow_asa(message) for _, message in lines]
    expected = [None if event is None else ASA_HEADERS[header] | event for (header, _), event in zip(lines, read, strict=True)]
    assert engine_reads([header + message for header, message in lines], "syslog") == expected


@pytest.mark.parametrize(
    "header",
    [
        "Mar 02 2026 10:15:04 CST: %ASA-6-",
        "Mar 02 10:15:04 EST: %ASA-6-",
        "Mar  2 10:15:04 fw1 x %ASA-6-",
        "Mar  2 10:15:04 fw1 app: %ASA-6-",
        "Mar  2 10:15:04 fw1 app[8]: Mar 02 2026 10:15:04 fw1 : %ASA-6-",
        "Mar  2 10:15:04 fw1 %ASA-8-",
        "fw1 : %ASA-6-",
    ],
)
def test_a_header_that_is_not_the_firewalls_own_makes_no_firewall_event(header: str) -> None:
    assert engine_reads([f'{header}605005: Login permitted from serial to console for user "x"'], "syslog") == [None]


FIVE: Event = {"src_ip": "192.0.2.9", "src_port": 51512, "dst_ip": "203.0.113.5", "dst_port": 53}
PAIR: Event = {"src_ip": "192.0.2.9", "dst_ip": "203.0.113.5"}
LOGON: Event = {"action": "logon", "client_ip": "192.0.2.9", "user": "ops1"}
VPN = "Group <RA> User <ops1> IP <192.0.2.9>"
FTD = (
    "EventPriority: Low, DeviceUUID: 8e1e, InstanceID: 2, FirstPacketSecond: 2026-03-02T01:15:04Z, ConnectionID: 9921, AccessControlRuleAction: Allow, "
    "SrcIP: 192.0.2.9, DstIP: 203.0.113.5, SrcPort: 51512, DstPort: 53, Protocol: udp, IngressInterface: outside, IngressZone: out, ACPolicy: p, "
    "AccessControlRuleName: allow dns, Prefilter Policy: Default, User: No Authentication Required, "
)
FTD_SAYS: Event = {"flow_id": "9921", "transport": "udp", "action": "allow", "rule": "allow dns"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "106006: Deny inbound UDP from 192.0.2.9/51512 to 203.0.113.5/53 on interface outside",
            FIVE | {"transport": "udp", "action": "deny", "direction": "inbound"},
        ),
        (
            "106007: Deny inbound UDP from 192.0.2.9/51512 to 203.0.113.5/53 due to DNS Query",
            FIVE | {"transport": "udp", "action": "deny", "direction": "inbound"},
        ),
        (
            "106014: Deny inbound icmp src outside:192.0.2.9 dst inside:203.0.113.5 (type 8, code 0)",
            PAIR | {"transport": "icmp", "action": "deny", "direction": "inbound"},
        ),
        (
            "106015: Deny TCP (no connection) from 192.0.2.9/51512 to 203.0.113.5/53 flags RST ACK  on interface outside",
            FIVE | {"transport": "tcp", "action": "deny"},
        ),
        ("106021: Deny TCP reverse path check from 192.0.2.9 to 203.0.113.5 on interface outside", PAIR | {"transport": "tcp", "action": "deny"}),
        (
            '106023: Deny protocol 47 src outside:192.0.2.9 dst inside:203.0.113.5 by access-group "out"',
            PAIR | {"transport": "47", "action": "deny", "rule": "out"},
        ),
        (
            "106100: access-list in est-allowed udp outside/192.0.2.9(51512) -> inside/203.0.113.5(53) hit-cnt 1 first hit [0x0, 0x0]",
            FIVE | {"transport": "udp", "action": "allow", "rule": "in"},
        ),
        ("302021: Teardown ICMP connection for faddr 192.0.2.9/0 gaddr 203.0.113.5/0 laddr 203.0.113.5/0", PAIR | {"transport": "icmp", "action": "allow"}),
        (
            "302016: Teardown UDP connection 7 for outside:192.0.2.9/51512 to inside:203.0.113.5/53 duration 0:02:01 bytes 0 (u)",
            FIVE | {"transport": "udp", "action": "allow", "flow_id": "7", "bytes_total": 0, "duration_ms": 121_000.0, "user": "u"},
        ),
        (
            "302014: Teardown TCP connection 7 for outside:192.0.2.9/51512 to inside:203.0.113.5/53 duration 0:02:01 bytes 9 TCP Reset-O",
            FIVE | {"transport": "tcp", "action": "allow", "flow_id": "7", "bytes_total": 9, "duration_ms": 121_000.0},
        ),
        (
            "305011: Built dynamic ICMP translation from inside:192.0.2.9/1 to outside:203.0.113.5/2",
            {"src_ip": "192.0.2.9", "nat_src_ip": "203.0.113.5", "transport": "icmp"},
        ),
        (
            "710001: TCP access requested from 192.0.2.9/51512 to outside:203.0.113.5/ssh",
            PAIR | {"src_port": 51512, "app": "ssh", "transport": "tcp", "direction": "inbound"},
        ),
        ("710002: UDP access permitted from 192.0.2.9/51512 to outside:203.0.113.5/53", FIVE | {"transport": "udp", "action": "allow", "direction": "inbound"}),
        ("710005: UDP request discarded from 192.0.2.9/51512 to outside:203.0.113.5/53", FIVE | {"transport": "udp", "action": "deny", "direction": "inbound"}),
        ("611101: User authentication succeeded: IP address: 192.0.2.9, Uname: ops1", LOGON | {"outcome": "success", "service": "asa", "attempts": 0}),
        ("611102: User authentication failed: IP = x, Uname: ops1", None),
        (
            "113012: AAA user authentication Successful : local database : user = ops1",
            {"action": "logon", "user": "ops1", "outcome": "success", "service": "asa", "attempts": 1},
        ),
        ("113005: AAA user authentication Rejected : reason = AAA failure : server = 192.0.2.1 : user = a=b", None),
        (
            "106010: Deny inbound protocol 47 src outside:192.0.2.9 dst inside:203.0.113.5",
            PAIR | {"transport": "47", "action": "deny", "direction": "inbound"},
        ),
        (
            "106011: Deny inbound (No xlate) tcp src outside:192.0.2.9/51512 dst outside:203.0.113.5/53",
            FIVE | {"transport": "tcp", "action": "deny", "direction": "inbound"},
        ),
        ("106012: Deny IP from 192.0.2.9 to 203.0.113.5, IP options hex", PAIR | {"action": "deny"}),
        ("106013: Dropping echo request from 192.0.2.9 to PAT address 203.0.113.5", PAIR | {"transport": "icmp", "action": "deny", "direction": "inbound"}),
        ("106016: Deny IP spoof from (192.0.2.9) to 203.0.113.5 on interface outside", PAIR | {"action": "deny"}),
        ("106017: Deny IP due to Land Attack from 192.0.2.9 to 203.0.113.5", PAIR | {"action": "deny"}),
        (
            "106018: ICMP packet type 8 denied by outbound list 101 src 192.0.2.9 dest 203.0.113.5",
            PAIR | {"transport": "icmp", "action": "deny", "rule": "101", "direction": "outbound"},
        ),
        ("106020: Deny IP teardrop fragment (size = 36, offset = 0) from 192.0.2.9 to 203.0.113.5", PAIR | {"action": "deny"}),
        ("106022: Deny tcp connection spoof from 192.0.2.9 to 203.0.113.5 on interface outside", PAIR | {"transport": "tcp", "action": "deny"}),
        ("106022: Deny tcp connection spoof from 192.0.2.9", None),
        (
            "106103: access-list vpn denied tcp for user 'ops1' outside/192.0.2.9(51512) -> inside/203.0.113.5(53) hit-cnt 1 first hit [0x0, 0x0]",
            FIVE | {"transport": "tcp", "action": "deny", "rule": "vpn", "user": "ops1"},
        ),
        (
            "305005: No translation group found for udp src inside:192.0.2.9/51512 dst outside:203.0.113.5/53",
            FIVE | {"transport": "udp", "action": "deny"},
        ),
        (
            "305006: portmap translation creation failed for icmp src inside:192.0.2.9 dst outside:203.0.113.5 (type 8, code 0)",
            PAIR | {"transport": "icmp", "action": "deny"},
        ),
        (
            "313001: Denied ICMP type=8, code=0 from 192.0.2.9 on interface outside",
            {"src_ip": "192.0.2.9", "transport": "icmp", "action": "deny", "direction": "inbound"},
        ),
        (
            "313005: No matching connection for ICMP error message: icmp src outside:192.0.2.9 dst inside:203.0.113.5 (type 3, code 3) on outside interface.  "
            "Original IP payload: udp src inside:10.9.9.9/1 dst outside:10.9.9.8/2.",
            PAIR | {"transport": "icmp", "action": "deny"},
        ),
        ("400014: IDS:2004 ICMP echo request from 192.0.2.9 to 203.0.113.5 on interface outside", PAIR | {"action": "alert", "rule": "2004"}),
        (
            "109006: Authentication failed for user ops1 from 192.0.2.9/51512 to 203.0.113.5/23 on interface inside",
            LOGON | {"client_port": 51512, "outcome": "failure", "service": "asa", "attempts": 1},
        ),
        (
            "113006: User ops1 locked out on exceeding 3 successive failed authentication attempts",
            {"action": "lockout", "user": "ops1", "outcome": "success", "service": "asa"},
        ),
        (
            "113017: AAA credentials rejected: reason = Invalid password: local database: user = ops1: user IP = 192.0.2.9",
            LOGON | {"outcome": "failure", "reason": "bad_password", "service": "asa", "attempts": 1},
        ),
        (
            "113021: Attempted console login failed. User ops1 did NOT have appropriate Admin Rights.",
            {"action": "logon", "user": "ops1", "outcome": "failure", "service": "console", "attempts": 1},
        ),
        (f"113039: {VPN} AnyConnect parent session started.", LOGON | {"outcome": "success", "service": "asa-vpn", "attempts": 0}),
        (
            "308001: console enable password incorrect for 3 tries (from 192.0.2.9)",
            {"action": "elevate", "client_ip": "192.0.2.9", "outcome": "failure", "reason": "bad_password", "service": "asa", "attempts": 3},
        ),
        (
            '315011: SSH session from 192.0.2.9 on interface outside for user "ops1" terminated normally',
            LOGON | {"action": "logoff", "outcome": "success", "service": "ssh"},
        ),
        (
            "502101: New user added to local dbase: Uname: ops2 Priv: 15 Encpass: ****",
            {"action": "account_create", "user": "ops2", "outcome": "success", "service": "asa"},
        ),
        (
            "502103: User priv level changed: Uname: ops1 From: 1 To: 15",
            {"action": "elevate", "user": "ops1", "target": "15", "outcome": "success", "service": "asa", "attempts": 1},
        ),
        ("611103: User logged out: Uname: ops1", {"action": "logoff", "user": "ops1", "outcome": "success", "service": "asa"}),
        (
            f"430003: {FTD}InitiatorPackets: 10, ResponderPackets: 12, InitiatorBytes: 9120, ResponderBytes: 75090, URL: http://a, SrcIP: 10.9.9.9",
            FIVE | FTD_SAYS | {"bytes_out": 9120, "bytes_in": 75090},
        ),
        (f"430003: {FTD}UserAgent: x, InitiatorBytes: 1, ResponderBytes: 2, InitiatorBytes: 9120, ResponderBytes: 75090", FIVE | FTD_SAYS),
        (f"430002: {FTD}Client: x".replace("Action: Allow", "Action: Block with reset"), FIVE | FTD_SAYS | {"action": "reset"}),
        (
            "430001: DeviceUUID: 8e1e, InstanceID: 3, ConnectionID: 9921, SrcIP: 192.0.2.9, DstIP: 203.0.113.5, SrcPort: 51512, DstPort: 53, Protocol: tcp, "
            'Priority: 1, GID: 1, SID: 648, Revision: 18, Message: "SHELLCODE x, SID: 1", Classification: x, InlineResult: Dropped, ACPolicy: x',
            FIVE | {"flow_id": "9921", "transport": "tcp", "action": "deny", "rule": "648"},
        ),
        ("430001: DeviceUUID: 8e1e, SrcIP: 192.0.2.9", None),
        (f"716001: {VPN} WebVPN session started.", LOGON | {"outcome": "success", "service": "asa-vpn", "attempts": 0}),
        (f"716002: {VPN} WebVPN session terminated: User Requested.", LOGON | {"action": "logoff", "outcome": "success", "service": "asa-vpn"}),
        (f"716038: {VPN} Authentication: successful, Session Type: WebVPN.", LOGON | {"outcome": "success", "service": "asa-vpn", "attempts": 0}),
    ],
)
def test_an_asa_message_by_hand(message: str, expected: Event | None) -> None:
    found = engine_reads([f"2026-03-02T10:15:04Z fw1 : %ASA-6-{message}"], "syslog")
    assert found == [None if expected is None else BASE | {"host": "fw1"} | expected]


# pfSense and OPNsense: columns set apart by commas; which there are depends on the IP version, the protocol and the fragment.


def slow_filterlog(message: str) -> Event | None:
    columns = message.split(",")
    if len(columns) < 9 or not re.fullmatch("[0-9]*", columns[0]) or not re.fullmatch("[a-z]+", columns[6]) or columns[7] not in ("in", "out"):
        return None
    names = {
        "4": ("tos", "ecn", "ttl", "id", "offset", "flags", "number", "protocol", "length", "src", "dst"),
        "6": ("class", "label", "hops", "protocol", "number", "length", "src", "dst"),
    }.get(columns[8])
    if names is None or len(columns) < 9 + len(names):
        return None
    packet = dict(zip(names, columns[9:], strict=False))
    rest = columns[9 + len(names) :]
    length = whole(packet["length"])
    if not (re.fullmatch("[0-9]{1,3}", packet["number"]) and packet["protocol"] and packet["src"] and packet["dst"] and length is not None):
        return None
    transport = {"icmpv6": "ipv6-icmp"}.get(packet["protocol"].lower(), packet["protocol"].lower())
    event: Event = {"transport": transport, "bytes_out": length, "src_ip": slow_address(packet["src"]), "dst_ip": slow_address(packet["dst"])}
    if packet.get("offset", "0") == "0":
        if packet["number"] in ("6", "17"):
            if len(rest) < 3 or not ports_fit(*rest[:2]):
                return None
            event |= {"src_port": int(rest[0]), "dst_port": int(rest[1])}
        elif re.fullmatch("0[0-9]", packet["number"]):
            return None
    elif not re.fullmatch("[1-9][0-9]*", packet["offset"]):
        return None
    action = {"pass": "allow", "block": "deny"}.get(columns[6])
    return event | ({"action": action} if action else {}) | ({"rule": columns[3]} if columns[3] not in NULLS else {})


PF_ADDRESS = st.one_of(st.ip_addresses().map(str), st.sampled_from(["2001:DB8::9", "::ffff:192.0.2.9", "192.0.2.9", ""]))
PF_HEAD = st.builds(
    "{},,,{},{},{},{},{}".format,
    st.sampled_from(["5", "", "x"]), st.sampled_from(["1000000103", "02f4bab0", "-", "", "規則"]), st.sampled_from(["em0", "igb1.20", ""]),
    st.sampled_from(["match", "bad-offset"]), st.sampled_from(["pass", "block", "rdr", "unkn(9)"]), st.sampled_from(["in", "out", "both"]),
)  # fmt: skip
PF_PROTOCOL = st.sampled_from([("6", "tcp"), ("17", "UDP"), ("1", "icmp"), ("58", "ICMPv6"), ("112", "carp"), ("06", "tcp"), ("", "tcp"), ("2", "")])
PF_ENDS = st.builds("{},{},{}".format, NUMBER, PF_ADDRESS, PF_ADDRESS)
PF_REST = st.one_of(
    st.builds(",{},{},{}".format, PORT, PORT, st.sampled_from(["0,S,17536001,,65535,,mss;nop", "28", ""])),
    st.sampled_from(["", ",", ",request,1,7", ",errormsg=[bad hdr length 0 - too short],", ",53"]),
)
PF_MESSAGE = st.one_of(
    st.builds(
        lambda head, offset, protocol, ends, rest: f"{head},4,0x0,,64,892,{offset},none,{protocol[0]},{protocol[1]},{ends}{rest}",
        PF_HEAD, st.sampled_from(["0", "0", "0", "1480", "", "-8"]), PF_PROTOCOL, PF_ENDS, PF_REST,
    ),
    st.builds(lambda head, protocol, ends, rest: f"{head},6,0x00,0x0ea87,51,{protocol[1]},{protocol[0]},{ends}{rest}", PF_HEAD, PF_PROTOCOL, PF_ENDS, PF_REST),
    st.builds("{},5,0x0".format, PF_HEAD),
    ODD_TEXT,
)  # fmt: skip


@given(st.lists(PF_MESSAGE, min_size=1, max_size=10))
def test_filterlog_is_read_as_the_slow_reader_reads_it(messages: list[str]) -> None:
    read = [slow_filterlog(message) for message in messages]
    expected = [None if event is None else BASE | {"host": "fw1"} | event for event in read]
    assert engine_reads([f"2026-03-02T10:15:04Z fw1 filterlog[8]: {message}" for message in messages], "syslog") == expected


# Palo Alto Networks: comma-separated columns by position, quoted where a value holds a comma; the time with an offset is column 103 (traffic).

PAN_ACTIONS = {"allow": "allow", "deny": "deny", "drop-icmp": "deny", "reset-both": "reset"}


def slow_panos(line: str) -> Event | None:
    try:
        row = next(csv.reader([line], strict=True))
    except (csv.Error, StopIteration):
        return None
    if len(row) < 38 or row[0] not in ("", "0", "1") or row[3] != "TRAFFIC" or row[4] not in ("start", "end", "drop"):
        return None
    numbers = [whole(text) if text else None for text in row[31:34]]
    if not ports_fit(row[24], row[25]) or None in [n for n, text in zip(numbers, row[31:34], strict=True) if text] or not (row[7] and row[8]):
        return None
    if not (re.fullmatch("[0-9]*", row[22]) and re.fullmatch("[0-9]*", row[36])) or row[22][:1] == "0" != row[22]:
        return None
    event: Event = {"src_ip": slow_address(row[7]), "dst_ip": slow_address(row[8]), "src_port": int(row[24]), "dst_port": int(row[25])}
    event |= {"ts": AT, "ts_offset_min": 0}
    if len(row) >= 103 and re.fullmatch(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d", row[102], re.ASCII):
        written = datetime.fromisoformat(row[102])
        event |= {"ts": written.astimezone(UTC), "ts_offset_min": 540}
    event |= {c: n for c, n in zip(("bytes_total", "bytes_out", "bytes_in"), numbers, strict=True) if n is not None}
    texts = {"rule": row[11], "user": row[12], "app": row[14], "transport": row[29], "action": PAN_ACTIONS.get(row[30], "")}
    texts |= {"flow_id": row[22].strip("0") and row[22], "nat_src_ip": "" if row[9] == "0.0.0.0" else slow_address(row[9])}
    event |= {column: text for column, text in texts.items() if text not in NULLS}
    return event | ({"duration_ms": int(row[36]) * 1000.0} if row[36] else {}) | ({"is_interim": True} if row[4] == "start" else {})


def pan_line(values: dict[int, str], appended: list[str]) -> str:
    """A traffic line; ``values`` by 1-based column."""
    row = {1: "1", 2: "2026/03/02 10:15:36", 3: "0079", 4: "TRAFFIC", 6: "2561", 7: "2026/03/02 10:15:04", 15: "ssl", 24: "1", 30: "tcp", 35: "2"}
    row |= {36: "2026/03/02 10:15:00", 38: "any"} | values
    quoted = [f'"{text}"' if "," in text or (n in (12, 13) and len(text) % 2) else text for n, text in ((n, row.get(n, "")) for n in range(1, 39))]
    return ",".join([*quoted, *appended])


PAN_TEXT = st.sampled_from(["", "allow web", "-", "example\\u1", "山田", "x;y"])
PAN_VALUES = st.fixed_dictionaries(
    {
        5: st.sampled_from(["start", "end", "end", "drop", "none"]), 8: PF_ADDRESS, 9: PF_ADDRESS, 10: st.sampled_from(["", "0.0.0.0", "198.51.100.2"]),
        12: PAN_TEXT, 13: PAN_TEXT, 14: st.sampled_from(["", "a,b", "203.0.113.9,1,2,3"]), 19: st.sampled_from(["", "ae1", "x,y"]),
        23: st.sampled_from(["0", "99210", "", "x"]), 25: PORT, 26: PORT, 31: st.sampled_from(["allow", "deny", "drop-icmp", "reset-both", "unheard-of"]),
        32: NUMBER, 33: NUMBER, 34: NUMBER, 37: st.sampled_from(["0", "31", ""]),
    }
)  # fmt: skip
PAN_APPENDED: st.SearchStrategy[list[str]] = st.one_of(
    st.just([]),
    st.just(["", "7204134", '"a, ""b"", c"', "0x0"]),
    st.lists(st.sampled_from(["", "0", '"a,b"', "2026-03-02T10:15:04.5+09:00"]), min_size=64, max_size=64).map(
        lambda c: [*c, "2026-03-02T10:15:04.120+09:00", ""]
    ),
)


@given(st.lists(st.builds(pan_line, PAN_VALUES, PAN_APPENDED), min_size=1, max_size=8))
def test_panos_traffic_is_read_as_the_slow_reader_reads_it(lines: list[str]) -> None:
    assert engine_reads(lines, "panos") == [slow_panos(line) for line in lines]


# FortiGate: pairs; what stands in quotes is never one.

FORTI_PAIR = re.compile(r'([^ ="]+)=(?:"((?:[^"\\]|\\.)*)"|([^ "]*))(?: |$)')


def slow_fortigate(line: str) -> Event | None:
    pairs: dict[str, str] = {}
    at = 0
    while at < len(line):
        found = FORTI_PAIR.match(line, at)
        if found is None or found[1] in pairs:
            return None
        pairs[found[1]] = found[2] if found[2] is not None else found[3]
        at = found.end()
    if pairs.get("type") not in ("traffic", "utm") or not (pairs.get("srcip") and pairs.get("dstip")):
        return None
    event: Event = {"ts": datetime(2026, 3, 2, 1, 15, 35, tzinfo=UTC), "ts_offset_min": 0}
    if "eventtime" not in pairs:
        event = {"ts": datetime(2026, 3, 2, 10, 15, 35, tzinfo=UTC), "ts_offset_min": 0}
    for column, key in (("src_port", "srcport"), ("bytes_out", "sentbyte")):
        text = pairs.get(key, "")
        if text not in NULLS:
            if not (ports_fit(text) if column == "src_port" else whole(text) is not None):
                return None
            event[column] = int(text)
    action = {"close": "allow", "deny": "deny", "detected": "alert"}.get(pairs.get("action", ""))
    event |= {"src_ip": slow_address(pairs["srcip"]), "dst_ip": slow_address(pairs["dstip"])} | ({"action": action} if action else {})
    if pairs["type"] == "utm" and "bytes_out" in event:
        event["is_interim"] = True
    if "devname" in pairs:
        event["host"] = pairs["devname"]
    return event | ({"user": pairs["user"]} if pairs.get("user", "") not in (*NULLS, "N/A") else {})


FORTI_INNER = st.sampled_from(["a", " ", "type=traffic ", "srcip=203.0.113.1 ", "eventtime=1 ", '\\"', "\\\\", "山田", ", ", "=", "N/A"])
FORTI_USER = st.one_of(
    st.sampled_from(["user=ops1 ", "", "user=N/A ", 'user="N/A" ']), st.lists(FORTI_INNER, max_size=4).map(lambda p: f'user="{"".join(p)}" ')
)
FORTI_LINE = st.builds(
    "date=2026-03-02 time=10:15:35 {}{}{}{}{}{}{}{}".format,
    st.sampled_from(["eventtime=1772414135000000000 ", "eventtime=1772414135 ", "", 'devname="a b" ']), FORTI_USER,
    st.sampled_from(["type=traffic ", 'type="utm" ', 'type="event" ', ""]),
    st.sampled_from(["srcip=192.0.2.10 ", 'srcip=2001:DB8::9 dstname="x dstip=1.2.3.4" ', "", "srcip= "]),
    st.sampled_from(["srcport=51512 ", "", "srcport=66000 ", "srcport=x "]),
    st.sampled_from(["dstip=203.0.113.5 ", "dstip=203.0.113.5 ", ""]),
    st.sampled_from(["action=close ", 'action="detected" ', "action=deny ", "action=other ", ""]),
    st.sampled_from(["sentbyte=9120", "sentbyte=-1", 'msg="open', "sentbyte=1 sentbyte=2"]),
)  # fmt: skip


@given(st.lists(FORTI_LINE, min_size=1, max_size=8))
def test_fortigate_traffic_is_read_as_the_slow_reader_reads_it(lines: list[str]) -> None:
    assert engine_reads(lines, "fortigate") == [slow_fortigate(line) for line in lines]


# MikroTik: "chain: in:IF out:IF, connection-state:new src-mac MAC, proto TCP (SYN), ADDRESS:PORT->ADDRESS:PORT, NAT (a->b)->c, len N"


def slow_mikrotik(line: str) -> Event | None:
    stamp, _, rest = line.partition(" ")
    host, _, rest = rest.partition(" ")
    topic, _, rest = rest.partition(" ")
    before, found, after = rest.rpartition(": in:")
    if stamp != "2026-03-02T10:15:04Z" or topic != "firewall,info" or not found:
        return None
    words = before.split(" ")
    if not words[-1] or ":" in words[-1]:
        return None
    packet = re.fullmatch(r"\S+ out:\S+,(?: connection-state:\S+)? proto (\w+)(?: \([^()]*\))?, (\S+)->([^ ,]+)(?:, NAT (.*))?, len (\d+)", after, re.ASCII)
    if packet is None:
        return None
    event: Event = BASE | {"host": host, "transport": packet[1].lower(), "bytes_out": int(packet[5])}
    for role, end in (("src", packet[2]), ("dst", packet[3])):
        if packet[1] in ("TCP", "UDP"):
            address, _, port = end.rpartition(":")
            if not ports_fit(port) or not (address.startswith("[") == address.endswith("]") == (":" in address)):
                return None
            event |= {f"{role}_ip": slow_address(address), f"{role}_port": int(port)}
        else:
            event[f"{role}_ip"] = slow_address(end)
    if packet[4] and (nat := re.match(r"\(.*->\[?(.*?)\]?:\d+\)->", packet[4])):
        event["nat_src_ip"] = slow_address(nat[1])
    rule = " ".join(words[:-1])
    verdicts = {"deny": "drop|deny|block", "reset": "reject", "allow": "accept|accepted|allow"}
    action = next((a for a, names in verdicts.items() if re.search(rf"\b(?:{names})\b", rule, re.IGNORECASE)), None)
    return event | ({"rule": rule} if rule not in NULLS else {}) | ({"action": action} if action else {})


V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6).map(lambda a: f"[{a}]")
MIKROTIK_ENDS = st.one_of(*(st.builds("{}:{}->{}:{}".format, a, PORT, a, PORT) for a in (V4, V6)))
MIKROTIK_LINE = st.builds(
    "2026-03-02T10:15:04Z rtr1 firewall,{} {}{}: in:ether1 out:bridge,{} proto {}, {}{}, len {}".format,
    st.sampled_from(["info", "info", "info", "x"]),
    st.sampled_from(["", "DROP ", "drop-tcp ", "accepted? ", "backdrop ", "reject all ", "ping allow ", "- ", "in: ", "拒否 drop "]),
    st.sampled_from(["input", "forward", "my-chain", ""]), st.sampled_from(["", " connection-state:new", " connection-state:established,snat"]),
    st.sampled_from(["TCP (SYN)", "TCP (SYN,ACK)", "UDP"]), MIKROTIK_ENDS,
    st.sampled_from(["", "", ", NAT (10.0.0.5:1->198.51.100.2:61000)->203.0.113.5:53", ", NAT 192.0.2.9:1->(203.0.113.5:80->10.0.0.5:80)"]),
    st.sampled_from(["40", "40", "0", "", "x"]),
)  # fmt: skip


@given(st.lists(MIKROTIK_LINE, min_size=1, max_size=8))
def test_mikrotik_packets_are_read_as_the_slow_reader_reads_them(lines: list[str]) -> None:
    assert engine_reads(lines, "mikrotik") == [slow_mikrotik(line) for line in lines]
