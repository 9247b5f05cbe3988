"""What each kind of route and store gives away, and how good the evidence is.

Attempted is not taken: only a successful response with a body exposes. How a response is graded stands in one place for
each kind: :func:`_item_grade_sql`, :func:`_page_covers`, :func:`_export_covers`, :func:`_login_points`, :func:`_store_covers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from breachscope.scope.covers import CONFIRMED, EXCLUDED, POSSIBLE, PROBABLE, Answers, Covers, Gives, add_covers, add_points
from breachscope.scope.customers import Axis, Customers, Integers, Moment, OrderedBy, route_layout, table_layout
from breachscope.scope.database import Database, parquet_files_sql
from breachscope.scope.datamap import DataMap, OrderTerm, Route, Store
from breachscope.scope.estimate import COMPRESSION_RATIO_UPPER, DistinctPeople, RowBytes, RowEstimate, distinct_people, rows_in_bytes
from breachscope.scope.sizes import Layout
from breachscope.scope.templates import loose_sql, quote

TYPICAL_COMPRESSION_RATIO = 4
"""Assumed for the likely number of rows in a body that the map calls compressed."""
MIN_ERROR_PAGES = 3
ERROR_PAGE_SHARE = 0.1
"""A size is an error page's when at least this many answers without a record have it, and this share of them."""
MIN_NORMAL_SIZES = 5
"""Fewer answers with records do not tell what a normal size is."""
_LARGEST_NUMBER = 10**9
"""Page numbers and sizes beyond this mean the same as this."""

_RETURNED = "(status BETWEEN 200 AND 299 AND status NOT IN (204, 205) AND coalesce(bytes_sent, 1) > 0 AND NOT is_head)"


@dataclass(frozen=True)
class Uncertain:
    """One thing the answer leaves open; ``code`` is a key of UNCERTAINTIES."""

    code: str
    table: str | None = None
    count: int | None = None
    detail: str = ""
    incident: str | None = None
    order: tuple[OrderedBy, ...] = ()
    """How a list is taken to be ordered, where that is what is open."""


@dataclass(frozen=True)
class Estimate:
    """Rows that a transfer can have held, where no log names them."""

    kind: str
    incident: str
    table: str
    where: str
    bytes_transferred: int | None
    rows_existing: int
    rows: RowEstimate
    people: DistinctPeople | None
    """Distinct people behind the rows, when which rows is unknown."""


@dataclass(frozen=True)
class RouteUse:
    """How the incidents used one route."""

    route: Route
    requests: int
    returned: int
    keys_not_in_table: int


@dataclass(frozen=True)
class MissingSpan:
    """A span in which ``tables`` may have been read without a trace, and why: a key of REASONS."""

    incident: str
    first_ts: int
    last_ts: int
    tables: tuple[str, ...]
    reason: str = "logs_missing"


@dataclass
class Exposer:
    """Collects exposures of one case into the tables of :mod:`breachscope.scope.covers`."""

    database: Database
    datamap: DataMap
    customers: Mapping[str, Customers]
    span: tuple[int, int]
    """First and last moment of the incidents, their events and what is missing around them."""
    web_files: Sequence[Path]
    gives: Gives = field(default_factory=Gives)
    uncertain: list[Uncertain] = field(default_factory=list)
    estimates: list[Estimate] = field(default_factory=list)
    uses: list[RouteUse] = field(default_factory=list)
    _axes: dict[tuple[str, tuple[OrderTerm, ...], Layout | None], Covers] = field(default_factory=dict)

    def expose(self, network_files: Sequence[Path], auth_files: Sequence[Path], missing: Sequence[MissingSpan]) -> None:
        """Fill ``entries``, ``refs`` and ``unknown_keys``."""
        self.database.run("CREATE TEMP TABLE unknown_keys (incident_id VARCHAR, table_index INTEGER, key VARCHAR)")
        handlers: Mapping[str, Callable[[Route], tuple[int, int, int]]] = {
            "item": self._item,
            "page": self._page,
            "export": self._export,
            "login": lambda route: self._login(route, auth_files),
        }
        for route in self.datamap.routes:
            self.uses.append(RouteUse(route, *handlers[route.kind](route)))
        for store in self.datamap.stores:
            self._store(store, network_files)
        self._missing(missing)
        add_points(self.database)
        for covers in self._axes.values():
            add_covers(self.database, covers)

    def covers(self, table: str, order: tuple[OrderTerm, ...] = (), layout: Layout | None = None) -> Covers:
        """Return the covers of one order of a table; made on first use."""
        key = (table, order, layout)
        if key not in self._axes:
            axis = Axis(self.database, f"axis_{len(self._axes)}", self.customers[table], order, self.span, layout)
            self._axes[key] = Covers(axis)
        return self._axes[key]

    def _gives(self, route: Route) -> int:
        return self.gives.number(route.returns, route.columns)

    def _answers_sql(self, route: Route) -> str:
        return f"""SELECT e.*, m.is_head FROM web_evidence e JOIN matches m ON m.request_id = e.request_id AND m.route = {route.index}"""

    def _use(self, route: Route) -> tuple[int, int]:
        requests, returned = self.database.rows(f"SELECT count(*), count(*) FILTER ({_RETURNED}) FROM ({self._answers_sql(route)})")[0]
        return requests, returned

    def _item(self, route: Route) -> tuple[int, int, int]:
        database, customers = self.database, self.customers[route.returns]
        slots = route.url.named_slots
        columns = [customers.compared[s] for s in slots]
        requests, returned = self._use(route)
        lists = ", ".join(f"{route.url.slot_sql(s)} AS l{i}" for i, s in enumerate(slots))
        unnested = ", ".join(f"unnest(l{i}) AS u{i}(s{i})" for i in range(len(slots)))
        values = ", ".join(f"s{i}" for i in range(len(slots)))
        repeated = " OR ".join(f"len(l{i}) > 1" for i in range(len(slots)))
        database.run(f"""
            CREATE TEMP TABLE asked AS
            SELECT request_id, {values}, {repeated} AS is_repeated
            FROM (SELECT request_id, {lists} FROM requests WHERE request_id IN (SELECT request_id FROM matches WHERE route = {route.index})) q, {unnested}""")
        strict = " AND ".join(f"c.{column} = a.s{i}" for i, column in enumerate(columns))
        loose = " AND ".join(f"{loose_sql(f'c.{column}')} = {loose_sql(f'a.s{i}')}" for i, column in enumerate(columns))
        k = customers.layouts[route_layout(route)]
        found = f"a.request_id, a.is_repeated, {', '.join(f'a.s{i}' for i in range(len(slots)))}, c.unit, c.since, c.until, c.smallest_{k} AS smallest"
        database.run(f"CREATE TEMP TABLE hits AS SELECT {found}, false AS is_loose FROM asked a JOIN {customers.rows} c ON {strict}")
        if database.value("SELECT count(*) FROM asked WHERE request_id NOT IN (SELECT request_id FROM hits)"):
            database.run(f"""
                INSERT INTO hits SELECT {found}, true
                FROM (SELECT * FROM asked WHERE request_id NOT IN (SELECT request_id FROM hits)) a JOIN {customers.rows} c ON {loose}""")
        database.run(f"CREATE TEMP TABLE answers AS SELECT a.*, h.* EXCLUDE (request_id) FROM ({self._answers_sql(route)}) a JOIN hits h USING (request_id)")
        grade = self._item_grade_sql(route, customers, is_key=columns == ["key"])
        database.run(f"""
            INSERT INTO points
            SELECT incident_id, {customers.index}, unit,
                   CASE WHEN is_shared AND g.grade < {POSSIBLE} THEN {POSSIBLE} ELSE g.grade END,
                   CASE WHEN is_shared AND g.grade < {POSSIBLE} THEN 'shared_address' ELSE g.reason END, {self._gives(route)}, ts, event_id
            FROM (SELECT *, {grade} AS g FROM answers)""")
        unknown = int(
            database.value(f"""
                SELECT count(DISTINCT ({values})) FROM asked
                WHERE request_id NOT IN (SELECT request_id FROM hits)
                  AND request_id IN (SELECT request_id FROM ({self._answers_sql(route)}) WHERE {_RETURNED})""")
        )
        if unknown:
            self.uncertain.append(Uncertain("keys_not_in_table", route.returns, unknown, route.name))
            self._note_unknown_keys(route, ", ".join(f"{quote(slot)}, s{i}" for i, slot in enumerate(slots)))
        unseen = int(database.value("SELECT count(DISTINCT unit) FROM answers WHERE status = 304 AND request_id NOT IN (SELECT request_id FROM copies)"))
        if unseen:
            self.uncertain.append(Uncertain("already_known_copy_unseen", route.returns, unseen, route.name))
        for name in ("asked", "hits", "answers", "copies"):
            database.run(f"DROP TABLE {name}")
        return requests, returned, unknown

    def _note_unknown_keys(self, route: Route, key: str) -> None:
        """Keep keys that were answered with a record, though the table of today has none: each may be a further person, deleted since."""
        error_sizes, normal, _ = self._learn_sizes(route)
        error_page = "false"
        if error_sizes and normal:
            error_page = f"bytes_sent IN ({', '.join(map(str, error_sizes))}) AND NOT bytes_sent BETWEEN {normal[0]} AND {normal[1]}"
        self.database.run(f"""
            INSERT INTO unknown_keys
            SELECT DISTINCT e.incident_id, {self.customers[route.returns].index}, to_json([{key}])::VARCHAR
            FROM asked JOIN ({self._answers_sql(route)}) e USING (request_id)
            WHERE request_id NOT IN (SELECT request_id FROM hits) AND {_RETURNED} AND NOT coalesce({error_page}, false)""")

    def _item_grade_sql(self, route: Route, customers: Customers, *, is_key: bool) -> str:
        """Return the expression for (grade, reason) of an answer to a request for a record of the table.

        Sizes: an answer as long as the error page of this route is no record when answers with records are all of another
        length, and doubtful when they are not. A body smaller than the record's own values is doubtful when it is also far
        smaller than the others, for then compression does not explain it. Without a size (``-``) a success is
        ``probable``: the log cannot show that the body was there.
        """
        self._find_copies(route)
        error_sizes, normal, median = self._learn_sizes(route)
        error_page = f"bytes_sent IN ({', '.join(map(str, error_sizes))})" if error_sizes else "false"
        outside = f"NOT bytes_sent BETWEEN {normal[0]} AND {normal[1]}" if normal else "false"
        early, late = customers.doubt

        def graded(grade: int, reason: str) -> str:
            return f"struct_pack(grade := {grade}, reason := {quote(reason)})"

        returned = graded(CONFIRMED, "returned_by_key") if is_key else graded(PROBABLE, "returned_by_column")
        return f"""CASE
            WHEN is_head THEN {graded(EXCLUDED, "head_request")}
            WHEN status IS NULL THEN {graded(POSSIBLE, "status_unknown")}
            WHEN status = 304 AND request_id IN (SELECT request_id FROM copies) THEN {graded(EXCLUDED, "already_known_copy")}
            WHEN status = 304 THEN {graded(EXCLUDED, "already_known_copy_unseen")}
            WHEN status BETWEEN 300 AND 399 THEN {graded(EXCLUDED, "redirected")}
            WHEN status IN (401, 403, 407) THEN {graded(EXCLUDED, "refused")}
            WHEN status IN (404, 410) THEN {graded(EXCLUDED, "not_found")}
            WHEN status = 499 AND bytes_sent > 0 THEN {graded(PROBABLE, "client_closed")}
            WHEN status NOT BETWEEN 200 AND 299 THEN {graded(EXCLUDED, "failed")}
            WHEN status IN (204, 205) OR bytes_sent = 0 THEN {graded(EXCLUDED, "empty_body")}
            WHEN ts IS NULL THEN {graded(POSSIBLE, "time_unknown")}
            WHEN since - {early} > ts THEN {graded(EXCLUDED, "not_yet_created")}
            WHEN until + {late} <= ts THEN {graded(EXCLUDED, "already_deleted")}
            WHEN since > ts OR until <= ts THEN {graded(POSSIBLE, "existence_in_doubt")}
            WHEN {error_page} AND {outside} THEN {graded(EXCLUDED, "error_page")}
            WHEN is_repeated THEN {graded(POSSIBLE, "argument_repeated")}
            WHEN {error_page} THEN {graded(PROBABLE, "returned_error_page_size")}
            WHEN is_loose THEN {graded(PROBABLE, "returned_loose_key")}
            WHEN bytes_sent IS NULL THEN {graded(PROBABLE, "returned_size_unknown")}
            WHEN bytes_sent < smallest AND 4 * bytes_sent < {median} THEN {graded(PROBABLE, "returned_too_small")}
            ELSE {returned} END"""

    def _learn_sizes(self, route: Route) -> tuple[list[int], tuple[int, int] | None, int]:
        """Return the error pages' sizes, the span of sizes of answers with a record, and their median; learnt from everyone's requests."""
        database = self.database
        seen = f"""
            SELECT t.request_id, t.status, t.bytes_sent, t.requests, t.request_id IN (SELECT request_id FROM hits) AS is_found
            FROM traffic t JOIN matches m ON m.request_id = t.request_id AND m.route = {route.index} AND NOT m.is_head
            WHERE t.bytes_sent > 0 AND (t.status >= 400 OR t.status BETWEEN 200 AND 203)"""
        error_sizes = [
            size
            for (size,) in database.rows(f"""
                SELECT bytes_sent FROM (
                    SELECT bytes_sent, CASE WHEN status >= 400 THEN status ELSE 200 END AS class, count(DISTINCT request_id) AS pages
                    FROM ({seen}) WHERE status >= 400 OR NOT is_found GROUP BY ALL)
                QUALIFY pages >= {MIN_ERROR_PAGES} AND pages >= {ERROR_PAGE_SHARE} * sum(pages) OVER (PARTITION BY class)
                ORDER BY bytes_sent""")
        ]
        other = f"AND bytes_sent NOT IN ({', '.join(map(str, error_sizes))})" if error_sizes else ""
        least, most, median, answers = database.rows(f"""
            SELECT min(bytes_sent), max(bytes_sent), coalesce(quantile_disc(bytes_sent, 0.5), 0), count(*)
            FROM ({seen}) WHERE status < 400 AND is_found {other}""")[0]
        return sorted(set(error_sizes)), (least, most) if answers >= MIN_NORMAL_SIZES else None, median

    def _find_copies(self, route: Route) -> None:
        """Make the table ``copies``: requests answered 304 whose client was sent the same earlier."""
        unchanged = f"SELECT request_id, client_ip, ts FROM ({self._answers_sql(route)}) WHERE status = 304"
        if not self.database.value(f"SELECT count(*) FROM ({unchanged})"):
            self.database.run("CREATE TEMP TABLE copies AS SELECT 0::BIGINT AS request_id WHERE false")
            return
        self.database.run(f"""
            CREATE TEMP TABLE copies AS
            SELECT DISTINCT u.request_id
            FROM ({unchanged}) u JOIN requests r USING (request_id)
            JOIN {parquet_files_sql(self.web_files)} e ON e.client_ip = u.client_ip AND e.path = r.path AND e.query IS NOT DISTINCT FROM r.query
            WHERE e.status BETWEEN 200 AND 203 AND epoch_us(e.ts) <= u.ts""")

    def _login(self, route: Route, auth_files: Sequence[Path]) -> tuple[int, int, int]:
        """Add points for accounts that an incident's actor logged in to.

        A login hands out the account's own data: DETECTORS gives it the scope code R, which DESIGN 5 maps to ``confirmed``.
        """
        database, customers = self.database, self.customers[route.returns]
        column = customers.compared[route.user_column or ""]
        logins = []
        requests = 0
        if route.template is not None:
            requests, _ = self._use(route)
            logins.append(f"""
                SELECT incident_id, event_id, ts, "user", is_shared FROM ({self._answers_sql(route)})
                WHERE "user" IS NOT NULL AND NOT is_head AND {self._login_success_sql(route)}""")
        if auth_files:
            service = f"AND e.service = {quote(route.service)}" if route.service else ""
            logins.append(f"""
                SELECT v.incident_id, e.event_id, epoch_us(e.ts) AS ts, e."user", v.is_shared
                FROM {parquet_files_sql(auth_files)} e JOIN evidence v ON v."table" = 'auth' AND v.event_id = e.event_id
                WHERE e.action = 'logon' AND e.outcome = 'success' AND e."user" IS NOT NULL {service}""")
        if not logins:
            return requests, 0, 0
        database.run(f"CREATE TEMP TABLE logins AS {' UNION ALL '.join(logins)}")
        account = loose_sql('l."user"')
        database.run(f"""
            CREATE TEMP TABLE found AS
            SELECT l.*, c.unit, c.since, c.until FROM logins l JOIN {customers.rows} c ON {loose_sql(f"c.{column}")} = {account}""")
        early, late = customers.doubt
        database.run(f"""
            INSERT INTO points
            SELECT incident_id, {customers.index}, unit,
                   CASE WHEN is_shared OR ts IS NULL OR since > ts OR until <= ts THEN {POSSIBLE} ELSE {CONFIRMED} END,
                   CASE WHEN is_shared THEN 'shared_address' WHEN ts IS NULL THEN 'time_unknown'
                        WHEN since > ts OR until <= ts THEN 'existence_in_doubt' ELSE 'login_succeeded' END,
                   {self._gives(route)}, ts, event_id
            FROM found WHERE ts IS NULL OR (since - {early} <= ts AND until + {late} > ts)""")
        succeeded = int(database.value("SELECT count(*) FROM logins"))
        unknown = int(database.value('SELECT count(DISTINCT "user") FROM logins WHERE event_id NOT IN (SELECT event_id FROM found)'))
        if unknown:
            self.uncertain.append(Uncertain("accounts_not_in_table", route.returns, unknown, route.name))
        database.run("DROP TABLE logins")
        database.run("DROP TABLE found")
        return max(requests, succeeded), succeeded, unknown

    def _login_success_sql(self, route: Route) -> str:
        if route.success:
            return f"status IN ({', '.join(map(str, route.success))})"
        redirects = self.database.value(f"""
            SELECT count(*) FROM traffic t JOIN matches m ON m.request_id = t.request_id AND m.route = {route.index} WHERE t.status IN (302, 303)""")
        return "status IN (302, 303)" if redirects else "status BETWEEN 200 AND 299"

    def _page(self, route: Route) -> tuple[int, int, int]:
        requests, returned = self._use(route)
        by_offset = "offset" in route.url.slots
        start, length = ("offset", "limit") if by_offset else ("page", "size")
        first = 0 if by_offset else route.first_page

        def argument(slot: str, default: int | None) -> str:
            """One value, the default when absent; null when it is no number or sent twice."""
            if slot not in route.url.slots:
                return str(default)
            values = route.url.slot_sql(slot)
            number = f"CASE WHEN regexp_full_match({values}[1], '[0-9]{{1,18}}') THEN least({values}[1]::BIGINT, {_LARGEST_NUMBER}) END"
            return f"CASE WHEN len({values}) = 0 THEN {'NULL' if default is None else default} WHEN len({values}) = 1 THEN {number} END"

        pages = self.database.numbers(f"""
            SELECT a.incident_id, a.event_id, a.ts, a.is_shared, a.status = 206 AS is_partial,
                   coalesce({argument(start, route.default.get(start, first))}, -1)::BIGINT AS start,
                   coalesce({argument(length, route.default.get(length))}, -1)::BIGINT AS length,
                   len({route.url.further_arguments_sql((*HARMLESS_ARGUMENTS, *route.ignore))}) > 0 AS is_filtered
            FROM ({self._answers_sql(route)}) a JOIN requests USING (request_id) WHERE {_RETURNED} AND ts IS NOT NULL ORDER BY ts, event_id, incident_id""")
        if len(pages["ts"]) == 0:
            return requests, returned, 0
        _page_covers(self.covers(route.returns, route.order_by), pages, self._gives(route), first=first, by_offset=by_offset, max_size=route.max_size)
        filtered = int(np.count_nonzero(pages["is_filtered"]))
        if filtered:
            self.uncertain.append(Uncertain("page_arguments", route.returns, filtered, route.name))
        self._note_order(route)
        return requests, returned, 0

    def _export(self, route: Route) -> tuple[int, int, int]:
        requests, returned = self._use(route)
        exports = self.database.numbers(f"""
            SELECT incident_id, event_id, ts, is_shared, status = 206 AS is_partial, coalesce(bytes_sent, -1) AS body_bytes FROM ({self._answers_sql(route)})
            WHERE {_RETURNED} AND ts IS NOT NULL ORDER BY ts, event_id, incident_id""")
        answers = _answers(exports)
        if len(answers.ts) == 0:
            return requests, returned, 0
        layout = route_layout(route)
        covers = self.covers(route.returns, route.order_by, layout)
        cuts: dict[str, list[_Cut]] = {}
        for i in range(len(answers.ts)):
            size = int(exports["body_bytes"][i])
            one = answers[np.array([i])]
            cut = _export_covers(covers, route, layout, self._gives(route), one, size if size >= 0 else None, is_partial=bool(exports["is_partial"][i]))
            if cut is not None:
                cuts.setdefault(str(answers.incident_id[i]), []).append(cut)
        for incident_id, found in cuts.items():
            self._estimate_export(route, covers.axis, incident_id, found)
            if not layout.is_exact:
                self.uncertain.append(Uncertain("export_sizes_assumed", route.returns, None, route.name, incident_id))
            if route.compressed is not False:
                self.uncertain.append(Uncertain("compression_assumed", route.returns, COMPRESSION_RATIO_UPPER, route.name, incident_id))
        if cuts:
            self._note_order(route)
        return requests, returned, 0

    def _estimate_export(self, route: Route, axis: Axis, incident_id: str, cuts: Sequence[_Cut]) -> None:
        existing = max(c.existing for c in cuts)
        if route.order_by and not any(c.is_partial for c in cuts):
            rows = RowEstimate(max(c.rows.lower for c in cuts), max(c.rows.likely for c in cuts), max(c.rows.upper for c in cuts))
            people = None
        else:
            upper = min(existing, sum(c.rows.upper for c in cuts))
            rows = RowEstimate(max(c.rows.lower for c in cuts), max(c.rows.likely for c in cuts), upper)
            people = self._distinct_people(axis.customers, cuts[-1].ts, rows)
        total = sum(c.body_bytes for c in cuts)
        self.estimates.append(Estimate("export_cut", incident_id, route.returns, route.name, total, existing, rows, people))

    def _distinct_people(self, customers: Customers, ts: int, taken: RowEstimate) -> DistinctPeople:
        histogram = self.database.rows(f"""
            SELECT n, count(*) FROM (SELECT person, count(*) AS n FROM {customers.rows} WHERE since <= {ts} AND until > {ts} GROUP BY person)
            WHERE person IS NOT NULL GROUP BY n ORDER BY n""")
        rows = int(self.database.value(f"SELECT count(*) FROM {customers.rows} WHERE since <= {ts} AND until > {ts}"))
        known = RowEstimate(min(taken.lower, rows), min(taken.likely, rows), min(taken.upper, rows))
        return distinct_people({int(n): int(people) for n, people in histogram}, rows, known)

    def _note_order(self, route: Route) -> None:
        order = self.customers[route.returns].ordered_by.get(route.order_by, ())
        if order:
            self.uncertain.append(Uncertain("order_assumed", route.returns, None, route.name, None, order))

    def _store(self, store: Store, network_files: Sequence[Path]) -> None:
        """Add covers of every row of the store's tables for traffic that left its hosts: bytes name no rows, hence possible."""
        if not network_files:
            return
        hosts = ", ".join(quote(h) for h in store.hosts)
        # A running total repeats the bytes of the same connection: its largest counts, once.
        flows = self.database.rows(f"""
            SELECT incident_id, event_id, ts, began, out_bytes
            FROM (
                SELECT v.incident_id, e.event_id, epoch_us(e.ts) AS ts, epoch_us(e.ts) - (coalesce(e.duration_ms, 0) * 1000)::BIGINT AS began,
                       coalesce(CASE WHEN e.src_ip IN ({hosts}) THEN e.bytes_out ELSE e.bytes_in END, e.bytes_total) AS out_bytes,
                       CASE WHEN e.is_interim AND e.flow_id IS NOT NULL THEN e.flow_id ELSE e.event_id::VARCHAR END AS flow,
                       e.src_ip IN ({hosts}) AS is_outgoing
                FROM {parquet_files_sql(network_files)} e JOIN evidence v ON v."table" = 'network' AND v.event_id = e.event_id
                WHERE (e.src_ip IN ({hosts}) OR e.dst_ip IN ({hosts})) AND e.action IS DISTINCT FROM 'deny' AND e.ts IS NOT NULL)
            WHERE out_bytes > 0 OR (out_bytes IS NULL AND is_outgoing)
            QUALIFY row_number() OVER (PARTITION BY incident_id, flow ORDER BY out_bytes DESC NULLS LAST, event_id) = 1
            ORDER BY incident_id, ts, event_id""")
        for name in store.tables:
            if flows:
                self._store_covers(name, store, flows)

    def _store_covers(self, name: str, store: Store, flows: Sequence[tuple[Any, ...]]) -> None:
        customers = self.customers[name]
        covers = self.covers(name)
        gives = self.gives.number(name, tuple(customers.table.columns))
        totals: dict[str, list[int | None]] = {}
        last: dict[str, int] = {}
        for incident_id, event_id, ts, began, out_bytes in flows:
            covers.add(incident_id, POSSIBLE, "left_the_store", gives, 0, covers.axis.length, began, ts, event_id)
            totals.setdefault(incident_id, []).append(out_bytes)
            last[incident_id] = ts
        k = customers.layouts[table_layout(customers.table)]
        for incident_id, amounts in totals.items():
            ts = last[incident_id]
            existing, smallest, likely = self.database.rows(f"""
                SELECT count(*), coalesce(min(smallest_{k}), 0), coalesce(sum(likely_{k}), 0)::BIGINT
                FROM {customers.rows} WHERE since <= {ts} AND until > {ts}""")[0]
            known = [a for a in amounts if a is not None]
            rows = rows_in_bytes(sum(known), RowBytes(existing, smallest, likely))
            if len(known) < len(amounts):
                rows = RowEstimate(rows.lower, rows.likely, existing)
            where = ", ".join(store.hosts)
            total = sum(known) if known else None
            people = self._distinct_people(customers, ts, rows)
            self.estimates.append(Estimate("store_egress", incident_id, name, where, total, existing, rows, people))
            self.uncertain.append(Uncertain("volume_proves_no_content", name, total, where, incident_id))

    def _missing(self, missing: Sequence[MissingSpan]) -> None:
        """Add covers of every row of a table for spans in which access to it would have left no trace."""
        for span in missing:
            for name in span.tables:
                columns = {c for r in self.datamap.routes if r.returns == name for c in r.columns} or set(self.customers[name].table.columns)
                covers = self.covers(name)
                gives = self.gives.number(name, tuple(columns))
                covers.add(span.incident, POSSIBLE, span.reason, gives, 0, covers.axis.length, span.first_ts, span.last_ts, None)


HARMLESS_ARGUMENTS = ("_", "utm_*", "fbclid", "gclid", "lang", "locale", "cb", "cachebuster", "csrf*", "_csrf*", "authenticity_token")
"""Arguments that never choose rows: cache busters, campaign tags, languages, form tokens."""


def _page_covers(covers: Covers, pages: Mapping[str, Any], gives: int, *, first: int, by_offset: bool, max_size: int | None) -> None:
    """Cover the rows of each page among those that existed then; where rows tie in the order, a page edge makes them possible."""
    axis = covers.axis
    answers = _answers(pages)
    starts, lengths = np.asarray(pages["start"], np.int64), np.asarray(pages["length"], np.int64)
    is_partial, is_filtered = np.asarray(pages["is_partial"], bool), np.asarray(pages["is_filtered"], bool)
    if max_size is not None:
        lengths = np.where(lengths >= 0, np.minimum(lengths, max_size), lengths)
    readable = (starts >= first) & (lengths > 0)
    lo = (starts - first) if by_offset else (starts - first) * lengths
    for reason, chosen in (("page_unreadable", ~readable), ("page_filtered", readable & is_filtered)):
        _cover_all(covers, answers[chosen], POSSIBLE, reason, gives)
    epochs = axis.epochs(answers.ts)
    for epoch in np.unique(epochs[readable]):
        of_epoch = readable & (epochs == epoch)
        moment = axis.moment(int(answers.ts[np.argmax(of_epoch)]))
        for grade, reason, chosen in ((PROBABLE, "on_page", of_epoch & ~is_partial), (POSSIBLE, "partial_content", of_epoch & is_partial)):
            _cover_ranks(covers, moment, answers[chosen], lo[chosen], lo[chosen] + lengths[chosen], grade, reason, gives)


def _answers(columns: Mapping[str, Any]) -> Answers:
    return Answers(
        np.asarray(columns["incident_id"], np.str_),
        np.asarray(columns["event_id"], np.int64),
        np.asarray(columns["ts"], np.int64),
        np.asarray(columns["is_shared"], bool),
    )


def _cover_all(covers: Covers, answers: Answers, grade: int, reason: str, gives: int) -> None:
    """Cover every row that existed at each answer."""
    begin = np.zeros(len(answers.ts), np.int64)
    covers.add_answers(answers, grade, reason, gives, begin, begin + covers.axis.length)


def _cover_ranks(covers: Covers, moment: Moment, answers: Answers, lo: Integers, hi: Integers, grade: int, reason: str, gives: int) -> None:
    """Cover the rows with ranks ``lo`` to ``hi``, exclusive, as ``grade``; those that tie across an edge as possible."""
    hi = np.minimum(hi, moment.existing)
    some = lo < hi
    answers, lo, hi = answers[some], lo[some], hi[some]
    begin, last = moment.positions(lo), moment.positions(hi - 1)
    (begin_tie, begin_tie_end), (last_tie, last_tie_end) = covers.axis.tie_bounds(begin), covers.axis.tie_bounds(last)
    before = np.where(lo == 0, begin, begin_tie)
    after = np.where(hi == moment.existing, last + 1, last_tie_end)
    sure_begin = np.where(before == begin, begin, begin_tie_end)
    sure_end = np.where(after == last + 1, last + 1, last_tie)
    nothing_sure = sure_begin >= sure_end
    sure_begin, sure_end = np.where(nothing_sure, after, sure_begin), np.where(nothing_sure, after, sure_end)
    tied = "on_page_by_tie" if reason == "on_page" else reason
    covers.add_answers(answers, POSSIBLE, tied, gives, before, sure_begin)
    covers.add_answers(answers, grade, reason, gives, sure_begin, sure_end)
    covers.add_answers(answers, POSSIBLE, tied, gives, sure_end, after)


@dataclass(frozen=True)
class _Cut:
    """An export that did not send everything."""

    ts: int
    body_bytes: int
    existing: int
    rows: RowEstimate
    is_partial: bool


def _export_covers(covers: Covers, route: Route, layout: Layout, gives: int, answer: Answers, body_bytes: int | None, *, is_partial: bool) -> _Cut | None:
    """Cover what one export held: all rows, or by its size those that were begun; a row sent in part counts.

    A body shorter than the rows is either cut off or compressed. What it holds when it is not compressed is probable, what
    it could hold at most when it is compressed is possible.
    """
    ts = int(answer.ts[0])
    moment = covers.axis.moment(ts)
    if body_bytes is None:
        _cover_all(covers, answer, *((POSSIBLE, "partial_content") if is_partial else (PROBABLE, "exported")), gives)
        return None
    rows = _rows_in_export(moment, route, layout, body_bytes)
    if not is_partial and rows.likely >= moment.existing:
        _cover_all(covers, answer, PROBABLE, "exported", gives)
        return None
    if is_partial:
        _cover_all(covers, answer, POSSIBLE, "partial_content", gives)
    elif route.order_by:
        zero, likely, upper = (np.array([n], np.int64) for n in (0, rows.likely, rows.upper))
        _cover_ranks(covers, moment, answer, zero, likely, PROBABLE, "exported_before_cut", gives)
        _cover_ranks(covers, moment, answer, likely, upper, POSSIBLE, "exported_within_doubt", gives)
    elif rows.upper > 0:
        _cover_all(covers, answer, POSSIBLE, "export_rows_unknown", gives)
    return _Cut(ts, body_bytes, moment.existing, rows, is_partial)


def _rows_in_export(moment: Moment, route: Route, layout: Layout, body_bytes: int) -> RowEstimate:
    preamble = layout.preamble_bytes()
    lower = moment.rows_begun("largest", body_bytes - preamble)
    likely_bytes = body_bytes * (TYPICAL_COMPRESSION_RATIO if route.compressed else 1)
    likely = moment.rows_begun("likely", likely_bytes - preamble)
    upper_bytes = body_bytes * (1 if route.compressed is False else COMPRESSION_RATIO_UPPER)
    upper = moment.rows_begun("smallest", upper_bytes - preamble)
    return RowEstimate(min(lower, likely), likely, max(upper, likely))
