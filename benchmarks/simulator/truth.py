"""The expected answer, from what the attacker was really given and the product's published definitions of the grades.

confirmed: the row was returned by itself (item, own account after login). probable: the row lies in a page or in the part of an export that was
sent, wholly or partly. possible: the row existed in a store whose bytes left. A record and a person take their best grade; who came later or was gone
before is not exposed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.simulator.attack import Taken
from benchmarks.simulator.draw import Ints
from benchmarks.simulator.people import People

GRADES = ("possible", "probable", "confirmed")
"""From weak to strong; 0 stands for not exposed, so a grade's number is its place plus one."""
_GRADE_OF = {"store": 1, "page": 2, "export": 2, "item": 3, "login": 3}


@dataclass(frozen=True)
class Expected:
    """Best grade of each record, by table and position, and of each person, by position in ``customers``."""

    records: dict[str, Ints]
    people: Ints

    def people_by_grade(self) -> dict[str, int]:
        """Return how many people have each grade, the best first."""
        return _by_grade(self.people)

    def records_by_grade(self, table: str) -> dict[str, int]:
        """Return how many records of a table have each grade, the best first."""
        return _by_grade(self.records[table])


def expect(people: People, taken: list[Taken]) -> Expected:
    """Grade every record and person."""
    sizes = {"customers": people.ids.size, "orders": people.order_customer.size, "cards": people.card_customer.size}
    records = {table: np.zeros(size, dtype=np.int64) for table, size in sizes.items()}
    for take in taken:
        np.maximum.at(records[take.table], take.positions, _GRADE_OF[take.basis])
    persons = records["customers"].copy()
    named = people.order_customer >= 0
    np.maximum.at(persons, people.order_customer[named], records["orders"][named])
    np.maximum.at(persons, people.card_customer, records["cards"])
    return Expected(records, persons)


def people_frame(people: People, expected: Expected) -> pl.DataFrame:
    """List the exposed people (person, grade), by key."""
    return _graded("person", people.customers["customer_id"], expected.people)


def records_frame(people: People, expected: Expected) -> pl.DataFrame:
    """List the exposed records (table, record, grade), by table and key."""
    keys = {"customers": people.customers["customer_id"], "orders": people.orders["order_id"], "cards": people.cards["card_id"]}
    frames = [_graded("record", keys[t].cast(pl.String), expected.records[t]).select(pl.lit(t).alias("table"), "record", "grade") for t in sorted(keys)]
    return pl.concat(frames)


def _graded(name: str, keys: pl.Series, grades: Ints) -> pl.DataFrame:
    labels = pl.Series(["", *GRADES]).gather(grades)
    return pl.DataFrame({name: keys, "grade": labels}).filter(pl.col("grade") != "").sort(name)


def _by_grade(grades: Ints) -> dict[str, int]:
    return {name: int(np.count_nonzero(grades == number)) for number, name in reversed(list(enumerate(GRADES, 1)))}
