"""The attack, step by step, and what each step truly took.

Night of the last day, Japanese time: 01:52 password lists against the shop from two addresses; 02:38 one password opens an employee's admin account;
02:41 customers one by one by id; 03:19 some orders; 03:21 two list pages; 03:26 the customer export, cut off; 03:33 a backup sent abroad by the
database host itself, which only the firewall saw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.simulator import words
from benchmarks.simulator.draw import Draw, Ints
from benchmarks.simulator.people import CSV_HEADER, NEVER, People, walk_start
from benchmarks.simulator.plan import ATTACK_IP, ATTACKER, HELPER_IP, MINUTE, SECOND, STOLEN_ACCOUNT, Plan
from benchmarks.simulator.requests import Script
from benchmarks.simulator.staff import DETAIL_SHELL_BYTES, FORBIDDEN_BYTES, LIST_SHELL_BYTES, MISSING_BYTES, PAGE_SIZE, list_page_bytes, order_bytes
from benchmarks.simulator.traffic import MYPAGE_BYTES

STAGES = ("stuffing", "admin_login", "enumeration", "orders", "list_pages", "export", "backup", "egress")


@dataclass(frozen=True)
class Taken:
    """Rows that one event of the attacker gave away: positions in the table, and how (item, page, export, login, store)."""

    mark: int
    table: str
    basis: str
    positions: Ints


@dataclass(frozen=True)
class Flow:
    """One connection out of the database host."""

    mark: int
    end: int
    port: int
    packets: int
    bytes_out: int
    bytes_in: int


@dataclass(frozen=True)
class Attack:
    """Everything the attacker did; ``stages[mark]`` is the stage of each event."""

    script: Script
    stages: list[str]
    taken: list[Taken]
    flows: list[Flow]
    session: str
    facts: dict[str, int]
    """Counts that the story tells: tries, answers by kind, bytes."""


class _Night:
    """Numbers the attacker's events as they come."""

    def __init__(self, plan: Plan, people: People) -> None:
        self.plan, self.people = plan, people
        self.draw = Draw(plan.seed, "attack")
        self.script = Script(ATTACKER)
        self.stages: list[str] = []
        self.taken: list[Taken] = []
        self.facts: dict[str, int] = {}
        self.session = self.draw.hex_ids(1)[0]
        self.stage = STAGES[0]

    def mark(self) -> int:
        self.stages.append(self.stage)
        return len(self.stages) - 1

    def call(self, t: int, request: str, status: int, size: int) -> int:
        mark = self.mark()
        self.script.call(t, ATTACK_IP, request, status, size, words.ATTACK_AGENT, user=STOLEN_ACCOUNT, session=self.session, mark=mark)
        return mark

    def take(self, mark: int, table: str, basis: str, positions: Ints | list[int]) -> None:
        self.taken.append(Taken(mark, table, basis, np.asarray(positions, dtype=np.int64)))


def attack(plan: Plan, people: People) -> Attack:
    """Play the attack against the shop's tables."""
    night = _Night(plan, people)
    _stuff_passwords(night)
    _enter_admin(night)
    _walk_customers(night)
    _read_orders(night)
    _leaf_lists(night)
    _export(night)
    flows = _send_backup(night)
    return Attack(night.script, night.stages, night.taken, flows, night.session, night.facts)


def _stuff_passwords(night: _Night) -> None:
    """Try a bought list: two thirds of its accounts are unknown here, most passwords are wrong, seven fit."""
    plan, people, draw = night.plan, night.people, night.draw
    emails = people.customers["email"]
    steady = np.flatnonzero((people.created < plan.start) & (people.deleted == NEVER))
    # Nobody whose password fits stands among those read otherwise, so that their grade rests on the login alone.
    beyond = steady[(steady > people.ids.size * 0.8) & (steady < people.ids.size * 0.88)]
    fits = beyond[np.linspace(0, beyond.size - 1, 7).astype(np.int64)]
    by_helper = fits[:2]

    def attempt(t: int, ip: str, position: int | None, name: str, *, success: bool) -> None:
        mark, form = night.mark(), night.mark()
        session = draw.hex_ids(1)[0] if success else "-"
        reason = None if success else "no_user" if position is None else "bad_password"
        night.script.login(t, "login", reason, "store", name, ip, session, words.ATTACK_AGENT, mark=mark)
        night.script.visit(t, ip, "POST /login", 302 if success else 200, 0 if success else 5_212, words.ATTACK_AGENT, mark=form)
        if success and position is not None:
            night.take(mark, "customers", "login", [position])
            night.script.visit(t + SECOND, ip, "GET /mypage", 200, MYPAGE_BYTES, words.ATTACK_AGENT, mark=night.mark())

    def campaign(ip: str, tries: int, first: int, pause: int, hits: Ints) -> None:
        hit_at = {int(n * tries / (hits.size + 1)) + 7: int(p) for n, p in enumerate(hits, 1)}
        known = draw.chance(0.34, tries)
        victims = steady[draw.below(steady.size, tries)]
        strangers = draw.below(10**6, tries)
        for n in range(tries):
            t = first + n * pause + draw.between(0, 2_500_000)
            if n in hit_at:
                attempt(t, ip, hit_at[n], emails[hit_at[n]], success=True)
            elif known[n]:
                attempt(t, ip, int(victims[n]), emails[int(victims[n])], success=False)
            else:
                name = words.GIVEN_NAMES[strangers[n] % len(words.GIVEN_NAMES)][2]
                attempt(t, ip, None, f"{name}{strangers[n]}@{words.MAIL_DOMAINS[strangers[n] % 5]}", success=False)

    campaign(ATTACK_IP, 420, plan.last_day(1, 52, 10), 6 * SECOND, fits[2:])
    campaign(HELPER_IP, 200, plan.last_day(1, 58, 40), 9 * SECOND, by_helper)
    for n, position in enumerate(by_helper):  # the finds of the second address are tried out from the first
        attempt(plan.last_day(2, 35, 12 + 20 * n), ATTACK_IP, int(position), emails[int(position)], success=True)
    night.facts |= {"login_attempts": 622, "accounts_entered": 7}


def _enter_admin(night: _Night) -> None:
    """Find the admin pages closed, then try the staff's addresses with passwords from the same list."""
    plan, script, agent = night.plan, night.script, words.ATTACK_AGENT
    night.stage = "admin_login"
    at = plan.last_day
    closed = int(night.people.ids[walk_start(plan) + 5])
    script.call(at(2, 36, 40), ATTACK_IP, "GET /admin/customers?page=1&size=50", 302, 0, agent, mark=night.mark())
    script.call(at(2, 36, 44), ATTACK_IP, f"GET /api/customers/{closed}", 401, 27, agent, mark=night.mark())
    script.call(at(2, 36, 49), ATTACK_IP, "GET /admin/login", 200, 3_377, agent, mark=night.mark())
    for second, account in ((2, words.STAFF[1][1]), (31, words.STAFF[2][1])):
        script.call(at(2, 37, second), ATTACK_IP, "POST /admin/login", 401, 3_412, agent, mark=night.mark())
        script.login(at(2, 37, second), "login", "bad_password", "admin", account, ATTACK_IP, "-", agent, mark=night.mark())
    script.call(at(2, 38, 5), ATTACK_IP, "POST /admin/login", 302, 0, agent, mark=night.mark())
    script.login(at(2, 38, 5), "login", None, "admin", STOLEN_ACCOUNT, ATTACK_IP, night.session, agent, mark=night.mark())
    night.call(at(2, 38, 6), "GET /admin/", 200, 12_871)


def _walk_customers(night: _Night) -> None:
    """Ask for every id in turn; some are gone, some are kept from ordinary staff, some answers never arrive."""
    plan, people = night.plan, night.people
    night.stage = "enumeration"
    start = walk_start(plan)
    first_id = int(people.ids[start])
    position_of = {int(key): start + n for n, key in enumerate(people.ids[start : start + plan.enumerated + 1])}
    began = plan.last_day(2, 41)
    pause = min(5 * SECOND, 35 * MINUTE // plan.enumerated)
    left_out = night.draw.chance(0.02, plan.enumerated)
    answers: dict[int, int] = {}

    def ask(t: int, key: int, position: int | None, n: int) -> None:
        request = f"GET /api/customers/{key}"
        if position is None or not people.created[position] <= t < people.deleted[position]:
            status, size = 404, MISSING_BYTES
        elif people.restricted[position]:
            status, size = 403, FORBIDDEN_BYTES
        elif n in (100, 101):
            status, size = 499, 0
        elif n in (130, 131):
            status, size = 429, 169
        else:
            status, size = 200, int(people.item_bytes[position])
        if n == 102:
            request, size = f"HEAD /api/customers/{key}", 0
        answers[status] = answers.get(status, 0) + 1
        mark = night.call(t, request, status, size)
        if size and status == 200 and position is not None:
            night.take(mark, "customers", "item", [position])
            if n == 150:
                night.call(t + SECOND, request, 304, 0)

    for n in range(plan.enumerated):
        key = first_id + n
        if n < 60 or n == 150 or not left_out[n]:
            ask(began + n * pause + night.draw.between(0, pause // 2), key, position_of.get(key), n)
    # Then the newest: two below the customer who registered during the attack, six ids that are given out only the next morning.
    newest = int(np.flatnonzero(people.created == plan.last_day(3, 5, 12))[0])
    wanted = [int(people.ids[p]) for p in (newest - 2, newest - 1)] + [int(people.ids[newest]) + n for n in range(1, 7)]
    place = {int(people.ids[p]): p for p in range(newest - 2, people.ids.size)}
    for n, key in enumerate(wanted):
        ask(plan.last_day(3, 17, 30 + 3 * n), key, place.get(key), -1)
    night.facts |= {f"walk_{status}": number for status, number in sorted(answers.items())}


def _read_orders(night: _Night) -> None:
    """Open a dozen orders, one of which does not exist."""
    plan, people = night.plan, night.people
    night.stage = "orders"
    t = plan.last_day(3, 19, 5)
    named = np.flatnonzero((people.order_customer >= 0) & (people.order_created < plan.start))
    chosen = named[np.linspace(named.size * 0.6, named.size * 0.98, 12).astype(np.int64)]
    for position in chosen:
        order_id = people.orders["order_id"][int(position)]
        night.call(t, f"GET /admin/orders/{order_id}", 200, DETAIL_SHELL_BYTES - 211)
        mark = night.call(t + SECOND, f"GET /api/orders/{order_id}", 200, order_bytes(people, int(position)))
        night.take(mark, "orders", "item", [int(position)])
        t += 7 * SECOND
    night.call(t, "GET /api/orders/A9999999", 404, MISSING_BYTES)


def _leaf_lists(night: _Night) -> None:
    """Look at two pages of the list, one over the end of the walk and one beyond; a third never arrives."""
    plan, people = night.plan, night.people
    night.stage = "list_pages"
    reached = int(np.searchsorted(people.existing(plan.last_day(3, 21)), walk_start(plan) + plan.enumerated))
    first = reached // PAGE_SIZE + 1
    for page, request, t in (
        (first, f"GET /admin/customers?page={first}&size={PAGE_SIZE}", plan.last_day(3, 21, 10)),
        (first + 8, f"GET /admin/customers?size={PAGE_SIZE}&page={first + 8}", plan.last_day(3, 21, 41)),
    ):
        mark = night.call(t, request, 200, list_page_bytes(people, t, page))
        rows = people.existing(t)[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        night.take(mark, "customers", "page", rows)
    night.call(plan.last_day(3, 22, 5), f"GET /admin/customers?page={first + 9}&size={PAGE_SIZE}", 499, 0)
    night.facts |= {"list_page_shell_bytes": LIST_SHELL_BYTES}


def _export(night: _Night) -> None:
    """Fetch the customer export and lose the connection in the middle of a row."""
    plan, people = night.plan, night.people
    night.stage = "export"
    t = plan.last_day(3, 26, 48)
    rows = people.existing(t)
    whole = int(rows.size * plan.export_share)
    ends = len(CSV_HEADER) + np.cumsum(people.csv_bytes[rows])
    sent = int(ends[whole - 1]) + int(people.csv_bytes[rows[whole]]) * 2 // 5
    mark = night.call(t, "GET /admin/export/customers.csv", 200, sent)
    night.take(mark, "customers", "export", rows[: whole + 1])
    night.facts |= {"export_bytes_sent": sent, "export_bytes_full": int(ends[-1]), "export_rows_whole": whole, "export_rows_cut": 1}


def _send_backup(night: _Night) -> list[Flow]:
    """Misuse the maintenance page: the database host sends its backup to the attacker's machine."""
    plan, people, draw = night.plan, night.people, night.draw
    night.stage = "backup"
    night.call(plan.last_day(3, 30, 2), "GET /admin/maintenance/backup", 200, 4_410)
    night.call(plan.last_day(3, 33, 20), "POST /admin/maintenance/backup", 202, 64)
    for n in range(9):
        night.call(plan.last_day(3, 36 + 5 * n, 3), "GET /admin/maintenance/backup/status", 200, 71)
    night.stage = "egress"
    flows = []
    for n, (hour, minute, size) in enumerate(((3, 44, 96_114_882), (3, 52, 101_730_240), (4, 1, 99_402_511), (4, 9, 104_857_600), (4, 17, 84_006_233))):
        end = plan.last_day(hour, minute, 8 + 7 * n)
        flows.append(Flow(night.mark(), end, 44_312 + 6 * n, size // 1_420, size, size // 210 + draw.between(0, 4_000)))
    before, after = people.existing(flows[0].end - 15 * MINUTE), people.existing(flows[-1].end)
    if not np.array_equal(before, after):
        raise AssertionError("no row may come or go while the backup runs")
    mark = flows[0].mark
    night.take(mark, "customers", "store", after)
    night.take(mark, "orders", "store", np.flatnonzero(people.order_created <= flows[0].end))
    here = np.zeros(people.ids.size, dtype=np.bool_)
    here[after] = True
    night.take(mark, "cards", "store", np.flatnonzero(here[people.card_customer]))
    night.stage = "backup"
    night.call(plan.last_day(4, 21, 37), "GET /admin/logout", 302, 0)
    night.script.login(plan.last_day(4, 21, 37), "logout", None, "admin", STOLEN_ACCOUNT, ATTACK_IP, night.session, words.ATTACK_AGENT, mark=night.mark())
    night.facts |= {"egress_bytes": sum(f.bytes_out for f in flows)}
    return flows
