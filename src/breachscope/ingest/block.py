"""Whole blocks of lines: read by machine code where it can tell what the engine would, the rest by the engine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from breachscope.ingest.engine import leave, read_lines, read_pattern
from breachscope.ingest.events import HIGHEST, POLARS_TYPES, VERBATIM, Part, to_events
from breachscope.ingest.formats import Format, FormatCatalog, Pattern
from breachscope.ingest.lines import Lines
from breachscope.ingest.native import Caught, Kind, Wanted, catch, is_built, sort
from breachscope.ingest.onepass import Program, beginning, one_pass
from breachscope.ingest.reading import Context, Reading
from breachscope.ingest.views import Offsets
from breachscope.schema import EVENT_TABLES
from breachscope.timestamps import TimeForm, parse_times

_LARGEST: Mapping[pl.DataType, int] = {pl.Int16(): 2**15 - 1, pl.Int32(): 2**31 - 1, pl.Int64(): 10**18 - 1}
"""Machine code reads numbers up to these; larger ones it leaves out."""
_WIDTH: Mapping[pl.DataType, int] = {pl.Int16(): 2, pl.Int32(): 4, pl.Int64(): 8}
_ANY_TEXT = cast("Program", one_pass("^(?P<text>.*)$"))
_PATTERNS_AT_A_TIME = 64


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
        parts = [Part(caught.columns[name].to_frame(), run_of) for name, run_of in caught.runs.items()]
        parts.append(Part(pl.DataFrame([s for name, s in caught.columns.items() if name not in ready and name not in caught.runs])))
        if envelopes is not None:
            around = envelopes[pl.Series(rows[matched])]
            parts.insert(0, Part(around.select(c for c in around.columns if c not in caught.columns)))
        to_events(lines[pl.Series(matched)] if len(matched) < len(lines) else lines, parts, fmt, pattern, context, reading, ready)
    return rows[is_left], texts.is_sure(program)


def _program(pattern: Pattern, fmt: Format) -> Program | None:
    """The tables of a pattern that machine code can read."""
    if pattern.regex is None or pattern.keys or pattern.conditions or pattern.refuse:
        return None
    # Escapes are undone with the rows at hand: lines that have some are left to those who do.
    program = one_pass(pattern.regex, without="\\" if fmt.escapes else "")
    return None if program is None or any(g.endswith("__q") for g in program.groups) else program


def _wanted(pattern: Pattern, fmt: Format) -> list[Wanted]:
    """What is to be made of the groups of a pattern: their columns, where these need nothing but the text, else the text."""
    table = EVENT_TABLES[pattern.table or fmt.table or ""]
    special = {*fmt.fields, *(rule.origin for rule in fmt.fields.values()), *VERBATIM, "duration_ms"}
    wanted = []
    for group in pattern.groups:
        dtype = POLARS_TYPES[table[group].type] if group in table and group not in special else None
        if group == "time":
            wanted.append(Wanted(group, Kind.RUN))
        elif dtype is not None and dtype in _LARGEST:
            wanted.append(Wanted(group, Kind.NUMBER, min(_LARGEST[dtype], HIGHEST.get(group, _LARGEST[dtype])), _WIDTH[dtype]))
        elif dtype == pl.String:
            wanted.append(Wanted(group, Kind.ADDRESS if group.endswith("_ip") else Kind.TOLD))
        elif not group.startswith("_"):
            wanted.append(Wanted(group, Kind.TEXT))
    return wanted


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
    """As :func:`read_messages`, of messages whose times are read already and that tell of nothing repeated."""
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
    leave(envelopes[pl.Series(rows)], catalog, reading)


def _read_messages_as(
    messages: _Texts, rows: Offsets, fmt: Format, pattern: Pattern, envelopes: pl.DataFrame, context: Context, reading: Reading
) -> Offsets:  # fmt: skip
    """Read what a pattern matches, by machine code and, where that cannot tell, by the expression; return the rows that are left."""
    left, is_sure = _read_at_once(messages, rows, envelopes["line"][pl.Series(rows)], fmt, pattern, context, reading, envelopes)
    if is_sure or not len(left):
        return left
    return read_pattern(messages.numbered(left), fmt, pattern, context, reading, envelopes)["row"].to_numpy()


@cache
def _plain_text(text: str) -> Program:
    """A program that matches what begins with ``text``."""
    return cast("Program", one_pass(f"^{re.escape(text)}"))
