"""What a data map matches in a case and what it does not, with counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from breachscope.case import Case
from breachscope.errors import counted
from breachscope.scope.customers import Customers, stage_tables
from breachscope.scope.database import Database, parquet_files_sql
from breachscope.scope.datamap import DataMap, Route, Store
from breachscope.scope.requests import count_requests, create_evidence, match_requests, told_requests
from breachscope.scope.seen import SeenTemplate, all_templates
from breachscope.scope.templates import quote

_SHOWN_TEMPLATES = 20


@dataclass(frozen=True)
class TableCheck:
    """One table of the map; ``people`` are distinct person keys."""

    name: str
    rows: int
    people: int
    null_keys: int
    duplicate_keys: int
    null_people: int
    unreadable_times: int
    encoding: str | None


@dataclass(frozen=True)
class RouteCheck:
    """One route: requests by anyone, answers with 2xx, and for items how many asked-for keys the table has."""

    match: str
    kind: str
    returns: str
    requests: int
    returned: int
    keys_asked: int | None
    keys_found: int | None


@dataclass(frozen=True)
class StoreCheck:
    """One store: flows from or to its hosts, and the bytes known to have left it."""

    hosts: tuple[str, ...]
    tables: tuple[str, ...]
    flows: int
    bytes_sent: int


@dataclass(frozen=True)
class MapCheck:
    """The outcome; ``unmatched`` are the most frequent shapes of successful requests that no route matches."""

    tables: tuple[TableCheck, ...]
    routes: tuple[RouteCheck, ...]
    stores: tuple[StoreCheck, ...]
    unmatched: tuple[SeenTemplate, ...]

    def as_json(self) -> Mapping[str, object]:
        """Return the check for machines."""
        return asdict(self)

    def text(self) -> str:
        """Return the check for people, in English."""
        lines = []
        for table in self.tables:
            oddities = {
                "without key": table.null_keys,
                "repeating a key": table.duplicate_keys,
                "without person": table.null_people,
                "with unreadable times": table.unreadable_times,
            }
            told = ", ".join(f"{rows:,} {what}" for what, rows in oddities.items() if rows)
            lines.append(f"table {table.name}: {counted(table.rows, 'row')}, {counted(table.people, 'person', 'people')}{f' ({told})' if told else ''}")
        for route in self.routes:
            told = told_requests(route.requests, route.returned)
            if route.keys_asked is not None:
                told += f", {route.keys_found:,} of {counted(route.keys_asked, 'key')} in {route.returns}"
            lines.append(f"route {route.match}: {told if route.requests else 'no log shows any request'}")
        for store in self.stores:
            told = f"{counted(store.flows, 'flow')}, {counted(store.bytes_sent, 'byte')} sent"
            lines.append(f"store {', '.join(store.hosts)}: {told if store.flows else 'no log shows it'}")
        if self.unmatched:
            lines.append("successful requests that no route matches:")
            lines += [f"  {t.match}: {t.told()}" for t in self.unmatched]
        return "\n".join(lines)


def check_map(case: Case, datamap: DataMap) -> MapCheck:
    """Compare a map with its tables and with the logs of a case. Raises like :func:`compute_scope` for a map that does not fit."""
    with case.scratch() as scratch:
        database = Database(scratch / "duckdb")
        try:
            customers = stage_tables(database, datamap, scratch)
            files = case.event_files("web")
            create_evidence(database)
            match_requests(database, files, datamap.routes)
            routes = tuple(_check_route(database, customers, r) for r in datamap.routes if r.template is not None)
            stores = tuple(_check_store(database, case, s) for s in datamap.stores)
            unmatched = tuple(all_templates(database, files, _SHOWN_TEMPLATES, unmatched=True))
        finally:
            database.close()
    tables = tuple(_check_table(name, c) for name, c in customers.items())
    return MapCheck(tables, routes, stores, unmatched)


def _check_table(name: str, customers: Customers) -> TableCheck:
    counts = customers.counts
    null_people = counts.null_people if customers.table.person else 0
    return TableCheck(name, counts.rows, counts.people, counts.null_keys, counts.duplicate_keys, null_people, counts.unreadable_times, customers.facts.encoding)


def _check_route(database: Database, customers: Mapping[str, Customers], route: Route) -> RouteCheck:
    requests, returned = count_requests(database, route)
    asked = found = None
    if route.kind == "item":
        slot = route.url.named_slots[0]
        table = customers[route.returns]
        values = f"SELECT DISTINCT unnest({route.url.slot_sql(slot)}) AS value FROM requests JOIN matches USING (request_id) WHERE route = {route.index}"
        asked, found = database.rows(f"""
            SELECT count(*), count(*) FILTER (value IN (SELECT {table.compared[slot]} FROM {table.rows})) FROM ({values})""")[0]
    return RouteCheck(route.name, route.kind, route.returns, requests, returned, asked, found)


def _check_store(database: Database, case: Case, store: Store) -> StoreCheck:
    files = case.event_files("network")
    flows = sent = 0
    if files:
        hosts = ", ".join(quote(h) for h in store.hosts)
        flows, sent = database.rows(f"""
            SELECT count(*), coalesce(sum(CASE WHEN src_ip IN ({hosts}) THEN bytes_out ELSE bytes_in END), 0)::BIGINT
            FROM {parquet_files_sql(files)} WHERE (src_ip IN ({hosts}) OR dst_ip IN ({hosts})) AND action IS DISTINCT FROM 'deny'""")[0]
    return StoreCheck(store.hosts, store.tables, flows, sent)
