"""Rows become findings: merged, counted, named, suppressed, and the same from run to run."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.detect.building import Row, flow, login, make_case, web

from breachscope.case import Case
from breachscope.detect import OUTPUTS, AllowList, Catalog, Detection, load_catalog, read_settings, run_detectors
from breachscope.detect.catalog import builtin_directory
from breachscope.errors import DetectorError
from breachscope.progress import Silent
from breachscope.schema import EVIDENCE, FINDINGS


def detect(case: Case, catalog: Catalog, *only: str, **options: object) -> Detection:
    return run_detectors(case, catalog, only=only, progress=Silent(), **options)  # type: ignore[arg-type]


def failures(count: int, start: float = 0, step: float = 60, ip: str = "192.0.2.9", user: str = "root") -> list[Row]:
    return [login(start + step * n, ip, user, "failure") for n in range(count)]


def test_touching_windows_become_one_finding_and_separate_ones_two(tmp_path: Path, catalog: Catalog) -> None:
    rows = failures(20, 0) + failures(20, 3600 * 3)
    table = detect(make_case(tmp_path / "case", ("auth", rows)), catalog, "auth/brute-force").findings
    found = [r for r in table.to_pylist() if r["actor_kind"] == "ip"]
    assert [(r["first_ts"].hour, r["last_ts"].minute, r["events"], r["measure"]) for r in found] == [(1, 19, 20, 20.0), (4, 19, 20, 20.0)]
    assert len({r["finding_id"] for r in table.to_pylist()}) == table.num_rows


def test_a_long_run_is_one_finding_with_its_peak_and_count(tmp_path: Path, catalog: Catalog) -> None:
    rows = failures(500, step=30)
    (found,) = [r for r in detect(make_case(tmp_path / "case", ("auth", rows)), catalog, "auth/brute-force").findings.to_pylist() if r["actor_kind"] == "ip"]
    assert (found["events"], found["measure"], found["threshold"]) == (500, 121.0, 20.0), "closed window of 60 min holds 121 events 30 s apart"


def recorded(rows: Sequence[Row], late: float = 0.4) -> list[Row]:
    """The same logins as wtmp and btmp keep them."""
    return [{**r, "ts": r["ts"] + timedelta(seconds=late), "service": "utmp"} for r in rows if isinstance(r["ts"], datetime)]


@pytest.mark.parametrize("late", [-2, 0.4, 4])
def test_a_login_in_btmp_counts_once_beside_the_log_that_tells_it_too(tmp_path: Path, catalog: Catalog, late: float) -> None:
    rows = failures(15)
    for name, sources in (("log", [rows]), ("btmp", [recorded(rows)]), ("both", [rows, recorded(rows, late)]), ("twice", [recorded(rows), recorded(rows)])):
        case = make_case(tmp_path / name, *(("auth", r) for r in sources))
        detection = detect(case, catalog, "auth/brute-force", parameters={"auth/brute-force": {"failures": "15"}})
        assert [r["measure"] for r in detection.findings.to_pylist() if r["actor_kind"] == "ip"] == [15.0], name


def test_logins_that_only_btmp_holds_count_beside_others(tmp_path: Path, catalog: Catalog) -> None:
    """Somebody removed lines of the log, or another account, address or moment was meant."""
    rows = failures(15)
    others = [*recorded(failures(1, 7)), *recorded(failures(1, 0, user="admin")), *recorded(rows[10:])]
    case = make_case(tmp_path / "case", ("auth", rows[:10]), ("auth", others))
    detection = detect(case, catalog, "auth/brute-force", parameters={"auth/brute-force": {"failures": "15"}})
    assert [r["measure"] for r in detection.findings.to_pylist() if r["actor_kind"] == "ip"] == [17.0]


def test_parameters_change_the_threshold_and_are_written_down(tmp_path: Path, catalog: Catalog) -> None:
    case = make_case(tmp_path / "case", ("auth", failures(8)))
    assert detect(case, catalog, "auth/brute-force").findings.num_rows == 0
    detection = detect(case, catalog, "auth/brute-force", parameters={"auth/brute-force": {"failures": "8"}})
    assert detection.findings.column("threshold").to_pylist() == [8.0, 8.0]
    written = json.loads((case.path / "detection.json").read_bytes())["detectors"][0]
    assert written["parameters"] == {"failures": "8", "window": "60 min", "capacity": "5", "leak": "10 s"}
    assert written["version"] == catalog["auth/brute-force"].version


@pytest.mark.parametrize(
    ("parameters", "message"), [({"auth/spay": {}}, "did you mean 'auth/spray'"), ({"auth/spray": {"account": "1"}}, "did you mean 'accounts'")]
)
def test_unknown_ids_and_parameters_are_errors(tmp_path: Path, catalog: Catalog, parameters: dict[str, dict[str, str]], message: str) -> None:
    with pytest.raises(DetectorError, match=message):
        detect(make_case(tmp_path / "case", ("auth", failures(1))), catalog, parameters=parameters)


def test_missing_logs_and_missing_columns_are_a_result_with_a_reason(tmp_path: Path, catalog: Catalog) -> None:
    rows = [web(n, "192.0.2.9", "/", bytes_sent=None if n < 6 else 10) for n in range(10)]
    runs = {r.id: r for r in detect(make_case(tmp_path / "case", ("web", rows)), catalog).runs}
    assert (runs["web/response-volume"].evaluable, str(runs["web/response-volume"].reason)) == (False, "bytes_sent is missing in 6 of 10 requests")
    assert (runs["net/port-scan"].evaluable, str(runs["net/port-scan"].reason)) == (False, "no network events")
    assert runs["web/sqli"].evaluable
    written = {d["id"]: (d["reason_code"], d["reason_facts"]) for d in json.loads((tmp_path / "case" / "detection.json").read_bytes())["detectors"]}
    assert written["web/response-volume"] == ("column_missing", {"relation": "requests", "column": "bytes_sent", "missing": 6, "rows": 10})
    assert written["net/port-scan"] == ("no_events", {"relation": "network"})
    assert written["web/sqli"] == (None, {})


def test_advice_is_written_in_both_languages(tmp_path: Path, catalog: Catalog) -> None:
    detect(make_case(tmp_path / "case", ("auth", failures(20))), catalog, "auth/brute-force")
    (written,) = json.loads((tmp_path / "case" / "detection.json").read_bytes())["detectors"]
    for name in ("false_positives", "next_steps"):
        assert {lang: len(texts) for lang, texts in written[name].items()} == {"en": 2, "ja": 2}
    assert written["next_steps"]["ja"][0] == "同じ送信元からのログイン成功の有無を確認する（auth/fail-then-success）。"


def test_rows_without_a_key_are_counted_as_skipped(tmp_path: Path, catalog: Catalog) -> None:
    rows = [*failures(5), login(400, None, "root", "failure")]
    (run,) = detect(make_case(tmp_path / "case", ("auth", rows)), catalog, "auth/brute-force").runs
    assert (run.evaluable, dict(run.skipped_null_keys)) == (True, {"logins.client_ip": 1})


def test_an_empty_case_gives_empty_files(tmp_path: Path, catalog: Catalog) -> None:
    case = make_case(tmp_path / "case")
    assert detect(case, catalog).findings.schema.equals(FINDINGS.arrow)
    import pyarrow.parquet as pq

    assert pq.read_table(case.path / "evidence.parquet").schema.equals(EVIDENCE.arrow)
    assert json.loads((case.path / "incidents.json").read_bytes()) == {"incidents": [], "schema": "breachscope/incidents/1"}


def test_a_detector_that_takes_too_long_leaves_the_others_alone(tmp_path: Path) -> None:
    folder = shutil.copytree(builtin_directory() / "auth/brute-force", tmp_path / "detectors/auth/endless")
    query = (folder / "query.sql").read_text()
    (folder / "query.sql").write_text(query + "    AND (SELECT count(*) FROM range(1000000000000) AS numbers(n) WHERE sqrt(n) < -bucket.level) = 0\n")
    case = make_case(tmp_path / "case", ("auth", failures(20, step=1)))
    progress = Silent()
    loaded = load_catalog([tmp_path / "detectors"])
    runs = run_detectors(case, loaded, only=["auth/brute-force", "auth/endless"], progress=progress, time_limit=2).runs
    assert [(r.id, r.findings, r.evaluable) for r in runs] == [("auth/brute-force", 2, True), ("auth/endless", 0, False)]
    assert progress.warnings == ["auth/endless: failed: took longer than 2 seconds and was stopped"]


def test_repeated_messages_count_as_often_as_they_say(tmp_path: Path, catalog: Catalog) -> None:
    rows = [login(0, "192.0.2.9", "root", "failure", attempts=19), login(60, "192.0.2.9", "root", "failure")]
    found = detect(make_case(tmp_path / "case", ("auth", rows)), catalog, "auth/brute-force").findings.to_pylist()
    assert {r["measure"] for r in found} >= {20.0}


def test_three_typos_made_good_do_not_count_and_four_do(tmp_path: Path, catalog: Catalog) -> None:
    def tries(typos: int) -> list[Row]:
        return [*failures(17, step=1), *(login(60 + n, "192.0.2.9", "aoki", "failure") for n in range(typos)), login(90, "192.0.2.9", "aoki", "success")]

    def found(typos: int) -> list[float]:
        case = make_case(tmp_path / str(typos), ("auth", tries(typos)))
        return [r["measure"] for r in detect(case, catalog, "auth/brute-force").findings.to_pylist() if r["actor_kind"] == "ip" and r["level"] == "medium"]

    assert (found(3), found(4)) == ([], [21.0])


def test_a_proxy_on_the_same_machine_is_never_blamed(tmp_path: Path, catalog: Catalog) -> None:
    rows = [login(n, "127.0.0.1", f"user{n}", "failure") for n in range(40)]
    assert detect(make_case(tmp_path / "case", ("auth", rows)), catalog, "auth/brute-force", "auth/spray").findings.num_rows == 0


def test_clients_behind_a_shared_address_are_told_apart(tmp_path: Path, catalog: Catalog) -> None:
    """Twenty people log in through one proxy with three kinds of browser; one of those kinds also sprays."""
    agents = ["Mozilla/5.0 (Windows NT 10.0) Firefox/140.0", "Mozilla/5.0 (iPhone) Safari/604.1", "python-requests/2.31"]
    people = [login(n, "192.0.2.1", f"staff{n}", "success", user_agent=agents[n % 2]) for n in range(19)]
    people.append(login(19, "192.0.2.1", "staff19", "success", user_agent=agents[2]))
    spray = [login(100 + 10 * n, "192.0.2.1", f"victim{n}", "failure", user_agent=agents[2]) for n in range(12)]
    (found,) = detect(make_case(tmp_path / "case", ("auth", people + spray)), catalog, "auth/spray").findings.to_pylist()
    assert (found["actor"], json.loads(found["facts"])["ua_family"], found["events"]) == ("192.0.2.1", "python-requests", 13), "its own success and 12 failures"


def test_a_login_in_two_logs_counts_once(tmp_path: Path, catalog: Catalog) -> None:
    told = [login(60 * n, "192.0.2.9", "root", "failure") for n in range(12)]
    posted = [web(60 * n + 1, "192.0.2.9", "/login", 401, method="POST") for n in range(12)]
    case = make_case(tmp_path / "case", ("auth", told), ("web", posted))
    assert [r for r in detect(case, catalog, "auth/brute-force").findings.to_pylist() if r["actor_kind"] == "ip"] == []


@pytest.mark.parametrize(
    ("status", "others", "fails"),
    [(401, [], True), (403, [], True), (200, [302], True), (200, [401], False), (302, [200], False), (302, [], False)],
)
def test_the_outcome_of_a_web_login_follows_from_the_pages_habits(tmp_path: Path, catalog: Catalog, status: int, others: Sequence[int], fails: bool) -> None:
    posts = [web(60 * n, "192.0.2.9", "/login", status, method="POST") for n in range(20)] + [
        web(9000, "192.0.2.77", "/login", s, method="POST") for s in others
    ]
    found = detect(make_case(tmp_path / "case", ("web", posts)), catalog, "auth/brute-force").findings
    assert (found.num_rows > 0) is fails


def test_a_backup_at_the_same_hour_of_other_days_is_low(tmp_path: Path, catalog: Catalog) -> None:
    day = 86400
    rows = [flow(day * n + 30, "10.0.3.5", "203.0.113.9", 200_000_000) for n in range(3)] + [flow(day + 7200, "10.0.3.5", "203.0.113.66", 200_000_000)]
    found = detect(make_case(tmp_path / "case", ("network", rows)), catalog, "net/egress-volume").findings.to_pylist()
    assert [(r["peer"], r["level"]) for r in found] == [("203.0.113.9", "low")] * 2 + [("203.0.113.66", "high")] + [("203.0.113.9", "low")]


def test_of_running_totals_only_the_last_one_counts(tmp_path: Path, catalog: Catalog) -> None:
    rows = [flow(60 * n, "10.0.3.5", "203.0.113.66", 30_000_000 * n, is_interim=True, flow_id="7") for n in range(1, 4)]
    assert detect(make_case(tmp_path / "case", ("network", rows)), catalog, "net/egress-volume").findings.num_rows == 0


def test_public_objects_are_no_enumeration(tmp_path: Path, catalog: Catalog) -> None:
    readers = [web(n, f"198.51.100.{1 + n % 40}", f"/products/{n % 60}") for n in range(400)]
    crawler = [web(1000 + 5 * n, "192.0.2.9", f"/products/{n}") for n in range(60)]
    case = make_case(tmp_path / "case", ("web", readers + crawler))
    assert detect(case, catalog, "web/object-enumeration").findings.num_rows == 0


def test_the_same_paths_read_by_one_address_each_are_an_enumeration(tmp_path: Path, catalog: Catalog) -> None:
    readers = [web(n, f"198.51.{n % 60}.7", f"/customers/{n % 60}") for n in range(400)]
    reader = [web(1000 + 5 * n, "192.0.2.9", f"/customers/{n}") for n in range(60)]
    (found,) = detect(make_case(tmp_path / "case", ("web", readers + reader)), catalog, "web/object-enumeration").findings.to_pylist()
    assert (found["actor"], found["events"]) == ("192.0.2.9", 60)


def test_allowed_addresses_agents_and_users_are_suppressed_and_counted(tmp_path: Path, catalog: Catalog) -> None:
    rows = failures(20, ip="192.0.2.9") + failures(20, ip="198.51.100.7", user="other")
    settings_file = tmp_path / "breachscope.toml"
    settings_file.write_text('[allow]\naddresses = ["192.0.2.0/24"]\nusers = ["other"]\n')
    allow = read_settings(settings_file, catalog).allow
    case = make_case(tmp_path / "case", ("auth", rows))
    detection = detect(case, catalog, "auth/brute-force", allow=allow)
    assert (detection.findings.num_rows, detection.runs[0].findings, detection.runs[0].suppressed) == (0, 0, 4)
    assert detect(case, catalog, "auth/brute-force", allow=AllowList(users=("somebody",))).runs[0].findings == 4


def mixed_rows() -> tuple[list[Row], list[Row], list[Row]]:
    attack = [web(5 * n, "192.0.2.9", f"/api/customers/{n}?v={n % 3}", user="ops1", session="s1") for n in range(80)]
    crowd = [web(7 * n, f"198.51.100.{n % 50}", f"/p/{n % 9}", user_agent=f"agent-{n % 13}") for n in range(500)]
    logins = [*failures(25), login(2000, "192.0.2.9", "ops1", "success", session="s1")]
    flows = [flow(3000 + n, "10.0.3.5", "192.0.2.9", 30_000_000) for n in range(5)]
    return attack + crowd, logins, flows


def outputs(folder: Path, catalog: Catalog, threads: int, pieces: int) -> dict[str, bytes]:
    """The written files, with web rows in ``pieces`` files; ids of events do not depend on the pieces' order."""
    web_rows, logins, flows = mixed_rows()
    case = make_case(folder, *(("web", web_rows[n::pieces]) for n in range(pieces)), ("auth", logins), ("network", flows))
    run_detectors(case, catalog, progress=Silent(), threads=threads)
    return {name: (case.path / name).read_bytes() for name in OUTPUTS}


def test_threads_do_not_change_a_byte(tmp_path: Path, catalog: Catalog) -> None:
    assert outputs(tmp_path / "one", catalog, 1, 3) == outputs(tmp_path / "two", catalog, 2, 3)


def test_the_order_of_lines_does_not_change_a_finding(tmp_path: Path, catalog: Catalog) -> None:
    web_rows, logins, flows = mixed_rows()
    shuffled = list(web_rows)
    random.Random(7).shuffle(shuffled)
    straight = detect(make_case(tmp_path / "a", ("web", web_rows), ("auth", logins), ("network", flows)), catalog)
    other = detect(make_case(tmp_path / "b", ("network", flows), ("auth", logins[::-1]), ("web", shuffled)), catalog)
    assert straight.findings.num_rows >= 4
    assert straight.findings.equals(other.findings)
    assert straight.incidents == other.incidents


def test_hostile_text_travels_as_text(tmp_path: Path, catalog: Catalog) -> None:
    user = "'; DROP TABLE web; --\x1b[2J{actor}{0}=cmd()"
    case = make_case(tmp_path / "case", ("auth", failures(20, user=user)))
    found = detect(case, catalog, "auth/brute-force").findings.to_pylist()
    assert user in {r["actor"] for r in found}
    summaries = [m["summary_en"] for i in json.loads((case.path / "incidents.json").read_bytes())["incidents"] for m in i["timeline"]]
    assert f"{user} – 20 failed logins" in summaries
