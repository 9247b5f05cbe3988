"""Columns of written times: read by machine code where they are written as usual, else by :mod:`breachscope.timestamps`; with one result."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from breachscope.ingest.native import LOCAL, UNREAD, ZONED, WrittenTime, is_built
from breachscope.ingest.native import read_times as read_by_machine
from breachscope.timestamps import EARLIEST, EPOCH_DIGITS, EPOCHS, LATEST, TimeForm, Zone, localised, parse_times

_FIELDS = re.compile(r"(?:%[YmdebHMSz]|[^%])+")
_SPAN = tuple(int(day.timestamp()) * 1_000_000 for day in (EARLIEST, LATEST))


def read_times(texts: pl.Series, form: TimeForm, zone: Zone, years: npt.NDArray[np.int32] | None = None) -> pl.DataFrame:
    """As :func:`breachscope.timestamps.parse_times`."""
    forms = _forms(form, years) if is_built() else ()
    if not forms:
        return parse_times(texts, form, zone, years)
    read = read_by_machine(texts, forms, *_SPAN)
    micros = pl.Series("ts", read.micros)
    # Nearly always all are of one kind.
    if (read.states == ZONED).all():
        return _zoned(micros, read.minutes)
    zone_of = zone if form.zone is None else Zone(form.zone, is_given=True)
    quality = "inferred_year" if years is not None else "exact" if zone_of.is_given else "assumed_tz"
    if (read.states == LOCAL).all():
        return _local(micros, zone_of, quality)
    rows = [np.flatnonzero(read.states == state) for state in (ZONED, LOCAL, UNREAD)]
    zoned, local, unread = (pl.Series(r) for r in rows)
    unread_times = parse_times(texts[unread], form, zone, None if years is None else years[rows[2]])
    parts = [_zoned(micros[zoned], read.minutes[rows[0]]), _local(micros[local], zone_of, quality), unread_times]
    return pl.concat(parts)[pl.Series(np.argsort(np.concatenate(rows)))]


def _zoned(micros: pl.Series, minutes: npt.NDArray[np.int32]) -> pl.DataFrame:
    stamped = micros.cast(pl.Datetime("us", "UTC")).alias("ts")
    quality = pl.repeat("exact", len(micros), dtype=pl.String, eager=True).alias("ts_quality")
    return pl.DataFrame([stamped, pl.Series("ts_offset_min", minutes, dtype=pl.Int16), quality])


def _local(micros: pl.Series, zone: Zone, quality: str) -> pl.DataFrame:
    return localised(micros.cast(pl.Datetime("us")).alias("local").to_frame(), zone, quality)


def _forms(form: TimeForm, years: npt.NDArray[np.int32] | None) -> tuple[WrittenTime, ...]:
    """The first forms, as far as machine code knows them, which knows one year for all; what is written in a later one it leaves unread."""
    if years is None:
        return _dated_forms(form)
    return _yearless_form(form, int(years[0])) if len(years) and (years == years[0]).all() else ()


@cache
def _dated_forms(form: TimeForm) -> tuple[WrittenTime, ...]:
    known: list[WrittenTime] = []
    for written in form.formats:
        if written == "iso8601":
            known.append(WrittenTime("iso8601"))
        elif written in EPOCHS:
            known.append(WrittenTime("epoch", per_unit=EPOCHS[written], most=EPOCH_DIGITS[written]))
        elif _FIELDS.fullmatch(written) and {"%Y", "%d", "%H"} <= _fields(written):
            known.append(WrittenTime("strptime", written, next((c for c in re.sub("%.", "", written) if not c.isalnum() and c != " "), "")))
        else:
            break
    return tuple(known)


@cache
def _yearless_form(form: TimeForm, year: int) -> tuple[WrittenTime, ...]:
    """The first form, if it is one of local times without a year."""
    written = form.formats[0]
    is_known = _FIELDS.fullmatch(written) and {"%b", "%d", "%H"} <= (fields := _fields(written)) and not fields & {"%Y", "%z"}
    return (WrittenTime("strptime", written, year=year),) if is_known else ()


def _fields(written: str) -> set[str]:
    """The fields of a form, those of a day alike."""
    return {"%d" if field == "%e" else field for field in re.findall("%.", written)}
