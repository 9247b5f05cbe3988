"""The stages, one by one and in one go: run, ingest, detect, scope, report, demo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breachscope.cli.options import (
    Lang,
    asked_detection,
    asked_reading,
    case_option,
    detect_options,
    ingest_options,
    json_option,
    lang_option,
    load_map,
    map_option,
    settings_option,
)
from breachscope.cli.results import changed_results, finish, print_result, require_result
from breachscope.console import choose_progress, print_columns, print_json
from breachscope.errors import UsageError, counted
from breachscope.hostile import visible
from breachscope.progress import Progress

if TYPE_CHECKING:
    from breachscope.case import Case
    from breachscope.ingest import IngestOptions, IngestResult
    from breachscope.manifest import Source


@click.command()
@click.argument("logs", nargs=-1, required=True)
@case_option
@map_option
@ingest_options
@detect_options
@settings_option
@lang_option
@json_option
def run(
    logs: Sequence[str],
    case_path: Path,
    map_path: Path | None,
    lang: Lang,
    as_json: bool,
    fail_on: str | None,
    **options: Any,
) -> None:
    """Ingest, detect, scope and report in one go. LOGS are files, folders, globs, or - for a pipe."""
    from breachscope import pipeline
    from breachscope.report import summarize

    progress = choose_progress()
    detection = asked_detection(options)
    datamap = load_map(map_path)
    case, result = _ingest(case_path, logs, asked_reading(options), progress)
    pipeline.detect_incidents(case, detection, progress)
    pipeline.measure_scope(case, datamap, progress)
    pipeline.write_report(case, lang)
    if as_json:
        print_result(case, "scope.json")
    else:
        click.echo(summarize(case, lang, map_given=datamap is not None))
    finish(case, result.errors, fail_on)


@click.command()
@click.argument("logs", nargs=-1, required=True)
@case_option
@ingest_options
@settings_option
@json_option
def ingest(logs: Sequence[str], case_path: Path, as_json: bool, **options: Any) -> None:
    """Read logs into the case: typed event tables, rejects, manifest."""
    case, result = _ingest(case_path, logs, asked_reading(options), choose_progress())
    if as_json:
        print_json([_source_summary(s) for s in case.sources()])
    else:
        _tell_sources(result)
    finish(case, result.errors)


@click.command()
@case_option
@detect_options
@settings_option
@json_option
def detect(case_path: Path, fail_on: str | None, as_json: bool, **options: Any) -> None:
    """Run the detectors over the case and link their findings to incidents."""
    from breachscope import pipeline
    from breachscope.case import Case

    case = Case.open(case_path)
    pipeline.detect_incidents(case, asked_detection(options), choose_progress())
    if as_json:
        print_result(case, "incidents.json")
    else:
        _print_findings(case)
    finish(case, (), fail_on)


@click.command()
@case_option
@map_option
@lang_option
@json_option
def scope(case_path: Path, map_path: Path | None, lang: Lang, as_json: bool) -> None:
    """Measure which records and people the incidents exposed. Without --map, the map of the last run is used."""
    from breachscope import pipeline
    from breachscope.case import MANIFEST, Case
    from breachscope.detect import OUTPUTS
    from breachscope.report import summarize

    case = Case.open(case_path)
    made_before = [MANIFEST, *OUTPUTS]
    used = made_before if map_path else ["scope.json"] if as_json else [*made_before, "scope.json"]
    changed = changed_results(case, used)
    # An answer that was made without a map can be made again; one that was made with a map must not give way to one without.
    is_lost = not (case.path / "scope.json").is_file() or ("scope.json" in changed and not (case.path / "datamap.toml").is_file())
    if map_path or is_lost:
        require_result(case, "incidents.json", "detect")
        pipeline.measure_scope(case, load_map(map_path), choose_progress())
    if as_json:
        print_result(case, "scope.json")
    else:
        click.echo(summarize(case, lang, map_given=(case.path / "datamap.toml").is_file()))


@click.command()
@case_option
@lang_option
def report(case_path: Path, lang: Lang) -> None:
    """Write the HTML report of the case and print where it is."""
    from breachscope import pipeline
    from breachscope.case import MANIFEST, Case
    from breachscope.detect import OUTPUTS

    case = Case.open(case_path)
    require_result(case, "scope.json", "scope")
    changed_results(case, [MANIFEST, *OUTPUTS, *pipeline.SCOPE_FILES])
    click.echo(str(pipeline.write_report(case, lang)))


@click.command()
@click.option(
    "--case", "case_path", type=click.Path(path_type=Path), default=Path("demo-case"), show_default=True, metavar="DIR", help="Where to put the case."
)
@lang_option
@click.pass_context
def demo(context: click.Context, case_path: Path, lang: Lang) -> None:
    """Run the demo incident, an invented online shop, from logs to report."""
    from breachscope.demo import demo_folder

    folder = demo_folder()
    context.invoke(
        run,
        logs=[str(folder / "logs")],
        case_path=case_path,
        map_path=folder / "datamap.toml",
        lang=lang,
        as_json=False,
        fail_on=None,
        tz="Asia/Tokyo",
        year=2026,
        reference_date=None,
        only_format=None,
        log_formats=(),
        sources_file=None,
        trusted_proxies=(),
        unbounded=False,
        threads=None,
        formats_dirs=(folder / "formats",),
        detectors_dirs=(),
        only=(),
        settings=(),
        settings_path=None,
    )


def _ingest(case_path: Path, logs: Sequence[str], options: IngestOptions, progress: Progress) -> tuple[Case, IngestResult]:
    from breachscope.case import Case
    from breachscope.pipeline import ingest_logs

    case = Case.create_or_open(case_path)
    result = ingest_logs(case, logs, options, progress)
    for error in result.errors:
        click.echo(f"breachscope: {visible(str(error))}", err=True)
    if not case.sources():
        raise UsageError("there is nothing to work on: none of the inputs could be read")
    return case, result


def _tell_sources(result: IngestResult) -> None:
    """A line for each input that was read, one for all of them, and one for those known."""
    from breachscope.manifest import distinct_names

    names = distinct_names(result.added)
    for source in result.added:
        formats = ", ".join(f"{name} {count:,}" for name, count in source.formats.items())
        confidence = f"; format confidence {source.confidence:.0%}" if source.confidence else ""
        click.echo(visible(f"{names[source.id]}: {_counts([source], f' ({formats})' if formats else '')}{confidence}"))
    if len(result.added) > 1:
        click.echo(f"{counted(len(result.added), 'input')}: {_counts(result.added)}")
    if result.unchanged:
        click.echo(f"{counted(len(result.unchanged), 'input')} in the case already, unchanged")


def _counts(sources: Sequence[Source], formats: str = "") -> str:
    """What became of the lines of some sources, their events in these formats."""
    lines, events, rejected = (sum(getattr(s, name) for s in sources) for name in ("lines", "event_lines", "rejected"))
    skipped = sum(sum(s.skipped.values()) for s in sources)
    return f"{counted(lines, 'line')}: {counted(events, 'event')}{formats}, {skipped:,} skipped, {rejected:,} rejected"


def _source_summary(source: Source) -> dict[str, object]:
    from dataclasses import asdict

    return {k: v for k, v in asdict(source).items() if k not in ("files", "reading")}


def _print_findings(case: Case) -> None:
    import pyarrow.parquet as pq

    from breachscope.report import open_result

    rows = pq.read_table(case.path / "findings.parquet", columns=["level", "detector", "actor", "first_ts", "events", "incident_id"]).to_pylist()
    print_columns([(r["level"], r["detector"], r["actor"], f"{r['first_ts']:%Y-%m-%d %H:%M:%SZ}", f"{r['events']:>8,} events", r["incident_id"]) for r in rows])
    with open_result(case, "incidents.json") as told:
        click.echo(f"{counted(len(rows), 'finding')}, {counted(len(told['incidents']), 'incident')}", err=True)
