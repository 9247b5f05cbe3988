"""A first data map, drafted from customer tables and from the requests that a case has seen.

What a column holds is guessed from its name, in English and Japanese, else from its values; which table a URL gives away,
from its path and from whether the ids in it are keys of the table. A draft loads without errors; a person checks it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from breachscope.case import Case
from breachscope.errors import TableError, counted
from breachscope.scope.database import Database, parquet_files_sql
from breachscope.scope.datamap import load_datamap
from breachscope.scope.requests import count_requests, create_evidence, match_requests, told_requests
from breachscope.scope.seen import SeenTemplate, all_templates
from breachscope.scope.tables import TableReader, open_table_file
from breachscope.scope.templates import ARGUMENTS_SQL, NORMAL_PATH_SQL, UNUSUAL_PATH_SQL, TemplateError, parse_template, quote

_SAMPLE_ROWS = 1000
_TEMPLATES = 200
_SHOWN_TEMPLATES = 20
_URLS = 2000
_TELLING_ID_LENGTH = 6
_LEAST_SHARE = 0.5
"""Share of the ids in a URL that must be keys of a table for the URL to be taken as its own."""

_NAMES: Sequence[tuple[str, str]] = (
    ("card_security_code", r"cvv|cvc|security_?code|セキュリティ"),
    ("card_expiry", r"card.*exp|exp(iry|ires|iration)|有効期限"),
    ("card_number", r"card_?(no|num|number)|^pan$|last_?4|カード番号"),
    ("my_number", r"my_?number|individual_number|マイナンバー|個人番号"),
    ("passport_number", r"passport|旅券|パスポート"),
    ("driver_license", r"licen[cs]e_?(no|num)|driver|運転免許|免許証"),
    ("insurance_number", r"insur.*(no|num|id)|被保険者|保険証"),
    ("pension_number", r"pension|基礎年金"),
    ("bank_account", r"bank|iban|account_?(no|number)|口座|銀行"),
    ("password", r"passw|passwd|pwd|パスワード"),
    ("secret_answer", r"secret_(question|answer)|秘密の"),
    ("email", r"e-?mail|メール"),
    ("phone", r"phone|mobile|^tel|_tel|^fax|電話|携帯|ＴＥＬ"),
    ("birth_date", r"birth|^dob$|生年月日|誕生日"),
    ("age", r"^age$|年齢"),
    ("sex", r"^sex$|gender|性別"),
    ("address", r"addr|street|city|prefecture|postal|post_?code|^zip|住所|郵便|都道府県|市区町村|番地"),
    ("ip_address", r"(^|_)ip(_addr|$)|IPアドレス"),
    ("sensitive.disability", r"disab|障害|障がい"),
    ("sensitive.medical_history", r"medical_hist|disease|illness|diagnos|病歴|傷病|既往"),
    ("sensitive.health_check", r"health_?check|健康診断|検査結果"),
    ("sensitive.medical_care", r"treatment|prescri|診療|処方|調剤|受診"),
    ("sensitive.criminal_record", r"criminal|犯罪|前科"),
    ("sensitive.creed", r"religio|creed|belief|信条|宗教"),
    ("sensitive.race", r"^race$|ethnic|人種"),
    ("nationality", r"national|国籍"),
    ("family", r"spouse|famil|children|家族|配偶者"),
    ("employment", r"employer|company|occupation|job|勤務先|職業|会社"),
    ("education", r"education|school|学歴|学校"),
    ("financial", r"income|salary|balance|年収|給与|残高"),
    ("location", r"latitude|longitude|(^|_)(lat|lng|lon)$|location|位置"),
    ("purchase_history", r"items?$|product|amount|total|price|order_|商品|購入|金額|注文"),
    ("communication", r"message|inquiry|comment|問い?合わ?せ|メッセージ|備考"),
    ("photo", r"photo|avatar|portrait|顔写真|写真"),
    ("login_id", r"login|user_?name|account_?name|ログイン"),
    ("name", r"(^|_)name|holder|_kana$|^kana|氏名|名前|姓|^名$|フリガナ|カナ|名義"),
)
_PERSON_KEY = re.compile(
    r"^(customer|user|member|client|person|account|patient|employee|subscriber)s?_?(id|no|number|code)$|^(顧客|会員|利用者|社員|患者)(番号|ID|コード|id)$",
    re.IGNORECASE,
)
_ANY_KEY = re.compile(r"(^|_)(id|no|code|key|number)$|番号$|コード$|ID$", re.IGNORECASE)
_CREATED = re.compile(r"^(created|registered|inserted|joined|signup|signed_up|ordered|added)(_?(at|on|date|time))?$|登録日|作成日|入会日|注文日", re.IGNORECASE)
_DELETED = re.compile(r"^(deleted|removed|withdrawn|closed|left|cancelled)(_?(at|on|date|time))?$|削除日|退会日", re.IGNORECASE)
_TIME = re.compile(r"^\d{4}[-/年.]\d{1,2}[-/月.]\d{1,2}|^\d{10}(\d{3})?$")
_PEOPLE_TABLE = re.compile(r"customer|user|member|client|people|person|patient|employee|顧客|会員|利用者|社員|患者", re.IGNORECASE)
_EXPORT = re.compile(r"export|download|dump|backup|report|\.csv$|\.xlsx?$|\.json$|\.zip$", re.IGNORECASE)
_PAGE_ARGUMENTS = {"page": ("page", "p", "pageno", "page_no", "pagenumber"), "size": ("size", "per_page", "pagesize", "page_size", "perpage", "limit", "count")}
_OFFSET_ARGUMENTS = {"offset": ("offset", "start", "skip"), "limit": ("limit", "count", "size", "rows")}


@dataclass(frozen=True)
class _DraftTable:
    name: str
    source: str
    key: str
    person: str | None
    created: str | None
    deleted: str | None
    kinds: Mapping[str, str]
    reader: TableReader


def init_map(case: Case, table_paths: Sequence[Path], folder: Path = Path()) -> str:
    """Draft a data map, to be written into ``folder``, from customer tables in files and the URLs seen in the case.

    Raises TableError for a table that cannot be read.
    """
    tables: dict[str, _DraftTable] = {}
    for path in table_paths:
        name = _free_name(path, tables)
        tables[name] = _draft_table(name, path, folder)
    with case.scratch() as scratch:
        database = Database(scratch / "duckdb")
        try:
            files = case.event_files("web")
            seen = all_templates(database, files, _TEMPLATES)
            for i, table in enumerate(tables.values()):
                schema = pa.schema([("key", pa.string())])
                keys = (pa.RecordBatch.from_arrays(b.columns, schema=schema) for b in table.reader.batches([table.key]))
                database.create_from_batches(f"keys_{i}", schema, keys, "SELECT key FROM incoming WHERE key IS NOT NULL")
            routes = _draft_routes(database, files, list(tables.values()), seen)
            stores = _draft_stores(database, case)
            lines = ["# Draft of a data map: check every guess, then run 'breachscope map check'."]
            lines += ['# tz = "Asia/Tokyo"    # zone of the times in the tables', ""]
            for table in tables.values():
                lines += _table_lines(table)
            # Matched as the map will be, so that the draft and its check count the same.
            draft = scratch / "draft.toml"
            draft.write_text("\n".join([*lines, *(line for route in routes for line in ("[[routes]]", *route))]), encoding="utf-8")
            drafted = load_datamap(draft).routes if routes else ()
            create_evidence(database)
            match_requests(database, files, drafted)
            for description, route in zip(routes, drafted, strict=True):
                lines += [f"[[routes]]    # {told_requests(*count_requests(database, route))}", *description, ""]
            left = all_templates(database, files, _SHOWN_TEMPLATES, unmatched=True)
        finally:
            database.close()
    if left:
        lines += ["# Successful requests that no route above describes, most frequent first:"]
        lines += [f"#   {_printable(t.match)}    ({t.told()})" for t in left]
        lines += [""]
    return "\n".join(lines + stores).rstrip("\n") + "\n"


def _free_name(path: Path, taken: Mapping[str, object]) -> str:
    base = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _draft_table(name: str, path: Path, folder: Path) -> _DraftTable:
    reader = open_table_file(path)
    columns = list(dict.fromkeys(reader.columns))
    if not columns:
        raise TableError("has no columns", path=path)
    sample: dict[str, list[str | None]] = {c: [] for c in columns}
    for batch in islice(reader.batches(columns), 1):
        sample = {c: batch.column(i).slice(0, _SAMPLE_ROWS).to_pylist() for i, c in enumerate(columns)}
    key = _guess_key(name, columns, sample)
    kinds = {c: kind for c in columns if (kind := _guess_kind(c, [v for v in sample[c] if v is not None])) is not None}
    person = next((c for c in columns if _PERSON_KEY.search(c)), None)
    if person is None and (_PEOPLE_TABLE.search(name) or {"name", "email", "phone"} & set(kinds.values())):
        person = key
    for column in (key, person):
        if column is not None and kinds.get(column) not in ("email", "login_id", "phone", "my_number"):
            kinds[column] = "identifier"
    dates = {c for c in columns if any(sample[c]) and all(_TIME.match(v) for v in sample[c] if v is not None)}
    created = next((c for c in columns if _CREATED.search(c) and c in dates), None)
    deleted = next((c for c in columns if _DELETED.search(c) and (c in dates or not any(sample[c]))), None)
    for column in (created, deleted):
        kinds.pop(column or "", None)
    ordered = {c: kinds[c] for c in columns if c in kinds}
    return _DraftTable(name, os.path.relpath(path, folder), key, person, created, deleted, ordered, reader)


def _guess_key(name: str, columns: Sequence[str], sample: Mapping[str, Sequence[str | None]]) -> str:
    def is_unique(column: str) -> bool:
        values = sample[column]
        return None not in values and len(set(values)) == len(values)

    singular = _singular(name)
    wanted = [c for c in columns if c.lower() in (f"{singular}_id", f"{name.lower()}_id", "id", f"{singular}id", f"{singular}_no")]
    named = [c for c in columns if _ANY_KEY.search(c)]
    for column in (*wanted, *named, *columns):
        if is_unique(column):
            return column
    return (wanted or named or list(columns))[0]


def _guess_kind(column: str, values: Sequence[str]) -> str | None:
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    if not _PERSON_KEY.search(column):
        for kind, pattern in _NAMES:
            if re.search(pattern, plain, re.IGNORECASE):
                return kind
    if not values:
        return None

    def mostly(test: object) -> bool:
        return callable(test) and sum(1 for v in values if test(v)) >= 0.8 * len(values)

    if mostly(lambda v: re.fullmatch(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}", v)):
        return "email"
    if mostly(_is_card_number):
        return "card_number"
    if mostly(_is_my_number):
        return "my_number"
    if mostly(lambda v: re.fullmatch(r"0\d{1,4}-\d{1,4}-\d{3,4}|0[5789]0\d{8}|\+81\d{9,10}", v)):
        return "phone"
    return None


def _is_card_number(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    if not re.fullmatch(r"[2-6]\d{13,18}", digits):
        return False
    total = sum(sum(divmod(2 * int(d), 10)) if i % 2 else int(d) for i, d in enumerate(reversed(digits)))
    return total % 10 == 0


def _is_my_number(text: str) -> bool:
    """Check the digit of a 12-digit individual number (Ordinance of the MIC 85/2014, article 5)."""
    if not re.fullmatch(r"\d{12}", text):
        return False
    rest = sum(int(d) * (n + 1 if n <= 6 else n - 5) for n, d in enumerate(reversed(text[:11]), 1)) % 11
    return int(text[11]) == (0 if rest <= 1 else 11 - rest)


def _singular(word: str) -> str:
    word = word.lower()
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _draft_routes(database: Database, files: Sequence[Path], tables: Sequence[_DraftTable], seen: Sequence[SeenTemplate]) -> list[list[str]]:
    """Return the lines of each route, without its head."""
    routes: dict[str, list[str]] = {}
    for template in seen:
        method, _, target = template.match.partition(" ")
        path, _, query = target.partition("?")
        if method not in ("GET", "POST") or not _is_template(template.match):
            continue
        arguments = [part.partition("=")[0] for part in query.split("&") if part]
        table = _named_table(path, tables)
        route: list[str] = []
        if path.count("{id}") == 1:
            owner = _owner(database, files, method, path, tables, table)
            if owner is not None:
                match = f"{method} {path.replace('{id}', '{' + owner.key + '}')}"
                route = [f"match   = {_toml(match)}", f"returns = {_toml(owner.name)}", 'kind    = "item"']
        elif "{id}" not in path and table is not None:
            page = _page_route(method, path, arguments, table)
            if page:
                route = page
            elif _EXPORT.search(path):
                match = f"{method} {path}"
                route = [
                    f"match   = {_toml(match)}",
                    f"returns = {_toml(table.name)}",
                    'kind    = "export"',
                    f"# order_by = {_toml(table.key)}    # lets a cut-off export tell its rows",
                ]
        if route:
            routes.setdefault(route[0], route)
    return list(routes.values())


def _is_template(text: str) -> bool:
    try:
        parse_template(text)
    except TemplateError:
        return False
    return True


def _page_route(method: str, path: str, arguments: Sequence[str], table: _DraftTable) -> list[str]:
    lowered = {a.lower(): a for a in arguments}
    for slots in (_PAGE_ARGUMENTS, _OFFSET_ARGUMENTS):
        (start, starts), (length, lengths) = slots.items()
        begin = next((lowered[n] for n in starts if n in lowered), None)
        size = next((lowered[n] for n in lengths if n in lowered), None)
        if begin is not None:
            query = f"{begin}={{{start}}}" + (f"&{size}={{{length}}}" if size else "")
            first = 1 if start == "page" else 0
            return [
                f"match    = {_toml(f'{method} {path}?{query}')}",
                f"returns  = {_toml(table.name)}",
                'kind     = "page"',
                f"order_by = {_toml(table.key)}    # check: the order in which the list shows its rows",
                f"default  = {{ {start} = {first}, {length} = 50 }}    # check",
            ]
    return []


def _named_table(path: str, tables: Sequence[_DraftTable]) -> _DraftTable | None:
    words = [w for segment in reversed(path.lower().split("/")) for w in (segment.partition(".")[0], *re.split(r"[._-]", segment)) if w]
    for word in words:
        for table in tables:
            if _singular(word) == _singular(table.name):
                return table
    return None


def _owner(database: Database, files: Sequence[Path], method: str, path: str, tables: Sequence[_DraftTable], named: _DraftTable | None) -> _DraftTable | None:
    """The table whose keys the ids in the URL are: at least half of them.

    Where the path names no table, the ids must be long enough not to be keys of it by chance.
    """
    template = parse_template(f"{method} {path}")
    database.run(f"""
        CREATE OR REPLACE TEMP TABLE ids AS
        SELECT DISTINCT {template.slot_sql("id")}[1] AS id FROM (
            SELECT *, {NORMAL_PATH_SQL} AS normal_path, {ARGUMENTS_SQL} AS arguments FROM (
                SELECT DISTINCT method, path, query FROM {parquet_files_sql(files)}
                WHERE upper(method) = {quote(method)} AND ({template.candidate_sql()} OR {UNUSUAL_PATH_SQL}) AND status BETWEEN 200 AND 299))
        WHERE {template.match_sql()} ORDER BY id LIMIT {_URLS}""")
    total, length = database.rows("SELECT count(*), coalesce(avg(length(id)), 0) FROM ids")[0]
    shares = []
    for i, table in enumerate(tables):
        found = int(database.value(f"SELECT count(*) FROM ids WHERE id IN (SELECT key FROM keys_{i})"))
        if total and found >= _LEAST_SHARE * total:
            shares.append((table is not named, -found, i))
    if not shares or (named is None and (len(shares) > 1 or length < _TELLING_ID_LENGTH)):
        return None
    best = tables[min(shares)[2]]
    return best if named is None or best is named else None


def _draft_stores(database: Database, case: Case) -> list[str]:
    files = case.event_files("network")
    if not files:
        return []
    hosts = database.rows(f"""
        SELECT src_ip, sum(bytes_out)::BIGINT AS sent FROM {parquet_files_sql(files)}
        WHERE bytes_out > 0 AND regexp_matches(src_ip, '^(10[.]|192[.]168[.]|172[.](1[6-9]|2[0-9]|3[01])[.]|f[cd])')
        GROUP BY src_ip ORDER BY sent DESC, src_ip LIMIT 5""")
    lines = ["# Hosts that sent most; where one of them stores a table, say so:"] if hosts else []
    for host, sent in hosts:
        lines += ["# [[stores]]", f"# host   = {_toml(host)}    # {counted(sent, 'byte')} sent", "# tables = []"]
    return lines


def _table_lines(table: _DraftTable) -> list[str]:
    pairs = [("source", table.source), ("key", table.key), ("person", table.person), ("created", table.created), ("deleted", table.deleted)]
    lines = [f"[tables.{_toml_key(table.name)}]", *(f"{name:<7} = {_toml(value)}" for name, value in pairs if value is not None)]
    lines.append(f"[tables.{_toml_key(table.name)}.columns]")
    lines += [f"{_toml_key(column)} = {_toml(kind)}" for column, kind in table.kinds.items()]
    other = [c for c in dict.fromkeys(table.reader.columns) if c not in table.kinds]
    if other:
        lines.append(f"# no guess: {', '.join(_printable(c) for c in other)}")
    return [*lines, ""]


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _toml(text)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
