"""Matched text becomes rows of an event table: typed, with a time, or refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from breachscope.ingest.clients import with_clients
from breachscope.ingest.columns import NULL_TEXTS, canonical_addresses, joined_texts, split_request
from breachscope.ingest.escapes import unescape_rows
from breachscope.ingest.formats import FieldRule, Format, Pattern
from breachscope.ingest.native import cut, is_built
from breachscope.ingest.reading import Context, Reading
from breachscope.ingest.times import read_times
from breachscope.ingest.views import INLINE_BYTES, Mask, without_texts
from breachscope.schema import EVENT_ID_LINE_FACTOR, EVENT_ID_SOURCE_FACTOR, EVENT_TABLES, Table
from breachscope.timestamps import OUTSIDE, TimeForm

POLARS_TYPES: Mapping[pa.DataType, pl.DataType] = {
    pa.string(): pl.String(),
    pa.int16(): pl.Int16(),
    pa.int32(): pl.Int32(),
    pa.int64(): pl.Int64(),
    pa.float64(): pl.Float64(),
    pa.bool_(): pl.Boolean(),
    pa.timestamp("us", tz="UTC"): pl.Datetime("us", "UTC"),
}
STAMP = ("ts", "ts_offset_min", "ts_quality")
"""Columns that a time becomes."""
VERBATIM = ("path", "query", "request", "uri", "time", "text", "message", *STAMP)
"""Columns in which ``-`` and the empty text mean themselves."""
WITHOUT_ESCAPES = ("time", "text", *STAMP)
"""Columns that are read as they are written."""
_FEW = 8
"""Texts that are sought one by one."""
_ICMP_V6 = ("icmpv6", "icmp6", "ICMPv6", "ICMP6", "IPv6-ICMP")
HIGHEST: Mapping[str, int] = {"status": 999, "client_port": 65535, "src_port": 65535, "dst_port": 65535}


@dataclass(frozen=True)
class Part:
    """Some columns of matched lines as text; ``row_of`` tells which row of ``frame`` each line has, where lines share rows."""

    frame: pl.DataFrame
    row_of: npt.NDArray[np.uint32] | None = None

    def per_line(self, values: Sequence[pl.Series]) -> list[pl.Series]:
        """Values made of the frame's rows, one for each line."""
        if self.row_of is None or not values:
            return list(values)
        return pl.DataFrame(values)[pl.Series(self.row_of)].get_columns()


def to_events(
    lines: pl.Series, parts: Sequence[Part], fmt: Format, pattern: Pattern, context: Context, reading: Reading, ready: Mapping[str, pl.Series] = {}
) -> None:  # fmt: skip
    """Turn matched text into rows of an event table, beside columns that are ready; rows whose values cannot be what they should be are rejected."""
    table = EVENT_TABLES[pattern.table or fmt.table or ""]
    columns = dict(ready)
    is_faulty: Mask = np.zeros(len(lines), bool)
    for part in parts:
        values, faults = _values(part.frame, fmt, pattern, table, context)
        columns |= {s.name: s for s in part.per_line(values) if s.name not in ready}  # a service of its own is not the envelope's
        for fault, reason in faults:
            is_fault = part.per_line([fault])[0].to_numpy()
            reading.reject(lines.filter(is_fault & ~is_faulty), reason)
            is_faulty |= is_fault
    for name, constant in pattern.constants.items():
        columns[name] = pl.repeat(constant, len(lines), dtype=POLARS_TYPES[table[name].type], eager=True)
    for part in parts:
        if "attempts" in columns and "_repeats" in part.frame.columns:
            columns["attempts"] = columns["attempts"] * part.frame["_repeats"]
    if "status" in columns and (is_none := (columns["status"] == 0).fill_null(value=False)).any():
        columns["status"] = columns["status"].set(is_none, None)  # no answer was sent
    rows = _assembled(lines, columns, table, fmt.id, context.source)
    if is_faulty.any():
        rows = rows.filter(~is_faulty)
    if "peer_ip" in columns or ("forwarded_for" in columns and context.trusted_proxies):
        rows = with_clients(rows, context.trusted_proxies)
    if len(rows):
        reading.events.append((table.name, fmt.id, rows))


def time_faults(frame: pl.DataFrame) -> list[tuple[pl.Series, str]]:
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
        frame = with_times(frame, form, context) if "ts" not in frame.columns else _with_own_times(frame, form, context)
        faults += time_faults(frame)
    for name, rule in fmt.fields.items():
        if rule.origin in frame.columns and name not in frame.columns:
            frame = frame.with_columns(pl.col(rule.origin).alias(name))
    written = [c for c, t in frame.schema.items() if t == pl.String and c not in VERBATIM]
    escaped = [c for c, t in frame.schema.items() if t == pl.String and c not in WITHOUT_ESCAPES]
    frame = frame.with_columns([without_texts(frame[c], NULL_TEXTS) for c in written])
    if "service" in table and "service" not in frame.columns and "program" in frame.columns:
        frame = frame.with_columns(pl.col("program").alias("service"))
    if fmt.escapes and "text" in frame.columns:
        rows = frame["text"].str.contains("\\", literal=True).arg_true()
        frame = frame.with_columns(unescape_rows(frame.select(escaped).get_columns(), rows, fmt.escapes)) if len(rows) else frame
    for whole, split in (("request", split_request), ("uri", split_uri)):
        if whole in frame.columns:
            frame = _with_parts(frame, split(frame[whole]))
    values = [frame[c] for c in STAMP if c in frame.columns]
    for name in frame.columns:
        if name in table and frame.schema[name] == pl.String and name not in STAMP:
            value, fault = _typed(frame[name], name, table, fmt.fields.get(name))
            values.append(value)
            if fault is not None:
                faults.append((fault, f"{name} is not {_article(POLARS_TYPES[table[name].type])}"))
    return values, faults


def with_times(frame: pl.DataFrame, form: TimeForm, context: Context) -> pl.DataFrame:
    """Add what the column time tells, in the years that its lines are of."""
    years = context.years.at(frame["line"].to_numpy()) if context.years is not None and form.lacks_year else None
    return frame.hstack(read_times(frame["time"], form, context.zone, years))


def _with_own_times(frame: pl.DataFrame, form: TimeForm, context: Context) -> pl.DataFrame:
    """Times that messages tell themselves; where one tells none, its envelope's stays."""
    own = with_times(frame.drop(STAMP), form, context)
    is_told = without_texts(frame["time"], NULL_TEXTS).is_not_null()
    return own.with_columns([own[c].zip_with(is_told, frame[c]) for c in STAMP])


def _with_parts(frame: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Add the parts of a compound field; what the line also says by itself goes first."""
    return frame.with_columns([pl.coalesce(pl.col(p.name), p).alias(p.name) if p.name in frame.columns else p for p in parts.get_columns()])


def split_uri(uri: pl.Series) -> pl.DataFrame:
    """Path and query of a request target, cut at the first question mark."""
    if not is_built():
        return pl.select(pl.lit(uri).str.splitn("?", 2).struct.rename_fields(["path", "query"]).alias("u")).unnest("u")
    path, query = cut(uri, "?")
    return pl.DataFrame([path.alias("path"), query.alias("query")])


def _article(dtype: pl.DataType) -> str:
    return "a whole number in range" if dtype.is_integer() else "a number" if dtype.is_float() else "readable"


def _typed(text: pl.Series, name: str, table: Table, rule: FieldRule | None) -> tuple[pl.Series, pl.Series | None]:
    """Text as its column's type, and which values could not be converted (None when all could)."""
    if rule and rule.nothing:
        text = without_texts(text, rule.nothing)
    if rule and rule.hex:
        text = without_texts(_unhexed(text), NULL_TEXTS)
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
    if rule and rule.indent and len(rows := text.str.contains("\n", literal=True).fill_null(value=False).arg_true()):
        text = text.scatter(rows, text[rows].str.replace_all(f"\n{rule.indent}", "\n", literal=True))
    if rule and (rule.cut or rule.find):
        text = _edited(text, rule)
    dtype = POLARS_TYPES[table[name].type]
    if dtype == pl.String:
        return (canonical_addresses(text) if name.endswith("_ip") else _canonical_transports(text) if name == "transport" else text).alias(name), None
    if name == "duration_ms":
        text = text.set((text == "-1").fill_null(value=False), None)  # a timer that never ran
        text = _clocked(text, 1 / (rule.scale or 1) if rule else 1.0)
    number = _number(text, dtype, rule.scale if rule else None).alias(name)
    least, most, highest = number.min(), number.max(), HIGHEST.get(name)
    is_negative = isinstance(least, (int, float)) and least < 0
    is_too_high = highest is not None and isinstance(most, (int, float)) and most > highest
    if number.null_count() == text.null_count() and not is_negative and not is_too_high:
        return number, None
    outside = pl.col("n") < 0 if dtype.is_numeric() else pl.lit(value=False)
    if highest is not None:
        outside |= pl.col("n") > highest
    is_faulty = (pl.col("n").is_null() & pl.col("t").is_not_null()) | outside.fill_null(value=False)
    return number, pl.DataFrame([number.alias("n"), text.alias("t")]).select_seq(is_faulty.alias("f"))["f"]


def _canonical_transports(texts: pl.Series) -> pl.Series:
    """Transports by IANA's keyword, in lower case, where the log has another name of ICMP for IPv6 (Assigned Internet Protocol Numbers, 58)."""
    other = [text for text in texts.unique().to_list() if text in _ICMP_V6]
    return texts.replace(dict.fromkeys(other, "ipv6-icmp")) if other else texts


def _clocked(text: pl.Series, unit: float) -> pl.Series:
    """Durations with those of the form 1:02:03 (hours, minutes, seconds) as numbers of ``unit`` ms."""
    is_clock = text.str.contains(r"^[0-9]{1,6}:[0-5][0-9]:[0-5][0-9]$").fill_null(value=False)
    if not is_clock.any():
        return text
    parts = text.filter(is_clock).str.split(":").list.to_struct(fields=["h", "m", "s"]).struct.unnest().cast(pl.Int64)
    told = parts.select(((pl.col("h") * 3600 + pl.col("m") * 60 + pl.col("s")) * 1000 * unit).cast(pl.String))[:, 0]
    return text.scatter(is_clock.arg_true(), told)


def _unhexed(texts: pl.Series) -> pl.Series:
    """Names as auditd writes them: behind a quote, or in hexadecimal digits where they hold a space, a quote or a control character.

    Digits that are no UTF-8 say nothing.
    """
    quoted = texts.str.strip_prefix('"')
    coded = texts.filter(~texts.str.starts_with('"').fill_null(value=True)).unique()
    if not len(coded):
        return quoted
    meant = {text: _unhexed_text(text) for text in coded.to_list()}
    return quoted.zip_with(~texts.is_in(coded.implode()).fill_null(value=False), texts.replace_strict(meant, default=None, return_dtype=pl.String))


def _unhexed_text(text: str) -> str | None:
    """Text of hexadecimal digits.

    >>> _unhexed_text("6120E8A1A8"), _unhexed_text("FF"), _unhexed_text("612"), _unhexed_text("61 20")
    ('a 表', None, None, None)
    """
    try:
        return bytes.fromhex(text).decode() if text.isalnum() else None
    except ValueError:
        return None


def _edited(text: pl.Series, rule: FieldRule) -> pl.Series:
    """Text after ``cut`` and ``find``; the few texts of such a column are edited once each."""
    different = text.drop_nulls().unique()
    edited = different.str.replace(rule.cut, "") if rule.cut else different
    if rule.find is not None:
        found = pl.lit(None, pl.String)
        for value, regex in reversed(list(rule.find.items())):
            found = pl.when(pl.lit(edited).str.contains(f"(?i){regex}")).then(pl.lit(value)).otherwise(found)
        edited = pl.select(found.alias("found"))["found"]
    edited = without_texts(edited, NULL_TEXTS)
    changed = different.ne_missing(edited)
    gone = different.filter(changed)
    # Mostly a few short texts stand for nothing, and the others stay.
    if len(gone) <= _FEW and edited.filter(changed).is_null().all() and not (gone.str.len_bytes() > INLINE_BYTES).any():
        return without_texts(text, gone.to_list())
    return text.replace_strict(different, edited, default=None, return_dtype=pl.String)


def _number(text: pl.Series, dtype: pl.DataType, scale: float | None) -> pl.Series:
    """Text as numbers, null where it is none; ``200.0``, as some JSON writers have it, is a whole number."""
    if scale is not None or dtype.is_float():
        number = text.cast(pl.Float64, strict=False) * (scale or 1)
        number = number.set(~number.is_finite().fill_null(value=False), None)
        return (number.round() if dtype.is_integer() else number).cast(dtype, strict=False)
    number = text.cast(dtype, strict=False)
    if number.null_count() > text.null_count():
        whole = text.str.extract(r"^([0-9]+)\.0+$").cast(dtype, strict=False)
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
    return lines.to_frame().select_seq([_column(made.get(c.name), c.name, POLARS_TYPES[c.type]) for c in table.columns])


def _column(made: pl.Series | pl.Expr | None, name: str, dtype: pl.DataType) -> pl.Expr:
    if made is None:
        return pl.lit(None, dtype).alias(name)
    return (pl.lit(made) if isinstance(made, pl.Series) else made).alias(name)
