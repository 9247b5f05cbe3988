"""Write the logs, the tables and the truth of an invented online shop, of any size, from a seed.

    python -m benchmarks.simulate demo sample_logs/shop            the checked-in incident
    python -m benchmarks.simulate benign sample_logs/benign_shop   the checked-in quiet days
    python -m benchmarks.simulate load .bench/10m --web-lines 10000000 --customers 1000000

Beside ``logs/`` and ``tables/`` stand the data map and ``expected.json``; ``truth/`` (``--truth``, always for ``load``) says whose every line is.
Nothing is held back in memory but one slice of time, so the size is bounded by the disk.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.simulator import plan as shop
from benchmarks.simulator.attack import Attack, attack
from benchmarks.simulator.draw import Draw
from benchmarks.simulator.hosts import attack_flows, auth_log, firewall, nightly_backups
from benchmarks.simulator.lines import lines_frame, local_time
from benchmarks.simulator.people import SENT_COLUMNS, People, invent
from benchmarks.simulator.plan import HOUR, JST_OFFSET, MINUTE, SECOND, SERVICE, WHO, Plan
from benchmarks.simulator.staff import staff_at_work
from benchmarks.simulator.traffic import RHYTHM, Store, admin_probe, app_users, crawlers, open_store, scanners, store_probe, visitors
from benchmarks.simulator.truth import Expected, expect, people_frame, records_frame

DEMO = Plan(
    seed=20260829,
    first_day=date(2026, 8, 28),
    days=2,
    web_lines=19_000,
    auth_lines=2_400,
    fw_lines=2_200,
    customers=2_000,
    crawler_share=0.11,
    monitor_every=600,
    attack=True,
    enumerated=420,
    export_share=0.42,
)
"""A Friday and a Saturday; the attack comes in the night between them."""
BENIGN = replace(DEMO, seed=41, web_lines=9_000, auth_lines=1_200, fw_lines=1_100, customers=1_200, crawler_share=0.3, attack=False)
"""Other days, with crawlers that read hundreds of products a day, some in order of their numbers."""

LINES_A_SLICE = 400_000


@dataclass(frozen=True)
class Slice:
    """A stretch of time that is made at once."""

    number: int
    start: int
    stop: int
    weight: float
    """Share of the whole time's human traffic."""
    share: float
    """Share of the whole time."""


def slices(plan: Plan) -> Iterator[Slice]:
    """Cut the time into hours, or parts of hours where there are many lines."""
    parts = max(1, plan.web_lines // (plan.days * 24) // LINES_A_SLICE + 1)
    total = sum(RHYTHM) * plan.days * parts
    length = HOUR // parts
    for number in range(plan.days * 24 * parts):
        start = plan.start + number * length
        hour = (start + JST_OFFSET) // HOUR % 24
        yield Slice(number, start, start + length, RHYTHM[hour] / total, length / (plan.end - plan.start))


class LogFile:
    """One log that grows in order of time, is rotated at most once, and remembers whose its lines are."""

    def __init__(self, folder: Path, name: str, truth: Path | None, rotate_at: int | None = None) -> None:
        self.name, self.folder, self.rotate_at = name, folder, rotate_at
        self.waiting = lines_frame(np.zeros(0, dtype=np.int64), pl.Series([], dtype=pl.String), 0)
        self.marks: dict[int, tuple[str, int]] = {}
        """Where each event of the attacker stands: file and line."""
        self.written = 0
        self._truth_path = truth
        self._truth: pq.ParquetWriter | None = None
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        self._open(f"{name}.1.gz" if rotate_at else name)

    def _open(self, name: str) -> None:
        self.current, self.lines = name, 0
        self._plain = (self.folder / name).open("wb")
        # mtime 0 and no file name inside: the same lines give the same bytes
        self._stream: BinaryIO | gzip.GzipFile = gzip.GzipFile("", "wb", 9, self._plain, mtime=0) if name.endswith(".gz") else self._plain

    def add(self, lines: pl.DataFrame) -> None:
        """Take lines, of any time not yet written."""
        self.waiting = pl.concat([self.waiting, lines])

    def flush(self, until: int) -> None:
        """Write what happened before ``until``."""
        if self.rotate_at is not None and until > self.rotate_at:
            self._write(self.rotate_at)
            self._close_stream()
            self.rotate_at = None
            self._open(self.name)
        self._write(until)

    def _write(self, until: int) -> None:
        due = self.waiting.filter(pl.col("t") < until).sort("t", maintain_order=True)
        self.waiting = self.waiting.filter(pl.col("t") >= until)
        if due.is_empty():
            return
        block = io.BytesIO()
        due.select("line").write_csv(block, include_header=False, quote_style="never")
        self._stream.write(block.getbuffer())
        marked = due.with_row_index("n", offset=self.lines + 1).filter(pl.col("mark") >= 0)
        self.marks |= {mark: (self.current, line) for mark, line in zip(marked["mark"].to_list(), marked["n"].to_list(), strict=True)}
        if self._truth_path is not None:
            self._tell_truth(due)
        self.lines += due.height
        self.written += due.height

    def _tell_truth(self, due: pl.DataFrame) -> None:
        rows = pa.table(
            {
                "file": pa.DictionaryArray.from_arrays(pa.array(np.zeros(due.height, dtype=np.int32)), [self.current]),
                "line": pa.array(np.arange(self.lines + 1, self.lines + 1 + due.height)),
                "who": pa.DictionaryArray.from_arrays(pa.array(due["who"].to_numpy().astype(np.int8)), list(WHO)),
                "mark": pa.array(due["mark"].to_numpy()),
            }
        )
        if self._truth is None and self._truth_path is not None:
            self._truth_path.parent.mkdir(parents=True, exist_ok=True)
            self._truth = pq.ParquetWriter(self._truth_path, rows.schema, compression="zstd")
        if self._truth is not None:
            self._truth.write_table(rows)

    def _close_stream(self) -> None:
        if self._stream is not self._plain:
            self._stream.close()
        self._plain.close()

    def close(self) -> None:
        """Finish the files; lines after the end of the time are dropped."""
        self._close_stream()
        if self._truth is not None:
            self._truth.close()


def write_logs(plan: Plan, people: People, raid: Attack | None, folder: Path, truth: Path | None, *, rotate: bool) -> dict[str, LogFile]:
    """Write all logs under ``folder``; returns the files with the places of the attacker's lines."""
    store = open_store(plan, people)

    def log(name: str, rotate_at: int | None = None) -> LogFile:
        return LogFile(folder, name, None if truth is None else truth / (name.replace("/", "-") + ".parquet"), rotate_at)

    logs = {
        "store": log("web/shop-access.log", plan.last_day(6, 25) if rotate else None),
        "admin": log("web/admin-access.log"),
        "auth": log("auth/auth.log"),
        "shopd": log("auth/shopd.log"),
        "fw": log("fw/fw.log"),
    }
    staff = staff_at_work(plan, people)
    scripts = [staff] if raid is None else [staff, raid.script]
    for script in scripts:
        logs["store"].add(script.store_lines(plan))
        logs["admin"].add(script.admin_lines())
        logs["shopd"].add(script.login_lines())
    logs["shopd"].add(_shopd_housekeeping(plan))
    logs["fw"].add(nightly_backups(plan))
    if raid is not None:
        logs["fw"].add(attack_flows(plan, raid.flows))
    for part in slices(plan):
        _one_slice(plan, store, part, logs)
        for file in logs.values():
            file.flush(part.stop)
    for file in logs.values():
        file.close()
    return logs


def _one_slice(plan: Plan, store: Store, part: Slice, logs: dict[str, LogFile]) -> None:
    def draw(name: str) -> Draw:
        return Draw(plan.seed, name, part.number)

    front, logins = visitors(plan, store, draw("visitors"), part.start, part.stop, part.weight)
    api, app_logins = app_users(plan, store, draw("app"), part.start, part.stop, part.weight)
    logs["store"].add(front)
    logs["store"].add(crawlers(plan, store, draw("crawlers"), part.start, part.stop, part.share, part.number))
    logs["store"].add(scanners(plan, draw("scanners"), part.start, part.stop, part.share))
    logs["store"].add(store_probe(plan, part.start, part.stop))
    logs["admin"].add(api)
    logs["admin"].add(admin_probe(plan, part.start, part.stop))
    logs["shopd"].add(logins)
    logs["shopd"].add(app_logins)
    logs["auth"].add(auth_log(plan, draw("auth"), part.start, part.stop, part.share))
    logs["fw"].add(firewall(plan, draw("firewall"), part.start, part.stop, part.share))


def _shopd_housekeeping(plan: Plan) -> pl.DataFrame:
    """Return shopd's lines that tell of nobody: every half hour it reads the stock."""
    t = np.arange(plan.start + 7 * MINUTE, plan.end, 30 * MINUTE)
    draw = Draw(plan.seed, "shopd")
    rows = pl.DataFrame({"t": t, "ms": 200 + draw.below(900, t.size)})
    line = rows.select(pl.format("ts={} level=info event=stock_sync items=1200 ms={}", local_time("%Y-%m-%dT%H:%M:%S+09:00"), "ms")).to_series()
    return lines_frame(t, line, SERVICE)


DATAMAP = """\
# Data map of the invented shop: what its tables hold, and which requests give it away.

[tables.customers]
source  = "tables/customers.{suffix}"
key     = "customer_id"
person  = "customer_id"
created = "created_at"
deleted = "deleted_at"
[tables.customers.columns]
customer_id    = "identifier"
full_name      = "name"
full_name_kana = "name"
sex            = "sex"
birth_date     = "birth_date"
postal_code    = "address"
address        = "address"
phone          = "phone"
email          = "email"
points         = "other"

[tables.orders]                # guests' orders, and those of deleted customers, name nobody
source  = "tables/orders.{suffix}"
key     = "order_id"
person  = "customer_id"
created = "created_at"
[tables.orders.columns]
items        = "purchase_history"
total_yen    = "purchase_history"
ship_address = "address"

[tables.cards]
source  = "tables/cards.{suffix}"
key     = "card_id"
person  = "customer_id"
created = "created_at"
deleted = "deleted_at"
[tables.cards.columns]
last4   = "card_number"
expires = "card_expiry"
holder  = "name"

[[routes]]
match   = "GET /api/customers/{{customer_id}}"
returns = "customers"
kind    = "item"
columns = [{sent}]

[[routes]]
match   = "GET /api/orders/{{order_id}}"
returns = "orders"
kind    = "item"

[[routes]]
match    = "GET /admin/customers?page={{page}}&size={{size}}"
returns  = "customers"
kind     = "page"
order_by = "customer_id"
default  = {{ page = 1, size = 50 }}
columns  = [{sent}]

[[routes]]                     # exact serialisation: the byte count of the log says where a cut-off export ended
match    = "GET /admin/export/customers.csv"
returns  = "customers"
kind     = "export"
order_by = "customer_id"
format   = "csv"
header   = true
newline  = "\\r\\n"
encoding = "utf-8"
compressed = false
columns  = [{sent}]

[[routes]]                     # whoever logs in to the shop sees their own account; shopd.log has the account
returns     = "customers"
kind        = "login"
user_column = "email"
service     = "store"

[[routes]]                     # and so in the mobile app
returns     = "customers"
kind        = "login"
user_column = "email"
service     = "mobile"

[[stores]]
host   = "10.0.3.5"
tables = ["customers", "orders", "cards"]
"""


def write_tables(people: People, folder: Path, suffix: str) -> None:
    """Write the customer tables as CSV or Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("customers", people.customers), ("orders", people.orders), ("cards", people.cards)):
        if suffix == "csv":
            table.write_csv(folder / f"{name}.csv")
        else:
            table.write_parquet(folder / f"{name}.parquet")


def write_datamap(path: Path, suffix: str) -> None:
    """Write the data map that fits the tables."""
    path.write_text(DATAMAP.format(suffix=suffix, sent=", ".join(f'"{c}"' for c in SENT_COLUMNS)), encoding="utf-8")


def expected_json(plan: Plan, raid: Attack, expected: Expected, places: dict[int, tuple[str, int]]) -> str:
    """Write the expected answer: counts by grade, the facts of the incident, the places of its events by stage."""
    moments = [row[0] for rows in (raid.script.store, raid.script.admin, raid.script.logins) for row in rows] + [f.end for f in raid.flows]
    stages: dict[str, dict[str, list[int]]] = {}
    for mark, (file, line) in sorted(places.items(), key=lambda item: item[1]):
        stages.setdefault(raid.stages[mark], {}).setdefault(file, []).append(line)
    answer = {
        "schema": "breachscope/expected/1",
        "origin": "ground truth of benchmarks/simulate.py, not an output of breachscope",
        "seed": plan.seed,
        "people": expected.people_by_grade() | {"exposed": int(np.count_nonzero(expected.people))},
        "records": [{"table": table} | expected.records_by_grade(table) for table in sorted(expected.records)],
        "incident": {
            "addresses": sorted([shop.ATTACK_IP, shop.HELPER_IP]),
            "account": shop.STOLEN_ACCOUNT,
            "session": raid.session,
            "first_ts": _utc(min(moments)),
            "last_ts": _utc(max(moments)),
            "store_host": shop.DB_IP,
            "bytes_out": raid.facts["egress_bytes"],
            "events": len(places),
        },
        "steps": raid.facts,
        "events": {stage: {file: _ranges(lines) for file, lines in files.items()} for stage, files in stages.items()},
    }
    return json.dumps(answer, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _utc(moment: int) -> str:
    return datetime.fromtimestamp(moment // SECOND, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ranges(lines: list[int]) -> str:
    """Write ascending line numbers as ranges.

    >>> _ranges([1, 2, 3, 7])
    '1-3 7'
    """
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def simulate(plan: Plan, folder: Path, *, suffix: str = "csv", rotate: bool = True, truth: bool = False) -> Expected | None:
    """Write one simulation under ``folder``: logs, tables, data map, expected answer, and the truth of every line if asked."""
    people = invent(plan)
    raid = attack(plan, people) if plan.attack else None
    for part in ("logs", "truth"):
        if (folder / part).exists():
            shutil.rmtree(folder / part)
    logs = write_logs(plan, people, raid, folder / "logs", folder / "truth" if truth else None, rotate=rotate)
    write_tables(people, folder / "tables", suffix)
    write_datamap(folder / "datamap.toml", suffix)
    if raid is None:
        return None
    places = {mark: place for log in logs.values() for mark, place in log.marks.items()}
    if len(places) != len(raid.stages):
        raise AssertionError("every event of the attacker must have been written")
    expected = expect(people, raid.taken)
    (folder / "expected.json").write_text(expected_json(plan, raid, expected, places), encoding="utf-8")
    people_frame(people, expected).write_csv(folder / "expected_people.csv")
    records_frame(people, expected).write_csv(folder / "expected_records.csv")
    if truth:
        _write_taken(people, raid, places, folder / "truth" / "taken.parquet")
    return expected


def _write_taken(people: People, raid: Attack, places: dict[int, tuple[str, int]], path: Path) -> None:
    """Write which request gave away which rows: file, line, basis, table, record."""
    keys = {"customers": people.customers["customer_id"], "orders": people.orders["order_id"], "cards": people.cards["card_id"]}
    frames = [
        pl.select(
            pl.lit(places[t.mark][0]).alias("file"),
            pl.lit(places[t.mark][1]).alias("line"),
            pl.lit(t.basis).alias("basis"),
            pl.lit(t.table).alias("table"),
            keys[t.table].gather(t.positions).cast(pl.String).alias("record"),
        )
        for t in raid.taken
    ]
    pl.concat(frames).write_parquet(path)


def readme_digests(folder: Path) -> str:
    """Return a Markdown table of the SHA-256 of every file of a sample but its README and its formats, which others keep."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "README.md" and "formats" not in p.relative_to(folder).parts)
    rows = [f"| `{p.relative_to(folder).as_posix()}` | {p.stat().st_size:,} | `{hashlib.sha256(p.read_bytes()).hexdigest()}` |" for p in files]
    return "\n".join(["| file | bytes | SHA-256 |", "|---|---:|---|", *rows]) + "\n"


def write_sample(plan: Plan, folder: Path) -> None:
    """Write a checked-in sample and renew the digests at the end of its README."""
    simulate(plan, folder)
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else f"# {folder.name}\n\n"
    head = text.split("| file | bytes | SHA-256 |")[0]
    readme.write_text(head + readme_digests(folder), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the simulator from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for name in ("demo", "benign"):
        kinds.add_parser(name).add_argument("folder", type=Path)
    load = kinds.add_parser("load")
    load.add_argument("folder", type=Path)
    load.add_argument("--seed", type=int, default=1)
    load.add_argument("--days", type=int, default=2)
    load.add_argument("--web-lines", type=int, default=1_000_000)
    load.add_argument("--auth-lines", type=int, default=20_000)
    load.add_argument("--fw-lines", type=int, default=20_000)
    load.add_argument("--customers", type=int, default=1_000_000)
    load.add_argument("--enumerated", type=int, default=5_000)
    load.add_argument("--benign", action="store_true", help="without the attack")
    load.add_argument("--csv", action="store_true", help="tables as CSV, not Parquet")
    given = parser.parse_args(arguments)
    chosen: dict[str, Callable[[], None]] = {
        "demo": lambda: write_sample(DEMO, given.folder),
        "benign": lambda: write_sample(BENIGN, given.folder),
        "load": lambda: _load(given),
    }
    chosen[given.kind]()
    return 0


def load_plan(seed: int, days: int, web_lines: int, auth_lines: int, fw_lines: int, customers: int, enumerated: int, *, attacked: bool) -> Plan:
    """Return a plan for measurements: the demo's days and habits, another size."""
    return replace(
        DEMO,
        seed=seed,
        days=days,
        web_lines=web_lines,
        auth_lines=auth_lines,
        fw_lines=fw_lines,
        customers=customers,
        monitor_every=60,
        attack=attacked,
        enumerated=min(enumerated, customers // 4),
    )


def _load(given: argparse.Namespace) -> None:
    plan = load_plan(given.seed, given.days, given.web_lines, given.auth_lines, given.fw_lines, given.customers, given.enumerated, attacked=not given.benign)
    simulate(plan, given.folder, suffix="csv" if given.csv else "parquet", rotate=False, truth=True)


if __name__ == "__main__":
    sys.exit(main())
