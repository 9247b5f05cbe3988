"""Whole blocks of lines: read by machine code where it can tell what the engine would, the rest by the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from breachscope.ingest.catalog import FormatCatalog
from breachscope.ingest.engine import MOST_REPEATS, is_eventless, leave, read_lines, read_pattern, read_patterns, table_fields, take
from breachscope.ingest.events import Part, to_events
from breachscope.ingest.formats import Format, Pattern
from breachscope.ingest.lines import Lines
from breachscope.ingest.native import Caught, Kind, Wanted, is_built
from breachscope.ingest.native_matching import Match, Texts, beginning_with, keys_of, match_first_patterns, match_pattern, program_of, refute
from breachscope.ingest.onepass import Program, one_pass
from breachscope.ingest.pairs import told
from breachscope.ingest.reading import Context, Reading
from breachscope.ingest.times import read_times
from breachscope.ingest.views import Mask, Offsets
from breachscope.timestamps import TimeForm

_REPEATED = cast("Program", one_pass(r"^message repeated (?P<times>[0-9]+) times?: \[ (?P<inner>.*)$"))
_PATTERNS_AT_A_TIME = 64
_LEAST_NARROWED = 1 << 10
"""Texts for which it is worth while to look at what more of a pattern's beginning demands."""


def read_block(lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context) -> Reading:
    """As :func:`read_lines`, for the lines of a whole block: those that can be are read by machine code."""
    reading = Reading()
    fates = _Fates(len(lines))
    if is_built() and lines.places is not None:
        texts = Texts(lines.data, *lines.places, is_ascii=lines.seen.is_ascii)
        if fmt.is_json or fmt.kind == "keyvalue":
            _read_keys_at_once(texts, lines, fmt, catalog, context, reading, fates)
        elif fmt.kind == "table":
            _read_table_at_once(texts, lines, fmt, catalog, context, reading, fates)
        elif fmt.kind == "envelope":
            _read_envelopes_at_once(texts, lines, fmt, catalog, context, reading, fates)
        else:
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


def _read_keys_at_once(texts: Texts, lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading, fates: _Fates) -> None:
    """Read JSON objects or key=value pairs as far as possible."""
    keys, wanted = keys_of(fmt)
    if keys is None:
        return
    rows = lines.not_blank(fmt.comment)
    caught = texts.caught(rows, keys, wanted)
    values = [caught.columns[name] if name in caught.columns else told(caught.columns, of).alias(name) for name, of in fmt.sources.items()]
    ready = {w.name for w in wanted if w.kind in (Kind.NUMBER, Kind.ADDRESS)}
    numbers = lines.numbers(rows[caught.texts])
    is_left = take(numbers.to_frame(), pl.DataFrame(values), fmt, catalog, context, reading, ready)
    fates.settle(rows[caught.texts], rows[caught.texts[is_left]])


def _read_table_at_once(texts: Texts, lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading, fates: _Fates) -> None:
    """Read the lines under each header as far as possible."""
    rows = lines.not_blank(fmt.comment)
    if fmt.header is None and len(context.headers.lines):
        rows = rows[~np.isin(rows + lines.first_line, context.headers.lines)]
    header_of = context.headers.at(rows + lines.first_line)
    for header in np.unique(header_of).tolist():
        under = rows[header_of == header]
        layout = context.headers.layout(header, fmt)
        program = program_of(layout.plain_regex, fmt) if layout else None
        if layout is None or program is None:
            continue
        groups = {f"_{n}": (f"_{n}__q", f"_{n}") if fmt.quote else () for n in layout.columns}
        caught = texts.caught(under, program, [Wanted(name, Kind.TOLD, of) for name, of in groups.items()])
        under = under[caught.texts]
        numbers = lines.numbers(under)
        fields = table_fields(layout.with_dates(list(caught.columns.values()), context.headers.days, numbers), layout, fmt)
        fates.settle(under, under[take(numbers.to_frame(), fields, fmt, catalog, context, reading)])


def _read_patterns_at_once(texts: Texts, lines: Lines, fmt: Format, context: Context, reading: Reading, fates: _Fates) -> None:
    """Read lines of their own as far as possible."""
    rows = lines.not_blank(fmt.comment)
    if (found := match_first_patterns(texts, rows, fmt)) is not None:
        _as_events(found, lines.numbers(rows), fmt, fmt.patterns[0], context, reading)
        fates.settle(rows[found.texts], rows[:0])
        return

    def read(rows: Offsets, pattern: Pattern) -> Offsets:
        others, unsure = _read_at_once(texts, rows, lines.numbers(rows), fmt, pattern, context, reading)
        is_read = np.zeros(len(lines), bool)
        is_read[rows] = True
        is_read[others] = is_read[unsure] = False
        fates.settle(np.flatnonzero(is_read), rows[:0])
        return others

    rows = read(rows, fmt.patterns[0])  # many logs hold little else
    rows = _read_in_turn(texts, rows, fmt.patterns[1:], read)
    fates.settle(rows, rows)


def _read_in_turn(texts: Texts, rows: Offsets, patterns: Sequence[Pattern], read: Callable[[Offsets, Pattern], Offsets]) -> Offsets:
    """Let ``read`` read texts by one pattern after the other that may match them, and return which it leaves for the next ones; return the rest."""
    for begin in range(0, len(patterns), _PATTERNS_AT_A_TIME):
        if not len(rows):
            break
        some = patterns[begin : begin + _PATTERNS_AT_A_TIME]
        may_match = np.zeros(len(texts.starts), np.uint64)
        may_match[rows] = texts.begin_as(rows, some)
        begun = int(np.bitwise_or.reduce(may_match))
        is_left = np.zeros(len(texts.starts), bool)
        is_left[rows] = True
        is_narrow = False
        for number, pattern in enumerate(some):
            if not begun >> number & 1:
                continue
            tried = np.flatnonzero((may_match & np.uint64(1 << number) != 0) & is_left)
            if not len(tried):
                continue
            left = read(tried, pattern)
            is_left[tried] = False
            is_left[left] = True
            if not is_narrow and len(left) > max(len(tried) // 2, _LEAST_NARROWED) and texts.begin_otherwise(left, pattern):
                rows = np.flatnonzero(is_left)
                begun = int(np.bitwise_or.reduce(may_match[rows]))
                texts.narrow(may_match, rows, {n: p for n, p in enumerate(some) if n > number and begun >> n & 1})
                is_narrow = True
        rows = np.flatnonzero(is_left)
    return rows


def _read_at_once(
    texts: Texts, rows: Offsets, lines: pl.Series, fmt: Format, pattern: Pattern, context: Context, reading: Reading, envelopes: pl.DataFrame | None = None
) -> tuple[Offsets, Offsets]:  # fmt: skip
    """Read by machine code what a pattern matches in the texts of ``rows``, which stand in ``lines``, behind ``envelopes`` where they are messages.

    Returns the rows that the pattern does not match, and those of which that is not known.
    """
    caught = match_pattern(texts, rows, fmt, pattern)
    if caught is None and envelopes is None:
        return refute(texts, rows, fmt, pattern)
    if caught is None:
        return rows[:0], rows
    around = None if envelopes is None else envelopes[pl.Series(rows[caught.texts])]
    _as_events(caught, lines, fmt, pattern, context, reading, around)
    return rows[caught.others], rows[caught.unsure]


def _as_events(
    caught: Match, lines: pl.Series, fmt: Format, pattern: Pattern, context: Context, reading: Reading, around: pl.DataFrame | None = None
) -> None:  # fmt: skip
    """Make events, if it is to make such, of what a pattern caught in some of the lines, and of what stands around it."""
    lines = lines[pl.Series(caught.texts)] if len(caught.texts) < len(lines) else lines
    if not len(lines) or is_eventless(lines, pattern, reading):
        return
    ready = {name: s for name, s in caught.columns.items() if name in caught.ready}
    if around is not None and "time" in caught.runs:
        around = around.with_columns(caught.frame(["time"])["time"])  # where it is null, the envelope's counts
    parts = [Part(_of_runs(caught, name, lines), run_of) for name, run_of in caught.runs.items() if around is None or name != "time"]
    parts.append(Part(pl.DataFrame([s for name, s in caught.columns.items() if name not in ready and name not in caught.runs])))
    if around is not None:
        parts.insert(0, Part(around.select(c for c in around.columns if c == "time" or c not in caught.columns)))
    to_events(lines, parts, fmt, pattern, context, reading, ready)


def _of_runs(caught: Match, name: str, lines: pl.Series) -> pl.DataFrame:
    """The values of a column that lines share; of times with the first line of each, by which the year of one without is known."""
    values = caught.columns[name]
    if name != "time":
        return values.to_frame()
    firsts = np.full(len(values), lines[0])
    firsts[caught.runs[name][::-1]] = lines.to_numpy()[::-1]
    return pl.DataFrame([values, pl.Series("line", firsts)])


def _read_envelopes_at_once(texts: Texts, lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading, fates: _Fates) -> None:
    """Read envelopes, and their messages as far as possible, by machine code."""
    left = np.arange(len(lines))
    may_match: npt.NDArray[np.uint64] | None = None
    for number, pattern in enumerate(fmt.patterns):
        program = program_of(pattern.regex or "", fmt)
        form = pattern.time or fmt.time
        if program is None or pattern.is_eventless or pattern.conditions or form is None or not {"head", "time", "program"} <= set(program.groups):
            break
        if number == 1 and len(fmt.patterns) <= _PATTERNS_AT_A_TIME:  # the headers of most files are all as the first pattern has them
            may_match = np.zeros(len(lines), np.uint64)
            may_match[left] = texts.begin_as(left, fmt.patterns)
        tried = left if may_match is None else left[may_match[left] & np.uint64(1 << number) != 0]
        if not len(tried):
            continue
        kept = {g: Kind.PLACE if g == "head" else Kind.RUN if g == "time" else Kind.TEXT for g in program.groups}
        mine = texts.that_may_match(tried, program, pattern)
        caught = texts.caught(mine, program, [Wanted(g, kind) for g, kind in kept.items()])
        rows = mine[caught.texts]
        if len(rows):
            messages = Texts(texts.data, caught.places["head"][:, 1].copy(), texts.ends[rows], is_ascii=texts.is_ascii)
            envelopes = _envelopes(lines.numbers(rows), caught, form, context)
            messages, repeats, is_plain = _unfolded(messages)
            if envelopes is None:
                is_plain[:] = False
            elif (repeats > 1).any():
                envelopes = envelopes.with_columns(pl.Series("_repeats", repeats))
            if envelopes is not None and is_plain.any():
                is_plain &= envelopes["ts"].is_not_null().to_numpy()
                _read_messages_at_once(messages, np.flatnonzero(is_plain), envelopes, catalog, context, reading)
            fates.settle(rows[is_plain], rows[:0])
        is_left = np.ones(len(lines), bool)
        is_left[rows] = False  # whether they are settled or for the engine: no later pattern takes them
        is_left[tried[~texts.are_sure(tried, program, fmt)]] = False
        left = left[is_left[left]]
        if not len(left):
            break


def _unfolded(messages: Texts) -> tuple[Texts, npt.NDArray[np.int32], Mask]:
    """The messages with those that stand for several replaced by what is repeated, how often each stands, and for which this is known."""
    is_plain = np.ones(len(messages.starts), bool)
    folded = messages.caught(np.arange(len(is_plain)), beginning_with("message repeated "), []).texts.astype(np.int64)
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
    return Texts(messages.data, starts, ends, messages.is_ascii), repeats, is_plain


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
    messages: Texts, rows: Offsets, envelopes: pl.DataFrame, catalog: FormatCatalog, context: Context, reading: Reading
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
        else:
            read = partial(_read_messages_as, messages, fmt, envelopes, context, reading)
            mine = _read_in_turn(messages, mine, fmt.patterns, read)
        rows = np.sort(np.concatenate([others, mine])) if len(others) else mine
        if not len(rows):
            break
    if len(rows):
        leave(envelopes[pl.Series(rows)], messages.numbered(rows)["text"], catalog, context, reading)


def _read_messages_as(
    messages: Texts, fmt: Format, envelopes: pl.DataFrame, context: Context, reading: Reading, rows: Offsets, pattern: Pattern
) -> Offsets:  # fmt: skip
    """Read what a pattern matches, by machine code and, where that cannot tell, by the expression; return the rows that are left."""
    left, unsure = _read_at_once(messages, rows, envelopes["line"][pl.Series(rows)], fmt, pattern, context, reading, envelopes)
    if not len(unsure):
        return left
    return np.concatenate([left, read_pattern(messages.numbered(unsure), fmt, pattern, context, reading, envelopes)["row"].to_numpy()])
