"""Which texts of a block a pattern matches, and what it catches there, found by machine code.

What :mod:`breachscope.ingest.matching` does with any lines is done here with the bytes as they stand, in the texts of which
machine code can tell what the expression would catch.
"""

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

from breachscope.ingest.columns import split_request
from breachscope.ingest.escapes import unescape_rows
from breachscope.ingest.events import HIGHEST, POLARS_TYPES, VERBATIM, WITHOUT_ESCAPES
from breachscope.ingest.expressions import demands
from breachscope.ingest.formats import JOINED, Format, Pattern, joined_parts
from breachscope.ingest.keys import Keys, pairs_as_keys, paths_as_keys
from breachscope.ingest.matching import fits_pattern
from breachscope.ingest.native import UNNAMED, Caught, Kind, Wanted, catch, sort, texts_at
from breachscope.ingest.onepass import Program, beginning, one_pass, refuting
from breachscope.ingest.pairs import separator_of
from breachscope.ingest.views import Mask, Offsets
from breachscope.schema import EVENT_TABLES, Table

_LARGEST: Mapping[pl.DataType, int] = {pl.Int16(): 2**15 - 1, pl.Int32(): 2**31 - 1, pl.Int64(): 10**18 - 1}
"""Machine code reads numbers up to these; larger ones it leaves out."""
_WIDTH: Mapping[pl.DataType, int] = {pl.Int16(): 2, pl.Int32(): 4, pl.Int64(): 8}
_UNKNOWN = 1 << 8
"""What sets pairs apart where machine code does not know it: it is no character of ASCII."""
_FEW_TEXTS = 64
"""So many tell what the others are like."""
_LEAST_ALIKE, _MOST_ALIKE = 2, 4
"""Patterns that are tried in one go; ``native.c`` has room for as many."""


@dataclass(frozen=True)
class Texts:
    """Texts where they stand in a block of UTF-8."""

    data: bytes
    starts: Offsets
    ends: Offsets
    is_ascii: bool

    def caught(
        self, rows: Offsets, reader: Program | Keys, wanted: Sequence[Wanted], further: Sequence[Program] = (), escape: str = "",
        separators: npt.NDArray[np.int16] | None = None,
    ) -> Caught:  # fmt: skip
        """What is caught in some of them, which ``separators`` belong to."""
        if len(rows) == len(self.starts):
            return catch(self.data, self.starts, self.ends, reader, wanted, further, escape, separators)
        return catch(self.data, self.starts[rows], self.ends[rows], reader, wanted, further, escape, separators)

    @cached_property
    def strings(self) -> pl.Series:
        """All of them as text."""
        return texts_at(self.data, self.starts, self.ends)

    def numbered(self, rows: Offsets) -> pl.DataFrame:
        """Columns row and text of some of them."""
        return pl.DataFrame([pl.Series("row", rows), self.strings[pl.Series(rows)]])

    def begin_as(self, rows: Offsets, patterns: Sequence[Pattern]) -> npt.NDArray[np.uint64]:
        """Which of up to 64 patterns' expressions demand a beginning that some texts have, as bits from the first on."""
        matched = self._matched(rows, [beginning(p.regex or "") for p in patterns])
        wide = np.flatnonzero(~self.are_ascii[rows])
        if len(wide):
            matched[wide] = self._matched(rows[wide], [beginning_with(p.prefix) for p in patterns])
        return matched

    def begin_otherwise(self, rows: Offsets, pattern: Pattern) -> bool:
        """Whether most of some texts, as a few of them show, have not the beginning that an expression demands."""
        few = rows[:: len(rows) // _FEW_TEXTS + 1]
        few = few[self.are_ascii[few]]
        return len(few) > 2 * int(np.count_nonzero(self._matched(few, [beginning(pattern.regex or "", is_long=True)])))

    def narrow(self, may_match: npt.NDArray[np.uint64], rows: Offsets, patterns: Mapping[int, Pattern]) -> None:
        """Take from what :meth:`begin_as` tells of some texts those patterns, by their bits, of which a longer beginning is not theirs."""
        rows = rows[self.are_ascii[rows]]
        found = self._matched(rows, [beginning(p.regex or "", is_long=True) for p in patterns.values()])
        for place, bit in enumerate(patterns):
            may_match[rows[found & np.uint64(1 << place) == 0]] &= ~np.uint64(1 << bit)

    def _matched(self, rows: Offsets, programs: Sequence[Program]) -> npt.NDArray[np.uint64]:
        """Which programs match some texts, as bits; of patterns many have the same one, and each is run once."""
        different = {id(p): p for p in programs}
        found = sort(self.data, self.starts[rows], self.ends[rows], list(different.values()))
        if len(different) == len(programs):
            return found
        matched = np.zeros(len(rows), np.uint64)
        for number, known in enumerate(different):
            alike = sum(1 << place for place, p in enumerate(programs) if id(p) == known)
            matched |= (found >> np.uint64(number) & np.uint64(1)) * np.uint64(alike)
        return matched

    @cached_property
    def are_ascii(self) -> Mask:
        """Which hold nothing beyond ASCII."""
        if self.is_ascii:
            return np.ones(len(self.starts), bool)
        return (self.strings.str.len_bytes() == self.strings.str.len_chars()).to_numpy()

    @cached_property
    def escaped(self) -> Mask:
        """Which hold a backslash."""
        if b"\\" not in self.data:
            return np.zeros(len(self.starts), bool)
        return self.strings.str.contains("\\", literal=True).to_numpy()

    def are_sure(self, rows: Offsets, program: Program, fmt: Format) -> Mask:
        """Which of some texts the expression does not match if its program, made for this format, refuses them."""
        if not program.is_exact:
            return np.zeros(len(rows), bool)
        return self.are_ascii[rows] & ~self.escaped[rows] if _left_out(fmt) else self.are_ascii[rows]

    def hold(self, rows: Offsets, part: str) -> Mask:
        """Which of some texts hold another one."""
        return self.numbered(rows)["text"].str.contains(part, literal=True).to_numpy()

    def that_may_match(self, rows: Offsets, program: Program, pattern: Pattern) -> Offsets:
        """Those of the rows that hold what the pattern demands beside its expression, or that its program does not match anyway."""
        if not pattern.contains or demands(pattern.regex or "", pattern.contains):
            return rows
        matched = rows[self.caught(rows, program, []).texts]
        return matched[self.hold(matched, pattern.contains)]


@dataclass(frozen=True)
class Match:
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

    def without(self, is_out: Mask, *, are_sure: bool) -> Match:
        """Without some of the matched texts, of which it is now sure that they do not match, or unsure."""
        if not is_out.any():
            return self
        out, kept = self.texts[is_out], pl.Series(~is_out)
        columns = {name: s if name in self.runs else s.filter(kept) for name, s in self.columns.items()}
        runs = {name: run_of[~is_out] for name, run_of in self.runs.items()}
        others = np.sort(np.concatenate([self.others, out])) if are_sure else self.others
        unsure = self.unsure if are_sure else np.sort(np.concatenate([self.unsure, out]))
        return Match(self.texts[~is_out], others, unsure, columns, runs, self.ready, None if self.pairs is None else self.pairs[~is_out])

    def frame(self, names: Collection[str]) -> pl.DataFrame:
        """Some columns, with a row for each text."""
        return pl.DataFrame([self.columns[n][pl.Series(self.runs[n])] if n in self.runs else self.columns[n] for n in names])


def match_pattern(texts: Texts, rows: Offsets, fmt: Format, pattern: Pattern) -> Match | None:
    """What a pattern catches in the texts of ``rows``; None where machine code cannot read it."""
    found = _match_expression(texts, rows, fmt, pattern)
    if found is not None and pattern.keys:
        found = _match_pairs(texts, rows, fmt, pattern, found)
    if found is not None and pattern.conditions:
        found = found.without(~fits_pattern(found.frame(_tested(pattern)), pattern).to_numpy(), are_sure=True)
    return found


def _match_expression(texts: Texts, rows: Offsets, fmt: Format, pattern: Pattern) -> Match | None:
    program = one_pass(pattern.regex or "")
    if program is None:
        return None
    if not pattern.contains or demands(pattern.regex or "", pattern.contains):
        return _caught(texts, rows, program, _as_sources(pattern.groups), pattern, fmt, texts.are_ascii[rows] & program.is_exact)
    holds = texts.hold(rows, pattern.contains)
    at, rest = np.flatnonzero(holds), np.flatnonzero(~holds)
    rows = rows[at]
    found = _caught(texts, rows, program, _as_sources(pattern.groups), pattern, fmt, texts.are_ascii[rows] & program.is_exact)
    if not len(rest):
        return found
    return replace(found, texts=at[found.texts], others=np.sort(np.concatenate([at[found.others], rest])), unsure=at[found.unsure])


def _as_sources(groups: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Column → its groups; what was caught in quotes goes first."""
    sources: dict[str, tuple[str, ...]] = {}
    for group in sorted(groups, key=len, reverse=True):
        name = group.removesuffix("__q")
        sources[name] = (*sources.get(name, ()), group)
    return sources


def match_first_patterns(texts: Texts, rows: Offsets, fmt: Format) -> Match | None:
    """What the first patterns of a format catch that differ in nothing but their expressions, all in one go; None where there is but one such."""
    programs, groups = _programs_alike(fmt)
    if len(programs) < _LEAST_ALIKE:
        return None
    wanted, ready = _wanted(_as_sources(groups), fmt.patterns[0], fmt, are_keys=False)
    if any(w.kind in (Kind.TEXT, Kind.FEW) and w.name not in VERBATIM for w in wanted):
        return None  # words for nothing are known before escapes are undone
    caught = texts.caught(rows, programs[0], wanted, programs[1:], "\\" if fmt.escapes else "")
    return Match(caught.texts, rows[:0], rows[:0], _with_request(_without_escapes(caught, fmt)), caught.runs, ready)


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
    escaped = [s for s in caught.columns.values() if s.dtype == pl.String and s.name not in WITHOUT_ESCAPES and s.name not in caught.runs]
    return caught.columns | {s.name: s for s in unescape_rows(escaped, rows, fmt.escapes)} if len(rows) else caught.columns


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


def _match_pairs(texts: Texts, rows: Offsets, fmt: Format, pattern: Pattern, around: Match) -> Match | None:
    """The values of pairs, beside what the expression ``around`` them caught."""
    names = frozenset(key for of in pattern.keys.values() for key in of)
    keys = pairs_as_keys(names, pattern.separator, "" if pattern.spaced else _left_out(fmt), spaced=pattern.spaced)
    if keys is None or any(JOINED in name for name in names) or not around.columns.keys().isdisjoint({"pairs", *pattern.keys}):
        return None
    if around.pairs is None:
        found = _caught(texts, rows[around.texts], keys, pattern.keys, pattern, fmt)
    elif (around.pairs < 0).any():
        return None
    else:
        separators = _separators(around.columns.pop("separator")) if pattern.spaced and "separator" in around.columns else None
        parts = Texts(texts.data, around.pairs[:, 0], around.pairs[:, 1], texts.is_ascii)
        found = _caught(parts, np.arange(len(around.texts)), keys, pattern.keys, pattern, fmt, separators=separators)
    is_out = np.ones(len(around.texts), bool)
    is_out[found.texts] = False
    around = around.without(is_out, are_sure=False)
    return replace(around, columns=around.columns | found.columns, runs=around.runs | found.runs, ready=around.ready | found.ready)


def _separators(written: pl.Series) -> npt.NDArray[np.int16]:
    """What sets pairs apart, as :func:`catch` wants it."""
    written = written.fill_null("")
    meant = {text: separator_of(text) for text in written.unique() if text}
    codes = {text: ord(mark) for text, mark in meant.items() if len(mark) == 1 and mark.isascii()}
    return written.replace_strict({"": UNNAMED} | codes, default=_UNKNOWN, return_dtype=pl.Int16).to_numpy()


def _caught(
    texts: Texts, rows: Offsets, reader: Program | Keys, sources: Mapping[str, tuple[str, ...]], pattern: Pattern, fmt: Format, are_sure: Mask | None = None,
    separators: npt.NDArray[np.int16] | None = None,
) -> Match:  # fmt: skip
    """Columns that groups or keys make; ``are_sure`` tells which texts, if they are not matched, surely do not match."""
    wanted, ready = _wanted(sources, pattern, fmt, are_keys=isinstance(reader, Keys))
    caught = texts.caught(rows, reader, wanted, escape="\\" if fmt.escapes else "", separators=separators)
    is_left = np.ones(len(rows), bool)
    is_left[caught.texts] = False
    are_others = is_left & are_sure if are_sure is not None else np.zeros(len(rows), bool)
    are_others[caught.refused] = False
    others, unsure = np.flatnonzero(are_others), np.flatnonzero(is_left & ~are_others)
    found = Match(caught.texts, others, unsure, caught.columns, caught.runs, ready, caught.places.get("pairs"))
    return _unescaped(found, caught, wanted, fmt) if len(caught.escaped) else found


def _unescaped(found: Match, caught: Caught, wanted: Sequence[Wanted], fmt: Format) -> Match:
    """What was caught with the escapes undone, in texts that have some, of columns that nothing else is made of; where others have any, it is unsure."""
    rows = pl.Series(caught.escaped)
    told = [caught.columns[w.name] for w in wanted if w.kind == Kind.TOLD]
    columns = found.columns | {s.name: s for s in unescape_rows(told, rows, fmt.escapes)} if told else found.columns
    is_out = np.zeros(len(found.texts), bool)
    for name in (w.name for w in wanted if w.kind in (Kind.TEXT, Kind.FEW, Kind.ADDRESS)):
        is_escaped = caught.columns[name].str.contains("\\", literal=True).fill_null(value=False).to_numpy()
        if is_escaped.any():
            is_out |= is_escaped[caught.runs[name]] if name in caught.runs else is_escaped
    return replace(found, columns=columns).without(is_out, are_sure=False)


def refute(texts: Texts, rows: Offsets, fmt: Format, pattern: Pattern) -> tuple[Offsets, Offsets]:
    """The rows that a pattern surely does not match, though machine code cannot read what it does match, and the others."""
    program = refuting(pattern.regex or "", _left_out(fmt))
    if program is None:
        return rows[:0], rows
    is_out = texts.are_sure(rows, program, fmt)
    is_out[texts.caught(rows, program, []).texts] = False
    return rows[is_out], rows[~is_out]


def keys_of(fmt: Format) -> tuple[Keys | None, list[Wanted]]:
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


def _wanted(sources: Mapping[str, tuple[str, ...]], pattern: Pattern, fmt: Format, *, are_keys: bool) -> tuple[list[Wanted], frozenset[str]]:
    """What is to be made of groups or keys: columns, where these need nothing but the text, else the text; and which are such columns."""
    table = None if pattern.is_eventless else EVENT_TABLES[pattern.table or fmt.table or ""]
    special = _special(fmt)
    tested = _tested(pattern)
    wanted, ready = [], set()
    for name, of in sources.items():
        column = _as_column(name, of, name, table, special)
        text = Wanted(name, Kind.TOLD if are_keys else Kind.TEXT, of)
        if name in tested and not (are_keys and _need_only_be_there(name, pattern) and column is not None and column.kind == Kind.ADDRESS):
            wanted.append(text)
        elif name == "pairs" and pattern.keys and not are_keys:
            wanted.append(Wanted(name, Kind.PLACE, of))
        elif name == "separator" and pattern.keys and pattern.spaced:
            wanted.append(text)
        elif table is None or name.startswith("_"):
            continue
        elif name == "time":
            wanted.append(Wanted(name, Kind.RUN, of))
        elif column is not None and not (are_keys and column.kind == Kind.NUMBER):
            wanted.append(column)
            ready.add(name)
        elif (name in fmt.fields and fmt.fields[name].edits) or name == "transport":
            wanted.append(Wanted(name, Kind.FEW, of))  # what is edited is mostly a word of a few
        else:
            wanted.append(text)
    return wanted, frozenset(ready)


def _tested(pattern: Pattern) -> list[str]:
    """Groups and keys that decide whether a pattern takes a line."""
    return list(dict.fromkeys((*pattern.conditions, *pattern.require)))


def _need_only_be_there(name: str, pattern: Pattern) -> bool:
    """Whether a pattern asks of a key no more than that it says something."""
    return name not in pattern.unless and set(pattern.where.get(name, "*")) == {"*"}


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
    return {*fmt.fields, *(rule.origin or "" for rule in fmt.fields.values()), *VERBATIM, "duration_ms", "transport"}


def program_of(regex: str, fmt: Format) -> Program | None:
    """The tables of an expression that reads lines of this format, if it has such."""
    return one_pass(regex, without=_left_out(fmt))


def _left_out(fmt: Format) -> str:
    """What no text may hold: escapes are undone with the rows at hand, so lines that have some are left to those who do."""
    return "\\" if fmt.escapes else ""


@cache
def beginning_with(text: str) -> Program:
    """A program that matches what begins with ``text``."""
    return cast("Program", one_pass(f"^{re.escape(text)}"))
