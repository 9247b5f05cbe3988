"""Estimates against counting every possibility."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breachscope.scope.database import Database
from breachscope.scope.estimate import RowBytes, RowEstimate, distinct_people, expected_distinct, rows_in_bytes
from breachscope.scope.sizes import Layout


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(0, 3), st.data())
def test_the_occupancy_formula_equals_the_mean_over_all_choices(per_person: list[int], of_nobody: int, data: st.DataObject) -> None:
    owners = [person for person, rows in enumerate(per_person) for _ in range(rows)] + [None] * of_nobody
    taken = data.draw(st.integers(0, min(len(owners), 6)))
    counts = [len(set(choice) - {None}) for choice in combinations(owners, taken)]
    found = distinct_people(Counter(per_person), len(owners), RowEstimate(taken, taken, taken))
    assert math.isclose(found.expected, sum(counts) / len(counts), abs_tol=1e-9)
    assert found.lower == min(counts)
    assert found.upper >= max(counts)
    assert found.upper == min(len(per_person), taken)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.integers(0, 3), st.data())
def test_each_number_of_people_belongs_to_its_number_of_rows(per_person: list[int], of_nobody: int, data: st.DataObject) -> None:
    rows = sum(per_person) + of_nobody
    lower, likely, upper = sorted(data.draw(st.integers(0, rows)) for _ in range(3))
    found = distinct_people(Counter(per_person), rows, RowEstimate(lower, likely, upper))
    assert found.lower <= lower
    assert found.lower <= found.expected + 1e-9
    assert found.expected <= found.upper + 1e-9
    assert found.expected <= likely + 1e-9
    assert distinct_people(Counter(per_person), rows, RowEstimate(0, likely, upper)).lower == 0


def test_the_formula_holds_for_a_million_rows_and_long_histories() -> None:
    # One person owns half of the rows: whoever reads 20,001 rows misses them with probability below 2**-20000.
    assert math.isclose(expected_distinct({500_000: 1, 1: 500_000}, 1_000_000, 20_001), 1 + 10_000.5, rel_tol=1e-9)
    assert expected_distinct({1: 1_000_000}, 1_000_000, 1_000_000) == 1_000_000
    with pytest.raises(ValueError, match="taken"):
        expected_distinct({1: 1}, 1, 2)


@given(st.integers(0, 10_000), st.integers(0, 50), st.integers(1, 100), st.integers(0, 5000))
def test_row_estimates_nest(transferred: int, rows: int, smallest: int, more: int) -> None:
    found = rows_in_bytes(transferred, RowBytes(rows, smallest, rows * smallest + more))
    assert 0 == found.lower <= found.likely <= found.upper <= rows


_texts = st.one_of(st.none(), st.text(st.sampled_from('ab1, "\n\\;\t表あｱ😀\x01é'), min_size=1, max_size=6), st.sampled_from(["12", "0", "-1.5", "007", "1e5"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.tuples(_texts, _texts), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_row_sizes_are_those_of_python_writers(tmp_path: Path, rows: list[tuple[str | None, str | None]], newline: str) -> None:
    database = Database(tmp_path / "spill")
    names = {"a": "x", "表": "y"}
    columns = ("a", "表")
    exact = Layout(columns, "csv", newline=newline)
    lines = Layout(columns, "jsonl", newline=newline)
    database.run("CREATE TABLE t (n INTEGER, x VARCHAR, y VARCHAR)")
    for number, (x, y) in enumerate(rows):
        database.run("INSERT INTO t VALUES (?, ?, ?)", [number, x, y])
    sizes = database.rows(f"SELECT {exact.smallest_sql(names)}, {lines.smallest_sql(names)}, {lines.largest_sql(names)} FROM t ORDER BY n")
    database.close()
    for row, (csv_size, least, most) in zip(rows, sizes, strict=True):
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator=newline).writerow(["" if v is None else v for v in row])
        assert csv_size == len(buffer.getvalue().encode())
        record = dict(zip(columns, row, strict=True))
        compact = len((json.dumps(record, ensure_ascii=False, separators=(",", ":")) + newline).encode())
        escaped = len((json.dumps(record) + newline).encode())
        assert least <= compact
        assert escaped <= most + 5  # the escaped column name of the sample


def test_cp932_sizes_are_those_of_the_encoder(tmp_path: Path) -> None:
    database = Database(tmp_path / "spill")
    database.run("CREATE TABLE t AS SELECT 'aｱ表' AS x, '山\"田' AS y")
    (found,) = database.rows(f"SELECT {Layout(('a', 'b'), 'csv', encoding='cp932').smallest_sql({'a': 'x', 'b': 'y'})} FROM t")
    database.close()
    assert found == (len('aｱ表,"山""田"\n'.encode("cp932")),)


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (Layout(("id", "名前"), "csv"), "id,名前\n"),
        (Layout(("id", "名前"), "csv", newline="\r\n", encoding="utf-8-sig"), "\ufeffid,名前\r\n"),
        (Layout(("a,b", 'c"d'), "csv"), '"a,b","c""d"\n'),
        (Layout(("id",), "csv", header=False), ""),
        (Layout(("id",), "json"), "["),
        (Layout(("id",), "jsonl"), ""),
        (Layout(("id",)), ""),
    ],
)
def test_the_preamble_is_what_stands_before_the_rows(layout: Layout, text: str) -> None:
    assert layout.preamble_bytes() == len(text.encode())
