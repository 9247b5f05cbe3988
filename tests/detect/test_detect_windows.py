"""Sliding windows and leaky buckets hold against their definitions, computed row by row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breachscope.detect.sandbox import Sandbox

EPOCH = datetime(2026, 3, 2)
SQL = Path("test.sql")

Event = tuple[int, int, int]
"""group, second, value"""

EVENTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(0, 6)), max_size=40)
SPANS = st.integers(1, 25)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def load(sandbox: Sandbox, events: list[Event]) -> None:
    sandbox.load(
        "events",
        pa.table(
            {
                "group_id": pa.array([g for g, _, _ in events], pa.int64()),
                "ts": pa.array([EPOCH + timedelta(seconds=s) for _, s, _ in events], pa.timestamp("us")),
                "value": pa.array([v for _, _, v in events], pa.int64()),
                "amount": pa.array([v for _, _, v in events], pa.int64()),
            }
        ),
    )


def run(sandbox: Sandbox, macro: str, column: str, seconds: int) -> dict[tuple[int, int], float]:
    rows = sandbox.fetch(f"SELECT group_id, ts, {column} FROM {macro}('events', INTERVAL {seconds} SECOND)", SQL)
    keys = [(g, int((t - EPOCH).total_seconds())) for g, t in zip(rows.column(0).to_pylist(), rows.column(1).to_pylist(), strict=True)]
    assert len(keys) == len(set(keys)), "one row per group and moment"
    return dict(zip(keys, rows.column(2).to_pylist(), strict=True))


def oracle(events: list[Event], span: int, measure: Callable[[list[int]], int]) -> dict[tuple[int, int], int]:
    """For every event: the measure over its group's values in the closed interval [t - span, t]."""
    return {(g, t): measure([v for h, s, v in events if h == g and t - span <= s <= t]) for g, t, _ in events}


@QUICK
@given(EVENTS, SPANS)
def test_sliding_total_is_the_sum_over_the_closed_window(sandbox: Sandbox, events: list[Event], span: int) -> None:
    load(sandbox, events)
    assert run(sandbox, "sliding_total", "total", span) == oracle(events, span, sum)


@QUICK
@given(EVENTS, SPANS)
def test_sliding_distinct_counts_different_values_in_the_closed_window(sandbox: Sandbox, events: list[Event], span: int) -> None:
    load(sandbox, events)
    assert run(sandbox, "sliding_distinct", "total", span) == oracle(events, span, lambda values: len(set(values)))


@QUICK
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 60), st.integers(1, 3)), max_size=30), st.integers(1, 15))
def test_leaky_bucket_leaks_one_unit_per_interval(sandbox: Sandbox, events: list[Event], leak: int) -> None:
    load(sandbox, events)
    expected: dict[tuple[int, int], float] = {}
    for group in {g for g, _, _ in events}:
        level, before = 0.0, 0
        for second in sorted({s for g, s, _ in events if g == group}):
            level = max(0.0, level - (second - before) / leak) + sum(v for g, s, v in events if (g, s) == (group, second))
            before = second
            expected[group, second] = level
    assert run(sandbox, "leaky_bucket", "level", leak) == pytest.approx(expected)


@pytest.mark.parametrize(("second", "total"), [(10, 2), (11, 1)])
def test_an_event_exactly_one_window_ago_counts_and_one_just_outside_does_not(sandbox: Sandbox, second: int, total: int) -> None:
    load(sandbox, [(1, 0, 1), (1, second, 1)])
    assert run(sandbox, "sliding_total", "total", 10)[1, second] == total


def test_a_microsecond_outside_the_window_does_not_count(sandbox: Sandbox) -> None:
    sandbox.load(
        "events",
        pa.table({"group_id": [1, 1], "ts": pa.array([EPOCH, EPOCH + timedelta(seconds=10, microseconds=1)], pa.timestamp("us")), "amount": [1, 1]}),
    )
    rows = sandbox.fetch("SELECT total FROM sliding_total('events', INTERVAL 10 SECOND) ORDER BY ts", SQL)
    assert rows.column(0).to_pylist() == [1, 1]


def test_events_at_the_same_moment_all_count(sandbox: Sandbox) -> None:
    load(sandbox, [(1, 5, 1), (1, 5, 1), (1, 5, 1)])
    assert run(sandbox, "sliding_total", "total", 1) == {(1, 5): 3}


def test_a_moment_without_a_value_is_told_with_what_was_there_before(sandbox: Sandbox) -> None:
    sandbox.load(
        "events",
        pa.table(
            {
                "group_id": [1, 1],
                "ts": pa.array([EPOCH, EPOCH + timedelta(seconds=3)], pa.timestamp("us")),
                "value": pa.array(["a", None], pa.string()),
            }
        ),
    )
    rows = sandbox.fetch("SELECT total FROM sliding_distinct('events', INTERVAL 10 SECOND) ORDER BY ts", SQL)
    assert rows.column(0).to_pylist() == [1, 1]


def test_bucket_overflows_at_the_first_n_above_capacity_plus_elapsed_over_leak(sandbox: Sandbox) -> None:
    """One event a second, one leaks in five: n > 15 + (n - 1)/5 first holds for n = 19."""
    load(sandbox, [(1, n, 1) for n in range(25)])
    levels = run(sandbox, "leaky_bucket", "level", 5)
    assert min(second for (_, second), level in levels.items() if level > 15) == 18


@pytest.mark.parametrize(
    ("x", "baseline", "z"),
    [
        (10.0, [1.0, 2.0, 3.0, 4.0], 0.6745 * 7.5 / 1.0),
        (10.0, [1.0, 1.0, 1.0, 4.0], 9.0 / (1.2533 * 0.75)),
        (10.0, [1.0, 1.0, 1.0, 1.0], None),
        (10.0, [], None),
    ],
)
def test_robust_z_falls_back_to_the_mean_deviation_and_then_to_nothing(sandbox: Sandbox, x: float, baseline: list[float], z: float | None) -> None:
    value = sandbox.fetch("SELECT robust_z($x, $xs::DOUBLE[])", SQL, {"x": x, "xs": baseline}).column(0).to_pylist()[0]  # type: ignore[dict-item]
    assert value == (None if z is None else pytest.approx(z))
