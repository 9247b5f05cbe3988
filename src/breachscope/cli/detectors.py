"""Detectors: list, show, test, new."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from breachscope.cli.options import Lang, detectors_option, formats_option, json_option, lang_option
from breachscope.cli.results import FAILED
from breachscope.console import print_columns, print_json


@click.group("detectors")
def detectors_group() -> None:
    """Detectors: list, show, test, make new ones."""


@detectors_group.command("list")
@detectors_option
@lang_option
@json_option
def detectors_list(detectors_dirs: tuple[Path, ...], lang: Lang, as_json: bool) -> None:
    """List every detector."""
    from dataclasses import asdict

    from breachscope.detect import list_detectors, load_catalog

    rows = list_detectors(load_catalog(detectors_dirs), lang)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_columns([(row.id, row.level, row.stage, ", ".join(row.attack), row.title) for row in rows])


@detectors_group.command("show")
@click.argument("identifier", metavar="ID")
@detectors_option
@lang_option
def detectors_show(identifier: str, detectors_dirs: tuple[Path, ...], lang: Lang) -> None:
    """Describe one detector: what it sees, thresholds, false positives, its SQL."""
    from breachscope.detect import find_detector, load_catalog, show_detector

    click.echo(show_detector(find_detector(load_catalog(detectors_dirs), identifier), lang), nl=False)


@detectors_group.command("test")
@click.argument("names", nargs=-1, metavar="[ID or FOLDER]…")
@detectors_option
@formats_option
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
        sys.exit(FAILED)


@detectors_group.command("new")
@click.argument("identifier", metavar="FAMILY/NAME")
@click.option("--detectors", "directory", type=click.Path(path_type=Path), default=Path("detectors"), show_default=True, help="Folder to make it in.")
def detectors_new(identifier: str, directory: Path) -> None:
    """Make the folder of a new detector: a query that works on its two logs, and texts that say what to write."""
    from breachscope.detect import new_detector

    folder = new_detector(identifier, directory)
    click.echo(str(folder))
    click.echo(f"replace what begins with REPLACE: in {folder / 'detector.yaml'}; 'breachscope detectors test {folder}' names what is left", err=True)
