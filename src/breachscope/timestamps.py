"""All time parsing: written forms, zones, missing years, offsets.

A written time becomes UTC microseconds, the offset in minutes, and a quality:

``exact``          the log says date, time and zone, or the user gave the zone
``assumed_tz``     no zone in the log and none given: UTC was taken
``inferred_year``  no year in the log; :class:`YearTimeline` supplied it
``ambiguous``      the clock of the zone showed this time twice, and its first pass was taken
``nonexistent``    the clock of the zone never showed this time: the writer's clock, or the zone, is another one
``none``           no usable time

Never used: the file's modification time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import polars as pl

from breachscope.errors import UsageError, did_you_mean

EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1, "epoch_ns": 0}
"""Microseconds in a unit; 0 where a thousand units are one."""
EPOCH_DIGITS = {"epoch_s": 11, "epoch_ms": 14, "epoch_us": 17, "epoch_ns": 19}
"""More digits than the year 2200 needs would overflow into a year that looks sound."""
_DAYS_PER_UNROLLED_YEAR = 366
_DAYS_BEFORE_MONTH = np.array([0, 0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335], dtype=np.int32)
_MONTHS = {m: i for i, m in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)}
_MONTH = "|".join(_MONTHS)
_YEARLESS = rf"^(?:<[0-9]{{1,3}}>)?:?(?:({_MONTH}) +|({_MONTH.lower()})/)([0-9]{{1,2}}) (?:[0-9]|$)"
"""As syslog has it, ``Mar  2 10``, EMBLEM of a Cisco ASA, ``:Mar 02 10``, or a terminal of RouterOS, ``mar/02 10``."""
YEARLESS_BEGINNING = rf"^(?:<[0-9]{{1,3}}>)?:?(?:(?:{_MONTH}) +|(?:{_MONTH.lower()})/)[0-9]"
"""What all of them begin with."""
_YEARLESS_CHARS = 13
"""Enough for priority, month, day and the first digit of the hour, or a colon in its place."""
_LEAP_YEAR = "2000"
_DATE_IN_NAME = re.compile(r"(?<![0-9])((?:19|20)[0-9][0-9])[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12][0-9]|3[01])(?![0-9])")

_MICROSECONDS = pl.Datetime("us")
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""No log is from before or after these."""
OUTSIDE = "outside"
"""In place of a quality, where a time was read but no log can be of its year; no event has it."""


@dataclass(frozen=True)
class TimeForm:
    """How one format writes time.

    ``formats`` are strptime patterns (``%Z`` at the end is UTC, GMT or JST), or
    ``epoch_s``, ``epoch_ms``, ``epoch_us``, ``epoch_ns``, ``iso8601``, ``japanese``, ``dotnet``.
    """

    formats: tuple[str, ...]
    zone: str | None = None
    """The zone of zone-less times, where the format fixes it."""

    @property
    def lacks_year(self) -> bool:
        return not any(f in EPOCHS or f in ("iso8601", "japanese", "dotnet") or "%Y" in f or "%y" in f for f in self.formats)


@dataclass(frozen=True)
class Zone:
    """The zone of zone-less times. ``is_given`` tells whether the user named it."""

    name: str = "UTC"
    is_given: bool = False

    @classmethod
    def named(cls, name: str) -> Zone:
        """Check an IANA name such as ``Asia/Tokyo``. Raises UsageError for an unknown one."""
        try:
            ZoneInfo(name)
            pl.select(pl.lit(datetime(2000, 1, 1)).dt.replace_time_zone(name))  # Polars knows fewer names
        except (ZoneInfoNotFoundError, ValueError, OSError, pl.exceptions.ComputeError) as error:
            raise UsageError(f"time zone {name!r} is not known{_nearest_zone(name)}; use a name like Asia/Tokyo") from error
        return cls(name, is_given=True)


def _nearest_zone(wrong: str) -> str:
    """A suggestion as :func:`did_you_mean` makes; for an offset or an abbreviation none but of a zone that means the same.

    The names in ``Etc`` count to the west: https://data.iana.org/time-zones/tzdb/etcetera.
    """
    from zoneinfo import available_timezones

    known = available_timezones() - {wrong}
    if offset := re.fullmatch(r"(?:UTC|GMT)?([+-])0?([0-9]{1,2})(?::?00)?", wrong):
        sign = "-" if offset[1] == "+" else "+"
        same = f"Etc/GMT{sign}{offset[2]}" if int(offset[2]) else "UTC"
        return f"; did you mean {same!r}?" if same in known else ""
    if wrong.upper() == "JST":
        return "; did you mean 'Asia/Tokyo'?"
    return "" if re.fullmatch(r"[A-Z]{2,4}|.*[0-9]:?[0-9]+", wrong) else did_you_mean(wrong, known)


@dataclass(frozen=True)
class YearTimeline:
    """The year of every line of a log that writes none.

    ``lines[i]`` is the first line of a stretch and ``years[i]`` its year. Made by :func:`infer_years` from the whole file.
    """

    lines: npt.NDArray[np.int64]
    years: npt.NDArray[np.int32]
    assumption: str

    def at(self, lines: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Year of each line number."""
        return self.years[np.maximum(np.searchsorted(self.lines, lines, side="right") - 1, 0)]


def infer_years(chunks: Iterable[tuple[npt.NDArray[np.int64], pl.Series]], *, reference: date, year: int | None, file_name: str) -> YearTimeline | None:
    """Find the year of every line of a year-less log; None when no line carries such a time.

    ``chunks`` yields (numbers of lines, these lines); lines of the day of the one before may be left out. Two neighbouring
    lines are taken to be less than half a year apart, so New Year may be crossed forwards and, where lines are out of order,
    backwards. The years are then anchored: ``year`` dates the last line, else a date in ``file_name`` does, else the latest
    year is taken that puts no line after ``reference`` (and that gives 29 February a leap year).
    """
    starts: list[npt.NDArray[np.int64]] = []
    numbers: list[npt.NDArray[np.int32]] = []
    last_day: int | None = None
    unrolled = 0
    highest = -(1 << 60)
    leap_turns: set[int] = set()
    for line_numbers, lines in chunks:
        days, offsets = _days_of_leap_year(lines)
        if not len(days):
            continue
        steps = np.diff(days, prepend=days[0] if last_day is None else last_day).astype(np.int64)
        half = _DAYS_PER_UNROLLED_YEAR // 2
        steps = (steps + half) % _DAYS_PER_UNROLLED_YEAR - half
        positions = (int(days[0]) if last_day is None else unrolled) + np.cumsum(steps)
        turns = (positions // _DAYS_PER_UNROLLED_YEAR).astype(np.int32)
        changed = np.flatnonzero(np.diff(turns, prepend=turns[0] - 1 if not numbers else numbers[-1][-1]))
        if len(changed):
            starts.append(line_numbers[offsets[changed]])
            numbers.append(turns[changed])
        last_day, unrolled = int(days[-1]), int(positions[-1])
        highest = max(highest, int(positions.max()))
        leap_turns |= set(turns[days == _LEAP_DAY].tolist())
    if last_day is None:
        return None
    last_turn, highest_turn = unrolled // _DAYS_PER_UNROLLED_YEAR, highest // _DAYS_PER_UNROLLED_YEAR
    base, assumption = _anchor(last_turn, highest_turn, highest % _DAYS_PER_UNROLLED_YEAR, leap_turns, reference, year, file_name)
    return YearTimeline(np.concatenate(starts), base + np.concatenate(numbers), assumption)


_LEAP_DAY = 59


def has_yearless_times(lines: pl.Series) -> bool:
    """Whether a line begins with a time that lacks its year."""
    return bool(lines.str.contains(_YEARLESS).any())


def _days_of_leap_year(lines: pl.Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """0-based day of a leap year of the lines that begin with a year-less time, and their indexes; one for a run of lines of the same hour."""
    # Neighbouring lines share their day: each run is read once.
    runs = lines.str.head(_YEARLESS_CHARS).rle().struct.unnest()
    parts = runs["value"].str.extract_groups(_YEARLESS).struct.unnest()
    parts.columns = ["month", "lower", "day"]
    parts = parts.with_columns(pl.coalesce("month", pl.col("lower").str.to_titlecase()))
    starts = pl.Series("i", np.cumsum(runs["len"].to_numpy()).astype(np.int64)) - runs["len"].cast(pl.Int64)
    found = parts.with_columns(starts).filter(pl.col("month").is_not_null())
    months = found["month"].replace_strict(_MONTHS, return_dtype=pl.Int64).to_numpy()
    days = _DAYS_BEFORE_MONTH[months] + found["day"].cast(pl.Int64).to_numpy() - 1
    return days.astype(np.int64), found["i"].to_numpy()


def _anchor(last_turn: int, highest_turn: int, highest_day: int, leap_turns: set[int], reference: date, year: int | None, file_name: str) -> tuple[int, str]:
    """Year of turn 0, and the assumption in words."""
    if year is not None:
        return year - last_turn, f"year {year} given for the last line"
    if named := _DATE_IN_NAME.search(file_name):
        anchor = int(named[1])
        # A rotated file named 2026-01-01 holds December: its last line is not later than the name's day.
        if highest_day > _day_of_leap_year(date(anchor, int(named[2]), int(named[3]))) + 1:
            anchor -= 1
        return anchor - highest_turn, f"year {anchor} from the file name"
    anchor = reference.year if highest_day <= _day_of_leap_year(reference) else reference.year - 1
    for candidate in range(anchor, anchor - 8, -1):
        if all(_is_leap(candidate - highest_turn + turn) for turn in leap_turns):
            return candidate - highest_turn, f"year {candidate}: the latest that puts no line after {reference.isoformat()}"
    return anchor - highest_turn, f"year {anchor}: the latest that puts no line after {reference.isoformat()}; its 29 February cannot be"


def _day_of_leap_year(day: date) -> int:
    return int(_DAYS_BEFORE_MONTH[day.month]) + day.day - 1


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def parse_times(texts: pl.Series, form: TimeForm, zone: Zone, years: npt.NDArray[np.int32] | None = None) -> pl.DataFrame:
    """Read written times; columns ts (UTC µs), ts_offset_min and ts_quality, null and ``none`` where a text is no time, null and :data:`OUTSIDE` where
    it is one of no log's.

    ``years`` gives the year of each text and is needed where the form lacks one.
    """
    zone = zone if form.zone is None else Zone(form.zone, is_given=True)
    # Neighbouring log lines share their second: each run of equal texts is read once.
    if years is None:
        runs = texts.rle().struct.unnest()
        values = runs["value"]
    else:
        runs = pl.DataFrame({"text": texts, "year": years}).select(pl.struct("text", "year").rle().alias("r")).unnest("r")
        values, years = runs["value"].struct.field("text"), runs["value"].struct.field("year").to_numpy()
    read = _read(values, form, zone, years)
    return read[np.repeat(np.arange(len(values), dtype=np.uint32), runs["len"].to_numpy())]


def _read(texts: pl.Series, form: TimeForm, zone: Zone, years: npt.NDArray[np.int32] | None) -> pl.DataFrame:
    out = _read_one(texts, form.formats[0], zone, years)
    for written in form.formats[1:]:
        if not out["ts"].null_count():
            break
        further = _read_one(texts, written, zone, years)
        is_read = out["ts"].is_not_null() | ((out["ts_quality"] == OUTSIDE) & further["ts"].is_null())
        out = pl.DataFrame([out[c].zip_with(is_read, further[c]) for c in out.columns])
    return out


def _read_one(texts: pl.Series, written: str, zone: Zone, years: npt.NDArray[np.int32] | None) -> pl.DataFrame:
    frame = texts.alias("t").to_frame()
    if written in EPOCHS:
        per_unit = EPOCHS[written]
        whole = pl.col("t").str.extract(rf"^([0-9]{{1,{EPOCH_DIGITS[written]}}})(?:\.[0-9]*)?$").cast(pl.Int64, strict=False)
        digits = pl.col("t").str.extract(r"\.([0-9]{1,6})").str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0)
        micros = whole * per_unit + digits * per_unit // 1_000_000 if per_unit else whole // 1000
        stamped = frame.select(micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("ts"))
        return _with_quality(stamped, pl.lit(0, pl.Int16), "exact")
    if written == "dotnet":
        return _read_dotnet(frame)
    if written == "iso8601":
        return _read_iso(frame, zone)
    if written == "japanese":
        return _placed(_japanese(frame), zone)
    if written.endswith("%Z"):
        zone_name = pl.col("t").str.extract(r"([A-Z]+)$")
        offset = zone_name.replace_strict(_ZONE_NAMES, default=None, return_dtype=pl.String)
        frame, written = frame.select(pl.concat_str(pl.col("t").str.strip_suffix(zone_name), offset).alias("t")), f"{written[:-2]}%z"
    if "%z" in written:
        text = pl.col("t")
        quality = "exact" if years is None else "inferred_year"
        if "%Y" not in written and "%y" not in written:
            year = pl.lit(_LEAP_YEAR) if years is None else pl.Series(years).cast(pl.String)
            text, written = pl.concat_str(year, pl.lit(" "), text), "%Y " + written
            quality = "inferred_year" if years is not None else "none"
        return _read_with_offset(frame.select(text.alias("t")), written, quality)
    local = pl.col("t")
    quality = "exact" if zone.is_given else "assumed_tz"
    if "%Y" not in written and "%y" not in written:
        year = pl.lit(_LEAP_YEAR) if years is None else pl.Series(years).cast(pl.String)
        local, written = pl.concat_str(year, pl.lit(" "), local), "%Y " + written
        quality = "inferred_year" if years is not None else "none"
    return localised(frame.select(local.str.strptime(_MICROSECONDS, written, strict=False).alias("local")), zone, quality)


def _read_dotnet(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as Microsoft's JSON writers have them: ``/Date(1772414104120)/``, milliseconds of UTC, perhaps with the writer's offset behind.

    Source: the remarks of .NET's DataContractJsonSerializer on DateTime; ConvertTo-Json of Windows PowerShell writes the same.
    """
    parts = frame.select(pl.col("t").str.extract_groups(r"^/Date\(([0-9]{1,14})([+-][0-9]{4})?\)/$")).unnest("t")
    parts.columns = ["ms", "z"]
    stamped = parts.select(
        (pl.col("ms").cast(pl.Int64) * 1000).cast(_MICROSECONDS).dt.replace_time_zone("UTC").alias("ts"), _offset_minutes(pl.col("z")).alias("m")
    )
    is_bare = parts["z"].is_null()
    return _with_quality(stamped.select_seq("ts"), stamped["m"].set(is_bare, 0), "exact")


_OFFSET = r"([+-][0-9][0-9]:?[0-9][0-9]|Z)$"
_ZONE_NAMES = {"UTC": "+0000", "GMT": "+0000", "JST": "+0900"}
"""Names that stand for one offset only: CST stands for three."""
_PLAIN_OFFSET = re.compile(r" [+-](?:[01][0-9]|2[0-3])[0-5][0-9]")


def _read_with_offset(frame: pl.DataFrame, written: str, quality: str) -> pl.DataFrame:
    """Read times that carry their offset. Most often they share one, and a naive time reads three times faster than one with ``%z``."""
    tails = frame["t"].str.tail(6)
    first = next((tail for tail in tails.head(1) if tail), "")
    if written.endswith(" %z") and _PLAIN_OFFSET.fullmatch(first) and bool((tails == first).all(ignore_nulls=False)):
        minutes = (int(first[2:4]) * 60 + int(first[4:])) * (-1 if first[1] == "-" else 1)
        local = pl.col("t").str.head(-6).str.strptime(_MICROSECONDS, written[:-3], strict=False)
        stamped = (local - pl.duration(minutes=minutes)).dt.replace_time_zone("UTC")
        return _with_quality(frame.select_seq(stamped.alias("ts")), pl.lit(minutes, pl.Int16), quality)
    stamped = pl.col("t").str.strptime(pl.Datetime("us", "UTC"), written, strict=False)
    read = frame.select(stamped.alias("ts"), _offset_minutes(pl.col("t").str.extract(_OFFSET)).alias("m"))
    return _with_quality(read.select_seq("ts"), read["m"], quality)


def _read_iso(frame: pl.DataFrame, zone: Zone) -> pl.DataFrame:
    """ISO 8601 / RFC 3339: ``T`` or a space, optional fraction (dot or comma), optional ``Z``, ``+09:00``, ``+0900``, ``+09``, and what PostgreSQL adds.

    Of the abbreviations of zones only those count that name one offset; CST is three of them, and says nothing.
    """
    parts = frame.select(
        pl.col("t").str.extract_groups(
            r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))? ?(Z|UTC|GMT|JST|[+-][0-9]{2}(?::?[0-9]{2})?)?(?: [A-Z]{2,5})?$"
        )
    ).unnest("t")
    parts.columns = ["d", "c", "f", "z"]
    local = pl.concat_str("d", pl.lit("T"), "c").str.strptime(_MICROSECONDS, "%Y-%m-%dT%H:%M:%S", strict=False)
    parts = parts.with_columns((local + _fraction(pl.col("f"))).alias("local"), _offset_minutes(pl.col("z")).alias("m"))
    return _placed(parts, zone)


def _placed(parts: pl.DataFrame, zone: Zone) -> pl.DataFrame:
    """Times of columns local, written zone z, null where none is, and its minutes m; those without one are placed in ``zone``."""
    zoned = _with_quality(
        parts.select((pl.col("local") - pl.duration(minutes=pl.col("m").cast(pl.Int64))).dt.replace_time_zone("UTC").alias("ts")), parts["m"], "exact"
    )
    if not parts.select((pl.col("z").is_null() & pl.col("local").is_not_null()).any()).item():
        return zoned
    floating = localised(parts.select("local"), zone, "exact" if zone.is_given else "assumed_tz")
    has_zone = parts["z"].is_not_null()
    return pl.DataFrame([zoned[c].zip_with(has_zone, floating[c]) for c in zoned.columns])


_ERAS = {"令和": (2019, 5, 1), "平成": (1989, 1, 8), "昭和": (1926, 12, 25)}
"""The first day of each era (元号法), which ends where the one above it begins."""
_SHORT_ERAS = {**dict.fromkeys("R令㋿", "令和"), **dict.fromkeys("H平㍻", "平成"), **dict.fromkeys("S昭㍼", "昭和")}
_FULL_WIDTH = dict(zip("０１２３４５６７８９：／－．，　ＡＰＭＲＨＳ", "0123456789:/-., APMRHS", strict=True))
_WEEKDAY = "(?:[(（][日月火水木金土](?:曜日?)?[)）]|[日月火水木金土]曜日?)"
_HALF = "午前|午後|[AaPp][Mm]"
_JAPANESE = (
    r"^(令和|平成|昭和|[令平昭㋿㍻㍼RHS])? ?(元|[0-9]{1,4})[年/.-] *([0-9]{1,2})[月/.-] *([0-9]{1,2})"
    rf"(日 *{_WEEKDAY}?(?:T| *)| *{_WEEKDAY} *|T| +|)({_HALF})? ?"
    r"([0-9]{1,2})[時:] *([0-9]{1,2})(?:[分:] *(?:([0-9]{1,2})(?:[.,]([0-9]{1,9})|:([0-9]{3}))?秒?)?)?"
    rf"(?: ?({_HALF}))?(?: ?(Z|UTC|GMT|JST|[+-][0-9]{{2}}(?::?[0-9]{{2}})?))?$"
)
"""Also as ``date`` of a Japanese Linux, ``2026年  9月  1日 火曜日 09:05:07 JST``, and as log4j with ``HH:mm:ss:SSS``."""


def _japanese(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as Japanese software writes them: ``2026年9月1日 9時05分``, ``令和8年9月1日(火) 午後3:05:07``, ``R8.9.1 15:05``, also in full width.

    Columns local, the zone z if one is written, and its minutes m.
    """
    halved = frame.select(pl.col("t").str.replace_many(_FULL_WIDTH).alias("t"))
    parts = halved.select(pl.col("t").str.extract_groups(_JAPANESE)).unnest("t")
    parts.columns = ["era", "y", "mo", "d", "gap", "half", "h", "mi", "s", "f", "ms", "half_behind", "z"]
    number = {c: pl.col(c).cast(pl.Int32, strict=False) for c in ("mo", "d", "h", "mi")}
    in_era = pl.when(pl.col("y") == "元").then(pl.lit(1)).otherwise(pl.col("y").cast(pl.Int32, strict=False))
    # A year of one or two digits without its era could be any.
    era = pl.col("era").replace(_SHORT_ERAS)
    begins = [date(*day) for day in _ERAS.values()]
    ends = [LATEST.date(), *begins[:-1]]
    first, end = (era.replace_strict(dict(zip(_ERAS, days, strict=True)), default=None, return_dtype=pl.Date) for days in (begins, ends))
    is_western = pl.col("era").is_null() & (pl.col("y").str.len_chars() == len("2026"))
    year = pl.when(is_western).then(in_era).otherwise(in_era + first.dt.year() - 1)
    # 午前12時 is midnight, 午後0時 and 午後12時 are noon; on a clock of 24 hours the half of the day says nothing new.
    half = pl.coalesce("half", "half_behind").str.to_uppercase()
    is_late = half.is_in(["午後", "PM"]).fill_null(value=False)
    is_early = half.is_not_null() & ~is_late
    hour = pl.when(is_late & (number["h"] < 12)).then(number["h"] + 12).when(is_early & (number["h"] == 12)).then(0).otherwise(number["h"])
    second = pl.col("s").cast(pl.Int32, strict=False).fill_null(0)
    # "9/112:05" could be the 1st at 12 or the 11th at 2; 午前13時 never is.
    is_told = (pl.col("gap") != "") | pl.col("half").is_not_null()
    is_one = (pl.col("half").is_null() | pl.col("half_behind").is_null()) & ~(is_early & (number["h"] > 12))
    told = pl.when(is_told & is_one).then(pl.format("{}-{}-{} {}:{}:{}", year, number["mo"], number["d"], hour, number["mi"], second))
    fraction = _fraction(pl.coalesce("f", "ms"))
    local = parts.with_columns((told.str.strptime(_MICROSECONDS, "%Y-%m-%d %H:%M:%S", strict=False) + fraction).alias("local"))
    is_of_era = is_western | pl.col("local").dt.date().is_between(first, end, closed="left")
    return local.select(pl.when(is_of_era).then("local"), "z", _offset_minutes(pl.col("z")).alias("m"))


def _fraction(digits: pl.Expr) -> pl.Expr:
    """The part of a second behind its dot; what is finer than microseconds is cut off."""
    return pl.duration(microseconds=digits.str.head(6).str.pad_end(6, "0").cast(pl.Int64).fill_null(0))


def _offset_minutes(written: pl.Expr | pl.Series) -> pl.Expr:
    """Minutes east of UTC of ``Z``, ``UTC``, ``JST``, ``+0900``, ``+09:00`` or ``+09``; null for what is no offset."""
    text = pl.lit(written) if isinstance(written, pl.Series) else written
    text = text.replace(_ZONE_NAMES)
    digits = text.str.extract(r"^([+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)$").str.replace_all(":", "", literal=True).str.pad_end(len("+0900"), "0")
    minutes = digits.str.slice(1, 2).cast(pl.Int16, strict=False) * 60 + digits.str.slice(3, 2).cast(pl.Int16, strict=False)
    return pl.when(text == "Z").then(pl.lit(0, pl.Int16)).when(text.str.starts_with("-")).then(-minutes).otherwise(minutes)


def localised(frame: pl.DataFrame, zone: Zone, quality: str) -> pl.DataFrame:
    """Place naive local times in ``zone``. A repeated time takes its first pass; a skipped one keeps the offset before the change."""
    local = frame["local"]
    placed = local.dt.replace_time_zone(zone.name, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    qualities = pl.lit(quality)
    if placed.null_count() > local.null_count():
        rows = (placed.is_null() & local.is_not_null()).arg_true()
        odd = local[rows]
        first_pass = odd.dt.replace_time_zone(zone.name, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
        # Few times are skipped, for no clock shows them.
        skipped = odd.filter(first_pass.is_null()).unique()
        before = {t: t.replace(tzinfo=ZoneInfo(zone.name)).astimezone(UTC) for t in skipped.to_list()}
        kept_offset = odd.replace_strict(before, default=None, return_dtype=pl.Datetime("us", "UTC")) if before else first_pass
        placed = placed.scatter(rows, first_pass.fill_null(kept_offset))
        told = first_pass.is_null().replace_strict({True: "nonexistent", False: "ambiguous"}, return_dtype=pl.String)
        qualities = pl.lit(pl.repeat(quality, len(local), eager=True).scatter(rows, told))
    minutes = ((local.dt.replace_time_zone("UTC") - placed).dt.total_minutes()).cast(pl.Int16)
    return _with_quality(placed.alias("ts").to_frame(), minutes, qualities)


def _with_quality(frame: pl.DataFrame, minutes: pl.Series | pl.Expr, quality: str | pl.Expr) -> pl.DataFrame:
    """The three time columns; times of years that no log is of are null, of the quality :data:`OUTSIDE`."""
    offset = (pl.lit(minutes) if isinstance(minutes, pl.Series) else minutes).cast(pl.Int16)
    is_time = pl.col("ts").is_between(pl.lit(EARLIEST), pl.lit(LATEST), closed="left") & offset.is_not_null()
    return frame.select_seq(
        pl.when(is_time).then("ts").alias("ts"),
        pl.when(is_time).then(offset).alias("ts_offset_min"),
        pl.when(is_time)
        .then(pl.lit(quality) if isinstance(quality, str) else quality)
        .when(pl.col("ts").is_not_null() & offset.is_not_null())
        .then(pl.lit(OUTSIDE))
        .otherwise(pl.lit("none"))
        .alias("ts_quality"),
    )
