"""The columnar engine against slow readers of login messages whose names the sender chose: dovecot, Postfix, vsftpd, audit log, MySQL, ProFTPD, PAM, sudo.

Each reader knows where the program writes the address and takes nothing from elsewhere; where a name leaves two readings, neither the
engine nor the reader may give the sender's.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.ingest.reading import Event, engine_reads, slow_address

TS = datetime(2026, 3, 2, 10, 15, 4, tzinfo=UTC)
HEADER = "2026-03-02T10:15:04Z srv1 "
NULLS = ("", "-", '""', "(null)")
FORGED = "203.0.113.7"
REAL = "192.0.2.9"

# Names that hold what a message of each program goes on with, and any other text of one line.
NAME = st.one_of(
    st.sampled_from(
        [
            "root",
            "",
            " ",
            "u 1",
            "-",
            "山田",
            "a\\",
            "it's",
            'a"b',
            f"x from {FORGED}",
            f"x from {FORGED} port 22 ssh2",
            f"x>, rip={FORGED}, lip=10.0.0.1, session=<y",
            f"x, sasl_username=y [{FORGED}]",
            f'x] FAIL LOGIN: Client "{FORGED}',
            f'x] FTP command: Client "{FORGED}", "y',
            f"x'@'{FORGED}' (using password: YES)",
            f"x (Login failed): Incorrect password ({FORGED}[{FORGED}])",
            f"x rhost={FORGED}  user=root",
            f"x' exe=\"/usr/sbin/sshd\" addr={FORGED} res=success'",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12),
)
ADDRESS = st.one_of(st.ip_addresses().map(str), st.just("::ffff:192.0.2.9"))
ONE_WORD = st.one_of(st.sampled_from(["root", "u1@example.com", "山田", "EXAMPLE\\u1"]), st.from_regex(r"[a-z][a-z0-9._@-]{0,8}", fullmatch=True))


def event(**columns: Any) -> Event:
    """The columns of an event behind the common header, without those that a log writes as missing."""
    return {"ts": TS, "ts_offset_min": 0, "host": "srv1"} | {c: v for c, v in columns.items() if v not in NULLS}


# dovecot: user=<NAME>, method=…, rip=ADDRESS, lip=…, session=<…>

DOVECOT = re.compile(
    r"imap-login: (?:Login|Logged in|(?:Disconnected|Aborted login|Login aborted)(?:: [\w ]+)? "
    r"\(auth failed, (\d+) attempts(?: in \d+ secs)?\)(?: \(auth_failed\))?): "
    r"user=<([^<>]*)>, (?:method=(\w+), )?rip=([0-9a-fA-F.:]+), lip=10\.0\.0\.5(?:, TLS)?(?:, session=<([^<>]*)>)?",
    re.ASCII,
)


def slow_dovecot(message: str) -> Event | None:
    found = DOVECOT.fullmatch(message)
    if found is None:
        return None
    attempts, user, method, address, session = found.groups()
    outcome = "failure" if attempts else "success"
    return event(
        client_ip=slow_address(address), user=user, session=session or "", outcome=outcome, action="logon", service="dovecot", method=method or "",
        attempts=int(attempts or 1),
    )  # fmt: skip


DOVECOT_MESSAGE = st.builds(
    "imap-login: {}: user=<{}>, {}rip={}, lip=10.0.0.5{}{}".format,
    st.sampled_from(
        [
            "Login",
            "Logged in",
            "Disconnected (auth failed, 1 attempts)",
            "Disconnected: Connection closed (auth failed, 3 attempts in 6 secs)",
            "Aborted login (auth failed, 2 attempts in 9 secs)",
            "Login aborted: Connection closed (auth failed, 12 attempts in 9 secs) (auth_failed)",
        ]
    ),
    NAME,
    st.sampled_from(["", "method=PLAIN, ", "method=LOGIN, "]),
    ADDRESS,
    st.sampled_from(["", ", TLS"]),
    st.sampled_from(["", ", session=<aB/+1>", ", session=<>"]),
)


@given(st.lists(DOVECOT_MESSAGE, min_size=1, max_size=8))
@example([f"imap-login: Login: user=<x>, rip={FORGED}, lip=10.0.0.1, session=<y>, rip={REAL}, lip=10.0.0.5"])
def test_dovecot_logins_are_read_as_the_slow_reader_reads_them(messages: list[str]) -> None:
    assert engine_reads([f"{HEADER}dovecot: {m}" for m in messages], "syslog") == [slow_dovecot(m) for m in messages]


# Postfix: the client's address stands before all that was sent.

POSTFIX = re.compile(r"warning: [\w.]+\[([0-9a-fA-F.:]+)\](?::(\d+))?: SASL (\w+) authentication failed: ([^,]*)(?:, sasl_username=(.*))?", re.ASCII)


def slow_postfix(message: str) -> Event | None:
    found = POSTFIX.fullmatch(message)
    if found is None:
        return None
    address, port, method, _, user = found.groups()
    columns: dict[str, Any] = {"client_ip": slow_address(address), "outcome": "failure", "action": "logon", "service": "postfix", "method": method}
    if port is not None:
        columns["client_port"] = int(port)
    return event(**columns, user=user or "", attempts=1)


POSTFIX_MESSAGE = st.builds(
    "warning: {}[{}]{}: SASL {} authentication failed: {}{}".format,
    st.sampled_from(["unknown", "gw.example.com"]),
    ADDRESS,
    st.sampled_from(["", ":51512"]),
    st.sampled_from(["LOGIN", "PLAIN"]),
    st.sampled_from(["UGFzc3dvcmQ6", "(reason unavailable)", "authentication failure", ""]),
    st.one_of(st.just(""), NAME.map(lambda name: f", sasl_username={name}")),
)


@given(st.lists(POSTFIX_MESSAGE, min_size=1, max_size=8))
def test_postfix_failures_are_read_as_the_slow_reader_reads_them(messages: list[str]) -> None:
    assert engine_reads([f"{HEADER}postfix/smtpd[8]: {m}" for m in messages], "syslog") == [slow_postfix(m) for m in messages]


# vsftpd: a name with quotes could be a command that quotes a login.

VSFTPD = re.compile(r'Mon Mar  ?2 10:15:04 2026 \[pid \d+\] \[([^"]*)\] (FAIL|OK) LOGIN: Client "([^" ]+)"', re.ASCII)


def slow_vsftpd(line: str) -> Event | None:
    found = VSFTPD.fullmatch(line)
    if found is None or (found[2] == "OK" and "]" in found[1]):  # no account is called so
        return None
    user, verdict, address = found.groups()
    read = event(client_ip=slow_address(address), user=user, outcome="success" if verdict == "OK" else "failure", action="logon", service="vsftpd", attempts=1)
    return {c: v for c, v in read.items() if c != "host"}


VSFTPD_LINE = st.builds(
    'Mon Mar {} 10:15:04 2026 [pid 8] [{}] {}: Client "{}"{}'.format,
    st.sampled_from([" 2", "2"]),
    NAME,
    st.sampled_from(["FAIL LOGIN", "OK LOGIN"]),
    ADDRESS,
    st.sampled_from(["", "x"]),
)


@given(st.lists(VSFTPD_LINE, min_size=1, max_size=8))
@example([f'Mon Mar  2 10:15:04 2026 [pid 8] [x] FTP command: Client "{REAL}", "USER y] FAIL LOGIN: Client "{FORGED}"'])
def test_vsftpd_logins_are_read_as_the_slow_reader_reads_them(lines: list[str]) -> None:
    assert engine_reads(lines, "vsftpd") == [slow_vsftpd(line) for line in lines]


# Audit log: a name of plain characters in quotes, any other in hexadecimal.


def audit_value(name: str) -> str:
    """As audit_encode_nv_string of audit-userspace writes a value."""
    raw = name.encode()
    return raw.hex().upper() if any(b in b'"' or b < 0x21 or b > 0x7E for b in raw) else f'"{name}"'


@given(NAME.filter(bool), ADDRESS, st.sampled_from(["success", "failed"]), st.sampled_from(["", '\x1dUID="root" AUID="unset"']), st.integers(0, 4294967295))
def test_audit_logins_give_back_the_name(name: str, address: str, result: str, suffix: str, session: int) -> None:
    line = (
        f"type=USER_LOGIN msg=audit(1772446504.000:7): pid=8 uid=0 auid=4294967295 ses={session} subj=unconfined "
        f"msg='op=login acct={audit_value(name)} exe=\"/usr/sbin/sshd\" hostname=? addr={address} terminal=ssh res={result}'{suffix}"
    )
    (read,) = engine_reads([line], "auditd")
    assert read is not None
    assert read.get("user") == (name if name not in NULLS and name not in ("?", "unset") else None)
    assert read.get("session") == (None if session == 4294967295 else str(session))
    assert (read["client_ip"], read["outcome"]) == (slow_address(address), "success" if result == "success" else "failure")
    assert read["ts"] == TS


# MySQL: the last quoted text is the address.

MYSQL = re.compile(r"(.*) 8 \[Warning\] Access denied for user '(.*)'@'([^' @]*)' \(using password: (?:YES|NO)\)", re.ASCII)


def slow_mysql(line: str) -> Event | None:
    found = MYSQL.fullmatch(line)
    if found is None:
        return None
    columns = {"client_ip": slow_address(found[3]), "user": found[2], "outcome": "failure", "action": "logon", "service": "mysql", "attempts": 1}
    return {c: v for c, v in event(**columns).items() if c != "host"}


@given(
    st.sampled_from(["2026-03-02T10:15:04.000000Z", "2026-03-02 10:15:04", "260302 10:15:04"]), NAME, ADDRESS, st.sampled_from(["YES", "NO"])
)  # fmt: skip
def test_mysql_refusals_are_read_as_the_slow_reader_reads_them(time: str, name: str, address: str, password: str) -> None:
    line = f"{time} 8 [Warning] Access denied for user '{name}'@'{address}' (using password: {password})"
    assert engine_reads([line], "mysql_error") == [slow_mysql(line)]


def test_an_hour_of_one_digit_is_read_as_mariadb_writes_it() -> None:
    (read,) = engine_reads(["2026-03-02  5:15:04 8 [Warning] Access denied for user 'a'@'192.0.2.9' (using password: NO)"], "mysql_error")
    assert read is not None
    assert read["ts"] == TS - timedelta(hours=5)


# ProFTPD: the address stands before the name.


@given(NAME, ADDRESS, st.sampled_from(["Incorrect password", "No such user found"]))
def test_proftpd_failures_are_of_the_address_that_it_writes(name: str, address: str, why: str) -> None:
    message = f"proftpd[8]: 10.0.0.5 (gw.example.com[{address}]) - USER {name} (Login failed): {why}"
    reason = "no_user" if why == "No such user found" else "bad_password"
    columns = {"user": name, "outcome": "failure", "action": "logon", "reason": reason, "service": "proftpd", "attempts": 1}
    assert engine_reads([HEADER + message], "syslog") == [event(client_ip=slow_address(address), **columns)]


# What nobody may forge, whatever the name


@given(NAME)
@example(f"x rhost={FORGED}  user=root")
@example(f"x rhost={FORGED}")
def test_pam_gives_the_real_address_or_none(name: str) -> None:
    line = f"{HEADER}vsftpd: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser={name} rhost={REAL} "
    (read,) = engine_reads([line], "syslog")
    assert read is not None
    assert (read["action"], read["outcome"]) == ("logon", "failure")
    assert read.get("client_ip") in (REAL, None)
    assert "user" not in read  # pam_unix names existing accounts only


@given(NAME)
@example(f"a ID k (serial 1) CA RSA SHA256:x from {FORGED} port 22 ssh2: RSA SHA256:y")
def test_a_failed_ssh_key_gives_the_real_address_or_nothing(name: str) -> None:
    tail = "ssh2: RSA-CERT SHA256:abc ID {} (serial 7) CA ED25519 SHA256:def"
    lines = [
        f"{HEADER}sshd[8]: Failed publickey for root from {REAL} port 51512 {tail.format(name)}",
        f"{HEADER}sshd[8]: Failed publickey for invalid user {name} from {REAL} port 51512 {tail.format('k1')}",
        f"{HEADER}sshd[8]: Failed publickey for invalid user {name} from {REAL} port 51512 ssh2: RSA SHA256:abc",
        f"{HEADER}sshd[8]: Invalid user {name} from {REAL} port 51512",
        f"{HEADER}sshd[8]: Connection closed by authenticating user {name} {REAL} port 51512 [preauth]",
    ]
    for read in engine_reads(lines, "syslog"):
        assert read is None or (read["client_ip"], read["client_port"]) == (REAL, 51512)


# A folder that holds " ; USER=" cannot be told from a command that does: then the account is not known.
FOLDER = st.sampled_from([" ; USER=evil", " ; USER=evil ; COMMAND=/x", " : TTY=pts/9 ; PWD=/", "/a b", ";", " ; ", "=", "/あ"])
SUDO_TEXT = st.sampled_from([" ; USER=evil ; COMMAND=/x", " : TTY=pts/9 ; PWD=/ ; USER=evil ; COMMAND=/x", "/a b", ";", " ; ", "=", "/あ"])


@given(ONE_WORD, st.lists(FOLDER, max_size=3).map("".join), st.lists(SUDO_TEXT, max_size=3).map("".join), st.sampled_from([None, 1, 3]))
def test_sudo_names_the_real_account_or_none(user: str, folder: str, command: str, tries: int | None) -> None:
    failed = f"{tries} incorrect password attempt{'s' if tries > 1 else ''} ; " if tries else ""
    (read,) = engine_reads([f"{HEADER}sudo: {user} : {failed}TTY=pts/0 ; PWD=/{folder} ; USER=root ; COMMAND=/bin/ls{command}"], "syslog")
    assert read is not None
    assert (read["user"], read["attempts"], read["outcome"]) == (user, tries or 1, "failure" if tries else "success")
    assert read.get("target") in ("root", None)
    if "=" not in folder and " ; USER=" not in command:
        assert read["target"] == "root"


PREFIXES = (
    "2026-03-02 10:15:04.000 JST [44] {0}@crm ",
    "2026-03-02 10:15:04.000 JST [44] app@{0} ",
    "2026-03-02 10:15:04 JST [44]: [3-1] user={0},db=crm,app=[unknown],client=192.0.2.9 ",
    "2026-03-02 10:15:04 JST [44]: [3-1] user=app,db={0},app=[unknown],client=192.0.2.9 ",
    "2026-03-02 10:15:04 JST [44]: [3-1] user=app,db=crm,app={0},client=192.0.2.9 ",
    "2026-03-02 10:15:04.000 JST [44]: [3-1] db={0},user=app ",
    "2026-03-02 10:15:04.000 JST [44]: [3-1] db=crm,user={0} ",
    "2026-03-02 10:15:04.000 JST [44] [user=app,db=crm,app={0}] ",
    "2026-03-02 10:15:04 JST:192.0.2.9(51512):{0}@crm:[44]:",
)
PG_FORGED = "LOG:  statement: select 1"


@settings(max_examples=12)
@given(NAME)
@example("a@b LOG:  connection authorized: user=postgres database=crm")
@example("a@b LOG:  connection authorized: user=postgres database=crm application_name=x")
@example(f"a@b {PG_FORGED}")
@example(f'a"@b {PG_FORGED}')
@example("a@b 文:  select 1")
@example(f"b {PG_FORGED}")
@example(f"a,db=b {PG_FORGED}")
@example(f"a,db=b,app=x,client={FORGED} {PG_FORGED}")
@example(f"a,user=b {PG_FORGED}")
@example(f"a,client={FORGED} {PG_FORGED}")
@example(f"a] {PG_FORGED}")
@example(f"a@b:[1]:{PG_FORGED}")
def test_a_postgresql_login_that_failed_is_never_read_as_a_success_or_a_statement(name: str) -> None:
    lines = [f'{prefix.format(name)}FATAL:  password authentication failed for user "{name}"' for prefix in PREFIXES]
    for event in engine_reads(lines, "postgresql"):
        assert event is None or (event["action"], event["outcome"], event.get("user", "")) == ("logon", "failure", "" if name in NULLS else name)
        assert event is None or event.get("client_ip", REAL) == REAL
    further = [f'{prefix.format(name)}{level}:  Role "{name}" does not exist.' for prefix in PREFIXES for level in ("DETAIL", "WARNING")]
    assert not any(engine_reads(further, "postgresql"))


@settings(max_examples=10)
@given(NAME)
@example(f"x,client={FORGED} {PG_FORGED}")
@example(f"x] {PG_FORGED}")
def test_what_calls_itself_anything_is_no_other_client_of_postgresql(name: str) -> None:
    lines = [f"{prefix.format(name)}LOG:  statement: select 2" for prefix in PREFIXES if "app={0}" in prefix]
    for event in engine_reads(lines, "postgresql"):
        assert event is None or (event["user"], event["store"], event["statement"], event.get("client_ip", REAL)) == ("app", "crm", "select 2", REAL)


@pytest.mark.parametrize("program", ["sshd(pam_unix)", "login(pam_unix)"])
def test_old_pam_lines_count_their_tries(program: str) -> None:
    tail = f"logname= uid=0 euid=0 tty=NODEVssh ruser= rhost={REAL}"
    lines = [f"{HEADER}{program}[8]: authentication failure; {tail}  user=root", f"{HEADER}{program}[8]: 4 more authentication failures; {tail}  user=root"]
    read = engine_reads(lines, "syslog")
    assert [(r["attempts"], r["user"], r["client_ip"]) for r in read if r] == [(1, "root", REAL), (4, "root", REAL)]


def test_what_sshd_says_of_connections_is_no_login() -> None:
    lines = [
        f"{HEADER}sshd[8]: {message}"
        for message in [
            f"Received disconnect from {REAL} port 51512:11: Failed password for root from {FORGED} port 22 ssh2 [preauth]",
            f"Bad protocol version identification 'Invalid user x from {FORGED}' from {REAL} port 51512",
            f"Did not receive identification string from {REAL}",
            f"Unable to negotiate with {REAL} port 51512: no matching MAC found. Their offer: Accepted password for root [preauth]",
            "error: kex_exchange_identification: Connection closed by remote host",
            f"Disconnecting invalid user x {REAL} port 51512: Too many authentication failures [preauth]",
        ]
    ]
    assert engine_reads(lines, "syslog") == [None] * len(lines)
