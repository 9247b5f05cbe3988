"""What the commands ask for in the same words: their shared options, and what these say together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from breachscope.errors import UsageError, did_you_mean
from breachscope.schema import LEVELS

if TYPE_CHECKING:
    from breachscope.detect import DetectOptions
    from breachscope.ingest import IngestOptions
    from breachscope.scope import DataMap

DEFAULT_CASE = Path("breachscope-case")
SETTINGS = Path("breachscope.toml")

Lang = Literal["ja", "en"]
Command = Callable[..., Any]


def _default_lang() -> Lang:
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ja" if spoken.startswith("ja") else "en"


def case_option(function: Command) -> Command:
    kind = click.Path(path_type=Path)
    return click.option("--case", "case_path", type=kind, default=DEFAULT_CASE, show_default=True, metavar="DIR", help="The case folder.")(function)


def json_option(function: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(function)


def lang_option(function: Command) -> Command:
    return click.option("--lang", type=click.Choice(["ja", "en"]), default=_default_lang, show_default="from the locale", help="Language for people.")(function)


def formats_option(function: Command) -> Command:
    kind = click.Path(path_type=Path)
    return click.option("--formats", "formats_dirs", type=kind, multiple=True, metavar="DIR", help="Folder with formats of your own, or one file.")(function)


def log_format_option(function: Command) -> Command:
    told = "Apache's LogFormat or nginx's log_format, as configured; may be repeated."
    return click.option("--log-format", "log_formats", metavar="STRING", multiple=True, help=told)(function)


def tz_option(function: Command) -> Command:
    return click.option("--tz", metavar="ZONE", help="Zone of times that carry none, such as Asia/Tokyo.")(function)


def detectors_option(function: Command) -> Command:
    kind = click.Path(path_type=Path)
    return click.option("--detectors", "detectors_dirs", type=kind, multiple=True, metavar="DIR", help="Folder with detectors of your own.")(function)


def map_option(function: Command) -> Command:
    kind = click.Path(path_type=Path)
    return click.option("--map", "map_path", type=kind, metavar="FILE", help="The data map: tables, routes and stores.")(function)


def ingest_options(function: Command) -> Command:
    for option in (
        click.option("--threads", type=click.IntRange(1, 256), help="Threads to read with (default: all processors)."),
        log_format_option,
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
        tz_option,
    ):
        function = option(function)
    return formats_option(function)


def settings_option(function: Command) -> Command:
    kind = click.Path(path_type=Path)
    return click.option("--settings", "settings_path", type=kind, metavar="FILE", help=f"Settings file (default: {SETTINGS} if it is there).")(function)


def detect_options(function: Command) -> Command:
    for option in (
        click.option("--fail-on", type=click.Choice(LEVELS), help="Exit with 3 when a finding has this level or a higher one."),
        click.option("--set", "settings", multiple=True, metavar="DETECTOR.NAME=VALUE", help="A detector's parameter."),
        click.option("--only", multiple=True, metavar="DETECTOR", help="Run only this detector; may be repeated."),
    ):
        function = option(function)
    return detectors_option(function)


def asked_reading(options: Mapping[str, Any]) -> IngestOptions:
    """What the command line and the settings file say of reading. Raises UsageError for a file that is not there."""
    from breachscope.ingest import IngestOptions, read_trusted_proxies

    settings = _settings_file(options)
    reference: datetime | None = options["reference_date"]
    if options["sources_file"]:
        require_file(options["sources_file"], "--sources wants a TOML file of settings")
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


def asked_detection(options: Mapping[str, Any]) -> DetectOptions:
    """What the command line and the settings file say of detecting. Raises UsageError for a detector or file that is not there."""
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
        require_file(path, "--settings wants a TOML file")
    return path


def require_file(path: Path, wanted: str) -> None:
    """Raise UsageError, with the nearest name beside it, when ``path`` is no file."""
    if path.is_dir():
        raise UsageError(f"is a folder; {wanted}", path=path)
    if not path.is_file():
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError(f"does not exist{did_you_mean(path.name, names)}; {wanted}", path=path)


def load_map(path: Path | None) -> DataMap | None:
    """The data map that ``--map`` names. Raises UsageError where it is no file, and DataMapError or ContentErrors for what is wrong in it."""
    if path is None:
        return None
    require_file(path, "--map wants a data map, which 'breachscope map init' drafts")
    from breachscope.scope import load_datamap

    return load_datamap(path)
