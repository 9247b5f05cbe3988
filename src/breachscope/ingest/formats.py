r"""Log formats as data: one TOML file each, loaded, checked, and listed.

Grammar of ``formats/<id>.toml``::

    title = "…"            spec = ["URL or document", …]
    kind  = "regex"        # regex · delimited · table (a header names the columns) · json · keyvalue · envelope (syslog
                           # headers) · syslog (messages of programs)
    table = "web"          # the event table; a [[pattern]] may name another
    order = 20             # place among formats that read a sample equally well; no two formats share one
    escapes = true         # undo \" \\ \xHH in text columns; or the characters that a backslash may stand before: '\|=nr'
    programs = ["sshd"]    # kind syslog: whose messages these are; "*" for any program's. Of kinds regex and keyvalue: whose messages are
                           # such lines, too
    comment = "#"          # lines that begin so are skipped
    continues = '^\t'       # in a file of this format, a line that holds this expression and that no format reads continues others: it is skipped
    separator, quote, columns, extra            # kind delimited: extra = true admits further columns at the end
    keys = { column = "key" }, require = […]    # kinds keyvalue and json (there: "$.path"), or a list of alternatives; of keyvalue also
                                                # "date+time", values joined by a space; keys of a [[pattern]] come on top, its require instead
    header = "#Fields:"                         # kind table: what header lines begin with; without it line 1 is the header
    keys = { time = "date+time", path = ["cs-uri-stem", "url"] }   # kind table: names in any case, joined by a space, or
                                                # alternatives; with separator, quote ("" within stands for one), require,
                                                # and columns: the names where no header stands above
    separator = ","        # kind keyvalue: pairs are set apart by white space, and by these characters
    spaced = true          # pairs: a value holds spaces, knows no quotes, and ends where the next key stands
    keys = { message = "…" }                    # of an envelope or a table that names no program: the message is a line of its own,
                                                # read by whichever format reads lines; its time is its own, too

    [time]
    formats = ["%d/%b/%Y:%H:%M:%S %z"]          # strptime (%Z at the end for UTC, GMT, JST), or iso8601, japanese, dotnet,
                                                # epoch_s, epoch_ms, epoch_us, epoch_ns
    zone = "UTC"                                # where the format fixes the zone of its zone-less times

    [[pattern]]            # tried in order; each takes the lines that it matches
    match = '…(?P<client_ip>…)…'                # groups are named after the columns that they fill
    contains = "SRC="                           # plain text that must occur, looked for before the expression is tried
    keys  = { dst_port = ["DPT", "dpt"] }       # key=value pairs anywhere in the text, or in the group "pairs", set apart by what the
                                                # group "separator" caught, a character or its code 0x5E; of JSON, paths
    where = { _type = ["flow", "netflow"] }     # texts that a group or key must have; "*" for any
    unless = { _type = ["flow"] }               # texts of which a group or key must have none, but some other
    within = { _tuple = '^(?P<time>…),' }       # kinds json, keyvalue and table: an expression that the text of a key must match, with groups
    set   = { action = "logon" }                # constants
    skip  = "session bookkeeping"               # the line is uninteresting; counted under this name
    refuse = "the time has no date"             # the line is rejected for this reason

    [fields.action]        # how a column is made where its type does not say it
    scale = 1000           # number multiplied by this
    map = { BLOCK = "deny" }                    # text translated; what is not in the map becomes null
    lower = true
    plus = true                                 # "+" stands for a space
    doubled = '"'                               # two of these stand for one
    hex = true                                  # what stands behind a quote, or else hexadecimal digits of UTF-8, as auditd writes names
    joined = true                               # an array of texts, as a repeated header is in JSON, stands for them with commas between
    origin = "rule"                             # taken from the text of this column where no group gives it
    cut = ':? *IN$'                             # regular expression of what is left out
    find = { deny = 'drop|deny' }               # value for a text that holds the expression, in any case; the first counts

    [[sample]]             # a line (kind table: and its header) and every column that it fills, or the kind under which it is skipped
    [[refuse]]             # a line that must not be read

Group names besides columns: a column with ``__q`` behind, where it may be caught in either of two places; ``time``;
``request`` (a request line), ``uri`` (path and query), ``pairs``, ``separator``, and names that begin with
``_``, which are dropped. In an envelope: ``host``, ``program``, ``pid``, and ``message`` or ``head`` (all that stands
before the message), or these as keys of JSON; without ``program`` the message is a line of its own, and the envelope needs no
``time``. Where a format of kind syslog does not fill ``service``, that is the program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

import polars as pl

from breachscope.errors import BreachscopeError, ContentErrors, FormatError, UsageError, did_you_mean
from breachscope.ingest.columns import SERVERS_ESCAPES
from breachscope.ingest.onepass import has_options
from breachscope.schema import EVENT_TABLES
from breachscope.timestamps import TimeForm, Zone
from breachscope.toml_file import TomlFile

Kind = Literal["regex", "delimited", "table", "json", "keyvalue", "envelope", "syslog"]
_KINDS = ("regex", "delimited", "table", "json", "keyvalue", "envelope", "syslog")
_TEXTS, _TABLES = "a list of texts", "a list of tables"
_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("title", "kind", "table", "comment", "continues", "separator", "quote", "header"), "text"),
    **dict.fromkeys(("extra", "spaced"), "true or false"),
    "escapes": "true, false or the characters that may be escaped",
    **dict.fromkeys(("spec", "programs", "columns", "require"), _TEXTS),
    **dict.fromkeys(("time", "keys", "fields"), "a table"),
    **dict.fromkeys(("pattern", "sample", "refuse"), _TABLES),
    "order": "a whole number",
}
_PATTERN_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("match", "contains", "skip", "refuse", "table"), "text"),
    **dict.fromkeys(("keys", "set", "time", "where", "unless", "within"), "a table"),
    "require": _TEXTS,
}
_FIELD_KEYS: Mapping[str, str] = {
    "scale": "a number",
    "map": "a table",
    "lower": "true or false",
    "cut": "text",
    "origin": "text",
    "find": "a table",
    "plus": "true or false",
    "doubled": "text",
    "joined": "true or false",
    "hex": "true or false",
}
_TIME_KEYS: Mapping[str, str] = {"formats": _TEXTS, "zone": "text"}
_SAMPLE_KEYS: Mapping[str, str] = {"line": "text", "header": "text", "expect": "a table", "skip": "text"}
_EVENTLESS = {"skip", "refuse"}
"""Settings of a pattern whose lines become no events."""
JOINED = "+"
"""Between names of columns or keys whose values are joined by a space."""
_NAMED_TIMES = ("iso8601", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "japanese", "dotnet")
_SPECIAL_GROUPS = {"time", "request", "uri", "pairs", "separator"}
_UNSET_BY_PARSERS = {"event_id", "ts", "ts_offset_min", "ts_quality", "source", "line", "format"}


@dataclass(frozen=True)
class FieldRule:
    """How a column is made from its text beyond what its type says."""

    scale: float | None = None
    map: Mapping[str, str] | None = None
    lower: bool = False
    cut: str | None = None
    """Regular expression of what is left out of the text."""
    origin: str | None = None
    """Another column whose text is taken where no group gives this one."""
    find: Mapping[str, str] | None = None
    """Value → regular expression that must occur, in any case; the first that does counts, else null."""
    plus: bool = False
    """Whether ``+`` stands for a space."""
    doubled: str | None = None
    """A character that stands twice for once."""
    joined: bool = False
    """Whether a JSON array of texts stands for these, with commas between."""
    hex: bool = False
    """Whether a text is what stands behind a quote, or else hexadecimal digits of UTF-8."""


@dataclass(frozen=True)
class Pattern:
    """One shape of line (or of syslog message) and what becomes of it."""

    regex: str | None
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column → keys of pairs, the first that says something counts."""
    require: tuple[str, ...] = ()
    contains: str | None = None
    """Plain text that must occur, looked for first: it is found much faster than the expression fails."""
    constants: Mapping[str, str | int] = field(default_factory=dict)
    skip: str | None = None
    refuse: str | None = None
    """Why the lines that match are rejected."""
    table: str | None = None
    time: TimeForm | None = None
    separator: str = ""
    """Characters that set key=value pairs apart besides white space."""
    spaced: bool = False
    """Whether a value ends only where the next key stands."""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Group or key → texts of which it must be one; ``*`` for any text."""
    unless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Group or key → texts of which it must be none; it must say something, though."""
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column → JSON paths or, of kind keyvalue, keys of pairs; the first that says something counts."""
    within: Mapping[str, str] = field(default_factory=dict)
    """Key → expression that its text must match, with groups."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """Groups and keys whose text decides whether the pattern takes a line."""
        return (*self.where, *self.unless)

    @property
    def is_eventless(self) -> bool:
        """Whether its lines become no events."""
        return bool(self.skip or self.refuse)

    @property
    def likeness(self) -> str:
        """The expression without its groups; of pairs, a key that must be there."""
        if self.regex is not None:
            return re.sub(r"\(\?P<\w+>", "(?:", self.regex)
        needed = next((self.sources[c] for c in (*self.require, *self.where)), ())
        return "|".join(f"{re.escape(key.partition(JOINED)[0])}=" for key in needed)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Names of the regular expression's groups, in order."""
        return tuple(re.findall(r"\(\?P<(\w+)>", self.regex or ""))

    @cached_property
    def prefix(self) -> str:
        """The plain text that every match begins with; empty when there is none."""
        return literal_prefix(self.regex or "")


def literal_prefix(regex: str) -> str:
    r"""Plain text that every match of an anchored expression begins with.

    >>> literal_prefix(r"^Failed (?P<method>\S+)"), literal_prefix(r"^ab?c"), literal_prefix(r"^a|^b"), literal_prefix(r"a"), literal_prefix(r"^\[x")
    ('Failed ', 'a', '', '', '[x')
    """
    if not regex.startswith("^") or has_options(regex):
        return ""
    prefix = ""
    rest = regex[1:]
    while found := re.match(r"\\([\[\](){}.*+?|^$/\\-])|([^\\\[\](){}.*+?|^$])", rest):
        following = rest[found.end() : found.end() + 1]
        if following in ("?", "*", "{"):
            break
        prefix += found[1] or found[2]
        rest = rest[found.end() :]
        if following == "+":
            break
    return prefix


_NEVER = r"[^\s\S]"
_ASKED_TOGETHER = 12


@dataclass(frozen=True)
class Sample:
    line: str
    expect: Mapping[str, Any] | None
    """Column → value; None for a line that must be refused."""
    skip: str | None = None
    number: int = 0
    header: str | None = None


@dataclass(frozen=True)
class Format:
    """One log format, ready to read."""

    id: str
    title: str
    kind: Kind
    order: int
    path: Path
    spec: tuple[str, ...]
    table: str | None
    patterns: tuple[Pattern, ...] = ()
    programs: tuple[str, ...] = ()
    time: TimeForm | None = None
    fields: Mapping[str, FieldRule] = field(default_factory=dict)
    escapes: str = ""
    """Characters that a backslash stands before."""
    comment: str | None = None
    samples: tuple[Sample, ...] = ()
    header: str | None = None
    """Kind table: what a header line begins with; None where the first line is the header."""
    separator: str = ","
    quote: str | None = None
    columns: tuple[str, ...] = ()
    """Kind table: names in lower case where no header stands above, for the writer always writes these."""
    names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Kind table: column → alternative names in the header."""
    require: tuple[str, ...] = ()
    continues: str | None = None
    """What a line holds that continues the one above."""

    @cached_property
    def likeness(self) -> str:
        """An expression that every line of this format matches, and few others do: whether to try the format at all."""
        if self.is_json:
            return r"^\s*\{"
        if self.needs_header:
            return _NEVER
        likeness = re.escape(self.separator) if self.kind == "table" else "|".join(f"(?:{p.likeness})" for p in self.patterns)
        return f"{likeness}|^{re.escape(self.comment)}" if self.comment else likeness

    @property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """JSON paths or keys of pairs that its patterns ask for: alternatives, under their names joined by ``|``."""
        return {"|".join(alternatives): alternatives for p in self.patterns for alternatives in p.sources.values()}

    @property
    def needs_header(self) -> bool:
        """Whether its lines can be read only where a header above them names their columns."""
        return self.kind == "table" and not self.columns

    @property
    def is_json(self) -> bool:
        """Whether its lines are JSON objects, of events or around messages."""
        return self.kind != "keyvalue" and any(p.sources for p in self.patterns)

    @property
    def is_envelope(self) -> bool:
        """Whether its lines hold messages for other formats to read."""
        return self.kind == "envelope" or "message" in (column for column, _ in self.names)

    @property
    def lacks_year(self) -> bool:
        """Whether a line of this format may carry no year."""
        forms = [f for f in (self.time, *(p.time for p in self.patterns)) if f]
        return any(f.lacks_year for f in forms)


@dataclass(frozen=True)
class FormatEntry:
    """One format of the catalog: what tells whether it is wanted, and its file, which is read when it is."""

    id: str
    path: Path
    kind: str
    order: int
    programs: tuple[str, ...] = ()

    @cached_property
    def format(self) -> Format:
        """The format as its file has it; the built-in files were checked by this program's tests, not again by every run."""
        return _build(TomlFile.load(self.path, FormatError).data, self.path, ())


@dataclass(frozen=True)
class FormatCatalog:
    """Every known format, by order. Reading all their files takes longer than reading a small log, so each is read when it is tried."""

    entries: tuple[FormatEntry, ...]

    @property
    def formats(self) -> tuple[Format, ...]:
        """All formats, read and checked."""
        return tuple(e.format for e in self.entries)

    def __getitem__(self, identifier: str) -> Format:
        for known in self.entries:
            if known.id == identifier:
                return known.format
        raise UsageError(f"no format is called {identifier!r}{did_you_mean(identifier, [e.id for e in self.entries])}; see 'breachscope formats list'")

    @property
    def whole_lines(self) -> Iterator[Format]:
        """Formats that read a line by themselves."""
        return (e.format for e in self.entries if e.kind != "syslog")

    def likely(self, lines: pl.Series) -> Iterator[tuple[Format, int]]:
        """Formats that may read some of the lines by themselves, by order, and how many lines each may read."""
        entries = [e for e in self.entries if e.kind != "syslog"]
        # Expressions are remembered by Polars, as long as they are few: so most formats are asked together.
        for begin in range(0, len(entries), _ASKED_TOGETHER):
            formats = [e.format for e in entries[begin : begin + _ASKED_TOGETHER]]
            may_read = bool(lines.str.contains("|".join(f"(?:{fmt.likeness})" for fmt in formats)).any())
            for fmt in formats:
                if fmt.needs_header:
                    yield fmt, len(lines)
                elif may_read and (count := int(lines.str.contains(fmt.likeness).sum())):
                    yield fmt, count

    def messages_of(self, programs: Collection[str]) -> Iterator[Format]:
        """Formats that read messages of these programs behind a syslog header."""
        return (e.format for e in self.entries if not {"*", *programs}.isdisjoint(e.programs))

    @cached_property
    def programs(self) -> frozenset[str]:
        """Programs whose messages some format claims."""
        return frozenset(p for e in self.entries for p in e.programs if p != "*")


def load_formats(directories: Sequence[Path] = ()) -> FormatCatalog:
    """Find the built-in formats and load the user's. Raises ContentErrors with every mistake; a user's format replaces a built-in one of its id."""
    errors: list[BreachscopeError] = []
    entries: dict[str, FormatEntry] = {}
    builtin = Path(str(files("breachscope") / "formats"))
    for directory in (builtin, *directories):
        if not directory.is_dir():
            errors.append(FormatError("is not a folder; --formats wants a folder of TOML files", path=directory))
            continue
        for path in sorted(directory.glob("*.toml")):
            try:
                entries[path.stem] = _glance(path) if directory is builtin else entry_of(load_format(path))
            except ContentErrors as found:
                errors += found.errors
            except FormatError as error:
                errors.append(error)
    by_order: dict[int, FormatEntry] = {}
    for known in entries.values():
        if other := by_order.get(known.order):
            line = TomlFile.load(known.path, FormatError).line_of("order")
            errors.append(FormatError(f"order {known.order} is taken by {other.id}; give another number", path=known.path, line=line))
        by_order[known.order] = known
    if errors:
        raise ContentErrors(errors)
    return FormatCatalog(tuple(by_order[n] for n in sorted(by_order)))


@cache
def _glance(path: Path) -> FormatEntry:
    """What the top of a built-in format's file says of it, without reading the rest as TOML."""
    top = path.read_text(encoding="utf-8").partition("\n[")[0]
    kind, order = re.search(r'^kind = "(\w+)"$', top, re.MULTILINE), re.search(r"^order = (\d+)$", top, re.MULTILINE)
    if not (kind and order):
        return entry_of(load_format(path))
    programs = re.search(r"^programs = (\[[^\]]*\])$", top, re.MULTILINE)
    return FormatEntry(path.stem, path, kind[1], int(order[1]), tuple(re.findall(r'"([^"]+)"', programs[1])) if programs else ())


def entry_of(fmt: Format) -> FormatEntry:
    """The catalog's entry of a format that was read already."""
    entry = FormatEntry(fmt.id, fmt.path, fmt.kind, fmt.order, fmt.programs)
    entry.__dict__["format"] = fmt
    return entry


def load_format(path: Path) -> Format:
    """Read one format file. Raises ContentErrors with all its mistakes."""
    return _checked(TomlFile.load(path, FormatError))


def parse_format(text: str, path: Path) -> Format:
    """A format by the text of its file; ``path`` only names it. Raises ContentErrors with all its mistakes."""
    return _checked(TomlFile.parse(text, path, FormatError))


def _checked(document: TomlFile) -> Format:
    checker = _Checker(document)
    checker.check()
    if checker.errors:
        raise ContentErrors(checker.errors)
    return _build(document.data, document.path, [document.line_of("sample", i) for i in range(len(document.data.get("sample", ())))])


def _build(data: Mapping[str, Any], path: Path, sample_lines: Sequence[int]) -> Format:
    kind = cast("Kind", data["kind"])
    fields = {name: FieldRule(**rule) for name, rule in data.get("fields", {}).items()}
    time = _time_form(data)
    patterns = [_build_pattern(p, data) for p in data.get("pattern", ())]
    if kind == "delimited":
        patterns.append(Pattern(_delimited_regex(data)))
    if (kind in ("keyvalue", "json", "table") or data.get("keys")) and not patterns:
        patterns.append(_build_pattern({}, data))
    escapes = data.get("escapes", "")
    if isinstance(escapes, bool):
        escapes = SERVERS_ESCAPES if escapes else ""
    written = data.get("sample", ())
    numbered = zip(written, sample_lines or [0] * len(written), strict=True)
    samples = [Sample(s["line"], s.get("expect", {}), s.get("skip"), n, s.get("header")) for s, n in numbered]
    samples += [Sample(r["line"], None, header=r.get("header")) for r in data.get("refuse", ())]
    return Format(
        path.stem, data["title"], kind, data["order"], path, tuple(data.get("spec", ())), data.get("table"), tuple(patterns), tuple(data.get("programs", ())),
        time, fields, escapes, data.get("comment"), tuple(samples),
        data.get("header"), data.get("separator", ","), data.get("quote"),
        tuple(c.lower() for c in data.get("columns", ())) if kind == "table" else (),
        tuple((c, _texts(n)) for c, n in data.get("keys", {}).items()) if kind == "table" else (), tuple(data.get("require", ())),
        data.get("continues"),
    )  # fmt: skip


def _time_form(holder: Mapping[str, Any]) -> TimeForm | None:
    return TimeForm(tuple(holder["time"]["formats"]), holder["time"].get("zone")) if "time" in holder else None


def _build_pattern(pattern: Mapping[str, Any], data: Mapping[str, Any]) -> Pattern:
    kind = "json" if data["kind"] == "envelope" and "match" not in pattern else data["kind"]
    own = pattern.get("keys", {})
    keys = {**data.get("keys", {}), **own} if "match" not in pattern else own
    # What becomes no event need not hold what an event must.
    require = pattern.get("require", () if _EVENTLESS & pattern.keys() else data.get("require", ()))
    return Pattern(
        pattern.get("match"),
        {} if kind in ("json", "table", "keyvalue") else _all_texts(keys),
        tuple(require),
        pattern.get("contains"),
        pattern.get("set", {}),
        pattern.get("skip"),
        pattern.get("refuse"),
        pattern.get("table"),
        _time_form(pattern),
        data.get("separator", ""),
        data.get("spaced", False),
        _all_texts(pattern.get("where", {})),
        _all_texts(pattern.get("unless", {})),
        _all_texts(keys) if kind in ("json", "keyvalue") else {},
        pattern.get("within", {}),
    )


def _texts(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _all_texts(given: Mapping[str, str | Sequence[str]]) -> Mapping[str, tuple[str, ...]]:
    return {name: _texts(wanted) for name, wanted in given.items()}


def _delimited_regex(data: Mapping[str, Any]) -> str:
    """A one-pass expression for separated columns; a quoted one is caught under its name with ``__q`` behind."""
    separator: str = re.escape(data["separator"])
    plain = f"[^{separator}]*"
    quote = data.get("quote")
    columns = []
    for name in data["columns"]:
        bare = f"(?P<{name}>{plain})" if not quote else f"(?:{quote}(?P<{name}__q>(?:[^{quote}\\\\]|\\\\.)*){quote}|(?P<{name}>{plain}))"
        columns.append(bare)
    return "^" + separator.join(columns) + (f"(?:{separator}.*)?" if data.get("extra") else "") + "$"


class _Checker:
    """Collects every mistake of one format file, each with its line."""

    def __init__(self, document: TomlFile) -> None:
        self.document = document
        self.data = document.data
        self.errors: list[BreachscopeError] = []

    def complain(self, message: str, *keys: str | int) -> None:
        self.errors.append(FormatError(message, path=self.document.path, line=self.document.line_of(*keys)))

    def check(self) -> None:
        if not self.check_shape(self.data, _KEYS):
            return
        for key in ("title", "kind", "order"):
            if key not in self.data:
                self.complain(f"needs {key} = {_KEYS[key]}")
        kind = self.data.get("kind")
        if kind is not None and kind not in _KINDS:
            self.complain(f"kind {kind!r} is not one of {', '.join(_KINDS)}{did_you_mean(kind, _KINDS)}", "kind")
        patterns = self.data.get("pattern", ())
        is_envelope = kind == "envelope" or (kind == "table" and "message" in self.data.get("keys", {}))
        if not is_envelope and not (patterns and all(p.keys() & {"table", *_EVENTLESS} for p in patterns)):
            self.check_table("table")
        self.check_time("time")
        if "continues" in self.data:
            self.check_regex(self.data["continues"], "continues")
        if kind in _KINDS:
            self.check_kind(kind)
        for i, pattern in enumerate(patterns):
            self.check_pattern(i, pattern)
        for name, rule in self.data.get("fields", {}).items():
            self.check_field(name, rule)
        for i, sample in enumerate(self.data.get("sample", ())):
            if self.check_shape(sample, _SAMPLE_KEYS, "sample", i) and ("line" not in sample or not ({"expect", "skip"} & sample.keys())):
                self.complain("a sample needs 'line' and 'expect' (or 'skip')", "sample", i)
        for i, refused in enumerate(self.data.get("refuse", ())):
            if self.check_shape(refused, {"line": "text", "header": "text"}, "refuse", i) and "line" not in refused:
                self.complain("a refused line needs 'line'", "refuse", i)
        if not self.data.get("sample"):
            self.complain("needs at least one [[sample]] with the fields expected of it")

    def check_shape(self, holder: Mapping[str, Any], known: Mapping[str, str], *keys: str | int) -> bool:
        """Complain of unknown settings and of values of another kind; return whether the values can be looked into."""
        sound = True
        for key, value in holder.items():
            if key not in known:
                self.complain(f"{key!r} is not a setting of a format{did_you_mean(key, known)}", *keys, key)
            elif not _IS[known[key]](value):
                advice = f"written as [[{key}]]: there may be several" if known[key] == _TABLES else known[key]
                self.complain(f"{key!r} is {advice}", *keys, key)
                sound = False
        return sound

    def check_table(self, *keys: str | int) -> None:
        table: Any = self.data
        for key in keys:
            table = table.get(key) if isinstance(table, Mapping) else table[key]
        if table not in EVENT_TABLES:
            self.complain(f"table {table!r} is not one of {', '.join(EVENT_TABLES)}{did_you_mean(str(table), EVENT_TABLES)}", *keys)

    def check_kind(self, kind: str) -> None:
        time = ("time",) if "time" in self.data.get("keys", {}) else ()
        needs = {
            "delimited": ("separator", "columns", "time"),
            "table": ("separator", "keys", "require", *(() if "message" in self.data.get("keys", {}) else ("time",))),
            "json": ("keys", "require", "time"),
            "keyvalue": ("keys", "require", "time"),
            "syslog": ("programs", "pattern"),
            "regex": ("pattern",),
            "envelope": ("keys", "require", *time) if "keys" in self.data else ("pattern",),
        }[kind]
        for key in needs:
            if not self.data.get(key):
                self.complain(f"a format of kind {kind} needs {key!r}", "kind")
        if "programs" in self.data and kind not in ("syslog", "regex", "keyvalue"):
            self.complain(f"lines of kind {kind} are not looked for in messages of programs", "programs")
        columns = [*(self.data.get("columns", ()) if kind != "table" else ()), *self.data.get("keys", {})]
        given = "columns" if kind == "delimited" else "keys"
        if table := self.data.get("table"):
            for column in columns:
                self.check_group(column, table, given)
        if columns and not {"time", "message"} & set(columns) and not self.data.get("pattern"):
            self.complain("one of the columns must be 'time'", given)
        self.check_keys("json" if kind == "envelope" else kind, self.data.get("keys", {}), "keys")
        if kind == "envelope" and columns:
            for column in ("message", *(["time"] if "program" in columns else [])):
                if column not in columns:
                    self.complain(f"an envelope needs a key for {column!r}", "keys")
        for column in self.data.get("require", ()):
            if column not in columns:
                self.complain(f"{column!r} is required but no key gives it{did_you_mean(column, columns)}", "require")

    def check_keys(self, kind: str, given: Mapping[str, Any], *keys: str | int) -> None:
        for column, key in given.items():
            paths = [key] if isinstance(key, str) else key
            if not (_is_texts(paths) and (kind != "json" or all(p.startswith("$") for p in paths))):
                self.complain(f"{column} names a key" + (', as a path: "$.key"' if kind == "json" else ""), *keys, column)

    def check_time(self, *keys: str | int) -> None:
        holder: Any = self.data
        for key in keys:
            holder = holder.get(key, {}) if isinstance(holder, Mapping) else holder[key]
        if not holder or not self.check_shape(holder, _TIME_KEYS, *keys):
            return
        if not holder.get("formats"):
            self.complain('[time] needs formats = ["…"]', *keys)
        if "zone" in holder:
            try:
                Zone.named(holder["zone"])
            except UsageError as error:
                self.complain(str(error), *keys, "zone")
        for form in holder.get("formats", ()):
            if form not in _NAMED_TIMES and not is_strptime(form):
                self.complain(f"{form!r} is not a form of time{did_you_mean(form, _NAMED_TIMES)}", *keys, "formats")
            elif TimeForm((form,)).lacks_year and not form.startswith(("%b %e ", "%b %d ")):
                self.complain(f"{form!r} has no year; it can be found only for times that begin with '%b %e '", *keys, "formats")

    def check_pattern(self, i: int, pattern: Mapping[str, Any]) -> None:
        if not self.check_shape(pattern, _PATTERN_KEYS, "pattern", i):
            return
        kind = self.data.get("kind")
        if not ({"match", "keys", "where", "unless", "within"} & pattern.keys()):
            self.complain("a pattern needs 'match', 'keys', 'where', 'unless' or 'within'", "pattern", i)
        if kind in ("json", "keyvalue", "table") and (unfit := {"match", "contains", *(["keys"] if kind == "table" else [])} & pattern.keys()):
            self.complain(f"a pattern of kind {kind} has no {min(unfit)!r}", "pattern", i)
        self.check_keys(str(kind), pattern.get("keys", {}), "pattern", i, "keys")
        regex = pattern.get("match")
        if regex is not None and not self.check_regex(regex, "pattern", i, "match"):
            return
        if "table" in pattern:
            self.check_table("pattern", i, "table")
        self.check_time("pattern", i, "time")
        groups = re.findall(r"\(\?P<(\w+)>", regex or "")
        given = {*groups, *pattern.get("keys", {}), *self.data.get("keys", {})}
        for name, inner in pattern.get("within", {}).items():
            if name not in given or kind not in ("json", "keyvalue", "table"):
                self.complain(f"no key of JSON or column is called {name!r}{did_you_mean(name, given)}", "pattern", i, "within", name)
            if self.check_regex(inner, "pattern", i, "within", name):
                groups += re.findall(r"\(\?P<(\w+)>", inner)
        given |= set(groups)
        for setting, (name, wanted) in ((s, item) for s in ("where", "unless") for item in pattern.get(s, {}).items()):
            if name not in given:
                self.complain(f"no group or key is called {name!r}{did_you_mean(name, given)}", "pattern", i, setting, name)
            if not (isinstance(wanted, str) or _is_texts(wanted)):
                self.complain(f"{name} is a text or a list of texts", "pattern", i, setting, name)
        for column in pattern.get("require", ()):
            if column not in given:
                self.complain(f"{column!r} is required but no key gives it{did_you_mean(column, given)}", "pattern", i, "require")
        if _EVENTLESS & pattern.keys():
            return
        if self.data.get("kind") == "envelope":
            for group in ("message", *(["time"] if "program" in groups else [])):
                if group not in groups and not (group == "message" and "head" in groups):
                    self.complain(f"an envelope's pattern needs a group {group!r}", "pattern", i, "match")
            return
        if self.data.get("kind") != "syslog":
            if "time" not in given:
                self.complain("a pattern of events needs a group or key 'time'", "pattern", i)
            if not (pattern.get("time") or self.data.get("time")):
                self.complain("needs [time] formats, for its lines carry a time", "pattern", i)
        table = pattern.get("table", self.data.get("table"))
        for group in groups:
            self.check_group(group, table, "pattern", i, "match")
        for column in pattern.get("keys", {}):
            self.check_group(column, table, "pattern", i, "keys", column)
        if "match" not in pattern and not self.data.get("table"):
            for column in self.data.get("keys", {}):
                self.check_group(column, table, "keys", column)
        for column, constant in pattern.get("set", {}).items():
            self.check_group(column, table, "pattern", i, "set", column)
            self.check_member(column, constant, table, "pattern", i, "set", column)

    def check_regex(self, regex: Any, *keys: str | int) -> bool:
        try:
            pl.Series([""]).str.contains(regex)
        except (pl.exceptions.ComputeError, TypeError) as error:
            reason = re.search(r"^error: (.+)$", str(error), re.MULTILINE)
            self.complain(f"{keys[-1]} is not a regular expression: {reason[1] if reason else str(error).splitlines()[0]}", *keys)
            return False
        return True

    def check_field(self, name: str, rule: Any) -> None:
        if not isinstance(rule, Mapping):
            self.complain(f"{name!r} is a table", "fields", name)
            return
        tables = {t for t in (self.data.get("table"), *(p.get("table") for p in self.data.get("pattern", ()))) if t in EVENT_TABLES}
        fed = self.tables_fed_with(name, rule) & tables or tables
        if tables and not any(name in EVENT_TABLES[t] for t in tables):
            known = sorted({c.name for t in tables for c in EVENT_TABLES[t].columns})
            self.complain(f"table {' or '.join(sorted(tables))} has no column {name!r}{did_you_mean(name, known)}", "fields", name)
        if self.check_shape(rule, _FIELD_KEYS, "fields", name):
            for text, value in rule.get("map", {}).items():
                for table in fed:
                    self.check_member(name, value, table, "fields", name, "map", text)
            for value, regex in rule.get("find", {}).items():
                self.check_regex(regex, "fields", name, "find", value)
                for table in fed:
                    self.check_member(name, value, table, "fields", name, "find", value)
            if "cut" in rule:
                self.check_regex(rule["cut"], "fields", name, "cut")

    def tables_fed_with(self, column: str, rule: Mapping[str, Any]) -> set[object]:
        """Tables in which some pattern takes the column from the text of a line, and does not set it."""
        common = {*self.data.get("keys", {}), *self.data.get("columns", ())}
        fed: set[object] = set()
        patterns: Sequence[Mapping[str, Any]] = self.data.get("pattern", ()) or ({},)
        for pattern in patterns:
            expressions = (str(pattern.get("match", "")), *map(str, pattern.get("within", {}).values()))
            groups = {g.removesuffix("__q") for e in expressions for g in re.findall(r"\(\?P<(\w+)>", e)}
            texts = groups | set(pattern.get("keys", {})) | (common if "match" not in pattern else set())
            if {column, rule.get("origin")} & texts and column not in pattern.get("set", {}):
                fed.add(pattern.get("table", self.data.get("table")))
        return fed

    def check_group(self, group: str, table: object, *keys: str | int) -> None:
        group = group.removesuffix("__q")
        if group.startswith("_") or group in _SPECIAL_GROUPS or table not in EVENT_TABLES:
            return
        columns = [c.name for c in EVENT_TABLES[str(table)].columns if c.name not in _UNSET_BY_PARSERS]
        if group not in columns:
            self.complain(f"table {table} has no column {group!r}{did_you_mean(group, [*columns, *_SPECIAL_GROUPS])}", *keys)

    def check_member(self, column: str, value: object, table: object, *keys: str | int) -> None:
        """Complain of a value that is not in the column's closed vocabulary."""
        if table in EVENT_TABLES and column in EVENT_TABLES[str(table)]:
            values = EVENT_TABLES[str(table)][column].values
            if values and value not in values:
                self.complain(f"{column} is one of {', '.join(values)}, not {value!r}{did_you_mean(str(value), values)}", *keys)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


_IS: Mapping[str, Callable[[object], bool]] = {
    "text": lambda v: isinstance(v, str),
    "true or false": lambda v: isinstance(v, bool),
    "true, false or the characters that may be escaped": lambda v: isinstance(v, (bool, str)),
    "a whole number": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "a number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "a table": lambda v: isinstance(v, Mapping),
    _TEXTS: _is_texts,
    _TABLES: lambda v: isinstance(v, list) and all(isinstance(t, Mapping) for t in v),
}


_STRPTIME = re.compile(r"(?:[^%]|%(?:[-_0]?[YymbBdeaAHIklMSpPzjTDRF%]|Z$|\.?[369]?f))+")


def is_strptime(form: str) -> bool:
    """Whether this is a pattern of strptime; Polars reads an unknown one as no time, without a word."""
    return "%" in form and _STRPTIME.fullmatch(form) is not None
