"""A format from the string by which the server itself was told how to write: Apache's LogFormat, nginx's log_format.

Sources: https://httpd.apache.org/docs/2.4/mod/mod_log_config.html#formats,
https://nginx.org/en/docs/http/ngx_http_log_module.html, https://nginx.org/en/docs/varindex.html
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from breachscope.errors import UsageError
from breachscope.ingest.catalog import FormatCatalog, entry_of
from breachscope.ingest.escapes import SERVERS_ESCAPES
from breachscope.ingest.format_checks import is_strptime
from breachscope.ingest.formats import FieldRule, Format, Pattern
from breachscope.timestamps import TimeForm

_CLF_TIME = "%d/%b/%Y:%H:%M:%S %z"


@dataclass(frozen=True)
class _Field:
    """What a directive writes: a column, a special group, or None for what is not kept; the form of a time, or the factor of a number."""

    column: str | None = None
    time: str | None = None
    scale: float | None = None
    is_bracketed: bool = False
    """Whether the directive writes square brackets itself."""


_NOT_KEPT = _Field()
_APACHE: Mapping[str, _Field] = {
    "a": _Field("client_ip"),
    "h": _Field("client_ip"),
    "{c}a": _Field("peer_ip"),
    "u": _Field("user"),
    "t": _Field("time", time=_CLF_TIME, is_bracketed=True),
    "r": _Field("request"),
    "s": _Field("status"),
    "b": _Field("bytes_sent"),
    "B": _Field("bytes_sent"),
    "O": _Field("bytes_sent"),
    "I": _Field("bytes_received"),
    "D": _Field("duration_ms", scale=0.001),
    "T": _Field("duration_ms", scale=1000),
    "{s}T": _Field("duration_ms", scale=1000),
    "{ms}T": _Field("duration_ms"),
    "{us}T": _Field("duration_ms", scale=0.001),
    "v": _Field("vhost"),
    "V": _Field("vhost"),
    "m": _Field("method"),
    "U": _Field("path"),
    "q": _Field("query"),
    "H": _Field("protocol"),
    "{sec}t": _Field("time", time="epoch_s"),
    "{msec}t": _Field("time", time="epoch_ms"),
    "{usec}t": _Field("time", time="epoch_us"),
    "{remote}p": _Field("client_port"),
    "{referer}i": _Field("referer"),
    "{user-agent}i": _Field("user_agent"),
    "{x-forwarded-for}i": _Field("forwarded_for"),
    "{forwarded}i": _Field("forwarded_for"),
    "{host}i": _Field("vhost"),
}
"""Directives by modifier and letter, headers in lower case."""
_NGINX: Mapping[str, _Field] = {
    "remote_addr": _Field("client_ip"),
    "realip_remote_addr": _Field("peer_ip"),
    "remote_port": _Field("client_port"),
    "remote_user": _Field("user"),
    "time_local": _Field("time", time=_CLF_TIME),
    "time_iso8601": _Field("time", time="iso8601"),
    "msec": _Field("time", time="epoch_s"),
    "request": _Field("request"),
    "request_method": _Field("method"),
    "request_uri": _Field("uri"),
    "uri": _Field("path"),
    "args": _Field("query"),
    "query_string": _Field("query"),
    "server_protocol": _Field("protocol"),
    "status": _Field("status"),
    "bytes_sent": _Field("bytes_sent"),
    "body_bytes_sent": _Field("bytes_sent"),
    "request_length": _Field("bytes_received"),
    "request_time": _Field("duration_ms", scale=1000),
    "http_referer": _Field("referer"),
    "http_user_agent": _Field("user_agent"),
    "http_x_forwarded_for": _Field("forwarded_for"),
    "proxy_add_x_forwarded_for": _Field("forwarded_for"),
    "http_forwarded": _Field("forwarded_for"),
    "http_host": _Field("vhost"),
    "host": _Field("vhost"),
    "server_name": _Field("vhost"),
    "hostname": _Field("host"),
}
_DIRECTIVE = re.compile(
    r"%(?:!?[0-9,]+)?[<>]?(?P<apache>(?:\{[^}]*\})?(?:\^t[io]|[a-zA-Z]))|\$(?:\{(?P<braced>\w+)\}|(?P<nginx>\w+))|(?P<percent>%%)|\\(?P<escaped>.)|(?P<text>[^%$\\]+)"
)
_ESCAPES = {"t": "\t", "n": "\n"}


def format_of(definition: str, identifier: str = "log_format") -> Format:
    """The format that a ``LogFormat`` or ``log_format`` string makes; the whole directive may be given as it stands in the configuration.

    Raises UsageError where the string has no time or no client, or holds what no such string can.
    """
    text = _definition(definition)
    if not re.search(r"[%$]", text):
        raise UsageError(f"--log-format {text!r} holds no directive (%h, $remote_addr); give the string as the server's configuration has it")
    written: list[_Field | str] = []
    joined: set[str | None] = set()
    at = 0
    while at < len(text):
        found = _DIRECTIVE.match(text, at)
        if found is None:
            raise UsageError(f"--log-format: {text[at : at + 12]!r} is no directive of Apache or nginx; %% stands for a percent sign")
        at = found.end()
        if found["text"] or found["percent"] or found["escaped"]:
            plain = found["text"] or ("%" if found["percent"] else _ESCAPES.get(found["escaped"], found["escaped"]))
            written[-1:] = [written[-1] + plain] if written and isinstance(written[-1], str) else [*written[-1:], plain]
        else:
            field = _field(found)
            if written and isinstance(before := written[-1], _Field):
                # Where one ends and the other begins is not known, but a query goes on from its path.
                joined |= {before.column, field.column}
                written[-1] = _Field("uri") if (before.column, field.column) == ("path", "query") else _NOT_KEPT
            else:
                written.append(field)
    columns = [f.column for f in written if isinstance(f, _Field)]
    for column, what in (("time", "a time (%t, $time_local)"), ("client_ip", "the client (%h, $remote_addr)")):
        if column not in columns:
            told = f"nothing between {what} and its neighbour" if column in joined else f"no {what.removeprefix('a ').removeprefix('the ')}"
            raise UsageError(f"--log-format {text!r} writes {told}; without it no line can be an event")
    times = tuple(f.time for f in written if isinstance(f, _Field) and f.time)
    scales = {f.column: FieldRule(scale=f.scale) for f in written if isinstance(f, _Field) and f.column and f.scale}
    patterns = tuple(Pattern(_regex(written, is_plain=is_plain)) for is_plain in (True, False))
    return Format(
        identifier, f"as configured: {text}", "regex", 0, Path("--log-format"), (definition,), "web", patterns,
        time=TimeForm(times[:1]), fields=scales, escapes=SERVERS_ESCAPES,
    )  # fmt: skip


def with_log_formats(catalog: FormatCatalog, definitions: Sequence[str]) -> FormatCatalog:
    """The catalog with the formats of these strings before all others. Raises UsageError as :func:`format_of` does."""
    entries = [entry_of(format_of(definition, identifier)) for identifier, definition in _identified(definitions)]
    return FormatCatalog((*entries, *catalog.entries))


def idle_log_formats(definitions: Sequence[str], used: Collection[str]) -> list[str]:
    """A sentence for each string whose format is none of those ``used``: most likely it is not the one that the server writes by."""
    return [
        f"--log-format {definition!r} fits no line; give the string as the server's configuration has it"
        for identifier, definition in _identified(definitions)
        if identifier not in used
    ]


def _identified(definitions: Sequence[str]) -> list[tuple[str, str]]:
    """The strings with the ids of their formats."""
    return [(f"log_format_{number}" if len(definitions) > 1 else "log_format", definition) for number, definition in enumerate(definitions, 1)]


def _definition(given: str) -> str:
    """The string itself of a whole directive."""
    if not re.match(r"\s*(LogFormat|log_format)\s", given):
        return given.replace('\\"', '"')
    try:
        parts = shlex.split(given.strip().rstrip(";"))
    except ValueError as error:
        raise UsageError(f"--log-format: a quote is not closed in {given!r}") from error
    if parts[0] == "LogFormat":
        return parts[1] if len(parts) > 1 else ""
    return "".join(p for p in parts[2:] if not p.startswith("escape="))


def _field(found: re.Match[str]) -> _Field:
    if name := found["nginx"] or found["braced"]:
        return _NGINX.get(name, _NOT_KEPT)
    directive = re.sub(r"\{.*\}", lambda m: m[0].lower() if found["apache"].endswith("i") else m[0], found["apache"])
    if directive.endswith("}t") and directive not in _APACHE:
        if not is_strptime(form := directive[1:-2].removeprefix("begin:").removeprefix("end:")):
            raise UsageError(f"--log-format: the time %{directive} cannot be read; write %t or %{{sec}}t")
        return _Field("time", time=form)
    return _APACHE.get(directive, _NOT_KEPT)


def _regex(written: list[_Field | str], *, is_plain: bool) -> str:
    """An expression of the line: each field reaches as far as the text behind it allows; quoted ones may hold escaped quotes."""
    regex = "^"
    seen: set[str] = set()
    for place, part in enumerate(written):
        if isinstance(part, str):
            regex += re.escape(part).replace("\\ ", " ")
            continue
        before, behind = (written[p] if 0 <= p < len(written) else "" for p in (place - 1, place + 1))
        is_quoted = isinstance(before, str) and before.endswith('"') and isinstance(behind, str) and behind.startswith('"')
        end = behind[:1] if isinstance(behind, str) else ""
        if part.time == _CLF_TIME:
            value = r"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}"
        elif part.time and " " in part.time:
            value = "[^ ]*" + " [^ ]*" * part.time.count(" ")
        elif is_quoted:
            value = r'[^"\\]*' if is_plain else r'(?:[^"\\]|\\.)*'
        else:
            value = f"[^{re.escape(end)}]*" if end else ".*"
        group = part.column if part.column and part.column not in seen else None
        seen.add(part.column or "")
        body = f"(?P<{group}>{value})" if group else f"(?:{value})"
        regex += rf"\[{body}\]" if part.is_bracketed else body
    return regex + "$"
