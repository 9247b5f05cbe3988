"""Kinds of messages that no format's samples hold, each with its event or its fate by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import polars as pl
from tests.ingest.reading import CATALOG, engine_reads

from breachscope.ingest.engine import read_lines
from breachscope.ingest.reading import Context
from breachscope.timestamps import Zone

Event = dict[str, Any]

AT: Event = {"ts": datetime(2026, 3, 2, 10, 15, 4, tzinfo=UTC), "ts_offset_min": 0}
HEAD, ASA = "2026-03-02T10:15:04Z srv1 ", "2026-03-02T10:15:04Z srv1 : %ASA-6-"
FIVE: Event = {"src_ip": "192.0.2.9", "src_port": 51512, "dst_ip": "203.0.113.5", "dst_port": 53}
PAIR: Event = {"src_ip": "192.0.2.9", "dst_ip": "203.0.113.5"}
FTD = "DeviceUUID: 8e1e, InstanceID: 2, FirstPacketSecond: 2026-03-02T01:15:04Z, ConnectionID: 9921, "
ICMP = "SrcIP: 192.0.2.9, DstIP: 203.0.113.5, ICMPType: Echo Request, ICMPCode: No Code, Protocol: icmp, "
UDP = "SrcIP: 192.0.2.9, DstIP: 203.0.113.5, SrcPort: 51512, DstPort: 53, Protocol: udp, "
LOGON: Event = {"action": "logon", "user": "ops1", "attempts": 1}
FAILED: Event = LOGON | {"outcome": "failure"}
FROM: Event = {"client_ip": "192.0.2.9"}
SSH_HOST: Event = {"service": "sshd", "method": "hostbased", "client_ip": "192.0.2.9", "client_port": 51512, "user": "ops1", "action": "logon", "attempts": 1}
SSH_TAIL = 'for {}ops1 from 192.0.2.9 port 51512 ssh2: client user "u", client host "h"'
FTP: Event = {"client_ip": "192.0.2.9", "user": "ops1"}

MESSAGES: Sequence[tuple[str, Event]] = [
    # Cisco ASA and FTD
    (
        f"{ASA}302020: Built inbound ICMP connection for faddr 192.0.2.9/0 gaddr 198.51.100.5/0 laddr 203.0.113.5/0 type 8 code 0",
        PAIR | {"transport": "icmp", "action": "allow", "direction": "inbound"},
    ),
    (
        f"{ASA}106100: access-list out denied udp outside/192.0.2.9(51512) -> inside/203.0.113.5(53) hit-cnt 1 first hit [0x0, 0x0]",
        FIVE | {"transport": "udp", "action": "deny", "rule": "out"},
    ),
    (
        f"{ASA}106100: access-list out permitted icmp outside/192.0.2.9(8) -> inside/203.0.113.5(0) hit-cnt 1 first hit [0x0, 0x0]",
        PAIR | {"transport": "icmp", "action": "allow", "rule": "out"},
    ),
    (
        f"{ASA}106102: access-list vpn denied icmp for user 'ops1' outside/192.0.2.9(8) -> inside/203.0.113.5(0) hit-cnt 1 first hit [0x0, 0x0]",
        PAIR | {"transport": "icmp", "action": "deny", "rule": "vpn", "user": "ops1"},
    ),
    (
        f"{ASA}106102: access-list vpn permitted udp for user 'ops1' outside/192.0.2.9(51512) -> inside/203.0.113.5(53) hit-cnt 1 first hit [0x0, 0x0]",
        FIVE | {"transport": "udp", "action": "allow", "rule": "vpn", "user": "ops1"},
    ),
    (
        f"{ASA}106102: access-list vpn permitted icmp for user 'ops1' outside/192.0.2.9(8) -> inside/203.0.113.5(0) hit-cnt 1 first hit [0x0, 0x0]",
        PAIR | {"transport": "icmp", "action": "allow", "rule": "vpn", "user": "ops1"},
    ),
    (
        f"{ASA}313004: Denied ICMP type=0, from laddr 192.0.2.9 on interface inside to 203.0.113.5: no matching session",
        PAIR | {"transport": "icmp", "action": "deny"},
    ),
    (
        f"{ASA}430003: {FTD}AccessControlRuleAction: Block, {ICMP}IngressZone: out, AccessControlRuleName: no ping, InitiatorBytes: 98, ResponderBytes: 0",
        PAIR | {"flow_id": "9921", "transport": "icmp", "action": "deny", "rule": "no ping", "bytes_out": 98, "bytes_in": 0},
    ),
    (
        f"{ASA}430002: {FTD}AccessControlRuleAction: Allow, {ICMP}IngressInterface: outside, AccessControlRuleName: ping, User: x",
        PAIR | {"flow_id": "9921", "transport": "icmp", "action": "allow", "rule": "ping"},
    ),
    (
        f"{ASA}430001: {FTD}{UDP}Priority: 1, GID: 1, SID: 648, Revision: 18, Message: x",
        FIVE | {"flow_id": "9921", "transport": "udp", "action": "alert", "rule": "648"},
    ),
    (
        f"{ASA}430001: {FTD}{ICMP}Priority: 1, GID: 1, SID: 648, Revision: 18, InlineResult: Dropped",
        PAIR | {"flow_id": "9921", "transport": "icmp", "action": "deny", "rule": "648"},
    ),
    (f"{ASA}430001: {FTD}{ICMP}Priority: 1, GID: 1, SID: 648, Revision: 18", PAIR | {"flow_id": "9921", "transport": "icmp", "action": "alert", "rule": "648"}),
    (f"{ASA}611102: User authentication failed: IP address: 192.0.2.9, Uname: ops1", FAILED | FROM | {"service": "asa", "attempts": 0}),
    (
        f"{ASA}113005: AAA user authentication Rejected : reason = AAA failure : server = 192.0.2.1 : user = ops1",
        FAILED | {"service": "asa"},
    ),
    (
        f"{ASA}113015: AAA user authentication Rejected : reason = Invalid password : local database : user = ops1",
        FAILED | {"service": "asa", "reason": "bad_password"},
    ),
    (
        f"{ASA}109005: Authentication succeeded for user ops1 from 192.0.2.9/51512 to 203.0.113.5/23 on interface inside",
        LOGON | FROM | {"client_port": 51512, "outcome": "success", "service": "asa"},
    ),
    (f"{ASA}113007: User ops1 unlocked by root", {"action": "account_change", "user": "ops1", "actor_user": "root", "outcome": "success", "service": "asa"}),
    (
        f"{ASA}113016: AAA credentials rejected : reason = Invalid password : server = 192.0.2.1 : user = ops1",
        FAILED | {"service": "asa", "reason": "bad_password"},
    ),
    (
        f"{ASA}502102: User deleted from local dbase: Uname: ops1 Priv: 15 Encpass: ****",
        {"action": "account_change", "user": "ops1", "outcome": "success", "service": "asa"},
    ),
    # sshd: keys of hosts; names may hold spaces, but not what is in quotes behind
    (f"{HEAD}sshd[8]: Failed hostbased {SSH_TAIL.format('invalid user ')}", SSH_HOST | {"outcome": "failure", "reason": "no_user"}),
    (f"{HEAD}sshd[8]: Accepted hostbased {SSH_TAIL.format('')}", SSH_HOST | {"outcome": "success"}),
    (
        f"{HEAD}sshd[8]: Disconnected from user a b 192.0.2.9 port 51512",
        {"service": "sshd", "user": "a b", "client_ip": "192.0.2.9", "client_port": 51512, "action": "logoff", "outcome": "success"},
    ),
    # sudo: a folder that forges the account; a folder with "="; no folder at all behind a reason
    (
        f"{HEAD}sudo: ops1 : command not allowed ; TTY=pts/0 ; PWD=/tmp/ ; USER=nobody ; COMMAND=x ; USER=root ; COMMAND=/bin/sh",
        {"action": "elevate", "service": "sudo", "user": "ops1", "outcome": "failure", "attempts": 1},
    ),
    (
        f"{HEAD}sudo: ops1 : command not allowed ; TTY=pts/0 ; PWD=/tmp/a=b ; USER=root ; COMMAND=/bin/sh",
        {"action": "elevate", "service": "sudo", "user": "ops1", "outcome": "failure", "attempts": 1},
    ),
    (
        f"{HEAD}su[8]: ops1 to root on /dev/ttyp0",
        {"action": "elevate", "service": "su", "user": "ops1", "target": "root", "outcome": "success", "attempts": 1},
    ),
    # Account tools
    (f"{HEAD}chsh[8]: changed user shell for 'ops1'", {"action": "account_change", "user": "ops1", "outcome": "success", "service": "chsh"}),
    (
        f"{HEAD}passwd[8]: can't view or modify password information for ops1",
        {"action": "account_change", "user": "ops1", "outcome": "failure", "service": "passwd"},
    ),
    # login
    (f"{HEAD}login[8]: FAILED LOGIN SESSION FROM (null) FOR ops1, Authentication failure", FAILED | {"service": "login", "reason": "bad_password"}),
    (f"{HEAD}login[8]: FAILED LOGIN 1 FROM tty1 FOR ops1, Permission denied", FAILED | {"service": "login"}),
    (f"{HEAD}login[8]: FAILED LOGIN 1 FROM 192.0.2.9 FOR ops1, Permission denied", FAILED | FROM | {"service": "login"}),
    (
        f"{HEAD}login[8]: FAILED LOGIN (1) on '/dev/pts/0' from '192.0.2.9' FOR 'ops1', User not known to the underlying authentication module",
        FAILED | FROM | {"service": "login", "reason": "no_user"},
    ),
    (f"{HEAD}login[8]: FAILED LOGIN (1) on '/dev/tty1' FOR 'ops1', Permission denied", FAILED | {"service": "login"}),
    # Files and mail
    (f'{HEAD}vsftpd[8]: [ops1] FAIL LOGIN: Client "192.0.2.9"', FAILED | FROM | {"service": "vsftpd"}),
    (
        f'{HEAD}vsftpd[8]: [ops1] OK DOWNLOAD: Client "192.0.2.9", "/c.csv", 512 bytes, 8.20Kbyte/sec',
        FTP | {"action": "read", "outcome": "success", "object": "/c.csv", "completeness": "item"},
    ),
    (f'{HEAD}vsftpd[8]: [ops1] FAIL DOWNLOAD: Client "192.0.2.9", "/c.csv", 0.00Kbyte/sec', FTP | {"action": "read", "outcome": "failure", "object": "/c.csv"}),
    (
        f'{HEAD}vsftpd[8]: [ops1] OK DELETE: Client "192.0.2.9", "/c.csv"',
        FTP | {"action": "delete", "outcome": "success", "object": "/c.csv", "completeness": "item"},
    ),
    (f'{HEAD}vsftpd[8]: [ops1] FTP response: Client "192.0.2.9", "530 Permission denied."', FAILED | FROM | {"service": "vsftpd"}),
    (f"{HEAD}proftpd[8]: ftp1 (host.example[192.0.2.9]): USER ops1 (Login failed): Invalid shell", FAILED | FROM | {"service": "proftpd"}),
    (
        f"{HEAD}dovecot: auth: pam(ops1,192.0.2.9,<s1>): pam_authenticate() failed: Authentication failure (password mismatch?)",
        FAILED | FROM | {"service": "dovecot", "reason": "bad_password", "session": "s1", "attempts": 0},
    ),
]


def test_messages_by_hand() -> None:
    """All at once, so that none depends on its neighbours either."""
    read = engine_reads([line for line, _ in MESSAGES], "syslog")
    for (line, expected), found in zip(MESSAGES, read, strict=True):
        assert found == AT | {"host": "srv1"} | expected, line


SKIPPED: Mapping[str, str] = {
    f"{ASA}305012: Teardown dynamic TCP translation from inside:192.0.2.9/1 to outside:203.0.113.5/2 duration 0:00:30": "ASA: end of an address translation",
    f"{ASA}113004: AAA user accounting Successful : server = 192.0.2.1 : user = ops1": "ASA: authorisation of a user who is logged on",
    f'{ASA}315011: SSH session from 192.0.2.9 on interface outside for user "ops1" disconnected by SSH server, reason: "x"': "ASA: an SSH session broke off",
    f"{HEAD}sudo: ops1 : problem with defaults entries ; TTY=pts/0 ; PWD=/ ; USER=root ;": "sudo: trouble of sudo itself",
    f"{HEAD}sudo: pam_unix(sudo-i:setcred): x": "sudo: session bookkeeping",
    f"{HEAD}sudo: unable to resolve host db1": "sudo: trouble of sudo itself",
    f"{HEAD}chsh[8]: failed authentication": "accounts: trouble of the program itself",
    f"{HEAD}passwd[8]: unable to lock password file": "accounts: trouble of the program itself",
    f"{HEAD}login[8]: DIALUP AT ttyS0 BY ops1": "login: session bookkeeping",
    f'{HEAD}vsftpd[8]: [ops1] FTP command: Client "192.0.2.9", "USER ops1"': "vsftpd: what was said",
    f'{HEAD}vsftpd[8]: [ops1] OK MKDIR: Client "192.0.2.9", "/a"': "vsftpd: files renamed, folders, and what was refused",
    f"{HEAD}dovecot: auth: Error: x": "dovecot: trouble of the server itself",
}


def test_messages_that_tell_of_no_login_and_no_connection_are_counted_by_kind() -> None:
    frame = pl.DataFrame({"line": range(1, len(SKIPPED) + 1), "text": list(SKIPPED)}, schema={"line": pl.Int64, "text": pl.String})
    reading = read_lines(frame, CATALOG["syslog"], CATALOG, Context(source=1, zone=Zone()))
    assert (reading.skipped, reading.event_lines, len(reading.rejects())) == (Counter(SKIPPED.values()), 0, 0)


# Kinds that differ from a format's sample in some texts: what is replaced in the first sample that holds a text, and what changes of its event.

FIRST = ""
NOTHING_BUT_THE_ACT: Event = {"reason": None, "attempts": None}
OKTA: Event = {"outcome": "success", "user": "u2@example.com", "actor_user": "u1@example.com"} | NOTHING_BUT_THE_ACT
ENTRA = '"result":"success","activityDisplayName":"Add user"'
AWS_DENIED = '"eventVersion":"1.09","errorCode":"AccessDenied"'
DYNAMO: Event = {"store": None, "object": None}
AUDIT_FAILED: Event = {"outcome": "failure"}
NO_DATA: Event = {"store": None, "object": None, "statement": None}
SQL_LOGIN = '"class_type":"LX","object_name":"u2"'
SQL_DATA = '"database_name":"crm","schema_name":"dbo","object_name":"customers","statement":"SELECT *\\nFROM customers",'
SQL_ACCOUNT: Event = NO_DATA | {"row_count": None, "service": "sqlserver", "user": "u2", "actor_user": "app1"}
ORACLE_DATA = '"object_schema":"CRM","object_name":"CUSTOMERS","sql_text":"SELECT *\\nFROM crm.customers",'
PG_AT: Event = {"ts": datetime(2026, 3, 2, 10, 15, 4, 120_000, tzinfo=UTC), "ts_offset_min": 0, "client_ip": "192.0.2.9", "client_port": 51512}
PG_PREFIX = "UTC:192.0.2.9(51512):app@crm:[44]:"
PG_NAMED = "JST [44]: [3-1] user=app,db=crm,app=psql,client=192.0.2.9 "
PG_WHO: Event = {"client_ip": "192.0.2.9"}
PG_COUNTED = "public.customers,select * from customers,<none>,4711"
NO_PORTS: Event = {"transport": "icmp", "src_port": None, "dst_port": None}
VARIANTS: Sequence[tuple[str, str, Mapping[str, str], Event]] = [
    (
        "okta",
        FIRST,
        {
            "user.session.start": "user.lifecycle.suspend",
            "FAILURE": "SUCCESS",
            "INVALID_CREDENTIALS": "",
            '"target":null': '"target":[{"type":"User","alternateId":"u2@example.com"}]',
        },
        OKTA | {"action": "account_change"},
    ),
    ("okta", "user.account.reset_password", {"user.account.reset_password": "user.lifecycle.create"}, {"action": "account_create"}),
    ("okta", "user.account.reset_password", {"user.account.reset_password": "group.user_membership.add"}, {"action": "group_add", "target": "Admins"}),
    ("entra_audit", FIRST, {ENTRA: ENTRA.replace("success", "failure")}, {"outcome": "failure"}),
    ("entra_audit", '"failure"', {'"failure"': '"success"'}, {"outcome": "success"}),
    ("entra_audit", FIRST, {ENTRA: ENTRA.replace("Add user", "Delete user")}, {"action": "account_change"}),
    ("entra_audit", FIRST, {ENTRA: '"result":"failure","activityDisplayName":"Delete user"'}, {"action": "account_change", "outcome": "failure"}),
    ("google_login", FIRST, {"login_failure": "logout"}, {"action": "logoff", "outcome": "success", "reason": None, "attempts": None}),
    (
        "google_login",
        FIRST,
        {"login_failure": "account_disabled_hijacked"},
        {"action": "lockout", "outcome": "success", "reason": None, "attempts": None},
    ),
    ("keycloak", '"LOGIN"', {'"LOGIN"': '"REGISTER"'}, {"action": "account_create", "attempts": None}),
    ("keycloak", '"LOGIN"', {'"LOGIN"': '"UPDATE_PASSWORD"'}, {"action": "account_change", "attempts": None}),
    ("keycloak", '"LOGIN"', {'"LOGIN"': '"USER_DISABLED_BY_TEMPORARY_LOCKOUT"'}, {"action": "lockout", "attempts": None}),
    ("keycloak_text", "DEBUG", {"type=LOGIN,": "type=LOGOUT,", ", username=u1": ""}, {"action": "logoff", "attempts": None, "user": None}),
    *[
        ("cloudtrail", '"GetObject"', {'"GetObject"': f'"{name}"', '"eventVersion":"1.09"': version}, {"action": action} | changes)
        for version, changes in (('"eventVersion":"1.09"', {}), (AWS_DENIED, AUDIT_FAILED))
        for name, action in (("ListObjectsV2", "list"), ("SelectObjectContent", "query"), ("PutObject", "write"), ("DeleteObject", "delete"))
    ],
    *[
        (
            "cloudtrail",
            '"GetObject"',
            {
                "s3.amazonaws.com": f"{service}.amazonaws.com",
                '"GetObject"': f'"{name}"',
                '"eventVersion":"1.09"': version,
                '"bucketName":"crm-export","key":"2026/c.csv"': "",
            },
            {"action": action, "store": None, "object": None, "completeness": None} | changes,
        )
        for version, changes in (('"eventVersion":"1.09"', {}), (AWS_DENIED, AUDIT_FAILED))
        for service, name, action in (
            ("dynamodb", "GetItem", "read"),
            ("dynamodb", "Scan", "query"),
            ("dynamodb", "ExportTableToPointInTime", "export"),
            ("dynamodb", "PutItem", "write"),
            ("dynamodb", "DeleteItem", "delete"),
            ("secretsmanager", "GetSecretValue", "read"),
            ("ssm", "DescribeParameters", "list"),
        )
    ],
    *[
        ("sqlserver_audit", FIRST, {'"SL"': f'"{name}"', '"succeeded":"1"': f'"succeeded":"{ok}"'}, {"action": action, "row_count": rows} | changes)
        for ok, changes in (("True", {}), ("0", AUDIT_FAILED))
        for name, action, rows in (("UP", "write", None), ("DL", "delete", None), ("EX", "query", None), ("BA", "export", None), ("BCM", "query", 812))
    ],
    *[
        ("sqlserver_audit", FIRST, {'"SL"': f'"{name}"', SQL_DATA: "", '"class_type":"U"': SQL_LOGIN}, SQL_ACCOUNT | {"action": action})
        for name, action in (("CR", "account_create"), ("DR", "account_change"), ("PWR", "account_change"))
    ],
    ("sqlserver_audit", FIRST, {'"SL"': '"LGO"', SQL_DATA: ""}, SQL_ACCOUNT | {"action": "logoff", "user": "app1", "actor_user": None}),
    *[
        (
            "sqlserver_audit",
            FIRST,
            {'"SL"': f'"{name}"', SQL_DATA: "", '"client_ip":"192.0.2.9"': told},
            NO_DATA | {"row_count": None, "action": "logon", "service": "sqlserver", "attempts": 1, "outcome": outcome, "client_ip": client},
        )
        for name, outcome in (("LGIS", "success"), ("LGIF", "failure"))
        for told, client in (
            ('"client_ip":"192.0.2.9"', "192.0.2.9"),
            ('"additional_information":"<a><address>192.0.2.9</address></a>"', "192.0.2.9"),
            ('"additional_information":"<a><address>local machine</address></a>"', None),
            ('"client_ip":""', None),
        )
    ],
    *[
        ("oracle_audit", FIRST, {'"SELECT"': f'"{name}"', '"return_code":"0"': f'"return_code":"{code}"'}, {"action": action} | changes)
        for code, changes in (("0", {}), ("942", AUDIT_FAILED))
        for name, action in (("MERGE", "write"), ("TRUNCATE TABLE", "delete"), ("EXECUTE", "query"), ("EXPORT", "export"), ("SELECT", "read"))
    ],
    *[
        (
            "oracle_audit",
            FIRST,
            {'"SELECT"': f'"{name}"', ORACLE_DATA: '"object_name":"U2",', '"return_code":"0"': f'"return_code":"{code}"'},
            NO_DATA | {"action": action, "service": "oracle", "user": "U2", "actor_user": "APP1"} | changes,
        )
        for code, changes in (("0", {}), ("1031", AUDIT_FAILED))
        for name, action in (("CREATE USER", "account_create"), ("ALTER USER", "account_change"))
    ],
    ("oracle_audit", FIRST, {'"SELECT"': '"LOGON"', ORACLE_DATA: ""}, NO_DATA | {"action": "logon", "service": "oracle", "attempts": 1}),
    ("oracle_audit", FIRST, {'"SELECT"': '"LOGOFF"', ORACLE_DATA: ""}, NO_DATA | {"action": "logoff", "service": "oracle"}),
    ("oracle_audit", "28000", {"28000": "0"}, {"outcome": "success", "reason": None}),
    ("oracle_audit", "28000", {"HOST=192.0.2.9": "IP=192.0.2.9"}, {"client_ip": None, "client_port": None}),
    ("sonicwall", "m=139", {"XAUTH Succeeded with VPN client": "L2TP Server:  RADIUS/LDAP Authentication Success"}, {}),
    ("sonicwall", "m=312", {" Local  Authentication Failure": " RADIUS/LDAP reports Authentication Failure"}, {}),
    ("sonicwall", "m=312", {"L2TP Server:  Local  Authentication Failure": "L2TP Server : User  Name authentication Failure locally"}, {}),
    ("auditd", "type=ADD_USER", {'acct="eve"': "id=1005"}, {"user": None}),
    (
        "auditd",
        "type=USER_CHAUTHTOK",
        {"type=USER_CHAUTHTOK": "type=DEL_USER", "op=PAM:chauthtok grantors=pam_pwquality,pam_unix": "op=delete-user", "bin/passwd": "sbin/userdel"},
        {"service": "userdel"},
    ),
    (
        "auditd",
        "type=USER_CHAUTHTOK",
        {"type=USER_CHAUTHTOK": "type=RESP_ACCT_LOCK", 'PAM:chauthtok grantors=pam_pwquality,pam_unix acct="eve"': "pam_faillock suid=1000"},
        {"action": "lockout", "user": None},
    ),
    *[
        ("openvpn", text, {"2026-03-02 10:15:04": "Mon Mar  2 10:15:04 2026"}, {})
        for text in ("Peer Connection Initiated", "authentication succeeded", "VERIFY ERROR", "SIGTERM")
    ],
    ("proftpd", FIRST, {"USER u1 (Login failed): Incorrect password": "SECURITY VIOLATION: root login attempted."}, {"user": "root", "reason": None}),
    (
        "proftpd",
        FIRST,
        {"USER u1 (Login failed): Incorrect password": "Maximum login attempts (3) exceeded"},
        {"user": None, "action": "lockout", "outcome": "success"} | NOTHING_BUT_THE_ACT,
    ),
    ("mysql_audit_json", '"class":"connection"', {'"status":0': '"status":1045'}, AUDIT_FAILED),
    ("mysql_audit_json", '"Connect"', {"1045": "0"}, {"outcome": "success"}),
    ("mysql_audit_json", '"class":"connection"', {'"event":"connect"': '"event":"disconnect"'}, {"action": "logoff", "attempts": None}),
    ("mysql_audit_json", '"event":"read"', {'"event":"read"': '"event":"insert"'}, {"action": "write"}),
    ("mysql_audit_json", '"event":"read"', {'"event":"read"': '"event":"delete"'}, {"action": "delete"}),
    ("mysql_audit_json", '"status":1146', {'"status":1146': '"status":0'}, {"outcome": "success"}),
    ("mysql_audit_json", '"command_class":"select"', {'"status":0': '"status":1064'}, AUDIT_FAILED),
    ("mysql_audit_json", "TableRead", {"TableRead": "TableUpdate"}, {"action": "write"}),
    ("mysql_audit_json", "TableRead", {"TableRead": "TableDelete"}, {"action": "delete"}),
    ("zeek_json", '"tx_hosts":["203.0.113.5"]', {'"is_orig":false': '"is_orig":true'}, {"action": "write", "client_ip": "203.0.113.5", "store": "192.0.2.10"}),
    ("zeek_json", '"tx_hosts":["203.0.113.5"]', {'"missing_bytes":0': '"missing_bytes":9'}, {"outcome": "unknown"}),
    ("zeek_json", '"source":"SMB"', {'"missing_bytes":40': '"missing_bytes":0'}, {"outcome": "success"}),
    ("zeek_json", '"source":"SMB"', {'"missing_bytes":40': '"missing_bytes":0', '"is_orig":true': '"is_orig":false'}, {"outcome": "success", "action": "read"}),
    ("zeek_json", '"source":"SMB"', {'"is_orig":true': '"is_orig":false'}, {"action": "read"}),
    # PostgreSQL with the prefix of RDS, and what is told rarely
    *[
        ("postgresql", text, {"JST [44] app@crm ": PG_PREFIX}, PG_AT)
        for text in ("Peer authentication", "disconnection:", "duration:", "STATEMENT:", PG_COUNTED)
    ],
    ("postgresql", "no pg_hba", {"JST [44] x@crm ": PG_PREFIX}, PG_AT | {"client_port": None}),
    ("postgresql", "does not exist", {"JST [44] x@crm ": PG_PREFIX}, PG_AT),
    ("postgresql", "[local]", {"JST [44] [local] app@crm ": PG_PREFIX}, PG_AT),
    ("postgresql", "does not exist", {"does not exist": "is not permitted to log in"}, {"reason": "locked"}),
    ("postgresql", "does not exist", {"does not exist": "is not permitted to log in", "JST [44] x@crm ": PG_PREFIX}, PG_AT | {"reason": "locked"}),
    *[
        ("postgresql", PG_COUNTED, {"READ,SELECT": kind, "JST [44] app@crm ": prefix}, changes | {"action": action})
        for kind, action in (("WRITE,UPDATE", "write"), ("DDL,ALTER TABLE", "query"))
        for prefix, changes in (("JST [44] app@crm ", {}), (PG_PREFIX, PG_AT), (PG_NAMED, PG_WHO))
    ],
    # With one that names its values.
    *[
        ("postgresql", text, {f"JST [44] {said}": PG_NAMED}, changes)
        for said, changes, texts in (
            ("app@crm ", PG_WHO, ("Peer authentication", "disconnection:", "duration: 9", "STATEMENT:", PG_COUNTED)),
            ("x@crm ", PG_WHO, ("no pg_hba", "does not exist")),
            ("[local] app@crm ", PG_WHO, ("[local]",)),
            ("192.0.2.9 app@crm ", {}, ("のパスワード認証", "で対向(peer)認証", "存在しません", "許可されません", "エントリがありません")),
        )
        for text in texts
    ],
    ("postgresql", "connection authorized", {"JST [44] ": PG_NAMED}, PG_WHO),
    ("postgresql", "does not exist", {"does not exist": "is not permitted to log in", "JST [44] x@crm ": PG_NAMED}, PG_WHO | {"reason": "locked"}),
    ("juniper_srx", "session closed", {" 6 web": " 1 web"}, NO_PORTS),
    ("juniper_srx", "session created", {" 17 dns": " 1 dns"}, NO_PORTS),
    ("juniper_srx", "session denied", {"icmp 1(8)": "junos-ssh 6(0)"}, {"transport": "tcp", "app": "junos-ssh", "src_port": 1, "dst_port": 4021}),
    ("juniper_srx", "TCP port scan", {"action: drop": "action: alarm-without-drop"}, {"action": "alert"}),
    ("juniper_srx", "Large ICMP packet", {"alarm-without-drop": "drop"}, {"action": "deny"}),
    ("fortigate_auth", "tunnel-up", {"ssl-tunnel": "ssl-web"}, {"attempts": 1}),
    ("fortigate_auth", "tunnel-up", {'"tunnel-up"': '"tunnel-down"'}, {"action": "logoff", "attempts": None}),
    ("fortigate_auth", "Admin login", {'status="failed" reason="passwd_invalid"': 'status="success" reason="none"'}, {"outcome": "success", "reason": None}),
    (
        "fortigate_auth",
        "Admin login",
        {'action="login" status="failed" reason="passwd_invalid"': 'action="logout" status="success" reason="exit"'},
        {"action": "logoff", "outcome": "success"} | NOTHING_BUT_THE_ACT,
    ),
    ("checkpoint", "Failed Log In", {"Failed Log In": "Log In", 'status:"Failure"': 'status:"Success"'}, {"outcome": "success"}),
    (
        "checkpoint",
        "Failed Log In",
        {"Failed Log In": "Log Out", 'status:"Failure"': 'status:"Success"'},
        {"action": "logoff", "outcome": "success", "attempts": None},
    ),
    ("windows_security_json", '"EventID":4776', {"0xc0000064": "0x0"}, {"outcome": "success", "reason": None}),
    ("windows_security_json", '"EventID":4769', {'"Status":"0x0"': '"Status":"0x20"'}, {"outcome": "failure"}),
    ("sonicwall", "bad credentials", {"Administrator login denied due to bad credentials": "User login denied"}, {"reason": None}),
    ("sonicwall", "bad credentials", {"login denied due to bad credentials": "logged out"}, {"action": "logoff", "outcome": "success"} | NOTHING_BUT_THE_ACT),
    ("sonicwall", "User login failed", {"login failed": "login successful"}, {"outcome": "success"}),
    ("sonicwall", "User login failed", {"login failed": "logged out"}, {"action": "logoff", "outcome": "success", "attempts": None}),
    (
        "sonicwall",
        "ICMP packet dropped",
        {"2.9:8:X1": "2.9:51512:X1", "113.5:0:X0 proto=icmp": "113.5:53:X0 proto=udp/dns"},
        {"src_port": 51512, "dst_port": 53, "transport": "udp", "app": "dns"},
    ),
    ("sonicwall", "Packet dropped", {'"drop"': '"forward"'}, {"action": "allow"}),
    ("sonicwall", "Packet dropped", {' fw_action="drop"': ""}, {"action": None}),
    ("sonicwall", "Connection Opened", {"tcp/https": "icmp"}, NO_PORTS | {"app": None}),
    ("watchguard", "1100-0005", {"1100-0005": "1100-0004", "rejected, password is incorrect": "accepted"}, {"outcome": "success", "reason": None}),
    (
        "watchguard",
        "3E00-0002",
        {"3E00-0002": "3E00-0004", "logged in assigned virtual IP is 10.0.9.2": "logged out"},
        {"action": "logoff", "attempts": None},
    ),
    *[
        ("watchguard", text, {"Mar  2 10:15:04 fw1 80DB0001 (2026-03-02T10:15:04)": "2026-03-02T10:15:04Z fw1 80DB0001"}, {"ts_offset_min": 0})
        for text in ("1100-0005", "3E00-0002")
    ],
]


def varied(fmt: str, text: str, replaced: Mapping[str, str], changes: Event) -> tuple[str, Event]:
    """A line that differs from the first sample that holds a text, and its event."""
    sample = next(s for s in CATALOG[fmt].samples if s.expect and text in s.line)
    line = sample.line
    for old, new in replaced.items():
        assert old in line, (fmt, text, old)
        line = line.replace(old, new)
    event = {**(sample.expect or {}), **changes}
    return line, {c: v for c, v in event.items() if v is not None and c != "ts_quality"}


def test_variants_of_samples_by_hand() -> None:
    for fmt, variants in groupby(VARIANTS, key=lambda v: v[0]):
        expected = [varied(*variant) for variant in variants]
        read = engine_reads([line for line, _ in expected], "syslog" if CATALOG[fmt].kind == "syslog" else fmt)
        for (line, event), found in zip(expected, read, strict=True):
            assert found == event, line
