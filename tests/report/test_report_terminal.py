"""The ten-line answer."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breachscope.case import Case
from breachscope.errors import CaseError
from breachscope.hostile import width
from breachscope.manifest import Source
from breachscope.report import Language, summarize, write_html

CaseWriter = Callable[..., Case]
BOTH = pytest.mark.parametrize("lang", ["en", "ja"])


def headline_of(text: str) -> str:
    """The headline, put together again where it went on in a second row."""
    rows = text.splitlines()
    label = next(n for n, row in enumerate(rows) if row.startswith(("What ", "何が ")))
    return (" " if rows[label].startswith("What ") else "").join(rows[:label])


def no_events(relation: str) -> dict[str, Any]:
    return {"reason": "some English", "reason_code": "no_events", "reason_facts": {"relation": relation}}


@BOTH
@pytest.mark.parametrize("map_given", [True, False])
def test_the_answer_has_ten_rows_of_100_columns(write_case: CaseWriter, lang: Language, map_given: bool) -> None:
    lines = summarize(write_case(), lang, map_given).splitlines()
    assert len(lines) == 10
    assert max(width(line) for line in lines[:-2]) <= 100


def test_english_answer(write_case: CaseWriter) -> None:
    lines = summarize(write_case(), "en", True).splitlines()
    assert lines[0] == "[Critical] Personal data of 812 people was returned to the attacker. At most 52,001 may be affected."
    assert lines[2] == "When     2026-08-30 01:01:00 – 03:51:00 UTC+09:00 (JST), 2 h 50 min; 1 gap in the logs then"
    assert lines[3] == "By whom  address 203.0.113.66; account admin; 1 account (name masked); 1 session"
    assert lines[4] == "People   812 people confirmed, 488 people probable, 1 person possible; at most 52,001 people"
    assert lines[5] == "Records  customers: 812 confirmed, 488 probable, 1 possible of 50,000 rows and 1 more"
    assert lines[6] == "Data     name (1,300 people); e-mail address (1,300 people); disability (7 people)"
    assert "admin-access.log: 2026-08-30 02:30:00 – 02:44:00 not covered (the log is silent)" in lines[7]
    assert "/acme-0831'" in lines[8]
    assert lines[8].startswith("Report   make it with 'breachscope report --case /")
    assert lines[9].startswith("Next     check with 'breachscope trace --case /")


def test_japanese_answer_counts_people_in_nin_and_records_in_ken(write_case: CaseWriter) -> None:
    lines = summarize(write_case(), "ja", True).splitlines()
    assert lines[0] == "[重大] 812人の個人データが攻撃者に返されたことを確認しました。対象は最大52,001人です。"
    assert lines[4] == "本人の数  確認済み 812人、可能性が高い 488人、否定できない 1人、最大 52,001人"
    assert lines[5].startswith("レコード  customers：確認済み 812件、可能性が高い 488件、否定できない 1件（全50,000行）")


@BOTH
def test_a_list_that_does_not_fit_ends_between_items_and_an_item_too_long_is_cut(
    write_case: CaseWriter, scope: dict[str, Any], detectors: list[dict[str, Any]], lang: Language
) -> None:
    scope["uncertainties"][0] |= {"en": "how good " * 30 + "the end", "ja": "証拠の強さ" * 30}
    scope["incidents"][0]["holes"] = []
    seen = [d | {"evaluable": True, "reason_code": None} for d in detectors]
    lines = summarize(write_case(scope=scope, detectors=seen), lang, True).splitlines()
    assert len(lines) == 10
    assert 98 <= width(lines[7]) <= 100
    assert lines[7].endswith("… and 4 more" if lang == "en" else "…、ほか4")
    assert ("how good how good" if lang == "en" else "証拠の強さ証拠の強さ") in lines[7]


@BOTH
def test_people_told_apart_by_keys_and_a_long_headline_are_never_cut(write_case: CaseWriter, scope: dict[str, Any], lang: Language) -> None:
    scope["people"] |= {"range": [1200, 52_001], "upper_bound": None}
    lines = summarize(write_case(scope=scope), lang, True).splitlines()
    assert max(width(line) for line in lines[:-2]) <= 100
    assert "1,200" in "".join(lines)
    assert "…" not in "".join(lines[:-4])


@BOTH
def test_labels_stand_in_one_column(write_case: CaseWriter, lang: Language) -> None:
    rows = summarize(write_case(), lang, True).splitlines()[1:]
    starts = {width(row[: row.index("  ")]) + len(row[row.index("  ") :]) - len(row[row.index("  ") :].lstrip(" ")) for row in rows}
    assert len(starts) == 1


def test_without_a_map_findings_coverage_and_what_a_map_adds_are_told(write_case: CaseWriter) -> None:
    text = summarize(write_case(), "en", False)
    assert "6 findings by 6 of 7 detectors; 2 incidents, the highest Critical" in text
    assert "4 log files: 8,208 lines = 8,189 that became events + 2 skipped + 17 rejected; 1 gap" in text
    assert "tells which records, whose and which data" in text
    assert "812 people" not in text


def test_the_report_is_named_once_it_exists(write_case: CaseWriter) -> None:
    case = write_case()
    path = write_html(case, "en")
    assert summarize(case, "en", True).splitlines()[-2].startswith(f"Report   {path} – ")


@BOTH
def test_terminal_escapes_and_bidi_controls_of_the_logs_are_shown_not_sent(write_case: CaseWriter, detectors: list[dict[str, Any]], lang: Language) -> None:
    hostile = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\u202eevil\r\n\x9b5i"
    titled = [d | {"title": {"en": hostile, "ja": hostile}} for d in detectors]
    text = summarize(write_case(actors=[("user", hostile, False)], detectors=titled), lang, True)
    assert len(text.splitlines()) == 10
    assert {unicodedata.category(c) for c in text.replace("\n", "")}.isdisjoint({"Cc", "Cf"})
    assert r"\x1b]52" in text


@pytest.mark.parametrize(
    ("people", "headline"),
    [
        ({"confirmed": 0}, "Responses to the attacker cover personal data of 488 people. At most 52,001 may be affected."),
        ({"confirmed": 0, "probable": 0}, "The logs cannot rule out that personal data of 1 person leaked. At most 52,001 may be affected."),
        ({"upper_bound": None}, "Personal data of 812 people was returned to the attacker. How many more is not known."),
        ({"confirmed": 0, "upper_bound": None}, "Personal data may have leaked; how many people are concerned is not known."),
        (
            {"confirmed": 0, "probable": 0, "possible": 0, "upper_bound": 0},
            "The logs given do not show that a mapped record was returned to an attacker. That is not proof that none was.",
        ),
    ],
)
def test_the_headline_says_no_more_than_the_evidence(write_case: CaseWriter, scope: dict[str, Any], people: dict[str, Any], headline: str) -> None:
    scope["people"] |= people
    assert headline_of(summarize(write_case(scope=scope), "en", True)) == f"[Critical] {headline}"


@BOTH
def test_a_case_without_incidents_never_says_that_nothing_leaked(write_case: CaseWriter, lang: Language) -> None:
    first = headline_of(summarize(write_case(serious=False, scan=False), lang, False))
    assert ("not proof" if lang == "en" else "証明ではありません") in first


def test_fewer_people_behind_keys_written_differently_are_told(write_case: CaseWriter, scope: dict[str, Any]) -> None:
    scope["people"]["range"] = [1200, 52_001]
    told = "(at least 1,200 people if keys that differ only in writing are one person's)"
    assert told in " ".join(summarize(write_case(scope=scope), "en", True).split())


RESULTS = pytest.mark.parametrize(("name", "command"), [("scope.json", "scope"), ("incidents.json", "detect"), ("detection.json", "detect")])


@RESULTS
@pytest.mark.parametrize(
    "content", ["{", "[]", "null", "{}", '{"incidents": [{}], "detectors": [{}], "people": {}}', '{"incidents": 1, "detectors": "x", "people": 3}']
)
def test_a_damaged_result_is_one_sentence_with_its_file_and_the_command_that_makes_it_again(
    write_case: CaseWriter, name: str, command: str, content: str
) -> None:
    case = write_case()
    (case.path / name).write_text(content, encoding="utf-8")
    for ask in (lambda: summarize(case, "en", True), lambda: write_html(case, "ja")):
        with pytest.raises(CaseError) as caught:
            ask()
        message = str(caught.value)
        assert message.startswith(f"{case.path / name}: is damaged (")
        assert message.endswith(f"; run 'breachscope {command} --case {case.path}' again")
        assert "\n" not in message


@RESULTS
def test_a_missing_result_is_one_sentence_with_the_command_that_makes_it(write_case: CaseWriter, name: str, command: str) -> None:
    case = write_case()
    (case.path / name).unlink()
    with pytest.raises(CaseError, match=f"{name}: is missing; run 'breachscope {command} --case"):
        summarize(case, "en", True)


@pytest.mark.parametrize(
    ("name", "old", "new", "what"),
    [
        ("scope.json", '"upper_bound": 52001', '"upper_bound": "many"', "upper_bound is 'many'"),
        ("scope.json", '"key": "customer_id"', '"kay": "customer_id"', "it lacks 'key'"),
        ("incidents.json", '"level": "critical"', '"level": 5', "level"),
        ("incidents.json", '"attack": [', '"attack": 7, "x": [', "'int' object is not iterable"),
        ("detection.json", '"id": "auth/spray"', '"id": "auth/spry"', "it lacks 'auth/spray'"),
        ("detection.json", '"findings": 1', '"findings": null', "findings is None"),
    ],
)
def test_one_wrong_value_in_a_result_is_named(write_case: CaseWriter, name: str, old: str, new: str, what: str) -> None:
    case = write_case()
    text = (case.path / name).read_text(encoding="utf-8")
    assert old in text
    (case.path / name).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(CaseError) as caught:
        summarize(case, "en", True)
    assert f"{name}: is damaged (" in str(caught.value)
    assert what in str(caught.value)


def test_scope_with_a_map_is_made_again_with_a_map(write_case: CaseWriter) -> None:
    case = write_case()
    (case.path / "datamap.toml").write_text("", encoding="utf-8")
    (case.path / "scope.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CaseError, match=r"run 'breachscope scope --case \S+ --map MAP' again"):
        summarize(case, "en", True)


def test_an_empty_case_is_an_error_and_not_an_answer(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="is missing; run 'breachscope detect"):
        summarize(Case.create_or_open(tmp_path / "empty"), "en", False)


def _input(lines: int, *, skipped: int = 0, rejected: int = 0) -> tuple[Source, ...]:
    """One web log of that many lines."""
    events = lines - skipped - rejected
    return (
        Source(
            id=1,
            path="/evidence/app.log",
            name="app.log",
            sha256=f"{1:064x}",
            content_sha256=f"{1:064x}",
            size=lines,
            mtime="2026-08-31T00:00:00Z",
            compression="none",
            encoding="utf-8",
            newline="lf",
            formats={},
            confidence=0.0,
            tz="UTC",
            first_ts="2026-08-29T00:00:00Z" if events else None,
            last_ts="2026-08-29T01:00:00Z" if events else None,
            lines=lines,
            event_lines=events,
            skipped={"comment": skipped} if skipped else {},
            rejected=rejected,
            events={"web": events} if events else {},
            files={},
        ),
    )


@pytest.fixture
def quiet_scope(mapless_scope: dict[str, Any]) -> dict[str, Any]:
    return mapless_scope | {"incidents": [], "coverage": []}


@pytest.mark.parametrize(
    ("lang", "skipped", "rejected", "headline"),
    [
        ("en", 0, 300, "None of the 300 lines could be read: nothing was examined. That is not proof that nothing happened."),
        ("ja", 0, 300, "300行のうち1行も読み取れず、何も調べていません。これは何も起きなかった証明ではありません。"),
        ("en", 300, 0, "All 300 lines are of kinds that carry no access: nothing was examined. That is not proof that nothing happened."),
        ("en", 100, 200, "None of the 300 lines tells of an access (200 lines could not be read, 100 lines skipped): nothing was examined."),
    ],
)
def test_logs_of_which_no_line_could_be_examined_are_never_called_quiet(
    write_case: CaseWriter, quiet_scope: dict[str, Any], detectors: list[dict[str, Any]], lang: Language, skipped: int, rejected: int, headline: str
) -> None:
    blind = [d | {"evaluable": False, **no_events("requests")} for d in detectors]
    sources = _input(300, skipped=skipped, rejected=rejected)
    text = summarize(write_case(scope=quiet_scope, sources=sources, serious=False, scan=False, detectors=blind), lang, False)
    assert headline_of(text) == headline
    lines = text.splitlines()
    assert "breachscope formats test FILE" in lines[-1]
    assert "--formats" in lines[-1]
    assert "No incident" not in "\n".join(lines)
    assert "0 detectors" not in "\n".join(lines)


def test_events_that_no_detector_can_judge_are_never_called_quiet(write_case: CaseWriter, quiet_scope: dict[str, Any], detectors: list[dict[str, Any]]) -> None:
    blind = [d | {"evaluable": False, **no_events("logins")} for d in detectors]
    text = summarize(write_case(scope=quiet_scope, sources=_input(22), serious=False, scan=False, detectors=blind), "en", False)
    assert text.splitlines()[0] == "No detector could judge these logs: whether there was an incident is not known."
    assert "none looked for: no detector could judge these logs" in text


@pytest.mark.parametrize(("rejected", "is_told"), [(16, True), (3, True), (2, False)])
def test_the_headline_tells_of_unreadable_lines_beyond_a_tenth(write_case: CaseWriter, quiet_scope: dict[str, Any], rejected: int, is_told: bool) -> None:
    sources = _input(22, rejected=rejected)
    first = summarize(write_case(scope=quiet_scope, sources=sources, serious=False, scan=False), "en", False)
    assert (f"{rejected} of 22 lines could not be read." in first.split("What ")[0].replace("\n", " ")) == is_told


@pytest.mark.parametrize(
    ("lang", "told"),
    [
        ("en", "2 detectors could not judge: no connections in the logs (net/egress-volume, net/port-scan)"),
        ("ja", "検知規則2種を評価できない：通信の記録がログにない（net/egress-volume、net/port-scan）"),
    ],
)
def test_detectors_that_could_not_judge_are_named_with_the_reason_in_words(
    write_case: CaseWriter, scope: dict[str, Any], detectors: list[dict[str, Any]], lang: Language, told: str
) -> None:
    scope["incidents"][0]["holes"] = []
    changed = [d | (no_events("network") if d["id"].startswith("net/") else {"reason_code": None}) for d in detectors]
    changed = [d | {"evaluable": d["reason_code"] is None} for d in changed]
    case = write_case(scope=scope, detectors=changed)
    assert told in write_html(case, lang).read_text(encoding="utf-8")
    assert told[: told.index("net/")] in summarize(case, lang, True)


@BOTH
@pytest.mark.parametrize("map_given", [True, False])
def test_of_many_incidents_the_gravest_is_named_with_what_to_trace_first(write_case: CaseWriter, lang: Language, map_given: bool) -> None:
    case = write_case()
    path = case.path / "incidents.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"level": "low"', '"level": "medium"'), encoding="utf-8")
    lines = summarize(case, lang, map_given).splitlines()
    what = "".join(lines[1:3])
    counts = "gravest of 2 incidents (1 critical, 1 medium): " if lang == "en" else "2件（重大 1件、中 1件）のうち最も重いもの："
    assert counts + "I-00000000000b" in what
    assert "2026-08-30 01:01:00" in what
    assert ("Bulk export" if lang == "en" else "一括エクスポート") in "".join(lines[1:4])
    assert f"breachscope trace --case {case.path} finding F-000000000004" in lines[-1]


@pytest.mark.parametrize(("lang", "told"), [("en", "2026-08-30 02:00:00 UTC+09:00 (JST)"), ("ja", "2026-08-30 02:00:00（日本時間、UTC+09:00）")])
def test_an_incident_of_one_moment_has_a_moment_and_no_length(write_case: CaseWriter, lang: Language, told: str) -> None:
    line = next(x for x in summarize(write_case(edit_rows=_at_once), lang, True).splitlines() if x.startswith(("When", "いつ")))
    assert line.partition("  ")[2].lstrip().removesuffix("; 1 gap in the logs then").removesuffix(" ／ ログに欠落1か所") == told


def _at_once(row: list[Any]) -> list[Any]:
    row[7] = row[8] = 1560
    return row
