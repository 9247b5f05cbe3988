"""Findings become one incident, and its evidence is the attacker's events and nobody else's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.detect.building import Row, at, event_id, flow, login, make_case, web

from breachscope.case import Case
from breachscope.detect import Catalog, Incident, LinkOptions, run_detectors
from breachscope.progress import Silent

ATTACKER, OFFICE, CARRIER = "203.0.113.66", "192.0.2.10", "100.64.0.1"
BROWSER = "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"

Evidence = dict[tuple[str, int], tuple[str, str | None]]
"""(table, event id) → attribution, finding id"""


def investigate(
    folder: Path, catalog: Catalog, *sources: tuple[str, list[Row]], links: LinkOptions | None = None
) -> tuple[tuple[Incident, ...], Evidence, Case]:
    case = make_case(folder, *sources)
    incidents = run_detectors(case, catalog, progress=Silent(), links=links).incidents
    rows = pq.read_table(case.path / "evidence.parquet").to_pylist()
    evidence = {(r["table"], r["event_id"]): (r["attribution"], r["finding_id"]) for r in rows}
    assert len(evidence) == len(rows), "each event once"
    return incidents, evidence, case


def stuffing() -> list[Row]:
    """Thirty accounts tried, the last one with the right password; its owner logs in from the office before and after."""
    tries = [login(20 * n, ATTACKER, f"user{n}", "failure", user_agent=BROWSER) for n in range(30)]
    return [
        login(-3600, OFFICE, "admin", "success", session="office-1"),
        *tries,
        login(700, ATTACKER, "admin", "success", session="stolen", user_agent=BROWSER),
        login(800, OFFICE, "admin", "success", session="office-2"),
    ]


def enumeration(start: float, session: str, ip: str, count: int = 60, user: str = "admin") -> list[Row]:
    return [web(start + 5 * n, ip, f"/api/customers/{100 + n}", session=session, user=user) for n in range(count)]


def office_work() -> list[Row]:
    """The owner of the stolen account and a colleague read customers from the office while the attack runs."""
    own = [web(850 + 40 * n, OFFICE, f"/api/customers/{500 + 7 * n}", session="office-2", user="admin") for n in range(20)]
    colleague = [web(860 + 40 * n, OFFICE, f"/api/customers/{700 + 3 * n}", session="office-3", user="sato") for n in range(20)]
    return own + colleague


def test_stuffing_login_enumeration_and_egress_are_one_incident(tmp_path: Path, catalog: Catalog) -> None:
    attack = enumeration(750, "stolen", ATTACKER)
    flows = [
        flow(1500, "10.0.3.5", ATTACKER, 150_000_000),
        flow(1500, "10.0.3.5", "10.0.9.20", 2_000_000_000),
        flow(1550, "10.0.3.5", "198.51.100.50", 5_000),
    ]
    incidents, evidence, _ = investigate(tmp_path / "case", catalog, ("auth", stuffing()), ("web", attack + office_work()), ("network", flows))
    (incident,) = incidents
    assert incident.level == "high"
    assert [s.stage for s in incident.stages] == ["entry", "collection", "exfiltration"]
    mine = {("auth", event_id(1, line)) for line in range(2, 33)} | {("web", event_id(2, line)) for line in range(1, 61)} | {("network", event_id(3, 1))}
    assert set(evidence) == mine
    assert {attribution for attribution, _ in evidence.values()} == {"actor"}
    actors = {(a.kind, a.value): a.shared for a in incident.actors}
    assert actors == {("ip", ATTACKER): False, ("session", "stolen"): False, ("host", "10.0.3.5"): False, ("user", "admin"): True}


def test_an_event_that_a_finding_names_carries_its_id(tmp_path: Path, catalog: Catalog) -> None:
    (incident,), evidence, case = investigate(
        tmp_path / "case", catalog, ("web", [*enumeration(0, "s1", ATTACKER), web(400, ATTACKER, "/other", session="s1")])
    )
    (finding,) = pq.read_table(case.path / "findings.parquet").to_pylist()
    assert finding["incident_id"] == incident.id
    assert evidence["web", event_id(1, 1)] == ("actor", finding["finding_id"])
    assert evidence["web", event_id(1, 61)] == ("actor", None)


def test_a_session_is_followed_to_another_address_but_not_its_neighbours_there(tmp_path: Path, catalog: Catalog) -> None:
    rows = [
        *enumeration(0, "s1", ATTACKER),
        web(400, CARRIER, "/api/customers/9", session="s1"),
        web(410, CARRIER, "/api/customers/9", session="other", user="tanaka"),
    ]
    _, evidence, _ = investigate(tmp_path / "case", catalog, ("web", rows))
    assert ("web", event_id(1, 61)) in evidence
    assert ("web", event_id(1, 62)) not in evidence


def test_an_address_that_only_the_session_uses_is_its_own(tmp_path: Path, catalog: Catalog) -> None:
    rows = [web(-60, ATTACKER, "/admin/login", 401), *enumeration(0, "s1", ATTACKER)]
    _, evidence, _ = investigate(tmp_path / "case", catalog, ("web", rows))
    assert ("web", event_id(1, 1)) in evidence


def test_a_session_taken_from_its_owner_does_not_blame_the_owners_address(tmp_path: Path, catalog: Catalog) -> None:
    """The finding names the address; a session that began elsewhere counts only where the address used it."""
    owner = [web(-500, OFFICE, "/mypage", session="cookie", user="tanaka"), web(-400, OFFICE, "/mypage", session="cookie", user="tanaka")]
    stolen = [web(900, ATTACKER, "/mypage", session="cookie", user="tanaka")]
    _, evidence, _ = investigate(tmp_path / "case", catalog, ("auth", stuffing()), ("web", owner + stolen))
    assert {key for key in evidence if key[0] == "web"} == {("web", event_id(2, 3))}


def test_activity_around_the_findings_belongs_to_the_incident_until_a_long_pause(tmp_path: Path, catalog: Catalog) -> None:
    rows = [
        web(-4000, ATTACKER, "/api/customers/1", session="s1"),
        web(-50, ATTACKER, "/api/customers/2", session="s1"),
        *enumeration(0, "s1", ATTACKER),
        web(2000, ATTACKER, "/api/customers/3", session="s1"),
        web(295 + 3600 + 2000, ATTACKER, "/api/customers/4", session="s1"),
    ]
    (incident,), evidence, _ = investigate(tmp_path / "case", catalog, ("web", rows))
    assert {line for line in (1, 2, 63, 64) if ("web", event_id(1, line)) in evidence} == {2, 63}
    assert (incident.first_ts, incident.last_ts) == (at(-50), at(2000))


def test_events_that_name_only_the_account_are_shared_when_its_owner_uses_it_too(tmp_path: Path, catalog: Catalog) -> None:
    queries: list[Row] = [{"ts": at(1000), "user": "admin", "action": "query", "object": "customers", "outcome": "success"}]
    _, evidence, _ = investigate(tmp_path / "a", catalog, ("auth", stuffing()), ("web", enumeration(750, "stolen", ATTACKER)), ("data_access", queries))
    assert evidence["data_access", event_id(3, 1)][0] == "shared"
    alone = [row for row in stuffing() if row["client_ip"] == ATTACKER]
    _, evidence, _ = investigate(tmp_path / "b", catalog, ("auth", alone), ("web", enumeration(750, "stolen", ATTACKER)), ("data_access", queries))
    assert evidence["data_access", event_id(3, 1)][0] == "actor"


def test_a_shared_address_gives_only_what_the_finding_names_and_as_shared(tmp_path: Path, catalog: Catalog) -> None:
    agents = [f"tool{n}/1.0" for n in range(12)]
    crowd = [web(n, CARRIER, f"/p/{n % 5}", user_agent=agents[n % 12]) for n in range(120)]
    reader = [web(200 + 5 * n, CARRIER, f"/api/customers/{n}", user_agent="reader/1.0") for n in range(60)]
    (incident,), evidence, _ = investigate(tmp_path / "case", catalog, ("web", crowd + reader))
    assert {a.shared for a in incident.actors} == {True}
    assert set(evidence) == {("web", event_id(1, line)) for line in range(121, 181)}
    assert {attribution for attribution, _ in evidence.values()} == {"shared"}


def test_attempts_alone_stay_low_and_hand_over_nothing(tmp_path: Path, catalog: Catalog) -> None:
    rows = [login(n, ATTACKER, "root", "failure") for n in range(8)]
    (incident,), evidence, _ = investigate(tmp_path / "case", catalog, ("auth", rows), ("web", [web(3, ATTACKER, "/api/customers/1")]))
    assert (incident.level, evidence) == ("low", {})


@pytest.mark.parametrize(("hours", "incidents"), [(23, 1), (26, 2)])
def test_findings_further_apart_than_the_gap_are_different_incidents(tmp_path: Path, catalog: Catalog, hours: int, incidents: int) -> None:
    rows = enumeration(0, "s1", ATTACKER) + enumeration(3600 * hours, "s1", ATTACKER)
    assert len(investigate(tmp_path / "case", catalog, ("web", rows))[0]) == incidents


def test_the_gap_is_an_option(tmp_path: Path, catalog: Catalog) -> None:
    rows = enumeration(0, "s1", ATTACKER) + enumeration(7200, "s1", ATTACKER)
    assert len(investigate(tmp_path / "case", catalog, ("web", rows), links=LinkOptions(gap=timedelta(hours=1)))[0]) == 2


def test_a_shared_address_links_nothing(tmp_path: Path, catalog: Catalog) -> None:
    crowd = [web(n, OFFICE, "/", session=f"p{n}", user=f"person{n}", user_agent=f"tool{n % 12}/1.0") for n in range(60)]
    rows = crowd + enumeration(100, "s1", OFFICE, user="a") + enumeration(1000, "s2", OFFICE, user="b")
    incidents, evidence, _ = investigate(tmp_path / "case", catalog, ("web", rows))
    assert len(incidents) == 2
    assert set(evidence) == {("web", event_id(1, line)) for line in range(61, 181)}


def test_two_addresses_that_enter_with_the_same_account_are_one_incident(tmp_path: Path, catalog: Catalog) -> None:
    helper = "198.51.100.77"
    first = [login(20 * n, helper, f"u{n}", "failure") for n in range(25)] + [login(600, helper, "tanaka", "success", session="h")]
    second = [login(1000 + 20 * n, ATTACKER, f"v{n}", "failure") for n in range(25)] + [login(1600, ATTACKER, "tanaka", "success", session="m")]
    (incident,), evidence, _ = investigate(tmp_path / "case", catalog, ("auth", first + second))
    assert {a.value for a in incident.actors if a.kind == "ip"} == {helper, ATTACKER}
    assert len(evidence) == 52


def test_incidents_are_written_in_order_with_stages_timeline_and_ids(tmp_path: Path, catalog: Catalog) -> None:
    incidents, _, case = investigate(tmp_path / "case", catalog, ("auth", stuffing()), ("web", enumeration(750, "stolen", ATTACKER)))
    written = json.loads((case.path / "incidents.json").read_bytes())
    (incident,) = written["incidents"]
    assert written["schema"] == "breachscope/incidents/1"
    assert incident["id"] == incidents[0].id
    assert incident["id"].startswith("I-")
    assert len(incident["id"]) == 14
    assert incident["first_ts"] == "2026-03-02T01:00:00Z"
    assert incident["findings"] == [m["finding_id"] for m in incident["timeline"]]
    assert [m["ts"] for m in incident["timeline"]] == sorted(m["ts"] for m in incident["timeline"])
    assert {f for s in incident["stages"] for f in s["findings"]} == set(incident["findings"])
    assert incident["attack"] == sorted(set(incident["attack"]))
    (reading,) = [m for m in incident["timeline"] if m["detector"] == "web/object-enumeration"]
    assert (reading["summary_en"], reading["summary_ja"]) == (
        "stolen read 60 objects of /api/customers/{id}",
        "stolen が /api/customers/{id} のデータを60件閲覧",
    )


def test_the_demo_shop_is_one_incident_with_exactly_the_attackers_events(tmp_path: Path, catalog: Catalog) -> None:
    from breachscope.ingest import IngestOptions, ingest

    shop = Path(__file__).parents[2] / "sample_logs" / "shop"
    expected = json.loads((shop / "expected.json").read_bytes())["incident"]
    case = Case.create_or_open(tmp_path / "case")
    ingest(case, [shop / "logs"], IngestOptions(tz="Asia/Tokyo", year=2026, formats_dirs=(shop / "formats",)), Silent())
    (incident,) = run_detectors(case, catalog, progress=Silent()).incidents
    assert pq.read_table(case.path / "evidence.parquet").num_rows == expected["events"]
    assert sorted(a.value for a in incident.actors if a.kind == "ip") == expected["addresses"]
    assert [incident.first_ts, incident.last_ts] == [datetime.fromisoformat(expected[k]).astimezone(UTC) for k in ("first_ts", "last_ts")]


def test_the_quiet_shop_has_no_incident(tmp_path: Path, catalog: Catalog) -> None:
    from breachscope.ingest import IngestOptions, ingest

    samples = Path(__file__).parents[2] / "sample_logs"
    case = Case.create_or_open(tmp_path / "case")
    ingest(case, [samples / "benign_shop" / "logs"], IngestOptions(tz="Asia/Tokyo", year=2026, formats_dirs=(samples / "shop" / "formats",)), Silent())
    assert run_detectors(case, catalog, progress=Silent()).incidents == ()
