"""The checked-in samples are what the simulator writes, and their expected answer follows from the logs and tables by plain reading."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import ipaddress
import json
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHOP = ROOT / "sample_logs" / "shop"
BENIGN = ROOT / "sample_logs" / "benign_shop"
SENT = ("customer_id", "full_name", "full_name_kana", "birth_date", "postal_code", "address", "phone", "email", "points")
KEPT_BY_OTHERS = ("README.md", "formats")


def build(kind: str, folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "benchmarks.simulate", kind, str(folder)], cwd=ROOT, check=True)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).parts[0] not in KEPT_BY_OTHERS)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def unpacked(files: dict[str, bytes]) -> dict[str, bytes]:
    """Another zlib may compress to other bytes; what is inside must be the same everywhere."""
    return {name: gzip.decompress(data) if name.endswith(".gz") else data for name, data in files.items()}


@pytest.mark.parametrize(("kind", "folder"), [("demo", SHOP), ("benign", BENIGN)])
def test_the_simulator_writes_the_checked_in_sample_again(kind: str, folder: Path, tmp_path: Path) -> None:
    assert unpacked(contents(build(kind, tmp_path / "again"))) == unpacked(contents(folder))


def test_two_builds_are_byte_identical(tmp_path: Path) -> None:
    assert contents(build("benign", tmp_path / "one")) == contents(build("benign", tmp_path / "two"))


def test_the_compressed_log_carries_no_time_and_no_name() -> None:
    head = (SHOP / "logs/web/shop-access.log.1.gz").read_bytes()[:10]
    assert head[3] == 0, "flags: no file name"
    assert head[4:8] == b"\0\0\0\0", "mtime 0"


@pytest.mark.parametrize("folder", [SHOP, BENIGN])
def test_the_readme_tells_every_digest(folder: Path) -> None:
    told = dict(re.findall(r"^\| `([^`]+)` \| [\d,]+ \| `([0-9a-f]{64})` \|$", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert told == {name: hashlib.sha256(data).hexdigest() for name, data in contents(folder).items()}


def rows(name: str) -> list[dict[str, str]]:
    with (SHOP / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def exists(row: dict[str, str], moment: datetime) -> bool:
    born, gone = row["created_at"], row.get("deleted_at", "")
    return datetime.fromisoformat(born) <= moment and (not gone or moment < datetime.fromisoformat(gone))


def admin_requests() -> list[dict[str, str | int]]:
    return [json.loads(line) for line in (SHOP / "logs/web/admin-access.log").read_text(encoding="utf-8").splitlines()]


def answer() -> dict[str, object]:
    loaded: dict[str, object] = json.loads((SHOP / "expected.json").read_text(encoding="utf-8"))
    return loaded


def read_by_hand() -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """Grade records and people from the logs and tables alone, line by line, knowing only the attacker's addresses: 3 confirmed, 2 probable, 1 possible."""
    customers = sorted(rows("customers"), key=lambda r: int(r["customer_id"]))
    orders, cards = rows("orders"), rows("cards")
    by_id = {r["customer_id"]: r for r in customers}
    order_by_id = {r["order_id"]: r for r in orders}
    by_mail = {r["email"]: r for r in customers}
    best: dict[tuple[str, str], int] = {}

    def give(table: str, key: str, grade: int) -> None:
        best[table, key] = max(best.get((table, key), 0), grade)

    for line in (SHOP / "logs/auth/shopd.log").read_text(encoding="utf-8").splitlines():
        fields = dict(re.findall(r'(\w+)=("[^"]*"|\S*)', line))
        if (
            fields.get("ip") in ("203.0.113.66", "198.51.100.77")
            and fields["event"] == "login"
            and fields["result"] == "success"
            and fields["account"] in by_mail
        ):
            give("customers", by_mail[fields["account"]]["customer_id"], 3)
    for request in admin_requests():
        if request["remote_addr"] != "203.0.113.66" or request["status"] != 200 or not request["body_bytes_sent"] or request["request_method"] != "GET":
            continue
        uri, moment = str(request["request_uri"]), datetime.fromisoformat(str(request["time_iso8601"]))
        present = [r for r in customers if exists(r, moment)]
        if found := re.fullmatch(r"/api/customers/(\d+)", uri):
            assert exists(by_id[found[1]], moment), "a customer who is not there cannot be returned"
            give("customers", found[1], 3)
        elif found := re.fullmatch(r"/api/orders/(\w+)", uri):
            assert exists(order_by_id[found[1]], moment)
            give("orders", found[1], 3)
        elif uri.startswith("/admin/customers?"):
            arguments = dict(pair.split("=") for pair in uri.split("?")[1].split("&"))
            page, size = int(arguments["page"]), int(arguments["size"])
            for row in present[(page - 1) * size : page * size]:
                give("customers", row["customer_id"], 2)
        elif uri == "/admin/export/customers.csv":
            export = io.StringIO(newline="")
            writer = csv.writer(export, lineterminator="\r\n")
            writer.writerow(SENT)
            for row in present:
                if len(export.getvalue().encode()) >= int(request["body_bytes_sent"]):
                    break
                give("customers", row["customer_id"], 2)
                writer.writerow([row[c] for c in SENT])
    flows = re.findall(
        r"^(Aug 29 [\d:]+) fw-1 ulogd\[812\]: \[DESTROY\] ORIG: SRC=10\.0\.3\.5 DST=203\.0\.113\.66 ", (SHOP / "logs/fw/fw.log").read_text(), re.MULTILINE
    )
    for stamp in flows:
        moment = datetime.strptime(f"2026 {stamp} +0900", "%Y %b %d %H:%M:%S %z")
        for table, key, table_rows in (("customers", "customer_id", customers), ("orders", "order_id", orders), ("cards", "card_id", cards)):
            for row in table_rows:
                if exists(row, moment):
                    give(table, row[key], 1)
    owner = {("customers", r["customer_id"]): r["customer_id"] for r in customers}
    owner |= {("orders", r["order_id"]): r["customer_id"] for r in orders} | {("cards", r["card_id"]): r["customer_id"] for r in cards}
    people: dict[str, int] = {}
    for record, grade in best.items():
        if owner[record]:
            people[owner[record]] = max(people.get(owner[record], 0), grade)
    return best, people


def test_expected_records_and_people_follow_from_logs_and_tables() -> None:
    names = {1: "possible", 2: "probable", 3: "confirmed"}
    best, people = read_by_hand()
    with (SHOP / "expected_records.csv").open(encoding="utf-8", newline="") as file:
        assert {(r["table"], r["record"]): r["grade"] for r in csv.DictReader(file)} == {record: names[grade] for record, grade in best.items()}
    with (SHOP / "expected_people.csv").open(encoding="utf-8", newline="") as file:
        assert {r["person"]: r["grade"] for r in csv.DictReader(file)} == {person: names[grade] for person, grade in people.items()}
    told = answer()
    counted = Counter(people.values())
    assert told["people"] == {names[g]: counted[g] for g in names} | {"exposed": len(people)}
    for line in told["records"]:  # type: ignore[attr-defined]  # JSON
        counts = Counter(grade for (table, _), grade in best.items() if table == line["table"])
        assert line == {"table": line["table"]} | {names[g]: counts[g] for g in names}


def test_the_story_holds_its_hard_cases() -> None:
    mine = [r for r in admin_requests() if r["remote_addr"] == "203.0.113.66"]
    walked = {str(r["request_uri"]).rsplit("/", 1)[1]: r["status"] for r in mine if str(r["request_uri"]).startswith("/api/customers/")}
    assert {r["status"] for r in mine} >= {200, 302, 304, 401, 403, 404, 429, 499}
    assert any(r["request_method"] == "HEAD" for r in mine)
    customers = {r["customer_id"]: r for r in rows("customers")}
    attack_day = "2026-08-29T"
    assert any(status == 404 and customers[key]["created_at"] > attack_day + "05" for key, status in walked.items() if key in customers), "created later"
    assert any(status == 404 and customers[key]["deleted_at"] > attack_day for key, status in walked.items() if key in customers), "deleted minutes before"
    assert any(status == 200 and customers[key]["deleted_at"] > attack_day for key, status in walked.items() if key in customers), "deleted after the read"
    assert any(key not in customers for key in walked), "never existed"
    others = [r for r in admin_requests() if r["remote_addr"] != "203.0.113.66" and str(r["request_uri"]).startswith("/api/customers/") and r["status"] == 200]
    assert len({r["session"] for r in others}) > 50, "reading a customer by id is ordinary here"
    assert any(attack_day + "02:41" < str(r["time_iso8601"]) < attack_day + "03:17" for r in others), "also while the attack runs"
    assert not [r for r in admin_requests() if r["remote_user"] == answer()["incident"]["account"] and r not in mine and attack_day < str(r["time_iso8601"])]  # type: ignore[index]


def test_expected_places_are_the_attackers_lines() -> None:
    logs = unpacked(contents(SHOP / "logs"))
    told: dict[str, set[int]] = {}
    for files in answer()["events"].values():  # type: ignore[attr-defined]
        for name, ranges in files.items():
            for run in ranges.split():
                first, _, last = run.partition("-")
                told.setdefault(name, set()).update(range(int(first), int(last or first) + 1))
    attacker = re.compile(rb"203\.0\.113\.66|198\.51\.100\.77")
    seen = {name: {n for n, line in enumerate(data.splitlines(), 1) if attacker.search(line)} for name, data in logs.items()}
    assert told == {name: lines for name, lines in seen.items() if lines}


def test_the_benign_sample_holds_nobody_of_the_attack() -> None:
    everything = b"".join(unpacked(contents(BENIGN / "logs")).values())
    assert b"203.0.113.66" not in everything
    assert b"198.51.100.77" not in everything


def test_outside_addresses_come_from_reserved_ranges() -> None:
    reserved = [
        ipaddress.ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "100.64.0.0/10", "10.0.0.0/8", "2001:db8::/32")
    ]
    text = b"".join(data for name, data in unpacked(contents(SHOP / "logs")).items() if name.startswith("web/shop-access"))
    clients = {ipaddress.ip_address(line.split(b" ", 1)[0].decode()) for line in text.splitlines()}
    assert not [c for c in clients if not any(c in network for network in reserved)]
