"""The columnar engine against slow readers of text logs of web servers and proxies, written from the vendors' descriptions.

What a client sends (names, requests, agents, paths) may hold anything, and must not choose what the server wrote.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.ingest.reading import Event, engine_reads, slow_address

# Shared by all

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0"), max_size=10)
HOSTILE = st.one_of(
    st.sampled_from(
        [
            "",
            "-",
            " ",
            "a b",
            '"',
            '" 200 512 "',
            "'",
            "\\",
            "\\x22",
            "}",
            "{a}",
            "あ",
            ", client: 203.0.113.1",
            '", client: 203.0.113.1, server: , request: "GET / HTTP/1.1',
            "] [client 203.0.113.1:1] AH01618: user root not found: /",
            " not found: /",
            '" was not found in "/f", client: 203.0.113.1, server: , request: "GET / HTTP/1.1", host: "h',
            "u:p@[2001:db8::1]",
        ]
    ),
    TEXT,
)
IPV4 = st.ip_addresses(v=4).map(str)
ANY_IP = st.ip_addresses().map(str)
PORT = st.integers(0, 65600).map(str)
NUMBER = st.one_of(st.integers(0, 10**7).map(str), st.just("99999999999999999999"))
NULLS = ("", "-", '""', "(null)")


def without_nulls(event: dict[str, Any]) -> Event:
    return {name: value for name, value in event.items() if value is not None and (name in ("path", "query") or value not in NULLS)}


def split_at_question_mark(target: str) -> dict[str, str]:
    path, mark, query = target.partition("?")
    return {"path": path, **({"query": query} if mark else {})}


def slow_request(text: str) -> dict[str, str]:
    """Method, path, query and protocol of a request line; what is none is the path."""
    found = re.fullmatch(r"([A-Za-z][A-Za-z_-]*) +([^?]+?)(?:\?(.*?))?(?: +([A-Z]{2,8}/[0-9.]+))?", text, re.DOTALL)
    if not found or not (found[4] or found[2].startswith("/")):
        return {"path": text}
    names = ("method", "path", "query", "protocol")
    return {name: value for name, value in zip(names, found.groups(), strict=True) if value is not None}


def is_port(text: str) -> bool:
    return text.isdecimal() and int(text) <= 65535


def fits(text: str) -> bool:
    return int(text) < 1 << 63


# HAProxy: client:port [time] frontend backend/server timers status bytes cookies state connections queues {captures} "request"


def slow_haproxy(line: str) -> Event | None:
    head, quote, request = line.partition('"')
    if not quote:
        return None
    request, closing, behind = request.partition('"')
    if behind or (closing and not request and behind):
        return None
    head, _, captures = head.partition("{")
    if captures and not re.fullmatch(r"[^{}\"]*\} (?:\{[^{}\"]*\} )?", captures):
        return None
    fields = head.rstrip(" ").split(" ")
    if len(fields) != 12 or not head.endswith(" "):
        return None
    client, time, frontend, backend, timers, status, size, _, _, state, connections, queues = fields
    address, _, port = client.rpartition(":")
    if not re.fullmatch(r"[0-9A-Fa-f:.]+", address) or "/" not in backend or not frontend:
        return None
    parts = timers.split("/")
    if len(parts) != 5 or not all(re.fullmatch(r"-?[0-9]+", t) for t in parts[:4]) or not re.fullmatch(r"\+?[0-9]+", parts[4]):
        return None
    if not re.fullmatch(r"-1|[0-9]{3}", status) or not re.fullmatch(r"\+?[0-9]+", size) or not is_port(port):
        return None
    if not re.fullmatch(r"[A-Za-z-]{4}", state) or connections.count("/") != 4 or queues.count("/") != 1:
        return None
    if not size.startswith("+") and not fits(size):
        return None
    event: dict[str, Any] = {
        "ts": datetime.strptime(time[1:-1], "%d/%b/%Y:%H:%M:%S.%f").replace(tzinfo=UTC),
        "ts_offset_min": 0,
        "client_ip": slow_address(address),
        "client_port": int(port),
        "status": None if status in ("-1", "000") else int(status),
        "bytes_sent": None if size.startswith("+") else int(size),
        "duration_ms": None if parts[4].startswith("+") else float(parts[4]),
        **slow_request(request),
    }
    return without_nulls(event)


REQUEST = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["GET ", "POST ", "", "<BADREQ>", "get "]),
    st.sampled_from(["/", "/a?b=c", "*", ""]),
    HOSTILE,
    st.sampled_from(["", " HTTP/1.1"]),
)
HAPROXY = st.builds(
    '{}:{} [02/Mar/2026:10:15:04.{:03d}] fe~ {} {}/0/{}/20/{} {} {} - - {} 2/2/0/0/{} 0/0 {}"{}"'.format,
    ANY_IP,
    PORT,
    st.integers(0, 999),
    st.sampled_from(["app/s1", "app/<NOSRV>", "app"]),
    st.integers(-1, 9),
    st.integers(-1, 9),
    st.one_of(NUMBER, st.just("+50"), st.just("-1")),
    st.sampled_from(["200", "404", "-1", "20"]),
    st.one_of(NUMBER, st.just("+50"), st.just("-")),
    st.sampled_from(["----", "CR--", "PR-- ", "--"]),
    st.sampled_from(["0", "+3"]),
    st.sampled_from(["", "{203.0.113.1|curl} ", "{} {a#22b} ", '{"} ']),
    REQUEST,
)


@given(st.lists(HAPROXY, min_size=1, max_size=10))
@example(['192.0.2.9:51512 [02/Mar/2026:10:15:04.120] fe app/s1 0/0/1/20/21 200 512 - - ---- 2/2/0/0/0 0/0 "GET /cut'])
def test_haproxy_requests_are_read_as_the_slow_reader_reads_them(lines: list[str]) -> None:
    assert engine_reads(lines, "haproxy") == [slow_haproxy(line) for line in lines]


# Squid: time elapsed client code/status bytes method URL user hierarchy/peer type


def slow_squid(line: str) -> Event | None:
    fields = re.sub(r"^([0-9]{9,10}\.[0-9]{3}) +", r"\1 ", line).split(" ")
    if len(fields) != 10 or not all(fields):
        return None
    time, elapsed, client, code, size, method, url, user, peer, _ = fields
    result, _, status = code.partition("/")
    if (
        not re.fullmatch(r"[0-9]{9,10}\.[0-9]{3}", time, re.ASCII)
        or not re.fullmatch(r"-?[0-9]+", elapsed, re.ASCII)
        or not re.fullmatch(r"[0-9]+", size, re.ASCII)
    ):
        return None
    if not re.fullmatch("[A-Z_]+", result) or not re.fullmatch("000|[1-9][0-9]{2}", status, re.ASCII) or not re.fullmatch("[A-Z_]+/.+", peer):
        return None
    if not re.fullmatch("[!-~]+", method) or not fits(size) or (elapsed != "-1" and int(elapsed) < 0):
        return None
    event: dict[str, Any] = {
        "ts": datetime.fromtimestamp(int(time[:-4]), UTC).replace(microsecond=int(time[-3:]) * 1000),
        "ts_offset_min": 0,
        "client_ip": slow_address(client),
        "status": None if status == "000" else int(status),
        "bytes_sent": int(size),
        "duration_ms": None if elapsed == "-1" else float(elapsed),
        "user": user,
        "method": None if method == "NONE" else method,
        "path": url,
    }
    if found := re.fullmatch(r"(?:https?|ftp)://([^/:?#@\[\]]+)(?::[0-9]+)?(/.*)", url, re.ASCII | re.DOTALL):
        event |= {"vhost": found[1], **split_at_question_mark(found[2])}
    elif method == "CONNECT" and (found := re.fullmatch(r"([^/:?#@\[\]]+):[0-9]+", url, re.ASCII)):
        event["vhost"] = found[1]
    return without_nulls(event)


SQUID = st.builds(
    "1772414104.{:03d} {:>6} {} {}/{} {} {} {} {} {} text/html".format,
    st.integers(0, 999),
    st.integers(-2, 99999),
    ANY_IP,
    st.sampled_from(["TCP_MISS", "NONE", "tcp"]),
    st.sampled_from(["200", "000", "404", "20"]),
    NUMBER,
    st.sampled_from(["GET", "CONNECT", "NONE", "ICP_QUERY"]),
    st.one_of(
        st.sampled_from(["http://f.example.net/a?b", "https://f.example.net:8443/", "f.example.net:443", "error:invalid", "http://f.example.net"]),
        HOSTILE.map(lambda text: "http://f.example.net/" + text),
        HOSTILE.map(lambda text: f"http://{text}/"),
    ),
    st.sampled_from(["-", "u1", "u%201"]),
    st.sampled_from(["HIER_DIRECT/203.0.113.20", "HIER_NONE/-", "HIER_NONE"]),
)


@given(st.lists(SQUID, min_size=1, max_size=10))
def test_squid_lines_are_read_as_the_slow_reader_reads_them(lines: list[str]) -> None:
    assert engine_reads(lines, "squid") == [slow_squid(line) for line in lines]


# nginx error log: nothing is escaped. The tail that the server writes is looked for from the first ", client: " on; a quote
# inside one of its values makes the line one that can be read in two ways.

VALUE = r'"([^"]*)"'
SKIPPED = r'(?:, subrequest: "[^"]*")?(?:, upstream: "[^"]*")?'
TAIL = re.compile(rf', client: ([0-9A-Za-z:.]+), server: [^,"]*, request: {VALUE}{SKIPPED}(?:, host: {VALUE})?(?:, referrer: {VALUE})?')
LOGIN_TAIL = re.compile(TAIL.pattern.replace(SKIPPED, ""))


def slow_nginx(line: str) -> Event | None:
    head = re.match(r"2026/03/02 10:15:04 \[error\] 8#8: \*1 ", line)
    assert head is not None
    message = line[head.end() :]
    at = message.find(", client: ")
    tail = TAIL.fullmatch(message[at:]) if at >= 0 else None
    when = {"ts": datetime(2026, 3, 2, 10, 15, 4, tzinfo=UTC), "ts_offset_min": 0}
    login = re.fullmatch(r'user "([^"]*)"(?: was not found in "[^"]*"|: password mismatch)(, client: .*)', message, re.DOTALL)
    if login and (seen := LOGIN_TAIL.fullmatch(login[2])):
        reason = "bad_password" if ": password mismatch, client" in message.split('"')[2] else "no_user"
        logon = {"action": "logon", "outcome": "failure", "reason": reason, "service": "nginx", "method": "password", "attempts": 1}
        return without_nulls({**when, **logon, "client_ip": slow_address(seen[1]), "user": login[1]})
    if tail is None or re.search(", cli", message[:at]):
        return None
    return without_nulls({**when, "client_ip": slow_address(tail[1]), **slow_request(tail[2]), "vhost": tail[3], "referer": tail[4]})


NGINX_MESSAGE = st.one_of(
    st.builds('open() "/html/{}" failed (2: No such file or directory)'.format, HOSTILE),
    st.builds('user "{}" was not found in "/etc/nginx/htpasswd"'.format, HOSTILE),
    st.builds('user "{}": password mismatch'.format, HOSTILE),
    st.just('limiting requests, excess: 5.428 by zone "z"'),
)
NGINX = st.builds(
    '2026/03/02 10:15:04 [error] 8#8: *1 {}, client: {}, server: {}, request: "{}"{}{}'.format,
    NGINX_MESSAGE,
    ANY_IP,
    st.sampled_from(["", "_", "shop.example"]),
    st.builds("GET /{} HTTP/1.1".format, HOSTILE),
    st.sampled_from(["", ', host: "shop.example"', ', upstream: "http://192.0.2.80:8080/", host: "h"']),
    st.one_of(st.just(""), HOSTILE.map(lambda text: f', referrer: "{text}"')),
)


@given(st.lists(NGINX, min_size=1, max_size=10))
@example(['2026/03/02 10:15:04 [error] 8#8: *1 user "a": password mismatch, client: 192.0.2.9, server: , request: "GET /a", client: 203.0.113.1 HTTP/1.1"'])
def test_nginx_errors_are_read_as_the_slow_reader_reads_them(lines: list[str]) -> None:
    assert engine_reads(lines, "nginx_error") == [slow_nginx(line) for line in lines]


@given(NGINX, IPV4)
def test_no_text_of_a_client_chooses_the_address_in_an_nginx_error(line: str, address: str) -> None:
    """The line is made with one true address; every other one in it stands in the client's own text."""
    true = re.sub(r"(.*), client: [0-9a-f:.]+, server: (|_|shop\.example), request: ", rf"\1, client: {address}, server: \2, request: ", line, count=1)
    found = engine_reads([true], "nginx_error")[0]
    if found is not None and true.count(", client: ") == 1:
        assert found["client_ip"] == address


# Apache error log: logins of HTTP Basic. A name ends at the first colon.


def slow_apache(line: str) -> Event | None:
    found = re.fullmatch(
        r"\[Mon Mar 02 10:15:04\.120000 2026\] \[auth_basic:error\] \[pid 8:tid 9\] \[client ([^\]]*)\] AH0161[78]: user ([^:]*)(.*)", line, re.DOTALL
    )
    assert found is not None
    address, _, port = found[1].rpartition(":")
    name, rest = found[2], found[3]
    if rest.startswith(": authentication failure for ") and rest.endswith(": Password Mismatch"):
        reason = "bad_password"
    elif " not found" in name and name.endswith(" not found") and rest.startswith(": "):
        name, reason = name.removesuffix(" not found"), "no_user"
    else:
        return None
    if not is_port(port):
        return None
    return without_nulls(
        {
            "ts": datetime(2026, 3, 2, 10, 15, 4, 120000, tzinfo=UTC),
            "ts_offset_min": 0,
            "client_ip": slow_address(address),
            "client_port": int(port),
            "user": name,
            "action": "logon",
            "outcome": "failure",
            "reason": reason,
            "service": "apache",
            "method": "password",
            "attempts": 1,
        }
    )


NAME = HOSTILE.map(lambda name: name.replace(":", "").replace("\\", ""))
"""A name of HTTP Basic; its escapes are tried elsewhere."""
APACHE = st.one_of(
    st.builds("AH01618: user {} not found: /{}".format, NAME, HOSTILE.map(lambda t: t.replace("\\", ""))),
    st.builds('AH01617: user {}: authentication failure for "/{}": Password Mismatch'.format, NAME, HOSTILE.map(lambda t: t.replace("\\", ""))),
)
APACHE_LINE = st.builds("[Mon Mar 02 10:15:04.120000 2026] [auth_basic:error] [pid 8:tid 9] [client {}:{}] {}".format, ANY_IP, PORT, APACHE)


@given(st.lists(APACHE_LINE, min_size=1, max_size=10))
def test_apache_basic_logins_are_read_as_the_slow_reader_reads_them(lines: list[str]) -> None:
    assert engine_reads(lines, "apache_error") == [slow_apache(line) for line in lines]


# S3 server access log: fields between spaces, times in brackets, free text in quotes; a quote inside is refused.

S3_ACTIONS = {"REST.GET.OBJECT": "read", "REST.GET.BUCKET": "list", "REST.PUT.OBJECT": "write", "REST.DELETE.OBJECT": "delete", "REST.HEAD.OBJECT": None}


def slow_s3(line: str) -> Event | None:
    if line.count('"') < 6:
        return None
    before, request, between, rest = line.split('"', 3)
    texts, _, behind = rest.rpartition('"')
    referer, gap, agent = texts.partition('" "')
    if line.count('"') > 6:
        # Any of the quotes from here on may end the request: none may stand before what would then be the status.
        for at, character in enumerate(f'"{texts}'):
            following, further = texts[at : at + 1], texts[at + 1 : at + 2]
            if character == '"' and (following == "" or (following == " " and further in ("", *"0123456789-"))):
                return None
        agent = "" if '"' in referer or referer == " " or '" "' in agent else agent
    head, middle = before.rstrip(" ").split(" "), between.strip(" ").split(" ")
    if len(head) != 9 or len(middle) != 6 or not gap or not all(head) or not all(behind[1:].split(" ")) or not behind.startswith(" "):
        return None
    _, bucket, _, _, client, user, _, operation, key = head
    status = middle[0]
    if not re.fullmatch("[0-9]{3}|-", status, re.ASCII) or not all(re.fullmatch("[0-9]+|-", n, re.ASCII) for n in middle[2:]):
        return None
    del request
    outcome = {"2": "success", "4": "failure", "5": "failure", "1": "unknown", "3": "unknown"}.get(status[0])
    return without_nulls(
        {
            "ts": datetime(2026, 3, 2, 1, 15, 4, tzinfo=UTC),
            "ts_offset_min": 540,
            "client_ip": slow_address(client),
            "user": user,
            "store": bucket,
            "object": key,
            "action": S3_ACTIONS[operation],
            "outcome": outcome,
            "user_agent": agent,
        }
    )


S3 = st.builds(
    '0a1b crm [02/Mar/2026:10:15:04 +0900] {} {} 3E57 {} {} "GET /{} HTTP/1.1" {} - {} - 5 4 "{}" "{}" - s9= SigV4'.format,
    ANY_IP,
    st.sampled_from(["-", "arn:aws:iam::111122223333:user/u1", "a b"]),
    st.sampled_from(list(S3_ACTIONS)),
    st.sampled_from(["-", "a.csv", "a%252Bb.csv", "a b"]),
    HOSTILE,
    st.sampled_from(["200", "206", "304", "403", "500", "-", "OK"]),
    st.sampled_from(["-", "512", "x"]),
    HOSTILE,
    HOSTILE,
)


@given(st.lists(S3, min_size=1, max_size=10))
@example(['0a1b crm [02/Mar/2026:10:15:04 +0900] 192.0.2.9 - 3E57 REST.GET.OBJECT a.csv "GET /" 200 - 1 1 1 1 "-" "-" - x" 403 - 5 - 5 4 "-" "-" - s9= SigV4'])
def test_s3_lines_are_read_as_the_slow_reader_reads_them(lines: list[str]) -> None:
    assert engine_reads(lines, "s3_access") == [slow_s3(line) for line in lines]


@pytest.mark.parametrize(
    "request_line", ['GET /x" 200 - 1 1 1 1 "-" "y', 'GET /x" 200 - 1 1 1 1 "-" "y"', 'GET /x" 200 - 1 1 1 1 "', 'GET /x" 200 - 1 1 1 1 "-" "']
)
@pytest.mark.parametrize("agent", ["-", 'a"', 'x"" y', ""])
def test_no_quote_in_a_request_to_s3_chooses_its_status(request_line: str, agent: str) -> None:
    head = "0a1b crm [02/Mar/2026:10:15:04 +0900] 192.0.2.9 - 3E57 REST.GET.OBJECT a.csv"
    assert engine_reads([f'{head} "{request_line}" 403 AccessDenied 5 - 5 4 "{agent}" "{agent}" - s9= SigV4'], "s3_access") == [None]


# Application load balancer: the request's host is the site asked for

ALB = 'https 2026-03-02T01:15:04.1Z app/lb1/0a 192.0.2.9:51512 - -1 -1 -1 {} - 204 167 "{}" "{}" - - - "Root=1" "-" "-" 0 - "waf" "-" "-"'


@given(st.sampled_from(["200", "404", "-"]), st.sampled_from(["/", "/a?b=c", "/%2e?x", "/a?b?c"]), HOSTILE.filter(lambda t: '"' not in t and "\\" not in t))
def test_alb_lines_are_read_field_by_field(status: str, target: str, agent: str) -> None:
    found = engine_reads([ALB.format(status, f"GET https://shop.example:443{target} HTTP/2.0", agent)], "aws_alb")[0]
    assert found is not None
    expected = {"vhost": "shop.example", "method": "GET", "protocol": "HTTP/2.0", **split_at_question_mark(target), "user_agent": agent}
    expected |= {"host": "app/lb1/0a", "client_ip": "192.0.2.9"}
    numbers: dict[str, Any] = {"client_port": 51512, "bytes_received": 204, "bytes_sent": 167, "status": None if status == "-" else int(status)}
    assert found == without_nulls({"ts": datetime(2026, 3, 2, 1, 15, 4, 100000, tzinfo=UTC), "ts_offset_min": 0, **expected, **numbers})


@pytest.mark.parametrize("agent", ['a"b', '" "200', '\\" "b"'])
def test_a_bare_quote_in_an_agent_is_refused_by_the_load_balancers_format(agent: str) -> None:
    assert engine_reads([ALB.format("200", "GET https://shop.example:443/ HTTP/1.1", agent)], "aws_alb") == [None]


def test_traefiks_text_log_is_a_combined_log_with_more_behind_it() -> None:
    line = '192.0.2.9 - u1 [02/Mar/2026:10:15:04 +0900] "GET /a?b=c HTTP/2.0" 200 512 "-" "curl/8.0" 17 "shop@docker" "http://198.51.100.3:80" 12ms'
    found = engine_reads([line], "combined_extra")[0]
    assert found is not None
    assert (found["client_ip"], found["user"], found["path"], found["status"]) == ("192.0.2.9", "u1", "/a", 200)
    assert "forwarded_for" not in found


def test_iis_in_the_ncsa_form_is_a_common_log() -> None:
    line = r'192.0.2.9 - CORP\JohnDoe [02/Mar/2026:17:39:04 -0800] "GET /scripts/a.dll?http/serv HTTP/1.0" 200 3401'
    found = engine_reads([line], "common")[0]
    assert found is not None
    assert (found["user"], found["path"], found["query"]) == (r"CORP\JohnDoe", "/scripts/a.dll", "http/serv")
