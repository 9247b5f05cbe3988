"""Further kinds of lines that no format's samples hold, each as its product writes it, with the event or the fate that a careful reader gives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.ingest.reading import THIS_YEAR, engine_reads, whole_reading

Fate = dict[str, Any] | str
"""The event's columns; or the kind under which the line is skipped, or the reason for which it is rejected."""
Kinds = Sequence[tuple[str, Fate]]

TS = datetime(2026, 3, 2, 10, 15, 4, tzinfo=UTC)
AT: dict[str, Any] = {"ts": TS, "ts_offset_min": 0}
SYSLOG, OF_HOST = "2026-03-02T10:15:04Z srv1 ", AT | {"host": "srv1"}
PAIR = {"src_ip": "192.0.2.9", "dst_ip": "203.0.113.5"}
PORTS = PAIR | {"src_port": 51512, "dst_port": 53}
FROM = {"client_ip": "192.0.2.9"}
LOGON: dict[str, Any] = {"action": "logon", "outcome": "success", "attempts": 1}
FAILED = LOGON | {"outcome": "failure"}
LOGOFF = {"action": "logoff", "outcome": "success"}
DENY, ALLOW = {"action": "deny"}, {"action": "allow"}
IN, OUT = {"direction": "inbound"}, {"direction": "outbound"}
UDP, TCP, ICMP = {"transport": "udp"}, {"transport": "tcp"}, {"transport": "icmp"}


def of(start: str, base: Mapping[str, Any], *kinds: tuple[str, Fate]) -> Kinds:
    """Lines that begin alike, and whose events have some columns alike."""
    return [(start + line, fate if isinstance(fate, str) else {**base, **fate}) for line, fate in kinds]


FTD = "DeviceUUID: 8e1e, InstanceID: 2, FirstPacketSecond: 2026-03-02T01:15:04Z, ConnectionID: 9921, "
FTD_UDP = "SrcIP: 192.0.2.9, DstIP: 203.0.113.5, SrcPort: 51512, DstPort: 53, Protocol: udp, "
FTD_HTTP = (
    f"EventPriority: Low, {FTD}AccessControlRuleAction: Allow, {FTD_UDP}IngressZone: in, Endpoint Profile: Workstation, ACPolicy: p, "
    "AccessControlRuleName: r 1, User: Unknown, UserAgent: "
)
FTD_BYTES = "Client: Chrome, ConnectionDuration: 20, FileCount: 1, InitiatorPackets: 4, ResponderPackets: 4, InitiatorBytes: 729, ResponderBytes: 246"
FTD_FLOW, FTD_COUNTS = PORTS | UDP | {"flow_id": "9921"}, {"bytes_out": 729, "bytes_in": 246}
NAT = {"nat_src_ip": "198.51.100.5"}
GRE = {"transport": "gre", "flow_id": "9"}
ENDED = {"duration_ms": 31000.0, "bytes_total": 84210}
FTP_FILE = {"client_ip": "192.0.2.9", "client_port": 51512, "user": "ops1", "outcome": "success"}
BOTNET = (
    "TCP traffic from inside:192.0.2.9/51512 (198.51.100.5/61000) to outside:203.0.113.5/53 (203.0.113.5/53), "
    "destination 203.0.113.5 resolved from dynamic list: bad.example.com"
)
CISCO: Kinds = [
    *of(
        f"{SYSLOG}: %ASA-6-",
        OF_HOST,
        # The one who began a ping has its number, the other one 0; with two zeros the sides are taken as they stand.
        ("302021: Teardown ICMP connection for faddr 192.0.2.9/18425 gaddr 198.51.100.5/0 laddr 203.0.113.5/0 type 8 code 0", PAIR | ICMP | ALLOW),
        (
            "302021: Teardown ICMP connection for faddr 203.0.113.5/0 gaddr 198.51.100.5/7 laddr 192.0.2.9/7",
            PAIR | ICMP | ALLOW | {"nat_src_ip": "198.51.100.5"},
        ),
        (
            "302021: Teardown ICMP connection for faddr 203.0.113.5/0(LOCAL\\u1) gaddr 198.51.100.5/7 laddr 192.0.2.9/7 type 8 code 0 Internal-Data0/1:RX[3]",
            PAIR | ICMP | ALLOW | {"nat_src_ip": "198.51.100.5"},
        ),
        ("302021: Teardown ICMP connection for faddr 192.0.2.9/0(LOCAL\\u1) gaddr 203.0.113.5/0 laddr 203.0.113.5/0", PAIR | ICMP | ALLOW),
        ("106006: Deny inbound UDP from 192.0.2.9/51512 to 203.0.113.5/53 on interface outside", PORTS | UDP | DENY | IN),
        ("106007: Deny inbound UDP from 192.0.2.9/51512 to 203.0.113.5/53 due to DNS Query", PORTS | UDP | DENY | IN),
        ("106014: Deny inbound icmp src outside:192.0.2.9 dst inside:203.0.113.5 (type 8, code 0)", PAIR | ICMP | DENY | IN),
        ("106015: Deny TCP (no connection) from 192.0.2.9/51512 to 203.0.113.5/53 flags RST ACK  on interface outside", PORTS | TCP | DENY),
        ("106021: Deny TCP reverse path check from 192.0.2.9 to 203.0.113.5 on interface outside", PAIR | TCP | DENY),
        ("106010: Deny inbound udp src outside:192.0.2.9/51512 dst inside:203.0.113.5/53", PORTS | UDP | DENY | IN),
        ("106010: Deny inbound protocol 47 src outside:192.0.2.9 dst inside:203.0.113.5", PAIR | {"transport": "47"} | DENY | IN),
        ("106011: Deny inbound (No xlate) icmp src outside:192.0.2.9 dst outside:203.0.113.5 (type 8, code 0)", PAIR | ICMP | DENY | IN),
        ("305005: No translation group found for udp src inside:192.0.2.9/51512 dst outside:203.0.113.5/53", PORTS | UDP | DENY),
        ("305006: regular translation creation failed for icmp src inside:192.0.2.9 dst outside:203.0.113.5 (type 8, code 0)", PAIR | ICMP | DENY),
        ('106012: Deny IP from 192.0.2.9 to 203.0.113.5, IP options: "Router Alert"', PAIR | DENY),
        ("106013: Dropping echo request from 192.0.2.9 to PAT address 203.0.113.5", PAIR | ICMP | DENY | IN),
        ("106002: udp Connection denied by outbound list 7 src 192.0.2.9 dest 203.0.113.5", PAIR | UDP | DENY | OUT | {"rule": "7"}),
        ("106018: ICMP packet type 8 denied by outbound list 7 src 192.0.2.9 dest 203.0.113.5", PAIR | ICMP | DENY | OUT | {"rule": "7"}),
        ("106020: Deny IP teardrop fragment (size = 24, offset = 8) from 192.0.2.9 to 203.0.113.5", PAIR | DENY),
        ("106022: Deny tcp connection spoof from 192.0.2.9 to 203.0.113.5 on interface outside", PAIR | TCP | DENY),
        (
            "106103: access-list vpn denied udp for user 'ops1' outside/192.0.2.9(51512) -> inside/203.0.113.5(53) hit-cnt 2 300-second interval [0x1, 0x0]",
            PORTS | UDP | DENY | {"rule": "vpn", "user": "ops1"},
        ),
        ("400010: IDS:2000 ICMP echo reply from 192.0.2.9 to 203.0.113.5 on interface outside", PAIR | {"action": "alert", "rule": "2000"}),
        ("313001: Denied ICMP type=8, code=0 from 192.0.2.9 on interface outside", {"src_ip": "192.0.2.9"} | ICMP | DENY | IN),
        (
            "313005: No matching connection for ICMP error message: icmp src outside:192.0.2.9 dst inside:203.0.113.5 (type 3, code 3) on outside interface."
            "  Original IP payload: udp src 203.0.113.5/53 dst 192.0.2.9/40000.",
            PAIR | ICMP | DENY,
        ),
        ("710001: TCP access requested from 192.0.2.9/51512 to outside:203.0.113.5/ssh", PORTS | TCP | IN | {"dst_port": None, "app": "ssh"}),
        ("710002: TCP access permitted from 192.0.2.9/51512 to outside:203.0.113.5/443", PORTS | TCP | ALLOW | IN | {"dst_port": 443}),
        ("710005: UDP request discarded from 192.0.2.9/51512 to outside:203.0.113.5/53", PORTS | UDP | DENY | IN),
        (
            "305011: Built dynamic ICMP translation from inside:192.0.2.9/512 to outside:198.51.100.5/1",
            {"src_ip": "192.0.2.9", "nat_src_ip": "198.51.100.5"} | ICMP,
        ),
        (
            f"430002: {FTD}AccessControlRuleAction: Block with reset, AccessControlRuleReason: Intrusion Block, {FTD_UDP}ACPolicy: p1, "
            "AccessControlRuleName: dns out, User: x",
            PORTS | UDP | {"flow_id": "9921", "action": "reset", "rule": "dns out"},
        ),
        (
            f'430001: {FTD}{FTD_UDP}Priority: 1, GID: 1, SID: 648, Revision: 18, Message: "x, y", Classification: z, InlineResult: Blocked, IPSPolicy: p',
            PORTS | UDP | DENY | {"flow_id": "9921", "rule": "648"},
        ),
        ("611101: User authentication succeeded: IP address: 192.0.2.9, Uname: ops1", LOGON | FROM | {"user": "ops1", "service": "asa", "attempts": 0}),
        ("611101: User authentication succeeded: Uname: ops1", LOGON | {"user": "ops1", "service": "asa", "attempts": 0}),
        ("113012: AAA user authentication Successful : local database : user = ops1", LOGON | {"user": "ops1", "service": "asa"}),
        ("716001: Group <RA> User <ops1> IP <192.0.2.9> WebVPN session started.", LOGON | FROM | {"user": "ops1", "service": "asa-vpn", "attempts": 0}),
        ("716002: Group <RA> User <ops1> IP <192.0.2.9> WebVPN session terminated: User Requested.", LOGOFF | FROM | {"user": "ops1", "service": "asa-vpn"}),
        ("716001: Group RA User ops1 IP 192.0.2.9 WebVPN session started.", LOGON | FROM | {"user": "ops1", "service": "asa-vpn", "attempts": 0}),
        ("716002: Group RA User ops1 IP 192.0.2.9 WebVPN session terminated: User Requested.", LOGOFF | FROM | {"user": "ops1", "service": "asa-vpn"}),
        (
            "716038: Group <RA> User <ops1> IP <192.0.2.9> Authentication: successful, Session Type: WebVPN.",
            LOGON | FROM | {"user": "ops1", "service": "asa-vpn", "attempts": 0},
        ),
        (
            "109006: Authentication failed for user ops1 from 192.0.2.9/51512 to 203.0.113.5/23 on interface outside",
            FAILED | FROM | {"user": "ops1", "client_port": 51512, "service": "asa"},
        ),
        (
            "113006: User ops1 locked out on exceeding 3 successive failed authentication attempts",
            {"user": "ops1", "action": "lockout", "outcome": "success", "service": "asa"},
        ),
        (
            "113017: AAA credentials rejected : reason = Invalid password : local database : user = ops1 : user IP = 192.0.2.9",
            FAILED | FROM | {"user": "ops1", "service": "asa", "reason": "bad_password"},
        ),
        ("113021: Attempted console login failed. User ops1 did NOT have appropriate Admin Rights.", FAILED | {"user": "ops1", "service": "console"}),
        (
            "113039: Group <RA> User <ops1> IP <192.0.2.9> AnyConnect parent session started.",
            LOGON | FROM | {"user": "ops1", "service": "asa-vpn", "attempts": 0},
        ),
        (
            "308001: console enable password incorrect for 3 tries (from 192.0.2.9)",
            FROM | {"action": "elevate", "outcome": "failure", "reason": "bad_password", "service": "asa", "attempts": 3},
        ),
        ('315011: SSH session from 192.0.2.9 on interface outside for user "ops1" terminated normally', LOGOFF | FROM | {"user": "ops1", "service": "ssh"}),
        (
            "502101: New user added to local dbase: Uname: ops1 Priv: 15 Encpass: ****",
            {"user": "ops1", "action": "account_create", "outcome": "success", "service": "asa"},
        ),
        (
            "502103: User priv level changed: Uname: ops1 From: 1 To: 15",
            {"user": "ops1", "target": "15", "action": "elevate", "outcome": "success", "service": "asa", "attempts": 1},
        ),
        ("611103: User logged out: Uname: ops1", LOGOFF | {"user": "ops1", "service": "asa"}),
        # GRE, connections whose state is not watched, FTP's transfers, and what other parts of the device drop.
        (
            "302017: Built inbound GRE connection 9 from outside:192.0.2.9 (198.51.100.5) to inside:203.0.113.5/7 (203.0.113.5/7)",
            PAIR | NAT | GRE | ALLOW | IN,
        ),
        (
            "302018: Teardown GRE connection 9 from outside:192.0.2.9 (198.51.100.5) to inside:203.0.113.5/7 (203.0.113.5/7) duration 0:00:31 bytes 84210",
            PAIR | NAT | GRE | ALLOW | ENDED,
        ),
        (
            "302303: Built TCP state-bypass connection 9 from inside:192.0.2.9/51512(198.51.100.5/61000) to outside:203.0.113.5/53 (203.0.113.5/53)",
            PORTS | NAT | TCP | ALLOW | {"flow_id": "9"},
        ),
        (
            "302304: Teardown TCP state-bypass connection 9 from inside:192.0.2.9/51512 to outside:203.0.113.5/53 duration 0:00:31 bytes 84210 TCP FINs",
            PORTS | TCP | ALLOW | ENDED | {"flow_id": "9"},
        ),
        (
            "303002: FTP connection from inside:192.0.2.9/51512 to outside:203.0.113.5/21, user ops1 Retrieved file /a, user x Stored file b.csv",
            FTP_FILE | {"action": "read", "object": "/a, user x Stored file b.csv"},
        ),
        (
            "303002: FTP connection from inside:192.0.2.9/51512 to outside:203.0.113.5/21, user ops1 Stored file c.zip",
            FTP_FILE | {"action": "write", "object": "c.zip"},
        ),
        (
            "305013: Asymmetric NAT rules matched for forward and reverse flows; Connection for udp src outside:192.0.2.9/51512(LOCAL\\u1) "
            "dst inside:203.0.113.5/53 denied due to NAT reverse path failure",
            PORTS | UDP | DENY,
        ),
        ("313008: Denied IPv6-ICMP type=134, code=0 from 2001:db8::9 on interface outside", {"src_ip": "2001:db8::9", "transport": "ipv6-icmp"} | DENY | IN),
        (
            "313009: Denied invalid ICMP code 9, for inside:192.0.2.9/8 (192.0.2.9/8) to identity:203.0.113.5/0 (203.0.113.5/0), ICMP id 2, ICMP type 8",
            PAIR | ICMP | DENY,
        ),
        (f"338008: Dynamic Filter dropped blacklisted {BOTNET}", PORTS | NAT | TCP | DENY),
        (f"338002: Dynamic Filter permitted black listed {BOTNET}", PORTS | NAT | TCP | {"action": "alert"}),
        ("401004: Shunned packet: 192.0.2.9 ==> 203.0.113.5 on interface outside", PAIR | DENY),
        ("434002: SFR requested to drop UDP packet from outside:192.0.2.9/51512 to inside:203.0.113.5/53", PORTS | UDP | DENY),
        ("434002: SFR requested to drop ICMP packet from outside:192.0.2.9/8 to inside:203.0.113.5/0", PAIR | ICMP | DENY),
        ("106014: Deny inbound icmp src outside:192.0.2.9 dst inside:203.0.113.5(type 8, code 0)", PAIR | ICMP | DENY | IN),
        (
            '106023: Deny udp src outside:192.0.2.9/51512 dst inside:203.0.113.5/53 type 3, code 0, by access-group "a" [0x1, 0x0]',
            PORTS | UDP | DENY | {"rule": "a"},
        ),
        ('106023: Deny pim src outside:192.0.2.9 dst inside:203.0.113.5 by access-group "a" [0x1, 0x0]', PAIR | {"transport": "pim"} | DENY | {"rule": "a"}),
        # Files and malware, and the bytes behind what a client wrote, unless it could have written them.
        (f"430004: {FTD}{FTD_UDP}FileDirection: Download, FileAction: Detect, FileName: a.exe, URI: http://x/", FTD_FLOW | ALLOW),
        (f"430005: {FTD}{FTD_UDP}FileDirection: Download, FileAction: Malware Cloud Lookup, FileName: a.exe", FTD_FLOW | {"action": "alert"}),
        (f"430005: {FTD}{FTD_UDP}FileDirection: Upload, FileAction: Malware Block, FileName: a, FileAction: Detect, b", FTD_FLOW | DENY),
        (f"430003: {FTD_HTTP}Mozilla/5.0 (X11; rv:9, like Gecko), {FTD_BYTES}, URL: http://x/?InterID", FTD_FLOW | ALLOW | {"rule": "r 1"} | FTD_COUNTS),
        (f"430003: {FTD_HTTP}x, InitiatorBytes: 1, ResponderBytes: 2, {FTD_BYTES}", FTD_FLOW | ALLOW | {"rule": "r 1"}),
        (f"430003: {FTD_HTTP}x, {FTD_BYTES}, URL: http://x/, InitiatorBytes: 1, ResponderBytes: 2", FTD_FLOW | ALLOW | {"rule": "r 1"}),
        # Who cleared the buffer of messages; other commands are no logins.
        ("111008: User 'ops1' executed the 'clear logging buffer' command.", {"action": "log_clear", "outcome": "success", "user": "ops1", "service": "asa"}),
        ("111008: User 'ops1' executed the 'show version' command.", "ASA: command of a user"),
        ("609001: Built local-host outside:192.0.2.9", "ASA: other message"),
        (
            "113005: AAA user authorization Rejected : reason = User was not found : server = 198.51.100.7 : user = ops1 : user IP = 192.0.2.9",
            FAILED | FROM | {"user": "ops1", "service": "asa", "reason": "no_user", "attempts": 0},
        ),
        ("716038: Authentication: successful, group = RA user = ops1 , Session Type: WebVPN", LOGON | {"user": "ops1", "service": "asa-vpn", "attempts": 0}),
        ("716039: Authentication: rejected, group = RA user = ops1 , Session Type: admin", FAILED | {"user": "ops1", "service": "asa-vpn", "attempts": 0}),
        (
            "751025: Local:203.0.113.5:4500 Remote:192.0.2.9:51512 Username:ops1 IKEv2 Group:RA IPv4 Address=198.51.100.7 IPv6 address=:: assigned to session",
            LOGON | FROM | {"client_port": 51512, "user": "ops1", "service": "asa-vpn", "attempts": 0},
        ),
    ),
    # The headers that relays and the devices themselves write.
    *[
        (f"{head}%ASA-6-611103: User logged out: Uname: ops1", AT | {"host": host} | LOGOFF | {"user": "ops1", "service": "asa"})
        for head, host in [
            ("<166>Mar  2 10:15:04 fw1 : ", "fw1"),
            ("<166>Mar  2 10:15:04: ", None),
            ("<166>2026-03-02T10:15:04Z   ", None),
            ("<166>Mar  2 10:15:09 192.0.2.1 :Mar 02 2026 10:15:04 UTC: ", "192.0.2.1"),
            ("<166>Mar  2 10:15:09 192.0.2.1 Mar 02 2026 10:15:04 UTC fw1 : ", "fw1"),
            ("Mar  2 10:15:09 192.0.2.1 2026-03-02T10:15:04Z: ", "192.0.2.1"),
        ]
    ],
    (
        "2026-03-02T10:15:04Z 192.0.2.1 Mar 02 2026 19:15:02 fw1 : %ASA-6-611103: User logged out: Uname: ops1",
        AT | {"host": "fw1"} | LOGOFF | {"user": "ops1", "service": "asa"},
    ),
]

JUNOS_PLAIN = 'connection-tag="0" service-name="{}" nat-source-address="198.51.100.5" nat-source-port="{}" nat-destination-address="203.0.113.5" '
JUNOS_ENDS = 'source-address="192.0.2.9" source-port="{}" destination-address="203.0.113.5" destination-port="{}" '
JUNOS_RULE = 'policy-name="out" source-zone-name="trust" destination-zone-name="untrust" '
JUNOS_UDP = JUNOS_ENDS.format(51512, 53) + JUNOS_PLAIN.format("junos-dns-udp", 61000) + 'nat-destination-port="53" protocol-id="17" ' + JUNOS_RULE
JUNOS_ICMP = JUNOS_ENDS.format(1, 8) + JUNOS_PLAIN.format("icmp", 1) + 'nat-destination-port="8" protocol-id="1" ' + JUNOS_RULE
JUNOS_DENIED = JUNOS_ENDS + 'connection-tag="0" service-name="{}" protocol-id="{}" icmp-type="0" policy-name="deny all" source-zone-name="trust" '
JUNIPER: Kinds = of(
    "<14>1 2026-03-02T10:15:04Z srv1 RT_FLOW - ",
    OF_HOST,
    (
        f'RT_FLOW_SESSION_CLOSE [junos@2636.1.1.1.2.129 reason="response received" {JUNOS_ICMP}session-id-32="99210" packets-from-client="1" '
        'bytes-from-client="84" packets-from-server="1" bytes-from-server="98" elapsed-time="3" application="UNKNOWN" username="ops1" roles="N/A"]',
        PAIR | ICMP | ALLOW | NAT | {"app": "icmp", "rule": "out", "flow_id": "99210", "bytes_out": 84, "bytes_in": 98, "duration_ms": 3000.0, "user": "ops1"},
    ),
    (
        f'RT_FLOW_SESSION_CREATE [junos@2636.1.1.1.2.129 {JUNOS_UDP}session-id-32="7" username="N/A" roles="N/A" packet-incoming-interface="ge-0/0/1.0"]',
        PORTS | UDP | ALLOW | NAT | {"app": "junos-dns-udp", "rule": "out", "flow_id": "7"},
    ),
    (
        f'RT_FLOW_SESSION_CREATE_LS [junos@2636.1.1.1.2.129 logical-system-name="ls1" {JUNOS_ICMP}session-id-32="7" username="ops1" roles="N/A"]',
        PAIR | ICMP | ALLOW | NAT | {"app": "icmp", "rule": "out", "flow_id": "7", "user": "ops1"},
    ),
    (
        f'RT_FLOW_SESSION_DENY [junos@2636.1.1.1.2.129 {JUNOS_DENIED.format(51512, 53, "junos-dns-udp", 17)}username="ops1" roles="N/A"]',
        PORTS | UDP | DENY | {"app": "junos-dns-udp", "rule": "deny all", "user": "ops1"},
    ),
    (
        f'RT_FLOW_SESSION_DENY [junos@2636.1.1.1.2.129 {JUNOS_DENIED.format(1, 8, "icmp", 1)}application="UNKNOWN" reason="Denied by policy"]',
        PAIR | ICMP | DENY | {"app": "icmp", "rule": "deny all"},
    ),
    (f'APPTRACK_SESSION_CREATE [junos@2636.1.1.1.2.129 {JUNOS_UDP}session-id-32="7"]', "Juniper SRX: other message about a session"),
)
JUNOS_NAT = "192.0.2.9/51512->203.0.113.5/53 junos-dns-udp 198.51.100.5/61000->203.0.113.5/53"
# A rule's name may begin as the number of a protocol.
JUNIPER_FLOW: Kinds = of(
    f"{SYSLOG}RT_FLOW: ",
    OF_HOST | PORTS | UDP | ALLOW | NAT | {"app": "junos-dns-udp", "rule": "out"},
    (
        f"RT_FLOW_SESSION_CLOSE: session closed TCP RST: {JUNOS_NAT} 1to1 6 17 out trust untrust 99210 1(84) 1(98) 3 UNKNOWN UNKNOWN N/A(N/A) reth0",
        {"flow_id": "99210", "bytes_out": 84, "bytes_in": 98, "duration_ms": 3000.0},
    ),
    (f"RT_FLOW_SESSION_CREATE: session created {JUNOS_NAT} 1to1 None 17 out trust untrust 7 ops1(N/A) ge-0/0/1.0", {"flow_id": "7", "user": "ops1"}),
)
JUNOS_SCREEN = (
    "RT_SCREEN_IP: Tear-drop attack! source: 192.0.2.9, destination: 203.0.113.5, protocol-id: 17, zone name: untrust, interface name: ge-0/0/0.0, action: "
)
JUNOS_SCREEN_PAIRS = (
    'RT_SCREEN_IP [junos@2636.1.1.1.2.36 attack-name="Tear-drop attack!" source-address="192.0.2.9" destination-address="203.0.113.5" '
    'protocol-id="17" source-zone-name="untrust" interface-name="ge-0/0/0.0" action="{}"]'
)
JUNIPER_SCREEN: Kinds = of(
    f"{SYSLOG}RT_IDS: ",
    OF_HOST | PAIR | {"rule": "Tear-drop attack"},
    (f"{JUNOS_SCREEN}drop", DENY),
    (f"{JUNOS_SCREEN}alarm-without-drop", {"action": "alert"}),
    (JUNOS_SCREEN_PAIRS.format("drop"), DENY),
    (JUNOS_SCREEN_PAIRS.format("alarm-without-drop"), {"action": "alert"}),
)

# Check Point: as it sends them now, once did, and relays write them behind headers of their own.
CHECKPOINT_DNS = '[action:"Accept"; flags:"1"; origin:"192.0.2.1"; dst:"203.0.113.5"; proto:"17"; s_port:"51512"; service:"53"; src:"192.0.2.9"; ]'
CHECKPOINT: Kinds = [
    *[
        (f"{head} srv1 CheckPoint 26203 - {CHECKPOINT_DNS}", OF_HOST | PORTS | UDP | ALLOW)
        for head in (
            "<134>1 2026-03-02 10:15:04",
            "2026-03-02T10:16:07+00:00 192.0.2.3 1 2026-03-02T10:15:04Z",
            "<134>Mar  2 10:16:07 192.0.2.3 <134>1 2026-03-02T10:15:04Z",
        )
    ],
    ("<134>Mar  2 10:15:04 srv1 CheckPoint[26203]: " + CHECKPOINT_DNS, OF_HOST | PORTS | UDP | ALLOW),
    (
        '<85>1 2026-03-02T10:15:04Z srv1 CP-GW - Log [Fields@1.3.6.1.4.1.2620 Action="drop" UUid="{0x0}" rule="14" src="192.0.2.9" dst="203.0.113.5" '
        'proto="17" message_info="Address spoofing" product="VPN-1 & FireWall-1" service="53" s_port="51512" product_family="Network"]',
        OF_HOST | PORTS | UDP | DENY | {"rule": "14"},
    ),
    (
        "Mar  2 10:15:14 srv1 Checkpoint: 2Mar2026 10:15:04 drop 192.0.2.1 >eth2 rule: 9; service_id: domain-udp; src: 192.0.2.9; dst: 203.0.113.5; "
        "proto: udp; product: VPN-1 & FireWall-1; service: 53; s_port: 51512;",
        AT | PORTS | UDP | DENY | {"host": "192.0.2.1"},
    ),
    (
        "<134>1 2026-03-02T10:15:14Z srv1 CheckPoint 26203 - - time=1772446504|hostname=fw1|action=Drop|dst=203.0.113.5|proto=17|s_port=51512|service=53|"
        "src=192.0.2.9|",
        AT | PORTS | UDP | DENY | {"host": "fw1"},
    ),
    *of(
        "<134>1 2026-03-02T10:15:04Z srv1 CheckPoint 26203 - ",
        OF_HOST,
        (
            '[action:"Accept"; origin:"192.0.2.1"; additional_info:"Authentication to server failed"; administrator:"ops1"; audit_status:"Failure"; '
            'client_ip:"192.0.2.9"; machine:"PC7"; operation:"Log In"; operation_number:"10"; product:"SmartConsole"; subject:"Administrator Login"]',
            FAILED | FROM | {"user": "ops1", "service": "checkpoint"},
        ),
    ),
]

# SonicWall: a protocol without ports, told by its name or its number, and what the rule did to it.
SONICWALL: Kinds = [
    (
        f'<134>id=firewall sn=0006B1000000 time="2026-03-02 10:15:04" fw=203.0.113.1 pri=6 c=1024 m={number} msg="{text}" n=3 src=192.0.2.9::X1 '
        f'dst=203.0.113.5::X0 proto={proto} sent=84 rcvd=98 rule="7 (WAN->LAN)"{act}',
        AT | PAIR | {"transport": transport, "bytes_out": 84, "bytes_in": 98, "rule": "7 (WAN->LAN)"} | done,
    )
    for number, text, proto, transport, act, done in [
        (1235, "Packet dropped", "gre", "gre", ' fw_action="drop"', DENY),
        (1235, "Packet allowed", "50", "50", ' fw_action="forward"', ALLOW),
        (1233, "Unhandled link-local or multicast packet", "igmp/other", "igmp", ' fw_action="NA"', {"app": "other"}),
    ]
]
# RouterOS: the forms of its times, those of relays, of its own and of a terminal, for another year and for this one.
ROUTEROS = [
    ("2026-03-02T10:15:04Z gw1 ", AT | {"host": "gw1"}),
    ("<30>Mar  2 10:15:04 gw1 ", AT | {"host": "gw1"}),
    ("mar/02/2026 10:15:04 ", AT),
    ("mar/02 10:15:04 ", AT),
]
CREATED = {"action": "account_create", "outcome": "success", "service": "routeros", "user": "u2", "actor_user": "admin"}
MIKROTIK_AUTH: Kinds = [
    kind
    for head, base in ROUTEROS
    for kind in of(
        head,
        base,
        ("system,error,critical login failure for user root from 192.0.2.9 via ssh", FAILED | FROM | {"user": "root", "service": "ssh"}),
        ("system,error,critical login failure for user admin via local", FAILED | {"user": "admin", "service": "local"}),
        ("system,info,account user admin logged in from 192.0.2.9 via winbox", LOGON | FROM | {"user": "admin", "service": "winbox"}),
        ("system,info,account user admin logged in from 00:00:5E:00:53:01 via winbox", LOGON | {"user": "admin", "service": "winbox"}),
        ("system,info,account user admin logged in via local", LOGON | {"user": "admin", "service": "local"}),
        ("system,info,account user admin logged out from 2001:db8::9 via api", LOGOFF | {"user": "admin", "service": "api", "client_ip": "2001:db8::9"}),
        ("system,info,account user admin logged out via local", LOGOFF | {"user": "admin", "service": "local"}),
        ("system,info user u2 added by admin", CREATED),
        ("system,info user u2 added by tcp-msg(winbox):admin@192.0.2.9 (/user add name=u2 group=full)", CREATED | FROM),
        ("system,info user u2 added by ssh:-2@192.0.2.9 (*2 = /user add comment=x@10.9.9.9 name=u2)", CREATED | FROM | {"actor_user": "-2"}),
        ("system,info user u2 added by mac-msg(winbox):admin@00:00:5E:00:53:01 (/user add)", CREATED),
        ("system,info user u2 changed by admin@example.com", CREATED | {"action": "account_change", "actor_user": "admin@example.com"}),
        ("system,info user u2 removed by ssh:admin@2001:db8::9/action:0 (/user remove *2)", CREATED | {"action": "account_change", "client_ip": "2001:db8::9"}),
        ("system,error,critical login failure for user root", "RouterOS: a login or an account in an unknown form"),
        ("system,info filter rule added by tcp-msg(winbox):admin@192.0.2.9 (/ip firewall filter add)", "RouterOS: other message of the system"),
    )
]
MIKROTIK_PPP: Kinds = [
    kind
    for head, base in ROUTEROS
    for kind in of(
        head,
        base,
        ("pptp,ppp,info,account ops1 logged in, 10.0.0.2", LOGON | {"user": "ops1", "service": "pptp"}),
        ("sstp,ppp,info,account ops1 logged in, 10.0.0.2 from 2001:db8::9", LOGON | {"user": "ops1", "service": "sstp", "client_ip": "2001:db8::9"}),
        ("pppoe,ppp,info,account ops1 logged in, 10.0.0.2 from 00:00:5E:00:53:01", LOGON | {"user": "ops1", "service": "pppoe"}),
        ("ovpn,ppp,info,account ops1 logged out, 1 18 28 3 4 from 192.0.2.9", LOGOFF | FROM | {"user": "ops1", "service": "ovpn"}),
        ("l2tp,ppp,info,account ops1 logged out, 1 18 28 3 4", LOGOFF | {"user": "ops1", "service": "l2tp"}),
        ("pppoe,ppp,error <0010>: user ops1 authentication failed", FAILED | {"user": "ops1", "service": "pppoe"}),
        ("pppoe,ppp,info,account ops1 logged in", "RouterOS: a dial-in in an unknown form"),
        ("l2tp,ppp,debug,packet  <10.0.0.2>: sent LCP EchoReq id=0x1", "RouterOS: steps of a dial-in"),
        ("pppoe,ppp,info <pppoe-ops1>: terminating... - peer is not responding", "RouterOS: steps of a dial-in"),
    )
]
MIKROTIK: Kinds = [
    kind
    for head, base in ROUTEROS
    for kind in of(
        f"{head}firewall,info drop in input: in:ether1 out:(unknown 0), connection-state:new src-mac 00:00:5e:00:53:01, proto ",
        base | DENY | {"rule": "drop in"},
        ("UDP, 192.0.2.9:51512->203.0.113.5:53, len 76", PORTS | UDP | {"bytes_out": 76}),
        (
            "TCP (SYN), [2001:db8::9]:51512->[2001:db8::5]:22, len 80",
            TCP | {"src_ip": "2001:db8::9", "src_port": 51512, "dst_ip": "2001:db8::5", "dst_port": 22, "bytes_out": 80},
        ),
        ("ICMP (type 8, code 0), 192.0.2.9->203.0.113.5, len 84", PAIR | ICMP | {"bytes_out": 84}),
        ("47, 192.0.2.9->203.0.113.5, len 84", PAIR | {"transport": "47", "bytes_out": 84}),
    )
]

# Firebox: the header of its own, with a year in parentheses or without, and those of relays.
FIREBOX = [
    "<142>Mar  2 10:15:04 fw1 80DB0001 (2026-03-02T10:15:04) ",
    "<142>Mar  2 10:15:04 fw1 80DB0001 ",
    "2026-03-02T10:15:04Z fw1 80DB0001 ",
]
WATCHGUARD: Kinds = [
    kind
    for head in FIREBOX
    for kind in of(
        head,
        AT | {"host": "fw1"},
        (
            'firewall: msg_id="3000-0148" Deny 0-External Firebox 229 udp 20 128 192.0.2.9 203.0.113.5 51512 53 geo_src="JPN" (Unhandled External Packet-00)',
            PORTS | UDP | DENY | {"bytes_out": 229, "rule": "Unhandled External Packet-00"},
        ),
        (
            'firewall: msg_id="3000-0148" Deny WAN - Main 0-External 60 tcp 20 239 192.0.2.9 203.0.113.5 51512 53 offset 5 S (Unhandled External Packet-00)',
            PORTS | TCP | DENY | {"bytes_out": 60, "rule": "Unhandled External Packet-00"},
        ),
        (
            'firewall: msg_id="3000-0151" Allow 1-Trusted 0-External tcp 192.0.2.9 203.0.113.5 51512 53 src_ip_nat="198.51.100.5" src_port_nat="40000" '
            'duration="31" sent_bytes="9120" rcvd_bytes="75090" src_user="u1@Firebox-DB" (DNS-00)',
            PORTS | TCP | ALLOW | NAT | {"duration_ms": 31000.0, "bytes_out": 9120, "bytes_in": 75090, "user": "u1@Firebox-DB", "rule": "DNS-00"},
        ),
        (
            'firewall: msg_id="3000-0148" Deny 0-External Firebox 84 icmp 20 239 192.0.2.9 203.0.113.5 8 0 id=1 seq=2 (Ping-00)',
            PAIR | ICMP | DENY | {"bytes_out": 84, "rule": "Ping-00"},
        ),
        (
            'admd[99]: msg_id="1100-0004" Authentication of SSLVPN user [u1@Firebox-DB] from 192.0.2.9 was accepted',
            LOGON | FROM | {"user": "u1@Firebox-DB", "service": "SSLVPN"},
        ),
        (
            'admd: msg_id="1100-0005" Authentication of Firewall user [u1@Firebox-DB] from 192.0.2.9 was rejected, user isn\'t in the right group',
            FAILED | FROM | {"user": "u1@Firebox-DB", "service": "Firewall"},
        ),
        (
            'admd: msg_id="1100-0005" Authentication of Firewall user [u1@Firebox-DB] from 192.0.2.9 was rejected, password is incorrect',
            FAILED | FROM | {"user": "u1@Firebox-DB", "service": "Firewall", "reason": "bad_password"},
        ),
        (
            'sessiond[8]: msg_id="3E00-0002" SSL VPN user u1@Firebox-DB from 192.0.2.9 logged in assigned virtual IP is 10.0.9.2',
            LOGON | FROM | {"user": "u1@Firebox-DB", "service": "SSL VPN", "attempts": 0},
        ),
        (
            'sessiond: msg_id="3E00-0004" SSL VPN user u1@Firebox-DB from 192.0.2.9 logged out assigned virtual IP is 10.0.9.2',
            LOGOFF | FROM | {"user": "u1@Firebox-DB", "service": "SSL VPN"},
        ),
        ('dhcpd: msg_id="1600-0066" DHCPACK on 10.0.1.7', "watchguard: neither traffic nor login"),
    )
]

# LEEF: tabs (as relays write them, too), bars as Palo Alto Networks' first template has them, a character that the header names, none named.
LEEF_FORMS = [("1.0", "", "\t"), ("1.0", "", "|"), ("2.0", "^|", "^"), ("2.0", "", "\t")]
LEEF_AT = AT | {"ts": datetime(2026, 3, 2, 1, 15, 4, 120_000, tzinfo=UTC)}
LEEF_CONNECTION = {"src": "192.0.2.9", "srcPort": "51512", "dst": "203.0.113.5", "dstPort": "53", "proto": "UDP", "usrName": "u1"}
LEEF_KINDS: Sequence[tuple[str, Mapping[str, str], Fate]] = [
    (
        "allow",
        LEEF_CONNECTION | {"action": "Allow", "policy": "dns out", "srcBytes": "76"},
        PORTS | UDP | ALLOW | {"user": "u1", "rule": "dns out", "bytes_out": 76},
    ),
    ("Possible port scan", LEEF_CONNECTION | {"act": "blocked"}, PORTS | UDP | DENY | {"user": "u1"}),
    ("Excessive failed logins", {"usrName": "u1", "src": "192.0.2.9"}, "leef: a judgement on several events"),
    ("Login Failed", {"usrName": "u1", "src": "192.0.2.9", "srcPort": "51512"}, FAILED | FROM | {"client_port": 51512, "user": "u1", "service": "Box"}),
    ("User Logout", {"accountName": "u1", "identSrc": "192.0.2.9"}, LOGOFF | FROM | {"user": "u1", "service": "Box"}),
    ("Authentication succeeded", {"usrName": "u1", "src": "192.0.2.9"}, LOGON | FROM | {"user": "u1", "service": "Box"}),
    (
        "request",
        {"src": "192.0.2.9", "requestMethod": "GET", "url": "http://shop.example/o/47?v=1", "responseCode": "200", "userAgent": "curl/8 (x y)"},
        FROM | {"method": "GET", "path": "/o/47", "query": "v=1", "status": 200, "user_agent": "curl/8 (x y)"},
    ),
    ("virus", {"src": "192.0.2.9", "msg": "x"}, "a source, but neither destination, request nor login"),
    ("disk", {"msg": "full", "cat": "x"}, "leef: neither connection nor request nor login"),
]
LEEF: Kinds = [
    (
        f"LEEF:{version}|Example|Box|1|{event}|{named}" + separator.join(f"{key}={value}" for key, value in {"devTime": "1772414104120", **pairs}.items()),
        fate if isinstance(fate, str) else LEEF_AT | fate,
    )
    for version, named, separator in LEEF_FORMS
    for event, pairs, fate in LEEF_KINDS
]
# Yamaha RT: the headers of relays and the router's own, addresses of both kinds, filters and the inspection of connections.
SIX = {"src_ip": "2001:db8::9", "dst_ip": "2001:db8::5"}
YAMAHA_RT: Kinds = [
    kind
    for head, base in [
        ("<134>Mar  2 10:15:04 rtx1 ", AT | {"host": "rtx1"}),
        ("2026-03-02T10:15:04Z rtx1 ", AT | {"host": "rtx1"}),
        ("2026/03/02 10:15:04: ", AT),
    ]
    for kind in of(
        head,
        base,
        ("PP[01] Rejected at IN(2000) filter: UDP 192.0.2.9:51512 > 203.0.113.5:53", PORTS | UDP | DENY | {"rule": "2000"}),
        ("LAN2 Passed at OUT(3000) filter: ICMP 192.0.2.9 > 203.0.113.5 : echo request", PAIR | ICMP | ALLOW | {"rule": "3000"}),
        ("TUNNEL[1] Rejected at IN(default) filter: GRE 192.0.2.9 > 203.0.113.5", PAIR | DENY | {"transport": "gre", "rule": "default"}),
        (
            "LAN2 Rejected at IN(101099) filter: UDP 2001:db8::9.51512 > 2001:db8::5.53",
            SIX | UDP | DENY | {"src_port": 51512, "dst_port": 53, "rule": "101099"},
        ),
        ("LAN2 Rejected at IN(101099) filter: ICMPv6 2001:db8::9 > 2001:db8::5 : echo request", SIX | DENY | {"transport": "ipv6-icmp", "rule": "101099"}),
        ("[INSPECT] PP[01][out][200080] UDP 192.0.2.9:51512 > 203.0.113.5:53 (2026/03/02 10:14:33)", PORTS | UDP | ALLOW | {"rule": "200080"}),
        (
            "[INSPECT] LAN2[in][101085] TCP 2001:db8::9.51512 > 2001:db8::5.53 (2026/03/02 10:14:33)",
            SIX | TCP | ALLOW | {"src_port": 51512, "dst_port": 53, "rule": "101085"},
        ),
    )
]

# Audit records: of a file, of its daemon behind syslog, and of journald, which leaves out number and time.
AUDIT_RECORDS: Sequence[tuple[str, str, Fate]] = [
    (
        "USER_LOGOUT",
        'op=login acct="ops1" exe="/usr/sbin/sshd" hostname=? addr=192.0.2.9 terminal=ssh res=success\'',
        LOGOFF | FROM | {"user": "ops1", "service": "sshd"},
    ),
    (
        "USER_LOGOUT",
        'op=login id=1000 exe="/usr/sbin/sshd" hostname=? addr=? terminal=/dev/pts/0 res=success\'#035UID="root" AUID="ops1" ID="ops1"',
        LOGOFF | {"user": "ops1", "service": "sshd"},
    ),
    (
        "USER_AUTH",
        'op=PAM:authentication grantors=? acct="ops1" exe="/usr/bin/sudo" hostname=? addr=? terminal=/dev/pts/0 res=failed\'',
        {"user": "ops1", "action": "elevate", "outcome": "failure", "attempts": 1, "service": "sudo"},
    ),
    (
        "USER_AUTH",
        'op=PAM:authentication grantors=pam_unix acct="ops1" exe="/usr/bin/sudo" hostname=? addr=? terminal=/dev/pts/0 res=success\'',
        "auditd: step of a login",
    ),
    (
        "USER_AUTH",
        'op=password acct=28696E76616C6964207573657229 exe="/usr/sbin/sshd" hostname=? addr=192.0.2.9 terminal=ssh res=failed\'',
        FAILED | FROM | {"service": "sshd", "reason": "no_user", "attempts": 0},
    ),
    ("USER_AUTH", 'op=pubkey acct="ops1" exe="/usr/sbin/sshd" hostname=? addr=192.0.2.9 terminal=ssh res=success\'', "auditd: step of a login"),
    (
        "USER_AUTH",
        'op=PAM:authentication grantors=? acct="(unknown)" exe="/usr/sbin/vsftpd" hostname=192.0.2.9 addr=192.0.2.9 terminal=ftp res=failed\'',
        FAILED | FROM | {"service": "vsftpd", "reason": "no_user"},
    ),
    (
        "ADD_USER",
        'op=add-user id=1005 exe="/usr/sbin/useradd" hostname=? addr=? terminal=pts/0 res=success\'#035UID="root" AUID="ops1" ID="eve"',
        {"action": "account_create", "outcome": "success", "user": "eve", "service": "useradd"},
    ),
    ("GRP_MGMT", 'op=add-shadow-group id=1005 exe="/usr/sbin/groupadd" hostname=? addr=? terminal=pts/0 res=success\'', "auditd: said by another record"),
    (
        "USER_MGMT",
        'op=changing-shell id=1005 exe="/usr/sbin/usermod" hostname=? addr=? terminal=pts/0 res=success\'#035UID="root" AUID="ops1" ID="eve"',
        {"action": "account_change", "outcome": "success", "user": "eve", "service": "usermod"},
    ),
    ("ADD_GROUP", 'op=add-group id=1005 exe="/usr/sbin/groupadd" hostname=? addr=? terminal=pts/0 res=success\'', "auditd: groups"),
    (
        "RESP_ACCT_LOCK",
        'op=pam_faillock suid=1005 exe="/usr/sbin/sshd" hostname=192.0.2.9 addr=192.0.2.9 terminal=ssh res=success\'#035UID="root" AUID="unset" SUID="eve"',
        FROM | {"action": "lockout", "outcome": "success", "user": "eve", "service": "sshd"},
    ),
    (
        "RESP_ACCT_LOCK",
        'pam_faillock uid=1005 exe="/usr/sbin/sshd" hostname=192.0.2.9 addr=192.0.2.9 terminal=ssh res=success\'',
        FROM | {"action": "lockout", "outcome": "success", "service": "sshd"},
    ),
    # Linux-PAM ends its own words with a space.
    (
        "RESP_ACCT_LOCK",
        'pam_faillock uid=1005  exe="/usr/sbin/sshd" hostname=? addr=? terminal=? res=success\'',
        {"action": "lockout", "outcome": "success", "service": "sshd"},
    ),
    (
        "CRYPTO_KEY_USER",
        'op=destroy kind=server fp=SHA256:aa direction=? spid=812 suid=0 exe="/usr/sbin/sshd" hostname=? addr=? terminal=? res=success\'',
        "auditd: keys of connections",
    ),
    ("SERVICE_START", 'unit=cron comm="systemd" exe="/usr/lib/systemd/systemd" hostname=? addr=? terminal=? res=success\'', "auditd: other records"),
]


def audit_records(start: str, time: str, base: Mapping[str, Any]) -> Kinds:
    """The records behind ``start``; ``time`` stands between the type and the rest."""
    return [
        (f"{start}{kind}{time} pid=812 uid=0 auid=1000 ses=3 msg='{rest}", fate if isinstance(fate, str) else {**base, "session": "3", **fate})
        for kind, rest, fate in AUDIT_RECORDS
    ]


AUDITD = audit_records("node=srv1 type=", " msg=audit(1772446504.000:4021):", OF_HOST)
AUDITD_SYSLOG = [
    *audit_records(f"{SYSLOG}audispd: type=", " msg=audit(1772446504.000:4021):", OF_HOST),
    *audit_records(f"{SYSLOG}audit[812]: ", "", OF_HOST),
    (f"{SYSLOG}auditd[700]: Audit daemon rotating log files", "auditd: other records"),
]

PROFTPD_KINDS: Sequence[tuple[str, Fate]] = [
    ("USER u1 (Login failed): No such user found.", FAILED | FROM | {"user": "u1", "reason": "no_user"}),
    ("USER u1 (Login failed): Incorrect password.", FAILED | FROM | {"user": "u1", "reason": "bad_password"}),
    ("USER u1 (Login failed): Invalid shell: '/bin/false'", FAILED | FROM | {"user": "u1"}),
    ("USER u1: no such user found from gw.example.com [192.0.2.9] to ::ffff:203.0.113.5:21", FAILED | FROM | {"user": "u1", "reason": "no_user"}),
    ("SECURITY VIOLATION: Root login attempted.", FAILED | FROM | {"user": "root"}),
    ("Maximum login attempts (3) exceeded, connection refused", FROM | {"action": "lockout", "outcome": "success"}),
    ("FTP session closed.", "proftpd: connection bookkeeping"),
]
PROFTPD: Kinds = [
    *of(
        "Mar  2 10:15:04 srv1 proftpd[812] ftp.example.com (gw.example.com[192.0.2.9]): ",
        OF_HOST | {"service": "proftpd"},
        *PROFTPD_KINDS,
    ),
    ("2026-03-02 10:15:04,399 srv1 proftpd[812] srv1.example.com: ProFTPD 1.3.8 (stable) standalone mode STARTUP", "proftpd: the server itself"),
]
PROFTPD_SYSLOG: Kinds = [
    *of(f"{SYSLOG}proftpd[812]: 203.0.113.5 (gw.example.com[192.0.2.9]) - ", OF_HOST | {"service": "proftpd"}, *PROFTPD_KINDS),
    (f"{SYSLOG}proftpd[812]: 203.0.113.5 - ProFTPD killed (signal 15)", "proftpd: the server itself"),
]

SSH = FROM | {"client_port": 51512, "user": "app1"}
PAM_STEP = "sshd: PAM's own line of a try that sshd reports itself"
SSHD: Kinds = of(
    f"{SYSLOG}sshd[8]: ",
    OF_HOST | {"service": "sshd"},
    ("Failed password for invalid user app1 from 192.0.2.9 port 51512 ssh2", FAILED | SSH | {"method": "password", "reason": "no_user"}),
    ("Failed none for invalid user  from 192.0.2.9 port 51512 ssh2", FAILED | SSH | {"method": "none", "reason": "no_user", "user": None}),
    (
        "Failed publickey for invalid user app1 from 192.0.2.9 port 51512 ssh2: RSA-CERT SHA256:abc ID key1 (serial 7) CA ED25519 SHA256:def",
        FAILED | SSH | {"method": "publickey", "reason": "no_user"},
    ),
    (
        "Failed keyboard-interactive/pam for app 1 from 192.0.2.9 port 51512 ssh2",
        FAILED | SSH | {"method": "keyboard-interactive/pam", "reason": "bad_password", "user": "app 1", "attempts": 0},
    ),
    ("Accepted password for app 1 from 192.0.2.9 port 51512 ssh2", LOGON | SSH | {"method": "password", "user": "app 1"}),
    ("Invalid user app1 from 192.0.2.9 port 51512", LOGON | SSH | {"outcome": "unknown", "reason": "no_user", "attempts": 0}),
    ("Illegal user app1 from 192.0.2.9", LOGON | FROM | {"user": "app1", "outcome": "unknown", "reason": "no_user", "attempts": 0}),
    (
        "error: PAM: unknown user for illegal user app1 from 192.0.2.9 via 203.0.113.5",
        FAILED | FROM | {"method": "keyboard-interactive/pam", "user": "app1", "reason": "no_user", "attempts": 0},
    ),
    ("error: PAM: Permission denied for app1 from 192.0.2.9 ", FAILED | FROM | {"method": "keyboard-interactive/pam", "user": "app1"}),
    (
        "Disconnecting authenticating user app1 192.0.2.9 port 51512: Change of username or service not allowed: "
        "(app1,ssh-connection) -> (x 10.9.9.9 port 1: y,ssh-connection) [preauth]",
        LOGON | SSH | {"outcome": "unknown", "attempts": 0},
    ),
    ("Disconnecting invalid user app1 192.0.2.9 port 51512: Too many authentication failures [preauth]", "sshd: connection bookkeeping"),
    (
        'Failed hostbased for app1 from 192.0.2.9 port 51512 ssh2: RSA SHA256:abc, client user "u", client host "h"',
        FAILED | SSH | {"method": "hostbased"},
    ),
    (
        'Failed hostbased for invalid user app1 from 192.0.2.9 port 51512 ssh2: RSA SHA256:abc, client user "u", client host "h"',
        FAILED | SSH | {"method": "hostbased", "reason": "no_user"},
    ),
    (
        'Accepted hostbased for app1 from 192.0.2.9 port 51512 ssh2: RSA-CERT SHA256:abc ID k1 (serial 7) CA RSA SHA256:def, client user "u", client host "h"',
        LOGON | SSH | {"method": "hostbased"},
    ),
    ('pam_succeed_if(sshd:auth): requirement "uid >= 1000" not met by user "root"', PAM_STEP),
    ("PAM service(sshd) ignoring max retries; 6 > 3", PAM_STEP),
    ("PAM 5 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.9  user=root", PAM_STEP),
    ("input_userauth_request: invalid user app1 [preauth]", PAM_STEP),
)
# Relays that leave out the space behind the colon, or the message id; other systems of Cisco's.
# Headers of a Cisco ASA, as it writes them by itself and in EMBLEM's form, and as relays leave them.
ASA_DENIED = "106006: Deny inbound UDP from 192.0.2.9/51512 to 203.0.113.5/53 on interface outside"
ASA_EVENT = AT | PORTS | UDP | DENY | IN
ASA_HEADS: Sequence[tuple[str, dict[str, Any]]] = [
    ("<166>:Mar 02 10:15:04 UTC: %ASA-session-6-", {}),
    ("<166>:Mar 02 19:15:04 JST: %ASA-config-6-", {"ts_offset_min": 540}),
    ("<166>:Mar 02 10:15:04: %ASA--6-", {}),
    ("<166>:2026-03-02T10:15:04Z: %ASA-6-", {}),
    # The time of a relay counts where the device tells no year.
    ("Mar  2 10:15:04 192.0.2.1 :Mar 02 10:15:03 EST: %ASA-session-6-", {"host": "192.0.2.1"}),
    ("Mar  2 10:15:04 :Mar 02 10:15:03 MSK/MSD: %ASA-session-6-", {}),
    ("2026-03-02T19:15:04+09:00 fw1 : Mar 02 19:15:03 JST: %ASA-session-6-", {"host": "fw1", "ts_offset_min": 540}),
    ("Mar  2 10:15:04 192.0.2.1 :%ASA-session-6-", {"host": "192.0.2.1"}),
    ("2026-03-02T10:15:04Z 192.0.2.1 :%ASA-session-6-", {"host": "192.0.2.1"}),
    ("2026-03-02T19:15:04+09:00 relay 2026-03-02T10:15:03Z fw1 : %ASA-6-", {"host": "fw1", "ts_offset_min": 540}),
    ("2026-03-02T19:15:04+09:00 fw1 2026-03-02T10:15:03Z: %ASA-6-", {"host": "fw1", "ts_offset_min": 540}),
    ("<166>1 2026-03-02T10:15:04Z fw1 ASA - - - %ASA-6-", {"host": "fw1"}),
]
ASA_HEADERS: Kinds = [(head + ASA_DENIED, ASA_EVENT | told) for head, told in ASA_HEADS]
HEADERS: Kinds = [
    *[
        (
            f"{head}Failed password for app1 from 192.0.2.9 port 51512 ssh2",
            OF_HOST | FAILED | SSH | {"service": "sshd", "method": "password", "reason": "bad_password"},
        )
        for head in [
            "<38>Mar  2 10:15:04 srv1 sshd[8]:",
            "2026-03-02T10:15:04Z srv1 sshd[8]:",
            '<38>1 2026-03-02T10:15:04Z srv1 sshd 8 - [timeQuality tzKnown="1"] ',
        ]
    ],
    ("2026-03-02T10:15:04Z srv1 %SYS-5-CONFIG_I: Configured from console by ops1 on vty0 (192.0.2.9)", "other programs"),
]

AWS = {"ts": TS, "ts_offset_min": 0, "client_ip": "192.0.2.9", "user_agent": "aws-cli/2.0", "service": "aws"}
AWS_IAM = AWS | {"user": "new1", "actor_user": "u1"}


def aws(service: str, name: str, rest: str) -> str:
    return (
        '{"eventVersion":"1.09","userIdentity":{"type":"IAMUser","userName":"u1"},"eventTime":"2026-03-02T10:15:04Z",'
        f'"eventSource":"{service}.amazonaws.com","eventName":"{name}","sourceIPAddress":"192.0.2.9","userAgent":"aws-cli/2.0",{rest}}}'
    )


NEW1 = '"requestParameters":{"userName":"new1","groupName":"admins"}'
AWS_DENIED = ',"errorCode":"AccessDenied","errorMessage":"x"'
CLOUDTRAIL: Kinds = [
    (aws("signin", "ConsoleLogin", '"requestParameters":null,"responseElements":null'), "a console login that tells no result"),
    *[
        (aws("iam", name, NEW1 + error), AWS_IAM | {"action": action, "outcome": outcome} | told)
        for error, outcome in (("", "success"), (AWS_DENIED, "failure"))
        for name, action, told in (
            ("CreateUser", "account_create", {}),
            ("AddUserToGroup", "group_add", {"target": "admins"}),
            ("CreateAccessKey", "account_change", {}),
            ("DeactivateMFADevice", "account_change", {}),
        )
    ],
    (
        aws("sts", "AssumeRole", '"requestParameters":{"roleArn":"arn:aws:iam::111122223333:role/admin"}' + AWS_DENIED),
        AWS | {"user": "u1", "target": "arn:aws:iam::111122223333:role/admin", "action": "elevate", "outcome": "failure"},
    ),
]
# PAN-OS: the columns between those that count are those of version 11, the last of them the time with its zone.
PANOS_HEAD = "1,2026/03/02 10:15:09,007900000001,{},2561,2026/03/02 10:15:04,"
PANOS_ENDS = (
    "192.0.2.9,203.0.113.5,198.51.100.5,203.0.113.5,out rule,example\\u1,,dns,vsys1,trust,untrust,ae1,ae2,fwd,2026/03/02 10:15:04,"
    "99210,1,51512,53,61000,53,0x1,udp,"
)
PANOS_TRAFFIC = PANOS_ENDS + "allow,174,76,98,2,2026/03/02 10:14:33,31,any,,7204134,0x8000000000000000,10.0.0.0-10.255.255.255,Japan,,1,1,aged-out"
PANOS_THREAT = PANOS_ENDS + 'drop,"a,b",Some Name(40015),any,high,client-to-server,7204134051344758260,0x0,Germany,France,'
PANOS_CONFIG = PANOS_HEAD.format("CONFIG,0") + "192.0.2.9,,{},u1,Web,{}, config mgt-config users  new1,1234,0x0,0,0,0,0,,fw1,0"
PANOS_UNTIL_TIME = "," * 56
PANOS_LATER = {"ts": datetime(2026, 3, 2, 1, 15, 4, 120_000, tzinfo=UTC), "ts_offset_min": 540}
HIGH_RESOLUTION = "2026-03-02T10:15:04.120+09:00"
PANOS_EVENT = PORTS | UDP | NAT | {"rule": "out rule", "user": "example\\u1", "app": "dns", "flow_id": "99210"}
PANOS_SESSION = PANOS_EVENT | ALLOW | {"bytes_total": 174, "bytes_out": 76, "bytes_in": 98, "duration_ms": 31000.0}
GLOBALPROTECT = "GLOBALPROTECT,0"
GP_CLIENT = 'h-1,S1,6.2.1,Windows,"Windows 11, 64-bit",1,,,,{},,0,,0,gw1,77,0x0'
GP4, GP6 = "u1,JP,pc1,192.0.2.9,0.0.0.0,10.8.0.9,0.0.0.0," + GP_CLIENT, "u1,JP,pc1,0.0.0.0,2001:db8::9,10.8.0.9,0.0.0.0," + GP_CLIENT
GP_LOGIN = FROM | {"user": "u1", "service": "globalprotect", "method": "LDAP", "action": "logon", "attempts": 1}
GP_LOGOUT = FROM | {"user": "u1", "service": "globalprotect", "action": "logoff", "outcome": "success"}
GP6_FROM = {"client_ip": "2001:db8::9"}
GP_AUTH, GP_OFF = "vsys1,gateway-auth,login,LDAP,,", "vsys1,gateway-logout,logout,,IPSec,"
PANOS: Kinds = [
    (PANOS_HEAD.format("TRAFFIC,end") + PANOS_TRAFFIC + PANOS_UNTIL_TIME + HIGH_RESOLUTION, PANOS_LATER | PANOS_SESSION),
    (PANOS_HEAD.format("TRAFFIC,start") + PANOS_TRAFFIC + PANOS_UNTIL_TIME + HIGH_RESOLUTION + ",,", PANOS_LATER | PANOS_SESSION | {"is_interim": True}),
    (PANOS_HEAD.format("TRAFFIC,start") + PANOS_TRAFFIC, AT | PANOS_SESSION | {"is_interim": True}),
    (
        f"<14>Mar  2 10:15:09 fw1 {PANOS_HEAD.format('THREAT,spyware')}{PANOS_THREAT}{',' * 67}{HIGH_RESOLUTION}",
        PANOS_LATER | {"host": "fw1"} | PANOS_EVENT | DENY,
    ),
    (
        "1,2026/03/02 10:15:09,007900000001,SYSTEM,auth,2561,2026/03/02 10:15:04,,auth-success,,0,0,general,informational,"
        "\"authenticated for user 'ops1'. auth profile 'local', vsys 'shared', From: 192.0.2.9.\",1234,0x0,0,0,0,0,,fw1",
        AT | LOGON | FROM | {"user": "ops1", "service": "panos"},
    ),
    (
        PANOS_HEAD.format("SYSTEM,general") + ",general,,0,0,general,informational,User ops1 logged out via Web from 192.0.2.9,1,0x0",
        AT | LOGOFF | FROM | {"user": "ops1", "service": "panos"},
    ),
    ("1,2026/03/02 10:15:09,007900000001,CONFIG,0,2561,2026/03/02 10:15:04,192.0.2.9,,set,ops1,Web,Succeeded,x", "PAN-OS: neither traffic nor threat"),
    *[
        (
            PANOS_HEAD.format("SYSTEM,globalprotect") + f",globalprotect{side},gw1,0,0,general,informational,"
            f'"GlobalProtect gateway user authentication {done}. Login from: 192.0.2.9, {region}User name: u1, {rest}",1234,0x0,0,0,0,0,,fw1',
            AT | FROM | {"user": "u1", "action": "logon", "outcome": outcome, "service": "globalprotect", "attempts": 0},
        )
        for side, done, region, rest, outcome in [
            ("gateway-auth-succ", "succeeded", "Source region: JP, ", "Auth type: profile, Client OS version: Windows 11 , 64-bit.", "success"),
            ("portal-auth-fail", "failed", "", "Reason: Authentication failed: Invalid username or password , Auth type: profi", "failure"),
        ]
    ],
    *[
        (
            PANOS_CONFIG.format(command, "Succeeded"),
            AT | FROM | {"action": action, "user": "new1", "actor_user": "u1", "outcome": "success", "service": "panos"},
        )
        for command, action in [("set", "account_create"), ("edit", "account_change")]
    ],
    (PANOS_CONFIG.format("set", "Failed"), "PAN-OS: neither traffic nor threat"),
]
PANOS_GLOBALPROTECT: Kinds = [
    (PANOS_HEAD.format(GLOBALPROTECT) + GP_AUTH + GP4.format("failure"), AT | GP_LOGIN | {"outcome": "failure"}),
    (PANOS_HEAD.format(GLOBALPROTECT) + GP_AUTH + GP6.format("success") + "," + HIGH_RESOLUTION, PANOS_LATER | GP_LOGIN | GP6_FROM | {"outcome": "success"}),
    (PANOS_HEAD.format(GLOBALPROTECT) + GP_AUTH + GP6.format("success"), AT | GP_LOGIN | GP6_FROM | {"outcome": "success"}),
    (PANOS_HEAD.format(GLOBALPROTECT) + GP_OFF + GP4.format("success") + "," + HIGH_RESOLUTION, PANOS_LATER | GP_LOGOUT),
    (PANOS_HEAD.format(GLOBALPROTECT) + GP_OFF + GP6.format("success") + "," + HIGH_RESOLUTION, PANOS_LATER | GP_LOGOUT | GP6_FROM),
    (PANOS_HEAD.format(GLOBALPROTECT) + GP_OFF + GP6.format("success"), AT | GP_LOGOUT | GP6_FROM),
]
PANOS_RFC5424: Kinds = of(
    "<14>1 2026-03-02T10:15:04Z srv1 - - - - ",
    OF_HOST,
    (PANOS_HEAD.format("TRAFFIC,end") + PANOS_TRAFFIC, PANOS_SESSION),
    (PANOS_HEAD.format("THREAT,spyware") + PANOS_THREAT, PANOS_EVENT | DENY),
    (PANOS_HEAD.format("SYSTEM,general") + ",general,,0,0,general,informational,x,1,0x0", "PAN-OS: neither traffic nor threat"),
    (PANOS_HEAD.format(GLOBALPROTECT) + GP_AUTH + GP4.format("failure"), GP_LOGIN | {"outcome": "failure"}),
    (PANOS_HEAD.format(GLOBALPROTECT) + GP_OFF + GP4.format("success"), GP_LOGOUT),
    (PANOS_HEAD.format(GLOBALPROTECT) + GP_OFF + GP6.format("success"), GP_LOGOUT | GP6_FROM),
    (PANOS_HEAD.format(GLOBALPROTECT) + "vsys1,gateway-connected,connected,,IPSec," + GP4.format("success"), "GlobalProtect: a step of a connection"),
)


def m365(operation: str, rest: str) -> str:
    return f'{{"CreationTime":"2026-03-02T10:15:04","Operation":"{operation}","UserId":"u1@example.com",{rest}}}'


M365 = AT | {"user": "u1@example.com"}
M365_FILE = '"Workload":"SharePoint","ClientIP":"192.0.2.9","ObjectId":"https://example.sharepoint.com/a.xlsx","SiteUrl":"https://example.sharepoint.com/"'
M365_AUDIT: Kinds = [
    (
        m365("MailboxLogin", '"Workload":"Exchange","ResultStatus":"Succeeded","ClientIPAddress":"192.0.2.9"'),
        M365 | FROM | LOGON | {"service": "m365"},
    ),
    *[
        (
            m365(operation, '"Workload":"AzureActiveDirectory","ResultStatus":"Success","ObjectId":"u2@example.com"'),
            AT | {"user": "u2@example.com", "actor_user": "u1@example.com", "action": action, "outcome": "success", "service": "m365"},
        )
        for operation, action in (("Add user.", "account_create"), ("Reset user password.", "account_change"))
    ],
    (
        m365(
            "MailItemsAccessed",
            '"Workload":"Exchange","ResultStatus":"Succeeded","ClientIPAddress":"192.0.2.9","MailboxOwnerUPN":"u2@example.com","OperationCount":5,'
            '"OperationProperties":[{"Name":"MailAccessType","Value":"Bind"},{"Name":"IsThrottled","Value":"False"}],'
            '"Folders":[{"Path":"\\\\Inbox"},{"Path":"\\\\Sent"}]',
        ),
        M365 | FROM | {"action": "read", "outcome": "success", "store": "u2@example.com", "row_count": 5, "completeness": "item"},
    ),
    (
        m365(
            "HardDelete",
            '"Workload":"Exchange","ResultStatus":"Succeeded","ClientIPAddress":"192.0.2.9","MailboxOwnerUPN":"u2@example.com","Folder":{"Path":"\\\\Inbox"}',
        ),
        M365 | FROM | {"action": "delete", "outcome": "success", "store": "u2@example.com", "object": "\\Inbox"},
    ),
    *[
        (
            m365(operation, M365_FILE + told),
            M365 | FROM | {"action": action, "outcome": outcome, "store": "https://example.sharepoint.com/", "object": "https://example.sharepoint.com/a.xlsx"},
        )
        for told, outcome in (("", "success"), (',"ResultStatus":"Failed"', "failure"))
        for operation, action in (("FileAccessed", "read"), ("FolderDownloaded", "export"), ("FileModified", "write"), ("FileRecycled", "delete"))
    ],
    *[
        (m365("SearchQueryPerformed", f'"Workload":"SharePoint","ClientIP":"192.0.2.9"{told}'), M365 | FROM | {"action": "query", "outcome": outcome})
        for told, outcome in (("", "success"), (',"ResultStatus":"Failed"', "failure"))
    ],
]

PG = AT | {"user": "app", "client_ip": "192.0.2.9", "client_port": 51512}
PG_DATA = PG | {"store": "crm"}
PG_TABLE = PG_DATA | {"object": "public.customers", "outcome": "unknown"}


def pg_csv(level: str, message: str, rest: str = ',,,,,,,,,"psql","client backend",,0') -> str:
    return f'2026-03-02 10:15:04 UTC,"app","crm",8,"192.0.2.9:51512",65f0.8,3,"SELECT",2026-03-02 10:15:00 UTC,3/12,0,{level},"{message}{rest}'


def pg_json(severity: str, code: str, message: str) -> str:
    return (
        '{"timestamp":"2026-03-02 10:15:04.000 UTC","user":"app","dbname":"crm","pid":8,"remote_host":"192.0.2.9","remote_port":51512,"session_id":"65f0.8",'
        f'"line_num":3,"error_severity":"{severity}","state_code":"{code}","message":"{message}","backend_type":"client backend","query_id":0}}'
    )


PG_SAID = "AUDIT: SESSION,1,1,{},TABLE,public.customers,{}select a{},<not logged>,12"
PG_END = "disconnection: session time: 0:00:31.120 user=app database=crm host=192.0.2.9 port=51512"
# A message whose end is not there.
POSTGRESQL_CSV: Kinds = [
    (pg_csv("FATAL,28000", 'no pg_hba.conf entry for host ""192.0.2.9"", user ""app""', '",,,,,,,,,"psql"'), PG | FAILED | {"service": "postgresql"}),
    (pg_csv("LOG,00000", PG_END, '",,,,,,,,,"psql"'), PG | LOGOFF | {"service": "postgresql"}),
    (pg_csv("LOG,00000", 'AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.customers,""select a,', ""), PG_TABLE | {"action": "read"}),
    (
        pg_csv("LOG,00000", PG_SAID.format("WRITE,UPDATE", '""', '""') + '"'),
        PG_TABLE | {"action": "write", "statement": "select a", "row_count": 12},
    ),
    (pg_csv("LOG,00000", 'AUDIT: SESSION,1,1,WRITE,UPDATE,TABLE,public.customers,""update customers', ""), PG_TABLE | {"action": "write"}),
    (
        pg_csv("LOG,00000", PG_SAID.format("DDL,ALTER TABLE", "", "") + '"'),
        PG_TABLE | {"action": "query", "statement": "select a", "row_count": 12},
    ),
    (pg_csv("LOG,00000", 'AUDIT: SESSION,1,1,DDL,ALTER TABLE,TABLE,public.customers,""alter table', ""), PG_TABLE | {"action": "query"}),
    (
        pg_csv("LOG,00000", "duration: 9.482 ms  execute s1: select a,", ""),
        PG_DATA | {"action": "query", "outcome": "success", "statement": "select a,", "completeness": "cut"},
    ),
    (
        pg_csv("ERROR,42P01", 'relation ""c"" does not exist', '",,,,,,"select *'),
        PG_DATA | {"action": "query", "outcome": "failure", "statement": "select *", "completeness": "cut"},
    ),
]
POSTGRESQL_JSON: Kinds = [
    (pg_json("FATAL", "28000", 'no pg_hba.conf entry for host \\"192.0.2.9\\"'), PG | FAILED | {"service": "postgresql"}),
    (pg_json("LOG", "00000", PG_END), PG | LOGOFF | {"service": "postgresql"}),
    (
        pg_json("LOG", "00000", PG_SAID.format("WRITE,UPDATE", '\\"', '\\"')),
        PG_TABLE | {"action": "write", "statement": "select a", "row_count": 12},
    ),
    (
        pg_json("LOG", "00000", PG_SAID.format("DDL,ALTER TABLE", "", "")),
        PG_TABLE | {"action": "query", "statement": "select a", "row_count": 12},
    ),
    (
        pg_json("LOG", "00000", "duration: 9.482 ms  execute <unnamed>: select a,\\n b"),
        PG_DATA | {"action": "query", "outcome": "success", "statement": "select a,\n b"},
    ),
]
POSTGRESQL: Kinds = of(
    "2026-03-02 10:15:04 UTC:192.0.2.9(51512):app@crm:[44]:",
    PG,
    ("LOG:  connection authorized: user=app database=crm application_name=psql", LOGON | {"service": "postgresql"}),
    ('ERROR:  relation "c" does not exist at character 15', "postgresql: further facts of an entry"),
    ("LOG:  could not receive data from client: Connection reset by peer", "postgresql: the server itself"),
)

FORTIGATE_AUTH: Kinds = of(
    'date=2026-03-02 time=10:15:04 eventtime=1772446504000000000 tz="+0000" type="event" level="notice" vd="root" ',
    AT,
    *[
        (
            f'logid="0102043008" subtype="user" logdesc="x" srcip=192.0.2.9 dstip=203.0.113.5 policyid=1 user="u1" group="g1" {done}',
            {**FROM, "user": "u1", "service": "fortigate", **event},
        )
        for done, event in [
            ('action="authentication" status="success" reason="N/A" msg="User u1 succeeded in authentication"', LOGON),
            ('action="authentication" status="failure" reason="invalid username/password" msg="User u1 failed in authentication"', FAILED),
            ('action="auth-logon" status="logon" msg="User u1 added to auth logon"', LOGON | {"attempts": 0}),
            ('action="auth-logout" status="logout" msg="User u1 removed from auth logon"', LOGOFF),
            ('server="dc1" action="FSSO-logon" msg="FSSO-logon event from dc1"', LOGON | {"attempts": 0}),
            ('server="dc1" action="FSSO-logoff" msg="FSSO-logoff event from dc1"', LOGOFF),
        ]
    ],
    ('logid="0102043011" subtype="user" user="u1" action="auth-timeout" msg="x"', "FortiGate: other event"),
    ('logid="0103020301" subtype="router" msg="BGP neighbor status changed"', "FortiGate: other event"),
    ('logid="0100041006" subtype="system" logdesc="AV database updated" version="1" msg="x"', "FortiGate: other event"),
    # FortiOS 5: the address stands in "ui" alone.
    *of(
        "logid=0100032001 subtype=system sn=1 ",
        {"user": "u1"},
        ('user="u1" ui=https(192.0.2.9) action=login status=success reason=none', LOGON | FROM | {"service": "https"}),
        ('user="u1" ui=ssh(192.0.2.9) action=login status=failed reason="name_invalid"', FAILED | FROM | {"service": "ssh", "reason": "no_user"}),
        ('user="u1" ui=https([2001:db8::9]) action=logout status=success', LOGOFF | {"client_ip": "2001:db8::9", "service": "https"}),
        ('user="u1" ui=console action=login status=success reason=none', LOGON | {"service": "console"}),
        ('user="u1" ui=console action=login status=failed reason="passwd_invalid"', FAILED | {"service": "console", "reason": "bad_password"}),
        ('user="u1" ui=console action=logout status=success', LOGOFF | {"service": "console"}),
        ('user="u1" srcip=192.0.2.9 ui="ssh(10.9.9.9)" method="ssh" action="login" status="success"', LOGON | FROM | {"service": "ssh"}),
        ('user="u1" srcip=192.0.2.9 ui="ssh(10.9.9.9)" method="ssh" action="logout"', LOGOFF | FROM | {"service": "ssh"}),
        ('user="u1" ui=ssh(192.0.2.9) action=login status=pending', "FortiGate: a login in an unknown form"),
    ),
    (
        'logid="0100032021" subtype="system" ui="192.0.2.9" action="login" status="failed" reason="exceed_limit" msg="Login disabled from IP 192.0.2.9"',
        FROM | {"action": "lockout", "outcome": "success", "service": "fortigate"},
    ),
    *of(
        'logid="0100044547" subtype="system" logdesc="Object attribute configured" user="u1" ',
        {"user": "new1", "actor_user": "u1", "outcome": "success", "service": "fortigate"},
        ('ui="GUI(192.0.2.9)" action="Add" cfgpath="system.admin" cfgobj="new1" cfgattr="accprofile[super_admin]"', FROM | {"action": "account_create"}),
        ('ui="cli" action="Add" cfgpath="user.local" cfgobj="new1" cfgattr="type[password]"', {"action": "account_create"}),
        ('ui="ssh(192.0.2.9)" action="Edit" cfgpath="user.local" cfgobj="new1" cfgattr="passwd[*]"', FROM | {"action": "account_change"}),
        ('ui="cli" action="Delete" cfgpath="system.admin" cfgobj="new1"', {"action": "account_change"}),
        ('ui="cli" action="Edit" cfgpath="firewall.policy" cfgobj="7"', "FortiGate: other event"),
    ),
    *of(
        'logid="0101037138" subtype="vpn" remip=192.0.2.9 locip=203.0.113.5 remport=51512 locport=4500 user="N/A" tunneltype="ipsec" ',
        FROM | {"client_port": 51512, "user": "u1", "service": "ipsec"},
        ('action="tunnel-up" xauthuser="u1" vpntunnel="ra"', LOGON),
        ('action="tunnel-down" xauthuser="u1" vpntunnel="ra"', LOGOFF),
        ('action="tunnel-up" xauthuser="N/A" vpntunnel="s2s"', "FortiGate: other event"),
    ),
)
SOPHOS_RULE = 'log_type="Firewall" log_component="Firewall Rule" log_subtype="Denied" {}="7" {}="u1" src_ip="192.0.2.9" dst_ip="203.0.113.5" protocol="{}" '
SOPHOS_FIREWALL: Kinds = [
    (
        'device="SFW" date=2026-03-02 time=10:15:04 timezone="CST" device_name="XG210" '
        + SOPHOS_RULE.format("fw_rule_id", "user_name", "UDP")
        + "src_port=51512 dst_port=53 sent_bytes=76 recv_bytes=98",
        AT | PORTS | UDP | DENY | {"rule": "7", "user": "u1", "bytes_out": 76, "bytes_in": 98},
    ),
    (
        'device="SFW" date=2026-03-02 time=10:15:04 timezone="UTC" device_name="XG210" '
        + SOPHOS_RULE.format("fw_rule_id", "user_name", "UDP")
        + "src_port=51512 dst_port=53 sent_bytes=76 recv_bytes=98",
        AT | PORTS | UDP | DENY | {"rule": "7", "user": "u1", "bytes_out": 76, "bytes_in": 98},
    ),
    (
        '<30>device_name="SFW" timestamp="2026-03-02T10:15:04+0000" '
        + SOPHOS_RULE.format("fw_rule_id", "user", "ICMP")
        + "icmp_type=8 icmp_code=0 bytes_sent=84 bytes_received=98",
        AT | PAIR | ICMP | DENY | {"rule": "7", "user": "u1", "bytes_out": 84, "bytes_in": 98},
    ),
]
UNIFI = "[WAN_LOCAL-R-4000] IN=eth8 OUT= MAC=00:00:5e:00:53:01 SRC=192.0.2.9 DST=203.0.113.5 LEN=84 TOS=00 PREC=0x00 TTL=49 ID=4 DF PROTO="
UNIFI_FIREWALL: Kinds = [
    (f"Mar  2 10:15:04 srv1 {UNIFI}ICMP TYPE=8 CODE=0 ID=1 SEQ=1", OF_HOST | PAIR | ICMP | {"action": "reset", "rule": "WAN_LOCAL-R-4000", "bytes_out": 84}),
    (f"{SYSLOG}{UNIFI}UDP SPT=51512 DPT=53 LEN=64", OF_HOST | PORTS | UDP | {"action": "reset", "rule": "WAN_LOCAL-R-4000", "bytes_out": 84}),
]
CEF: Kinds = [
    ("CEF:0|Example|Console|1|7|User login successful|3|rt=1772446504000 duser=u1 src=192.0.2.9", AT | LOGON | FROM | {"user": "u1", "service": "Console"}),
    (
        "CEF:0|Example|Console|1|7|User login|3|rt=1772446504000 suser=u1 src=192.0.2.9 spt=51512 outcome=failure",
        AT | FAILED | FROM | {"user": "u1", "client_port": 51512, "service": "Console"},
    ),
    (
        "CEF:0|Ubiquiti|UniFi Network|9.4|201|Threat Detected and Blocked|7|UNIFIcategory=Security proto=UDP src=192.0.2.9 spt=51512 dst=203.0.113.5 dpt=53 "
        "UNIFIipsSignature=ET SCAN x UNIFIutcTime=2026-03-02T10:15:04Z msg=x",
        AT | PORTS | UDP | DENY | {"rule": "ET SCAN x"},
    ),
]
SURICATA = '{{"timestamp":"2026-03-02T10:15:04.000000+0000","flow_id":7,"event_type":"{}","src_ip":"192.0.2.9","src_port":51512,"dest_ip":"203.0.113.5",'
SURICATA_EVE: Kinds = [
    (
        SURICATA.format("anomaly") + '"dest_port":53,"proto":"UDP","anomaly":{"type":"decode","event":"decoder.udp.pkt_too_small"}}',
        AT | PORTS | UDP | {"flow_id": "7", "rule": "decoder.udp.pkt_too_small"},
    ),
    (SURICATA.format("tls") + '"dest_port":53,"proto":"TCP","tls":{"sni":"a.example"}}', AT | PORTS | TCP | {"flow_id": "7", "app": "tls"}),
]
MODSECURITY_AUDIT_JSON: Kinds = [
    (
        '{"transaction":{"time":"02/Mar/2026:10:15:04 +0000","transaction_id":"aX","remote_address":"192.0.2.9","remote_port":51512,'
        '"local_address":"203.0.113.5","local_port":53},"request":{"request_line":"GET / HTTP/1.1"},"response":{"status":200},"audit_data":{"messages":'
        '["Warning. Pattern match \\"x\\" at ARGS:a. [file \\"/etc/r.conf\\"] [id \\"942100\\"]"],"action":{"intercepted":false}}}',
        AT | PORTS | {"action": "alert", "app": "http", "rule": "942100", "flow_id": "aX"},
    ),
]
WINDOWS = AT | {"host": "dc1.example.com", "service": "windows"}
WINDOWS_SECURITY_JSON: Kinds = of(
    '{"TimeCreated":"2026-03-02T10:15:04Z","Computer":"dc1.example.com",',
    WINDOWS,
    (
        '"Channel":"Microsoft-Windows-IIS-Logging/Logs","ProviderName":"Microsoft-Windows-IIS-Logging","EventID":6200,"c-ip":"192.0.2.9"}',
        "a request to IIS that lacks what it must have",
    ),
    *[
        (
            f'"Channel":"Security","EventID":{number},"TargetUserName":"u2","SubjectUserName":"admin1","SubjectLogonId":"0x1f"}}',
            {"action": "account_change", "outcome": "success", "user": "u2", "actor_user": "admin1", "session": "0x1f"},
        )
        for number in (4722, 4724, 4726, 4738)
    ],
    (
        '"Channel":"Security","EventID":4768,"TargetUserName":"u1","IpAddress":"::ffff:192.0.2.9","IpPort":"51512","Status":"0x0"}',
        LOGON | FROM | {"user": "u1", "client_port": 51512, "method": "kerberos"},
    ),
)
OKTA: Kinds = [
    (
        '{"actor":{"alternateId":"u1@example.com"},"client":{"ipAddress":"192.0.2.9"},"eventType":"group.user_membership.add","outcome":{"result":"SUCCESS"},'
        '"published":"2026-03-02T10:15:04Z","uuid":"d","target":[{"type":"UserGroup","displayName":"Admins"}]}',
        "whose account was changed is not told where it is expected",
    )
]
GOOGLE_LOGIN: Kinds = [
    (
        '{"id":{"time":"2026-03-02T10:15:04Z","uniqueQualifier":"1","applicationName":"login"},"actor":{"email":"u1@example.com"},"ipAddress":"192.0.2.9",'
        '"events":[{"type":"login","name":"login_failure"},{"type":"login","name":"login_success"}]}',
        "several events in one line",
    )
]
TELEPORT: Kinds = [
    (
        '{"ei":0,"event":"user.login","uid":"a","code":"T1000W","time":"2026-03-02T10:15:04Z","user":"u1","success":null,"addr.remote":"192.0.2.9:34204"}',
        "a login that tells no result",
    )
]
ENTRA_SIGNIN: Kinds = [
    (
        '{"id":"a1","createdDateTime":"2026-03-02T10:15:04Z","userPrincipalName":"u1@example.com","appDisplayName":"Portal","ipAddress":"192.0.2.9",'
        '"status":{"errorCode":50034,"failureReason":"x"}}',
        AT | FAILED | FROM | {"user": "u1@example.com", "service": "Portal", "reason": "no_user"},
    )
]
ORACLE_AUDIT: Kinds = [
    (
        '{"oracle_audit":{"dbusername":"APP1","action_name":"LOGON","return_code":"1017","time":"2026-03-02T10:15:04Z"}}',
        AT | FAILED | {"user": "APP1", "service": "oracle"},
    )
]
MYSQL_AUDIT_JSON: Kinds = [
    (
        '{"audit_record":{"name":"Quit","record":"7_2026","timestamp":"2026-03-02T10:15:04 UTC","connection_id":"37","status":0,"user":"app","host":"gw",'
        '"ip":"192.0.2.9","db":""}}',
        AT | LOGOFF | FROM | {"user": "app", "session": "37", "service": "mysql"},
    ),
    (
        '{"timestamp":"2026-03-02 10:15:04","id":3,"class":"connection","event":"change_user","connection_id":12,"account":{"user":"app","host":"gw"}}',
        "mysql: neither login nor statement",
    ),
    (
        '{"audit_record":{"name":"Ping","record":"8_2026","timestamp":"2026-03-02T10:15:04 UTC","connection_id":"37","status":0,"user":"app"}}',
        "mysql: neither login nor statement",
    ),
]
MARIADB = AT | FROM | {"host": "db1", "user": "app", "session": "8", "store": "crm"}
MARIADB_AUDIT: Kinds = [
    ("20260302 10:15:04,db1,app,192.0.2.9,8,21,WRITE,crm,customers,", MARIADB | {"object": "customers", "action": "write", "outcome": "unknown"}),
    (
        "20260302 10:15:04,db1,app,192.0.2.9,8,21,QUERY,crm,'select * from nowhere',1146",
        MARIADB | {"statement": "select * from nowhere", "action": "query", "outcome": "failure"},
    ),
]
MYSQL_GENERAL: Kinds = [
    (
        "260302 10:15:04\t   12 Connect\tapp@192.0.2.9 on crm",
        AT | FROM | {"user": "app", "session": "12", "action": "logon", "outcome": "unknown", "service": "mysql", "attempts": 1},
    ),
    ("\t\t   12 Quit\t", "mysql: neither login nor statement"),
]

REQUEST = '[02/Mar/2026:10:15:04 +0000] "GET /o/47?v=1 HTTP/1.1" 200 512'
WEB = AT | FROM | {"method": "GET", "path": "/o/47", "query": "v=1", "protocol": "HTTP/1.1", "status": 200, "bytes_sent": 512}
BROWSER, WITH_BROWSER = f'{REQUEST} "-" "curl/8"', WEB | {"user_agent": "curl/8"}
OF_NAME, OF_TARO = {"client_ip": "client.example.com"}, {"user": "yamada taro"}
COMBINED: Kinds = [(f"client.example.com ident1 yamada taro {BROWSER}", WITH_BROWSER | OF_NAME | OF_TARO)]
COMMON: Kinds = [(f"192.0.2.9 - yamada taro {REQUEST}", WEB | OF_TARO), (f"client.example.com ident1 yamada taro {REQUEST}", WEB | OF_NAME | OF_TARO)]
VHOST_COMBINED: Kinds = [
    (f"shop.example:443 192.0.2.9 - yamada taro {BROWSER}", WITH_BROWSER | OF_TARO | {"vhost": "shop.example"}),
    (f"shop.example:443 client.example.com ident1 yamada taro {BROWSER}", WITH_BROWSER | OF_NAME | OF_TARO | {"vhost": "shop.example"}),
]
COMBINED_EXTRA: Kinds = [
    (
        f'client.example.com ident1 u1 {REQUEST} "-" "a \\"b\\"" "203.0.113.9"',
        WEB | OF_NAME | {"user_agent": 'a "b"', "user": "u1", "forwarded_for": "203.0.113.9"},
    ),
    (f'client.example.com - yamada taro {BROWSER} "203.0.113.9" 0.012', WITH_BROWSER | OF_NAME | OF_TARO | {"forwarded_for": "203.0.113.9"}),
]
INGRESS: Kinds = [
    (
        '10.0.0.8 - [192.0.2.9] - ops1 [02/Mar/2026:10:15:04 +0000] "GET / HTTP/1.1" 200 5 "-" "x" 77 0.002 [a-b-80] [] 198.51.100.4:80 5 0.001 200 07d2',
        AT
        | {"client_ip": "10.0.0.8", "forwarded_for": "192.0.2.9", "user": "ops1", "method": "GET", "path": "/", "protocol": "HTTP/1.1", "user_agent": "x"}
        | {"status": 200, "bytes_sent": 5, "bytes_received": 77, "duration_ms": 2.0},
    ),
]
APACHE_OLD, RULE = "[Mon Mar 02 10:15:04 2026] [error] [client 192.0.2.9] ", '[file "/etc/r.conf"] [id "930120"] [hostname "shop.example"] [uri "/"]'
SEEN = {"src_ip": "192.0.2.9", "app": "http", "rule": "930120"}
APACHE_ERROR: Kinds = [
    (f"{APACHE_OLD}user u1 not found: /admin", AT | FAILED | FROM | {"user": "u1", "reason": "no_user", "service": "apache", "method": "password"}),
    (
        f"[Mon Mar 02 10:15:04.000000 2026] [:error] [pid 8:tid 9] [client 192.0.2.9:51512] [client 192.0.2.9] ModSecurity: Warning. Matched phrase. {RULE}",
        AT | SEEN | {"src_port": 51512, "action": "alert"},
    ),
    (f"{APACHE_OLD}ModSecurity: Access denied with code 403 (phase 2). Matched phrase at ARGS. {RULE}", AT | SEEN | DENY),
]
NGINX_ERROR: Kinds = [
    (
        "2026/03/02 10:15:04 [error] 9#9: *18 [client 192.0.2.9] ModSecurity: Access denied with code 403 (phase 2). Matched at ARGS. "
        '[id "930120"], client: 192.0.2.9, server: shop.example, request: "GET / HTTP/1.1", host: "shop.example"',
        AT | SEEN | DENY | {"dst_port": None},
    ),
    (
        "2026/03/02 10:15:04 [error] 9#9: *18 [client 192.0.2.9] ModSecurity: Access denied with code 403 (phase 2). Matched at ARGS, "
        'client: 192.0.2.9, server: shop.example, request: "GET / HTTP/1.1", host: "shop.example"',
        AT | SEEN | DENY | {"rule": None},
    ),
]
KEYCLOAK_TEXT: Kinds = of(
    "2026-03-02 10:15:04,000 DEBUG [org.keycloak.events] (executor-thread-8) type=",
    AT | FROM | {"service": "web"},
    (
        '"LOGIN", realmId="r", realmName="shop", clientId="web", userId="abc", ipAddress="192.0.2.9", auth_method="openid-connect", username="u1"',
        LOGON | {"user": "u1"},
    ),
    ('"LOGOUT", realmId="r", clientId="web", userId="abc", sessionId="s", ipAddress="192.0.2.9", redirect_uri="https://shop.example/"', LOGOFF),
)
AUTHELIA_MFA = {"user": "u1", "service": "authelia", "action": "mfa", "outcome": "failure", "attempts": 1}
AUTHELIA_NOBODY = FAILED | FROM | {"user": "u1", "service": "authelia", "method": "password", "reason": "no_user"}
AUTHELIA: Kinds = [
    *of(
        'time="2026-03-02T10:15:04Z" level=error msg="',
        AT | FROM,
        (
            "Unsuccessful Duo authentication attempt by user 'u1': duo auth result: deny, status: deny, message: Login request denied.\" method=POST "
            "path=/api/secondfactor/duo remote_ip=192.0.2.9",
            AUTHELIA_MFA | {"reason": "mfa_denied"},
        ),
        ("Unsuccessful TOTP authentication attempt by user 'u1'\" method=POST path=/api/secondfactor/totp remote_ip=192.0.2.9", AUTHELIA_MFA),
        (
            'Error occurred getting details for user with username input \'u1\' which usually indicates they do not exist" error="user not found" '
            "method=POST path=/api/firstfactor remote_ip=192.0.2.9",
            AUTHELIA_NOBODY,
        ),
    ),
    (
        '{"level":"error","method":"POST","msg":"Unsuccessful 1FA authentication attempt by user \'u1\': user not found","path":"/api/firstfactor",'
        '"remote_ip":"192.0.2.9","stack":[],"time":"2026-03-02T10:15:04Z"}',
        AT | AUTHELIA_NOBODY,
    ),
]
GRAFANA_TEXT: Kinds = [
    ('logger=http.server t=2026-03-02T10:15:04Z level=info msg="HTTP Server Listen" address=[::]:3000 protocol=http', "grafana: no login and no request")
]
FTP = {"user": "u1"} | FROM
VSFTPD: Kinds = of(
    "Mon Mar  2 10:15:04 2026 [pid 812] [u1] ",
    AT | FTP | {"object": "/srv/c.csv"},
    ('FAIL DOWNLOAD: Client "192.0.2.9", "/srv/c.csv", 0.00Kbyte/sec', {"action": "read", "outcome": "failure"}),
    ('OK UPLOAD: Client "192.0.2.9", "/srv/c.csv", 512 bytes, 31.90Kbyte/sec', {"action": "write", "outcome": "success", "completeness": "item"}),
    ('OK DELETE: Client "192.0.2.9", "/srv/c.csv"', {"action": "delete", "outcome": "success", "completeness": "item"}),
    ('OK MKDIR: Client "192.0.2.9", "/srv/new"', "vsftpd: files renamed, folders, and what was refused"),
    ('FAIL UPLOAD: Client "192.0.2.9", "/srv/c.csv", 0.00Kbyte/sec', "vsftpd: files renamed, folders, and what was refused"),
)
OPENVPN: Kinds = [
    ("Mon Mar  2 10:15:04 2026 192.0.2.9:51512 TLS: Initial packet from [AF_INET]192.0.2.9:51512, sid=1 2", "openvpn: connection bookkeeping"),
]
UTMP = '{{"time":"2026-03-02T10:15:04.000000Z","type":"{}","is_failure":false,"user":"{}","line":"~","host":"","addr":null,"pid":53,"ended":null}}'
UTMP_RECORDS: Kinds = [
    (UTMP.format("RUN_LVL", "runlevel"), "utmp: the run level changed, or the system went down"),
    (UTMP.format("NEW_TIME", "date"), "utmp: the clock was set"),
]
UTMPDUMP: Kinds = [
    *[
        (
            f"{start} [root    ] [ssh:notty   ] [192.0.2.9           ] [0.0.0.0        ] [2026-03-02T10:15:04,000000+00:00]",
            AT | FAILED | FROM | {"user": "root", "service": "utmp"},
        )
        for start in ("[6] [01234] [    ]", "[7] [01234] [    ]")
    ],
    *[
        (f"{start} [~           ] [6.1.0               ] [0.0.0.0        ] [2026-03-02T10:15:04,000000+00:00]", kind)
        for start, kind in [
            ("[1] [00053] [~~  ] [runlevel]", "utmp: the run level changed, or the system went down"),
            ("[3] [00000] [~   ] [date    ]", "utmp: the clock was set"),
            ("[5] [00700] [si  ] [        ]", "utmp: no login"),
        ]
    ],
]

NEITHER = "dovecot: connections without a try"
PROGRAMS: Kinds = of(
    SYSLOG,
    OF_HOST,
    ('vsftpd[8]: [x] y] FAIL LOGIN: Client "192.0.2.9"', FAILED | FTP | {"user": "x] y", "service": "vsftpd"}),
    ("pure-ftpd: (u1@192.0.2.9) [WARNING] Authentication failed for user [u1]", FAILED | FTP | {"service": "pure-ftpd"}),
    ("pure-ftpd: (?@192.0.2.9) [INFO] Anonymous user logged in", LOGON | FROM | {"user": "anonymous", "service": "pure-ftpd"}),
    (
        "pure-ftpd: (u1@192.0.2.9) [NOTICE] /srv/c.csv uploaded  (512 bytes, 31.90KB/sec)",
        FTP | {"action": "write", "outcome": "success", "object": "/srv/c.csv", "completeness": "item"},
    ),
    (
        "pure-ftpd: (u1@192.0.2.9) [NOTICE] Deleted /srv/c.csv",
        FTP | {"action": "delete", "outcome": "success", "object": "/srv/c.csv", "completeness": "item"},
    ),
    ("ftpd[8]: FTP LOGIN REFUSED FROM gw.example.com [192.0.2.9], u1", FAILED | FTP | {"service": "ftpd"}),
    ('internal-sftp[9]: remove name "/srv/c.csv"', {"action": "delete", "outcome": "unknown", "object": "/srv/c.csv"}),
    ('internal-sftp[9]: posix-rename old "/srv/c.csv" new "/srv/d.csv"', {"action": "write", "outcome": "unknown", "object": "/srv/c.csv"}),
    ("internal-sftp[9]: session closed for local user u1 from [192.0.2.9]", LOGOFF | FTP | {"service": "internal-sftp"}),
    (
        "dropbear[8]: Login attempt for nonexistent user 'u1' from 192.0.2.9:51512",
        FAILED | FTP | {"client_port": 51512, "reason": "no_user", "service": "dropbear"},
    ),
    ("dropbear[8]: Exit (u1) from <192.0.2.9:51512>: Disconnect received", LOGOFF | FTP | {"client_port": 51512, "service": "dropbear"}),
    (
        "dovecot: auth: sql(u1,192.0.2.9,<s1>): Password mismatch (given password: secret)",
        FAILED | FTP | {"session": "s1", "reason": "bad_password", "service": "dovecot", "attempts": 0},
    ),
    (
        "dovecot: imap-login: Disconnected: Connection closed (internal failure, 1 successful auths): user=<u1>, method=PLAIN, rip=192.0.2.9, lip=203.0.113.5",
        "dovecot: trouble of the server itself",
    ),
    ("dovecot: imap-login: Disconnected: Connection closed: user=<>, rip=192.0.2.9, lip=203.0.113.5, TLS, session=<s1>", NEITHER),
    ("webmin[8]: Logout by u1 from 192.0.2.9", LOGOFF | FTP | {"service": "webmin"}),
    ("webmin[8]: Security alert: User u1 blocked after 5 failed logins", {"action": "lockout", "outcome": "success", "user": "u1", "service": "webmin"}),
    ("openvpn[8]: 192.0.2.9:51512 TLS: Initial packet from [AF_INET]192.0.2.9:51512, sid=1 2", "openvpn: connection bookkeeping"),
    ("charon: 06[IKE] authentication of 'u1' with EAP successful", "strongswan: step of a login"),
    ("su: (to root) ops1 on pts/0", {"user": "ops1", "target": "root", "action": "elevate", "outcome": "success", "service": "su", "attempts": 1}),
    (
        "sudo: ops1 : TTY=pts/0 ; PWD=/tmp/a ; b ; USER=root ; COMMAND=/bin/ls x=y",
        {"user": "ops1", "target": "root", "action": "elevate", "outcome": "success", "service": "sudo", "attempts": 1},
    ),
    (
        "sudo: ops1 : TTY=pts/0 ; PWD=/tmp/a=b ; USER=root ; COMMAND=/bin/ls",
        {"user": "ops1", "action": "elevate", "outcome": "success", "service": "sudo", "attempts": 1},
    ),
    (
        "sudo: ops1 : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/tmp/a=b ; USER=root ; COMMAND=/bin/ls",
        {"user": "ops1", "action": "elevate", "outcome": "failure", "reason": "bad_password", "service": "sudo", "attempts": 3},
    ),
    (
        "sudo: pam_unix(sudo:auth): authentication failure; logname=ops1 uid=1000 euid=0 tty=/dev/pts/0 ruser=ops1 rhost=  user=ops1",
        "sudo: PAM's own line of a try that sudo reports itself",
    ),
    ("login[8]: 'u1' logged in on '/dev/pts/0' from '192.0.2.9'", LOGON | FTP | {"service": "login"}),
    ("pkexec: pam_unix(polkit-1:session): session opened for user root(uid=0) by ops1(uid=1000)", "login: session bookkeeping"),
    (
        "polkitd[8]: Operator of unix-session:2 successfully authenticated as unix-user:root to gain ONE-SHOT authorization for action "
        "org.freedesktop.policykit.exec for unix-process:812:4021 [pkexec sh] (owned by unix-user:ops1)",
        {
            "user": "ops1",
            "target": "org.freedesktop.policykit.exec",
            "action": "elevate",
            "outcome": "success",
            "service": "polkitd",
            "attempts": 1,
        },
    ),
    (
        "pkexec[8]: ops1: Error executing command as another user: Not authorized [USER=root] [TTY=/dev/pts/0] [CWD=/home/ops1] [COMMAND=/bin/sh]",
        {"user": "ops1", "target": "root", "action": "elevate", "outcome": "failure", "service": "pkexec", "attempts": 1},
    ),
    ("crond[8]: pam_sss(crond:auth): authentication failure; logname= uid=0 euid=0 tty=cron ruser= rhost= user=a b", FAILED | {"service": "crond"}),
    (
        "kernel: [UFW BLOCK] IN=eth0 OUT= MAC=00:00:5e:00:53:01 SRC=192.0.2.9 DST=203.0.113.5 LEN=60 TOS=0x00 PREC=0x00 TTL=49 ID=1 PROTO=UDP SPT=51512 DPT=53",
        PORTS | UDP | DENY | {"bytes_out": 60},
    ),
    (
        "kernel: FW-DROP: IN=eth0 OUT= SRC=192.0.2.9 DST=203.0.113.5 LEN=84 TOS=0x00 PREC=0x00 TTL=49 ID=1 PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=1",
        PAIR | ICMP | DENY | {"rule": "FW-DROP", "bytes_out": 84},
    ),
    ("ulogd[8]: [NEW] ORIG: SRC=192.0.2.9 DST=203.0.113.5 PROTO=UDP SPT=51512 DPT=53", "ulogd: a flow that has not ended"),
    (
        "filterlog[8]: 53,,,1000102631,em0,match,block,in,6,0x00,0x00000,1,ICMPv6,58,24,2001:db8::9,2001:db8::5,",
        SIX | DENY | {"transport": "ipv6-icmp", "rule": "1000102631", "bytes_out": 24},
    ),
    ("php-fpm[8]: /index.php: User logged out for user 'u1' from: 192.0.2.9 (Local Database)", LOGOFF | FTP | {"service": "pfsense"}),
    ("audit[8]: /index.php: User logged out for user 'u1' from: 192.0.2.9", LOGOFF | FTP | {"service": "opnsense"}),
    (
        "suricata[8]: [Drop] [1:384:5] ICMP PING [Classification: Misc activity] [Priority: 3] {ICMP} 192.0.2.9:8 -> 203.0.113.5:0",
        PAIR | ICMP | DENY | {"rule": "ICMP PING"},
    ),
)

ZEEK_SENT = "1772446504.000000\tFa1\t192.0.2.9\t203.0.113.5\tlist.csv\t{}\t{}\t{}"
ZEEK_HEADS = ("tx_hosts\trx_hosts", "id.orig_h\tid.resp_h")
ZEEK_FILE = AT | FROM | {"object": "list.csv", "store": "203.0.113.5"}
BACK = {"client_ip": "203.0.113.5", "store": "192.0.2.9"}
ENTRA_CSV = "Date (UTC),Request ID,Username,Application,IP address,Status,Sign-in error code"
TABLES: Sequence[tuple[str, str, Kinds]] = [
    (
        "zeek_files",
        f"#fields\tts\tfuid\t{ZEEK_HEADS[0]}\tfilename\tis_orig\tmissing_bytes\ttimedout",
        [
            (ZEEK_SENT.format("T", 0, "F"), ZEEK_FILE | {"action": "write", "outcome": "success"}),
            (ZEEK_SENT.format("T", 9, "F"), ZEEK_FILE | {"action": "write", "outcome": "unknown"}),
            (ZEEK_SENT.format("F", 0, "F"), ZEEK_FILE | BACK | {"action": "read", "outcome": "success"}),
            (ZEEK_SENT.format("F", 0, "T"), ZEEK_FILE | BACK | {"action": "read", "outcome": "unknown"}),
        ],
    ),
    (
        "zeek_files",
        f"#fields\tts\tfuid\t{ZEEK_HEADS[1]}\tfilename\tis_orig\tmissing_bytes\ttimedout",
        [
            (ZEEK_SENT.format("T", 0, "F"), ZEEK_FILE | {"action": "write", "outcome": "success"}),
            (ZEEK_SENT.format("T", 0, "T"), ZEEK_FILE | {"action": "write", "outcome": "unknown"}),
            (ZEEK_SENT.format("F", 0, "F"), ZEEK_FILE | {"action": "read", "outcome": "success"}),
            (ZEEK_SENT.format("F", 9, "F"), ZEEK_FILE | {"action": "read", "outcome": "unknown"}),
        ],
    ),
    (
        "entra_signin_csv",
        ENTRA_CSV,
        [
            (
                "2026-03-02T10:15:04Z,r1,u1@example.com,Portal,192.0.2.9,Interrupted,50140",
                AT | FROM | LOGON | {"user": "u1@example.com", "service": "Portal", "outcome": "unknown"},
            )
        ],
    ),
]
KINDS: Mapping[str, Kinds] = {
    "syslog": [
        *CISCO,
        *JUNIPER,
        *JUNIPER_FLOW,
        *JUNIPER_SCREEN,
        *CHECKPOINT,
        *AUDITD_SYSLOG,
        *PROFTPD_SYSLOG,
        *SSHD,
        *HEADERS,
        *ASA_HEADERS,
        *PANOS_RFC5424,
        *PROGRAMS,
    ],
    "yamaha_rt": YAMAHA_RT,
    "auditd": AUDITD,
    "proftpd": PROFTPD,
    "cloudtrail": CLOUDTRAIL,
    "panos": PANOS,
    "panos_globalprotect": PANOS_GLOBALPROTECT,
    "fortigate_auth": FORTIGATE_AUTH,
    "sophos_firewall": SOPHOS_FIREWALL,
    "unifi_firewall": UNIFI_FIREWALL,
    "cef": CEF,
    "suricata_eve": SURICATA_EVE,
    "modsecurity_audit_json": MODSECURITY_AUDIT_JSON,
    "windows_security_json": WINDOWS_SECURITY_JSON,
    "okta": OKTA,
    "google_login": GOOGLE_LOGIN,
    "teleport": TELEPORT,
    "entra_signin": ENTRA_SIGNIN,
    "oracle_audit": ORACLE_AUDIT,
    "mysql_audit_json": MYSQL_AUDIT_JSON,
    "mariadb_audit": MARIADB_AUDIT,
    "mysql_general": MYSQL_GENERAL,
    "combined": COMBINED,
    "common": COMMON,
    "vhost_combined": VHOST_COMBINED,
    "combined_extra": COMBINED_EXTRA,
    "ingress_nginx": INGRESS,
    "apache_error": APACHE_ERROR,
    "nginx_error": NGINX_ERROR,
    "keycloak_text": KEYCLOAK_TEXT,
    "authelia": AUTHELIA,
    "grafana_text": GRAFANA_TEXT,
    "vsftpd": VSFTPD,
    "openvpn": OPENVPN,
    "utmpdump": UTMPDUMP,
    "utmp": UTMP_RECORDS,
    "m365_audit": M365_AUDIT,
    "postgresql_csv": POSTGRESQL_CSV,
    "postgresql_json": POSTGRESQL_JSON,
    "postgresql": POSTGRESQL,
    "sonicwall": SONICWALL,
    "mikrotik": MIKROTIK,
    "mikrotik_auth": MIKROTIK_AUTH,
    "mikrotik_ppp": MIKROTIK_PPP,
    "watchguard": WATCHGUARD,
    "leef": LEEF,
}


READ: Sequence[tuple[str, str | None, Kinds]] = [*((fmt, None, kinds) for fmt, kinds in KINDS.items()), *TABLES]


@pytest.mark.parametrize(("fmt", "header", "kinds"), READ, ids=[fmt for fmt, _, _ in READ])
def test_kinds_by_hand(fmt: str, header: str | None, kinds: Kinds) -> None:
    """All lines of a format at once, so that none depends on its neighbours either."""
    lines = [line for line, _ in kinds]
    for (line, fate), found in zip(kinds, engine_reads(lines, fmt, years=THIS_YEAR, header=header), strict=True):
        assert found == (None if isinstance(fate, str) else {c: v for c, v in fate.items() if v is not None}), line
    fates = {number: fate for number, (_, fate) in enumerate(kinds, 1) if isinstance(fate, str)}
    if not fates:
        return
    reading = whole_reading(lines, fmt)
    reasons = dict(reading.rejects().iter_rows())
    assert reasons == {number: fate for number, fate in fates.items() if number in reasons}
    assert reading.skipped == Counter(fate for number, fate in fates.items() if number not in reasons)
