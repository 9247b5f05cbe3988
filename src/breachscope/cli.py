"""The command line: options → call → print → exit code. Results go to stdout, everything else to stderr.

Exit codes: 0 done · 1 failed, or some input could not be read · 2 wrong usage · 3 findings at or above ``--fail-on``.
"""

from __future__ import annotations

import gc
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import click

from breachscope import __version__
from breachscope.console import choose_progress, harmless, make_private, print_json, print_table
from breachscope.errors import BreachscopeError, CaseError, ContentErrors, UsageError, did_you_mean
from breachscope.hostile import visible
from breachscope.progress import Progress
from breachscope.schema import LEVELS

if TYPE_CHECKING:
    from breachscope.case import Case, Source
    from breachscope.detect import DetectOptions
    from breachscope.ingest import IngestOptions, IngestResult
    from breachscope.scope import DataMap

DEFAULT_CASE = Path("breachscope-case")
SETTINGS = Path("breachscope.toml")
_FAILED, _FOUND = 1, 3
_UNREAD_HINT = "'breachscope formats new' drafts a format of JSON lines, key=value pairs or a table; --log-format takes a web server's own string"

Lang = Literal["ja", "en"]
Command = Callable[..., Any]


def _default_lang() -> Lang:
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ja" if spoken.startswith("ja") else "en"


def _case_option(function: Command) -> Command:
    kind = click.Path(path_type=Path)
    return click.option("--case", "case_path", type=kind, default=DEFAULT_CASE, show_default=True, metavar="DIR", help="The case folder.")(function)


def _json_option(function: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(function)


def _lang_option(function: Command) -> Command:
    return click.option("--lang", type=click.Choice(["ja", "en"]), default=_default_lang, show_default="from the locale", help="Language for people.")(function)


def _formats_option(function: Command) -> Command:
    kind = click.Path(path_type=Path)
    return click.option("--formats", "formats_dirs", type=kind, multiple=True, metavar="DIR", help="Folder with formats of your own.")(function)


def _log_format_option(function: Command) -> Command:
    told = "Apache's LogFormat or nginx's log_format, as configured; may be repeated."
    return click.option("--log-format", "log_formats", metavar="STRING", multiple=True, help=told)(function)


def _tz_option(function: Command) -> Command:
    return click.option("--tz", metavar="ZONE", help="Zone of times that carry none, such as Asia/Tokyo.")(function)


def _detectors_option(function: Command) -> Command:
    kind = click.Path(path_type=Path)
    return click.option("--detectors", "detectors_dirs", type=kind, multiple=True, metavar="DIR", help="Folder with detectors of your own.")(function)


def _map_option(function: Command) -> Command:
    kind = click.Path(path_type=Path)
    return click.option("--map", "map_path", type=kind, metavar="FILE", help="The data map: tables, routes and stores.")(function)


def _ingest_options(function: Command) -> Command:
    for option in (
        click.option("--threads", type=click.IntRange(1, 256), help="Threads to read with (default: all processors)."),
        _log_format_option,
        click.option(
            "--trusted-proxy", "trusted_proxies", metavar="CIDR", multiple=True, help="Address or network whose X-Forwarded-For is believed; may be repeated."
        ),
        click.option(
            "--sources", "sources_file", type=click.Path(path_type=Path), metavar="FILE", help="Settings of single inputs (default: sources.toml in the case)."
        ),
        click.option("--unbounded", is_flag=True, help="Read a compressed input to its end, however far it expands."),
        click.option("--format", "only_format", metavar="ID", help="Read every input as this format."),
        click.option("--reference-date", type=click.DateTime(["%Y-%m-%d"]), help="No event is later than this day; for years that logs leave out."),
        click.option("--year", type=click.IntRange(1970, 2199), help="Year of the last line of logs that write none."),
        _tz_option,
    ):
        function = option(function)
    return _formats_option(function)


def _settings_option(function: Command) -> Command:
    kind = click.Path(path_type=Path)
    return click.option("--settings", "settings_path", type=kind, metavar="FILE", help=f"Settings file (default: {SETTINGS} if it is there).")(function)


def _detect_options(function: Command) -> Command:
    for option in (
        click.option("--fail-on", type=click.Choice(LEVELS), help="Exit with 3 when a finding has this level or a higher one."),
        click.option("--set", "settings", multiple=True, metavar="DETECTOR.NAME=VALUE", help="A detector's parameter."),
        click.option("--only", multiple=True, metavar="DETECTOR", help="Run only this detector; may be repeated."),
    ):
        function = option(function)
    return _detectors_option(function)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="breachscope")
def cli() -> None:
    """Exported logs and customer tables in, a defensible answer out: what happened, which records, how many people."""


@cli.command()
@click.argument("logs", nargs=-1, required=True)
@_case_option
@_map_option
@_ingest_options
@_detect_options
@_settings_option
@_lang_option
@_json_option
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
    detection = _detection(options)
    datamap = _load_map(map_path)
    case, result = _ingest(case_path, logs, _reading(options), progress)
    pipeline.detect_incidents(case, detection, progress)
    pipeline.measure_scope(case, datamap, progress)
    pipeline.write_report(case, lang)
    if as_json:
        _print_file(case, "scope.json")
    else:
        click.echo(summarize(case, lang, map_given=datamap is not None))
    _finish(case, result.errors, fail_on)


@cli.command()
@click.argument("logs", nargs=-1, required=True)
@_case_option
@_ingest_options
@_settings_option
@_json_option
def ingest(logs: Sequence[str], case_path: Path, as_json: bool, **options: Any) -> None:
    """Read logs into the case: typed event tables, rejects, manifest."""
    case, result = _ingest(case_path, logs, _reading(options), choose_progress())
    if as_json:
        print_json([_source_summary(s) for s in case.sources()])
    else:
        for source in result.added:
            click.echo(_told(source))
        if result.unchanged:
            click.echo(f"{_counted(len(result.unchanged), 'input')} in the case already, unchanged")
    _finish(case, result.errors)


@cli.command()
@_case_option
@_detect_options
@_settings_option
@_json_option
def detect(case_path: Path, fail_on: str | None, as_json: bool, **options: Any) -> None:
    """Run the detectors over the case and link their findings to incidents."""
    from breachscope import pipeline
    from breachscope.case import Case

    case = Case.open(case_path)
    pipeline.detect_incidents(case, _detection(options), choose_progress())
    if as_json:
        _print_file(case, "incidents.json")
    else:
        _print_findings(case)
    _finish(case, (), fail_on)


@cli.command()
@_case_option
@_map_option
@_lang_option
@_json_option
def scope(case_path: Path, map_path: Path | None, lang: Lang, as_json: bool) -> None:
    """Measure which records and people the incidents exposed. Without --map, the map of the last run is used."""
    from breachscope import pipeline
    from breachscope.case import MANIFEST, Case
    from breachscope.detect import OUTPUTS
    from breachscope.report import summarize

    case = Case.open(case_path)
    made_before = [MANIFEST, *OUTPUTS]
    used = made_before if map_path else ["scope.json"] if as_json else [*made_before, "scope.json"]
    changed = _changed_results(case, used)
    # An answer that was made without a map can be made again; one that was made with a map must not give way to one without.
    is_lost = not (case.path / "scope.json").is_file() or ("scope.json" in changed and not (case.path / "datamap.toml").is_file())
    if map_path or is_lost:
        _require(case, "incidents.json", "detect")
        pipeline.measure_scope(case, _load_map(map_path), choose_progress())
    if as_json:
        _print_file(case, "scope.json")
    else:
        click.echo(summarize(case, lang, map_given=(case.path / "datamap.toml").is_file()))


@cli.command()
@_case_option
@_lang_option
def report(case_path: Path, lang: Lang) -> None:
    """Write the HTML report of the case and print where it is."""
    from breachscope import pipeline
    from breachscope.case import MANIFEST, Case
    from breachscope.detect import OUTPUTS

    case = Case.open(case_path)
    _require(case, "scope.json", "scope")
    _changed_results(case, [MANIFEST, *OUTPUTS, *pipeline.SCOPE_FILES])
    click.echo(str(pipeline.write_report(case, lang)))


@cli.command()
@click.argument("kind", type=click.Choice(["person", "record", "finding", "event"]))
@click.argument("identifier", metavar="ID")
@_case_option
@_json_option
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many raw lines.")
def trace(kind: str, identifier: str, case_path: Path, as_json: bool, limit: int) -> None:
    """Show the raw lines behind a person, a record (TABLE:KEY), a finding or an event."""
    from breachscope.case import MANIFEST, Case
    from breachscope.trace import FILES_READ, trace_events, trace_reasons

    case = Case.open(case_path)
    _changed_results(case, [MANIFEST, *FILES_READ[kind]])
    reasons, event_ids = trace_reasons(case, kind, identifier)
    lines = trace_events(case, event_ids[:limit])
    if as_json:
        print_json({"reasons": reasons, "events": len(event_ids), "lines": [line.as_json() for line in lines]})
        return
    for reason in reasons:
        click.echo(visible(" · ".join(f"{k} {v}" for k, v in reason.items())))
    for line in lines:
        click.echo(visible(f"{line.source.path}:{line.line}: {line.text}"))
    if len(event_ids) > limit:
        click.echo(f"{len(event_ids) - limit} more events; give --limit {len(event_ids)}", err=True)


@cli.command()
@_case_option
@_json_option
def verify(case_path: Path, as_json: bool) -> None:
    """Re-hash inputs and results, check the custody chain, and name what differs."""
    from breachscope.case import Case

    case = Case.open(case_path)
    findings = case.verify()
    if as_json:
        print_json([{"what": f.what, "path": f.path, "detail": f.detail} for f in findings])
    for finding in findings:
        click.echo(visible(f"{finding.what}: {finding.path}: {finding.detail}"), err=as_json)
    if findings:
        sys.exit(_FAILED)
    if not as_json:
        click.echo(f"nothing differs: {len(case.sources())} inputs, every result and the custody chain are as recorded")
        count, head = case.custody_head()
        click.echo(f"the chain ends with record {count}, {head}; note this hash outside the case: without it a chain cut at its end cannot be told")


@cli.command()
@click.argument("sql")
@_case_option
@click.option("--format", "form", type=click.Choice(["table", "csv", "json", "parquet"]), help="Default: table on a terminal, csv on a pipe.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file (mode 0600) instead of stdout; parquet needs it.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="Rows of a table on the terminal.")
def query(sql: str, case_path: Path, form: str | None, output: Path | None, limit: int) -> None:
    """Run one SELECT over web, auth, network, data_access, rejects, findings, evidence, exposures and people; 'DESCRIBE web' names columns."""
    from breachscope import query as queries
    from breachscope.case import Case

    case = Case.open(case_path)
    form = form or ("table" if sys.stdout.isatty() and output is None else "csv")
    if form == "parquet" and output is None:
        raise UsageError("--format parquet needs --output FILE")
    # Not in the case: evidence is kept on media that cannot be written.
    with TemporaryDirectory(prefix="breachscope-") as scratch:
        batches = queries.query_case(case, sql, Path(scratch))
        if form == "parquet" and output is not None:
            make_private(output)
            queries.write_parquet(batches, output)
        elif form == "table":
            print_table(batches, limit)
        else:
            write = queries.write_csv if form == "csv" else queries.write_json_lines
            if output is None:
                write(batches, sys.stdout)
            else:
                make_private(output)
                with output.open("w", encoding="utf-8", newline="") as handle:
                    write(batches, handle)


@cli.group()
def formats() -> None:
    """Log formats: list, show, test, draft new ones."""


@formats.command("list")
@_formats_option
@_json_option
def formats_list(formats_dirs: tuple[Path, ...], as_json: bool) -> None:
    """List every known format."""
    from breachscope.ingest import load_formats

    known = load_formats(formats_dirs).formats
    if as_json:
        rows = [{"id": f.id, "kind": f.kind, "table": f.table, "title": f.title, "order": f.order} for f in known]
        print_json(rows)
        return
    for fmt in known:
        click.echo(f"{fmt.id:16} {fmt.table or 'several':12} {fmt.title}")


@formats.command("show")
@click.argument("identifier", metavar="ID")
@_formats_option
def formats_show(identifier: str, formats_dirs: tuple[Path, ...]) -> None:
    """Print the file of one format."""
    from breachscope.ingest import load_formats

    click.echo(load_formats(formats_dirs)[identifier].path.read_text(encoding="utf-8"), nl=False)


@formats.command("test")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--rows", type=click.IntRange(0), default=3, show_default=True, help="Events to show.")
@_log_format_option
@_tz_option
@_formats_option
def formats_test(path: Path, rows: int, formats_dirs: tuple[Path, ...], tz: str | None, log_formats: tuple[str, ...]) -> None:
    """Tell how FILE, or each member of an archive, would be read; for a format's own TOML file, check its samples."""
    from breachscope.ingest import check_samples, load_formats, try_file, with_log_formats
    from breachscope.timestamps import Zone

    _require_file(path, "formats test wants a log, an archive of logs, or a format's TOML file")
    if path.suffix == ".toml":
        catalog = load_formats([*formats_dirs, path.parent])
        faults = check_samples(catalog[path.stem], catalog)
        for fault in faults:
            click.echo(visible(fault), err=True)
        if faults:
            sys.exit(_FAILED)
        click.echo(f"{path}: {_counted(len(catalog[path.stem].samples), 'sample')} read as expected")
        return
    known = with_log_formats(load_formats(formats_dirs), log_formats)
    is_read = True
    for place, trial in try_file(path, known, Zone.named(tz) if tz else None):
        tried = f"confidence {trial.confidence:.0%}, {trial.encoding}, {_counted(trial.lines, 'line')} tried"
        click.echo(visible(f"{place}: {trial.format or 'no known format'}, {tried}"))
        for counted in (trial.formats, trial.skipped, trial.rejected):
            for name, count in counted.items():
                click.echo(f"  {count:>8} {visible(name)}")
        for event in trial.events[:rows]:
            click.echo(visible(json.dumps(event, ensure_ascii=False, default=str)))
        if trial.problem:
            click.echo(f"breachscope: {visible(f'{place}: {trial.problem}')}", err=True)
        elif trial.format is None and trial.lines:
            click.echo(f"breachscope: {visible(place)}: {_UNREAD_HINT}", err=True)
        is_read = is_read and trial.format is not None and trial.problem is None
    if not is_read:
        sys.exit(_FAILED)


@formats.command("new")
@click.argument("sample", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write; by default the sample's name with .toml, here.")
def formats_new(sample: Path, output: Path | None) -> None:
    """Draft a format from SAMPLE lines: JSON objects, key=value pairs, or a table with a header."""
    from breachscope.ingest import new_format

    _require_file(sample, "formats new wants a file of sample lines")
    output = output or Path(f"{re.sub(r'[^a-z0-9_]+', '_', sample.stem.lower()).strip('_') or 'mine'}.toml")
    new_format(sample, output)
    click.echo(str(output))
    click.echo(f"check every column and expected value in it by hand, then 'breachscope formats test {output}'", err=True)


@cli.group()
def detectors() -> None:
    """Detectors: list, show, test, make new ones."""


@detectors.command("list")
@_detectors_option
@_lang_option
@_json_option
def detectors_list(detectors_dirs: tuple[Path, ...], lang: Lang, as_json: bool) -> None:
    """List every detector."""
    from dataclasses import asdict

    from breachscope.detect import list_detectors, load_catalog

    rows = list_detectors(load_catalog(detectors_dirs), lang)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    for row in rows:
        click.echo(f"{row.id:26} {row.level:9} {row.stage:15} {', '.join(row.attack):24} {row.title}")


@detectors.command("show")
@click.argument("identifier", metavar="ID")
@_detectors_option
@_lang_option
def detectors_show(identifier: str, detectors_dirs: tuple[Path, ...], lang: Lang) -> None:
    """Describe one detector: what it sees, thresholds, false positives, its SQL."""
    from breachscope.detect import find_detector, load_catalog, show_detector

    click.echo(show_detector(find_detector(load_catalog(detectors_dirs), identifier), lang), nl=False)


@detectors.command("test")
@click.argument("names", nargs=-1, metavar="[ID or FOLDER]…")
@_detectors_option
@_formats_option
def detectors_test(names: Sequence[str], detectors_dirs: tuple[Path, ...], formats_dirs: tuple[Path, ...]) -> None:
    """Run fires*.log and quiet*.log of detectors (default: all) through the real pipeline."""
    from breachscope.detect import check_detector, find_detector, load_catalog

    catalog = load_catalog(detectors_dirs)
    passed = True
    for detector in [find_detector(catalog, name) for name in names] or catalog.detectors:
        for tried in check_detector(detector, formats_dirs):
            wanted = "must fire" if tried.must_fire else "must stay quiet"
            told = f"{tried.log.name} {wanted}: {tried.findings} findings" + (f", {tried.rejected} lines rejected" if tried.rejected else "")
            click.echo(f"{'ok  ' if tried.passed else 'FAIL'} {detector.id}: {told}" + (f" ({tried.reason})" if tried.reason else ""))
            passed = passed and tried.passed
    if not passed:
        sys.exit(_FAILED)


@detectors.command("new")
@click.argument("identifier", metavar="FAMILY/NAME")
@click.option("--detectors", "directory", type=click.Path(path_type=Path), default=Path("detectors"), show_default=True, help="Folder to make it in.")
def detectors_new(identifier: str, directory: Path) -> None:
    """Make the folder of a new detector: a query that works on its two logs, and texts that say what to write."""
    from breachscope.detect import new_detector

    folder = new_detector(identifier, directory)
    click.echo(str(folder))
    click.echo(f"replace what begins with REPLACE: in {folder / 'detector.yaml'}; 'breachscope detectors test {folder}' names what is left", err=True)


@cli.group("map")
def map_group() -> None:
    """The data map: draft it, check it."""


@map_group.command("init")
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@_case_option
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write here instead of stdout; an existing file is kept.")
def map_init(tables: Sequence[Path], case_path: Path, output: Path | None) -> None:
    """Draft a data map from customer TABLES and the requests that the case has seen."""
    from breachscope.case import Case
    from breachscope.scope import init_map

    draft = init_map(Case.open(case_path), tables, (output or Path("datamap.toml")).parent)
    if output is None:
        click.echo(draft, nl=False)
        return
    if output.exists():
        raise UsageError("exists already; choose another --output", path=output)
    make_private(output)
    output.write_text(draft, encoding="utf-8")
    click.echo(str(output))


@map_group.command("check")
@click.argument("map_path", type=click.Path(path_type=Path), metavar="FILE")
@_case_option
@_json_option
def map_check(map_path: Path, case_path: Path, as_json: bool) -> None:
    """Explain what the map matches in the case and what it does not, with counts."""
    from breachscope.case import Case
    from breachscope.scope import check_map, load_datamap

    _require_file(map_path, "'breachscope map init' drafts a data map")
    check = check_map(Case.open(case_path), load_datamap(map_path))
    if as_json:
        print_json(check.as_json())
    else:
        click.echo(harmless(check.text()))


@cli.command()
@click.option(
    "--case", "case_path", type=click.Path(path_type=Path), default=Path("demo-case"), show_default=True, metavar="DIR", help="Where to put the case."
)
@_lang_option
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


def _reading(options: Mapping[str, Any]) -> IngestOptions:
    from breachscope.ingest import IngestOptions, read_trusted_proxies

    settings = _settings_file(options)
    reference: datetime | None = options["reference_date"]
    if options["sources_file"]:
        _require_file(options["sources_file"], "--sources wants a TOML file of settings")
    return IngestOptions(
        tz=options["tz"],
        year=options["year"],
        reference_date=reference.date() if reference else None,
        formats_dirs=tuple(options["formats_dirs"]),
        threads=options["threads"],
        only_format=options["only_format"],
        log_formats=tuple(options["log_formats"]),
        sources_file=options["sources_file"],
        trusted_proxies=tuple(options["trusted_proxies"]) or (read_trusted_proxies(settings) if settings else ()),
        unbounded=options["unbounded"],
    )


def _detection(options: Mapping[str, Any]) -> DetectOptions:
    from breachscope.detect import DetectOptions, Settings, load_catalog, merge_parameters, read_settings

    catalog = load_catalog(options["detectors_dirs"])
    path = _settings_file(options)
    settings = read_settings(path, catalog, ["ingest"]) if path else Settings()
    for name in options["only"]:
        if name not in catalog:
            raise UsageError(f"there is no detector {name!r}{did_you_mean(name, [d.id for d in catalog.detectors])}; see 'breachscope detectors list'")
    return DetectOptions(catalog, tuple(options["only"]), merge_parameters(catalog, settings, options["settings"]), settings.allow)


def _settings_file(options: Mapping[str, Any]) -> Path | None:
    path: Path | None = options["settings_path"] or (SETTINGS if SETTINGS.is_file() else None)
    if path:
        _require_file(path, "--settings wants a TOML file")
    return path


def _require_file(path: Path, wanted: str) -> None:
    """Raise UsageError, with the nearest name beside it, when ``path`` is no file."""
    if path.is_dir():
        raise UsageError(f"is a folder; {wanted}", path=path)
    if not path.is_file():
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError(f"does not exist{did_you_mean(path.name, names)}; {wanted}", path=path)


def _load_map(path: Path | None) -> DataMap | None:
    if path is None:
        return None
    _require_file(path, "--map wants a data map, which 'breachscope map init' drafts")
    from breachscope.scope import load_datamap

    return load_datamap(path)


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


def _finish(case: Case, errors: Iterable[BreachscopeError], fail_on: str | None = None) -> None:
    if fail_on:
        import pyarrow.parquet as pq

        levels = set(pq.read_table(case.path / "findings.parquet", columns=["level"])["level"].to_pylist())
        if levels & set(LEVELS[LEVELS.index(fail_on) :]):
            sys.exit(_FOUND)
    if list(errors):
        sys.exit(_FAILED)


def _require(case: Case, name: str, command: str) -> None:
    if not (case.path / name).is_file():
        raise UsageError(f"the case has no {name} yet; run 'breachscope {command} --case {case.path}' first")


def _changed_results(case: Case, names: Sequence[str]) -> list[str]:
    """Those of ``names`` that were changed since they were recorded in custody, each with a warning: they are used all the same."""
    progress = choose_progress()
    try:
        changed = case.changed(names)
    except CaseError as error:
        progress.warn(f"{error}; run 'breachscope verify --case {case.path}'")
        return []
    for name in changed:
        progress.warn(f"{case.path / name}: is not as breachscope recorded it; run 'breachscope verify --case {case.path}' before you rely on it")
    return changed


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def _told(source: Source) -> str:
    formats = ", ".join(f"{name} {count:,}" for name, count in source.formats.items()) or "no known format"
    skipped = sum(source.skipped.values())
    counts = f"{source.event_lines:,} events ({formats}), {skipped:,} skipped, {source.rejected:,} rejected"
    return visible(f"{source.name}: {source.lines:,} lines: {counts}; format confidence {source.confidence:.0%}")


def _source_summary(source: Source) -> dict[str, object]:
    from dataclasses import asdict

    return {k: v for k, v in asdict(source).items() if k not in ("files", "reading")}


def _print_findings(case: Case) -> None:
    import pyarrow.parquet as pq

    from breachscope.report import open_result

    rows = pq.read_table(case.path / "findings.parquet", columns=["level", "detector", "actor", "first_ts", "events", "incident_id"]).to_pylist()
    for row in rows:
        click.echo(
            visible(
                f"{row['level']:13} {row['detector']:26} {row['actor']:40} {row['first_ts']:%Y-%m-%d %H:%M:%SZ} {row['events']:>8,} events {row['incident_id']}"
            )
        )
    with open_result(case, "incidents.json") as told:
        click.echo(f"{len(rows)} findings, {len(told['incidents'])} incidents", err=True)


def _print_file(case: Case, name: str) -> None:
    from breachscope.report import open_result

    with open_result(case, name):
        text = (case.path / name).read_text(encoding="utf-8")
    click.echo(text, nl=False)


def _complain(error: BreachscopeError) -> None:
    messages = [str(e) for e in error.errors] if isinstance(error, ContentErrors) else [str(error)]
    for message in messages:
        click.echo(f"breachscope: error: {visible(message)}", err=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the one place where errors become messages and exit codes."""
    # Blocks of a log are read side by side already; threads within that work would only stand in each other's way.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    # A run makes many objects and few cycles.
    gc.set_threshold(100_000)
    try:
        cli.main(args=list(arguments) if arguments is not None else None, prog_name="breachscope", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("breachscope: stopped; what was ingested is kept, the next run goes on from there", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAILED)
    except BreachscopeError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("BREACHSCOPE_DEBUG"):
            raise
        if type(error).__module__.partition(".")[0] in ("pyarrow", "polars", "duckdb"):
            click.echo(f"breachscope: a file of the case seems to be damaged ({visible(' '.join(str(error).split())[:300])})", err=True)
            click.echo("'breachscope verify' names it; run the stages again in a new case. If verify finds nothing, please report this.", err=True)
            sys.exit(_FAILED)
        click.echo(f"breachscope: a fault in breachscope itself: {type(error).__name__}: {visible(str(error)[:500])}", err=True)
        click.echo("Please report it; BREACHSCOPE_DEBUG=1 shows where it arose. Nothing that was ingested is lost.", err=True)
        sys.exit(_FAILED)


if __name__ == "__main__":
    main()
