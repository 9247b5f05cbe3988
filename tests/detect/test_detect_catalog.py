"""Detector folders are checked before anything runs, and every mistake is named with its place."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from breachscope.detect import Catalog, check_detector, find_detector, list_detectors, load_catalog, new_detector, show_detector
from breachscope.detect.catalog import builtin_directory, load_folder
from breachscope.detect.detector import Parameter
from breachscope.errors import ContentErrors, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's detector, a copy of one that works."""
    return copy_as(tmp_path / "detectors/auth/mine")


def copy_as(folder: Path) -> Path:
    return shutil.copytree(builtin_directory() / "auth/brute-force", folder)


def edit(path: Path, old: str, new: str) -> int:
    """Replace ``old`` by ``new`` and return the line where it stood."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def complaints(folder: Path) -> list[str]:
    with pytest.raises(ContentErrors) as caught:
        load_catalog([folder.parents[1]])
    return [str(e) for e in caught.value.errors]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("level: medium", "level: severe", "level is 'severe', but must be one of informational, low, medium, high, critical"),
        ("stage: entry", "stage: enter", "did you mean 'entry'?"),
        ("attack: [T1110]", "attack: [1110]", "attack.0 must be a sentence"),
        ("attack: [T1110]", "attack: [T11]", "'T11' is no ATT&CK technique id"),
        ("level: medium", "levl: medium", "unknown key 'levl'; did you mean 'level'?"),
        ("stage: entry", "level: high", "key 'level' stands twice; the first is on line"),
        ("failures: {type: integer, default: 20", "failures: {type: integer, default: twenty", "default of 'failures' is 'twenty', but must be a whole number"),
        ("window: {type: duration, default: 60 min", "window: {type: duration, default: 60", "must be a time such as '90 s'"),
        ("window: {type: duration,", "window: {type: time,", "parameters.window.type is 'time', but must be one of"),
        ("failures: {type: integer,", "failures: {type: integer, unit: tries,", "unknown key 'unit'"),
        ("  failures: {", "  spare: {type: integer, default: 1, meaning: nothing}\n  failures: {", "parameter 'spare' is not used in query.sql"),
        ("logins: [client_ip]", "logons: [client_ip]", "there is no relation 'logons'; did you mean 'logins'?"),
        ("grade: context", "grade: C", "evidence.grade is 'C', but must be one of record, container, volume, context"),
        ("relation: actor_logins", "relation: logins", "evidence.relation is 'logins'"),
        ("where: e.outcome", "where: e.result", "the condition does not fit relation 'actor_logins'"),
        ("where: e.outcome", "where: getenv('HOME') <> '' AND e.outcome", "function getenv() is not allowed"),
        ("{actor} – {events} failed", "{actor} – {tries} failed", "{tries} is not a column of query.sql"),
        ("https://attack", "http://attack", "a reference must be an https:// address"),
        ("false_positives:", "false_positives: []\nnotes:", "false_positives must be a list with at least one entry"),
        ("title:\n  en:", "title:\n  fr:", "title has the languages en and ja, not 'fr'"),
        ("false_positives:\n  - en: A", "false_positives:\n  - English only\n  - en: A", "false_positives.0.ja must be a sentence"),
        ("next_steps:\n  - en: ", "next_steps:\n  - de: Nachsehen.\n    en: ", "next_steps.0 has the languages en and ja, not 'de'"),
        ("    ja: 同じ送信元", "    jp: 同じ送信元", "next_steps.0.ja must be a sentence"),
    ],
)
def test_a_wrong_description_is_named_with_its_line(folder: Path, old: str, new: str, complaint: str) -> None:
    edit(folder / "detector.yaml", old, new)
    found = [c for c in complaints(folder) if complaint in c]
    assert found
    assert found[0].startswith(f"{folder / 'detector.yaml'}:")
    assert found[0].split(":")[1].isdigit()


def test_the_line_of_a_complaint_is_that_of_the_key(folder: Path) -> None:
    line = edit(folder / "detector.yaml", "stage: entry", "stage: enter")
    assert complaints(folder)[0].startswith(f"{folder / 'detector.yaml'}:{line}: stage is 'enter'")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("$failures AS threshold", "$failure AS threshold", "$failure is not among the parameters of detector.yaml; did you mean 'failures'?"),
        ("FROM sliding_total('failures', $window)", "FROM sliding_total('failure', $window)", "there is no table 'failure'"),
        ("total AS measure", "total AS number", "does not return the column 'measure'"),
        ("total AS measure", "totl AS measure", 'Referenced column "totl" not found'),
        ("-- One row", "SELECT 1; -- One row", "must begin with a comment"),
        ("FROM login_parties", "FROM read_csv('x')", "table function read_csv() is not allowed"),
    ],
)
def test_a_wrong_query_is_named_with_its_file(folder: Path, old: str, new: str, complaint: str) -> None:
    edit(folder / "query.sql", old, new)
    found = [c for c in complaints(folder) if complaint in c]
    assert found
    assert found[0].startswith(f"{folder / 'query.sql'}")


def test_columns_must_have_their_types(folder: Path) -> None:
    (folder / "query.sql").write_text(
        "-- One row = nothing\nSELECT 'ip' AS actor_kind, 7 AS actor, 1 AS first_ts, TIMESTAMP '2026-01-01' AS last_ts, 1 AS measure, 1 AS threshold, "
        "NULL::VARCHAR AS _ua_family, 0 AS events WHERE $failures + $capacity > 0 AND $window + $leak > INTERVAL 1 SECOND\n"
    )
    path = folder / "query.sql"
    assert complaints(folder) == [f"{path}: column 'actor' is no text", f"{path}: column 'first_ts' is no timestamp"]


def test_all_mistakes_of_all_detectors_come_at_once(folder: Path) -> None:
    other = copy_as(folder.parents[1] / "web/other")
    edit(folder / "detector.yaml", "level: medium", "level: severe")
    edit(folder / "query.sql", "FROM login_parties", "FROM read_csv('x')")
    edit(other / "detector.yaml", "stage: entry", "stage: enter")
    (other / "query.sql").unlink()
    text = "\n".join(complaints(folder))
    assert all(part in text for part in ("'severe'", "read_csv()", "'enter'", "every detector has a query.sql"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "must be a mapping"),
        (b"- a\n- b\n", "must be a mapping"),
        (b"a: [1\nb: 2\n", "not valid YAML"),
        (b"a: \xff\n", "is not UTF-8 text"),
        (b"a: &x\n  b: *x\n", "an alias points into itself"),
        (b"title: !!python/object/apply:os.system ['true']\n", "title"),
    ],
)
def test_a_file_that_is_no_description_is_one_clear_complaint(folder: Path, content: bytes, complaint: str) -> None:
    (folder / "detector.yaml").write_bytes(content)
    assert any(complaint in c for c in complaints(folder))


def test_an_id_is_a_family_and_a_name(folder: Path) -> None:
    shutil.copytree(folder, folder.parents[1] / "auth" / "Mine_2")
    assert any("an id is <family>/<name>" in c for c in complaints(folder))


def test_a_folder_without_detectors_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContentErrors, match="holds no detector"):
        load_catalog([tmp_path])
    with pytest.raises(ContentErrors, match="is not a folder"):
        load_catalog([tmp_path / "absent"])


def test_a_users_detector_replaces_the_built_in_one_of_the_same_id(tmp_path: Path) -> None:
    folder = tmp_path / "detectors" / "auth" / "spray"
    shutil.copytree(builtin_directory() / "auth" / "spray", folder)
    edit(folder / "detector.yaml", "One address tries many accounts", "Ours")
    loaded = load_catalog([tmp_path / "detectors"])
    assert loaded["auth/spray"].title.en.startswith("Ours")
    assert len([d for d in loaded.detectors if d.id == "auth/spray"]) == 1


def test_a_new_detector_says_what_to_write_and_lint_names_each_place(tmp_path: Path) -> None:
    folder = new_detector("auth/mine", tmp_path / "detectors")
    description = folder / "detector.yaml"
    places = [n for n, line in enumerate(description.read_text(encoding="utf-8").splitlines(), 1) if '"REPLACE: ' in line]
    found = complaints(folder)
    assert [c.split(":")[1] for c in found] == [str(n) for n in places]
    assert all("is still what 'detectors new' put there: write " in c for c in found)
    named = " ".join(found)
    for key in ("title.en", "title.ja", "attack.0", "summary.ja", "parameters.window.meaning", "false_positives.0.ja", "next_steps.0.en", "references.0"):
        assert key in named


def test_a_new_detector_whose_texts_are_written_passes_lint_and_its_own_logs(tmp_path: Path) -> None:
    folder = new_detector("auth/mine", tmp_path / "detectors")
    description = folder / "detector.yaml"
    text = description.read_text(encoding="utf-8").replace("REPLACE: https://… ", "https://example.org/").replace('["REPLACE: technique', '[T1190] # ["')
    description.write_text(text.replace("REPLACE: ", ""), encoding="utf-8")
    results = check_detector(load_folder(folder))
    assert [(r.log.name, r.passed) for r in results] == [("fires.log", True), ("quiet.log", True)]
    lines = [(folder / name).read_text(encoding="utf-8").count("\n") for name in ("fires.log", "quiet.log")]
    assert lines == [3, 2], "one event at the threshold makes the difference"


@pytest.mark.parametrize("wrong", ["mine", "../x/y", "a/b/c", "A/b", "a/b.c", ""])
def test_a_new_detector_needs_an_id(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(UsageError, match="is no detector id"):
        new_detector(wrong, tmp_path)


def test_a_new_detector_overwrites_nothing(folder: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        new_detector("auth/mine", folder.parents[1])


def test_a_log_that_does_what_it_must_not_fails_the_check(folder: Path) -> None:
    shutil.copy(folder / "fires.log", folder / "quiet.log")
    (failed,) = [r for r in check_detector(load_folder(folder)) if not r.passed]
    assert (failed.log.name, failed.findings) == ("quiet.log", 1)


def test_an_unknown_detector_is_answered_with_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="did you mean 'auth/spray'"):
        find_detector(catalog, "auth/spay")


def test_the_list_and_the_description_speak_both_languages(catalog: Catalog) -> None:
    assert [r.id for r in list_detectors(catalog, "en")] == [d.id for d in catalog.detectors]
    assert "ポートスキャン" in {r.title for r in list_detectors(catalog, "ja")}
    shown = show_detector(catalog["net/port-scan"], "en")
    assert all(part in shown for part in ("capacity = 15 (integer)", "T1046", "cannot see", "leaky_bucket('refused', $leak)"))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "20", 20),
        ("number", "0.25", 0.25),
        ("duration", "500 ms", timedelta(milliseconds=500)),
        ("duration", "90 s", timedelta(seconds=90)),
        ("duration", "10min", timedelta(minutes=10)),
        ("duration", "1.5 h", timedelta(minutes=90)),
        ("duration", "2 days", timedelta(days=2)),
        ("bytes", "50 MiB", 52_428_800),
        ("bytes", "1070 MB", 1_070_000_000),
        ("bytes", "100", 100),
        ("text", "x", "x"),
    ],
)
def test_parameters_are_read_by_type(kind: str, text: str, value: object) -> None:
    assert Parameter("p", kind, "", "").value(text) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "2.5"),
        ("integer", "1e3"),
        ("number", "nan"),
        ("duration", "10"),
        ("duration", "0 s"),
        ("duration", "10 years"),
        ("duration", "-1 s"),
        ("bytes", "5 TB"),
        ("bytes", "-5"),
    ],
)
def test_a_parameter_of_the_wrong_type_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"number|time|size"):
        Parameter("p", kind, "", "").value(text)  # type: ignore[arg-type]
