"""The one engine that reads lines of any format, column-wise.

A format's patterns are tried in order; each takes what it matches from the lines that are left. Matched text becomes
typed columns of an event table. A line ends as an event, as skipped under a named kind, or as rejected with a reason.

Rust's regex engine reads "one-pass" expressions (no choice is ever open at a character) several times faster than
others, as fast as a CSV tokenizer; the first pattern of each format is written that way. Of a pattern that begins with
plain text, only the lines that begin so are tried.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from breachscope.ingest.clients import Network, with_clients
from breachscope.ingest.columns import NULL_TEXTS, canonical_addresses, joined_texts, split_request, split_uri, unescape
from breachscope.ingest.formats import FieldRule, Format, FormatCatalog, Pattern
from breachscope.ingest.headers import Headers, Layout, layout_of
from breachscope.ingest.lines import LEAST_NULS, Lines
from breachscope.ingest.native import Caught, Kind, Wanted, catch, is_built, sort
from breachscope.ingest.onepass import Program, beginning, one_pass
from breachscope.ingest.views import Mask, Offsets, without_texts
from breachscope.schema import EVENT_ID_LINE_FACTOR, EVENT_ID_SOURCE_FACTOR, EVENT_TABLES, Table
from breachscope.timestamps import OUTSIDE, TimeForm, YearTimeline, Zone, parse_times

_POLARS_TYPES: Mapping[pa.DataType, pl.DataType] = {
    pa.string(): pl.String(),
    pa.int16(): pl.Int16(),
    pa.int32(): pl.Int32(),
    pa.int64(): pl.Int64(),
    pa.float64(): pl.Float64(),
    pa.bool_(): pl.Boolean(),
    pa.timestamp("us", tz="UTC"): pl.Datetime("us", "UTC"),
}
_TIME_COLUMNS = ("ts", "ts_offset_min", "ts_quality")
_VERBATIM = ("path", "query", "request", "uri", "time", "text", "message", *_TIME_COLUMNS)
"""Columns in which ``-`` and the empty text mean themselves."""
_ESCAPED = ("path", "query", "request", "uri", "message")
_IS_JSON = "_is_json"
_LARGEST: Mapping[pl.DataType, int] = {pl.Int16(): 2**15 - 1, pl.Int32(): 2**31 - 1, pl.Int64(): 10**18 - 1}
"""Machine code reads numbers up to these; larger ones it leaves out."""
_WIDTH: Mapping[pl.DataType, int] = {pl.Int16(): 2, pl.Int32(): 4, pl.Int64(): 8}
_HIGHEST: Mapping[str, int] = {"status": 999, "client_port": 65535, "src_port": 65535, "dst_port": 65535}
_REPEATED = r"^message repeated (\d+) times?: \[ ?(.*)\]$"
_ANY_TEXT = cast("Program", one_pass("^(?P<text>.*)$"))
_PATTERNS_AT_A_TIME = 64
_FIRST_LINES = 1_000
_PROGRAM_NAME = re.compile(r"[A-Za-z][\w./()-]{0,40}")
_MOST_REPEATS = 10_000
"""Syslog daemons fold identical neighbours, some hundreds at the most; a larger number is the word of whoever wrote the message."""
_FAULT = "_fault"
_TWICE = "key stands twice"
_MARK = "\x1f"
"""Set where a value ends."""
_SPACED_KEY = r"[A-Za-z0-9_.\[\]-]+"
_CODE = re.compile(r"0?x[0-9A-Fa-f]{2}")
_OPEN_QUOTE = "a quote is not closed, or stands inside a value"
UNREAD = "no format reads this line"


@dataclass(frozen=True)
class Context:
    """What reading a line needs to know of its source."""

    source: int
    zone: Zone = field(default_factory=Zone)
    years: YearTimeline | None = None
    headers: Headers = field(default_factory=Headers)
    trusted_proxies: tuple[Network, ...] = ()


@dataclass
class Reading:
    """What became of some lines. ``unread`` (line, text) are those that the format did not recognise."""

    events: list[tuple[str, str, pl.DataFrame]] = field(default_factory=list)
    """(event table, format id, rows)."""
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: list[pl.DataFrame] = field(default_factory=list)
    """Frames of (line, reason)."""
    unread: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"line": pl.Int64, "text": pl.String}))

    @property
    def event_lines(self) -> int:
        return sum(len(rows) for _, _, rows in self.events)

    def reject(self, lines: pl.Series, reason: str) -> None:
        if len(lines):
            self.rejected.append(pl.DataFrame([lines.alias("line"), pl.repeat(reason, len(lines), eager=True).alias("reason")]))

    def refused(self, lines: Lines) -> pl.DataFrame:
        """Those of ``lines`` that became neither event nor skipped."""
        if not any(map(len, self.rejected)):
            return self.unread
        refused = pl.concat([self.unread["line"], *(r["line"] for r in self.rejected)]).unique()
        return lines.frame.filter(pl.col("line").is_in(refused.implode()))

    def add(self, other: Reading) -> None:
        """Add what was found in other lines."""
        self.events += other.events
        self.skipped += other.skipped
        self.rejected += other.rejected
        self.unread = pl.concat([self.unread, other.unread])

    def absorb(self, other: Reading) -> None:
        """Add what another format found in the lines that were refused so far; a line keeps the first reason given for it."""
        self.events += other.events
        self.skipped += other.skipped
        still = pl.concat([other.unread["line"], *(r["line"] for r in other.rejected)])
        reasons = pl.concat([*self.rejected, *other.rejected]) if self.rejected or other.rejected else None
        if reasons is not None:
            reasons = reasons.unique("line", keep="first", maintain_order=True).filter(pl.col("line").is_in(still.implode()))
            self.rejected = [reasons]
            other.unread = other.unread.filter(~pl.col("line").is_in(reasons["line"].implode()))
        self.unread = other.unread

    def skip_continued(self, fmt: Format | None) -> None:
        """Of what no format reads, skip the lines that continue others in a file of this format."""
        if fmt is None or fmt.continues is None or not len(self.unread):
            return
        is_continued = self.unread["text"].str.contains(fmt.continues)
        if is_continued.any():
            self.skipped[f"{fmt.id}: continues the line above"] += int(is_continued.sum())
            self.unread = self.unread.filter(~is_continued)

    def rejects(self) -> pl.DataFrame:
        """(line, reason) of every line that no format read, by line."""
        unread = self.unread.select("line", pl.lit(UNREAD).alias("reason"))
        return pl.concat([unread, *self.rejected]).sort("line")


def read_lines(lines: pl.DataFrame, fmt: Format | None, catalog: FormatCatalog, context: Context) -> Reading:
    """Read (line, text) rows as ``fmt``; a syslog envelope hands its messages on to the formats of their programs.

    Without a format all lines but blank ones are unread.
    """
    reading = Reading()
    blank = lines["text"].str.strip_chars() == ""
    if blank.any():
        reading.skipped["blank"] += int(blank.sum())
        lines = lines.filter(~blank)
    if fmt is not None and fmt.comment:
        comments = lines["text"].str.starts_with(fmt.comment)
        if comments.any():
            reading.skipped["comment"] += int(comments.sum())
            lines = lines.filter(~comments)
    is_broken = lines["text"].str.contains("\0" * LEAST_NULS, literal=True)
    if is_broken.any():
        reading.reject(lines["line"].filter(is_broken), "NUL bytes within the line: the records before and after them have run together")
        lines = lines.filter(~is_broken)
    if fmt is None:
        reading.unread = lines
    elif fmt.kind == "table":
        _read_table(lines, fmt, catalog, context, reading)
    elif fmt.is_json:
        _read_json(lines, fmt, catalog, context, reading)
    elif fmt.kind == "envelope":
        _read_syslog(lines, fmt, catalog, context, reading)
    else:
        reading.unread = _read_patterns(lines, fmt, context, reading)
    return reading


def read_block(lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context) -> Reading:
    """As :func:`read_lines`, for the lines of a whole block: those that can be are read by machine code."""
    reading = Reading()
    left = np.arange(len(lines))
    if is_built() and lines.places is not None and not (fmt.comment or fmt.is_json):
        texts = _Texts(lines.data, *lines.places, is_ascii=lines.seen.is_ascii)
        if fmt.kind == "regex" and not fmt.lacks_year:
            left, _ = _read_at_once(texts, left, lines.numbers(left), fmt, fmt.patterns[0], context, reading)
        elif fmt.kind == "envelope":
            left = _read_envelopes_at_once(texts, lines, fmt, catalog, context, reading)
    if len(left):
        reading.add(read_lines(lines.frame if len(left) == len(lines) else lines.take(left), fmt, catalog, context))
    return reading


@dataclass(frozen=True)
class _Texts:
    """Texts where they stand in a block of UTF-8."""

    data: bytes
    starts: Offsets
    ends: Offsets
    is_ascii: bool

    def caught(self, rows: Offsets, program: Program, wanted: Sequence[Wanted]) -> Caught:
        """What a program catches in some of them."""
        return catch(self.data, self.starts[rows], self.ends[rows], program, wanted)

    @cached_property
    def strings(self) -> pl.Series:
        """All of them as text."""
        return catch(self.data, self.starts, self.ends, _ANY_TEXT, [Wanted("text", Kind.TEXT)]).columns["text"]

    def numbered(self, rows: Offsets) -> pl.DataFrame:
        """Columns row and text of some of them."""
        return pl.DataFrame([pl.Series("row", rows), self.strings[pl.Series(rows)]])

    def begin_as(self, rows: Offsets, patterns: Sequence[Pattern]) -> npt.NDArray[np.uint64]:
        """Which of up to 64 patterns' expressions demand a beginning that some texts have, as bits from the first on."""
        demanded = [beginning(p.regex or "") if self.is_ascii else _plain_text(p.prefix) for p in patterns]
        return sort(self.data, self.starts[rows], self.ends[rows], demanded)

    def is_sure(self, program: Program) -> bool:
        """Whether a text that the program refuses is one that its expression does not match."""
        return program.is_exact and self.is_ascii


def _read_at_once(
    texts: _Texts, rows: Offsets, lines: pl.Series, fmt: Format, pattern: Pattern, context: Context, reading: Reading, envelopes: pl.DataFrame | None = None
) -> tuple[Offsets, bool]:  # fmt: skip
    """Read by machine code what a pattern matches in the texts of ``rows``, which stand in ``lines``, behind ``envelopes`` where they are messages.

    Returns the rows that are left, and whether it is sure that the pattern matches none of these.
    """
    program = _program(pattern, fmt)
    if program is None or (envelopes is not None and "time" in program.groups):
        return rows, False
    wanted = [] if pattern.skip else _wanted(pattern, fmt)
    caught = texts.caught(rows, program, wanted)
    matched = caught.texts
    if pattern.contains and len(matched) and not texts.numbered(rows[matched])["text"].str.contains(pattern.contains, literal=True).all():
        return rows, False
    is_left = np.ones(len(rows), bool)
    is_left[matched] = False
    if pattern.skip:
        reading.skipped[pattern.skip] += len(matched)
    elif len(matched):
        table = EVENT_TABLES[pattern.table or fmt.table or ""]
        ready = {w.group: caught.columns[w.group] for w in wanted if w.group in table and w.kind not in (Kind.TEXT, Kind.RUN)}
        parts = [_Part(caught.columns[name].to_frame(), run_of) for name, run_of in caught.runs.items()]
        parts.append(_Part(pl.DataFrame([s for name, s in caught.columns.items() if name not in ready and name not in caught.runs])))
        if envelopes is not None:
            around = envelopes[pl.Series(rows[matched])]
            parts.insert(0, _Part(around.select(c for c in around.columns if c not in caught.columns)))
        _to_events(lines[pl.Series(matched)] if len(matched) < len(lines) else lines, parts, fmt, pattern, context, reading, ready)
    return rows[is_left], texts.is_sure(program)


def _program(pattern: Pattern, fmt: Format) -> Program | None:
    """The tables of a pattern that machine code can read."""
    if pattern.regex is None or pattern.keys or pattern.conditions or pattern.refuse:
        return None
    # Escapes are undone with the rows at hand: lines that have some are left to those who do.
    program = one_pass(pattern.regex, without="\\" if fmt.escapes else "")
    return None if program is None or any(g.endswith("__q") for g in program.groups) else program


def _read_envelopes_at_once(texts: _Texts, lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading) -> Offsets:
    """Read envelopes, and their messages as far as possible, by machine code; return the rows that are left."""
    left = np.arange(len(lines))
    for pattern in fmt.patterns:
        program = _program(pattern, fmt)
        form = pattern.time or fmt.time
        if program is None or pattern.contains or pattern.skip or form is None or not {"head", "time", "program"} <= set(program.groups):
            break
        kept = {g: Kind.PLACE if g == "head" else Kind.RUN if g == "time" else Kind.TEXT for g in program.groups}
        caught = texts.caught(left, program, [Wanted(g, kind) for g, kind in kept.items()])
        rows = left[caught.texts]
        if len(rows):
            messages = _Texts(texts.data, caught.places["head"][:, 1].copy(), texts.ends[rows], is_ascii=texts.is_ascii)
            envelopes = _envelopes(lines.numbers(rows), caught, form, context)
            is_plain = np.ones(len(rows), bool) if envelopes is not None else np.zeros(len(rows), bool)
            is_plain[messages.caught(np.arange(len(rows)), _plain_text("message repeated "), []).texts] = False
            if envelopes is not None and is_plain.any():
                is_plain &= envelopes["ts"].is_not_null().to_numpy()
                _read_messages_at_once(messages, np.flatnonzero(is_plain), envelopes, catalog, context, reading)
            is_left = np.ones(len(lines), bool)
            is_left[rows[is_plain]] = False
            left = left[is_left[left]]
        if not texts.is_sure(program):
            break
    return left


def _envelopes(lines: pl.Series, caught: Caught, form: TimeForm, context: Context) -> pl.DataFrame | None:
    """What envelopes say beside their messages; None where the years of the lines differ."""
    times, run_of = caught.columns["time"], caught.runs["time"]
    years = None
    if context.years is not None and form.lacks_year:
        years = context.years.at(lines.to_numpy())
        if years.min() != years.max():
            return None
        years = years[: len(times)]
    stamped = parse_times(times, form, context.zone, years)[pl.Series(run_of)]
    return pl.DataFrame([lines, *stamped.get_columns(), *(s for name, s in caught.columns.items() if name != "time")])


def _read_messages_at_once(
    messages: _Texts, rows: Offsets, envelopes: pl.DataFrame, catalog: FormatCatalog, context: Context, reading: Reading
) -> None:  # fmt: skip
    """As :func:`_read_messages`, of messages whose times are read already and that tell of nothing repeated."""
    programs = envelopes["program"]
    present = set(programs.unique().to_list())
    for fmt in catalog.messages_of(present):
        mine, others = rows, rows[:0]
        if "*" not in fmt.programs and not present <= set(fmt.programs):
            is_mine = programs[pl.Series(rows)].is_in(list(fmt.programs)).to_numpy()
            mine, others = rows[is_mine], rows[~is_mine]
        for begin in range(0, len(fmt.patterns), _PATTERNS_AT_A_TIME):
            patterns = fmt.patterns[begin : begin + _PATTERNS_AT_A_TIME]
            may_match = messages.begin_as(mine, patterns)
            is_left = np.ones(len(mine), bool)
            for number, pattern in enumerate(patterns):
                at = np.flatnonzero((may_match >> np.uint64(number) & np.uint64(1)).astype(bool) & is_left)
                if len(at):
                    unread = _read_messages_as(messages, mine[at], fmt, pattern, envelopes, context, reading)
                    is_left[at] = np.isin(mine[at], unread, assume_unique=True)
            mine = mine[is_left]
        rows = np.sort(np.concatenate([others, mine])) if len(others) else mine
        if not len(rows):
            break
    _leave(envelopes[pl.Series(rows)], catalog, reading)


def _read_messages_as(
    messages: _Texts, rows: Offsets, fmt: Format, pattern: Pattern, envelopes: pl.DataFrame, context: Context, reading: Reading
) -> Offsets:  # fmt: skip
    """Read what a pattern matches, by machine code and, where that cannot tell, by the expression; return the rows that are left."""
    left, is_sure = _read_at_once(messages, rows, envelopes["line"][pl.Series(rows)], fmt, pattern, context, reading, envelopes)
    if is_sure or not len(left):
        return left
    return _read_pattern(messages.numbered(left), fmt, pattern, context, reading, envelopes)["row"].to_numpy()


@cache
def _plain_text(text: str) -> Program:
    """A program that matches what begins with ``text``."""
    return cast("Program", one_pass(f"^{re.escape(text)}"))


def _wanted(pattern: Pattern, fmt: Format) -> list[Wanted]:
    """What is to be made of the groups of a pattern: their columns, where these need nothing but the text, else the text."""
    table = EVENT_TABLES[pattern.table or fmt.table or ""]
    special = {*fmt.fields, *(rule.origin for rule in fmt.fields.values()), *_VERBATIM, "duration_ms"}
    wanted = []
    for group in pattern.groups:
        dtype = _POLARS_TYPES[table[group].type] if group in table and group not in special else None
        if group == "time":
            wanted.append(Wanted(group, Kind.RUN))
        elif dtype is not None and dtype in _LARGEST:
            wanted.append(Wanted(group, Kind.NUMBER, min(_LARGEST[dtype], _HIGHEST.get(group, _LARGEST[dtype])), _WIDTH[dtype]))
        elif dtype == pl.String:
            wanted.append(Wanted(group, Kind.ADDRESS if group.endswith("_ip") else Kind.TOLD))
        elif not group.startswith("_"):
            wanted.append(Wanted(group, Kind.TEXT))
    return wanted


def _read_patterns(lines: pl.DataFrame, fmt: Format, context: Context, reading: Reading, ready: pl.DataFrame | None = None) -> pl.DataFrame:
    """Read what the patterns of ``fmt`` match; return the rest. Columns that are ready already stand in ``ready``, at the index ``row``."""
    for pattern in fmt.patterns:
        if not len(lines):
            break
        lines = _read_pattern(lines, fmt, pattern, context, reading, ready)
    return lines


def _read_pattern(lines: pl.DataFrame, fmt: Format, pattern: Pattern, context: Context, reading: Reading, ready: pl.DataFrame | None) -> pl.DataFrame:
    matched, rest = _match(lines, pattern)
    if len(matched) and not _is_eventless(matched, pattern, reading):
        if ready is not None:
            matched = matched.hstack([c for c in ready[matched["row"]].get_columns() if c.name not in matched.columns])
        matched = _without_faulty(matched, reading)
        _to_events(matched["line"], [_Part(matched)], fmt, pattern, context, reading)
    return rest


def _is_eventless(matched: pl.DataFrame, pattern: Pattern, reading: Reading) -> bool:
    """Whether the pattern's lines become no events; then they are skipped or rejected, as it says."""
    if pattern.skip:
        reading.skipped[pattern.skip] += len(matched)
    elif pattern.refuse:
        reading.reject(matched["line"], pattern.refuse)
    return bool(pattern.skip or pattern.refuse)


def _without_faulty(matched: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Reject the rows whose pairs can be read in two ways."""
    if _FAULT not in matched.columns:
        return matched
    for reason in (_OPEN_QUOTE, _TWICE):
        reading.reject(matched["line"].filter((matched[_FAULT] == reason).fill_null(value=False)), reason)
    return matched.filter(pl.col(_FAULT).is_null()).drop(_FAULT)


def _match(lines: pl.DataFrame, pattern: Pattern) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that the pattern matches, with its groups and keys as columns, and the rows that it does not."""
    if pattern.regex is None:
        return _match_keys(lines, pattern)
    if not (pattern.prefix or pattern.contains):
        return _match_regex(lines, pattern)
    may_match = lines["text"].str.starts_with(pattern.prefix)
    if pattern.contains:
        may_match &= lines["text"].str.contains(pattern.contains, literal=True)
    if may_match.all():
        return _match_regex(lines, pattern)
    matched, further = _match_regex(lines.filter(may_match), pattern)
    rest = lines.filter(~may_match)
    return matched, pl.concat([rest, further]) if len(further) else rest


def _match_regex(lines: pl.DataFrame, pattern: Pattern) -> tuple[pl.DataFrame, pl.DataFrame]:
    if not len(lines):
        return lines, lines
    groups, is_match = _caught(lines["text"], pattern.regex or "")
    if is_match is None:
        matched, rest = lines.hstack(_named(groups, lines.columns, pattern.conditions)), lines.clear()
    else:
        rest = lines.filter(~is_match)
        if len(rest) == len(lines):
            return lines.clear(), lines
        matched = lines.hstack(_named(groups, lines.columns, pattern.conditions)).filter(is_match)
    if pattern.keys:
        matched = _with_pairs(matched, pattern)
    if pattern.conditions:
        has = _has(matched, pattern)
        rest = pl.concat([rest, matched.filter(~has).select(lines.columns)])
        matched = matched.filter(has)
    return matched, rest


def _caught(texts: pl.Series, regex: str) -> tuple[pl.DataFrame, Mask | None]:
    """What the groups of an expression catch in each text, and which texts it matches; None when that is all."""
    if "(?P<" not in regex:
        is_match = texts.str.contains(regex).to_numpy()
        return pl.DataFrame(), None if is_match.all() else is_match
    groups = texts.str.extract_groups(regex).struct.unnest()
    # An unmatched text has null in every group, a matched one in groups that took no part.
    if not groups[:, 0].null_count():
        return groups, None
    is_match = groups.select_seq(pl.any_horizontal(pl.all().is_not_null()))[:, 0].to_numpy().copy()
    unsure = np.flatnonzero(~is_match)
    is_match[unsure] = texts[unsure].str.contains(regex).to_numpy()
    return groups, None if is_match.all() else is_match


def _named(groups: pl.DataFrame, taken: Collection[str] = (), kept: Collection[str] = ()) -> list[pl.Series]:
    """Group columns by name: dropped where taken, or named ``_…`` and not kept; joined where a column was caught quoted or bare."""
    named = [groups[c] for c in groups.columns if (not c.startswith("_") or c in kept) and not c.endswith("__q")]
    quoted = {c.removesuffix("__q"): groups[c] for c in groups.columns if c.endswith("__q")}
    joined = [pl.select(pl.coalesce(quoted[s.name], s).alias(s.name))[:, 0] if s.name in quoted else s for s in named]
    return [s for s in joined if s.name not in taken]


def _match_keys(lines: pl.DataFrame, pattern: Pattern) -> tuple[pl.DataFrame, pl.DataFrame]:
    values = pl.DataFrame(_key_values(lines["text"], pattern))
    is_match = _has(values, pattern)
    matched = lines.filter(is_match)
    return matched.hstack(values.filter(is_match).get_columns()), lines.filter(~is_match)


def _with_pairs(matched: pl.DataFrame, pattern: Pattern) -> pl.DataFrame:
    """Add the columns that key=value pairs give; what a group caught counts where its key says nothing."""
    texts = matched["pairs" if "pairs" in matched.columns else "text"]
    columns = _key_values(texts, pattern, matched["separator"] if "separator" in matched.columns else None)
    joined = [pl.select(pl.coalesce(without_texts(c, NULL_TEXTS), matched[c.name]).alias(c.name))[:, 0] if c.name in matched.columns else c for c in columns]
    return matched.drop("pairs", "separator", strict=False).with_columns(joined)


def _key_values(texts: pl.Series, pattern: Pattern, separators: pl.Series | None = None) -> list[pl.Series]:
    """Columns that pairs give, and the further one ``_fault`` where some line can be read in two ways."""
    names = sorted({key for alternatives in pattern.keys.values() for key in alternatives})
    found, fault = _spaced_values(texts, names, separators) if pattern.spaced else _quoted_values(texts, names, pattern.separator)
    columns = []
    for column, alternatives in pattern.keys.items():
        told = [found[key] if len(alternatives) == 1 else without_texts(found[key], NULL_TEXTS) for key in alternatives]
        columns.append(told[0].alias(column) if len(told) == 1 else pl.select(pl.coalesce(told).alias(column))[:, 0])
    return columns if fault is None else [*columns, fault.alias(_FAULT)]


def _spaced_values(texts: pl.Series, names: Sequence[str], separators: pl.Series | None) -> tuple[dict[str, pl.Series], pl.Series | None]:
    """Values by key, each up to the next key or, where these are given, up to the separator; and why a line is at fault.

    An empty separator is a tab, or what rsyslog writes for one.
    """
    if separators is None:
        gap, value = r"\s", rf"(.*?)(?:\s+{_SPACED_KEY}=|\s*$)"
    else:
        gap, value = _MARK, f"([^{_MARK}]*)"
        is_relayed = (separators == "") & texts.str.contains("#011", literal=True) & ~texts.str.contains("\t", literal=True)
        separators = separators.set(is_relayed.fill_null(value=False), "#011")
        texts = texts.str.replace_all(_MARK, "\ufffd", literal=True)
        for written in separators.drop_nulls().unique(maintain_order=True).to_list():
            is_so = separators == written
            separator = chr(int(written.partition("x")[2], 16)) if _CODE.fullmatch(written) else written or "\t"
            texts = texts.scatter(is_so.arg_true(), texts.filter(is_so).str.replace_all(separator, _MARK, literal=True))
    found = {key: texts.str.extract(rf"(?s)(?:^|{gap}){re.escape(key)}={value}") for key in names}
    if separators is None:
        found = {key: values.str.strip_chars_start() for key, values in found.items()}
    pairs = texts.str.count_matches(rf"(?:^|{gap})(?:{'|'.join(map(re.escape, names))})=")
    is_double = pairs > pl.DataFrame([v.is_not_null().cast(pl.UInt32).alias(k) for k, v in found.items()]).sum_horizontal()
    return found, pl.select(pl.when(is_double).then(pl.lit(_TWICE)))[:, 0] if is_double.any() else None


def _quoted_values(texts: pl.Series, keys: Sequence[str], separator: str) -> tuple[dict[str, pl.Series], pl.Series | None]:
    """Values of ``key=value`` or ``key="value"`` pairs, set apart by white space or the characters of ``separator``; and why a line is at fault.

    Whoever writes a value must not choose another one. So pairs inside quotes are passed over, and at fault is a line
    that can be read in two ways: a key stands twice outside quotes, a quote is not closed, or one begins or ends inside
    a value.
    """
    names = "|".join(map(re.escape, keys))
    gap = rf"\s{re.escape(separator)}"
    quoted = r'"(?:[^"\\]|\\.)*"'
    is_quoted = texts.str.contains('"', literal=True)
    is_told = texts.str.contains(rf'^(?:[{gap}]|(?:[^{gap}"]+|(?:[^{gap}"=]+=)?{quoted}[\]),;:.]*)(?:[{gap}]|$))*$') | ~is_quoted
    # Most lines hold no key inside quotes; there the plain, fast expression does.
    is_forged = is_quoted & texts.str.contains(rf'[{gap}=]"(?:[^"\\]|\\.)*[{gap}](?:{names})=')
    has_forged = bool(is_forged.any())
    found = {}
    for key in keys:
        pair = rf'{re.escape(key)}=(?:"((?:[^"\\]|\\.)*)"|([^{gap}"]*))'
        values = _first_group(texts, rf"(?:^|[{gap}]){pair}")
        if has_forged:
            careful = _first_group(texts.filter(is_forged), rf'^(?:(?:[^"]|{quoted})*?[{gap}])??{pair}')
            values = values.clone().scatter(is_forged.arg_true(), careful)
        found[key] = values
    bare = texts
    if has_forged:
        bare = texts.clone().scatter(is_forged.arg_true(), texts.filter(is_forged).str.replace_all(quoted, '""'))
    pairs = bare.str.count_matches(rf"(?:^|[{gap}])(?:{names})=")
    different = pl.DataFrame([v.is_not_null().cast(pl.UInt32).alias(k) for k, v in found.items()]).sum_horizontal()
    is_double = pairs > different
    if is_told.all() and not is_double.any():
        return found, None
    return found, pl.select(pl.when(~is_told).then(pl.lit(_OPEN_QUOTE)).when(is_double).then(pl.lit(_TWICE)))[:, 0]


def _first_group(texts: pl.Series, regex: str) -> pl.Series:
    groups = texts.str.extract_groups(regex).struct.unnest()
    return groups.select(pl.coalesce(pl.all()))[:, 0]


def _read_table(lines: pl.DataFrame, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading) -> None:
    """Read the lines under each header by its columns; a header of line 1 is skipped."""
    if fmt.header is None:
        is_header = lines["line"].is_in(context.headers.lines)
        if is_header.any():
            reading.skipped["header"] += int(is_header.sum())
            lines = lines.filter(~is_header)
    header_of = context.headers.at(lines["line"].to_numpy())
    unread: list[pl.DataFrame] = []
    for header in np.unique(header_of).tolist():
        under = lines if len(lines) and (header_of == header).all() else lines.filter(header_of == header)
        names = context.headers.names[header] if header >= 0 else fmt.columns
        layout = layout_of(names, fmt.separator, fmt.quote, fmt.names)
        if not set(fmt.require) <= layout.fields.keys():
            unread.append(under)
            continue
        groups, is_caught = _caught(under["text"], layout.regex)
        columns = pl.DataFrame(_fields(pl.DataFrame(_named(groups, kept=groups.columns)), layout, fmt))
        unnamed = [name for name, _ in fmt.names if name.startswith("_") and name not in columns.columns]
        columns = columns.with_columns([pl.lit(None, pl.String).alias(name) for name in unnamed])  # asked by patterns, not in this header
        if is_caught is not None:
            unread.append(under.filter(~is_caught))
            under, columns = under.filter(is_caught), columns.filter(is_caught)
        for pattern in fmt.patterns:
            is_left = _take(under, columns, fmt, pattern, catalog, context, reading)
            under, columns = under.filter(is_left), columns.filter(is_left)
        unread.append(under)
    reading.unread = pl.concat([reading.unread, *unread]).sort("line")


def _fields(caught: pl.DataFrame, layout: Layout, fmt: Format) -> list[pl.Series]:
    """Fields from the columns that make them; the first alternative that says something counts."""
    if fmt.quote is not None:
        caught = caught.select(pl.all().str.replace_all(fmt.quote * 2, fmt.quote, literal=True))
    told = {c: without_texts(caught[c], NULL_TEXTS) for c in caught.columns}
    made = []
    for field_name, alternatives in layout.fields.items():
        joined = [pl.concat_str([pl.lit(told[f"_{n}"]) for n in columns], separator=" ") for columns in alternatives]
        made.append(pl.select(pl.coalesce(joined).alias(field_name))[:, 0])
    return made


def _read_json(lines: pl.DataFrame, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading) -> None:
    """Read JSON lines by path. DuckDB's reader takes any scalar as text, tells JSON null from "null", and survives bad lines.

    Of a key that stands twice the first value counts; objects and arrays are taken as their JSON text.
    """
    is_object = lines["text"].str.contains(r"^\s*\{")
    if not is_object.all():
        reading.unread, lines = lines.filter(~is_object), lines.filter(is_object)
    if not len(lines):
        return
    values = _json_values(lines["text"], fmt)
    # nginx without escape=json writes \xHH, which is no JSON escape.
    is_repairable = values[_IS_JSON].is_null() & lines["text"].str.contains(r"\x", literal=True)
    if is_repairable.any():
        repaired = _json_values(lines["text"].filter(is_repairable).str.replace_all(r"\x", r"\\x", literal=True), fmt)
        at = is_repairable.arg_true()
        values = values.with_columns([values[c].scatter(at, unescape(repaired[c]) if repaired[c].dtype == pl.String else repaired[c]) for c in values.columns])
    is_json = values[_IS_JSON].is_not_null()
    reading.unread = pl.concat([reading.unread, lines.filter(~is_json)])
    lines, values = lines.filter(is_json), values.filter(is_json)
    for pattern in fmt.patterns:
        if not len(lines):
            break
        read = values.select(pl.col("|".join(paths)).alias(column) for column, paths in pattern.paths.items())
        is_left = _take(lines, read, fmt, pattern, catalog, context, reading)
        lines, values = lines.filter(is_left), values.filter(is_left)
    reading.unread = pl.concat([reading.unread, lines]).sort("line")


def _take(
    lines: pl.DataFrame, read: pl.DataFrame, fmt: Format, pattern: Pattern, catalog: FormatCatalog, context: Context, reading: Reading
) -> pl.Series:  # fmt: skip
    """Make events of the lines that are where the pattern says and have what it requires; return which lines are left for others."""
    is_where = _is_where(read, pattern)
    is_match = _has(read, pattern)
    for key, regex in pattern.within.items():
        groups, is_caught = _caught(read[key].fill_null(""), regex)
        read = read.hstack(_named(groups, read.columns))
        is_match &= read[key].is_not_null() & (True if is_caught is None else pl.Series(is_caught))
    matched = lines.filter(is_match).hstack(read.filter(is_match).get_columns())
    if not len(matched) or _is_eventless(matched, pattern, reading):
        pass
    elif fmt.is_envelope:
        _read_envelopes(matched, fmt, pattern, catalog, context, reading)
    else:
        _to_events(matched["line"], [_Part(matched)], fmt, pattern, context, reading)
    if not pattern.conditions:
        return ~is_match
    # A line of the pattern's type that lacks what it must have is for no later pattern to explain away.
    reading.unread = pl.concat([reading.unread, lines.filter(is_where & ~is_match)])
    return ~is_where


def _has(caught: pl.DataFrame, pattern: Pattern) -> pl.Series:
    """Which rows are where the pattern says and have what it requires."""
    has = _is_where(caught, pattern)
    for column in pattern.require:
        has &= caught[column].is_not_null()
    return has


def _is_where(caught: pl.DataFrame, pattern: Pattern) -> pl.Series:
    is_where = pl.Series("where", np.ones(len(caught), bool))
    for column, texts in pattern.where.items():
        is_where &= caught[column].is_not_null() if "*" in texts else caught[column].is_in(texts).fill_null(value=False)
    for column, texts in pattern.unless.items():
        is_where &= caught[column].is_not_null() & ~caught[column].is_in(texts).fill_null(value=True)
    return is_where


def _json_values(texts: pl.Series, fmt: Format) -> pl.DataFrame:
    """What the format's keys hold, by their paths, joined by ``|``; the column :data:`_IS_JSON` is null where a text is not JSON.

    A value that is there but says nothing leaves the word to the next alternative.
    """
    paths: list[str] = []
    columns = []
    wanted_keys = {"|".join(alternatives): alternatives for pattern in fmt.patterns for alternatives in pattern.paths.values()}
    # Every path costs; most alternatives name keys that no line of a log has.
    present = _occurring(texts, {_first_key(path) for alternatives in wanted_keys.values() for path in alternatives})
    for name, alternatives in wanted_keys.items():
        told = []
        for path in alternatives:
            if _first_key(path) in present:
                paths.append(path)
                told.append(f"told(v[{len(paths)}])")
        quoted = name.replace('"', '""')
        columns.append(f'coalesce({", ".join([*told, "NULL::VARCHAR"])}) AS "{quoted}"')
    wanted = ", ".join("'" + p.replace("'", "''") + "'" for p in paths)
    nulls = ", ".join(f"'{text}'" for text in NULL_TEXTS)
    import duckdb  # only JSON needs it

    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("lines", texts.alias("text").to_frame().to_arrow())
        connection.execute(f"CREATE MACRO told(x) AS CASE WHEN x NOT IN ({nulls}) THEN x END")
        extracted = f"SELECT CASE WHEN json_valid(text) THEN json_extract_string(text, [{wanted}]::VARCHAR[]) END AS v FROM lines"
        query = f'SELECT CASE WHEN v IS NOT NULL THEN 1 END AS "{_IS_JSON}", {", ".join(columns)} FROM ({extracted})'
        return pl.DataFrame(pl.from_arrow(connection.sql(query).to_arrow_table()))


def _occurring(texts: pl.Series, wanted: set[str]) -> set[str]:
    """Those of ``wanted`` that stand in one of the texts; most that do stand in the first ones."""
    first = texts.head(_FIRST_LINES)
    found = {text for text in wanted if first.str.contains(text, literal=True).any()}
    others = sorted(wanted - found)
    if others and texts.str.contains_any(others).any():
        found |= {text for text in others if texts.str.contains(text, literal=True).any()}
    return found


def _first_key(path: str) -> str:
    """The outermost key of a JSON path, as a line writes it.

    >>> _first_key("$.request.uri"), _first_key('$."@timestamp"')
    ('"request"', '"@timestamp"')
    """
    quoted = re.match(r'\$\.(?:"([^"]*)"|([^.\[]*))', path)
    return f'"{quoted[1] or quoted[2]}"' if quoted else ""


def _read_syslog(lines: pl.DataFrame, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading) -> None:
    """Read envelopes, then give each program's messages to the formats that claim the program."""
    left = lines
    for pattern in fmt.patterns:
        if not len(left):
            break
        matched, left = _match(left, pattern)
        if len(matched) and not _is_eventless(matched, pattern, reading):
            _read_envelopes(_with_message(matched), fmt, pattern, catalog, context, reading)
    reading.unread = left


def _read_envelopes(
    matched: pl.DataFrame, fmt: Format, pattern: Pattern, catalog: FormatCatalog, context: Context, reading: Reading
) -> None:  # fmt: skip
    if "program" not in matched.columns:
        _read_inner_lines(matched.select("line", pl.col("message").str.strip_chars_end("\r\n").alias("text")), catalog, context, reading)
        return
    form = pattern.time or fmt.time
    if form is None:
        raise AssertionError(f"{fmt.path}: an envelope needs a time")
    _read_messages(_with_times(matched, form, context), catalog, context, reading)


def _read_inner_lines(lines: pl.DataFrame, catalog: FormatCatalog, context: Context, reading: Reading) -> None:
    """Read messages that are lines of their own, each by the first format that does. Of years only the file's lines are asked, so that none may lack it."""
    inner = Reading(unread=lines)
    for fmt in catalog.bare_lines:
        left = inner.unread if not inner.rejected else lines.filter(pl.col("line").is_in(inner.rejects()["line"].implode()))
        if not len(left):
            break
        if not fmt.lacks_year and left["text"].str.contains(fmt.likeness).any():
            inner.absorb(read_lines(left, fmt, catalog, replace(context, years=None, headers=Headers())))
    reading.events += inner.events
    reading.skipped += inner.skipped
    reading.rejected += [*inner.rejected, inner.unread.select("line", pl.lit("no format reads the line inside").alias("reason"))]


def _with_message(envelopes: pl.DataFrame) -> pl.DataFrame:
    """Where a pattern catches all that stands before the message as ``head``, the message is the rest: cheaper than catching both."""
    if "head" not in envelopes.columns:
        return envelopes
    return envelopes.with_columns(pl.col("text").str.strip_prefix(pl.col("head")).alias("message")).drop("head")


def _read_messages(envelopes: pl.DataFrame, catalog: FormatCatalog, context: Context, reading: Reading) -> None:
    for is_bad, reason in _time_faults(envelopes):
        reading.reject(envelopes["line"].filter(is_bad), reason)
    envelopes = envelopes.filter(pl.col("ts").is_not_null()) if envelopes["ts"].null_count() else envelopes
    envelopes = envelopes.drop("text", "time").rename({"message": "text"})
    is_repeated = envelopes["text"].str.starts_with("message repeated ")
    if is_repeated.any():
        repeated = envelopes["text"].str.extract_groups(_REPEATED).struct.unnest()
        repeated.columns = ["times", "inner"]
        times = repeated["times"].cast(pl.Int32, strict=False)
        envelopes = envelopes.with_columns(pl.coalesce(repeated["inner"], pl.col("text")).alias("text"), times.fill_null(1).alias("_repeats"))
        is_untrusted = repeated["times"].is_not_null() & ~times.is_between(1, _MOST_REPEATS).fill_null(value=False)
        reading.reject(envelopes["line"].filter(is_untrusted), f"message repeated 0 or more than {_MOST_REPEATS:,} times")
        envelopes = envelopes.filter(~is_untrusted)
    # Patterns are tried on the text alone; the other columns are fetched for what they match.
    left = envelopes.select("text").with_row_index("row")
    ready = envelopes.drop("text")
    programs = ready["program"]
    present = set(programs.unique().to_list())
    for fmt in catalog.messages_of(present):
        if not len(left):
            break
        mine, others = left, left.clear()
        if "*" not in fmt.programs and not present <= set(fmt.programs):
            is_mine = programs[left["row"]].is_in(list(fmt.programs))
            mine, others = left.filter(is_mine), left.filter(~is_mine)
        left = pl.concat([others, _read_patterns(mine, fmt, context, reading, ready)])
    _leave(ready[left["row"]], catalog, reading)


def _leave(envelopes: pl.DataFrame, catalog: FormatCatalog, reading: Reading) -> None:
    """Messages that no format reads: rejected where a format claims their program, else skipped."""
    unread = envelopes.select("line", "program")
    is_claimed = unread["program"].is_in(sorted(catalog.programs))
    for program in sorted(unread["program"].filter(is_claimed).unique().to_list()):
        reading.reject(unread["line"].filter(unread["program"] == program), f"{program}: a message of unknown kind")
    for program, count in unread["program"].filter(~is_claimed).value_counts().iter_rows():
        reading.skipped[f"program {program}" if _PROGRAM_NAME.fullmatch(program or "") else "other programs"] += count


def _with_times(frame: pl.DataFrame, form: TimeForm, context: Context) -> pl.DataFrame:
    years = context.years.at(frame["line"].to_numpy()) if context.years is not None and form.lacks_year else None
    return frame.hstack(parse_times(frame["time"], form, context.zone, years))


def _with_own_times(frame: pl.DataFrame, form: TimeForm, context: Context) -> pl.DataFrame:
    """Times that messages tell themselves; where one tells none, its envelope's stays."""
    own = _with_times(frame.drop(_TIME_COLUMNS), form, context)
    is_told = without_texts(frame["time"], NULL_TEXTS).is_not_null()
    return own.with_columns([own[c].zip_with(is_told, frame[c]) for c in _TIME_COLUMNS])


@dataclass(frozen=True)
class _Part:
    """Some columns of matched lines as text; ``row_of`` tells which row of ``frame`` each line has, where lines share rows."""

    frame: pl.DataFrame
    row_of: npt.NDArray[np.uint32] | None = None

    def per_line(self, values: Sequence[pl.Series]) -> list[pl.Series]:
        """Values made of the frame's rows, one for each line."""
        if self.row_of is None or not values:
            return list(values)
        return pl.DataFrame(values)[pl.Series(self.row_of)].get_columns()


def _to_events(
    lines: pl.Series, parts: Sequence[_Part], fmt: Format, pattern: Pattern, context: Context, reading: Reading, ready: Mapping[str, pl.Series] = {}
) -> None:  # fmt: skip
    """Turn matched text into rows of an event table, beside columns that are ready; rows whose values cannot be what they should be are rejected."""
    table = EVENT_TABLES[pattern.table or fmt.table or ""]
    columns = dict(ready)
    is_faulty: Mask = np.zeros(len(lines), bool)
    for part in parts:
        values, faults = _values(part.frame, fmt, pattern, table, context)
        columns |= {s.name: s for s in part.per_line(values)}
        for fault, reason in faults:
            is_fault = part.per_line([fault])[0].to_numpy()
            reading.reject(lines.filter(is_fault & ~is_faulty), reason)
            is_faulty |= is_fault
    for name, constant in pattern.constants.items():
        columns[name] = pl.repeat(constant, len(lines), dtype=_POLARS_TYPES[table[name].type], eager=True)
    for part in parts:
        if "attempts" in columns and "_repeats" in part.frame.columns:
            columns["attempts"] = columns["attempts"] * part.frame["_repeats"]
    if "status" in columns and (status := columns["status"]).min() == 0:
        columns["status"] = status.set((status == 0).fill_null(value=False), None)  # no answer was sent
    rows = _assembled(lines, columns, table, fmt.id, context.source)
    if is_faulty.any():
        rows = rows.filter(~is_faulty)
    if "peer_ip" in columns or ("forwarded_for" in columns and context.trusted_proxies):
        rows = with_clients(rows, context.trusted_proxies)
    if len(rows):
        reading.events.append((table.name, fmt.id, rows))


def _time_faults(frame: pl.DataFrame) -> list[tuple[pl.Series, str]]:
    """Rows without a time, by the reason."""
    if not frame["ts"].null_count():
        return []
    is_told, is_outside = frame["time"].is_not_null(), frame["ts_quality"] == OUTSIDE
    is_unread = frame["ts"].is_null() & is_told & ~is_outside
    return [(frame["ts"].is_null() & ~is_told, "no time is written"), (is_outside, "time is not of the years 1970 to 2199"), (is_unread, "time cannot be read")]


def _values(
    frame: pl.DataFrame, fmt: Format, pattern: Pattern, table: Table, context: Context
) -> tuple[list[pl.Series], list[tuple[pl.Series, str]]]:  # fmt: skip
    """Columns of the table as its types, and which rows cannot be so for what reason."""
    faults: list[tuple[pl.Series, str]] = []
    if "time" in frame.columns:
        form = pattern.time or fmt.time
        if form is None:
            raise AssertionError(f"{fmt.path}: no [time]")
        frame = _with_times(frame, form, context) if "ts" not in frame.columns else _with_own_times(frame, form, context)
        faults += _time_faults(frame)
    for name, rule in fmt.fields.items():
        if rule.origin in frame.columns and name not in frame.columns:
            frame = frame.with_columns(pl.col(rule.origin).alias(name))
    written = [c for c, t in frame.schema.items() if t == pl.String and c not in _VERBATIM]
    frame = frame.with_columns([without_texts(frame[c], NULL_TEXTS) for c in written])
    if "service" in table and "service" not in frame.columns and "program" in frame.columns:
        frame = frame.with_columns(pl.col("program").alias("service"))
    if fmt.escapes and "text" in frame.columns:
        frame = _unescaped(frame, [c for c in frame.columns if c in written or c in _ESCAPED], fmt.escapes)
    for whole, split in (("request", split_request), ("uri", split_uri)):
        if whole in frame.columns:
            frame = _with_parts(frame, split(frame[whole]))
    values = [frame[c] for c in _TIME_COLUMNS if c in frame.columns]
    for name in frame.columns:
        if name in table and frame.schema[name] == pl.String and name not in _TIME_COLUMNS:
            value, fault = _typed(frame[name], name, table, fmt.fields.get(name))
            values.append(value)
            if fault is not None:
                faults.append((fault, f"{name} is not {_article(_POLARS_TYPES[table[name].type])}"))
    return values, faults


def _unescaped(frame: pl.DataFrame, columns: Sequence[str], escapes: str) -> pl.DataFrame:
    """Undo the escapes of ``columns`` in the lines that have any."""
    rows = frame["text"].str.contains("\\", literal=True).arg_true()
    if not len(rows):
        return frame
    escaped = [frame[c][rows] for c in columns]
    readable = unescape(pl.concat(escaped), escapes)
    return frame.with_columns([frame[c].scatter(rows, readable[n * len(rows) : (n + 1) * len(rows)]) for n, c in enumerate(columns)])


def _with_parts(frame: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Add the parts of a compound field; what the line also says by itself goes first."""
    return frame.with_columns([pl.coalesce(pl.col(p.name), p).alias(p.name) if p.name in frame.columns else p for p in parts.get_columns()])


def _article(dtype: pl.DataType) -> str:
    return "a whole number in range" if dtype.is_integer() else "a number" if dtype.is_float() else "readable"


def _typed(text: pl.Series, name: str, table: Table, rule: FieldRule | None) -> tuple[pl.Series, pl.Series | None]:
    """Text as its column's type, and which values could not be converted (None when all could)."""
    if rule and rule.lower:
        text = text.str.to_lowercase()
    if rule and rule.map is not None:
        text = text.replace_strict(dict(rule.map), default=None, return_dtype=pl.String)
    if rule and rule.plus:
        text = text.str.replace_all("+", " ", literal=True)
    if rule and rule.joined:
        text = joined_texts(text)
    if rule and rule.doubled:
        text = text.str.replace_all(rule.doubled * 2, rule.doubled, literal=True)
    if rule and (rule.cut or rule.find):
        text = _edited(text, rule)
    dtype = _POLARS_TYPES[table[name].type]
    if dtype == pl.String:
        return (canonical_addresses(text) if name.endswith("_ip") else text).alias(name), None
    if name == "duration_ms":
        text = text.set((text == "-1").fill_null(value=False), None)  # a timer that never ran
        text = _clocked(text, 1 / (rule.scale or 1) if rule else 1.0)
    number = _number(text, dtype, rule.scale if rule else None).alias(name)
    least, most, highest = number.min(), number.max(), _HIGHEST.get(name)
    is_negative = isinstance(least, (int, float)) and least < 0
    is_too_high = highest is not None and isinstance(most, (int, float)) and most > highest
    if number.null_count() == text.null_count() and not is_negative and not is_too_high:
        return number, None
    outside = pl.col("n") < 0 if dtype.is_numeric() else pl.lit(value=False)
    if highest is not None:
        outside |= pl.col("n") > highest
    is_faulty = (pl.col("n").is_null() & pl.col("t").is_not_null()) | outside.fill_null(value=False)
    return number, pl.DataFrame([number.alias("n"), text.alias("t")]).select_seq(is_faulty.alias("f"))["f"]


def _clocked(text: pl.Series, unit: float) -> pl.Series:
    """Durations with those of the form 1:02:03 (hours, minutes, seconds) as numbers of ``unit`` ms."""
    is_clock = text.str.contains(r"^\d{1,6}:[0-5]\d:[0-5]\d$").fill_null(value=False)
    if not is_clock.any():
        return text
    parts = text.filter(is_clock).str.split(":").list.to_struct(fields=["h", "m", "s"]).struct.unnest().cast(pl.Int64)
    told = parts.select(((pl.col("h") * 3600 + pl.col("m") * 60 + pl.col("s")) * 1000 * unit).cast(pl.String))[:, 0]
    return text.scatter(is_clock.arg_true(), told)


def _edited(text: pl.Series, rule: FieldRule) -> pl.Series:
    """Text after ``cut`` and ``find``; the few texts of such a column are edited once each."""
    different = text.drop_nulls().unique()
    edited = different.str.replace(rule.cut, "") if rule.cut else different
    if rule.find is not None:
        found = pl.lit(None, pl.String)
        for value, regex in reversed(list(rule.find.items())):
            found = pl.when(pl.lit(edited).str.contains(f"(?i){regex}")).then(pl.lit(value)).otherwise(found)
        edited = pl.select(found.alias("found"))["found"]
    return text.replace_strict(different, without_texts(edited, NULL_TEXTS), default=None, return_dtype=pl.String)


def _number(text: pl.Series, dtype: pl.DataType, scale: float | None) -> pl.Series:
    """Text as numbers, null where it is none; ``200.0``, as some JSON writers have it, is a whole number."""
    if scale is not None or dtype.is_float():
        number = text.cast(pl.Float64, strict=False) * (scale or 1)
        number = number.set(~number.is_finite().fill_null(value=False), None)
        return (number.round() if dtype.is_integer() else number).cast(dtype, strict=False)
    number = text.cast(dtype, strict=False)
    if number.null_count() > text.null_count():
        whole = text.str.extract(r"^(\d+)\.0+$").cast(dtype, strict=False)
        number = number.zip_with(number.is_not_null(), whole)
    return number


def _assembled(lines: pl.Series, columns: Mapping[str, pl.Series], table: Table, format_id: str, source: int) -> pl.DataFrame:
    """All columns of the table, in its order."""
    made: dict[str, pl.Series | pl.Expr] = {
        "event_id": (lines * EVENT_ID_LINE_FACTOR + source * EVENT_ID_SOURCE_FACTOR).alias("event_id"),
        "source": pl.lit(source, pl.Int32),
        "line": lines,
        "format": pl.lit(format_id),
        **columns,
    }
    return lines.to_frame().select_seq([_column(made.get(c.name), c.name, _POLARS_TYPES[c.type]) for c in table.columns])


def _column(made: pl.Series | pl.Expr | None, name: str, dtype: pl.DataType) -> pl.Expr:
    if made is None:
        return pl.lit(None, dtype).alias(name)
    return (pl.lit(made) if isinstance(made, pl.Series) else made).alias(name)


def sniff(
    lines: pl.DataFrame, catalog: FormatCatalog, candidates: Sequence[Format] = (), head: bytes = b""
) -> tuple[Format | None, float]:  # fmt: skip
    """The format that reads most of the sample, and the share of its lines that it reads; order decides among equals.

    ``head`` is the beginning of the input, where headers stand.
    """
    sample = lines.filter(lines["text"].str.strip_chars() != "")
    best: Format | None = None
    best_share = 0.0
    if not len(sample):
        return None, 0.0
    for fmt in candidates or catalog.whole_lines:
        if not candidates and fmt.kind != "table" and int(sample["text"].str.contains(fmt.likeness).sum()) <= best_share * len(sample):
            continue  # it cannot read more than the best does
        headers = Headers().with_those_of(head, 1, fmt)
        reading = read_lines(sample, fmt, catalog, Context(source=0, headers=headers))
        share = (reading.event_lines + reading.skipped.total()) / len(sample)
        if share > best_share:
            best, best_share = fmt, share
        if share == 1:
            break
    return best, best_share
