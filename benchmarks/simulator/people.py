"""The shop's tables: customers, their orders and cards, and the exact bytes in which the shop sends a customer.

A row of ``customers`` is one person. Rows are deleted by marking (``deleted_at``); an order outlives its customer, but no longer names them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.simulator import words
from benchmarks.simulator.draw import Draw, Ints
from benchmarks.simulator.plan import DAY, HOUR, JST_OFFSET, Plan

NEVER = np.iinfo(np.int64).max
FIRST_ID = 100_001
SENT_COLUMNS = ("customer_id", "full_name", "full_name_kana", "birth_date", "postal_code", "address", "phone", "email", "points")
"""What the shop sends of a customer, in this order: JSON item, row of the list page, row of the export."""
CSV_HEADER = ",".join(SENT_COLUMNS) + "\r\n"
_NUMBERS = ("customer_id", "points")
_OPENED = 1_554_044_400 * 1_000_000  # 2019-04-01 in Japan


@dataclass(frozen=True)
class People:
    """The tables as the incident team would export them after the last day, and what the traffic needs to know of them."""

    customers: pl.DataFrame
    orders: pl.DataFrame
    cards: pl.DataFrame
    ids: Ints
    created: Ints
    deleted: Ints
    """Microseconds; ``NEVER`` where the row was not deleted."""
    restricted: np.ndarray[tuple[int], np.dtype[np.bool_]]
    """Ordinary staff get 403 for these."""
    item_bytes: Ints
    """Length of the JSON body of one customer."""
    csv_bytes: Ints
    """Length of the customer's row in the export, line end included."""
    page_bytes: Ints
    """Length of the customer's row in the HTML list."""
    order_customer: Ints
    """Position of the order's customer, -1 for guests and the forgotten."""
    order_created: Ints
    card_customer: Ints
    """Position of the card's customer; a card comes and goes with its customer."""

    def existing(self, moment: int) -> Ints:
        """Return the positions of the rows that existed at ``moment``, by customer id."""
        return np.flatnonzero((self.created <= moment) & (moment < self.deleted))


def invent(plan: Plan) -> People:
    """Make the tables of the shop as they stand after the last day."""
    draw = Draw(plan.seed, "people")
    count = plan.customers
    ids = FIRST_ID - 1 + np.cumsum(1 + draw.chance(0.02, count).astype(np.int64))
    created, deleted = _lifetimes(plan, draw)
    family, given = draw.below(len(words.FAMILY_NAMES), count), draw.below(len(words.GIVEN_NAMES), count)
    place, building = draw.below(len(words.PLACES), count), draw.below(len(words.BUILDINGS), count)
    birth = np.where(draw.chance(0.05, count), -1, draw.below(24_800, count))  # days from 1940-01-01 on, to the end of 2007
    phone = np.where(draw.chance(0.08, count), -1, draw.below(100_000_000, count))
    numbers = [draw.below(limit, count) for limit in (9, 30, 15, 900, 10_000)]
    points = (draw.uniform(count) ** 3 * 9_000).astype(np.int64)
    mail = draw.below(len(words.MAIL_DOMAINS), count)
    restricted = draw.chance(0.03, count)
    restricted[walk_start(plan) + 20 : walk_start(plan) + 42] = False  # the rows that _lifetimes places on purpose stand among these
    plain = pl.DataFrame(
        {
            "customer_id": ids,
            "family": _pick([f[0] for f in words.FAMILY_NAMES], family),
            "family_kana": _pick([f[1] for f in words.FAMILY_NAMES], family),
            "family_latin": _pick([f[2] for f in words.FAMILY_NAMES], family),
            "given": _pick([g[0] for g in words.GIVEN_NAMES], given),
            "given_kana": _pick([g[1] for g in words.GIVEN_NAMES], given),
            "given_latin": _pick([g[2] for g in words.GIVEN_NAMES], given),
            "sex": _pick([g[3] for g in words.GIVEN_NAMES], given),
            "birth_days": birth,
            "area": _pick([p[0] for p in words.PLACES], place),
            "town": _pick([p[1] for p in words.PLACES], place),
            "building": _pick(list(words.BUILDINGS), building),
            "chome": numbers[0] + 1,
            "ban": numbers[1] + 1,
            "go": numbers[2] + 1,
            "room": numbers[3] + 101,
            "post": numbers[4],
            "phone_number": phone,
            "domain": _pick(list(words.MAIL_DOMAINS), mail),
            "points": points,
            "restricted": restricted.astype(np.int64),
            "created": created,
            "deleted": np.where(deleted == NEVER, -1, deleted),
        }
    )
    customers = plain.select(
        "customer_id",
        pl.format("{} {}", "family", "given").alias("full_name"),
        pl.format("{} {}", "family_kana", "given_kana").alias("full_name_kana"),
        "sex",
        pl.when(pl.col("birth_days") >= 0).then((pl.date(1940, 1, 1) + pl.duration(days="birth_days")).dt.strftime("%Y-%m-%d")).alias("birth_date"),
        pl.format("{}-{}", "area", pl.col("post").cast(pl.String).str.zfill(4)).alias("postal_code"),
        pl.concat_str(
            pl.format("{}{}丁目{}-{}", "town", "chome", "ban", "go"), pl.col("building").str.replace("{n}", pl.col("room").cast(pl.String), literal=True)
        ).alias("address"),
        pl.when(pl.col("phone_number") >= 0)
        .then(
            pl.format(
                "090-0{}-{}",
                (pl.col("phone_number") // 10_000 % 1_000).cast(pl.String).str.zfill(3),
                (pl.col("phone_number") % 10_000).cast(pl.String).str.zfill(4),
            )
        )
        .alias("phone"),
        pl.format("{}.{}{}@{}", "given_latin", "family_latin", pl.col("customer_id") - 100_000, "domain").alias("email"),
        "points",
        "restricted",
        stamp("created").alias("created_at"),
        pl.when(pl.col("deleted") >= 0).then(stamp("deleted")).alias("deleted_at"),
    )
    item, row, page = _body_lengths(customers)
    orders, order_customer, order_created = _orders(plan, customers, created, deleted)
    cards, card_customer = _cards(plan, plain)
    return People(
        customers=customers,
        orders=orders,
        cards=cards,
        ids=ids,
        created=created,
        deleted=deleted,
        restricted=restricted,
        item_bytes=item,
        csv_bytes=row,
        page_bytes=page,
        order_customer=order_customer,
        order_created=order_created,
        card_customer=card_customer,
    )


def stamp(column: str) -> pl.Expr:
    """Write microseconds as Japanese time with its offset, to the second."""
    return (pl.col(column) + JST_OFFSET).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S+09:00")


def _pick(choices: list[str], positions: Ints) -> pl.Series:
    return pl.Series(choices).gather(positions)


def _seconds(times: Ints) -> Ints:
    return times // 1_000_000 * 1_000_000


def _lifetimes(plan: Plan, draw: Draw) -> tuple[Ints, Ints]:
    """Say when each row came and went.

    Nobody comes or goes at random in the hours of the attack, so that each row's state at each access is beyond doubt. Six rows are placed on purpose:
    one gone before the walk reached it, two gone between walk and export (one of them never asked for), two gone on the day after, and one that
    came while the attack went on.
    """
    count = plan.customers
    fresh = max(14, count // 1000)
    old = count - fresh
    before, after = fresh * 2 // 5, fresh - fresh * 2 // 5 - 1
    dusk, dawn = plan.last_day(1, 0), plan.last_day(5, 0)
    created = np.concatenate(
        [
            np.sort(_OPENED + (draw.uniform(old) * (plan.start - DAY - _OPENED)).astype(np.int64)),
            np.sort(plan.start + (draw.uniform(before) * (dusk - plan.start)).astype(np.int64)),
            np.array([plan.last_day(3, 5, 12)]),
            np.sort(dawn + HOUR + (draw.uniform(after) * (plan.end - dawn - 2 * HOUR)).astype(np.int64)),
        ]
    )
    gone = draw.chance(0.04, old)
    moment = created[:old] + ((plan.start - created[:old]) * draw.uniform(old)).astype(np.int64)
    deleted = np.concatenate([np.where(gone, moment, NEVER), np.full(fresh, NEVER)])
    walk = walk_start(plan)
    for offset, hour, minute in ((20, 2, 20), (21, 15, 0), (40, 3, 25), (41, 11, 30)):
        deleted[walk + offset] = plan.last_day(hour, minute, 30)
    deleted[int(count * 0.9)] = plan.last_day(3, 25, 40)
    return _seconds(created), np.where(deleted == NEVER, NEVER, _seconds(deleted))


def walk_start(plan: Plan) -> int:
    """Return the position of the first customer whose id the attacker asks for."""
    return int(plan.customers * 0.35)


def _body_lengths(customers: pl.DataFrame) -> tuple[Ints, Ints, Ints]:
    """Return the length in bytes of each customer as JSON object, as CSV row and as HTML table row.

    JSON: compact, UTF-8, ``null`` where empty. CSV: RFC 4180, quoted only where needed, CRLF, nothing where empty. HTML: the JSON fields in cells.
    """
    text = customers.select(pl.col(c).cast(pl.String) for c in SENT_COLUMNS)
    quotes = {c: pl.col(c).str.count_matches('"', literal=True) for c in SENT_COLUMNS}
    size = {c: pl.col(c).str.len_bytes() for c in SENT_COLUMNS}
    json_parts = [(size[c] if c in _NUMBERS else pl.when(pl.col(c).is_null()).then(4).otherwise(size[c] + quotes[c] + 2)) + len(c) + 3 for c in SENT_COLUMNS]
    csv_parts = [
        pl.when(pl.col(c).is_null()).then(0).when(pl.col(c).str.contains(r'[",\r\n]')).then(size[c] + quotes[c] + 2).otherwise(size[c]) for c in SENT_COLUMNS
    ]
    lengths = text.select(
        (pl.sum_horizontal(p.cast(pl.Int64) for p in json_parts) + len(SENT_COLUMNS) - 1 + 2).alias("json"),
        (pl.sum_horizontal(p.cast(pl.Int64) for p in csv_parts) + len(SENT_COLUMNS) - 1 + 2).alias("csv"),
        (pl.sum_horizontal(size[c].fill_null(0).cast(pl.Int64) + quotes[c].fill_null(0).cast(pl.Int64) * 5 + 9 for c in SENT_COLUMNS) + 10).alias("html"),
    )
    return lengths["json"].to_numpy(), lengths["csv"].to_numpy(), lengths["html"].to_numpy()


def _orders(plan: Plan, customers: pl.DataFrame, created: Ints, deleted: Ints) -> tuple[pl.DataFrame, Ints, Ints]:
    """Make the orders in the order of their time; guests' orders and those of deleted customers name nobody."""
    draw = Draw(plan.seed, "orders")
    each = np.minimum(draw.exponential(1.9, plan.customers).astype(np.int64), 40)
    who = np.repeat(np.arange(plan.customers), each)
    born, ends = created[who], np.minimum(deleted[who], plan.end)
    moment = _seconds(born + ((ends - born) * draw.uniform(who.size)).astype(np.int64))
    # No order falls into the hours of the attack, for the same reason as in _lifetimes.
    dusk, dawn = plan.last_day(1, 0), plan.last_day(5, 0)
    moment = np.where((moment > dusk) & (moment < dawn), dawn, moment)
    by_time = np.lexsort((who, moment))
    who, moment = who[by_time], moment[by_time]
    nobody = draw.chance(0.05, who.size) | (deleted[who] != NEVER)
    first, second = draw.skewed(1_200, who.size), draw.skewed(1_200, who.size)
    named = np.where(nobody, -1, who)
    orders = pl.DataFrame(
        {
            "n": np.arange(1, who.size + 1),
            "who": pl.Series(named),
            "moment": moment,
            "yen": (draw.uniform(who.size) ** 2 * 400).astype(np.int64) * 110 + 980,
            "first": first + 10_001,
            "second": second + 10_001,
            "two": draw.chance(0.3, who.size),
            "ids": customers["customer_id"].gather(who),
            "address": customers["address"].gather(who),
        }
    ).select(
        pl.format("A{}", pl.col("n").cast(pl.String).str.zfill(7)).alias("order_id"),
        pl.when(pl.col("who") >= 0).then("ids").alias("customer_id"),
        pl.when("two").then(pl.format("{} {}", "first", "second")).otherwise(pl.format("{}", "first")).alias("items"),
        pl.col("yen").alias("total_yen"),
        pl.when(pl.col("who") >= 0).then("address").alias("ship_address"),
        stamp("moment").alias("created_at"),
    )
    return orders, named, moment


def _cards(plan: Plan, plain: pl.DataFrame) -> tuple[pl.DataFrame, Ints]:
    """Make the stored payment cards (last four digits only), deleted with their customer."""
    draw = Draw(plan.seed, "cards")
    who = np.flatnonzero(draw.chance(0.55, plan.customers))
    picked = plain[who].with_columns(
        n=pl.Series(np.arange(1, who.size + 1)),
        brand=_pick(["VISA", "Mastercard", "JCB", "AMEX"], draw.weighted((45, 25, 25, 5), who.size)),
        digits=pl.Series(draw.below(10_000, who.size)),
        month=pl.Series(draw.below(12, who.size) + 1),
        year=pl.Series(draw.below(5, who.size) + 2026),
    )
    cards = picked.select(
        pl.format("C{}", pl.col("n").cast(pl.String).str.zfill(7)).alias("card_id"),
        "customer_id",
        "brand",
        pl.col("digits").cast(pl.String).str.zfill(4).alias("last4"),
        pl.format("{}-{}", "year", pl.col("month").cast(pl.String).str.zfill(2)).alias("expires"),
        pl.format("{} {}", pl.col("given_latin").str.to_uppercase(), pl.col("family_latin").str.to_uppercase()).alias("holder"),
        stamp("created").alias("created_at"),
        pl.when(pl.col("deleted") >= 0).then(stamp("deleted")).alias("deleted_at"),
    )
    return cards, who
