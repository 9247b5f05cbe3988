"""The one declaration of every table."""

from __future__ import annotations

import doctest
import re

import pyarrow as pa
import pytest

from breachscope import schema
from breachscope.schema import EVENT_ID_LINE_FACTOR, EVENT_ID_SOURCE_FACTOR, EVENT_TABLES, TABLES, Table, locate_event


def by_name(table: Table) -> str:
    return table.name


@pytest.mark.parametrize("table", TABLES.values(), ids=by_name)
def test_every_column_says_what_it_means(table: Table) -> None:
    names = [c.name for c in table.columns]
    assert len(names) == len(set(names))
    assert table.row
    for column in table.columns:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert column.meaning
        assert not column.values or column.type == pa.string()


@pytest.mark.parametrize("table", EVENT_TABLES.values(), ids=by_name)
def test_event_tables_share_their_first_columns(table: Table) -> None:
    assert table.columns[:14] == EVENT_TABLES["web"].columns[:14]
    assert set(table.required) <= {c.name for c in table.columns}
    assert table.ocsf_class


def test_a_column_means_the_same_wherever_it_stands() -> None:
    seen: dict[str, pa.DataType] = {}
    for table in EVENT_TABLES.values():
        for column in table.columns:
            assert seen.setdefault(column.name, column.type) == column.type


@pytest.mark.parametrize("table", EVENT_TABLES.values(), ids=by_name)
def test_bytes_and_times_have_units(table: Table) -> None:
    for column in table.columns:
        if column.name.startswith("bytes_"):
            assert column.unit == "bytes"
        if column.name.endswith("_ms"):
            assert column.unit == "ms"


@pytest.mark.parametrize(("source", "line"), [(1, 1), (1, 2**36 - 1), (2**20 - 1, 2**36 - 1), (7, 123_456_789)])
def test_an_event_id_leads_back_to_its_line(source: int, line: int) -> None:
    identifier = source * EVENT_ID_SOURCE_FACTOR + line * EVENT_ID_LINE_FACTOR
    assert identifier < 2**63
    for position in (0, EVENT_ID_LINE_FACTOR - 1):
        assert locate_event(identifier + position) == (source, line)


def test_doctests_hold() -> None:
    assert doctest.testmod(schema).failed == 0
