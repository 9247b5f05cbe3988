"""How events become log lines, column-wise: each function takes a frame of events and writes one log format.

A *lines* frame holds one log line a row: ``t`` (microseconds UTC), ``line`` (text), ``who`` (position in ``plan.WHO``), ``mark`` (number of the
attack's event, -1 for all others).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.simulator.draw import Ints
from benchmarks.simulator.plan import JST_OFFSET, SECOND, SHOP_IP, FirewallLog, StoreLog

Writer = Callable[[pl.DataFrame], pl.Series]


def lines_frame(t: Ints, line: pl.Series, who: Ints | int, mark: Ints | int = -1) -> pl.DataFrame:
    """Put lines into the shape that the writer takes."""
    fill = np.zeros(len(t), dtype=np.int64)
    columns = {"t": t, "line": line, "who": fill + who, "mark": fill + mark}
    return pl.DataFrame(columns, schema={"t": pl.Int64, "line": pl.String, "who": pl.UInt8, "mark": pl.Int32})


_T = pl.col("t")


def local_time(pattern: str, t: pl.Expr = _T) -> pl.Expr:
    """Write a column of moments as Japanese time."""
    return (t + JST_OFFSET).cast(pl.Datetime("us")).dt.strftime(pattern)


def fill(template: str) -> pl.Expr:
    """Fill ``{column}`` places of a line from the columns of the same name."""
    parts = template.replace("}", "{").split("{")
    return pl.concat_str([pl.lit(part) if n % 2 == 0 else pl.col(part).cast(pl.String) for n, part in enumerate(parts)])


# The web machines


def combined_lines(requests: pl.DataFrame) -> pl.Series:
    """Write requests (t, ip, request, status, bytes, referer, agent) as nginx's combined format does."""
    time = local_time("%d/%b/%Y:%H:%M:%S +0900")
    return requests.select(pl.format('{} - - [{}] "{}" {} {} "{}" "{}"', "ip", time, "request", "status", "bytes", "referer", "agent")).to_series()


def _store_json_lines(requests: pl.DataFrame) -> pl.Series:
    """Write the same requests as nginx does with ``escape=json``: what the client did not send, or what nginx could not read of it, is empty."""
    request = pl.col("request").str.splitn(" ", 3)
    parts = [pl.when(request.struct[2].is_null()).then(pl.lit("")).otherwise(request.struct[n]) for n in range(3)]
    millis = 3 + pl.col("bytes") // 900
    return requests.select(
        pl.format(
            '{{"time_iso8601":"{}","remote_addr":"{}","remote_user":"","host":"shop.example.jp","request_method":"{}","request_uri":"{}",'
            '"server_protocol":"{}","status":{},"body_bytes_sent":{},"request_time":{},"http_referer":"{}","http_user_agent":"{}"}}',
            local_time("%Y-%m-%dT%H:%M:%S+09:00"),
            "ip",
            *parts,
            "status",
            "bytes",
            _seconds(millis),
            *(pl.col(sent).replace("-", "") for sent in ("referer", "agent")),
        )
    ).to_series()


def _seconds(millis: pl.Expr) -> pl.Expr:
    return pl.format("{}.{}", millis // 1000, (millis % 1000).cast(pl.String).str.zfill(3))


STORE_LOGS: dict[StoreLog, Writer] = {"combined": combined_lines, "json": _store_json_lines}


def json_lines(requests: pl.DataFrame) -> pl.Series:
    """Write requests (t, ip, method, uri, status, bytes, millis, referer, agent, user, session) as the admin host's JSON log does."""
    return requests.select(
        pl.format(
            '{{"time_iso8601":"{}","remote_addr":"{}","host":"admin.shop.example.jp","request_method":"{}","request_uri":"{}","status":{},'
            '"body_bytes_sent":{},"request_time":{},"http_referer":"{}","http_user_agent":"{}","remote_user":"{}","session":"{}"}}',
            local_time("%Y-%m-%dT%H:%M:%S+09:00"),
            "ip",
            "method",
            "uri",
            "status",
            "bytes",
            _seconds(pl.col("millis")),
            "referer",
            "agent",
            "user",
            "session",
        )
    ).to_series()


def login_lines(logins: pl.DataFrame) -> pl.Series:
    """Write logins (t, event, reason, app, account, ip, session, agent) as shopd's logfmt does; ``reason`` is null on success."""
    failed = pl.col("reason").is_not_null()
    return logins.select(
        pl.format(
            'ts={} level={} event={} result={} {}app={} account={} ip={} session={} ua="{}"',
            local_time("%Y-%m-%dT%H:%M:%S+09:00"),
            pl.when(failed).then(pl.lit("warn")).otherwise(pl.lit("info")),
            "event",
            pl.when(failed).then(pl.lit("failure")).otherwise(pl.lit("success")),
            pl.when(failed).then(pl.format("reason={} ", pl.col("reason").fill_null(""))).otherwise(pl.lit("")),
            "app",
            "account",
            "ip",
            "session",
            "agent",
        )
    ).to_series()


def syslog_lines(messages: pl.DataFrame) -> pl.Series:
    """Write messages (t, host, program, message) as the BSD syslog protocol does, without a priority."""
    return messages.select(pl.format("{} {} {}: {}", local_time("%b %e %H:%M:%S"), "host", "program", "message")).to_series()


# The firewall


@dataclass(frozen=True)
class Firewall:
    """How one maker's firewall writes what it did."""

    blocked: Writer
    """Packets that it did not let through (t, source, target, sport, dport, ttl, id, up: seconds since start); all are TCP."""
    ended: Writer
    """Connections that ended (t, source, target, protocol, sport, dport, out, back: bytes)."""


def _from_firewall(rows: pl.DataFrame, program: str, message: str) -> pl.Series:
    return syslog_lines(rows.select("t", host=pl.lit("fw-1"), program=pl.lit(program), message=fill(message)))


def _ufw_lines(packets: pl.DataFrame) -> pl.Series:
    return _from_firewall(
        packets,
        "kernel",
        "[{up}] [UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:8a:1c:01:52:54:00:12:35:02:08:00 SRC={source} DST={target} LEN=40 TOS=0x00 PREC=0x00 "
        "TTL={ttl} ID={id} PROTO=TCP SPT={sport} DPT={dport} WINDOW=1024 RES=0x00 SYN URGP=0 ",
    )


def _ulogd_lines(connections: pl.DataFrame) -> pl.Series:
    return _from_firewall(
        _packets(connections),
        "ulogd[812]",
        "[DESTROY] ORIG: SRC={source} DST={target} PROTO={protocol} SPT={sport} DPT={dport} PKTS={sent} BYTES={out} , "
        "REPLY: SRC={target} DST={source} PROTO={protocol} SPT={dport} DPT={sport} PKTS={received} BYTES={back}",
    )


def _packets(connections: pl.DataFrame) -> pl.DataFrame:
    """Count packets of full length."""
    return connections.with_columns(sent=pl.col("out") // 1_400 + 1, received=pl.col("back") // 1_400 + 1)


def _session(rows: pl.DataFrame, names: dict[int, str], other: pl.Expr, zones: tuple[str, str, str]) -> pl.DataFrame:
    """Add what firewalls of larger makers tell: a session number, the service's name, the zones (database, other servers, outside), the NAT."""

    def zone(address: str) -> pl.Expr:
        column = pl.col(address)
        return pl.when(column.str.starts_with("10.0.3.")).then(pl.lit(zones[0])).when(_inside(column)).then(pl.lit(zones[1])).otherwise(pl.lit(zones[2]))

    return rows.with_columns(
        date=local_time("%Y-%m-%d"),
        time=local_time("%H:%M:%S"),
        session=_T // 1_000 % 2**32,
        service=pl.col("dport").replace_strict(list(names), list(names.values()), default=other),
        from_zone=zone("source"),
        to_zone=zone("target"),
        is_translated=_inside(pl.col("source")) & ~_inside(pl.col("target")),
    )


def _inside(address: pl.Expr) -> pl.Expr:
    return address.str.starts_with("10.")


def _lasting(connections: pl.DataFrame) -> pl.DataFrame:
    """Let connections last the longer, the more they carried."""
    return _packets(connections).with_columns(seconds=(pl.col("out") + pl.col("back")) // 40_000 + 1)


# FortiOS Log Reference, traffic log: the fields of a forwarded session in the order in which the device writes them.
_FORTIGATE_HEAD = (
    'date={date} time={time} devname="fw-1" devid="FGT60FTK00000001" eventtime={nanoseconds} tz="+0900" logid="0000000013" type="traffic" subtype="forward" '
    'level="notice" vd="root" srcip={source} srcport={sport} srcintf="{from_zone}" srcintfrole="{from_role}" dstip={target} dstport={dport} '
    'dstintf="{to_zone}" dstintfrole="{to_role}" srccountry="{from_country}" dstcountry="{to_country}" sessionid={session} proto={number} '
)
_FORTIGATE_SERVICES = {22: "SSH", 25: "SMTP", 53: "DNS", 80: "HTTP", 123: "NTP", 443: "HTTPS", 587: "SMTP_Submission", 3389: "RDP"}


def _fortigate(rows: pl.DataFrame) -> pl.DataFrame:
    other = pl.format("{}/{}", pl.col("protocol").str.to_lowercase(), "dport")
    seen = _session(rows, _FORTIGATE_SERVICES, other, ("db", "dmz", "wan1"))
    sides = {}
    for side, address in (("from", "source"), ("to", "target")):
        inside = _inside(pl.col(address))
        sides[f"{side}_role"] = pl.when(inside).then(pl.lit("dmz")).otherwise(pl.lit("wan"))
        sides[f"{side}_country"] = pl.when(inside).then(pl.lit("Reserved")).otherwise(pl.lit("Japan"))
    return seen.with_columns(nanoseconds=_T * 1_000, number=pl.col("protocol").replace_strict({"TCP": 6, "UDP": 17}), **sides)


def _fortigate_denied_lines(packets: pl.DataFrame) -> pl.Series:
    tail = (
        'action="deny" policyid=0 policytype="policy" service="{service}" trandisp="noop" duration=0 sentbyte=0 rcvdbyte=0 sentpkt=0 rcvdpkt=0 '
        'appcat="unscanned" crscore=30 craction=131072 crlevel="high"'
    )
    return _fortigate(packets.with_columns(protocol=pl.lit("TCP"))).select(fill(_FORTIGATE_HEAD + tail)).to_series()


def _fortigate_closed_lines(connections: pl.DataFrame) -> pl.Series:
    tail = (
        'action="{action}" policyid=7 policytype="policy" poluuid="8c6f2d8e-3a1b-51f0-9d55-0a4e7c21b9d3" policyname="servers out" service="{service}" '
        '{translation} duration={seconds} sentbyte={out} rcvdbyte={back} sentpkt={sent} rcvdpkt={received} appcat="unscanned"'
    )
    seen = _fortigate(_lasting(connections)).with_columns(
        action=pl.when(pl.col("protocol") == "TCP").then(pl.lit("close")).otherwise(pl.lit("accept")),
        translation=pl.when("is_translated")
        .then(pl.format('trandisp="snat" transip={} transport={}', pl.lit(SHOP_IP), "sport"))
        .otherwise(pl.lit('trandisp="noop"')),
    )
    return seen.select(fill(_FORTIGATE_HEAD + tail)).to_series()


# PAN-OS 10.2 Administrator's Guide, Traffic Log Fields, behind the header of a syslog server. The columns between the name of the device and the
# time in high resolution are those of tunnels, SCTP, SD-WAN, known devices and containers, of which this network has none.
_PANOS_LINE = (
    "{header} fw-1 1,{day} {time},007951000001,TRAFFIC,{kind},2562,{day} {time},{source},{target},{nat_source},{nat_target},{rule},,,{service},vsys1,"
    "{from_zone},{to_zone},{from_zone}-if,{to_interface},to-syslog,{day} {time},{session},1,{sport},{dport},{nat_sport},{nat_dport},{flags},{transport},"
    "{action},{total},{out},{back},{both},{start},{seconds},any,,{sequence},0x8000000000000000,{from_country},{to_country},,{sent},{received},{reason},"
    "0,0,0,0,,fw-1,from-policy,,,0,,0,,N/A,0,0,0,0,5a3c1f0e-7f0b-4c6e-9a44-3f2f1d7e0b61,0,0" + "," * 35 + "{fine},,,{application},,,no,no,0,NonProxyTraffic,"
)
_PANOS_KNOWN = 'infrastructure,networking,network-protocol,2,"able-to-transfer-file,has-known-vulnerability,pervasive-use"'
_PANOS_APPLICATIONS = {53: "dns-base", 123: "ntp-base", 443: "ssl", 587: "smtp-base", 873: "rsync", 5_432: "postgres"}


def _panos_lines(rows: pl.DataFrame, *, kind: str, action: str, rule: str) -> pl.Series:
    seen = _session(rows, _PANOS_APPLICATIONS, pl.lit("not-applicable"), ("db", "dmz", "untrust")).with_columns(
        kind=pl.lit(kind),
        action=pl.lit(action),
        rule=pl.lit(rule),
        header=local_time("%b %e %H:%M:%S"),
        day=local_time("%Y/%m/%d"),
        fine=local_time("%Y-%m-%dT%H:%M:%S%.3f+09:00"),
        start=local_time("%Y/%m/%d %H:%M:%S", _T - pl.col("seconds") * SECOND),
        transport=pl.col("protocol").str.to_lowercase(),
        total=pl.col("out") + pl.col("back"),
        both=pl.col("sent") + pl.col("received"),
        sequence=_T // 10 % 2**40,
        from_country=_panos_region("source"),
        to_country=_panos_region("target"),
    )
    translated = pl.col("is_translated")
    dropped = action == "deny"
    return (
        seen.with_columns(
            nat_source=pl.when(translated).then(pl.lit(SHOP_IP)).otherwise(pl.lit("0.0.0.0")),
            nat_target=pl.when(translated).then(pl.col("target")).otherwise(pl.lit("0.0.0.0")),
            nat_sport=pl.when(translated).then(pl.col("sport") ^ 0x1555).otherwise(0),
            nat_dport=pl.when(translated).then(pl.col("dport")).otherwise(0),
            flags=pl.when(translated).then(pl.lit("0x40001c")).otherwise(pl.lit("0x0" if dropped else "0x1c")),
            to_interface=pl.lit("") if dropped else pl.format("{}-if", "to_zone"),
            reason=pl.lit("policy-deny") if dropped else pl.when(pl.col("protocol") == "TCP").then(pl.lit("tcp-fin")).otherwise(pl.lit("aged-out")),
            application=pl.lit("unknown,unknown,unknown,1," if dropped else _PANOS_KNOWN),
        )
        .select(fill(_PANOS_LINE))
        .to_series()
    )


def _panos_region(address: str) -> pl.Expr:
    return pl.when(_inside(pl.col(address))).then(pl.lit("10.0.0.0-10.255.255.255")).otherwise(pl.lit("Japan"))


def _panos_dropped_lines(packets: pl.DataFrame) -> pl.Series:
    single = packets.with_columns(protocol=pl.lit("TCP"), out=60, back=0, sent=1, received=0, seconds=0)
    return _panos_lines(single, kind="drop", action="deny", rule="interzone-default")


def _panos_ended_lines(connections: pl.DataFrame) -> pl.Series:
    return _panos_lines(_lasting(connections), kind="end", action="allow", rule="servers out")


FIREWALL_LOGS: dict[FirewallLog, Firewall] = {
    "netfilter": Firewall(_ufw_lines, _ulogd_lines),
    "fortigate": Firewall(_fortigate_denied_lines, _fortigate_closed_lines),
    "panos": Firewall(_panos_dropped_lines, _panos_ended_lines),
}
