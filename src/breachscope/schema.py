"""Every table the program writes, declared once.

One :class:`Column` gives a name, an Arrow type, a unit, a meaning and the names the same fact has in OCSF, ECS and
Sigma, so that parsers, detectors, scope and exports can never disagree about a column.

Sources: OCSF 1.3 classes 4002 (HTTP activity), 3002 (authentication), 4001 (network activity), 6003 (API activity);
Elastic Common Schema 8; SigmaHQ taxonomy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

TEXT = pa.string()
INT16 = pa.int16()
INT32 = pa.int32()
INT64 = pa.int64()
FLOAT64 = pa.float64()
BOOL = pa.bool_()
BINARY = pa.binary()
TIMESTAMP = pa.timestamp("us", tz="UTC")

EVENT_ID_LINE_FACTOR = 1 << 7
"""Positions in one line that an event id can tell apart."""
EVENT_ID_SOURCE_FACTOR = 1 << 43
"""Event ids of one source: 2**36 lines of 2**7 positions."""


def locate_event(event_id: int) -> tuple[int, int]:
    """Source and line of an event.

    >>> locate_event(3 * EVENT_ID_SOURCE_FACTOR + 42 * EVENT_ID_LINE_FACTOR)
    (3, 42)
    """
    return event_id // EVENT_ID_SOURCE_FACTOR, event_id % EVENT_ID_SOURCE_FACTOR // EVENT_ID_LINE_FACTOR


LEVELS = ("informational", "low", "medium", "high", "critical")
"""Finding levels of Sigma, lowest first."""

GRADES = ("confirmed", "probable", "possible", "excluded")
"""Evidence grades of an exposure, best first."""

ACTOR_KINDS = ("ip", "user", "session", "host")


@dataclass(frozen=True)
class Column:
    """One column: ``unit`` is empty for text; ``values`` lists the members of a closed vocabulary."""

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    values: tuple[str, ...] = ()
    ocsf: str = ""
    ecs: str = ""
    sigma: tuple[str, ...] = ()
    is_varied: bool = False
    """Whether most rows have a text of their own."""


@dataclass(frozen=True)
class Table:
    """One table: what a row is, its columns in order, and the columns a parser must fill."""

    name: str
    row: str
    columns: tuple[Column, ...]
    required: tuple[str, ...] = ()
    ocsf_class: int | None = None

    @property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type) for c in self.columns])

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def __contains__(self, name: str) -> bool:
        return any(c.name == name for c in self.columns)


OUTCOMES = ("success", "failure", "unknown")
TS_QUALITIES = ("exact", "assumed_tz", "inferred_year", "ambiguous", "nonexistent", "none")

_COMMON = (
    Column("event_id", INT64, "stable id: source * 2**43 + line * 2**7 + position in the line", ocsf="metadata.uid", ecs="event.id"),
    Column("ts", TIMESTAMP, "when it happened", "UTC microseconds", ocsf="time", ecs="@timestamp", sigma=("date", "time")),
    Column("ts_offset_min", INT16, "UTC offset as written or assumed", "minutes", ocsf="timezone_offset", ecs="event.timezone"),
    Column("ts_quality", TEXT, "how the time was obtained", values=TS_QUALITIES),
    Column("source", INT32, "input id in the manifest", ocsf="metadata.log_name", ecs="log.file.path"),
    Column("line", INT64, "1-based line in the decompressed stream", ecs="log.offset"),
    Column("format", TEXT, "format id", ocsf="metadata.product", ecs="event.dataset"),
    Column("host", TEXT, "machine that logged", ocsf="device.hostname", ecs="host.name", sigma=("Computer",)),
    Column("client_ip", TEXT, "who called, canonical text", ocsf="src_endpoint.ip", ecs="source.ip", sigma=("c-ip", "IpAddress")),
    Column("client_port", INT32, "caller's port", ocsf="src_endpoint.port", ecs="source.port"),
    Column("user", TEXT, "account", ocsf="actor.user.name", ecs="user.name", sigma=("cs-username", "TargetUserName", "username")),
    Column("session", TEXT, "session or logon id", ocsf="actor.session.uid"),
    Column("user_agent", TEXT, "as sent", ocsf="http_request.user_agent", ecs="user_agent.original", sigma=("cs-user-agent", "c-useragent")),
    Column("outcome", TEXT, "did it succeed", values=OUTCOMES, ocsf="status_id", ecs="event.outcome"),
)

_WEB = (
    Column("peer_ip", TEXT, "TCP peer, when a proxy stands between", ocsf="proxy_endpoint.ip"),
    Column("forwarded_for", TEXT, "X-Forwarded-For as sent", ocsf="http_request.x_forwarded_for", ecs="network.forwarded_ip"),
    Column("vhost", TEXT, "host asked for", ocsf="http_request.url.hostname", ecs="url.domain", sigma=("cs-host",)),
    Column("method", TEXT, "request method", ocsf="http_request.http_method", ecs="http.request.method", sigma=("cs-method",)),
    Column("protocol", TEXT, "protocol and version as written", ocsf="http_request.version", ecs="http.version", sigma=("cs-version",)),
    Column("path", TEXT, "path, still percent-encoded", ocsf="http_request.url.path", ecs="url.path", sigma=("cs-uri-stem",), is_varied=True),
    Column(
        "query",
        TEXT,
        "query without '?', still percent-encoded",
        ocsf="http_request.url.query_string",
        ecs="url.query",
        sigma=("cs-uri-query",),
        is_varied=True,
    ),
    Column("status", INT16, "response status code", ocsf="http_response.code", ecs="http.response.status_code", sigma=("sc-status",)),
    Column("bytes_sent", INT64, "to the client", "bytes", ocsf="http_response.length", ecs="http.response.bytes", sigma=("sc-bytes",)),
    Column("bytes_received", INT64, "from the client", "bytes", ocsf="http_request.length", ecs="http.request.bytes", sigma=("cs-bytes",)),
    Column("duration_ms", FLOAT64, "time taken", "ms", ocsf="duration", ecs="event.duration", sigma=("time-taken",)),
    Column("referer", TEXT, "Referer header as sent", ocsf="http_request.referrer", ecs="http.request.referrer", sigma=("cs-referer", "cs-referrer")),
)

_AUTH = (
    Column(
        "action",
        TEXT,
        "what was attempted",
        values=("logon", "logoff", "mfa", "elevate", "account_create", "account_change", "group_add", "lockout", "log_clear"),
        ocsf="activity_id",
        ecs="event.action",
        sigma=("EventID",),
    ),
    Column(
        "reason",
        TEXT,
        "why it failed",
        values=("bad_password", "no_user", "locked", "mfa_required", "mfa_denied"),
        ocsf="status_detail",
        ecs="event.reason",
        sigma=("SubStatus",),
    ),
    Column("service", TEXT, "program or application", ocsf="service.name", ecs="event.provider"),
    Column("method", TEXT, "password, publickey, kerberos, …", ocsf="auth_protocol"),
    Column("logon_type", INT16, "Windows logon type", ocsf="logon_type_id", sigma=("LogonType",)),
    Column("actor_user", TEXT, "who did it, when not the account itself", ocsf="actor.user.name", sigma=("SubjectUserName",)),
    Column("target", TEXT, "group, or account run as", ocsf="group.name", ecs="user.target.name"),
    Column("attempts", INT32, "tries this row stands for", "tries", ocsf="count"),
)

_NETWORK = (
    Column("src_ip", TEXT, "initiator", ocsf="src_endpoint.ip", ecs="source.ip", sigma=("src_ip",)),
    Column("src_port", INT32, "initiator's port", ocsf="src_endpoint.port", ecs="source.port", sigma=("src_port",)),
    Column("dst_ip", TEXT, "responder", ocsf="dst_endpoint.ip", ecs="destination.ip", sigma=("dst_ip",)),
    Column("dst_port", INT32, "responder's port", ocsf="dst_endpoint.port", ecs="destination.port", sigma=("dst_port",)),
    Column("transport", TEXT, "tcp, udp, icmp, ipv6-icmp, …: IANA's keyword in lower case", ocsf="connection_info.protocol_name", ecs="network.transport"),
    Column("app", TEXT, "application protocol", ocsf="app_name", ecs="network.protocol"),
    Column(
        "action",
        TEXT,
        "what the device did; null where the log does not say",
        values=("allow", "deny", "reset", "alert"),
        ocsf="action_id",
        ecs="event.action",
        sigma=("action",),
    ),
    Column("rule", TEXT, "rule name or log prefix", ocsf="firewall_rule.name", ecs="rule.name"),
    Column("direction", TEXT, "seen from the device", values=("inbound", "outbound", "internal"), ocsf="connection_info.direction_id", ecs="network.direction"),
    Column("bytes_out", INT64, "src to dst; one packet's length for packet logs", "bytes", ocsf="traffic.bytes_out", ecs="source.bytes"),
    Column("bytes_in", INT64, "dst to src", "bytes", ocsf="traffic.bytes_in", ecs="destination.bytes"),
    Column("bytes_total", INT64, "where only the sum is logged", "bytes", ocsf="traffic.bytes", ecs="network.bytes"),
    Column("duration_ms", FLOAT64, "connection duration", "ms", ocsf="duration", ecs="event.duration"),
    Column("flow_id", TEXT, "connection id", ocsf="connection_info.uid", is_varied=True),
    Column("is_interim", BOOL, "a running total, not the final one"),
    Column("nat_src_ip", TEXT, "source after translation", ecs="source.nat.ip"),
    Column("dns_query", TEXT, "name asked for", ocsf="query.hostname", ecs="dns.question.name", sigma=("query",)),
)

_DATA_ACCESS = (
    Column(
        "action",
        TEXT,
        "operation",
        values=("read", "list", "export", "query", "write", "delete"),
        ocsf="api.operation",
        ecs="event.action",
        sigma=("eventName",),
    ),
    Column("store", TEXT, "bucket or database", ocsf="databucket.name"),
    Column("object", TEXT, "key, table or item", ocsf="resources.name", ecs="file.path", is_varied=True),
    Column("statement", TEXT, "SQL text", ocsf="query_info.query_string", is_varied=True),
    Column("row_count", INT64, "rows returned", "rows"),
    Column("completeness", TEXT, "what the row stands for; cut: perhaps of the statement only the beginning", values=("item", "container", "throttled", "cut")),
)

REPEATING_FORMATS = frozenset({"apache_error", "apache_ssl_request", "nginx_error"})
"""Formats whose web events are requests that the server's access log holds too, there with their status."""

WEB = Table("web", "one HTTP request", _COMMON + _WEB, ("ts", "client_ip", "method", "path", "status"), 4002)
AUTH = Table("auth", "one authentication or account event", _COMMON + _AUTH, ("ts", "user", "action", "outcome", "service"), 3002)
NETWORK = Table("network", "one connection or packet record", _COMMON + _NETWORK, ("ts", "src_ip", "dst_ip", "action"), 4001)
DATA_ACCESS = Table("data_access", "one access to stored data", _COMMON + _DATA_ACCESS, ("ts", "user", "action", "object", "outcome"), 6003)

EVENT_TABLES: Mapping[str, Table] = MappingProxyType({t.name: t for t in (WEB, AUTH, NETWORK, DATA_ACCESS)})

REJECTS = Table(
    "rejects",
    "one line that no format could read",
    (
        Column("source", INT32, "input id in the manifest"),
        Column("line", INT64, "1-based line in the decompressed stream"),
        Column("reason", TEXT, "why, in one short phrase"),
        Column("raw", BINARY, "the bytes of the line as they stand in the input; its first 64 KiB where longer"),
        Column("raw_bytes", INT64, "full length of the line", "bytes"),
    ),
)

FINDINGS = Table(
    "findings",
    "one detector's claim about one actor over one span of time",
    (
        Column("finding_id", TEXT, "stable: F- and 12 hex digits of SHA-256 over detector, actor and first_ts"),
        Column("incident_id", TEXT, "incident it belongs to"),
        Column("detector", TEXT, "detector id, e.g. web/object-enumeration"),
        Column("level", TEXT, "severity", values=LEVELS),
        Column("attack", pa.list_(TEXT), "ATT&CK technique ids"),
        Column("actor_kind", TEXT, "what the actor is", values=ACTOR_KINDS),
        Column("actor", TEXT, "address, account, session or host"),
        Column("peer", TEXT, "other side's address, where a finding has one; null otherwise"),
        Column("first_ts", TIMESTAMP, "first event", "UTC microseconds"),
        Column("last_ts", TIMESTAMP, "last event", "UTC microseconds"),
        Column("measure", FLOAT64, "the number that crossed the threshold; its unit is told by the detector"),
        Column("threshold", FLOAT64, "the number it crossed"),
        Column("events", INT64, "events behind the finding", "events"),
        Column("facts", TEXT, "further columns of the detector's row, as a JSON object with sorted keys"),
    ),
)

EVIDENCE = Table(
    "evidence",
    "one event that belongs to one incident: what detection hands to scope",
    (
        Column("incident_id", TEXT, "incident"),
        Column("table", TEXT, "event table", values=tuple(EVENT_TABLES)),
        Column("event_id", INT64, "event"),
        Column(
            "attribution",
            TEXT,
            "actor: the event is the incident's actor's own; shared: it came from an address that others use too",
            values=("actor", "shared"),
        ),
        Column("finding_id", TEXT, "the finding that names the event, or null when only its actor ties it to the incident"),
    ),
)

EXPOSURES = Table(
    "exposures",
    "one record that one incident may have given away",
    (
        Column("incident_id", TEXT, "incident"),
        Column("table", TEXT, "customer table"),
        Column("record", TEXT, "record key"),
        Column("person", TEXT, "whose data it is; null where the row names nobody"),
        Column("grade", TEXT, "how good the evidence is", values=GRADES),
        Column("reason", TEXT, "why this grade, in one short phrase"),
        Column("columns", pa.list_(TEXT), "columns given away"),
        Column("data_kinds", pa.list_(TEXT), "kinds of personal data given away"),
        Column("first_ts", TIMESTAMP, "first evidence", "UTC microseconds"),
        Column("last_ts", TIMESTAMP, "last evidence", "UTC microseconds"),
        Column("event_ids", pa.list_(INT64), "evidence events, at most 20, first ones first"),
        Column("events", INT64, "evidence events in all", "events"),
    ),
)

PEOPLE = Table(
    "people",
    "one person under the best grade among their exposures",
    (
        Column("person", TEXT, "person key"),
        Column("grade", TEXT, "best grade", values=GRADES),
        Column("tables", pa.list_(TEXT), "customer tables concerned"),
        Column("data_kinds", pa.list_(TEXT), "kinds of personal data given away"),
        Column("records", INT64, "records exposed under any grade but excluded", "records"),
        Column("incidents", pa.list_(TEXT), "incidents concerned"),
        Column("first_ts", TIMESTAMP, "first evidence", "UTC microseconds"),
        Column("last_ts", TIMESTAMP, "last evidence", "UTC microseconds"),
    ),
)

TABLES: Mapping[str, Table] = MappingProxyType({t.name: t for t in (*EVENT_TABLES.values(), REJECTS, FINDINGS, EVIDENCE, EXPOSURES, PEOPLE)})
