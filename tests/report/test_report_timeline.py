"""Coordinates of the timeline pictures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breachscope.report.facts import Histogram, Span
from breachscope.report.timeline import AXIS_HEIGHT, HISTOGRAM_HEIGHT, LABEL_WIDTH, MAX_TICKS, MIN_BAR_WIDTH, PLOT_RIGHT, Scale, columns_of, scale_of, ticks_of
from breachscope.report.words import Words

NOON = datetime(2026, 8, 29, 3, 0, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
SPANS = st.builds(lambda a, b: Span(min(a, b), max(a, b)), MOMENTS, MOMENTS)


def test_a_moment_stands_where_its_share_of_time_says() -> None:
    scale = Scale(NOON, NOON + timedelta(hours=4))
    middle = (LABEL_WIDTH + PLOT_RIGHT) / 2
    assert (scale.x(NOON), scale.x(NOON + timedelta(hours=2)), scale.x(NOON + timedelta(hours=4))) == (LABEL_WIDTH, middle, PLOT_RIGHT)


@given(SPANS, SPANS)
def test_a_bar_is_seen_and_stays_in_the_plot(shown: Span, span: Span) -> None:
    left, bar_width = scale_of(shown).extent(span)
    assert bar_width >= MIN_BAR_WIDTH
    assert left >= LABEL_WIDTH
    assert left + bar_width <= PLOT_RIGHT + 0.011


@given(SPANS, st.sampled_from([-720, -210, 0, 330, 540, 840]))
def test_ticks_are_few_in_order_and_within(span: Span, offset: int) -> None:
    ticks = ticks_of(scale_of(span), Words("en", offset))
    assert len(ticks) <= MAX_TICKS
    assert [t.x for t in ticks] == sorted({t.x for t in ticks})
    assert all(LABEL_WIDTH <= t.x <= PLOT_RIGHT for t in ticks)


def test_ticks_are_round_in_local_time_and_tell_the_date_once() -> None:
    ticks = ticks_of(Scale(NOON, NOON + timedelta(hours=24)), Words("en", 540))
    assert [t.label for t in ticks] == ["08-29 12:00", "15:00", "18:00", "21:00", "08-30", "03:00", "06:00", "09:00", "12:00"]


def test_the_fullest_bin_fills_the_height_and_an_empty_one_draws_nothing() -> None:
    scale = Scale(NOON, NOON + timedelta(minutes=3))
    columns = columns_of(Histogram(NOON, timedelta(minutes=1), (10, 0, 5)), scale, AXIS_HEIGHT)
    assert [c.height for c in columns] == [HISTOGRAM_HEIGHT, HISTOGRAM_HEIGHT / 2]
    assert [c.x for c in columns] == [scale.x(NOON), scale.x(NOON + timedelta(minutes=2))]


@pytest.mark.parametrize("histogram", [None, Histogram(NOON, timedelta(minutes=1), (0, 0))])
def test_no_events_draw_no_columns(histogram: Histogram | None) -> None:
    assert columns_of(histogram, Scale(NOON, NOON + timedelta(minutes=2)), 0) == ()
