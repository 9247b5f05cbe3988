"""Times as machine code reads them, against the expressions of :mod:`breachscope.timestamps`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breachscope.ingest.native import is_built
from breachscope.ingest.times import read_times
from breachscope.timestamps import TimeForm, Zone, parse_times

FORMS = (
    ("iso8601",),
    ("%d/%b/%Y:%H:%M:%S %z",),
    ("%Y/%m/%d %H:%M:%S",),
    ("epoch_s", "epoch_ns", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S"),
    ("iso8601", "%d/%b/%Y:%H:%M:%S %z", "epoch_s"),
    ("epoch_ms",),
    ("epoch_us", "iso8601"),
    ("%b %e %Y %H:%M:%S", "iso8601"),
    ("%Y年%m月%d日 %H:%M:%S",),
    ("iso8601", "japanese"),
    ("%Y%m%d%H%M%S",),
)
INSTANTS = st.datetimes(datetime(1969, 12, 30), datetime(2200, 1, 3)) | st.sampled_from(
    [datetime(2026, 3, 29, 2, 30), datetime(2026, 11, 1, 1, 30), datetime(2024, 2, 29), datetime(1970, 1, 1), datetime(2199, 12, 31, 23, 59, 59)]
)
OFFSETS = st.sampled_from(["Z", "+09:00", "+0900", "-0530", "+09", "", " +0900", " JST", "+2400", "-00:00", " GMT", "+9"])


@st.composite
def written(draw: st.DrawFn) -> str:
    at = draw(INSTANTS)
    fraction = draw(st.sampled_from(["", ".5", ",123456", ".123456789", ".1234567890", "."]))
    seconds = int((at.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1))
    text = draw(
        st.sampled_from(
            [
                f"{at:%Y-%m-%d}T{at:%H:%M:%S}{fraction}", f"{at:%Y-%m-%d %H:%M:%S}{fraction}", f"{at:%d/%b/%Y:%H:%M:%S}", f"{at:%Y/%m/%d %H:%M:%S}",
                f"{at:%b} {at.day:2} {at:%Y %H:%M:%S}", f"{at:%b} {at.day:2} {at:%H:%M:%S}", f"{at:%b %d %H:%M:%S}",
                f"{at:%Y年%m月%d日 %H:%M:%S}", f"{seconds}{fraction}", f"{seconds}000",
                f"{seconds}123456", f"{seconds}123456789",
            ]
        )
    ) + draw(OFFSETS)  # fmt: skip
    if draw(st.integers(0, 3)):
        return text
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(st.sampled_from(["0", "9", " ", ":", "x", "３", "-", "60"])) + text[place + draw(st.integers(0, 1)) :]


@pytest.mark.skipif(not is_built(), reason="the package was built without a C compiler")
@given(
    st.lists(written() | st.none(), min_size=1, max_size=12), st.sampled_from(FORMS),
    st.sampled_from([Zone(), Zone("Asia/Tokyo", is_given=True), Zone("Europe/Berlin", is_given=True), Zone("America/New_York", is_given=True)]),
)  # fmt: skip
def test_both_ways_read_the_same(texts: list[str | None], forms: tuple[str, ...], zone: Zone) -> None:
    column = pl.Series("time", texts, dtype=pl.String)
    assert read_times(column, TimeForm(forms), zone).to_dicts() == parse_times(column, TimeForm(forms), zone).to_dicts()


@pytest.mark.skipif(not is_built(), reason="the package was built without a C compiler")
@given(
    st.lists(written() | st.none(), min_size=1, max_size=12),
    st.sampled_from([("%b %e %H:%M:%S",), ("%b %d %H:%M:%S", "iso8601"), ("%b %e %H:%M:%S", "%b %e %Y %H:%M:%S"), ("iso8601", "%b %e %H:%M:%S")]),
    st.sampled_from([2024, 2025, 1969, 2200]), st.booleans(),
    st.sampled_from([Zone(), Zone("Asia/Tokyo", is_given=True), Zone("Europe/Berlin", is_given=True)]),
)  # fmt: skip
def test_both_ways_read_the_same_of_a_year(texts: list[str | None], forms: tuple[str, ...], year: int, is_turned: bool, zone: Zone) -> None:
    column = pl.Series("time", texts, dtype=pl.String)
    years = np.full(len(texts), year, np.int32)
    years[-1] += is_turned
    assert read_times(column, TimeForm(forms), zone, years).to_dicts() == parse_times(column, TimeForm(forms), zone, years).to_dicts()


@pytest.mark.skipif(not is_built(), reason="the package was built without a C compiler")
@given(
    st.sampled_from(["2026-03-02T10:15:", "2026-02-30T10:15:", "2026-03-29 02:30:", "1969-12-31T23:59:"]),
    st.lists(st.tuples(st.sampled_from(["04", "59", "60", "0", "x4", "04.5", "04.", "4:04"]), st.sampled_from(["", "Z", "+09:00"])), min_size=2, max_size=6),
    st.sampled_from([("iso8601",), ("epoch_s", "iso8601"), ("iso8601", "%Y-%m-%d %H:%M:%S")]),
)  # fmt: skip
def test_both_ways_read_the_same_within_a_minute(minute: str, rests: list[tuple[str, str]], forms: tuple[str, ...]) -> None:
    column, zone = pl.Series("time", [f"{minute}{second}{rest}" for second, rest in rests]), Zone("Europe/Berlin", is_given=True)
    assert read_times(column, TimeForm(forms), zone).to_dicts() == parse_times(column, TimeForm(forms), zone).to_dicts()


def test_digits_of_another_script_are_no_time_and_stop_nothing() -> None:
    texts = ["\0" * 17 + "05", "2026-03-02T10:15:04.３", "２026-03-02T10:15:04", "177241413５", "2026-03-02T10:15:04+0９00"]
    for forms in (f for f in FORMS if "japanese" not in f):
        assert read_times(pl.Series("time", texts), TimeForm(forms), Zone())["ts"].null_count() == len(texts)


@pytest.mark.parametrize(
    ("form", "text", "at", "minutes"),
    [
        ("iso8601", "2026-03-02T10:15:04.120999999+09:00", datetime(2026, 3, 2, 1, 15, 4, 120999, UTC), 540),
        ("%d/%b/%Y:%H:%M:%S %z", "29/Feb/2024:23:59:59 -0330", datetime(2024, 3, 1, 3, 29, 59, tzinfo=UTC), -210),
        ("epoch_ns", "1772414135120000999", datetime(2026, 3, 2, 1, 15, 35, 120000, UTC), 0),
        ("epoch_s", "1772414135.1209999", datetime(2026, 3, 2, 1, 15, 35, 120999, UTC), 0),
        ("%Y/%m/%d %H:%M:%S", "2026/03/02 10:15:04", datetime(2026, 3, 2, 10, 15, 4, tzinfo=timezone(timedelta(hours=9))), 540),
    ],
)
def test_times_by_hand(form: str, text: str, at: datetime, minutes: int) -> None:
    read = read_times(pl.Series("time", [text]), TimeForm((form,)), Zone("Asia/Tokyo", is_given=True))
    assert (read["ts"][0], read["ts_offset_min"][0], read["ts_quality"][0]) == (at, minutes, "exact")
