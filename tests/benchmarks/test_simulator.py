"""The simulator's parts hold what their users rely on: truth beside every line, order of time, exact sizes, stable draws."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmarks.measure import CommandFailedError, Cost, ratio, run
from benchmarks.simulate import BENIGN, DEMO, simulate
from benchmarks.simulator.draw import Draw
from benchmarks.simulator.people import NEVER, SENT_COLUMNS, People, invent

SMALL = replace(DEMO, seed=7, web_lines=3_000, auth_lines=300, fw_lines=300, customers=600, enumerated=120)


@pytest.fixture(scope="module")
def people() -> People:
    return invent(SMALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("load")
    simulate(SMALL, folder, suffix="parquet", rotate=False, truth=True)
    return folder


def test_draws_are_the_same_on_every_machine() -> None:
    assert Draw(1, "a").below(1000, 5).tolist() == Draw(1, "a").below(1000, 5).tolist()
    assert Draw(1, "a").below(1000, 5).tolist() != Draw(1, "b").below(1000, 5).tolist()
    assert Draw(1, "a").hex_ids(1) == ["c8ae313a1740fc94"]


def test_told_lengths_are_those_of_python_json_and_csv(people: People) -> None:
    for position, row in enumerate(people.customers.select(SENT_COLUMNS).rows(named=True)):
        line = io.StringIO(newline="")
        csv.writer(line, lineterminator="\r\n").writerow(row.values())
        assert people.csv_bytes[position] == len(line.getvalue().encode())
        assert people.item_bytes[position] == len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode())


def test_some_rows_need_quotes_and_some_fields_are_empty(people: People) -> None:
    assert people.customers["address"].str.contains('"', literal=True).any()
    assert people.customers["address"].str.contains(",", literal=True).any()
    assert people.customers["phone"].null_count()


def test_orders_of_deleted_customers_name_nobody(people: People) -> None:
    named = people.order_customer[people.order_customer >= 0]
    assert (people.deleted[named] == NEVER).all()
    assert (people.order_created >= 0).all()
    assert people.orders["customer_id"].null_count() == (people.order_customer < 0).sum()


def test_no_order_is_older_than_its_customer(people: People) -> None:
    named = people.order_customer >= 0
    assert (people.order_created[named] >= people.created[people.order_customer[named]]).all()


def test_every_line_has_an_owner(folder: Path) -> None:
    logs = {path.relative_to(folder / "logs").as_posix(): path.read_bytes() for path in (folder / "logs").rglob("*.log")}
    truths = pl.concat(pl.read_parquet(path).with_columns(pl.col("file", "who").cast(pl.String)) for path in (folder / "truth").glob("*-*.parquet"))
    assert dict(truths.group_by("file").len().iter_rows()) == {name: data.count(b"\n") for name, data in logs.items()}
    for file, lines in truths.group_by("file", maintain_order=True).agg("line").iter_rows():
        assert lines == list(range(1, len(lines) + 1)), file
    assert set(truths["who"].unique()) == {"customer", "staff", "bot", "scanner", "monitor", "service", "attacker"}


def test_what_was_taken_was_taken_by_lines_of_the_attacker(folder: Path) -> None:
    taken = pl.read_parquet(folder / "truth/taken.parquet")
    truths = pl.concat(pl.read_parquet(path).with_columns(pl.col("file", "who").cast(pl.String)) for path in (folder / "truth").glob("*-*.parquet"))
    owners = taken.select("file", "line").unique().join(truths, on=["file", "line"], how="left")["who"].unique().to_list()
    assert owners == ["attacker"]
    assert set(taken["basis"].unique()) == {"login", "item", "page", "export", "store"}


def test_logs_are_in_order_of_time(folder: Path) -> None:
    stamps = [json.loads(line)["time_iso8601"] for line in (folder / "logs/web/admin-access.log").read_text(encoding="utf-8").splitlines()]
    assert stamps == sorted(stamps)


def test_benign_days_have_no_attacker(tmp_path: Path) -> None:
    assert simulate(replace(BENIGN, web_lines=2_000, customers=300), tmp_path, truth=True) is None
    owners = {who for path in (tmp_path / "truth").glob("*.parquet") for who in pl.read_parquet(path)["who"].cast(pl.String).unique()}
    assert "attacker" not in owners
    assert not (tmp_path / "expected.json").exists()


def test_rows_neither_come_nor_go_while_the_attacker_reads_the_store(people: People) -> None:
    during = np.array([SMALL.last_day(3, 30), SMALL.last_day(4, 20)])
    moments = np.concatenate([people.created, people.deleted[people.deleted != NEVER], people.order_created])
    assert not ((moments > during[0]) & (moments < during[1])).any()


def test_a_failing_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandFailedError, match=r"ended with 3:\nno luck"):
        run(["sh", "-c", "echo no luck >&2; exit 3"])


def test_a_ratio_is_the_median_over_neighbouring_runs() -> None:
    assert ratio([Cost(1, 0), Cost(9, 0), Cost(4, 0)], [Cost(2, 0), Cost(3, 0), Cost(1, 0)]) == 3
