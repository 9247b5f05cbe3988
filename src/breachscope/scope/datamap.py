r"""``datamap.toml``: what the customer tables hold, and which requests give it away.

Grammar (``?`` marks an optional key; every other key is an error with file and line)::

    tz = "Asia/Tokyo"?              zone of zone-less times in the tables; UTC, stated as an assumption, when absent

    [tables.NAME]                   one customer table; NAME is yours
    source    = "customers.csv"     file beside the map: .csv .tsv .parquet .jsonl .ndjson (CSV and JSONL also .gz),
                                    "sqlite:///shop.db" (four slashes: absolute path), "postgresql://host:5432/db"
    table     = "customers"?        databases: table to read, NAME when absent
    schema    = "public"?           PostgreSQL: schema of that table
    encoding  = "cp932"?            CSV: utf-8, utf-16 or cp932; found out and stated when absent
    delimiter = ","?                CSV: one character; found out from the header when absent
    key       = "customer_id"       column that names a record; always text, leading zeros count
    person    = "customer_id"?      column that names the person a row is about; absent: rows about nobody
    population = "staff"?           persons of tables with another population never count as the same; absent: the common one
    created   = "created_at"?       column: the row exists from here on (null: always)
    deleted   = "deleted_at"?       column: the row exists no longer from here on (null: still does)
    tz        = "Asia/Tokyo"?       zone of zone-less times of this table
    [tables.NAME.columns]           column = kind of personal data (:data:`breachscope.scope.personal_data.KINDS`)
    full_name = "name"

    [[routes]]                      what a request gives away
    match    = "GET /api/customers/{customer_id}"
    returns  = "customers"          a table above
    kind     = "item"?              item, page, export or login; item when a slot names a column
    columns  = ["full_name"]?       columns the response carries; all of [tables.NAME.columns] when absent
    host     = "admin.example.jp"?  only requests logged for this virtual host (rows without one match as well)
    ignore   = ["sid", "utm_*"]?    page: further arguments that change no rows

    item     a slot is compared with the column of its name; the table's key gives one record, another column all its rows
    page     slots {page} {size} or {offset} {limit};
             order_by = "customer_id" or ["created_at desc", "customer_id"]
             default  = { page = 1, size = 50 }?   values of arguments that a request leaves out
             max_size = 100?        the server gives no more rows at once
             first_page = 1?        number of the first page, 0 or 1
    export   order_by?              the order of its rows: says which ones a cut-off export holds
             format   = "csv"?      csv, json or jsonl: with `columns` the size of each row in the export
             header   = true?       csv: a first line with the column names
             newline  = "\r\n"?     csv, jsonl: end of line; "\n" when absent
             encoding = "utf-8"?    csv: utf-8, utf-8-sig or cp932
             compressed = false?    bytes in the log are of a compressed body; absent: unknown, which raises the upper bound
    login    user_column = "email"  column with the account name as the logs write it
             match?                 absent: only auth events count
             service = "shopd"?     auth events of this service only
             success = [302]?       web statuses that mean success; absent: 302 and 303 where the route has any, else 2xx

    [[stores]]                      what a host holds, for traffic that only a firewall saw
    host   = "10.0.3.5"             or a list of addresses
    tables = ["customers", "cards"]

``match`` is METHOD, a path and an optional query. A slot ``{name}`` stands for a non-empty text without slash; ``{_}`` or
``{_name}`` for any such text that does not matter. ``*`` as METHOD means any. Arguments match by name in any order, a
literal argument (``format=csv``) by value, and further arguments are allowed. Slot values are percent-decoded; a trailing
slash, doubled slashes and ``;parameters`` of the path make no difference.

Secrets do not belong here: ``${PGPASSWORD}`` inside a URL is taken from the environment, as are PGUSER and PGPASSWORD when
the URL names none. A password written out is an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from breachscope.errors import BreachscopeError, ContentErrors, did_you_mean
from breachscope.scope.personal_data import KINDS
from breachscope.scope.templates import PAGE_SLOTS, Template, TemplateError, parse_template
from breachscope.toml_file import Key, TomlFile

RouteKind = Literal["item", "page", "export", "login"]
ExportFormat = Literal["csv", "json", "jsonl"]

ROUTE_KINDS: tuple[RouteKind, ...] = ("item", "page", "export", "login")
LATER_ROUTE_KINDS = ("search", "store")
"""Kinds of DESIGN 5.7 that this version does not know how to grade yet."""


TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
CSV_ENCODINGS = ("utf-8", "utf-16", "cp932")
EXPORT_ENCODINGS = ("utf-8", "utf-8-sig", "cp932")


@dataclass(frozen=True)
class OrderTerm:
    """One column of an ``order_by``."""

    column: str
    descending: bool


@dataclass(frozen=True)
class MapTable:
    """One ``[tables.NAME]``. ``source`` is as written: paths are relative to the map, ``${VAR}`` is not yet replaced."""

    name: str
    source: str
    key: str
    person: str | None
    population: str
    created: str | None
    deleted: str | None
    tz: str
    tz_assumed: bool
    columns: Mapping[str, str]
    relation: str
    relation_schema: str | None
    encoding: str | None
    delimiter: str | None


@dataclass(frozen=True)
class Route:
    """One ``[[routes]]``; ``index`` is its place in the file, from 0."""

    index: int
    template: Template | None
    match: str
    returns: str
    kind: RouteKind
    columns: tuple[str, ...]
    host: str | None
    ignore: tuple[str, ...]
    order_by: tuple[OrderTerm, ...]
    default: Mapping[str, int]
    max_size: int | None
    first_page: int
    format: ExportFormat | None
    header: bool
    newline: str
    encoding: str
    compressed: bool | None
    user_column: str | None
    service: str | None
    success: tuple[int, ...]

    @property
    def name(self) -> str:
        """How the route is called in results: its ``match``, or what it stands for."""
        return self.match or f"login of {self.returns}"

    @property
    def url(self) -> Template:
        """The template, which only a login route may lack."""
        if self.template is None:
            raise ValueError("a login route without match has no template")
        return self.template


@dataclass(frozen=True)
class Store:
    """One ``[[stores]]``: hosts, as canonical addresses, and the tables that lie there."""

    index: int
    hosts: tuple[str, ...]
    tables: tuple[str, ...]


@dataclass(frozen=True)
class DataMap:
    """A data map that holds together; whether the tables have its columns shows when they are opened."""

    path: Path
    sha256: str
    tables: Mapping[str, MapTable]
    routes: tuple[Route, ...]
    stores: tuple[Store, ...]
    document: TomlFile = field(repr=False, compare=False)

    def complain(self, message: str, *keys: Key) -> BreachscopeError:
        """Make the error for one key of the map, with file and line."""
        return self.document.complain(message, *keys)


def load_datamap(path: Path) -> DataMap:
    """Read and check a data map; all its mistakes are raised at once as :class:`ContentErrors`."""
    document = TomlFile.load(path)
    return _Loader(document).load(hashlib.sha256(path.read_bytes()).hexdigest())


_TOP_KEYS = ("tz", "tables", "routes", "stores")
_TABLE_KEYS = ("source", "table", "schema", "encoding", "delimiter", "key", "person", "population", "created", "deleted", "tz", "columns")
_ROUTE_KEYS = ("match", "returns", "kind", "columns", "host")
_ROUTE_KIND_KEYS: Mapping[str, tuple[str, ...]] = {
    "item": (),
    "page": ("order_by", "default", "max_size", "first_page", "ignore"),
    "export": ("order_by", "format", "header", "newline", "encoding", "compressed"),
    "login": ("user_column", "service", "success"),
}
_STORE_KEYS = ("host", "tables")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class _Loader:
    """Checks one document and collects every complaint."""

    def __init__(self, document: TomlFile) -> None:
        self._document = document
        self._errors: list[BreachscopeError] = []

    def load(self, sha256: str) -> DataMap:
        data = self._document.data
        self._only_known(data, _TOP_KEYS)
        tz = self._zone(data, "UTC")
        tables = {}
        written = self._mapping(data, "tables")
        for name, value in written.items():
            if not isinstance(value, Mapping):
                self._complain("must be a table: [tables.NAME]", "tables", name)
            else:
                table = self._table(name, value, tz, "tz" not in data)
                if table is not None:
                    tables[name] = table
        names = tuple(written)
        if not names and isinstance(data.get("tables", {}), Mapping):
            self._complain("names no customer table; add [tables.NAME] with source, key and person")
        routes = tuple(r for i, v in enumerate(self._tables_array(data, "routes")) if (r := self._route(i, v, names, tables)) is not None)
        stores = tuple(s for i, v in enumerate(self._tables_array(data, "stores")) if (s := self._store(i, v, names)) is not None)
        if self._errors:
            raise ContentErrors(sorted(self._errors, key=lambda e: e.line or 0))
        return DataMap(self._document.path, sha256, MappingProxyType(tables), routes, stores, self._document)

    def _complain(self, message: str, *keys: Key) -> None:
        self._errors.append(self._document.complain(message, *keys))

    def _only_known(self, data: Mapping[str, Any], known: Sequence[str], *place: Key) -> None:
        for key in data:
            if key not in known:
                hint = did_you_mean(key, known) or f"; known here: {', '.join(known)}"
                self._complain(f"unknown key {key!r}{hint}", *place, key)

    def _mapping(self, data: Mapping[str, Any], key: str, *place: Key) -> Mapping[str, Any]:
        value = data.get(key, {})
        if isinstance(value, Mapping):
            return cast(Mapping[str, Any], value)
        self._complain(f"{key} must be a table", *place, key)
        return {}

    def _tables_array(self, data: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
        value = data.get(key, [])
        if isinstance(value, list) and all(isinstance(v, Mapping) for v in value):
            return cast(Sequence[Mapping[str, Any]], value)
        self._complain(f"{key} must be an array of tables: [[{key}]]", key)
        return ()

    def _text(self, data: Mapping[str, Any], key: str, *place: Key, required: bool = False) -> str | None:
        value = data.get(key)
        if value is None:
            if required:
                self._complain(f"{key} is missing", *place)
            return None
        if not isinstance(value, str) or not value:
            self._complain(f"{key} must be a non-empty text in quotes", *place, key)
            return None
        return value

    def _texts(self, data: Mapping[str, Any], key: str, *place: Key) -> tuple[str, ...]:
        value = data.get(key, [])
        if isinstance(value, str):
            value = [value]
        if isinstance(value, list) and all(isinstance(v, str) and v for v in value):
            return tuple(value)
        self._complain(f"{key} must be a text or a list of texts", *place, key)
        return ()

    def _whole(self, data: Mapping[str, Any], key: str, least: int, *place: Key) -> int | None:
        value = data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self._complain(f"{key} must be a whole number, {least} or more", *place, key)
            return None
        return value

    def _flag(self, data: Mapping[str, Any], key: str, *place: Key) -> bool | None:
        value = data.get(key)
        if value is None or isinstance(value, bool):
            return value
        self._complain(f"{key} must be true or false", *place, key)
        return None

    def _one_of(self, data: Mapping[str, Any], key: str, known: Sequence[str], *place: Key) -> str | None:
        value = self._text(data, key, *place)
        if value is not None and value not in known:
            self._complain(f"{key} must be one of {', '.join(known)}, not {value!r}{did_you_mean(value, known)}", *place, key)
            return None
        return value

    def _zone(self, data: Mapping[str, Any], default: str, *place: Key) -> str:
        name = self._text(data, "tz", *place)
        if name is None:
            return default
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            self._complain(f"tz {name!r} is no known time zone; write it as 'Asia/Tokyo' or 'UTC'", *place, "tz")
            return default
        return name

    def _table(self, name: str, data: Mapping[str, Any], tz: str, tz_assumed: bool) -> MapTable | None:
        place: tuple[Key, ...] = ("tables", name)
        errors_before = len(self._errors)
        self._only_known(data, _TABLE_KEYS, *place)
        source = self._text(data, "source", *place, required=True)
        if source is not None:
            self._check_source(source, data, *place)
        key = self._text(data, "key", *place, required=True)
        columns = self._mapping(data, "columns", *place)
        for column, kind in columns.items():
            if not isinstance(kind, str) or kind not in KINDS:
                hint = did_you_mean(str(kind), KINDS) or f"; known kinds: {', '.join(KINDS)}"
                self._complain(f"column {column!r}: unknown kind of personal data {kind!r}{hint}", *place, "columns", column)
        delimiter = self._text(data, "delimiter", *place)
        if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n'):
            self._complain('delimiter must be one ASCII character, as "," or "\\t"', *place, "delimiter")
        encoding = self._one_of(data, "encoding", CSV_ENCODINGS, *place)
        table = MapTable(
            name=name,
            source=source or "",
            key=key or "",
            person=self._text(data, "person", *place),
            population=self._text(data, "population", *place) or "",
            created=self._text(data, "created", *place),
            deleted=self._text(data, "deleted", *place),
            tz=self._zone(data, tz, *place),
            tz_assumed=tz_assumed and "tz" not in data,
            columns=MappingProxyType(dict(columns)),
            relation=self._text(data, "table", *place) or name,
            relation_schema=self._text(data, "schema", *place),
            encoding=encoding,
            delimiter=delimiter,
        )
        return table if len(self._errors) == errors_before else None

    def _check_source(self, source: str, data: Mapping[str, Any], *place: Key) -> None:
        scheme = source.partition("://")[0] if "://" in source else ""
        is_csv = not scheme and source.lower().removesuffix(".gz").endswith((".csv", ".tsv"))
        for key, allowed in (
            ("table", scheme in ("sqlite", "postgresql", "postgres")),
            ("schema", scheme in ("postgresql", "postgres")),
            ("encoding", is_csv),
            ("delimiter", is_csv),
        ):
            if key in data and not allowed:
                self._complain(f"{key} means nothing for the source {without_credentials(source)!r}", *place, key)
        if not scheme:
            name = source.lower()
            if not (name.endswith(TABLE_SUFFIXES) or name.removesuffix(".gz").endswith((".csv", ".tsv", ".jsonl", ".ndjson"))):
                self._complain(f"source {source!r}: the name must end in one of {', '.join(TABLE_SUFFIXES)}", *place, "source")
        elif scheme in ("postgresql", "postgres"):
            try:
                password = urlsplit(_VARIABLE.sub("", source)).password
            except ValueError:
                self._complain("source is not a valid URL", *place, "source")
                return
            if password or re.search(r"[?&](password|sslpassword)=(?!\$\{)[^&]", source):
                self._complain("a password does not belong in the map; set PGPASSWORD, or write ${NAME} and set that variable", *place, "source")
        elif scheme != "sqlite":
            self._complain(f"source: {scheme!r} databases are not supported; use sqlite, postgresql or a file", *place, "source")

    def _route(self, index: int, data: Mapping[str, Any], table_names: Sequence[str], tables: Mapping[str, MapTable]) -> Route | None:
        place: tuple[Key, ...] = ("routes", index)
        errors_before = len(self._errors)
        template = self._template(data, *place)
        kind = self._route_kind(data, template, *place)
        if kind is not None:
            self._only_known(data, (*_ROUTE_KEYS, *_ROUTE_KIND_KEYS[kind]), *place)
        returns = self._text(data, "returns", *place, required=True)
        if returns is not None and returns not in table_names:
            self._complain(f"returns an unknown table {returns!r}{did_you_mean(returns, table_names)}", *place, "returns")
        table = tables.get(returns or "")
        columns = self._texts(data, "columns", *place)
        if "columns" not in data and table is not None:
            columns = tuple(table.columns)
        elif len(set(columns)) < len(columns):
            self._complain("columns names one column twice", *place, "columns")
        default = self._mapping(data, "default", *place)
        self._only_known(default, PAGE_SLOTS, *place, "default")
        defaults = {k: v for k in default if k in PAGE_SLOTS and (v := self._whole(default, k, 0, *place, "default")) is not None}
        first_page = self._whole(data, "first_page", 0, *place)
        route = Route(
            index=index,
            template=template,
            match=str(data.get("match", "")),
            returns=returns or "",
            kind=kind or "item",
            columns=columns,
            host=self._text(data, "host", *place),
            ignore=self._texts(data, "ignore", *place),
            order_by=self._order(data, *place),
            default=MappingProxyType(defaults),
            max_size=self._whole(data, "max_size", 1, *place),
            first_page=1 if first_page is None else first_page,
            format=cast("ExportFormat | None", self._one_of(data, "format", ("csv", "json", "jsonl"), *place)),
            header=self._flag(data, "header", *place) is not False,
            newline=self._one_of(data, "newline", ("\n", "\r\n"), *place) or "\n",
            encoding=self._one_of(data, "encoding", EXPORT_ENCODINGS, *place) or "utf-8",
            compressed=self._flag(data, "compressed", *place),
            user_column=self._text(data, "user_column", *place, required=kind == "login"),
            service=self._text(data, "service", *place),
            success=self._statuses(data, *place),
        )
        if kind is not None and len(self._errors) == errors_before:
            self._check_kind(route, *place)
        return route if len(self._errors) == errors_before else None

    def _template(self, data: Mapping[str, Any], *place: Key) -> Template | None:
        match = self._text(data, "match", *place, required=data.get("kind") != "login")
        if match is None:
            return None
        try:
            return parse_template(match)
        except TemplateError as exc:
            self._complain(f"match: {exc}", *place, "match")
            return None

    def _route_kind(self, data: Mapping[str, Any], template: Template | None, *place: Key) -> RouteKind | None:
        kind = self._text(data, "kind", *place)
        if kind is None:
            if "kind" not in data and template is not None:
                slots = template.named_slots
                if slots and not set(slots) & set(PAGE_SLOTS):
                    return "item"
                hint = "'page'" if set(slots) & set(PAGE_SLOTS) else "'export', 'page' or 'login'"
                self._complain(f"kind is missing: without a slot for a key it must be said; perhaps {hint}", *place)
            return None
        if kind in LATER_ROUTE_KINDS:
            self._complain(f"kind {kind!r} is not yet supported in this version; supported: {', '.join(ROUTE_KINDS)}", *place, "kind")
            return None
        return cast("RouteKind | None", self._one_of(data, "kind", ROUTE_KINDS, *place))

    def _order(self, data: Mapping[str, Any], *place: Key) -> tuple[OrderTerm, ...]:
        terms = []
        for text in self._texts(data, "order_by", *place):
            column, _, direction = text.rpartition(" ")
            if direction.lower() in ("asc", "desc") and column.strip():
                terms.append(OrderTerm(column.strip(), direction.lower() == "desc"))
            else:
                terms.append(OrderTerm(text, False))
        return tuple(terms)

    def _statuses(self, data: Mapping[str, Any], *place: Key) -> tuple[int, ...]:
        value = data.get("success", [])
        if isinstance(value, list) and all(isinstance(v, int) and not isinstance(v, bool) and 200 <= v <= 399 for v in value):
            return tuple(value)
        self._complain("success must be a list of status codes between 200 and 399", *place, "success")
        return ()

    def _check_kind(self, route: Route, *place: Key) -> None:
        slots = route.template.named_slots if route.template is not None else ()
        if route.kind == "item":
            if not slots:
                self._complain("an item route needs a slot named like the column it is compared with, as '{customer_id}'", *place, "match")
            return
        allowed = PAGE_SLOTS if route.kind == "page" else ()
        for slot in slots:
            if slot not in allowed:
                known = f"only {', '.join('{' + s + '}' for s in allowed)} and " if allowed else "no slots but "
                self._complain(f"slot {{{slot}}}: a route of kind {route.kind} takes {known}'{{_}}' for a value that does not matter", *place, "match")
        if route.kind == "page":
            self._check_page(route, slots, *place)
        if route.kind == "export" and route.format is None:
            for key in ("header", "newline", "encoding"):
                if key in cast(Sequence[Mapping[str, Any]], self._document.data["routes"])[route.index]:
                    self._complain(f"{key} means nothing without format", *place, key)

    def _check_page(self, route: Route, slots: Sequence[str], *place: Key) -> None:
        if not route.order_by:
            self._complain("order_by is missing: a page needs the order of the rows", *place)
        by_page, by_offset = {"page", "size"} & set(slots), {"offset", "limit"} & set(slots)
        if by_page and by_offset:
            self._complain("use either {page} and {size} or {offset} and {limit}", *place, "match")
            return
        start, length = ("offset", "limit") if by_offset else ("page", "size")
        if start not in slots:
            self._complain(f"a page route needs the slot {{{start}}}", *place, "match")
        if length not in slots and length not in route.default:
            self._complain(f"the number of rows of a page is unknown: add the slot {{{length}}} or default = {{ {length} = 50 }}", *place)
        for key in route.default:
            if key not in (start, length):
                self._complain(f"default {key!r} does not go with the slot {{{start}}}", *place, "default", key)
        if route.default.get(length) == 0:
            self._complain(f"default {length} must be 1 or more", *place, "default", length)

    def _store(self, index: int, data: Mapping[str, Any], table_names: Sequence[str]) -> Store | None:
        place: tuple[Key, ...] = ("stores", index)
        errors_before = len(self._errors)
        self._only_known(data, _STORE_KEYS, *place)
        hosts, tables = [], self._texts(data, "tables", *place)
        for host in self._texts(data, "host", *place):
            try:
                hosts.append(canonical_address(host))
            except ValueError:
                self._complain(f"host {host!r} must be an IP address, as network logs name it", *place, "host")
        if "host" not in data:
            self._complain("host is missing", *place)
        if not tables and len(self._errors) == errors_before:
            self._complain("tables is missing: which tables lie on this host?", *place)
        for i, name in enumerate(tables):
            if name not in table_names:
                self._complain(f"unknown table {name!r}{did_you_mean(name, table_names)}", *place, "tables", i)
        return Store(index, tuple(hosts), tables) if len(self._errors) == errors_before else None


def canonical_address(text: str) -> str:
    """Return an address as the event tables spell it: v4-mapped addresses as v4.

    >>> canonical_address("::ffff:10.0.3.5")
    '10.0.3.5'
    """
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def expand_variables(source: str, environment: Mapping[str, str]) -> tuple[str, Iterable[str]]:
    """Replace ``${NAME}`` in ``source``; the second value lists the variables that are not set."""
    missing = sorted({name for name in _VARIABLE.findall(source) if name not in environment})
    return _VARIABLE.sub(lambda m: environment.get(m.group(1), ""), source), missing


def without_credentials(source: str) -> str:
    """Return ``source`` without user, password and arguments, fit for messages and results.

    >>> without_credentials("postgresql://me:secret@db/shop?password=x")
    'postgresql://db/shop'
    """
    scheme, separator, rest = source.partition("://")
    if not separator:
        return source
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
