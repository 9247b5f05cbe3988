"""Tables of text whose columns are named by a header: a line that begins in a certain way, wherever it stands, or the first one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from breachscope.ingest.encoding import Encoding, decode_line
from breachscope.ingest.formats import JOINED, Format
from breachscope.ingest.table_rows import HEADER_BYTES

MOST_TITLES = 10
"""Lines above a header that name what was exported, when and by whom, as Japanese products write some: 出力日時,2026/03/02."""
MOST_COLUMNS = 2_000
"""No product writes as many; the expression of some ten thousand exceeds what the engine's regular expressions may take."""
_DATE, _TIME = "date", "time"
"""Columns of the W3C's extended log file format: the first may be missing."""
_EPOCH = date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = 0, (date(2200, 1, 1) - _EPOCH).days
_MINUTES_A_DAY = 24 * 60
_WRITTEN_DAY = re.compile(rb"\s*([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]+([0-9]{2}):([0-9]{2}))?")


@dataclass(frozen=True)
class Days:
    """From which line on lines that tell the time of day alone are of which day, as a directive above them says.

    A day ends where the time of a line is more than half a day behind that of the line before.
    Of a block's lines only: of earlier ones what holds at its first line.
    """

    lines: tuple[int, ...] = ()
    days: tuple[int | None, ...] = ()
    """Counted from 1970; None where a directive tells none."""
    minute: int | None = None
    """Of the day, at the last line."""

    def at(self, lines: npt.NDArray[np.int64]) -> pl.Series:
        """The date of each line as text; null above the first directive."""
        dates = [None, *(None if day is None else (_EPOCH + timedelta(days=day)).isoformat() for day in self.days)]
        return pl.Series(dates, dtype=pl.String)[pl.Series(np.searchsorted(np.array(self.lines, np.int64), lines, side="right").astype(np.uint32))]

    def with_those_of(self, data: bytes, first_line: int, headers: Headers, fmt: Format) -> Days:
        """Go on with a block of text which begins with line ``first_line``, under these headers."""
        told = _header_lines(data, first_line, (fmt.dates or "").encode())
        if not (self.lines or told):
            return self
        clock, minutes = _minutes(data, first_line, headers)
        lines, days, minute = list(self.lines[-1:]), list(self.days[-1:]), self.minute
        begins = [first_line, *(line for line, _ in told), first_line + data.count(b"\n") + 1]
        for n, (begin, end) in enumerate(pairwise(begins)):
            if n:
                day, minute = _written_day(told[n - 1][1][len(fmt.dates or "") :])
                lines.append(begin)
                days.append(day)
            within = slice(*np.searchsorted(clock, [begin, end]).tolist())
            if not days or days[-1] is None or within.start == within.stop:
                continue
            here = minutes[within]
            start = int(here[0]) if minute is None else minute
            steps = (np.diff(here, prepend=start) + _MINUTES_A_DAY // 2) % _MINUTES_A_DAY - _MINUTES_A_DAY // 2
            turns = (start + np.cumsum(steps)) // _MINUTES_A_DAY + days[-1]
            for at in np.flatnonzero(np.diff(turns, prepend=days[-1])).tolist():
                lines.append(int(clock[within][at]))
                days.append(int(turns[at]) if _FIRST_DAY <= turns[at] <= _LAST_DAY else None)
            minute = int(here[-1])
        return Days(tuple(lines), tuple(days), minute)


def _written_day(text: bytes) -> tuple[int | None, int | None]:
    """Day and minute of it that a directive tells."""
    found = _WRITTEN_DAY.match(text)
    try:
        day = (date.fromisoformat(found[1].decode()) - _EPOCH).days if found else None
    except ValueError:
        return None, None
    return day, int(found[2]) * 60 + int(found[3]) if found and found[2] else None


def _minutes(data: bytes, first_line: int, headers: Headers) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Lines that tell the time of day under a header that names no date, and the minute of the day that each tells."""
    dateless = {n: names.index(_TIME) for n, names in enumerate(headers.names) if _TIME in names and _DATE not in names and len(names) <= MOST_COLUMNS}
    if not dateless:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    texts = pl.Series("text", data.decode("latin-1").split("\n"))
    numbers = np.arange(first_line, first_line + len(texts), dtype=np.int64)
    header_of = headers.at(numbers)
    found = []
    for n in sorted(dateless.keys() & set(np.unique(header_of).tolist())):
        under = np.flatnonzero(header_of == n)
        written = texts[pl.Series(under)].str.extract_groups(rf"^(?:[^ #][^ ]* ){{{dateless[n]}}}([0-9]{{2}}):([0-9]{{2}}):[0-9]{{2}}")
        told = written.struct.unnest().cast(pl.Int64).select(pl.lit(numbers[under]).alias("line"), pl.nth(0) * 60 + pl.nth(1)).drop_nulls()
        found.append(told)
    if not found:
        return numbers[:0], numbers[:0]
    all_told = pl.concat(found)
    return all_told[:, 0].to_numpy(), all_told[:, 1].to_numpy()


@dataclass(frozen=True)
class Headers:
    """The headers of one input so far: the line of each, and its column names in lower case."""

    lines: tuple[int, ...] = ()
    names: tuple[tuple[str, ...], ...] = ()
    days: Days = field(default_factory=Days)
    is_signed: bool = False
    """Whether a line above told that the format's own program wrote the input."""

    def at(self, lines: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Index of the header that stands above each line; -1 where none does."""
        return np.searchsorted(np.array(self.lines, np.int64), lines, side="left").astype(np.int64) - 1

    def layout(self, header: int, fmt: Format) -> Layout | None:
        """How lines under a header are read, by its index or, for -1, by the names that always hold.

        None where it lacks what the format requires, or names absurdly many. Columns that only tell the format from others
        are not required where the writer said who it is.
        """
        names = self.names[header] if header >= 0 else fmt.columns
        layout = layout_of((*names, _DATE) if self._lacks_date(names) else names, fmt.separator, fmt.quote, fmt.names, self._lacks_date(names))
        required = {column for column in fmt.require if not (self.is_signed and column.startswith("_"))}
        return layout if layout.fields and required <= layout.fields.keys() else None

    def _lacks_date(self, names: tuple[str, ...]) -> bool:
        """Whether lines under these names tell the time of day alone, and the day of some is known."""
        return len(self.days.lines) > 0 and _DATE not in names and _TIME in names

    def with_those_of(self, data: bytes, first_line: int, fmt: Format, encoding: Encoding = "utf-8") -> Headers:
        """Add the headers that stand in a block of text in that encoding which begins with line ``first_line``."""
        if fmt.kind != "table":
            return self
        lines, names = list(self.lines), list(self.names)
        for line, text in _header_lines(data, first_line, (fmt.header or "").encode()):
            found = _names(text, fmt, encoding)
            if fmt.header is None and (lines or not set(fmt.require) <= layout_of(found, fmt.separator, fmt.quote, fmt.names).fields.keys()):
                continue  # a title, or a line like the others
            if not names or found != names[-1]:  # a restart repeats its header
                lines.append(line)
                names.append(found)
        known = Headers(tuple(lines), tuple(names), is_signed=self.is_signed or _begins_line(data, fmt.writer))
        return replace(known, days=self.days.with_those_of(data, first_line, known, fmt)) if fmt.dates else known


def _begins_line(data: bytes, start: str | None) -> bool:
    """Whether a line of some text begins so."""
    return start is not None and (data.startswith((start.encode(), b"\xef\xbb\xbf" + start.encode())) or f"\n{start}".encode() in data)


def _header_lines(data: bytes, first_line: int, start: bytes) -> list[tuple[int, bytes]]:
    if not start:
        return list(enumerate(data[:HEADER_BYTES].split(b"\n")[: MOST_TITLES + 1], 1)) if first_line == 1 else []
    found: list[tuple[int, bytes]] = []
    line, counted = first_line, 0
    at = next((len(mark) for mark in (b"", b"\xef\xbb\xbf") if data.startswith(mark + start)), data.find(b"\n" + start) + 1 or -1)
    while at >= 0:
        end = data.find(b"\n", at)
        line, counted = line + data.count(b"\n", counted, at), at
        found.append((line, data[at : end if end >= 0 else None]))
        at = data.find(b"\n" + start, at) + 1 or -1
    return found


def _names(header: bytes, fmt: Format, encoding: Encoding) -> tuple[str, ...]:
    text = decode_line(header.rstrip(b"\r\n"), encoding).removeprefix("\ufeff").removeprefix(fmt.header or "")
    separator = fmt.separator or ","
    if fmt.header and separator not in text.strip():
        separator = " "  # CloudFront names its tab-separated columns so
    parts = text.split() if separator == " " else text.strip(separator).split(separator) if fmt.header else text.split(separator)
    return tuple(part.strip().strip('"').strip().lower() for part in parts)


@dataclass(frozen=True)
class Layout:
    """How the lines under one header are read: an expression with a group ``_n`` for column n, and which columns make which field."""

    regex: str
    plain_regex: str
    """The same for lines in which no quote is doubled."""
    fields: Mapping[str, tuple[tuple[int, ...], ...]]
    """Field → alternatives, each the columns that are joined by a space."""

    date: int | None = None
    """The number of a column that stands in no line, but is the date of its day."""

    @property
    def columns(self) -> list[int]:
        """The columns that are wanted."""
        return sorted({n for alternatives in self.fields.values() for numbers in alternatives for n in numbers} - {self.date})

    def with_dates(self, columns: Sequence[pl.Series], days: Days, lines: pl.Series) -> list[pl.Series]:
        """The columns of lines, and their dates where no column tells them."""
        return [*columns, days.at(lines.to_numpy()).alias(f"_{self.date}")] if self.date is not None else [*columns]


@lru_cache(maxsize=256)
def layout_of(
    names: tuple[str, ...], separator: str, quote: str | None, keys: tuple[tuple[str, tuple[str, ...]], ...], is_last_apart: bool = False
) -> Layout:  # fmt: skip
    """The layout under a header; fields whose columns it does not name are left out, and all where the names are more than :data:`MOST_COLUMNS`.

    The last name may be of what stands apart, the date.
    """
    if len(names) > MOST_COLUMNS:
        return Layout("", "", {})
    place = {name: n for n, name in reversed(list(enumerate(names)))}
    fields: dict[str, tuple[tuple[int, ...], ...]] = {}
    for column, alternatives in keys:
        joined = [tuple(part.strip().lower() for part in a.split(JOINED)) for a in alternatives]
        if found := tuple(tuple(place[part] for part in parts) for parts in joined if all(part in place for part in parts)):
            fields[column] = found
    wanted = {n for alternatives in fields.values() for numbers in alternatives for n in numbers}
    count = len(names) - is_last_apart
    regex, plain_regex = (_row_regex(count, wanted, separator, quote, may_double=double) for double in (True, False))
    return Layout(regex, plain_regex, fields, count if is_last_apart else None)


def _row_regex(count: int, wanted: Collection[int], separator: str, quote: str | None, *, may_double: bool) -> str:
    within = f"(?:[^{quote}]|{quote}{quote})*" if may_double else f"[^{quote}]*"
    bare = f"[^{re.escape(separator)}{quote or ''}]*"
    columns = []
    for n in range(count):
        held, held_quoted = (f"(?P<_{n}>{bare})", f"{quote}(?P<_{n}__q>{within}){quote}") if n in wanted else (bare, f"{quote}{within}{quote}")
        columns.append(f"(?:{held_quoted}|{held})" if quote else held)
    return "^" + re.escape(separator).join(columns) + "$"
