"""A first draft of a format from sample lines: JSON objects, key=value pairs, or a table with a header.

Columns are found by what their names say, in the program's own words, those of ECS, OCSF and Sigma, and in Japanese; a
name that says nothing is left out and listed. A draft is for a person to check.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from breachscope.errors import UsageError
from breachscope.ingest.engine import read_lines
from breachscope.ingest.formats import FormatCatalog, load_format
from breachscope.ingest.lines import split_lines
from breachscope.ingest.reading import Context
from breachscope.ingest.sources import Input, Stream
from breachscope.ingest.trial import BOOKKEEPING, sample_headers
from breachscope.schema import AUTH, DATA_ACCESS, NETWORK, WEB, Table
from breachscope.timestamps import TimeForm, Zone, parse_times

_TIME_FORMS = (
    "iso8601", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "%Y/%m/%d %H:%M:%S%.f", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M",
    "%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y %H:%M:%S", "japanese", "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%b %d %H:%M:%S",
)  # fmt: skip
"""In this order; a form counts when it reads every sample. Day and month are told apart only where one exceeds 12."""
_WORDS: Mapping[str, tuple[str, ...]] = {
    "time": (
        "time",
        "ts",
        "timestamp",
        "datetime",
        "date time",
        "event time",
        "created at",
        "at",
        "when",
        "start time",
        "日時",
        "時刻",
        "発生日時",
        "アクセス日時",
    ),
    "client_ip": (
        "ip",
        "ip address",
        "client ip",
        "remote addr",
        "remote ip",
        "remote host",
        "clientaddress",
        "src ip",
        "source ip",
        "ipアドレス",
        "接続元ip",
        "接続元",
        "アクセス元",
    ),
    "src_ip": ("src", "src ip", "source", "source ip", "source address", "srcip", "saddr", "送信元", "送信元ip", "送信元アドレス", "送信元ipアドレス"),
    "dst_ip": (
        "dst",
        "dst ip",
        "destination",
        "destination ip",
        "destination address",
        "dstip",
        "dest ip",
        "daddr",
        "宛先",
        "宛先ip",
        "宛先アドレス",
        "宛先ipアドレス",
    ),
    "src_port": ("sport", "spt", "source port", "送信元ポート"),
    "dst_port": ("dport", "dpt", "destination port", "dest port", "宛先ポート"),
    "transport": ("protocol", "proto", "プロトコル"),
    "user": (
        "user",
        "username",
        "user name",
        "user id",
        "account",
        "login",
        "login id",
        "ユーザー",
        "ユーザ",
        "ユーザー名",
        "ユーザid",
        "ユーザーid",
        "アカウント",
    ),
    "method": ("method", "http method", "request method", "verb", "メソッド"),
    "path": ("path", "url path"),
    "uri": ("uri", "url", "request uri", "request url", "target"),
    "request": ("request", "request line"),
    "query": ("query", "query string", "args"),
    "status": ("status", "status code", "http status", "response code", "code", "ステータス", "ステータスコード"),
    "bytes_sent": ("bytes", "bytes sent", "size", "response size", "body bytes sent", "送信バイト数", "転送量"),
    "user_agent": ("agent", "user agent", "ua", "browser", "ユーザーエージェント"),
    "referer": ("referer", "referrer", "リファラ"),
    "vhost": ("host", "vhost", "server name", "site"),
    "forwarded_for": ("x forwarded for", "xff", "forwarded for"),
    "outcome": ("outcome", "result", "success", "結果"),
    "action": ("action", "event", "operation", "動作", "操作", "処理"),
    "object": ("object", "key", "resource", "table"),
    "bytes_out": ("bytes out", "sent bytes", "sentbyte", "out bytes"),
    "bytes_in": ("bytes in", "received bytes", "rcvdbyte", "in bytes"),
}
"""Further names of columns, as exports have them."""
_CENTRAL: Mapping[str, tuple[str, ...]] = {
    "web": ("client_ip", "path", "uri", "request", "status", "method"), "network": ("src_ip", "dst_ip", "dst_port", "src_port"),
    "auth": ("user", "client_ip", "outcome"), "data_access": ("user", "object", "row_count"),
}  # fmt: skip
_FINDS: Mapping[str, Mapping[str, str]] = {
    "outcome": {"success": "^(?:succ|ok|true|allow|accept|grant|成功|1$)", "failure": "^(?:fail|error|false|den|reject|invalid|失敗|拒否|0$)"},
    "action": {"allow": "allow|accept|permit|pass|許可", "deny": "den|drop|block|reject|拒否|遮断"},
}
_PAIR = re.compile(r'(?:^|[\s,;])([A-Za-z_][\w.-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*))')
_LEAST_PAIRS = 3
_SAMPLE_LINES = 1_000


@dataclass(frozen=True)
class _Samples:
    """What the samples are made of: field names in order, and the texts that each has."""

    kind: str
    texts: Mapping[str, list[str]]
    settings: Mapping[str, str] = field(default_factory=dict)
    header: str | None = None
    lines: tuple[str, ...] = ()


def draft_format(lines: Sequence[str], title: str) -> str:
    """The text of a format file for such lines. Raises UsageError where they are of no kind known here, or carry no time or no actor that can be told."""
    samples = _samples([line for line in lines if line.strip()])
    table, columns = _columns(samples.texts)
    time = next((name for name, column in columns.items() if column == "time"), None)
    form = _time_form(samples.texts[time]) if time else None
    if time is None or form is None:
        told = f"{time!r} is in no form of time known here" if time else f"none of {', '.join(samples.texts)} is named like a time"
        raise UsageError(f"no format can be drafted: {told}; write one by hand, see 'breachscope formats show combined'")
    central = _CENTRAL[table.name][0]
    required = ["time", central if central in columns.values() else next(c for c in columns.values() if c != "time")]
    quoted = json.dumps
    out = [
        "# A draft by 'breachscope formats new'. Check every column and every expected value by hand, then 'breachscope formats test' this file.",
        f"title = {quoted(title, ensure_ascii=False)}", 'spec = ["drafted from samples"]', f'kind = "{samples.kind}"', f'table = "{table.name}"',
        "order = 1000",
        *(f"{name} = {quoted(value)}" for name, value in samples.settings.items()),
        f"require = {quoted(required)}", f"time.formats = {quoted([form], ensure_ascii=False)}",
        *(f"fields.{column}.find = {_inline(_FINDS[column])}" for column in columns.values() if _is_found(column, table)),
        "", "[keys]", *(f"{column} = {quoted(name, ensure_ascii=False)}" for name, column in columns.items()),
    ]  # fmt: skip
    if unused := [name for name in samples.texts if name not in columns]:
        out += [f"# not used: {', '.join(json.dumps(n, ensure_ascii=False) for n in unused)}"]
    out += ["", "[[sample]]"]
    if samples.header is not None:
        out.append(f"header = {quoted(samples.header, ensure_ascii=False)}")
    return "\n".join([*out, f"line = {quoted(samples.lines[0], ensure_ascii=False)}", "[sample.expect]", ""])


def new_format(sample: Path, output: Path) -> None:
    """Write the draft of a format for the lines of ``sample``, with what it makes of the first one as the expectation to check.

    Raises UsageError where none can be drafted or ``output`` exists, InputError where the sample cannot be read.
    """
    if output.exists():
        raise UsageError("exists already; choose another --output or remove it", path=output)
    stream = Stream(Input(sample))
    block = next(stream.blocks(), None)
    lines = split_lines(block, stream.encoding, stream.newline).frame["text"].head(_SAMPLE_LINES).to_list() if block else []
    text = draft_format(lines, f"drafted from {sample.name}")
    output.touch(mode=0o600)  # it holds a line of the log
    output.write_text(text, encoding="utf-8")
    fmt = load_format(output)
    first = fmt.samples[0]
    rows = pl.DataFrame({"line": [1], "text": [first.line]}, schema={"line": pl.Int64, "text": pl.String})
    events = read_lines(rows, fmt, FormatCatalog(()), Context(source=1, headers=sample_headers(first, fmt))).events
    expected = {c: v for c, v in events[0][2].row(0, named=True).items() if v is not None and c not in BOOKKEEPING} if events else {}
    output.write_text(text + "".join(f"{column} = {_toml(value)}\n" for column, value in expected.items()), encoding="utf-8")


def _toml(value: object) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else json.dumps(value, ensure_ascii=False)


def _inline(texts: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{name} = {_toml(text)}" for name, text in texts.items()) + " }"


def _is_found(column: str, table: Table) -> bool:
    return column in _FINDS and (column != "action" or table is NETWORK)


def _samples(lines: Sequence[str]) -> _Samples:
    if not lines:
        raise UsageError("no format can be drafted: there is no line")
    if all(line.lstrip().startswith("{") for line in lines):
        return _json_samples(lines)
    pairs = [{m[1]: m[2] if m[2] is not None else m[3] for m in _PAIR.finditer(line)} for line in lines]
    if all(len(p) >= _LEAST_PAIRS for p in pairs):
        return _Samples("keyvalue", _gathered(pairs), lines=tuple(lines))
    for separator in ("\t", ",", ";", "|"):
        names = next(csv.reader([lines[0]], delimiter=separator))
        rows = list(csv.reader(lines[1:], delimiter=separator))
        if len(names) > 1 and rows and all(len(row) == len(names) for row in rows) and not any(re.search(r"\d{2}", n) for n in names):
            settings = {"separator": separator, **({"quote": '"'} if any('"' in line for line in lines) else {})}
            return _Samples("table", _gathered([dict(zip(names, row, strict=True)) for row in rows]), settings, lines[0], tuple(lines[1:]))
    raise UsageError("no format can be drafted: these lines are no JSON objects, key=value pairs or table with a header; write an expression by hand")


def _json_samples(lines: Sequence[str]) -> _Samples:
    try:
        objects = [dict(_leaves(json.loads(line), "$")) for line in lines]
    except (ValueError, RecursionError) as error:
        raise UsageError(f"no format can be drafted: a line begins like JSON and is none ({error})") from error
    return _Samples("json", _gathered(objects), lines=tuple(lines))


def _leaves(value: object, path: str) -> Iterable[tuple[str, str]]:
    """Paths of all scalars of a JSON value, and their texts."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if re.fullmatch(r"[A-Za-z_]\w*", key) else f'{path}."{key}"')
    elif not isinstance(value, list) and value is not None:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _gathered(rows: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row[name] for row in rows if row.get(name)] for name in names}


def _columns(texts: Mapping[str, list[str]]) -> tuple[Table, dict[str, str]]:
    """The table that most of the names fit, and which of its columns each name is."""
    found: list[tuple[int, int, Table, dict[str, str]]] = []
    for order, table in enumerate((WEB, NETWORK, AUTH, DATA_ACCESS)):
        words = _words_of(table)
        columns: dict[str, str] = {}
        for name in texts:
            column = words.get(_plain(name)) or words.get(_plain(name.rpartition(".")[2]))
            if column and column not in columns.values():
                columns[name] = column
        central = sum(c in columns.values() for c in _CENTRAL[table.name])
        found.append((central * 100 + len(columns), -order, table, columns))
    score, _, table, columns = max(found, key=lambda f: f[:2])
    if score < 200:
        raise UsageError(f"no format can be drafted: of {', '.join(texts)} too few are names of an address, an account or a request; write one by hand")
    return table, columns


def _words_of(table: Table) -> dict[str, str]:
    """Plain name → column of the table (or ``time``, ``uri``, ``request``)."""
    words: dict[str, str] = {}
    for column in table.columns:
        for name in (column.name, column.ecs, column.ocsf, *column.sigma, *_WORDS.get(column.name, ())):
            words.setdefault(_plain(name), "time" if column.name == "ts" else column.name)
    for special in ("time", *(("uri", "request") if table is WEB else ())):
        words.update({_plain(w): special for w in _WORDS[special]})
    return {w: c for w, c in words.items() if w and c not in ("event_id", "ts_offset_min", "ts_quality", "source", "line", "format")}


def _plain(name: str) -> str:
    """A name without case and signs.

    >>> _plain("$.Source IP"), _plain("src_ip"), _plain('$."x-forwarded-for"')
    ('sourceip', 'srcip', 'xforwardedfor')
    """
    return re.sub(r"[\W_]", "", name).lower()


def _time_form(texts: Sequence[str]) -> str | None:
    """The first form that reads every text; day and month must be told apart by some text."""
    column = pl.Series("time", texts[:1000], dtype=pl.String)
    reads = [form for form in _TIME_FORMS if len(column) and not parse_times(column, TimeForm((form,)), Zone())["ts"].null_count()]
    if {"%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"} <= set(reads):
        return None
    return reads[0] if reads else None
