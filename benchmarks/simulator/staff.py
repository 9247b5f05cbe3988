"""Staff at work on the admin pages: they read customers by id and leaf through lists, as the attacker does, only less and from their own sessions."""

from __future__ import annotations

import json

import numpy as np

from benchmarks.simulator import words
from benchmarks.simulator.draw import Draw
from benchmarks.simulator.people import People
from benchmarks.simulator.plan import DAY, HOUR, JST_OFFSET, OFFICE_IP, SECOND, STAFF_MEMBER, Plan
from benchmarks.simulator.requests import Script

LIST_SHELL_BYTES = 6_204
"""Length of the list page around its rows."""
PAGE_SIZE = 50
DETAIL_SHELL_BYTES = 5_120
"""Length of the page that fetches one customer by script: it carries no customer data."""
FORBIDDEN_BYTES = 48
MISSING_BYTES = 40
_SATURDAY = 5
_REPORTER = ("fujii", "ota")
"""Who fetches the morning report: on weekdays, on Saturdays."""
_BROWSERS = words.DESKTOP_AGENTS[:4]


def staff_at_work(plan: Plan, people: People) -> Script:
    """Return all that the staff do on the admin host in the whole time: the office hours, and one on nights."""
    script = Script(STAFF_MEMBER)
    for day in range(plan.days):
        midnight = plan.start + day * DAY
        weekday = ((midnight + JST_OFFSET) // DAY + 3) % 7
        for number, (name, account, saturdays, first_hour, last_hour) in enumerate(words.STAFF):
            if weekday > _SATURDAY or (weekday == _SATURDAY and not saturdays):
                continue
            draw = Draw(plan.seed, "staff", name, day)
            agent = _BROWSERS[number % len(_BROWSERS)]
            t = midnight + first_hour * HOUR + draw.between(0, 1_500) * SECOND
            leave = midnight + last_hour * HOUR - draw.between(0, 1_500) * SECOND
            session = draw.hex_ids(1)[0]
            t = _log_in(script, draw, t, account, session, agent)
            if name == _REPORTER[weekday == _SATURDAY]:
                _export_orders(script, people, t + 240 * SECOND, account, session, agent)
            while (t := t + (60 + int(draw.exponential(720, 1)[0])) * SECOND) < leave:
                t = _task(script, plan, people, draw, t, account, session, agent)
            if draw.between(0, 2):
                script.call(t, OFFICE_IP, "GET /admin/logout", 302, 0, agent, user=account, session=session)
                script.login(t, "logout", None, "admin", account, OFFICE_IP, session, agent)
    return script


def _log_in(script: Script, draw: Draw, t: int, account: str, session: str, agent: str) -> int:
    script.call(t, OFFICE_IP, "GET /admin/login", 200, 3_377, agent)
    t += 8 * SECOND
    for _ in range(draw.between(0, 6) // 4):
        script.call(t, OFFICE_IP, "POST /admin/login", 401, 3_412, agent)
        script.login(t, "login", "bad_password", "admin", account, OFFICE_IP, "-", agent)
        t += 11 * SECOND
    script.call(t, OFFICE_IP, "POST /admin/login", 302, 0, agent)
    script.login(t, "login", None, "admin", account, OFFICE_IP, session, agent)
    script.call(t + SECOND, OFFICE_IP, "GET /admin/", 200, 12_871, agent, user=account, session=session)
    return t + SECOND


def _export_orders(script: Script, people: People, t: int, account: str, session: str, agent: str) -> None:
    """Fetch the morning report: yesterday's orders, a few hundred bytes each."""
    count = int(np.count_nonzero((people.order_created >= t - DAY) & (people.order_created < t)))
    script.call(t, OFFICE_IP, "GET /admin/export/orders.csv?range=yesterday", 200, 61 + 118 * count, agent, user=account, session=session)


def _task(script: Script, plan: Plan, people: People, draw: Draw, t: int, account: str, session: str, agent: str) -> int:
    """Answer one inquiry and return when it is done."""

    def call(request: str, status: int, size: int) -> None:
        script.call(t, OFFICE_IP, request, status, size, agent, user=account, session=session)

    kind = int(draw.weighted((0.62, 0.18, 0.2), 1)[0])
    if kind == 0:  # a customer calls: look them up, read the record
        position = int(people.ids.size - 1 - draw.skewed(people.ids.size, 1, 1.3)[0])
        key = people.ids[position]
        exists = people.created[position] <= t < people.deleted[position]
        call(f"GET /admin/customers/{key}", 200, DETAIL_SHELL_BYTES)
        t += SECOND
        if not exists:
            call(f"GET /api/customers/{key}", 404, MISSING_BYTES)
        elif people.restricted[position]:
            call(f"GET /api/customers/{key}", 403, FORBIDDEN_BYTES)
        else:
            call(f"GET /api/customers/{key}", 200, int(people.item_bytes[position]))
    elif kind == 1:  # leaf through the list
        first = draw.between(1, 12)
        for page in range(first, first + draw.between(1, 5)):
            call(f"GET /admin/customers?page={page}&size={PAGE_SIZE}", 200, list_page_bytes(people, t, page))
            t += draw.between(6, 40) * SECOND
    else:
        ordered = np.flatnonzero(people.order_created < t)
        position = int(ordered[-1 - draw.skewed(min(400, ordered.size), 1)[0]])
        order_id = people.orders["order_id"][position]
        call(f"GET /admin/orders/{order_id}", 200, DETAIL_SHELL_BYTES - 211)
        t += SECOND
        call(f"GET /api/orders/{order_id}", 200, order_bytes(people, position))
    return t


def list_page_bytes(people: People, moment: int, page: int) -> int:
    """Return the length of one page of the customer list."""
    rows = people.existing(moment)[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return LIST_SHELL_BYTES + int(people.page_bytes[rows].sum())


def order_bytes(people: People, position: int) -> int:
    """Return the length of one order's JSON body: compact, UTF-8, all columns."""
    order = dict(zip(people.orders.columns, people.orders.row(position), strict=True))
    return len(json.dumps(order, ensure_ascii=False, separators=(",", ":")).encode())
