"""Written times against dates worked out by hand, the zone database and plain datetime arithmetic."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from breachscope.errors import UsageError
from breachscope.timestamps import TimeForm, YearTimeline, Zone, infer_years, parse_times

CLF = "%d/%b/%Y:%H:%M:%S %z"
BSD = "%b %e %H:%M:%S"
TOKYO = Zone("Asia/Tokyo", is_given=True)

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

Row = tuple[datetime | None, int | None, str]


def read(texts: list[str] | str, *formats: str, zone: Zone | None = None, years: list[int] | None = None) -> list[Row]:
    series = pl.Series([texts] if isinstance(texts, str) else texts, dtype=pl.String)
    times = parse_times(series, TimeForm(formats), zone or Zone(), None if years is None else np.array(years, dtype=np.int32))
    assert times.columns == ["ts", "ts_offset_min", "ts_quality"]
    return [(ts if ts is None else ts.astimezone(UTC), minutes, quality) for ts, minutes, quality in times.iter_rows()]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc] # the six or seven parts of a time


@pytest.mark.parametrize(("text", "form"), [("Mar 02 10:15:04", BSD), ("Mar 02 01:15:04 UTC", f"{BSD} %Z"), ("Mar 02 10:15:04 JST", f"{BSD} %Z")])
def test_a_time_whose_year_is_not_asked_for_is_a_time(text: str, form: str) -> None:
    """Formats are tried on a sample before the years of a log are known."""
    ((ts, _, quality),) = read(text, form, zone=TOKYO)
    assert (ts, quality) == (utc(2000, 3, 2, 1, 15, 4), "none")


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("02/Mar/2026:10:15:04 +0900", CLF, (utc(2026, 3, 2, 1, 15, 4), 540, "exact")),
        ("01/Jan/2026:00:00:00 +0900", CLF, (utc(2025, 12, 31, 15, 0, 0), 540, "exact")),
        ("31/Dec/2025:23:59:59 -0330", CLF, (utc(2026, 1, 1, 3, 29, 59), -210, "exact")),
        ("02/Mar/2026:10:15:04 -0030", CLF, (utc(2026, 3, 2, 10, 45, 4), -30, "exact")),
        ("02/Mar/2026:10:15:04 +0545", CLF, (utc(2026, 3, 2, 4, 30, 4), 345, "exact")),
        ("02/Mar/2026:10:15:04 -0000", CLF, (utc(2026, 3, 2, 10, 15, 4), 0, "exact")),
        ("29/Feb/2024:10:15:04 +0000", CLF, (utc(2024, 2, 29, 10, 15, 4), 0, "exact")),
        ("2026-03-02T10:15:04Z", "iso8601", (utc(2026, 3, 2, 10, 15, 4), 0, "exact")),
        ("2026-03-02T10:15:04.5Z", "iso8601", (utc(2026, 3, 2, 10, 15, 4, 500_000), 0, "exact")),
        ("2026-03-02T10:15:04.000001+09:00", "iso8601", (utc(2026, 3, 2, 1, 15, 4, 1), 540, "exact")),
        ("2026-03-02T10:15:04.123456789-0330", "iso8601", (utc(2026, 3, 2, 13, 45, 4, 123_456), -210, "exact")),
        ("2026-03-02 10:15:04,250 +0900", "iso8601", (utc(2026, 3, 2, 1, 15, 4, 250_000), 540, "exact")),
        ("2026-03-02 10:15:04", "iso8601", (utc(2026, 3, 2, 10, 15, 4), 0, "assumed_tz")),
        ("1772414104", "epoch_s", (utc(2026, 3, 2, 1, 15, 4), 0, "exact")),
        ("1772414104.12", "epoch_s", (utc(2026, 3, 2, 1, 15, 4, 120_000), 0, "exact")),
        ("1772414104120", "epoch_ms", (utc(2026, 3, 2, 1, 15, 4, 120_000), 0, "exact")),
        ("1772414104120001", "epoch_us", (utc(2026, 3, 2, 1, 15, 4, 120_001), 0, "exact")),
        ("1772414104120001999", "epoch_ns", (utc(2026, 3, 2, 1, 15, 4, 120_001), 0, "exact")),
        ("2021/03/05 09:01:38", "%Y/%m/%d %H:%M:%S", (utc(2021, 3, 5, 9, 1, 38), 0, "assumed_tz")),
        ("/Date(1772414104120)/", "dotnet", (utc(2026, 3, 2, 1, 15, 4, 120_000), 0, "exact")),
        ("/Date(1772414104120+0900)/", "dotnet", (utc(2026, 3, 2, 1, 15, 4, 120_000), 540, "exact")),
        ("/Date(1772414104120-0330)/", "dotnet", (utc(2026, 3, 2, 1, 15, 4, 120_000), -210, "exact")),
        ("/Date(0)/", "dotnet", (utc(1970, 1, 1), 0, "exact")),
    ],
)
def test_written_time_becomes_utc(text: str, form: str, expected: Row) -> None:
    assert read(text, form) == [expected]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", CLF),
        ("-", CLF),
        ("30/Feb/2026:10:15:04 +0900", CLF),
        ("29/Feb/2026:10:15:04 +0900", CLF),
        ("02/Mar/2026:24:00:00 +0900", CLF),
        ("02/Mar/2026:10:60:00 +0900", CLF),
        ("02/Mar/2026:10:15:04", CLF),
        ("02/Mar/2026:10:15:04 +9999", CLF),
        ("02/Mar/2026:10:15:04 +0060", CLF),
        ("02/Mar/2026:10:15:04 JST", CLF),
        ("02/Mar/1969:10:15:04 +0000", CLF),
        ("02/Mar/2200:10:15:04 +0000", CLF),
        ("2026-13-01T00:00:00Z", "iso8601"),
        ("2026-03-02T10:15:04+25:00", "iso8601"),
        ("2026-03-02T10:15", "iso8601"),
        ("2026-03-02T10:15:04Z tail", "iso8601"),
        ("-1772414104", "epoch_s"),
        ("1772414104x", "epoch_s"),
        ("1.77e9", "epoch_s"),
        ("99999999999", "epoch_s"),
        ("18446744073710", "epoch_s"),  # times a million it wraps around to a sound time in 64 bits
        ("9223372036854775807", "epoch_s"),
        ("1772414104120", "dotnet"),
        ("/Date(1772414104120+9900)/", "dotnet"),
        ("/Date(-62135596800000)/", "dotnet"),  # .NET's least time: never set
        ("/Date(99999999999999)/", "dotnet"),
    ],
)
def test_what_is_no_time_is_null(text: str, form: str) -> None:
    ((ts, offset, quality),) = read(text, form)
    assert (ts, offset) == (None, None)
    assert quality in ("none", "outside")


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("31/Dec/2016:23:59:60 +0000", CLF, (utc(2017, 1, 1, 0, 0, 0), 0, "exact")),
        ("01/Jan/2017:08:59:60 +0900", CLF, (utc(2017, 1, 1, 0, 0, 0), 540, "exact")),
        ("2016-12-31T23:59:60.5Z", "iso8601", (utc(2017, 1, 1, 0, 0, 0, 500_000), 0, "exact")),
        ("2016年12月31日 23時59分60秒", "japanese", (utc(2017, 1, 1, 0, 0, 0), 0, "assumed_tz")),
        ("2016-12-31T23:59:61Z", "iso8601", (None, None, "none")),
    ],
)
def test_leap_second_counts_as_the_second_after(text: str, form: str, expected: Row) -> None:
    assert read(text, form) == [expected]


US = "%m/%d/%Y %I:%M:%S %p"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9/1/2026 1:02:03 PM", utc(2026, 9, 1, 13, 2, 3)),
        ("09/01/2026 01:02:03 am", utc(2026, 9, 1, 1, 2, 3)),
        ("9/1/2026 12:00:00 AM", utc(2026, 9, 1, 0, 0, 0)),
        ("9/1/2026 12:00:00 PM", utc(2026, 9, 1, 12, 0, 0)),
        ("12/31/2026 11:59:59 PM", utc(2026, 12, 31, 23, 59, 59)),
        ("9/1/2026 1:02:03\u202fPM", utc(2026, 9, 1, 13, 2, 3)),  # the narrow space of newer exports
        ("31/12/2026 11:59:59 PM", None),
        ("9/1/2026 13:02:03 PM", None),
        ("9/1/2026 0:02:03 AM", None),
        ("9/1/2026 1:02:03", None),
    ],
)
def test_half_days_of_us_exports(text: str, expected: datetime | None) -> None:
    assert read(text, US) == [(expected, None if expected is None else 0, "none" if expected is None else "assumed_tz")]


EPOCHS = ("epoch_s", "epoch_ms", "epoch_us", "epoch_ns")


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(10**9 * 10**9, 7_258_118_399 * 10**9 + 999_999_999), st.sampled_from([0, 3, 6, 9])), min_size=1, max_size=20))
def test_the_digits_of_an_epoch_tell_its_unit(instants: list[tuple[int, int]]) -> None:
    """Seconds, milli-, micro- and nanoseconds since 1970 from September 2001 to 2199, where a format admits all four."""
    texts = [str(nanos // 10 ** (9 - digits)) for nanos, digits in instants]
    expected = [
        (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanos // 10 ** (9 - d) * 10 ** (9 - d) // 1000), 0, "exact") for nanos, d in instants
    ]
    assert read(texts, *EPOCHS) == expected


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("1772414104120.5", "epoch_ms", utc(2026, 3, 2, 1, 15, 4, 120_500)),
        ("1772414104120.1239", "epoch_ms", utc(2026, 3, 2, 1, 15, 4, 120_123)),
        ("1772414104120001.9", "epoch_us", utc(2026, 3, 2, 1, 15, 4, 120_001)),
        ("1772414104.1234567", "epoch_s", utc(2026, 3, 2, 1, 15, 4, 123_456)),
        ("0.5", "epoch_s", utc(1970, 1, 1, 0, 0, 0, 500_000)),
    ],
)
def test_parts_of_an_epochs_unit_count(text: str, form: str, expected: datetime) -> None:
    assert read(text, form) == [(expected, 0, "exact")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0001-01-01T00:00:00Z", None),  # .NET's least time: never set
        ("1601-01-01T00:00:00Z", None),
        ("1969-12-31T23:59:59.999999Z", None),
        ("1970-01-01T00:00:00Z", utc(1970, 1, 1)),
        ("2199-12-31T23:59:59Z", utc(2199, 12, 31, 23, 59, 59)),
        ("2200-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("0000-00-00T00:00:00Z", None),
    ],
)
def test_years_that_no_log_is_of_are_no_times(text: str, expected: datetime | None) -> None:
    quality = "exact" if expected else "none" if text.startswith("0000") else "outside"
    assert read(text, "iso8601") == [(expected, None if expected is None else 0, quality)]


def test_offsets_may_change_from_line_to_line() -> None:
    texts = ["02/Mar/2026:10:15:04 +0900", "02/Mar/2026:10:15:04 +0000", "junk", "02/Mar/2026:10:15:04 +0900"]
    assert read(texts, CLF) == [
        (utc(2026, 3, 2, 1, 15, 4), 540, "exact"),
        (utc(2026, 3, 2, 10, 15, 4), 0, "exact"),
        (None, None, "none"),
        (utc(2026, 3, 2, 1, 15, 4), 540, "exact"),
    ]


def test_forms_are_tried_in_turn() -> None:
    assert read(["1772414104", "2026-03-02T10:15:04+09:00"], "epoch_s", "iso8601") == [
        (utc(2026, 3, 2, 1, 15, 4), 0, "exact"),
        (utc(2026, 3, 2, 1, 15, 4), 540, "exact"),
    ]


def test_zone_given_by_the_user_makes_a_zone_less_time_exact() -> None:
    assert read("2026-03-02 10:15:04", "iso8601", zone=TOKYO) == [(utc(2026, 3, 2, 1, 15, 4), 540, "exact")]


def test_zone_written_in_the_log_goes_before_the_users() -> None:
    assert read("2026-03-02T10:15:04Z", "iso8601", zone=TOKYO) == [(utc(2026, 3, 2, 10, 15, 4), 0, "exact")]


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("America/New_York", "2026-11-01 01:30:00", (utc(2026, 11, 1, 5, 30, 0), -240, "ambiguous")),  # first pass of the repeated hour
        ("America/New_York", "2026-03-08 02:30:00", (utc(2026, 3, 8, 7, 30, 0), -300, "nonexistent")),  # in the skipped hour
        ("Australia/Lord_Howe", "2026-10-04 02:15:00", (utc(2026, 10, 3, 15, 45, 0), 630, "nonexistent")),  # a shift of half an hour
        ("Pacific/Apia", "2011-12-30 12:00:00", (utc(2011, 12, 30, 22, 0, 0), -600, "nonexistent")),  # a day that never was
        ("Europe/Berlin", "2026-10-25 02:00:00", (utc(2026, 10, 25, 0, 0, 0), 120, "ambiguous")),
        ("Europe/Berlin", "2026-10-25 03:00:00", (utc(2026, 10, 25, 2, 0, 0), 60, "exact")),
        ("Europe/Berlin", "2026-10-25 01:59:59", (utc(2026, 10, 24, 23, 59, 59), 120, "exact")),
        ("Asia/Kathmandu", "2026-03-02 00:00:00", (utc(2026, 3, 1, 18, 15, 0), 345, "exact")),
    ],
)
def test_local_time_at_a_clock_change(zone: str, text: str, expected: Row) -> None:
    assert read(text, "iso8601", zone=Zone.named(zone)) == [expected]


ZONES = ("UTC", "Asia/Tokyo", "America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Casablanca", "America/St_Johns")


def slow_place(local: datetime, zone: str) -> Row:
    """A local time in a zone by the standard library: PEP 495 tells repeated and skipped times by their fold."""
    aware = local.replace(tzinfo=ZoneInfo(zone), fold=0)
    first, second = aware.utcoffset(), aware.replace(fold=1).utcoffset()
    assert first is not None
    assert second is not None
    quality = "exact" if first == second else "ambiguous" if first > second else "nonexistent"
    return aware.astimezone(UTC), int(first.total_seconds()) // 60, quality


AT_CHANGES = st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from([datetime(2026, 3, 8), datetime(2026, 11, 1), datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 4, 5), datetime(2026, 10, 4)]),
    st.integers(0, 239),
)


@settings(max_examples=40)
@given(zone=st.sampled_from(ZONES), local=st.lists(st.one_of(AT_CHANGES, st.datetimes(datetime(1971, 1, 1), datetime(2037, 12, 31))), min_size=1, max_size=20))
@example(zone="America/New_York", local=[datetime(2026, 3, 8, 2, 30), datetime(2026, 11, 1, 1, 30), datetime(2026, 11, 1, 2, 0)])
def test_zone_less_times_agree_with_zoneinfo(zone: str, local: list[datetime]) -> None:
    texts = [t.isoformat(sep=" ", timespec="microseconds") for t in local]
    assert read(texts, "iso8601", zone=Zone.named(zone)) == [slow_place(t, zone) for t in local]


@given(times=st.lists(st.tuples(st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 30)), st.integers(-23 * 60 - 59, 23 * 60 + 59)), min_size=1, max_size=20))
def test_times_with_offset_agree_with_strptime(times: list[tuple[datetime, int]]) -> None:
    texts = [f"{t:%d/%b/%Y:%H:%M:%S} {'-' if m < 0 else '+'}{abs(m) // 60:02}{abs(m) % 60:02}" for t, m in times]
    expected = [(datetime.strptime(text, CLF).astimezone(UTC), minutes, "exact") for text, (_, minutes) in zip(texts, times, strict=True)]
    assert read(texts, CLF) == expected


@pytest.mark.parametrize("name", ["Asia/Tokyio", "", "localtime", "Factory", "../../etc/passwd", "\0", "Asia"])
def test_unknown_zone_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(UsageError, match="is not known"):
        Zone.named(name)


def test_misspelt_zone_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'Asia/Tokyo'"):
        Zone.named("Asia/Tokio")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("JST", "known; did you mean 'Asia/Tokyo'?; use"),
        ("jst", "known; did you mean 'Asia/Tokyo'?; use"),
        ("+09:00", "known; did you mean 'Etc/GMT-9'?; use"),
        ("+0900", "known; did you mean 'Etc/GMT-9'?; use"),
        ("UTC+9", "known; did you mean 'Etc/GMT-9'?; use"),
        ("-05:00", "known; did you mean 'Etc/GMT+5'?; use"),
        ("+00:00", "known; did you mean 'UTC'?; use"),
        ("+05:30", "known; use"),
        ("+15:00", "known; use"),
        ("PST", "known; use"),  # not MST, which is an hour off
    ],
)
def test_no_other_zone_is_suggested_for_an_offset_or_an_abbreviation(name: str, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        Zone.named(name)


# Years that a log leaves out


def timeline(lines: list[str], *, reference: date = date(2026, 11, 21), year: int | None = None, name: str = "auth.log", cut: int = 3) -> YearTimeline | None:
    """Years from ``lines``, handed over in stretches of ``cut`` lines."""
    chunks = [(np.arange(i, len(lines[: i + cut])) + 1, pl.Series(lines[i : i + cut], dtype=pl.String)) for i in range(0, len(lines), cut)]
    return infer_years(chunks, reference=reference, year=year, file_name=name)


def years_of(lines: list[str], *, reference: date = date(2026, 11, 21), year: int | None = None, name: str = "auth.log", cut: int = 3) -> list[int]:
    found = timeline(lines, reference=reference, year=year, name=name, cut=cut)
    assert found is not None
    return [int(year) for year in found.at(np.arange(1, len(lines) + 1, dtype=np.int64))]


def bsd(*days: str) -> list[str]:
    return [f"{day} 10:15:04 srv1 sshd[8]: x" for day in days]


@pytest.mark.parametrize("cut", [1, 2, 3, 100])
def test_year_turns_forwards_over_new_year(cut: int) -> None:
    assert years_of(bsd("Nov 30", "Dec 31", "Jan  1", "Mar  2"), cut=cut) == [2025, 2025, 2026, 2026]


@pytest.mark.parametrize("cut", [1, 2, 100])
def test_year_turns_backwards_for_lines_out_of_order_at_new_year(cut: int) -> None:
    assert years_of(bsd("Dec 31", "Jan  1", "Dec 31", "Jan  1", "Jan  2"), cut=cut) == [2025, 2026, 2025, 2026, 2026]


def test_a_colon_before_the_day_as_emblem_of_cisco_has_it_hides_no_new_year() -> None:
    assert years_of([f"<166>:{day} 10:15:04 UTC: %ASA-session-6-302014: x" for day in ("Dec 31", "Jan 01", "Mar 02")]) == [2025, 2026, 2026]


def test_a_log_written_newest_first_is_dated_too() -> None:
    assert years_of(bsd("Mar  2", "Jan  1", "Dec 31", "Nov 30")) == [2026, 2026, 2025, 2025]


def test_several_years_in_one_file() -> None:
    days = ["Oct  1", "Jan  5", "May  1", "Oct  1", "Jan  5", "May  1"]
    assert years_of(bsd(*days)) == [2024, 2025, 2025, 2025, 2026, 2026]


def test_no_line_is_dated_after_the_reference_day() -> None:
    assert years_of(bsd("Nov 20", "Nov 21")) == [2026, 2026]
    assert years_of(bsd("Nov 20", "Nov 22")) == [2025, 2025]


def test_lines_without_a_time_take_the_year_around_them() -> None:
    assert years_of(["junk", *bsd("Dec 31"), "", "\x00", *bsd("Jan  1"), "junk"]) == [2025, 2025, 2025, 2025, 2026, 2026]


def test_priority_before_the_time_is_passed_over() -> None:
    assert years_of(["<38>Dec 31 10:15:04 srv1 x: y", "<38>Jan  1 10:15:04 srv1 x: y"]) == [2025, 2026]


def test_days_as_a_terminal_of_routeros_shows_them() -> None:
    assert years_of(["dec/31 10:15:04 system,info x", "01:02:03 system,info x", "jan/01 10:15:04 system,info x"]) == [2025, 2025, 2026]
    assert timeline(["JAN/01 10:15:04 x", "jan 01 10:15:04 x", "Jan/01 10:15:04 x"]) is None


def test_29_february_takes_the_latest_leap_year() -> None:
    assert years_of(bsd("Feb 28", "Feb 29", "Mar  1")) == [2024, 2024, 2024]


def test_29_february_early_in_a_long_file_decides_the_rest() -> None:
    assert years_of(bsd("Feb 29", "Aug  1", "Jan  1", "Jun  1")) == [2024, 2024, 2025, 2025]


def test_year_given_dates_the_last_line() -> None:
    assert years_of(bsd("Dec 31", "Jan  1"), year=2019) == [2018, 2019]


@pytest.mark.parametrize(
    ("name", "days", "expected"),
    [
        ("auth.log-20190310", ["Mar  1", "Mar 10"], [2019, 2019]),
        ("auth-2019-03-10.log.gz", ["Dec 31", "Mar 10"], [2018, 2019]),
        ("auth.log.2020.01.01", ["Dec 30", "Dec 31"], [2019, 2019]),  # rotated on New Year's Day
        ("auth.log-20200101", ["Dec 31", "Jan  1"], [2019, 2020]),
        ("auth.log-99999999", ["Mar  1"], [2026]),  # digits that are no date
        ("auth.log-20190310123456", ["Mar  1"], [2026]),
    ],
)
def test_date_in_the_file_name_gives_the_year(name: str, days: list[str], expected: list[int]) -> None:
    assert years_of(bsd(*days), name=name) == expected


def test_year_given_goes_before_the_file_name() -> None:
    assert years_of(bsd("Mar  1"), name="auth.log-20190310", year=2021) == [2021]


def test_the_assumption_is_told_in_words() -> None:
    for arguments, words in (
        ({}, "year 2026: the latest that puts no line after 2026-11-21"),
        ({"year": 2019}, "year 2019 given for the last line"),
        ({"name": "auth-20180401.log"}, "year 2018 from the file name"),
    ):
        found = timeline(bsd("Mar  1"), **arguments)
        assert found is not None
        assert found.assumption == words


def test_a_log_with_years_has_no_timeline() -> None:
    assert timeline(["2026-03-02T10:15:04Z srv1 sshd[8]: x", "junk", "Mai  2 10:15:04 no month", ""]) is None


MAX_GAP_SECONDS = 179 * 86_400


@given(
    start=st.datetimes(datetime(1990, 1, 1), datetime(2015, 1, 1)),
    gaps=st.lists(st.integers(0, MAX_GAP_SECONDS), min_size=1, max_size=40),
    cut=st.integers(1, 7),
)
@example(start=datetime(1996, 2, 29), gaps=[MAX_GAP_SECONDS] * 20, cut=1)
@example(start=datetime(1999, 12, 31, 23, 59, 59), gaps=[1, 0, MAX_GAP_SECONDS], cut=2)
def test_rising_times_written_without_year_come_back_exactly(start: datetime, gaps: list[int], cut: int) -> None:
    times = [start.replace(microsecond=0)]
    for gap in gaps:
        times.append(times[-1] + timedelta(seconds=gap))
    lines = [f"{t:%b} {t.day:>2} {t:%H:%M:%S} srv1 sshd[8]: x" for t in times]
    years = years_of(lines, reference=times[-1].date(), cut=cut)
    assert read([line[:15] for line in lines], BSD, years=years) == [(t.replace(tzinfo=UTC), 0, "inferred_year") for t in times]


@settings(max_examples=30)
@given(
    start=st.datetimes(datetime(1999, 11, 1), datetime(2015, 2, 28)),
    steps=st.lists(st.integers(-90 * 86_400, 90 * 86_400), min_size=1, max_size=30),
    cut=st.integers(1, 7),
)
@example(start=datetime(2014, 12, 31, 23, 59, 59), steps=[1, -1, 2, -2, 3], cut=2)
def test_times_written_without_year_in_any_order_come_back_exactly(start: datetime, steps: list[int], cut: int) -> None:
    """Forwards and back over New Year, as merged and flushed logs go."""
    times = [start.replace(microsecond=0)]
    for step in steps:
        times.append(times[-1] + timedelta(seconds=step))
    lines = [f"{t:%b} {t.day:>2} {t:%H:%M:%S} srv1 sshd[8]: x" for t in times]
    assert years_of(lines, reference=max(times).date(), cut=cut) == [t.year for t in times]


def test_a_year_less_time_in_a_zone_is_placed_there() -> None:
    assert read("Jan  1 08:00:00", BSD, zone=TOKYO, years=[2026]) == [(utc(2025, 12, 31, 23, 0, 0), 540, "inferred_year")]


def test_29_february_in_a_common_year_is_no_time() -> None:
    assert read("Feb 29 08:00:00", BSD, years=[2026]) == [(None, None, "none")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mar  2 10:15:04", utc(2026, 3, 2, 10, 15, 4)),
        ("Mar 02 10:15:04", utc(2026, 3, 2, 10, 15, 4)),
        ("Mar 2 10:15:04", utc(2026, 3, 2, 10, 15, 4)),
        ("Dec 31 23:59:60", utc(2027, 1, 1, 0, 0, 0)),
        ("Mar  2 24:00:00", None),
        ("Mar  2 10:60:00", None),
        ("Mar  2 10:15:61", None),
        ("Mar 32 10:15:04", None),
        ("Mar  2 10:15", None),
        ("Mrz  2 10:15:04", None),
        ("10:15:04", None),
        ("", None),
    ],
)
def test_time_of_bsd_syslog(text: str, expected: datetime | None) -> None:
    quality = "none" if expected is None else "inferred_year"
    assert read([text, "Mar  3 00:00:00"], BSD, years=[2026, 2026]) == [
        (expected, None if expected is None else 0, quality),
        (utc(2026, 3, 3), 0, "inferred_year"),
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026年9月1日 9時05分07秒", "2026-09-01 09:05:07"),
        ("2026年9月1日 9時05分", "2026-09-01 09:05:00"),
        ("令和8年9月1日(火) 午後3:05:07", "2026-09-01 15:05:07"),
        ("令和元年5月1日 00:00", "2019-05-01 00:00:00"),
        ("平成31年4月30日 23:59:59", "2019-04-30 23:59:59"),
        ("昭和64年1月7日 午前6時33分", "1989-01-07 06:33:00"),
        ("R8.9.1 15:05", "2026-09-01 15:05:00"),
        ("２０２６／０９／０１　１５：０５：０７", "2026-09-01 15:05:07"),
        ("2026/09/01 午前12:00:00", "2026-09-01 00:00:00"),
        ("2026/09/01 午後12:00:00", "2026-09-01 12:00:00"),
        ("2026/09/01 午後0:30:00", "2026-09-01 12:30:00"),
        ("2026/09/01 15:05:07.250", "2026-09-01 15:05:07.250"),
        ("2026年9月1日13時05分", "2026-09-01 13:05:00"),
        ("２０２６年９月１日（火）１３時０５分０７秒", "2026-09-01 13:05:07"),
        ("2026/09/01午後1:05", "2026-09-01 13:05:00"),
        ("2026-09-01T01:02:03", "2026-09-01 01:02:03"),
        ("2026/9/112:05", None),  # the 1st at 12, or the 11th at 2?
        ("8年9月1日 9時05分", None),  # of which era?
        ("令和8年13月1日 9:05", None),
        ("令和8年2月29日 9:05", None),
        ("令和8年9月1日(火) 9時5分1秒", "2026-09-01 09:05:01"),
        ("2026/9/1 9:05", "2026-09-01 09:05:00"),
        ("2026-09-01 午後3:05:01", "2026-09-01 15:05:01"),
        ("R8.9.1 09:05:00", "2026-09-01 09:05:00"),
        ("平成元年1月8日 0:00", "1989-01-08 00:00:00"),
        ("平成31年5月1日 0:00", None),  # Heisei ended on 30 April 2019
        ("平成40年9月1日 9:05", None),
        ("平成元年1月7日 23:59", None),
        ("令和元年4月30日 9:05", None),
        ("令和0年9月1日 9:05", None),
        ("昭和64年1月8日 9:05", None),
        ("H31.4.30 9:05", "2019-04-30 09:05:00"),
        ("S65.1.1 9:05", None),
        ("令8.9.1 9:05:01", "2026-09-01 09:05:01"),
        ("㋿8年9月1日 9:05", "2026-09-01 09:05:00"),
        ("Ｒ８．９．１　９：０５：０１", "2026-09-01 09:05:01"),
        ("令和 8年 9月 1日 9時 5分 1秒", "2026-09-01 09:05:01"),
        ("2026/ 9/ 1  9: 5: 1", "2026-09-01 09:05:01"),
        ("2026年  9月  1日 火曜日 09:05:01 JST", "2026-09-01 09:05:01"),
        ("2026年9月1日（火曜日） 9:05:01", "2026-09-01 09:05:01"),
        ("2026/09/01 (火) 09:05:01", "2026-09-01 09:05:01"),
        ("2026/09/01 09:05:01:789", "2026-09-01 09:05:01.789"),
        ("2026/09/01 09:05:01,456", "2026-09-01 09:05:01.456"),
        ("2026/09/01 09:05:01 +0900", "2026-09-01 09:05:01"),
        ("2026/09/01 00:05:01Z", "2026-09-01 09:05:01"),
        ("2026/09/01 PM 3:05:01", "2026-09-01 15:05:01"),
        ("2026/09/01 3:05:01 午後", "2026-09-01 15:05:01"),
        ("2026/9/1 12:05:01 am", "2026-09-01 00:05:01"),
        ("2026/09/01 午前13:05", None),
        ("2026/09/01 午後3:05 PM", None),
        ("2026/09/01 09:05:01:78", None),
        ("2026/09/01 09:05:01 CST", None),
        ("26/09/01 09:05:01", None),
        ("2026/09/01 25:00:00", None),
        ("昨日", None),
    ],
)
def test_times_as_japanese_software_writes_them(written: str, expected: str | None) -> None:
    read = parse_times(pl.Series([written]), TimeForm(("japanese",)), Zone.named("Asia/Tokyo"))
    local = read["ts"].dt.convert_time_zone("Asia/Tokyo").dt.strftime("%Y-%m-%d %H:%M:%S%.f").to_list()
    assert local == [expected]
    assert read["ts_quality"].to_list() == ["exact" if expected else "none"]


@pytest.mark.parametrize(
    ("written", "utc", "offset"),
    [
        ("2026-03-02 10:15:04.120 JST", "2026-03-02T01:15:04.120", 540),
        ("2026-03-02 10:15:04 UTC", "2026-03-02T10:15:04", 0),
        ("2026-03-02 10:15:04 GMT", "2026-03-02T10:15:04", 0),
        ("2026-03-02 10:15:04+09", "2026-03-02T01:15:04", 540),
        ("2026-03-02 10:15:04-0330", "2026-03-02T13:45:04", -210),
        ("2026-03-02 10:15:04 CST", "2026-03-02T09:15:04", 60),  # three zones are called so: the zone given counts
    ],
)
def test_names_of_zones_count_where_they_name_one_offset(written: str, utc: str, offset: int) -> None:
    read = parse_times(pl.Series([written]), TimeForm(("iso8601",)), Zone.named("Europe/Berlin"))
    assert read["ts"].to_list() == [datetime.fromisoformat(utc).replace(tzinfo=UTC)]
    assert read["ts_offset_min"].to_list() == [offset]
