"""How lines that no format reads may be read: JSON objects, key=value pairs, or a table with a header.

Columns are found by what their names say, in the program's own words, those of ECS, OCSF and Sigma, and in Japanese, and
count only where their values are what the name says; a name that says nothing is left out and listed. ``formats new``
drafts a format of it for a person to check; ingest reads by it, and says so, only where it is sure enough.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import product
from pathlib import Path

import polars as pl

from breachscope.errors import BreachscopeError, UsageError
from breachscope.ingest.catalog import FormatCatalog
from breachscope.ingest.columns import NULL_TEXTS
from breachscope.ingest.encoding import Encoding
from breachscope.ingest.formats import JOINED, Format, parse_format
from breachscope.ingest.headers import MOST_TITLES
from breachscope.ingest.sniff import sniff
from breachscope.schema import AUTH, DATA_ACCESS, NETWORK, WEB, Table
from breachscope.timestamps import TimeForm, Zone, parse_times

_TIME_FORMS = (
    "iso8601", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "%Y/%m/%d %H:%M:%S%.f", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M",
    "%Y%m%d%H%M%S", "%Y%m%d%H%M%S%3f",
    "%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y %H:%M:%S", "japanese", "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%b %d %H:%M:%S",
)  # fmt: skip
"""In this order; a form counts when it reads nearly every sample. Day and month are told apart only where one exceeds 12."""
_WORDS: Mapping[str, str] = {
    "time": "time|ts|timestamp|datetime|date time|event time|event date|log time|log date|logged at|received at|receive time|generated time|occurred at"
    "|login time|access date|created at|created|created on|date create|at|when|start time|操作日時|操作時刻|実行日時|処理日時|利用日時|閲覧日時|日時|時刻"
    "|発生日時|発生時刻|アクセス日時|アクセス時刻|受信日時|記録日時|ログ日時|イベント日時|ログイン日時|開始日時|タイムスタンプ|日付時刻|日付時間",
    "client_ip": "client ip|client ip address|client address|clientaddress|c ip|ip|ip addr|ip address|actor ip|actor ip address|user ip|from ip|login ip"
    "|client|remote addr|remote address|remote ip|remote host|src|src ip|source|source ip|source ip address|source address|クライアントip"
    "|クライアントipアドレス|ipアドレス|端末ip|端末ipアドレス|操作端末ip|操作端末ipアドレス|利用端末ipアドレス|操作元ip|操作元ipアドレス|接続元ip"
    "|接続元ipアドレス|接続元|アクセス元|アクセス元ip|アクセス元ipアドレス|ログイン元ip|ログイン元ipアドレス|送信元ip|送信元ipアドレス|送信元アドレス"
    "|送信元",
    "src_ip": "src|src ip|src addr|source|source ip|source address|srcip|saddr|送信元|送信元ip|送信元アドレス|送信元ipアドレス|接続元|接続元ip"
    "|接続元ipアドレス",
    "dst_ip": "dst|dst ip|dst addr|destination|destination ip|destination address|dstip|dest ip|dest address|daddr|宛先|宛先ip|宛先アドレス|宛先ipアドレス"
    "|送信先|送信先ip|送信先ipアドレス|接続先|接続先ip|接続先ipアドレス",
    "src_port": "sport|spt|src port|source port|送信元ポート|送信元ポート番号",
    "dst_port": "dport|dpt|dst port|destination port|dest port|宛先ポート|宛先ポート番号|送信先ポート|送信先ポート番号",
    "transport": "protocol|proto|プロトコル",
    "user": "actor|actor login|actor alternate id|actor email|actor user email|actor username|actor user id|actor id|actor name|operator|operator id"
    "|operator name|operation user email|operation user name|operation user id|performed by|executed by|initiated by|操作者id|操作者|操作者名"
    "|操作ユーザーid|操作ユーザー|操作ユーザ|操作ユーザー名|実行者id|実行者|実行者名|実行ユーザーid|実行ユーザー|実行ユーザ|user|user email|username"
    "|user name|user id|userid|account|account name|login|login id|login name|login user|ログインid|ログインユーザーid|ログインユーザー|ログインユーザ"
    "|ログイン名|ユーザーid|ユーザid|ユーザーコード|ユーザー|ユーザ|ユーザー名|ユーザ名|アカウント|アカウント名|利用者id|利用者|利用者名|employee id"
    "|employee number|employee no|staff id|社員番号|社員コード|社員id|従業員番号|従業員id|職員番号|職員id"
    "|オペレーター|オペレータ|オペレーターid|オペレータid|オペレーター名|オペレータ名|db user|db user name|database user|dbユーザー|dbユーザ|dbユーザー名"
    "|dbユーザ名|データベースユーザー|データベースユーザ",
    "method": "method|http method|request method|verb|メソッド|httpメソッド|リクエストメソッド",
    "path": "path|url path|request path|パス|アクセスパス|リクエストパス",
    "uri": "uri|url|request uri|request url|target|アクセスurl|リクエストurl|リクエストuri",
    "request": "request|request line|リクエスト",
    "query": "query|query string|args",
    "status": "status|status code|http status|response code|code|ステータス|ステータスコード|httpステータス|応答コード|レスポンスコード|結果コード",
    "bytes_sent": "bytes|bytes sent|size|response size|body bytes sent|送信バイト数|転送量|転送バイト数|バイト数|応答サイズ|レスポンスサイズ|サイズ",
    "user_agent": "agent|user agent|ua|browser|ユーザーエージェント|ユーザエージェント",
    "referer": "referer|referrer|リファラ|リファラー",
    "vhost": "host|vhost|server name|site",
    "forwarded_for": "x forwarded for|xff|forwarded for",
    "outcome": "outcome|result|success|結果|認証結果|ログイン結果|処理結果|操作結果|実行結果|成否",
    "action": "action|action type|action name|event|event type|event name|operation|operation type|activity|activity type|動作|操作|操作種別|操作種類"
    "|操作名|操作内容|処理|処理種別|処理名|処理内容|アクション|アクション名|イベント|イベント種別|イベント名|アクティビティ|種別|判定|verdict|disposition",
    "store": "database|database name|db name|bucket|bucket name|データベース|データベース名|db名|バケット|バケット名",
    "object": "object|object name|key|resource|resource name|table|table name|target object|target table|target resource|target file|item|item name|file"
    "|file name|file path|entity file name|document|document name|document title|repo|repository|操作対象|対象テーブル|対象テーブル名|対象オブジェクト"
    "|対象ファイル|対象ファイル名|対象データ|対象レコード|対象|対象名|対象id|対象者id|対象者番号|対象者|テーブル|テーブル名|オブジェクト|オブジェクト名"
    "|ファイルパス|ファイル|ファイル名|レコードid|レコード番号|record id|customer id|customer number|patient id|顧客id|顧客番号|顧客コード|患者id|患者番号"
    "|宛名番号",
    "statement": "statement|sql|sql text|sql statement|sql文|実行sql|実行sql文",
    "row_count": "row count|rows|rows returned|record count|records|number of rows|number of records|件数|取得件数|対象件数|参照件数|検索件数|出力件数"
    "|ダウンロード件数|結果件数|処理件数|行数|レコード数|レコード件数",
    "bytes_out": "bytes out|bytes sent|sent bytes|sentbyte|out bytes|送信バイト数|送信バイト|送信量",
    "bytes_in": "bytes in|bytes received|received bytes|rcvdbyte|in bytes|受信バイト数|受信バイト|受信量",
}
"""Further names of columns, as exports have them; where several of a table's names mean one column, the one that stands first here.

Who acted stands before whose account it is, and a login before a person's name or number. Taken from what exports of audit logs call
their columns: GitHub (actor, actor_ip, repo), Slack (date_create, actor.user.email), Box (User Email, Item), Salesforce (Login Time,
FromIP), Nulab (operation_user_email), cybozu.com and other Japanese services (日時, 操作者, 対象, 件数, …).
"""
_CENTRAL: Mapping[str, tuple[str, ...]] = {
    "web": ("client_ip", "path", "uri", "request", "status", "method"), "network": ("src_ip", "dst_ip", "dst_port", "src_port"),
    "auth": ("user", "client_ip", "outcome"), "data_access": ("user", "object", "row_count", "statement", "action"),
}  # fmt: skip
_OUTCOMES = {
    "success": "^(?:succ|ok|true|allow|accept|grant|成功|正常|許可|○$|1$)",
    "failure": "^(?:fail|error|validation error|false|den|reject|invalid|ng$|失敗|拒否|異常|エラー|×$|0$)",
}


def _done(english: str, japanese: str) -> str:
    """An expression for texts that say what was done: in English the verb begins or ends them, in Japanese it ends them.

    A verb elsewhere says something else: 登録情報照会 is a read, and so is "View created records".
    """
    forms = "(?:e|ed|s|es|ing)?"
    begins = rf"(?:^|[.:/])(?:{english}){forms}(?:[^a-z]|$|(?-i:[A-Z]))"
    ends = rf"[^a-z](?:{english}){forms}$|(?:{english})ed$"
    return rf"{begins}|{ends}|(?:{japanese})(?:する|した|しました|完了|実行|処理)?$"


_FINDS: Mapping[tuple[str, str], Mapping[str, str]] = {
    **{(table.name, "outcome"): _OUTCOMES for table in (WEB, NETWORK, AUTH, DATA_ACCESS)},
    ("network", "action"): {"deny": "den|drop|block|reject|拒否|遮断|破棄", "allow": "allow|accept|permit|pass|許可|通過"},
    ("auth", "action"): {"logoff": "log.?(?:out|off)|sign.?(?:out|off)|ログアウト|ログオフ", "logon": "log.?(?:in|on)|sign.?(?:in|on)|ログイン|ログオン|認証"},
    ("data_access", "action"): {
        "export": _done("export|download|dump|print", "エクスポート|ダウンロード|出力|書き?出し?|持ち?出し?|印刷"),
        "delete": _done("delet|remov|purg|truncat|unlink", "削除|消去|抹消"),
        "write": _done(
            "creat|insert|updat|upload|import|edit|writ|modify|modifi|renam|add",
            "登録|追加|更新|編集|変更|作成|書き?込み?|保存|取り?込み?|アップロード|インポート",
        ),
        "list": _done("list|search", "一覧(?:表示|参照|照会|取得)?|検索|抽出"),
        "read": _done("read|view|get|select|open|preview|access", "参照|閲覧|表示|照会|読み?取り?|読み?込み?"),
        "query": _done("query|queri|execut", "クエリ|sql実行"),
    },
}
"""Columns of closed vocabularies: value → what is found in a text that says so; the first counts."""
_LOGINS = re.compile(r"log.?[io]n|sign.?[io]n|ログイン|ログオン|認証", re.IGNORECASE)
"""What the names of columns hold where rows are logins."""
_MEANT: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "web": (("client_ip",), ("path", "uri", "request")),
    "network": (("src_ip",), ("dst_ip",), ("action", "dst_port", "bytes_out", "bytes_in")),
    "auth": (("user",), ("outcome",), ("action",)),
    "data_access": (
        ("user",),
        ("object", "statement", "action"),
        ("object", "statement", "row_count"),
        ("action", "statement", "row_count", "client_ip", "outcome"),
    ),
}
"""What an event of a table must tell to mean something: one of each. A time, an account and a thing alone make orders or files as well."""
_DATE, _CLOCK = re.compile(r"\d{1,4}([/.-])\d{1,2}\1\d{1,4}"), re.compile(r"\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?")
_NEARLY_ALL, _KNOWN = 0.95, 0.5
_SOME_KNOWN = 0.5
"""Share of operations on data that must be of a known kind: business systems write others between them, whose action then stays unknown."""
FIRST_ORDER = 1000
"""Of a draft: behind the built-in formats."""
_MOST_NAMES = 1_000
_MOST_LINE = 1 << 16
_MOST_TOLD, _MOST_SHOWN = 20, 40
"""Names that are told, and characters of each."""
_EARLIEST = datetime(1995, 1, 1, tzinfo=UTC)
"""Before any log that is exported now: an earlier time is a number that means something else."""
_PAIR = re.compile(r'(?:^|[\s,;])([A-Za-z_][\w.-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*))')
_LEAST_PAIRS = 3
_EXAMPLES = {"regex": "combined", "json": "gitlab_json", "keyvalue": "fortigate_auth", "table": "entra_signin_csv"}
"""By kind, a format to write another by."""
_WEB_TIME = re.compile(r"\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:")
"""Of no other logs than those that web servers are configured to write."""
_SAMPLE_LINES = 1_000


@dataclass(frozen=True)
class _Samples:
    """What the samples are made of: field names in order, and the texts that each has."""

    kind: str
    texts: Mapping[str, list[str]]
    settings: Mapping[str, str] = field(default_factory=dict)
    header: str | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Guess:
    """How lines may be read: as events of which table, and which name is which of its columns."""

    samples: _Samples
    table: Table
    columns: Mapping[str, str]
    """Name → column of the table, ``time``, ``uri`` or ``request``."""
    form: str
    """Of times."""

    @property
    def unused(self) -> list[str]:
        """Names that stand for nothing."""
        return [name for name in self.samples.texts if name not in self.columns]

    @property
    def are_logins(self) -> bool:
        """Whether the names of the columns say that rows are logins, though no column says what was done."""
        return _are_logins(self.samples, self.table, self.columns)

    @property
    def is_sure(self) -> bool:
        """Whether nearly all rows have a time of this age, and an event of its table means something."""
        times = self.samples.texts[next(name for name, column in self.columns.items() if column == "time")]
        parsed = parse_times(pl.Series("time", times, dtype=pl.String), TimeForm((self.form,)), Zone())["ts"]
        return _is_meant(self.samples, self.table, self.columns) and int((parsed >= _EARLIEST).sum()) >= _NEARLY_ALL * len(self.samples.lines)

    def as_toml(self, title: str, order: int = FIRST_ORDER) -> str:
        """The text of a format file."""
        quoted = _quoted
        central = _CENTRAL[self.table.name][0]
        required = ["time", central if central in self.columns.values() else next(c for c in self.columns.values() if c != "time")]
        out = [
            "# A draft by 'breachscope formats new'. Check every column and every expected value by hand, then 'breachscope formats test' this file.",
            f"title = {quoted(title)}", 'spec = ["drafted from samples"]', f'kind = "{self.samples.kind}"', f'table = "{self.table.name}"',
            f"order = {order}",
            *(f"{name} = {quoted(value)}" for name, value in self.samples.settings.items()),
            f"require = {quoted(required)}", f"time.formats = {quoted([self.form])}",
            *(f"fields.{column}.find = {_inline(finds)}" for column in self.columns.values() if (finds := _FINDS.get((self.table.name, column)))),
            *(["fields.transport.lower = true"] if "transport" in self.columns.values() else []),
            "", "[keys]", *(f"{column} = {quoted(name)}" for name, column in self.columns.items()),
        ]  # fmt: skip
        if unused := self.unused:
            out += [f"# not used: {', '.join(map(quoted, unused))}"]
        if self.are_logins:
            out += ["", "[[pattern]]", 'where = { time = "*" }', 'set = { action = "logon" }']
        out += ["", "[[sample]]"]
        if self.samples.header is not None:
            out.append(f"header = {quoted(self.samples.header)}")
        return "\n".join([*out, f"line = {quoted(self.samples.lines[0])}", "[sample.expect]", ""])


def guess_lines(lines: Sequence[str]) -> Guess:
    """How such lines may be read. Raises UsageError where they are of no kind known here, or carry no time or no actor that can be told."""
    samples = _samples([line for line in lines[:_SAMPLE_LINES] if line.strip() and len(line) <= _MOST_LINE])
    table, columns = _columns(samples)
    time = next((name for name, column in columns.items() if column == "time"), None)
    form = _time_form(samples.texts[time]) if time else None
    if time is None or form is None:
        told = (
            f"{time!r} is in no form of time known here, or its days and months cannot be told apart"
            if time
            else f"none of {', '.join(samples.texts)} is named like a time"
        )
        raise _undrafted(told, samples.kind, samples.lines)
    return Guess(samples, table, columns, form)


def guess_format(lines: pl.DataFrame, head: bytes, known: float, encoding: Encoding = "utf-8") -> tuple[Format, float, str] | None:
    """A format for (line, text) rows that no known one reads, the share of them that it reads, and what to tell of it.

    ``head`` is the beginning of the input, in that encoding. None where nothing is sure enough, or where a known format reads the
    share ``known``, which is half of them.
    """
    if known >= _KNOWN:
        return None
    try:
        guess = guess_lines(lines["text"].head(_SAMPLE_LINES).to_list())
        if guess.samples.kind == "keyvalue" or not guess.is_sure:
            return None  # pairs stand in lines of many kinds, of which one sample is no measure
        fmt = replace(parse_format(guess.as_toml("guessed"), Path("guessed.toml")), id=f"guessed/{guess.table.name}")
    except BreachscopeError:
        return None
    share = sniff(lines, FormatCatalog(()), [fmt], head, encoding)[1]
    if share < _NEARLY_ALL:
        return None
    columns = ", ".join(f"{column} = {_short(name)}" for name, column in guess.columns.items())
    unused = f"; not used: {', '.join(map(_short, guess.unused[:_MOST_TOLD]))}" if guess.unused else ""
    told = f"no known format reads it: its columns were guessed, as {guess.table.name} events: {columns}{unused}"
    return fmt, share, f"{told}; check that, and write it down with 'breachscope formats new' for --formats DIR"


def _short(name: str) -> str:
    return _quoted(name if len(name) <= _MOST_SHOWN else name[:_MOST_SHOWN] + "…")


def _quoted(value: object) -> str:
    """A value as TOML writes it: JSON, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _inline(texts: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{name} = {_quoted(text)}" for name, text in texts.items()) + " }"


def _samples(lines: Sequence[str]) -> _Samples:
    if not lines:
        raise UsageError("no format can be drafted: there is no line")
    if all(line.lstrip().startswith("{") for line in lines):
        return _json_samples(lines)
    pairs = [{m[1]: m[2] if m[2] is not None else m[3] for m in _PAIR.finditer(line)} for line in lines]
    if all(len(p) >= _LEAST_PAIRS for p in pairs):
        return _Samples("keyvalue", _gathered(pairs), lines=tuple(lines))
    for titles, separator in product(range(min(MOST_TITLES + 1, len(lines))), "\t,;|"):
        if (table := _table(lines[titles:], separator)) is not None:
            return table
    told = "these lines are no JSON objects, key=value pairs or table with a header"
    raise _undrafted(told, "regex", lines)


def _table(lines: Sequence[str], separator: str) -> _Samples | None:
    """The rows of a table below its header, the first line; None where it is no header, or too few lines are rows."""
    names = _cells(lines[0], separator)
    # A title may be filled up to as many cells, most of them empty.
    if len(names) < 2 or any(re.search(r"\d{2}", n) for n in names) or sum(map(bool, names)) * 2 <= len(names):
        return None
    rows = [(line, row) for line in lines[1:] if len(row := _cells(line, separator)) == len(names)]
    if not rows or len(rows) < _NEARLY_ALL * (len(lines) - 1):
        return None
    settings = {"separator": separator, **({"quote": '"'} if any('"' in line for line in lines) else {})}
    named = [{name: cell for name, cell in zip(names, row, strict=True) if JOINED not in name} for _, row in rows]
    return _Samples("table", _with_whole_times(_gathered(named), named), settings, lines[0], tuple(line for line, _ in rows))


def _undrafted(told: str, kind: str, lines: Sequence[str]) -> UsageError:
    """The complaint that lines of a kind tell too little, with what reads a web server's, or else a format that can serve as the pattern of one."""
    if any(map(_WEB_TIME.search, lines)):
        return UsageError(f"no format can be drafted: {told}; of a web server, give its own LogFormat or log_format to ingest, with --log-format")
    return UsageError(f"no format can be drafted: {told}; write one by hand, as in the README and by 'breachscope formats show {_EXAMPLES[kind]}'")


def _with_whole_times(texts: dict[str, list[str]], rows: Sequence[Mapping[str, str]]) -> Mapping[str, list[str]]:
    """The texts of columns or keys, with those of dates and those of times of day as one."""
    date, clock = (next((n for n, told in texts.items() if told and all(map(form.fullmatch, told))), None) for form in (_DATE, _CLOCK))
    if date is None or clock is None:
        return texts
    joined = [f"{row[date]} {row[clock]}" for row in rows if row.get(date) and row.get(clock)]
    return {f"{date}{JOINED}{clock}": joined, **{name: told for name, told in texts.items() if name not in (date, clock)}}


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _json_samples(lines: Sequence[str]) -> _Samples:
    objects = []
    fault: Exception | None = None
    for line in lines:
        try:
            objects.append((dict(_leaves(json.loads(line), "$")), line))
        except (ValueError, RecursionError) as error:
            fault = error
    if len(objects) < _NEARLY_ALL * len(lines):
        raise UsageError(f"no format can be drafted: a line begins like JSON and is none ({fault})") from fault
    told = [o for o, _ in objects]
    return _Samples("json", _with_whole_times(_gathered(told), told), lines=tuple(line for _, line in objects))


def _leaves(value: object, path: str) -> Iterable[tuple[str, str]]:
    """Paths of all scalars of a JSON value, and their texts; keys that a path cannot name are left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not re.search(r'["\\\x00-\x1f\ud800-\udfff]', key):
                yield from _leaves(inner, f"{path}.{key}" if re.fullmatch(r"[A-Za-z_]\w*", key) else f'{path}."{key}"')
    elif not isinstance(value, list) and value is not None:
        yield path, value.encode(errors="replace").decode() if isinstance(value, str) else json.dumps(value)  # a lone surrogate is no text


def _gathered(rows: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    names = list(dict.fromkeys(name for row in rows for name in row))[:_MOST_NAMES]
    return {name: [row[name] for row in rows if row.get(name)] for name in names}


def _columns(samples: _Samples) -> tuple[Table, dict[str, str]]:
    """The table that most of the names fit, and which of its columns each name is; a name whose values are something else is none."""
    found: list[tuple[bool, int, int, Table, dict[str, str]]] = []
    time = _time_name(samples)
    for order, table in enumerate((WEB, NETWORK, AUTH, DATA_ACCESS)):
        columns = _columns_of(samples, table, time)
        central = sum(c in columns.values() for c in _CENTRAL[table.name])
        if table is NETWORK and {"src_ip", "dst_ip"} <= set(columns.values()):
            central += 1  # two addresses are a connection, whoever else is named
        found.append((_is_meant(samples, table, columns), central * 100 + len(columns), -order, table, columns))
    _, score, _, table, columns = max(found, key=lambda f: f[:3])
    if score < 200:
        names = ", ".join(samples.texts)
        raise _undrafted(f"of {names} too few are names of an address, an account or a request", samples.kind, samples.lines)
    return table, columns


def _columns_of(samples: _Samples, table: Table, time: str | None) -> dict[str, str]:
    """Which columns of one table the names are; of several names for one column the one that says it best."""
    words = _words_of(table)
    best: dict[str, tuple[tuple[int, int], str]] = {}
    for name, texts in samples.texts.items():
        column, rank = _named(name, words)
        if column == "time" and name != time:
            continue
        if column and (column not in best or rank < best[column][0]) and _is_so(column, name, texts, table):
            best[column] = (rank, name)
    columns = {name: column for column, (_, name) in best.items()}
    return {name: columns[name] for name in samples.texts if name in columns}


def _named(name: str, words: Mapping[str, str]) -> tuple[str | None, tuple[int, int]]:
    """The column that a name means, and how well it says so, the lowest best: a name as a whole before the last key of a path."""
    for n, plain in enumerate((_plain(name), _plain(name.rpartition(".")[2]))):
        if plain in words:
            return words[plain], (n, list(words).index(plain))
    return None, (0, 0)


def _time_name(samples: _Samples) -> str | None:
    """Which name is the time: one whose texts can be read, before one whose cannot."""
    words = _words_of(AUTH)
    named = {name: rank for name in samples.texts for column, rank in [_named(name, words)] if column == "time"}
    return min(named, key=lambda name: (_time_form(samples.texts[name]) is None, named[name]), default=None)


def _are_logins(samples: _Samples, table: Table, columns: Mapping[str, str]) -> bool:
    """Whether the names say that rows are logins, of which nothing else is told that was done, as by users who have a login's name."""
    if table is not AUTH or "action" in columns.values() or not any(map(_LOGINS.search, samples.texts)):
        return False
    words = _words_of(DATA_ACCESS)
    return not any(_named(name, words)[0] == "action" and _is_so("action", name, texts, DATA_ACCESS) for name, texts in samples.texts.items())


def _is_meant(samples: _Samples, table: Table, columns: Mapping[str, str]) -> bool:
    """Whether an event with these columns means something."""
    told = {*columns.values(), *(("action",) if _are_logins(samples, table, columns) else ())}
    return all(any(c in told for c in alternatives) for alternatives in _MEANT[table.name])


def _is_so(column: str, name: str, texts: Sequence[str], table: Table) -> bool:
    """Whether nearly all values can be what the column holds."""
    told = [text for text in texts if text not in NULL_TEXTS]
    test, least = _VALUES.get(column), _NEARLY_ALL
    if column == "outcome" and "success" not in name.lower() and {"0", "1"} >= set(told):
        return False  # a result of 0 is as often a return code, which says that all is well
    if finds := _FINDS.get((table.name, column)):
        test = re.compile("(?i)" + "|".join(finds.values())).search
        least = _SOME_KNOWN if (table, column) == (DATA_ACCESS, "action") else least
    return test is None or sum(map(bool, map(test, told))) >= least * len(told) > 0


def _is_address(text: str) -> bool:
    bare = text.strip().partition("%")[0]
    bare = bare.partition(":")[0] if bare.count(":") == 1 else bare
    try:
        ip_address(bare.removeprefix("[").partition("]")[0])
    except ValueError:
        return False
    return True


_VALUES: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(("client_ip", "src_ip", "dst_ip", "peer_ip", "nat_src_ip"), _is_address),
    **dict.fromkeys(("src_port", "dst_port", "client_port"), re.compile(r"[0-9]{1,5}").fullmatch),
    **dict.fromkeys(("bytes_sent", "bytes_received", "bytes_out", "bytes_in", "bytes_total", "row_count"), re.compile(r"[0-9]{1,18}").fullmatch),
    "status": re.compile(r"[1-5][0-9][0-9]").fullmatch,
    "path": re.compile(r"/").match,
    "uri": re.compile(r"/|https?://").match,
    "request": re.compile(r"[A-Z]{3,16} \S").match,
}
"""Column → what its values look like."""


def _words_of(table: Table) -> dict[str, str]:
    """Plain name → column of the table (or ``time``, ``uri``, ``request``)."""
    words: dict[str, str] = {}
    for column in table.columns:
        for name in (*_WORDS.get(column.name, "").split("|"), column.name, column.ecs, column.ocsf, *column.sigma):
            words.setdefault(_plain(name), "time" if column.name == "ts" else column.name)
    for special in ("time", *(("uri", "request") if table is WEB else ())):
        words.update({_plain(w): special for w in _WORDS[special].split("|")})
    if table is NETWORK:  # what came of a connection is what the device did
        words.update({_plain(w): "action" for w in _WORDS["outcome"].split("|")})
        words.update({w: "src_ip" for w, c in words.items() if c == "client_ip"})
    return {w: c for w, c in words.items() if w and c not in ("event_id", "ts_offset_min", "ts_quality", "source", "line", "format")}


def _plain(name: str) -> str:
    """A name without case and signs.

    >>> _plain("$.Source IP"), _plain("src_ip"), _plain('$."x-forwarded-for"')
    ('sourceip', 'srcip', 'xforwardedfor')
    """
    return re.sub(r"[\W_]", "", name).lower()


def _time_form(texts: Sequence[str]) -> str | None:
    """The form that reads most texts as times of this age, and nearly all; day and month must be told apart by some text."""
    column = pl.Series("time", texts, dtype=pl.String)
    reads = {form: int((parse_times(column, TimeForm((form,)), Zone())["ts"] >= _EARLIEST).sum()) for form in _TIME_FORMS} if texts else {}
    most = max(reads.values(), default=0)
    best = [form for form, count in reads.items() if count == most and count >= _NEARLY_ALL * len(texts)]
    if {"%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"} <= set(best):
        return None
    return best[0] if best else None
