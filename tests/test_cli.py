"""The command line as a user meets it: results, messages, exit codes. Everything runs as a process of its own."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from breachscope.console import print_columns
from breachscope.hostile import width

ROOT = Path(__file__).parents[1]
SHOP = ROOT / "sample_logs/shop"
GOOD = '192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET /a HTTP/1.1" 200 512 "-" "curl/8.0"\n'
DONE, FAILED, USAGE, FOUND = 0, 1, 2, 3


def breachscope(*arguments: object, cwd: Path, stdin: str | None = None, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [sys.executable, "-m", "breachscope.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=300)


def one_sentence(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """The message is short, names what it should, and is no traceback."""
    assert "Traceback" not in done.stderr
    assert "fault in breachscope" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line]) <= 3, done.stderr
    for part in parts:
        assert part in done.stderr, done.stderr


@pytest.fixture(scope="module")
def shop_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo incident, run once."""
    folder = tmp_path_factory.mktemp("shop")
    done = breachscope("demo", "--case", "case", "--lang", "en", cwd=folder)
    assert done.returncode == DONE, done.stderr
    return folder / "case"


def expected() -> dict[str, object]:
    """Ground truth of the simulator, not an output of the product."""
    loaded: dict[str, object] = json.loads((SHOP / "expected.json").read_bytes())
    return loaded


def test_the_demo_counts_people_and_records_exactly(shop_case: Path) -> None:
    done = breachscope("scope", "--case", shop_case, "--json", cwd=shop_case.parent)
    scope = json.loads(done.stdout)
    truth = expected()
    people = truth["people"]
    assert isinstance(people, dict)
    assert {grade: scope["people"][grade] for grade in ("confirmed", "probable", "possible")} == {g: people[g] for g in ("confirmed", "probable", "possible")}
    counted = [{k: table[k] for k in ("table", "confirmed", "probable", "possible")} for table in scope["records"]]
    assert counted == truth["records"]


def test_the_demo_is_one_incident_with_the_attackers_addresses(shop_case: Path) -> None:
    done = breachscope("detect", "--case", shop_case, "--json", cwd=shop_case.parent)
    (incident,) = json.loads(done.stdout)["incidents"]
    truth = expected()["incident"]
    assert isinstance(truth, dict)
    assert {a["value"] for a in incident["actors"] if a["kind"] == "ip"} == set(truth["addresses"])
    assert (incident["first_ts"], incident["last_ts"]) == (truth["first_ts"], truth["last_ts"])


def test_the_evidence_is_exactly_the_attackers_events(shop_case: Path) -> None:
    sql = "SELECT event_id >> 43 AS source, (event_id >> 7) & ((1::BIGINT << 36) - 1) AS line FROM evidence ORDER BY ALL"
    done = breachscope("query", sql, "--case", shop_case, "--format", "json", cwd=shop_case.parent)
    found = {(row["source"], row["line"]) for row in map(json.loads, done.stdout.splitlines())}
    sources = json.loads((shop_case / "manifest.json").read_bytes())["sources"]
    numbers = {str(Path(s["path"]).relative_to(SHOP / "logs")): s["id"] for s in sources}
    events = expected()["events"]
    assert isinstance(events, dict)
    attack = {(numbers[name], n) for step, files in events.items() if step != "backup" for name, spans in files.items() for n in lines_of(spans)}
    backup = {(numbers[name], n) for name, spans in events["backup"].items() for n in lines_of(spans)}
    assert attack <= found
    assert found <= attack | backup


def lines_of(spans: str) -> set[int]:
    """Line numbers of ``"3-5 9"``."""
    found: set[int] = set()
    for span in spans.split():
        first, _, last = span.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


@pytest.mark.parametrize(("lang", "told"), [
    ("en", ("398 people", "760 people", "753 people", "2,175", "no hole in the logs", "Unknown", "report/report.html", "breachscope trace --case")),
    ("ja", ("398人", "760人", "753人", "2,175人", "欠落なし", "不明な点", "report/report.html", "breachscope trace --case")),
])  # fmt: skip
def test_the_summary_answers_in_ten_rows_of_a_terminal_with_100_columns(shop_case: Path, lang: str, told: Sequence[str]) -> None:
    done = breachscope("scope", "--case", shop_case.name, "--lang", lang, cwd=shop_case.parent)
    rows = [math.ceil(width(line) / 100) for line in done.stdout.splitlines()]
    assert sum(rows) <= 10, done.stdout
    assert [part for part in told if part not in done.stdout] == []
    assert told[0] in done.stdout.splitlines()[0]


def test_the_command_that_the_summary_tells_works_as_it_stands(shop_case: Path) -> None:
    told = breachscope("scope", "--case", shop_case, "--lang", "en", cwd=shop_case.parent).stdout
    command = re.search(r"'breachscope (trace --case .*)'", told)
    assert command
    assert breachscope(*shlex.split(command[1]), cwd=Path("/")).returncode == DONE


def test_running_again_does_nothing_and_changes_nothing(shop_case: Path) -> None:
    before = {p.relative_to(shop_case): p.read_bytes() for p in shop_case.rglob("*") if p.is_file()}
    done = breachscope("demo", "--case", shop_case, cwd=shop_case.parent)
    assert done.returncode == DONE
    assert {p.relative_to(shop_case): p.read_bytes() for p in shop_case.rglob("*") if p.is_file()} == before


def test_file_order_and_threads_do_not_change_a_byte(shop_case: Path, tmp_path: Path) -> None:
    logs = sorted(p for p in (SHOP / "logs").rglob("*") if p.is_file())
    options = ["--map", SHOP / "datamap.toml", "--formats", SHOP / "formats", "--tz", "Asia/Tokyo", "--year", "2026", "--lang", "en"]
    assert breachscope("run", *reversed(logs), *options, "--threads", 1, "--case", "case", cwd=tmp_path).returncode == DONE
    results = [p.name for p in shop_case.iterdir() if p.suffix in (".json", ".parquet") and p.name != "stages.json"]
    assert len(results) == 8
    for name in results:
        assert (tmp_path / "case" / name).read_bytes() == (shop_case / name).read_bytes(), name
    for events in sorted((shop_case / "events").rglob("*.parquet")):
        assert (tmp_path / "case" / events.relative_to(shop_case)).read_bytes() == events.read_bytes()


def test_fail_on_turns_findings_into_an_exit_code(shop_case: Path) -> None:
    assert breachscope("detect", "--case", shop_case, "--fail-on", "high", cwd=shop_case.parent).returncode == FOUND
    assert breachscope("detect", "--case", shop_case, "--fail-on", "critical", cwd=shop_case.parent).returncode == DONE


def test_a_person_leads_back_to_the_raw_line(shop_case: Path) -> None:
    sql = "SELECT record FROM exposures WHERE grade = 'confirmed' AND \"table\" = 'customers' ORDER BY 1 LIMIT 1"
    record = breachscope("query", sql, "--case", shop_case, "--format", "csv", cwd=shop_case.parent).stdout.splitlines()[1]
    done = breachscope("trace", "record", f"customers:{record}", "--case", shop_case, "--json", cwd=shop_case.parent)
    traced = json.loads(done.stdout)
    assert traced["reasons"][0]["grade"] == "confirmed"
    assert any(f"/api/customers/{record}" in line["raw"] for line in traced["lines"])
    for line in traced["lines"]:
        if not line["path"].endswith(".gz"):
            assert Path(line["path"]).read_text().splitlines()[line["line"] - 1] == line["raw"]


def test_verify_passes_and_then_names_a_changed_result(shop_case: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(shop_case), str(copy)], check=True)
    assert breachscope("verify", "--case", copy, cwd=tmp_path).returncode == DONE
    (copy / "scope.json").write_text((copy / "scope.json").read_text().replace('"confirmed": 398', '"confirmed": 3'))
    done = breachscope("verify", "--case", copy, cwd=tmp_path)
    assert done.returncode == FAILED
    assert "scope.json" in done.stdout


def copy_of(case: Path, folder: Path) -> Path:
    subprocess.run(["cp", "-a", str(case), str(folder / "copy")], check=True)
    return folder / "copy"


@pytest.mark.parametrize(("name", "command"), [("scope.json", "scope"), ("incidents.json", "detect"), ("detection.json", "detect")])
@pytest.mark.parametrize("content", ["{", "{}", "[1]", "\udcff"])
def test_a_damaged_result_is_one_sentence_with_its_file_and_what_to_run(shop_case: Path, tmp_path: Path, name: str, command: str, content: str) -> None:
    case = copy_of(shop_case, tmp_path)
    (case / name).write_bytes(content.encode(errors="surrogateescape"))
    for arguments in (["report"], ["scope"]):
        done = breachscope(*arguments, "--case", case, cwd=tmp_path)
        assert done.returncode == FAILED
        one_sentence(done, f"{name}: is damaged (", f"run 'breachscope {command} --case {case}")


def warnings_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "is not as breachscope recorded it; run 'breachscope verify --case" in line]


def test_a_result_changed_behind_the_back_is_told_where_it_is_used(shop_case: Path, tmp_path: Path) -> None:
    case = copy_of(shop_case, tmp_path)
    for arguments in (["scope"], ["scope", "--json"], ["trace", "event", "1:1"], ["report"]):
        assert breachscope(*arguments, "--case", case, cwd=tmp_path).stderr == ""
    (case / "scope.json").write_text((case / "scope.json").read_text().replace('"confirmed": 398', '"confirmed": 3'))
    for arguments in (["scope"], ["scope", "--json"], ["report"]):
        done = breachscope(*arguments, "--case", case, cwd=tmp_path)
        assert done.returncode == DONE
        (told,) = warnings_of(done)
        assert told.startswith(f"breachscope: {case / 'scope.json'}: ")
    assert breachscope("trace", "event", "1:1", "--case", case, cwd=tmp_path).stderr == "", "an event's line does not depend on scope.json"


def test_a_changed_table_is_told_by_the_trace_that_reads_it(shop_case: Path, tmp_path: Path) -> None:
    case = copy_of(shop_case, tmp_path)
    sql = "SELECT finding_id FROM findings ORDER BY 1 LIMIT 1"
    finding = breachscope("query", sql, "--case", case, "--format", "csv", cwd=tmp_path).stdout.splitlines()[1]
    with (case / "evidence.parquet").open("r+b") as handle:
        handle.seek(4)
        byte = handle.read(1)
        handle.seek(4)
        handle.write(bytes([byte[0] ^ 1]))
    assert [str(case / "evidence.parquet") in line for line in warnings_of(breachscope("trace", "finding", finding, "--case", case, cwd=tmp_path))] == [True]
    assert warnings_of(breachscope("trace", "event", "1:1", "--case", case, cwd=tmp_path)) == []


def test_an_edited_chain_is_told_and_does_not_stop_a_reader(shop_case: Path, tmp_path: Path) -> None:
    case = copy_of(shop_case, tmp_path)
    (case / "custody.jsonl").write_text("nothing\n" + (case / "custody.jsonl").read_text())
    done = breachscope("scope", "--case", case, cwd=tmp_path)
    assert done.returncode == DONE
    one_sentence(done, "custody.jsonl:1: is not a record", f"run 'breachscope verify --case {case}'")


def test_a_stage_makes_its_changed_outputs_again(shop_case: Path, tmp_path: Path) -> None:
    case = copy_of(shop_case, tmp_path)
    (case / "incidents.json").write_text("{}")
    assert breachscope("detect", "--case", case, cwd=tmp_path).returncode == DONE
    assert (case / "incidents.json").read_bytes() == (shop_case / "incidents.json").read_bytes()


def test_web_logs_alone_give_a_first_look(tmp_path: Path) -> None:
    done = breachscope("run", SHOP / "logs/web", "--lang", "en", "--case", "case", cwd=tmp_path)
    assert done.returncode == DONE
    assert "map" in done.stdout
    scope = json.loads((tmp_path / "case/scope.json").read_bytes())
    assert scope["incidents"]
    assert scope["coverage"]
    assert scope["people"] is None, "without a map the number of people is unknown, not zero"


def test_a_pipe_is_read_kept_and_traceable(tmp_path: Path) -> None:
    done = breachscope("ingest", "-", "--case", "case", cwd=tmp_path, stdin=GOOD)
    assert done.returncode == DONE
    assert breachscope("trace", "event", "1:1", "--case", "case", cwd=tmp_path).stdout.rstrip("\n").endswith(GOOD.rstrip("\n"))


@pytest.mark.parametrize("given", ["logs", "../{here}/logs", "logs/*.log"])
def test_inputs_that_are_gone_from_their_folder_are_told_and_keep_their_events(tmp_path: Path, given: str) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for n in range(9):
        (logs / f"{n}.log").write_text(GOOD.replace("/a", f"/{n}") * (n + 1))
    (tmp_path / "other.log").write_text(GOOD)
    given = given.format(here=tmp_path.name)
    first = breachscope("ingest", given, "other.log", "--case", "case", cwd=tmp_path)
    assert (first.returncode, first.stderr) == (DONE, "")
    for n in (1, 2):
        (logs / f"{n}.log").unlink()
    (tmp_path / "other.log").unlink()
    (logs / "3.log").rename(logs / "renamed.log")
    done = breachscope("ingest", given, "--case", "case", cwd=tmp_path)
    assert done.returncode == DONE
    told = [line.rpartition("/")[2] for line in done.stderr.splitlines()]
    assert told == [f"{n}.log: was read earlier and is gone now; its {n + 1} events stay in the case" for n in (1, 2)]
    counted = breachscope("query", "SELECT count(*) AS n FROM web", "--case", "case", "--format", "csv", cwd=tmp_path)
    assert counted.stdout.splitlines() == ["n", "46"]
    for n in (0, 4, 5, 6, 7):
        (logs / f"{n}.log").unlink()
    told = breachscope("ingest", given, "--case", "case", cwd=tmp_path).stderr.splitlines()
    assert len(told) == 6
    assert "and 2 more inputs" in told[-1]


def bad_inputs(folder: Path) -> Mapping[str, tuple[Path, str]]:
    (folder / "empty.log").touch()
    (folder / "binary.log").write_bytes(bytes(range(256)) * 400)
    (folder / "cut.log.gz").write_bytes(gzip.compress((GOOD * 5000).encode())[:-200])
    (folder / "fake.log.gz").write_bytes(b"\x1f\x8bnot gzip at all")
    (folder / "odd.log").write_text("one line nobody knows\n" * 3)
    (folder / "spaced.log").write_text("one line nobody knows\n\n")
    return {
        "missing": (folder / "nowhere.log", "does not exist"),
        "binary": (folder / "binary.log", "binary data"),
        "truncated": (folder / "cut.log.gz", "cut or damaged after"),
        "not gzip": (folder / "fake.log.gz", "cut or damaged after 0 bytes"),
    }


@pytest.mark.parametrize("kind", ["missing", "binary", "truncated", "not gzip"])
def test_a_bad_input_is_one_sentence_and_loses_nothing_else(tmp_path: Path, kind: str) -> None:
    path, message = bad_inputs(tmp_path)[kind]
    (tmp_path / "good.log").write_text(GOOD)
    done = breachscope("ingest", "good.log", path, "--case", "case", cwd=tmp_path)
    assert done.returncode == FAILED
    one_sentence(done, message, path.name)
    counted = breachscope("query", "SELECT count(*) AS n FROM web", "--case", "case", "--format", "csv", cwd=tmp_path)
    assert int(counted.stdout.splitlines()[1]) >= 1


def test_an_empty_file_is_told_and_does_not_fail(tmp_path: Path) -> None:
    bad_inputs(tmp_path)
    done = breachscope("ingest", "empty.log", "--case", "case", cwd=tmp_path)
    assert done.returncode == DONE
    one_sentence(done, "is empty")


def test_a_file_that_no_format_reads_fails_and_keeps_its_lines(tmp_path: Path) -> None:
    bad_inputs(tmp_path)
    done = breachscope("ingest", "odd.log", "--case", "case", cwd=tmp_path)
    assert done.returncode == FAILED, "a nightly batch whose log changes its format must not stay green"
    one_sentence(done, "not one of its 3 lines could be read")
    done = breachscope("ingest", "odd.log", "--case", "case", cwd=tmp_path)
    assert done.returncode == FAILED, "the run after it cannot read it either"
    one_sentence(done, "not one of its 3 lines could be read")
    done = breachscope("ingest", "spaced.log", "--case", "spaced", cwd=tmp_path)
    assert done.returncode == FAILED, "a blank line beside it makes it no better"
    counted = breachscope("query", "SELECT count(*) AS n FROM rejects", "--case", "case", "--format", "csv", cwd=tmp_path)
    assert counted.stdout.splitlines() == ["n", "3"]


def test_verify_names_results_that_no_record_stands_for(shop_case: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(shop_case), str(copy)], check=True)
    records = (copy / "custody.jsonl").read_bytes().splitlines(keepends=True)
    (copy / "custody.jsonl").write_bytes(records[0])
    (copy / "scope.json").write_text((copy / "scope.json").read_text().replace('"confirmed": 398', '"confirmed": 3'))
    done = breachscope("verify", "--case", copy, cwd=tmp_path)
    assert done.returncode == FAILED
    for name in ("scope.json", "people.parquet", "findings.parquet", "report.html"):
        assert f"{name}: has no custody record" in done.stdout


@pytest.mark.parametrize("command", [("verify",), ("query", "select 1"), ("query", "select * from web", "--format", "json")])
def test_an_output_for_which_there_is_no_room_is_one_sentence(shop_case: Path, tmp_path: Path, command: Sequence[str]) -> None:
    case = tmp_path / "case"
    shutil.copytree(shop_case, case)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "breachscope.cli", *command, "--case", str(case)], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == FAILED
    told = "breachscope: error: the output cannot be written (No space left on device); free space, then run again"
    assert done.stderr.splitlines() == [told]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "good.log").write_text(GOOD)
    (tmp_path / "secret.log").write_text(GOOD)
    (tmp_path / "secret.log").chmod(0)
    done = breachscope("ingest", "good.log", "secret.log", "--case", "case", cwd=tmp_path)
    assert done.returncode == FAILED
    one_sentence(done, "secret.log", "cannot be read")


def test_wrong_usage_has_its_own_exit_code(tmp_path: Path) -> None:
    (tmp_path / "good.log").write_text(GOOD)
    for arguments in (
        ["run"],
        ["ingest", "good.log", "--tz", "Asia/Tokio", "--case", "case"],
        ["ingest", "nowhere.log", "--case", "case"],
        ["trace", "event", "x", "--case", "case"],
        ["detect", "--fail-on", "bad"],
        ["nonsense"],
    ):
        done = breachscope(*arguments, cwd=tmp_path)
        assert done.returncode in (USAGE, FAILED), arguments
        assert "Traceback" not in done.stderr
    done = breachscope("ingest", "good.log", "--tz", "Asia/Tokio", "--case", "case", cwd=tmp_path)
    assert done.returncode == USAGE
    one_sentence(done, "did you mean 'Asia/Tokyo'")


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["run", "good.log", "--only", "web/sqly"], "did you mean 'web/sqli'"),
        (["run", "good.log", "--format", "combind"], "did you mean 'combined'"),
        (["run", "good.log", "--map", "datamp.toml"], "did you mean 'datamap.toml'"),
        (["run", "good.log", "--map", "."], "is a folder; --map wants a data map"),
        (["run", "good.log", "--set", "web/foo=3"], "such as auth/spray.accounts=20"),
        (["run", "good.log", "--set", "web/sqly=3"], "such as web/sqli.capacity=10"),
        (["run", "good.log", "--set", "auth/spray=3"], "such as auth/spray.accounts=10"),
        (["run", "good.log", "--set", "web/sqly.payloads=3"], "did you mean 'web/sqli'"),
        (["run", "good.log", "--set", "web/sqli.payload=3"], "did you mean 'payloads'"),
        (["run", "good.log", "--set", "web/sqli.payloads=many"], "must be a whole number"),
        (["run", "good.log", "--settings", "breachscop.toml"], "did you mean 'breachscope.toml'"),
        (["detectors", "show", "web/sqly"], "did you mean 'web/sqli'"),
        (["detectors", "test", "web/sqly"], "did you mean 'web/sqli'"),
        (["formats", "show", "combind"], "did you mean 'combined'"),
        (["formats", "list", "--formats", "mine"], "mine: is not a folder; --formats wants"),
        (["detectors", "list", "--detectors", "mine"], "mine: is not a folder; --detectors wants"),
        (["formats", "test", "god.log"], "does not exist; did you mean 'good.log'"),
        (["formats", "test", "datamp.toml"], "does not exist; did you mean 'datamap.toml'"),
        (["formats", "test", "."], "is a folder; formats test wants a log"),
        (["map", "check", "datamp.toml"], "did you mean 'datamap.toml'"),
    ],
)
def test_a_wrong_name_is_wrong_usage_with_a_suggestion(tmp_path: Path, arguments: Sequence[str], suggestion: str) -> None:
    (tmp_path / "good.log").write_text(GOOD)
    for name in ("datamap.toml", "breachscope.toml"):
        (tmp_path / name).touch()
    done = breachscope(*arguments, cwd=tmp_path)
    assert done.returncode == USAGE, done.stderr
    assert len(done.stderr.splitlines()) == 1
    one_sentence(done, suggestion)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 1; SELECT 2", "exactly one"),
        ("SELECT content FROM read_text('/etc/passwd')", "read_text"),
    ],
)
def test_a_bad_detector_is_refused_with_its_place(tmp_path: Path, query: str, message: str) -> None:
    (tmp_path / "good.log").write_text(GOOD)
    shutil.copytree(ROOT / "detectors/web/sqli", tmp_path / "mine/web/mine")
    (tmp_path / "mine/web/mine/query.sql").write_text(f"-- one row = nothing\n{query}\n")
    done = breachscope("run", "good.log", "--detectors", "mine", "--case", "case", cwd=tmp_path)
    assert done.returncode == FAILED
    assert "Traceback" not in done.stderr
    assert "query.sql:2" in done.stderr
    assert message in done.stderr.lower() or message in done.stderr


def test_a_wrong_column_in_the_map_is_told_with_its_line(tmp_path: Path) -> None:
    text = (SHOP / "datamap.toml").read_text()
    text = text.replace('source  = "tables/', f'source  = "{SHOP}/tables/').replace('"customer_id"', '"customer_no"', 1)
    (tmp_path / "map.toml").write_text(text)
    line = next(n for n, row in enumerate(text.splitlines(), 1) if '"customer_no"' in row)
    (tmp_path / "good.log").write_text(GOOD)
    done = breachscope("run", "good.log", "--map", "map.toml", "--case", "case", cwd=tmp_path)
    assert done.returncode == FAILED
    one_sentence(done, f"map.toml:{line}:", "customer_no")
    assert (tmp_path / "case/events/web/1.parquet").is_file(), "the logs are ingested all the same"


def test_the_interpreter_is_not_taken_down_under_threads_that_still_want_it() -> None:
    """Arrow's, reading a table ahead that nobody wants any more, aborted the process then: as good as never alone, in one of forty runs under load."""
    program = "import atexit; atexit.register(print, 'taken down'); from breachscope.cli import main; main(['--version'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("breachscope, version")
    assert "taken down" not in done.stdout


def test_an_unreachable_database_is_one_sentence_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(
        '[tables.customers]\nsource = "postgresql://127.0.0.1:1/shop"\nkey = "id"\nperson = "id"\n[tables.customers.columns]\nname = "name"\n'
    )
    (tmp_path / "good.log").write_text(GOOD)
    environment = {"PGUSER": "analyst", "PGPASSWORD": "sesame"}
    done = breachscope("run", "good.log", "--map", "map.toml", "--case", "case", cwd=tmp_path, env=environment)
    assert done.returncode == FAILED
    one_sentence(done, "customers")
    assert "sesame" not in done.stderr + done.stdout


def test_terminal_escapes_in_logs_do_not_reach_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "evil\x1b[31m.log").write_text(GOOD.replace("curl/8.0", "\x1b]0;owned\x07") + "junk \x1b[2J\n")
    done = breachscope("ingest", ".", "--case", "../case", cwd=tmp_path)
    assert "\x1b" not in done.stdout + done.stderr
    done = breachscope("trace", "event", "1:1", "--case", "../case", cwd=tmp_path)
    assert "\x1b" not in done.stdout + done.stderr


def test_trusted_proxies_come_from_the_settings_unless_the_command_line_names_some(tmp_path: Path) -> None:
    told = GOOD.replace("192.0.2.9 ", "10.0.0.8 ").rstrip("\n") + ' "203.0.113.7"\n'
    (tmp_path / "access.log").write_text(told)
    (tmp_path / "breachscope.toml").write_text('[ingest]\ntrusted_proxies = ["10.0.0.0/8"]\n')

    def client(*arguments: object) -> str:
        done = breachscope(*arguments, "access.log", "--case", "case", cwd=tmp_path)
        assert done.returncode == DONE, done.stderr
        return breachscope("query", "SELECT client_ip FROM web", "--case", "case", "--format", "csv", cwd=tmp_path).stdout.splitlines()[1]

    assert [client(*a) for a in (["ingest"], ["ingest", "--trusted-proxy", "10.9.9.9"], ["run"])] == ["203.0.113.7", "10.0.0.8", "203.0.113.7"]
    (tmp_path / "breachscope.toml").write_text('[ingest]\ntrusted_proxis = ["10.0.0.0/8"]\n')
    done = breachscope("ingest", "access.log", "--case", "case", cwd=tmp_path)
    assert done.returncode == FAILED
    one_sentence(done, "breachscope.toml:2: 'trusted_proxis' is not a setting of [ingest]; did you mean 'trusted_proxies'?")


def on_a_terminal(*arguments: object, cwd: Path) -> tuple[str, str]:
    """What a command writes to stdout, a pipe, and to stderr, a terminal of 140 columns."""
    reading, terminal = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "140"}
    command = [sys.executable, "-m", "breachscope.cli", *map(str, arguments)]
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=terminal, env=environment) as process:
        os.close(terminal)
        shown = bytearray()
        with contextlib.suppress(OSError):  # Linux says so when the other side is closed
            while piece := os.read(reading, 1 << 16):
                shown += piece
        assert process.stdout is not None
        told = process.stdout.read().decode()
    os.close(reading)
    assert process.returncode == DONE, shown
    return told, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_a_terminal_shows_progress_of_each_file_and_of_all_and_a_pipe_shows_none(tmp_path: Path) -> None:
    lines = "".join(GOOD.replace("/a", f"/{n}") for n in range(40_000)) * 5  # read for longer than the display takes to be drawn again
    for n in range(2):
        (tmp_path / f"{n}\x1b[31m.log").write_text(lines + GOOD * (n + 1))
    told, shown = on_a_terminal("ingest", ".", "--case", "../case", cwd=tmp_path)
    assert "200,001 events" in told
    assert "\x1b" not in told
    rows = [row for row in re.split(r"[\r\n]+", shown) if "lines/s" in row]
    assert any(re.search(r"^all inputs .* [\d.]+ MB/3\d\.\d MB +[\d,]+ lines/s +(?:\d:\d\d:\d\d|-:--:--)", row) for row in rows), shown
    assert any(re.search(r"^[01]\\x1b\[31m\.log .* [\d.]+ MB/1\d\.\d MB +[\d,]+ lines/s", row) for row in rows), shown
    done = breachscope("ingest", ".", "--case", "../other", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (DONE, "")


def test_json_of_names_that_are_no_utf_8_is_json(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/logs\xff")).mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/logs\xff/\xfe\n.log")).write_text(GOOD)
    command = [sys.executable, "-m", "breachscope.cli", "ingest", os.fsdecode(b"logs\xff"), "--json", "--case", "case"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == DONE
    (source,) = json.loads(done.stdout.decode())
    assert os.fsencode(source["name"]) == b"\xfe\n.log"
    assert breachscope("verify", "--case", "case", cwd=tmp_path).returncode == DONE
    assert json.loads(breachscope("trace", "event", "1:1", "--json", "--case", "case", cwd=tmp_path).stdout)["lines"][0]["raw"] + "\n" == GOOD


def test_every_command_is_in_both_readmes() -> None:
    for name in ("README.md", "README.ja.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for command in ("run", "ingest", "detect", "scope", "report", "trace", "verify", "query", "formats", "detectors", "map", "demo"):
            assert command in text, (name, command)


def test_a_trial_reads_each_member_of_an_archive_and_tells_what_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/good.log").write_text(GOOD)
    (tmp_path / "logs/local.log").write_text("Mar  2 10:15:04 db01 sshd[77]: Accepted password for u1 from 192.0.2.9 port 50022 ssh2\n")
    for made, how in (("logs.tar.gz", "gztar"), ("logs.zip", "zip")):
        shutil.make_archive(str(tmp_path / "logs"), how, tmp_path / "logs")
        done = breachscope("formats", "test", made, "--rows", 1, "--tz", "Asia/Tokyo", cwd=tmp_path)
        assert done.returncode == DONE, done.stderr
        told = [line for line in done.stdout.splitlines() if line.startswith(made)]
        assert sorted(line.split(",")[0].removeprefix(made).replace("!./", "!") for line in told) == ["!good.log: combined", "!local.log: syslog"]
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert {event["ts_offset_min"] for event in events} == {540}
    stored = gzip.compress(GOOD.encode() * 5_000)
    (tmp_path / "cut.log.gz").write_bytes(stored[: len(stored) // 2])
    done = breachscope("formats", "test", "cut.log.gz", cwd=tmp_path)
    assert done.returncode == FAILED
    one_sentence(done, "cut.log.gz: the gzip stream is cut or damaged")


def test_a_trial_takes_the_strings_that_an_ingest_takes(tmp_path: Path) -> None:
    (tmp_path / "own.log").write_text("1772414104.123|192.0.2.9|GET /a HTTP/1.1|200\n")
    assert breachscope("formats", "test", "own.log", cwd=tmp_path).returncode == FAILED
    done = breachscope("formats", "test", "own.log", "--log-format", "$msec|$remote_addr|$request|$status", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["client_ip"] == "192.0.2.9"


def test_a_trial_tells_of_a_string_that_fits_no_line(tmp_path: Path) -> None:
    (tmp_path / "good.log").write_text(GOOD)
    done = breachscope("formats", "test", "good.log", "--log-format", "%h %t %r", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[:2]) == (
        DONE,
        ["good.log: combined, confidence 100%, utf-8, 1 line tried", "         1 events   combined"],
    )
    assert done.stderr == "breachscope: --log-format '%h %t %r' fits no line; give the string as the server's configuration has it\n"


def test_a_format_is_tried_without_what_stands_beside_it(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("time=2026-03-02T10:00:00Z user=u1 ip=192.0.2.9 action=view object=customers/1\n")
    (tmp_path / "datamap.toml").write_text("[tables]\n")
    (tmp_path / "none").mkdir()
    assert breachscope("formats", "new", "app.log", cwd=tmp_path).stdout == "app.toml\n"
    assert breachscope("formats", "test", "app.toml", cwd=tmp_path).stdout == "app.toml: 1 sample read as expected\n"
    done = breachscope("formats", "test", "app.log", "--formats", "app.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[1]) == (DONE, "         1 events   app"), done.stderr
    done = breachscope("formats", "test", "app.log", "--formats", "none", cwd=tmp_path)
    assert done.returncode == USAGE
    one_sentence(done, "none: holds no *.toml; --formats wants a folder of format files, or one of them")


def test_inputs_of_one_name_are_told_apart_and_counted_together(tmp_path: Path) -> None:
    for folder, lines in (("web1/logs", GOOD), ("web2/logs", GOOD + "\njunk\n"), ("web2", GOOD * 3)):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "access.log").write_text(lines)
    (tmp_path / "web2/other.log").write_text(GOOD * 2)
    done = breachscope("ingest", "web1", "web2", "--case", "case", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "web1/logs/access.log: 1 line: 1 event (combined 1), 0 skipped, 0 rejected; format confidence 100%",
        "web2/access.log: 3 lines: 3 events (combined 3), 0 skipped, 0 rejected; format confidence 100%",
        "web2/logs/access.log: 3 lines: 1 event (combined 1), 1 skipped, 1 rejected; format confidence 50%",
        "other.log: 2 lines: 2 events (combined 2), 0 skipped, 0 rejected; format confidence 100%",
        "4 inputs: 9 lines: 7 events, 1 skipped, 1 rejected",
    ]
    assert breachscope("ingest", "web1", "web2", "--case", "case", cwd=tmp_path).stdout == "4 inputs in the case already, unchanged\n"


def test_columns_stand_below_each_other_however_wide_their_characters_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns([("a", "東京", "first"), ("bcd", "e\u0301", "second"), ("x" * 60, "\x1b[2J", "third")])
    assert capsys.readouterr().out.splitlines() == ["a   東京    first", "bcd e\u0301       second", f"{'x' * 60} \\x1b[2J third"]
    print_columns([])
    assert capsys.readouterr().out == ""
