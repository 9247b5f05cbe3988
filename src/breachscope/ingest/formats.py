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
    continues = '^\t'       # in a file of this format, a line that holds this expression continues those above: with the first of them it is one text,
                           # for the patterns of kind regex, where "." is no line end; what none reads as one is read line by line, and of the
                           # lines that no format reads those that hold the expression are skipped
    parts = '^\[((?P<message>[0-9]+)-)?(?P<part>[0-9]+)\] (?P<text>((?P<level>LOG: )|(?P<fact>DETAIL: ))?.*)$'   # how the program numbers the
                           # parts of a message that it splits before it hands it to syslog: they become one text. With level only a first part can
                           # begin, where it may have another number; with fact a further one that is a text of its own
    separator, quote, columns, extra            # kind delimited: extra = true admits further columns at the end
    keys = { column = "key" }, require = […]    # kinds keyvalue and json (there: "$.path"), or a list of alternatives, or "date+time"
                                                # ("$.date+$.time"), values joined by a space; keys of a [[pattern]] come on top, its require instead
    header = "#Fields:"                         # kind table: what header lines begin with; without it line 1 is the header
    dates = "#Date:"                            # kind table: lines that begin so tell the date of the lines below them, where these have a
                                                # column "time" and none that is called "date"
    writer = "#Software: …"                     # kind table: a line that begins so tells that this format's program wrote the file; then columns of
                                                # ``require`` that begin with "_", which only tell it from others, need not be there
    keys = { time = "date+time", path = ["cs-uri-stem", "url"] }   # kind table: names in any case, joined by a space, or
                                                # alternatives; with separator, quote ("" within stands for one), require,
                                                # and columns: the names where no header stands above
    separator = ","        # kind keyvalue: pairs are set apart by white space, and by these characters
    spaced = true          # pairs: a value holds spaces, knows no quotes, and ends where the next key stands
    keys = { message = "…" }                    # of an envelope or a table that names no program: the message is a line of its own,
                                                # read by whichever format reads lines, with the time that it tells; where it is JSON without
                                                # one, or has a header of syslog without a year, the envelope's time and host count, if it has any

    [time]
    formats = ["%d/%b/%Y:%H:%M:%S %z"]          # strptime (%Z at the end for UTC, GMT, JST), or iso8601, japanese, dotnet,
                                                # epoch_s, epoch_ms, epoch_us, epoch_ns
    zone = "UTC"                                # where the format fixes the zone of its zone-less times

    [fragments]            # names for parts of expressions, each of which may hold those above it
    key = '[A-Za-z0-9_]'
    field = '{key}+="[^"]*" '                   # an expression may hold {field}, and {key not src,dst}: such characters that are none of these words

    [[pattern]]            # tried in order; each takes the lines that it matches
    match = '…(?P<client_ip>…)…'                # groups are named after the columns that they fill; or a list of texts that stand one behind the other
    contains = "SRC="                           # plain text that must occur, looked for before the expression is tried
    keys  = { dst_port = ["DPT", "dpt"] }       # key=value pairs anywhere in the text, or in the group "pairs", set apart by what the
                                                # group "separator" caught, a character or its code 0x5E, or by tabs
                                                # where it caught nothing; of JSON, paths
    where = { _type = ["flow", "netflow"] }     # texts that a group or key must have; "*" for any
    unless = { _type = ["flow"] }               # texts of which a group or key must have none, but some other
    within = { _tuple = '^(?P<time>…),' }       # of JSON, keyvalue and table: an expression that the text of a key must match, with groups
    set   = { action = "logon" }                # constants; of an envelope its program and host: { program = "sshd" }
    skip  = "session bookkeeping"               # the line is uninteresting; counted under this name
    refuse = "the time has no date"             # the line is rejected for this reason

    [fields.action]        # how a column is made where its type does not say it
    scale = 1000           # number multiplied by this
    map = { BLOCK = "deny" }                    # text translated; what is not in the map becomes null
    lower = true
    plus = true                                 # "+" stands for a space
    doubled = '"'                               # two of these stand for one
    indent = "\t"                               # the log writes this before each further line of a text
    hex = true                                  # what stands behind a quote, or else hexadecimal digits of UTF-8, as auditd writes names
    joined = true                               # an array of texts, as a repeated header is in JSON, stands for them with commas between
    origin = "rule"                             # taken from the text of this column where no group gives it
    nothing = ["N/A"]                           # texts of up to 12 bytes that stand for nothing here, as "-" and the empty one do everywhere
    cut = ':? *IN$'                             # regular expression of what is left out
    find = { deny = 'drop|deny' }               # value for a text that holds the expression, in any case; the first counts

    [[sample]]             # a line (kind table: and its header) and every column that it fills, or the kind under which it is skipped
    [[refuse]]             # a line that must not be read

Group names besides columns: a column with ``__q`` behind, where it may be caught in either of two places; ``time``;
``request`` (a request line), ``uri`` (path and query), ``pairs``, ``separator``, and names that begin with
``_``, which are dropped. In an envelope: ``host``, ``program``, ``pid``, and ``message`` or ``head`` (all that stands
before the message), or these as keys of JSON; without ``program`` the message is a line of its own, or one of several that are one text
(see ``continues``) within a ``stream``, and the envelope needs no ``time``. Where a format of kind syslog does not fill ``service``, that is the program.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import polars as pl

from breachscope.errors import ContentErrors, FormatError
from breachscope.ingest.escapes import SERVERS_ESCAPES
from breachscope.ingest.expressions import has_options
from breachscope.ingest.format_checks import EVENTLESS, Checker
from breachscope.ingest.marks import Marks, key_mark, marks_of
from breachscope.timestamps import TimeForm
from breachscope.toml_file import TomlFile

Kind = Literal["regex", "delimited", "table", "json", "keyvalue", "envelope", "syslog"]
JOINED = "+"
"""Between names of columns or keys whose values are joined by a space."""
CONTINUES = ": continues the line above"
"""Behind a format's id: the kind under which lines that continue others are skipped."""


def joined_parts(alternative: str) -> list[str]:
    """Keys of pairs, or JSON paths, whose values are joined.

    >>> joined_parts("date+time"), joined_parts('$."a+$b"+$.time'), joined_parts("$.time")
    (['date', 'time'], ['$."a+$b"', '$.time'], ['$.time'])
    """
    return re.findall(r'\$(?:"[^"]*"|\+(?!\$)|[^"+])*', alternative) if alternative.startswith("$") else alternative.split(JOINED)


@dataclass(frozen=True)
class FieldRule:
    """How a column is made from its text beyond what its type says."""

    scale: float | None = None
    map: Mapping[str, str] | None = None
    lower: bool = False
    nothing: tuple[str, ...] = ()
    """Texts of up to 12 bytes that stand for nothing, beside those that do in every column."""
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
    indent: str | None = None
    """What stands before each further line of a text."""
    hex: bool = False
    """Whether a text is what stands behind a quote, or else hexadecimal digits of UTF-8."""

    @property
    def edits(self) -> bool:
        """Whether more is done with a text than to know those that stand for nothing."""
        return replace(self, nothing=()) != FieldRule()


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
        """The expression without its groups; of a long one, which takes long to compile, the text that must occur; of pairs, a key that must be there."""
        if self.contains and len(self.regex or "") > _LONG:
            return re.escape(self.contains)
        if self.regex is not None:
            return re.sub(r"\(\?P<\w+>", "(?:", self.regex)
        needed = next((self.sources[c] for c in (*self.require, *self.where)), ())
        return "|".join(f"{re.escape(key.partition(JOINED)[0])}=" for key in needed)

    @cached_property
    def marks(self) -> Marks:
        """Plain texts, of each set of which one stands in every line that the pattern takes, as far as that is known."""
        if self.regex is not None:
            asked = [frozenset([self.contains])] if self.contains else []
            return (*asked, *(marks_of(self.regex) if not asked or len(self.regex) <= _LONG else ()))
        # Where an envelope tells a time, a line needs none of its own.
        needed = {*self.require, *self.conditions, *self.within} - {"time"}
        firsts = ((joined_parts(alternative)[0] for alternative in self.sources.get(column, ())) for column in sorted(needed))
        marks = (frozenset(key_mark(key) if key.startswith("$") else f"{key}=" for key in of) for of in firsts)
        return tuple(of for of in marks if of and "" not in of)

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


NEVER = r"[^\s\S]"
"""An expression that no text matches."""
_LONG = 1_000
"""Characters of an expression."""


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
    header: str | None = None
    """Kind table: what a header line begins with; None where the first line is the header."""
    dates: str | None = None
    """Kind table: what lines begin with that tell the day of the lines below them."""
    writer: str | None = None
    """Kind table: what a line begins with that tells that this format's program wrote the file."""
    separator: str = ","
    quote: str | None = None
    columns: tuple[str, ...] = ()
    """Kind table: names in lower case where no header stands above, for the writer always writes these."""
    names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Kind table: column → alternative names in the header."""
    require: tuple[str, ...] = ()
    continues: str | None = None
    """What a line holds that continues the one above."""
    parts: str | None = None
    """What each part of a message begins with that the program splits before it hands it to syslog."""

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """Its samples, which are read from its file where somebody wants them."""
        return _samples_in(TomlFile.load(self.path, FormatError).data)

    @cached_property
    def likeness(self) -> str:
        """An expression that every line of this format matches, and few others do: whether to try the format at all."""
        if self.is_json:
            return r"^\s*\{"
        if self.needs_header:
            return NEVER
        likeness = re.escape(self.separator) if self.kind == "table" else "|".join(f"(?:{p.likeness})" for p in self.patterns)
        return f"{likeness}|^{re.escape(self.comment)}" if self.comment else likeness

    @cached_property
    def marks(self) -> frozenset[str]:
        """All plain texts that :meth:`may_read` wants to know of."""
        return frozenset(text for p in self.patterns for of in p.marks for text in of).union([self.comment] if self.comment else [])

    def may_read(self, present: Collection[str]) -> bool:
        """Whether a line of this format may stand in a text that holds those of its :attr:`marks` that are ``present``."""
        return self.comment in present or any(all(not of.isdisjoint(present) for of in p.marks) for p in self.patterns)

    @cached_property
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
    def has_entries(self) -> bool:
        """Whether several lines may be one text."""
        return self.continues is not None and self.kind == "regex"

    @property
    def names_programs(self) -> bool:
        """Whether it is an envelope of messages of programs, rather than of lines."""
        return any("program" in {*p.groups, *p.constants, *p.sources} for p in self.patterns)

    @cached_property
    def marks_further_lines(self) -> bool:
        """Whether a line that continues others has a mark, so that hardly any other line is taken for one."""
        return self.has_entries and not pl.Series(["x"]).str.contains(self.continues or "")[0]

    @property
    def continuation(self) -> str:
        """The kind under which lines that continue others are skipped."""
        return f"{self.id}{CONTINUES}"

    @property
    def lacks_year(self) -> bool:
        """Whether a line of this format may carry no year."""
        forms = [f for f in (self.time, *(p.time for p in self.patterns)) if f]
        return any(f.lacks_year for f in forms)


def load_format(path: Path) -> Format:
    """Read one format file. Raises ContentErrors with all its mistakes."""
    return _checked(TomlFile.load(path, FormatError))


def parse_format(text: str, path: Path) -> Format:
    """A format by the text of its file; ``path`` only names it. Raises ContentErrors with all its mistakes."""
    return _checked(TomlFile.parse(text, path, FormatError))


def _checked(document: TomlFile) -> Format:
    checker = Checker(document)
    checker.check()
    if checker.errors:
        raise ContentErrors(checker.errors)
    fmt = build(checker.data, document.path)
    fmt.__dict__["samples"] = _samples_in(document.data, [document.line_of("sample", i) for i in range(len(document.data.get("sample", ())))])
    return fmt


def _samples_in(data: Mapping[str, Any], numbers: Sequence[int] = ()) -> tuple[Sample, ...]:
    """The samples of a file, which stand in the lines ``numbers``, and what must be refused."""
    written = data.get("sample", ())
    numbered = zip(written, numbers or [0] * len(written), strict=True)
    samples = [Sample(s["line"], s.get("expect", {}), s.get("skip"), n, s.get("header")) for s, n in numbered]
    return (*samples, *(Sample(r["line"], None, header=r.get("header")) for r in data.get("refuse", ())))


def build(data: Mapping[str, Any], path: Path) -> Format:
    """A format from what its file says, with fragments spelt out; nothing is checked, and samples are left alone."""
    kind = cast("Kind", data["kind"])
    fields = {name: FieldRule(**{**rule, "nothing": tuple(rule.get("nothing", ()))}) for name, rule in data.get("fields", {}).items()}
    time = _time_form(data)
    patterns = [_build_pattern(p, data) for p in data.get("pattern", ())]
    if kind == "delimited":
        patterns.append(Pattern(_delimited_regex(data)))
    if (kind in ("keyvalue", "json", "table") or data.get("keys")) and not patterns:
        patterns.append(_build_pattern({}, data))
    escapes = data.get("escapes", "")
    if isinstance(escapes, bool):
        escapes = SERVERS_ESCAPES if escapes else ""
    return Format(
        path.stem, data["title"], kind, data["order"], path, tuple(data.get("spec", ())), data.get("table"), tuple(patterns), tuple(data.get("programs", ())),
        time, fields, escapes, data.get("comment"),
        data.get("header"), data.get("dates"), data.get("writer"), data.get("separator", ","), data.get("quote"),
        tuple(c.lower() for c in data.get("columns", ())) if kind == "table" else (),
        tuple((c, _texts(n)) for c, n in data.get("keys", {}).items()) if kind == "table" else (), tuple(data.get("require", ())),
        data.get("continues"), data.get("parts"),
    )  # fmt: skip


def _time_form(holder: Mapping[str, Any]) -> TimeForm | None:
    return TimeForm(tuple(holder["time"]["formats"]), holder["time"].get("zone")) if "time" in holder else None


def _build_pattern(pattern: Mapping[str, Any], data: Mapping[str, Any]) -> Pattern:
    kind = "json" if data["kind"] == "envelope" and "match" not in pattern else data["kind"]
    own = pattern.get("keys", {})
    keys = {**data.get("keys", {}), **own} if "match" not in pattern else own
    # What becomes no event need not hold what an event must.
    require = pattern.get("require", () if EVENTLESS & pattern.keys() else data.get("require", ()))
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
        bare = (
            f"(?P<{name}>{plain})" if not quote else f"(?:{quote}(?P<{name}__q>(?:[^{quote}\\\\]|\\\\.)*){quote}|(?P<{name}>(?:[^{separator}{quote}]{plain})?))"
        )
        columns.append(bare)
    return "^" + separator.join(columns) + (f"(?:{separator}.*)?" if data.get("extra") else "") + "$"
