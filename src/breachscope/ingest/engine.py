"""The one engine that reads lines of any format, column-wise.

A format's patterns are tried in order; each takes what it matches from the lines that are left. Matched text becomes
typed columns of an event table. A line ends as an event, as skipped under a named kind, or as rejected with a reason.

What is here reads any line. Most lines of whole blocks are read by machine code instead (:mod:`breachscope.ingest.block`),
with the same result.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from breachscope.ingest.catalog import FormatCatalog
from breachscope.ingest.columns import NULL_TEXTS, texts_of_bytes
from breachscope.ingest.escapes import unescape
from breachscope.ingest.events import STAMP, Part, time_faults, to_events, with_times
from breachscope.ingest.formats import NEVER, Format, Pattern
from breachscope.ingest.headers import Headers, Layout
from breachscope.ingest.inner_entries import joined_entries
from breachscope.ingest.json_values import IS_JSON, json_values
from breachscope.ingest.lines import LEAST_NULS
from breachscope.ingest.matching import fits_conditions, fits_pattern, groups_of, match, named_groups, without_faulty
from breachscope.ingest.pairs import FAULT, pair_values
from breachscope.ingest.reading import Context, Reading
from breachscope.ingest.split_messages import whole_messages
from breachscope.ingest.views import Mask, without_texts

_REPEATED = r"^message repeated (\d+) times?: \[ ?(.*)\]$"
ENVELOPE = ("host", "program", "pid", "stream", "text")
"""What envelopes tell: whose message it is, and the message."""
_PROGRAM_NAME = re.compile(r"[A-Za-z][\w./()-]{0,40}")
MOST_REPEATS = 10_000
"""Syslog daemons fold identical neighbours, some hundreds at the most; a larger number is the word of whoever wrote the message."""
UNKNOWN_KIND = ": a message of unknown kind"
"""Behind a program: why messages of its are rejected that no format of the program reads."""


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
        reading.unread = read_patterns(lines, fmt, catalog, context, reading)
    return reading


def read_patterns(
    lines: pl.DataFrame, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading, ready: pl.DataFrame | None = None
) -> pl.DataFrame:  # fmt: skip
    """Read what the patterns of ``fmt`` match; return the rest. Columns that are ready already stand in ``ready``, at the index ``row``."""
    if fmt.kind == "keyvalue":
        pattern = fmt.patterns[0]
        values = pl.DataFrame(pair_values(lines["text"], fmt.sources, pattern.separator, spaced=pattern.spaced))
        return lines.filter(take(lines if ready is None else ready[lines["row"]], values, fmt, catalog, context, reading))
    for pattern in fmt.patterns:
        if not len(lines):
            break
        lines = read_pattern(lines, fmt, pattern, context, reading, ready)
    return lines


def read_pattern(lines: pl.DataFrame, fmt: Format, pattern: Pattern, context: Context, reading: Reading, ready: pl.DataFrame | None) -> pl.DataFrame:
    matched, rest = match(lines, pattern)
    numbers = matched["line"] if ready is None else ready["line"][matched["row"]]
    if len(matched) and not is_eventless(numbers, pattern, reading):
        if ready is not None:
            matched = matched.hstack([c for c in ready[matched["row"]].get_columns() if c.name not in matched.columns])
        matched = without_faulty(matched, reading)
        to_events(matched["line"], [Part(matched)], fmt, pattern, context, reading)
    return rest


def is_eventless(lines: pl.Series, pattern: Pattern, reading: Reading) -> bool:
    """Whether the pattern's lines become no events; then they are skipped or rejected, as it says."""
    if pattern.skip:
        reading.skipped[pattern.skip] += len(lines)
    elif pattern.refuse:
        reading.reject(lines, pattern.refuse)
    return pattern.is_eventless


def _read_table(lines: pl.DataFrame, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading) -> None:
    """Read the lines under each header by its columns; one that nothing marks is skipped, as is what stands above it."""
    if fmt.header is None and context.headers.lines:
        is_header, is_title = lines["line"].is_in(context.headers.lines), lines["line"] < context.headers.lines[0]
        if (is_none := is_header | is_title).any():
            reading.skipped += Counter({"header": int(is_header.sum()), "title": int(is_title.sum())})
            lines = lines.filter(~is_none)
    header_of = context.headers.at(lines["line"].to_numpy())
    unread: list[pl.DataFrame] = []
    for header in np.unique(header_of).tolist():
        under = lines if len(lines) and (header_of == header).all() else lines.filter(header_of == header)
        layout = context.headers.layout(header, fmt)
        if layout is None:
            unread.append(under)
            continue
        groups, is_caught = groups_of(under["text"], layout.regex)
        caught = pl.DataFrame(named_groups(groups, kept=groups.columns))
        if is_caught is not None:
            unread.append(under.filter(~is_caught))
            under, caught = under.filter(is_caught), caught.filter(is_caught)
        if fmt.quote is not None:
            caught = caught.select(pl.all().str.replace_all(fmt.quote * 2, fmt.quote, literal=True))
        columns = layout.with_dates([without_texts(c, NULL_TEXTS) for c in caught.get_columns()], context.headers.days, under["line"])
        fields = table_fields(columns, layout, fmt)
        unread.append(under.filter(take(under, fields, fmt, catalog, context, reading)))
    reading.unread = pl.concat([reading.unread, *unread]).sort("line")


def table_fields(columns: Sequence[pl.Series], layout: Layout, fmt: Format) -> pl.DataFrame:
    """Fields from the columns ``_n`` that make them; the first alternative that says something counts."""
    told = {c.name: c for c in columns}
    made = []
    for name, alternatives in layout.fields.items():
        joined = [_joined([told[f"_{n}"] for n in numbers]) for numbers in alternatives]
        made.append((joined[0] if len(joined) == 1 else pl.select(pl.coalesce(joined))[:, 0]).alias(name))
    # Patterns ask for these, even if this header does not name them.
    missing = [name for name, _ in fmt.names if name.startswith("_") and name not in layout.fields]
    return pl.DataFrame(made).with_columns([pl.lit(None, pl.String).alias(name) for name in missing])


def _joined(texts: Sequence[pl.Series]) -> pl.Series:
    return texts[0] if len(texts) == 1 else pl.select(pl.concat_str([pl.lit(t) for t in texts], separator=" "))[:, 0]


def _read_json(lines: pl.DataFrame, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading) -> None:
    """Read JSON lines by path."""
    is_object = lines["text"].str.contains(r"^\s*\{")
    if not is_object.all():
        reading.unread, lines = lines.filter(~is_object), lines.filter(is_object)
    if not len(lines):
        return
    values = _json_values(lines["text"], fmt)
    is_json = values[IS_JSON].is_not_null()
    reading.unread = pl.concat([reading.unread, lines.filter(~is_json)])
    lines, values = lines.filter(is_json), values.filter(is_json)
    stamped = lines if context.stamps is None else lines.join(context.stamps, on="line", how="left", maintain_order="left")
    reading.unread = pl.concat([reading.unread, lines.filter(take(stamped, values, fmt, catalog, context, reading))]).sort("line")


def _json_values(texts: pl.Series, fmt: Format) -> pl.DataFrame:
    r"""As :func:`json_values`, also of texts whose writer escapes what JSON does not.

    nginx without escape=json writes bytes as ``\xHH``; JavaScript writes half a surrogate pair (Unicode 3.8), which clients may send to
    have their lines rejected.
    """
    values = json_values(texts, fmt)
    for sign, spelt, meant in _REPAIRS:
        is_repairable = values[IS_JSON].is_null() & texts.str.contains(sign, literal=True)
        if is_repairable.any():
            repaired = json_values(spelt(texts.filter(is_repairable)), fmt)
            at = is_repairable.arg_true()
            values = values.with_columns([values[c].scatter(at, meant(repaired[c]) if repaired[c].dtype == pl.String else repaired[c]) for c in values.columns])
    return values


def _without_halves(texts: pl.Series) -> pl.Series:
    r"""Texts with U+FFFD for each escaped half of a surrogate pair that stands alone.

    >>> _without_halves(pl.Series([r"\ud83d\ude00 \uD83D\ud83d\ude00 \\ud83d \udE00"])).to_list()
    ['\\ud83d\\ude00 \\ufffd\\ud83d\\ude00 \\\\ud83d \\ufffd']
    """
    whole = r"(\\\\|\\u(?i:d[89ab][0-9a-f]{2})\\u(?i:d[c-f][0-9a-f]{2}))"
    marked = texts.str.replace_all(whole + r"|\\u(?i:d[89a-f][0-9a-f]{2})", "${1}\0")  # NUL stands in no JSON
    return marked.str.replace_all(whole + "\0", "${1}").str.replace_all("\0", r"\ufffd", literal=True)


_REPAIRS: tuple[tuple[str, Callable[[pl.Series], pl.Series], Callable[[pl.Series], pl.Series]], ...] = (
    (r"\u", _without_halves, lambda values: values),
    (r"\x", lambda texts: _without_halves(texts).str.replace_all(r"\x", r"\\x", literal=True), unescape),
)
"""What such texts hold, how they become JSON, and what the values of that mean."""


def take(
    lines: pl.DataFrame, values: pl.DataFrame, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading, ready: Collection[str] = ()
) -> Mask:  # fmt: skip
    """Make events of ``lines`` (column line, and more) whose values patterns of kinds json, keyvalue and table take, one pattern after the other.

    ``values`` are the fields of a table, or what the format's :attr:`~Format.sources` say, those that are
    ``ready`` as the event tables want them. Returns which lines no pattern took.
    """
    is_left = np.ones(len(lines), bool)
    rows = np.arange(len(lines))
    for pattern in fmt.patterns:
        if not len(rows):
            break
        read = values
        if pattern.sources:
            named = {column: values["|".join(alternatives)] for column, alternatives in pattern.sources.items()}
            read = pl.DataFrame([*(s.alias(column) for column, s in named.items()), *([values[FAULT]] if FAULT in values.columns else [])])
        is_where, is_match = fits_conditions(read, pattern), fits_pattern(read, pattern, has_stamp="ts" in lines.columns)
        for key in pattern.within:
            is_match &= read[key].is_not_null()
        at = is_match.arg_true()
        read = read if is_match.all() else read[at]
        # Expressions are slow: each is tried on what those before it match.
        for key, regex in pattern.within.items():
            if not len(read):
                break
            groups, is_caught = groups_of(read[key], regex)
            read = read.hstack(named_groups(groups, read.columns))
            if is_caught is not None:
                read, at = read.filter(is_caught), at.filter(is_caught)
        matched = lines.select(c for c in lines.columns if c not in read.columns)
        matched = (matched if len(at) == len(lines) else matched[at]).hstack(read)
        matched = without_faulty(matched, reading)
        if len(matched) and not is_eventless(matched["line"], pattern, reading):
            if fmt.is_envelope:
                _read_envelopes(matched, fmt, pattern, catalog, context, reading)
            else:
                made = [column for column, alternatives in pattern.sources.items() if "|".join(alternatives) in ready]
                to_events(matched["line"], [Part(matched.drop(made))], fmt, pattern, context, reading, {c: matched[c] for c in made})
        is_taken = np.zeros(len(rows), bool)
        is_taken[at.to_numpy()] = True
        is_left[rows[is_taken]] = False
        # A line of the pattern's type that lacks what it must have is for no later pattern to explain away.
        is_open = ~(is_where.to_numpy() if pattern.conditions else is_taken)
        lines, values, rows = lines.filter(is_open), values.filter(is_open), rows[is_open]
    return is_left


def _read_syslog(lines: pl.DataFrame, fmt: Format, catalog: FormatCatalog, context: Context, reading: Reading) -> None:
    """Read envelopes, then give each program's messages to the formats that claim the program."""
    left = lines
    for pattern in fmt.patterns:
        if not len(left):
            break
        matched, left = match(left, pattern)
        if len(matched) and not is_eventless(matched["line"], pattern, reading):
            _read_envelopes(_with_message(matched), fmt, pattern, catalog, context, reading)
    reading.unread = left


def messages_in(lines: pl.DataFrame, fmt: Format) -> pl.DataFrame:
    """What envelopes hold, without reading it: line, host, program, pid and stream, null where the format does not tell them, and the message as text."""
    found = [pl.DataFrame(schema={"line": pl.Int64, **dict.fromkeys(ENVELOPE, pl.String)})]
    values = _json_values(lines["text"], fmt) if fmt.is_json and len(lines) else None
    for pattern in fmt.patterns:
        if not len(lines):
            break
        if values is not None:
            told = [values["|".join(alternatives)].alias(column) for column, alternatives in pattern.sources.items()]
            matched = lines.select("line").hstack(told).filter(fits_pattern(pl.DataFrame(told), pattern))
            matched = matched.with_columns(texts_of_bytes(matched[c]) for c in matched.columns if c == "message")
        else:
            matched, lines = match(lines, pattern)
            matched = _with_message(matched)
        if len(matched) and not pattern.is_eventless and "message" in matched.columns:
            known = matched.drop("text", strict=False).rename({"message": "text"}).with_columns(pl.lit(c).alias(n) for n, c in pattern.constants.items())
            found.append(known.select("line", *(c if c in known.columns else pl.lit(None, pl.String).alias(c) for c in ENVELOPE)))
    return pl.concat(found).unique("line", keep="first").sort("line")


def _read_envelopes(
    matched: pl.DataFrame, fmt: Format, pattern: Pattern, catalog: FormatCatalog, context: Context, reading: Reading
) -> None:  # fmt: skip
    for name, constant in pattern.constants.items():
        matched = matched.with_columns(pl.lit(constant).alias(name))
    if fmt.is_json:
        matched = matched.with_columns(texts_of_bytes(matched["message"]))
    form = pattern.time or fmt.time
    if "program" not in matched.columns:
        stamped = with_times(matched, form, context) if form is not None and "time" in matched.columns else matched
        inner = stamped.with_columns(pl.col("message").str.strip_chars_end("\r\n").alias("text"))
        if context.is_gathering:
            reading.inner.append(inner)
        else:
            read_inner_lines([inner], catalog, context, reading)
        return
    if form is None:
        raise AssertionError(f"{fmt.path}: an envelope needs a time")
    read_messages(with_times(matched, form, context), catalog, context, reading)


def read_inner_lines(gathered: Sequence[pl.DataFrame], catalog: FormatCatalog, context: Context, reading: Reading) -> None:
    """Read messages that are lines of their own, or stand behind a header of syslog. Several may be one text; of a block all are to be given at once."""
    envelopes = gathered[0] if len(gathered) == 1 else pl.concat(gathered, how="diagonal").sort("line")
    # Some of an envelope's patterns may tell no time.
    stamps = envelopes.select("line", *STAMP).with_columns(pl.col("ts_quality").fill_null("none")) if "ts" in envelopes.columns else None
    stream = pl.col("stream") if "stream" in envelopes.columns else pl.lit(None, pl.String)
    whole, lines, cut = _read_inner_entries(envelopes.select("line", "text", stream.alias("stream")), catalog, context)
    inner = _inner_lines(lines, stamps, catalog, context)
    inner.unread = _read_inner_syslog(inner.unread, stamps, catalog, context, inner)
    inner.tell_cut(cut)
    inner.add(whole)
    _add_inner(inner, envelopes, reading)
    reading.rejected += [*inner.rejected, inner.unread.select("line", pl.lit("no format reads the line inside").alias("reason"))]


def _read_inner_entries(lines: pl.DataFrame, catalog: FormatCatalog, context: Context) -> tuple[Reading, pl.DataFrame, pl.Series]:
    """Read what several lines (line, text, stream) are together. Returns the other lines, and those of them whose entry is not read as a whole."""
    whole, cut = Reading(), lines["line"].clear()
    formats = [fmt for fmt in catalog.of_entries if not fmt.lacks_year]
    if not lines["text"].str.contains("|".join(f"(?:{fmt.likeness})" for fmt in formats) or NEVER).any():
        formats = []
    for fmt in formats:
        joined = joined_entries(lines, fmt, is_open=context.is_open)
        found = read_lines(joined.select("line", "text"), fmt, catalog, replace(context, years=None, headers=Headers()))
        unread = pl.concat([found.unread["line"], *(r["line"] for r in found.rejected)])
        is_read = ~pl.col("line").is_in(unread.implode())
        found.unread, found.rejected = found.unread.clear(), []
        read = joined.filter(is_read)
        found.tell_cut(read["line"].filter(read["is_cut"]))
        found.skipped[fmt.continuation] += int(read["lines"].list.len().sum()) - len(read)
        whole.add(found)
        cut = pl.concat([cut, joined.filter(~is_read)["line"]])
        lines = lines.filter(~pl.col("line").is_in(read["lines"].explode().implode()))
    whole.skipped = +whole.skipped
    return whole, lines.select("line", "text"), cut


def _read_inner_syslog(lines: pl.DataFrame, stamps: pl.DataFrame | None, catalog: FormatCatalog, context: Context, reading: Reading) -> pl.DataFrame:
    """Read lines with a header of syslog, which stand in envelopes; where it writes no year, the envelope's time counts. Returns the others.

    A header with a year is like the beginning of many a program's own lines, so that its program must be a known one.
    """
    fmt = catalog["syslog"]
    left = lines.filter(lines["text"].str.contains(fmt.likeness))
    others = lines.filter(~lines["line"].is_in(left["line"].implode()))
    for pattern in fmt.patterns:
        form = pattern.time or fmt.time
        if form is None or pattern.is_eventless or not len(left) or (form.lacks_year and stamps is None):
            continue
        matched, left = match(left, pattern)
        if not len(matched):
            continue
        if not form.lacks_year:
            is_known = matched["program"].is_in(sorted(catalog.programs))
            others = pl.concat([others, matched.filter(~is_known).select(others.columns)])
            matched = with_times(matched.filter(is_known), form, context)
        elif stamps is not None:
            matched = matched.join(stamps, on="line", how="left", maintain_order="left")
        read_messages(_with_message(matched), catalog, context, reading)
    return pl.concat([others, left]).sort("line")


def _inner_lines(lines: pl.DataFrame, stamps: pl.DataFrame | None, catalog: FormatCatalog, context: Context) -> Reading:
    """Each line read by the first format that does, and JSON that tells no time by the first that would if it had its envelope's."""
    inner = _inner_lines_as_written(lines, catalog, context)
    is_object = inner.unread["text"].str.starts_with("{")
    if stamps is not None and is_object.any():
        objects, inner.unread = inner.unread.filter(is_object), inner.unread.filter(~is_object)
        inner.add(_inner_lines_as_written(objects, catalog, replace(context, stamps=stamps)))
    return inner


def _inner_lines_as_written(lines: pl.DataFrame, catalog: FormatCatalog, context: Context) -> Reading:
    """Each line read by the first format that does. Of years only the file's lines are asked, so that none may lack it."""
    inner = Reading(unread=lines)

    def left() -> pl.DataFrame:
        return inner.unread if not inner.rejected else lines.filter(pl.col("line").is_in(inner.rejects()["line"].implode()))

    for fmt in catalog.likely(lambda: left()["text"]):
        if not len(unread := left()):
            break
        if not (fmt.lacks_year or fmt.is_envelope or fmt.needs_header):
            inner.absorb(read_lines(unread, fmt, catalog, replace(context, years=None, headers=Headers())))
    return inner


def _with_message(envelopes: pl.DataFrame) -> pl.DataFrame:
    """Where a pattern catches all that stands before the message as ``head``, the message is the rest: cheaper than catching both."""
    if "head" not in envelopes.columns:
        return envelopes
    return envelopes.with_columns(pl.col("text").str.strip_prefix(pl.col("head")).alias("message")).drop("head")


def read_messages(envelopes: pl.DataFrame, catalog: FormatCatalog, context: Context, reading: Reading) -> None:
    for is_bad, reason in time_faults(envelopes):
        reading.reject(envelopes["line"].filter(is_bad), reason)
    envelopes = envelopes.filter(pl.col("ts").is_not_null()) if envelopes["ts"].null_count() else envelopes
    envelopes = envelopes.drop("text", "time", strict=False).rename({"message": "text"})
    envelopes = envelopes.with_columns(pl.col("text").fill_null(""))  # RFC 5424, section 6: a message need not be there
    is_repeated = envelopes["text"].str.starts_with("message repeated ")
    if is_repeated.any():
        repeated = envelopes["text"].str.extract_groups(_REPEATED).struct.unnest()
        repeated.columns = ["times", "inner"]
        times = repeated["times"].cast(pl.Int32, strict=False)
        envelopes = envelopes.with_columns(pl.coalesce(repeated["inner"], pl.col("text")).alias("text"), times.fill_null(1).alias("_repeats"))
        is_untrusted = repeated["times"].is_not_null() & ~times.is_between(1, MOST_REPEATS).fill_null(value=False)
        reading.reject(envelopes["line"].filter(is_untrusted), f"message repeated 0 or more than {MOST_REPEATS:,} times")
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
        cut = ready["line"].clear()
        if fmt.parts is not None:
            mine, cut = whole_messages(mine, ready, fmt, reading, is_open=context.is_open)
        left = pl.concat([others, read_patterns(mine, fmt, catalog, context, reading, ready)])
        reading.tell_cut(cut)
    leave(ready[left["row"]], left["text"], catalog, context, reading)


def _add_inner(inner: Reading, envelopes: pl.DataFrame, reading: Reading) -> None:
    """Add what lines inside envelopes became, but for those that were not read."""
    reading.events += [(table, format_id, _with_host(rows, envelopes)) for table, format_id, rows in inner.events]
    reading.skipped += inner.skipped


def _with_host(rows: pl.DataFrame, envelopes: pl.DataFrame) -> pl.DataFrame:
    """Events with the host that their envelopes name, where they name none themselves."""
    if "host" not in envelopes.columns:
        return rows
    told = rows.select("line").join(envelopes.select("line", "host"), on="line", how="left", maintain_order="left")["host"]
    return rows.with_columns(pl.coalesce("host", told).alias("host"))


def leave(envelopes: pl.DataFrame, texts: pl.Series, catalog: FormatCatalog, context: Context, reading: Reading) -> None:
    """Messages that no format of their program reads: JSON as lines of their own; others rejected where a format claims their program, else skipped."""
    is_object = texts.str.starts_with("{")
    if is_object.any():
        lines = pl.DataFrame([envelopes["line"], texts.alias("text")]).filter(is_object)
        inner = _inner_lines(lines, envelopes.select("line", *STAMP), catalog, context)
        _add_inner(inner, envelopes, reading)
        envelopes = envelopes.filter(~is_object | envelopes["line"].is_in(inner.rejects()["line"].implode()))
    unread = envelopes.select("line", "program")
    is_claimed = unread["program"].is_in(sorted(catalog.programs))
    for program in sorted(unread["program"].filter(is_claimed).unique().to_list()):
        reading.reject(unread["line"].filter(unread["program"] == program), f"{program}{UNKNOWN_KIND}")
    for program, count in unread["program"].filter(~is_claimed).value_counts().iter_rows():
        reading.skipped[f"program {program}" if _PROGRAM_NAME.fullmatch(program or "") else "other programs"] += count
