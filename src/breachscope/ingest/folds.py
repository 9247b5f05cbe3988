"""The second pass of an hour that a clock showed twice, found by the order of lines.

When summer time ends, 01:59:59 is followed by 01:00:00 again. A log that writes no offset does not say which pass a line is
of; its order does, if it reaches the end of the first pass and then stands at the beginning again, once and no more. Rows behind that
line are of the second pass. They keep the quality ``ambiguous``: an order of lines is evidence, not a statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow.parquet as pq

from breachscope.case import Case
from breachscope.timestamps import Zone

_MARGIN = timedelta(minutes=5)
"""The last minutes of the first pass and the first ones of the second must have lines; a log that pauses longer may have missed a whole pass."""
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class _Fold:
    """Local times from ``begin`` to ``end`` are shown twice; the second pass is ``shift`` later."""

    begin: datetime
    end: datetime
    shift: timedelta


def set_second_passes(case: Case, files: Sequence[str], zone: Zone, skew: float) -> None:
    """Move the events of second passes in the event files of one source to their time, where the order of lines tells them."""
    local = (pl.col("ts") + timedelta(seconds=skew)).dt.replace_time_zone(None) + pl.duration(minutes=pl.col("ts_offset_min").cast(pl.Int64))
    frames = [
        pl.scan_parquet(case.path / name).filter(pl.col("ts_quality") == "ambiguous").select("line", local.alias("local")).collect(engine="streaming")
        for name in files
    ]
    repeated = pl.concat(frames).sort("line")
    turns: dict[date, tuple[int, timedelta]] = {}
    for day, rows in repeated.group_by(pl.col("local").dt.date(), maintain_order=True):
        fold = _fold_at(rows["local"][0], ZoneInfo(zone.name))
        if (turn := _turn(rows, fold)) is not None and isinstance(day[0], date):
            turns[day[0]] = turn, fold.shift
    if turns:
        for name, rows in zip(files, frames, strict=True):
            if len(rows):
                _rewrite(case, name, local, turns)


def _fold_at(local: datetime, zone: ZoneInfo) -> _Fold:
    """The fold that a repeated time lies in."""

    def is_repeated(moment: datetime) -> bool:
        first, second = moment.replace(tzinfo=zone).utcoffset(), moment.replace(tzinfo=zone, fold=1).utcoffset()
        return first is not None and second is not None and first > second

    begin = local.replace(second=0, microsecond=0)
    end = begin + _MINUTE
    while is_repeated(begin - _MINUTE):
        begin -= _MINUTE
    while is_repeated(end):
        end += _MINUTE
    return _Fold(begin, end, end - begin)


def _turn(rows: pl.DataFrame, fold: _Fold) -> int | None:
    """The line at which the clock was set back; None where the order of lines does not tell one.

    Nowhere else may lines go back by more than the margin, and somewhere they must rise: a log written newest first steps down too.
    """
    local = rows["local"]
    is_turn = (local < fold.begin + _MARGIN) & (local.shift() >= fold.end - _MARGIN).fill_null(value=False)
    steps = local.diff()
    is_other_descent = (steps < -_MARGIN).fill_null(value=False) & ~is_turn
    if is_turn.sum() != 1 or is_other_descent.any() or not ((steps > timedelta(0)).any()):
        return None
    return int(rows["line"].filter(is_turn)[0])


def _rewrite(case: Case, name: str, local: pl.Expr, turns: Mapping[date, tuple[int, timedelta]]) -> None:
    """Write an event file again with the rows of second passes at their time, row group by row group."""
    day = local.dt.date()
    is_second = pl.lit(value=False)
    shift = pl.lit(timedelta(0))
    for turn_day, (line, seconds) in turns.items():
        is_of_it = (day == turn_day) & (pl.col("line") >= line)
        is_second |= is_of_it
        shift = pl.when(is_of_it).then(pl.lit(seconds)).otherwise(shift)
    is_second &= pl.col("ts_quality") == "ambiguous"
    later = pl.when(is_second).then(pl.col("ts") + shift).otherwise("ts").alias("ts")
    offset = pl.col("ts_offset_min") - shift.dt.total_minutes().cast(pl.Int16)
    with pq.ParquetFile(case.path / name) as held, case.open_parquet(name, held.schema_arrow) as written:
        for number in range(held.num_row_groups):
            table = held.read_row_group(number)
            rows = pl.DataFrame(pl.from_arrow(table.select(["line", "ts", "ts_offset_min", "ts_quality"])))
            right = rows.select(later, pl.when(is_second).then(offset).otherwise("ts_offset_min").alias("ts_offset_min")).to_arrow()
            for column in ("ts", "ts_offset_min"):
                place = table.column_names.index(column)
                table = table.set_column(place, table.schema.field(place), right[column].cast(table.schema.field(place).type))
            written.write(table, row_group_size=1 << 20)


def span_of(case: Case, name: str) -> tuple[datetime, datetime]:
    """First and last time in an event file."""
    first, last = pl.scan_parquet(case.path / name).select(pl.col("ts").min().alias("first"), pl.col("ts").max().alias("last")).collect().row(0)
    return first.astimezone(UTC), last.astimezone(UTC)
