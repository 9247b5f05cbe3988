"""Whole blocks of lines: read by machine code where it can tell what the engine would, the rest by the engine."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import takewhile
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from breachscope.ingest.columns import split_request, unescape_rows
from breachscope.ingest.engine import MOST_REPEATS, is_eventless, leave, read_lines, read_pattern, read_patterns, table_fields, take
from breachscope.ingest.events import HIGHEST, POLARS_TYPES, VERBATIM, WITHOUT_ESCAPES, Part, to_events
from breachscope.ingest.formats import JOINED, Format, FormatCatalog, Pattern, joined_parts
from breachscope.ingest.keys import Keys, pairs_as_keys, paths_as_keys
from breachscope.ingest.lines import Lines
from breachscope.ingest.matching import fits_pattern
from breachscope.ingest.native import Caught, Kind, Wanted, catch, is_built, sort, texts_at
from breachscope.ingest.onepass import Program, beginning, demands, one_pass, refuting
from breachscope.ingest.pairs import told
from breachscope.ingest.reading import Context, Reading
from breachscope.ingest.times import read_times
from breachscope.ingest.views import Mask, Offsets
from breachscope.schema import EVENT_TABLES, Table
from breachscope.timestamps import TimeForm

_LARGEST: Mapping[pl.DataType, int] = {pl.Int16(): 2**15 - 1, pl.Int32(): 2**31 - 1, pl.Int64(): 10**18 - 1}
"""Machine code reads numbers up to these; larger ones it leaves out."""
_WIDTH: Mapping[pl.DataType, int] = {pl.Int16(): 2, pl.Int32(): 4, pl.Int64(): 8}
_REPEATED = cast("Program", one_pass(r"^message repeated (?P<times>[0-9]+) times?: \[ (?P<inner>.*)$"))
_PATTERNS_AT_A_TIME = 64
_LEAST_ALIKE, _MOST_ALIKE = 2, 4
"""Patterns that are tried in one go; ``native.c`` has room for as many."""
_SPACES = b" \t\v\f\r\n"
"""Lines that begin so may be blank."""


def read_block(lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context) -> Reading:
    """As :func:`read_lines`, for the lines of a whole block: those that can be are read by machine code."""
    reading = Reading()
    fates = _Fates(len(lines))
    if is_built() and lines.places is not None:
        texts = _Texts(lines.data, *lines.places, is_ascii=lines.seen.is_ascii)
        if fmt.is_json or fmt.kind == "keyvalue":
            _read_keys_at_once(texts, lines, fmt, catalog, context, reading, fates)
        elif fmt.kind == "table":
            _read_table_at_once(texts, lines, fmt, catalog, context, reading, fates)
        elif fmt.kind == "envelope":
            _read_envelopes_at_once(texts, lines, fmt, catalog, context, reading, fates)
        elif not fmt.lacks_year:
            _read_patterns_at_once(texts, lines, fmt, context, reading, fates)
    if fates.is_open.any():
        left = np.flatnonzero(fates.is_open)
        reading.add(read_lines(lines.frame if len(left) == len(lines) else lines.take(left), fmt, catalog, context))
    if fates.is_unread.any():
        reading.unread = pl.concat([reading.unread, lines.take(np.flatnonzero(fates.is_unread))]).sort("line")
    return reading


class _Fates:
    """What is known of the lines of a block: at first all are open."""

    def __init__(self, count: int) -> None:
        self.is_open: Mask = np.ones(count, bool)
        """Which the engine has to read."""
        self.is_unread: Mask = np.zeros(count, bool)
        """Which the format surely does not read."""

    def settle(self, rows: Offsets, unread: Offsets) -> None:
        """Note that machine code read these rows, but found that the format does not read some of them."""
        self.is_open[rows] = False
        self.is_unread[unread] = True


@dataclass(frozen=True)
class _Texts:
    """Texts where they stand in a block of UTF-8."""

    data: bytes
    starts: Offsets
    ends: Offsets
    is_ascii: bool

    def caught(self, rows: Offsets, reader: Program | Keys, wanted: Sequence[Wanted], further: Sequence[Program] = (), escape: str = "") -> Caught:
        """What is caught in some of them."""
        if len(rows) == len(self.starts):
            return catch(self.data, self.starts, self.ends, reader, wanted, further, escape)
        return catch(self.data, self.starts[rows], self.ends[rows], reader, wanted, further, escape)

    def not_blank(self, comment: str | None) -> Offsets:
        """Those that are surely neither blank nor a comment."""
        is_unwanted = np.zeros(256, bool)
        is_unwanted[list(_SPACES + (comment or "").encode()[:1])] = True
        begins = np.minimum(self.starts, len(self.data) - 1)
        return np.flatnonzero((self.ends > self.starts) & ~is_unwanted[np.frombuffer(self.data, np.uint8)[begins]])

    @cached_property
    def strings(self) -> pl.Series:
        """All of them as text."""
        return texts_at(self.data, self.starts, self.ends)

    def numbered(self, rows: Offsets) -> pl.DataFrame:
        """Columns row and text of some of them."""
        return pl.DataFrame([pl.Series("row", rows), self.strings[pl.Series(rows)]])

    def begin_as(self, rows: Offsets, patterns: Sequence[Pattern]) -> npt.NDArray[np.uint64]:
        """Which of up to 64 patterns' expressions demand a beginning that some texts have, as bits from the first on."""
        demanded = [beginning(p.regex or "") if self.is_ascii else _plain_text(p.prefix) for p in patterns]
        return sort(self.data, self.starts[rows], self.ends[rows], demanded)

    @cached_property
    def escaped(self) -> Mask:
        """Which hold a backslash."""
        if b"\\" not in self.data:
            return np.zeros(len(self.starts), bool)
        return self.strings.str.contains("\\", literal=True).to_numpy()

    def are_sure(self, rows: Offsets, program: Program, fmt: Format) -> Mask:
        """Which of some texts the expression does not match if its program, made for this format, refuses them."""
        if not (program.is_exact and self.is_ascii):
            return np.zeros(len(rows), bool)
        return ~self.escaped[rows] if _left_out(fmt) else np.ones(len(rows), bool)


def _read_keys_at_once(texts: _Texts, lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading, fates: _Fates) -> None:
    """Read JSON objects or key=value pairs as far as possible."""
    keys, wanted = _keys_of(fmt)
    if keys is None:
        return
    rows = texts.not_blank(fmt.comment)
    caught = texts.caught(rows, keys, wanted)
    values = [caught.columns[name] if name in caught.columns else told(caught.columns, of).alias(name) for name, of in fmt.sources.items()]
    ready = {w.name for w in wanted if w.kind in (Kind.NUMBER, Kind.ADDRESS)}
    numbers = lines.numbers(rows[caught.texts])
    is_left = take(numbers.to_frame(), pl.DataFrame(values), fmt, catalog, context, reading, ready)
    fates.settle(rows[caught.texts], rows[caught.texts[is_left]])


def _keys_of(fmt: Format) -> tuple[Keys | None, list[Wanted]]:
    """Tables for the keys of a format of kind json or keyvalue, and what is to be made of them: its sources, and what is joined to sources."""
    pattern = fmt.patterns[0]
    parts = {name: [part for joined in alternatives for part in joined_parts(joined)] for name, alternatives in fmt.sources.items()}
    joins = {name for name, alternatives in fmt.sources.items() if len(parts[name]) > len(alternatives)}
    wanted = {part: Wanted(part, Kind.TOLD) for name in fmt.sources if name in joins for part in parts[name]}
    wanted |= {name: _wanted_source(name, of, fmt) for name, of in fmt.sources.items() if name not in joins and name not in wanted}
    names = frozenset(name for w in wanted.values() for name in w.of or (w.name,))
    if fmt.is_json:
        return paths_as_keys(names), list(wanted.values())
    return pairs_as_keys(names, pattern.separator, _left_out(fmt), spaced=pattern.spaced), list(wanted.values())


def _wanted_source(name: str, alternatives: tuple[str, ...], fmt: Format) -> Wanted:
    """What all patterns ask of a source where they ask for one and the same, and do not test it, else its text."""
    uses = [(p, column) for p in fmt.patterns for column, of in p.sources.items() if of == alternatives]
    text = Wanted(name, Kind.TOLD, alternatives)
    if any(column in (*p.conditions, *p.within) for p, column in uses):
        return text
    asked = {_as_column(name, alternatives, column, EVENT_TABLES.get(p.table or fmt.table or ""), _special(fmt)) for p, column in uses}
    return (asked.pop() or text) if len(asked) == 1 else text


def _as_column(name: str, of: tuple[str, ...], column: str, table: Table | None, special: Collection[str]) -> Wanted | None:
    """What is to be made of groups or keys so that it is the column of the table; None where that needs more than their text."""
    if table is None or column not in table or column in special:
        return None
    dtype = POLARS_TYPES[table[column].type]
    if dtype in _LARGEST:
        return Wanted(name, Kind.NUMBER, of, min(_LARGEST[dtype], HIGHEST.get(column, _LARGEST[dtype])), _WIDTH[dtype])
    return Wanted(name, Kind.ADDRESS if column.endswith("_ip") else Kind.TOLD, of) if dtype == pl.String else None


def _special(fmt: Format) -> set[str]:
    """Columns that are made of more than their own text."""
    return {*fmt.fields, *(rule.origin or "" for rule in fmt.fields.values()), *VERBATIM, "duration_ms"}


def _read_table_at_once(texts: _Texts, lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading, fates: _Fates) -> None:
    """Read the lines under each header as far as possible."""
    rows = texts.not_blank(fmt.comment)
    if fmt.header is None and len(context.headers.lines):
        rows = rows[~np.isin(rows + lines.first_line, context.headers.lines)]
    header_of = context.headers.at(rows + lines.first_line)
    for header in np.unique(header_of).tolist():
        under = rows[header_of == header]
        layout = context.headers.layout(header, fmt)
        program = one_pass(layout.plain_regex, without=_left_out(fmt)) if layout else None
        if layout is None or program is None:
            continue
        groups = {f"_{n}": (f"_{n}__q", f"_{n}") if fmt.quote else () for n in layout.columns}
        caught = texts.caught(under, program, [Wanted(name, Kind.TOLD, of) for name, of in groups.items()])
        under = under[caught.texts]
        numbers = lines.numbers(under)
        fields = table_fields(layout.with_dates(list(caught.columns.values()), context.headers.days, numbers), layout, fmt)
        fates.settle(under, under[take(numbers.to_frame(), fields, fmt, catalog, context, reading)])


def _read_patterns_at_once(texts: _Texts, lines: Lines, fmt: Format, context: Context, reading: Reading, fates: _Fates) -> None:
    """Read lines of their own as far as possible."""
    rows = texts.not_blank(fmt.comment)
    if (found := _match_first(texts, rows, fmt)) is not None:
        _as_events(found, lines.numbers(rows), fmt, fmt.patterns[0], context, reading)
        fates.settle(rows[found.texts], rows[:0])
        return
    for pattern in fmt.patterns:
        others, unsure = _read_at_once(texts, rows, lines.numbers(rows), fmt, pattern, context, reading)
        fates.settle(np.setdiff1d(rows, np.concatenate([others, unsure]), assume_unique=True), rows[:0])
        rows = others
        if not len(rows):
            break
    fates.settle(rows, rows)


def _read_at_once(
    texts: _Texts, rows: Offsets, lines: pl.Series, fmt: Format, pattern: Pattern, context: Context, reading: Reading, envelopes: pl.DataFrame | None = None
) -> tuple[Offsets, Offsets]:  # fmt: skip
    """Read by machine code what a pattern matches in the texts of ``rows``, which stand in ``lines``, behind ``envelopes`` where they are messages.

    Returns the rows that the pattern does not match, and those of which that is not known.
    """
    caught = _match(texts, rows, fmt, pattern)
    if caught is None and envelopes is None:
        return _refuted(texts, rows, fmt, pattern)
    if caught is None or (envelopes is not None and "time" in caught.columns):
        return rows[:0], rows
    around = None if envelopes is None else envelopes[pl.Series(rows[caught.texts])]
    _as_events(caught, lines, fmt, pattern, context, reading, around)
    return rows[caught.others], rows[caught.unsure]


def _refuted(texts: _Texts, rows: Offsets, fmt: Format, pattern: Pattern) -> tuple[Offsets, Offsets]:
    """The rows that a pattern surely does not match, though machine code cannot read what it does match, and the others."""
    program = refuting(pattern.regex or "", _left_out(fmt))
    if program is None:
        return rows[:0], rows
    is_out = texts.are_sure(rows, program, fmt)
    is_out[texts.caught(rows, program, []).texts] = False
    return rows[is_out], rows[~is_out]


def _as_events(
    caught: _Match, lines: pl.Series, fmt: Format, pattern: Pattern, context: Context, reading: Reading, around: pl.DataFrame | None = None
) -> None:  # fmt: skip
    """Make events, if it is to make such, of what a pattern caught in some of the lines, and of what stands around it."""
    lines = lines[pl.Series(caught.texts)] if len(caught.texts) < len(lines) else lines
    if not len(lines) or is_eventless(lines, pattern, reading):
        return
    ready = {name: s for name, s in caught.columns.items() if name in caught.ready}
    parts = [Part(caught.columns[name].to_frame(), run_of) for name, run_of in caught.runs.items()]
    parts.append(Part(pl.DataFrame([s for name, s in caught.columns.items() if name not in ready and name not in caught.runs])))
    if around is not None:
        parts.insert(0, Part(around.select(c for c in around.columns if c not in caught.columns)))
    to_events(lines, parts, fmt, pattern, context, reading, ready)


@dataclass(frozen=True)
class _Match:
    """What a pattern catches in some texts, and which of them, by their place, it matches, does not match, or may match."""

    texts: npt.NDArray[np.integer]
    others: Offsets
    unsure: Offsets
    columns: dict[str, pl.Series]
    runs: dict[str, npt.NDArray[np.uint32]]
    ready: frozenset[str]
    """Columns that are as the event table wants them."""
    pairs: Offsets | None = None
    """Where the pairs to be read begin and end in each text that is matched; None where these are whole texts, or there are none."""

    def without(self, is_out: Mask, *, are_sure: bool) -> _Match:
        """Without some of the matched texts, of which it is now sure that they do not match, or unsure."""
        if not is_out.any():
            return self
        out, kept = self.texts[is_out], pl.Series(~is_out)
        columns = {name: s if name in self.runs else s.filter(kept) for name, s in self.columns.items()}
        runs = {name: run_of[~is_out] for name, run_of in self.runs.items()}
        others = np.sort(np.concatenate([self.others, out])) if are_sure else self.others
        unsure = self.unsure if are_sure else np.sort(np.concatenate([self.unsure, out]))
        return _Match(self.texts[~is_out], others, unsure, columns, runs, self.ready, None if self.pairs is None else self.pairs[~is_out])

    def frame(self, names: Collection[str]) -> pl.DataFrame:
        """Some columns, with a row for each text."""
        return pl.DataFrame([self.columns[n][pl.Series(self.runs[n])] if n in self.runs else self.columns[n] for n in names])


def _match(texts: _Texts, rows: Offsets, fmt: Format, pattern: Pattern) -> _Match | None:
    """What a pattern catches in the texts of ``rows``; None where machine code cannot read it."""
    if pattern.spaced and "separator" in pattern.groups:
        return None
    found = _match_expression(texts, rows, fmt, pattern)
    if found is not None and pattern.keys:
        found = _match_pairs(texts, rows, fmt, pattern, found)
    if found is not None and pattern.conditions:
        found = found.without(~fits_pattern(found.frame(_tested(pattern)), pattern).to_numpy(), are_sure=True)
    return found


def _match_expression(texts: _Texts, rows: Offsets, fmt: Format, pattern: Pattern) -> _Match | None:
    program = _program(pattern, fmt)
    if program is None:
        return None
    found = _caught(texts, rows, program, _as_sources(pattern.groups), pattern, fmt, texts.are_sure(rows, program, fmt))
    if pattern.contains and len(found.texts) and not demands(pattern.regex or "", pattern.contains):
        has = texts.numbered(rows[found.texts])["text"].str.contains(pattern.contains, literal=True).to_numpy()
        found = found.without(~has, are_sure=True)
    return found


def _as_sources(groups: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Column → its groups; what was caught in quotes goes first."""
    sources: dict[str, tuple[str, ...]] = {}
    for group in sorted(groups, key=len, reverse=True):
        name = group.removesuffix("__q")
        sources[name] = (*sources.get(name, ()), group)
    return sources


def _match_first(texts: _Texts, rows: Offsets, fmt: Format) -> _Match | None:
    """What the first patterns of a format catch that differ in nothing but their expressions, all in one go; None where there is but one such."""
    programs, groups = _programs_alike(fmt)
    if len(programs) < _LEAST_ALIKE:
        return None
    wanted, ready = _wanted(_as_sources(groups), fmt.patterns[0], fmt, are_keys=False)
    if any(w.kind == Kind.TEXT and w.name not in VERBATIM for w in wanted):
        return None  # words for nothing are known before escapes are undone
    caught = texts.caught(rows, programs[0], wanted, programs[1:], "\\" if fmt.escapes else "")
    return _Match(caught.texts, rows[:0], rows[:0], _with_request(_without_escapes(caught, fmt)), caught.runs, ready)


def _programs_alike(fmt: Format) -> tuple[list[Program], tuple[str, ...]]:
    """The programs of those patterns, and their groups."""
    first = fmt.patterns[0]
    alike = list(takewhile(lambda p: p.regex and replace(p, regex=first.regex) == first, fmt.patterns[:_MOST_ALIKE]))
    groups = tuple(dict.fromkeys(group for pattern in alike for group in pattern.groups))
    programs = takewhile(lambda p: p is not None, (one_pass(p.regex or "", groups=groups) for p in alike))
    is_plain = not (first.contains or first.keys or first.conditions or first.is_eventless)
    return list(filter(None, programs)) if is_plain else [], groups


def _without_escapes(caught: Caught, fmt: Format) -> dict[str, pl.Series]:
    """The columns caught, with their escapes undone in the texts that have some."""
    rows = pl.Series(caught.escaped)
    escaped = [s for s in caught.columns.values() if s.dtype == pl.String and s.name not in WITHOUT_ESCAPES] if len(rows) else []
    return caught.columns | {s.name: unescape_rows(s, rows, fmt.escapes) for s in escaped}


def _with_request(columns: dict[str, pl.Series]) -> dict[str, pl.Series]:
    """The columns with the parts of request lines that were caught whole."""
    if "request" not in columns:
        return columns
    request = columns.pop("request")
    told = request.is_not_null().arg_true()
    for part in split_request(request[told]).get_columns():
        held = columns.get(part.name, pl.repeat(None, len(request), dtype=pl.String, eager=True).alias(part.name))
        columns[part.name] = held.scatter(told, part)
    return columns


def _match_pairs(texts: _Texts, rows: Offsets, fmt: Format, pattern: Pattern, around: _Match) -> _Match | None:
    """The values of pairs, beside what the expression ``around`` them caught."""
    names = frozenset(key for of in pattern.keys.values() for key in of)
    keys = pairs_as_keys(names, pattern.separator, _left_out(fmt), spaced=pattern.spaced)
    if keys is None or any(JOINED in name for name in names) or not around.columns.keys().isdisjoint({"pairs", *pattern.keys}):
        return None
    if around.pairs is None:
        found = _caught(texts, rows[around.texts], keys, pattern.keys, pattern, fmt)
    elif (around.pairs < 0).any():
        return None
    else:
        parts = _Texts(texts.data, around.pairs[:, 0], around.pairs[:, 1], texts.is_ascii)
        found = _caught(parts, np.arange(len(around.texts)), keys, pattern.keys, pattern, fmt)
    is_out = np.ones(len(around.texts), bool)
    is_out[found.texts] = False
    around = around.without(is_out, are_sure=False)
    return replace(around, columns=around.columns | found.columns, runs=around.runs | found.runs, ready=around.ready | found.ready)


def _caught(
    texts: _Texts, rows: Offsets, reader: Program | Keys, sources: Mapping[str, tuple[str, ...]], pattern: Pattern, fmt: Format, are_sure: Mask | None = None
) -> _Match:  # fmt: skip
    """Columns that groups or keys make; ``are_sure`` tells which texts, if they are not matched, surely do not match."""
    wanted, ready = _wanted(sources, pattern, fmt, are_keys=isinstance(reader, Keys))
    caught = texts.caught(rows, reader, wanted)
    is_left = np.ones(len(rows), bool)
    is_left[caught.texts] = False
    are_others = is_left & are_sure if are_sure is not None else np.zeros(len(rows), bool)
    are_others[caught.refused] = False
    others, unsure = np.flatnonzero(are_others), np.flatnonzero(is_left & ~are_others)
    return _Match(caught.texts, others, unsure, caught.columns, caught.runs, ready, caught.places.get("pairs"))


def _left_out(fmt: Format) -> str:
    """What no text may hold: escapes are undone with the rows at hand, so lines that have some are left to those who do."""
    return "\\" if fmt.escapes else ""


def _program(pattern: Pattern, fmt: Format) -> Program | None:
    """The tables of a pattern's expression, if it has such."""
    return one_pass(pattern.regex or "", without=_left_out(fmt))


def _tested(pattern: Pattern) -> list[str]:
    """Groups and keys that decide whether a pattern takes a line."""
    return list(dict.fromkeys((*pattern.conditions, *pattern.require)))


def _wanted(sources: Mapping[str, tuple[str, ...]], pattern: Pattern, fmt: Format, *, are_keys: bool) -> tuple[list[Wanted], frozenset[str]]:
    """What is to be made of groups or keys: columns, where these need nothing but the text, else the text; and which are such columns."""
    table = None if pattern.is_eventless else EVENT_TABLES[pattern.table or fmt.table or ""]
    special = _special(fmt)
    tested = _tested(pattern)
    wanted, ready = [], set()
    for name, of in sources.items():
        column = _as_column(name, of, name, table, special)
        text = Wanted(name, Kind.TOLD if are_keys else Kind.TEXT, of)
        if name in tested:
            wanted.append(text)
        elif name == "pairs" and pattern.keys and not are_keys:
            wanted.append(Wanted(name, Kind.PLACE, of))
        elif table is None or name.startswith("_"):
            continue
        elif name == "time":
            wanted.append(Wanted(name, Kind.RUN, of))
        elif column is not None and not (are_keys and column.kind == Kind.NUMBER):
            wanted.append(column)
            ready.add(name)
        else:
            wanted.append(text)
    return wanted, frozenset(ready)


def _read_envelopes_at_once(texts: _Texts, lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading, fates: _Fates) -> None:
    """Read envelopes, and their messages as far as possible, by machine code."""
    left = np.arange(len(lines))
    for pattern in fmt.patterns:
        program = _program(pattern, fmt)
        form = pattern.time or fmt.time
        if (
            program is None
            or pattern.contains
            or pattern.is_eventless
            or pattern.conditions
            or form is None
            or not {"head", "time", "program"} <= set(program.groups)
        ):
            break
        kept = {g: Kind.PLACE if g == "head" else Kind.RUN if g == "time" else Kind.TEXT for g in program.groups}
        caught = texts.caught(left, program, [Wanted(g, kind) for g, kind in kept.items()])
        rows = left[caught.texts]
        if len(rows):
            messages = _Texts(texts.data, caught.places["head"][:, 1].copy(), texts.ends[rows], is_ascii=texts.is_ascii)
            envelopes = _envelopes(lines.numbers(rows), caught, form, context)
            messages, repeats, is_plain = _unfolded(messages)
            if envelopes is None:
                is_plain[:] = False
            elif (repeats > 1).any():
                envelopes = envelopes.with_columns(pl.Series("_repeats", repeats))
            if envelopes is not None and is_plain.any():
                is_plain &= envelopes["ts"].is_not_null().to_numpy()
                _read_messages_at_once(messages, np.flatnonzero(is_plain), envelopes, catalog, context, reading)
            is_left = np.ones(len(lines), bool)
            is_left[rows[is_plain]] = False
            left = left[is_left[left]]
            fates.settle(rows[is_plain], rows[:0])
        if not texts.are_sure(left, program, fmt).all():
            break


def _unfolded(messages: _Texts) -> tuple[_Texts, npt.NDArray[np.int32], Mask]:
    """The messages with those that stand for several replaced by what is repeated, how often each stands, and for which this is known."""
    is_plain = np.ones(len(messages.starts), bool)
    folded = messages.caught(np.arange(len(is_plain)), _plain_text("message repeated "), []).texts.astype(np.int64)
    repeats = np.ones(len(is_plain), np.int32)
    if not len(folded):
        return messages, repeats, is_plain
    is_plain[folded] = False
    caught = messages.caught(folded, _REPEATED, [Wanted("times", Kind.NUMBER, (), MOST_REPEATS, 4), Wanted("inner", Kind.PLACE)])
    known, times, begins = folded[caught.texts], caught.columns["times"].to_numpy(), caught.places["inner"][:, 0]
    is_whole = (np.frombuffer(messages.data, np.uint8)[messages.ends[known] - 1] == ord("]")) & (begins < messages.ends[known]) & (times > 0)
    starts, ends = messages.starts.copy(), messages.ends.copy()
    known = known[is_whole]
    starts[known], ends[known], repeats[known] = begins[is_whole], ends[known] - 1, times[is_whole]
    is_plain[known] = True
    return _Texts(messages.data, starts, ends, messages.is_ascii), repeats, is_plain


def _envelopes(lines: pl.Series, caught: Caught, form: TimeForm, context: Context) -> pl.DataFrame | None:
    """What envelopes say beside their messages; None where the years of the lines differ."""
    times, run_of = caught.columns["time"], caught.runs["time"]
    years = None
    if context.years is not None and form.lacks_year:
        years = context.years.at(lines.to_numpy())
        if years.min() != years.max():
            return None
        years = years[: len(times)]
    stamped = read_times(times, form, context.zone, years)[pl.Series(run_of)]
    return pl.DataFrame([lines, *stamped.get_columns(), *(s for name, s in caught.columns.items() if name != "time")])


def _read_messages_at_once(
    messages: _Texts, rows: Offsets, envelopes: pl.DataFrame, catalog: FormatCatalog, context: Context, reading: Reading
) -> None:  # fmt: skip
    """As :func:`read_messages`, of messages whose times are read already and that tell of nothing repeated."""
    programs = envelopes["program"]
    present = set(programs.unique().to_list())
    for fmt in catalog.messages_of(present):
        mine, others = rows, rows[:0]
        if "*" not in fmt.programs and not present <= set(fmt.programs):
            is_mine = programs[pl.Series(rows)].is_in(list(fmt.programs)).to_numpy()
            mine, others = rows[is_mine], rows[~is_mine]
        if fmt.kind == "keyvalue":
            mine = read_patterns(messages.numbered(mine), fmt, catalog, context, reading, envelopes)["row"].to_numpy()
        expressions = fmt.patterns if fmt.kind != "keyvalue" else ()
        for begin in range(0, len(expressions), _PATTERNS_AT_A_TIME):
            patterns = expressions[begin : begin + _PATTERNS_AT_A_TIME]
            may_match = messages.begin_as(mine, patterns)
            begun = int(np.bitwise_or.reduce(may_match))
            is_left = np.ones(len(mine), bool)
            for number, pattern in enumerate(patterns):
                if not begun >> number & 1:
                    continue
                at = np.flatnonzero((may_match & np.uint64(1 << number) != 0) & is_left)
                if len(at):
                    unread = _read_messages_as(messages, mine[at], fmt, pattern, envelopes, context, reading)
                    is_left[at] = np.isin(mine[at], unread, assume_unique=True)
            mine = mine[is_left]
        rows = np.sort(np.concatenate([others, mine])) if len(others) else mine
        if not len(rows):
            break
    if len(rows):
        leave(envelopes[pl.Series(rows)], messages.numbered(rows)["text"], catalog, context, reading)


def _read_messages_as(
    messages: _Texts, rows: Offsets, fmt: Format, pattern: Pattern, envelopes: pl.DataFrame, context: Context, reading: Reading
) -> Offsets:  # fmt: skip
    """Read what a pattern matches, by machine code and, where that cannot tell, by the expression; return the rows that are left."""
    left, unsure = _read_at_once(messages, rows, envelopes["line"][pl.Series(rows)], fmt, pattern, context, reading, envelopes)
    if not len(unsure):
        return left
    return np.concatenate([left, read_pattern(messages.numbered(unsure), fmt, pattern, context, reading, envelopes)["row"].to_numpy()])


@cache
def _plain_text(text: str) -> Program:
    """A program that matches what begins with ``text``."""
    return cast("Program", one_pass(f"^{re.escape(text)}"))
