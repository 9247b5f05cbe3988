"""Log formats: list, show, test, new."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click

from breachscope.cli.options import formats_option, json_option, log_format_option, require_file, tz_option
from breachscope.cli.results import FAILED
from breachscope.console import print_columns, print_json
from breachscope.errors import counted
from breachscope.hostile import visible


@click.group("formats")
def formats_group() -> None:
    """Log formats: list, show, test, draft new ones."""


@formats_group.command("list")
@formats_option
@json_option
def formats_list(formats_dirs: tuple[Path, ...], as_json: bool) -> None:
    """List every known format."""
    from breachscope.ingest import load_formats

    known = load_formats(formats_dirs).formats
    if as_json:
        rows = [{"id": f.id, "kind": f.kind, "table": f.table, "title": f.title, "order": f.order} for f in known]
        print_json(rows)
        return
    print_columns([(f.id, f.table or "several", f.title) for f in known])


@formats_group.command("show")
@click.argument("identifier", metavar="ID")
@formats_option
def formats_show(identifier: str, formats_dirs: tuple[Path, ...]) -> None:
    """Print the file of one format."""
    from breachscope.ingest import load_formats

    click.echo(load_formats(formats_dirs)[identifier].path.read_text(encoding="utf-8"), nl=False)


@formats_group.command("test")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--rows", type=click.IntRange(0), default=3, show_default=True, help="Events to show.")
@log_format_option
@tz_option
@formats_option
def formats_test(path: Path, rows: int, formats_dirs: tuple[Path, ...], tz: str | None, log_formats: tuple[str, ...]) -> None:
    """Tell how FILE, or each member of an archive, would be read; for a format's own TOML file, check its samples."""
    from breachscope.ingest import check_samples, idle_log_formats, load_formats, try_file, with_log_formats
    from breachscope.timestamps import Zone

    require_file(path, "formats test wants a log, an archive of logs, or a format's TOML file")
    if path.suffix == ".toml":
        catalog = load_formats([*formats_dirs, path])
        faults = check_samples(catalog[path.stem], catalog)
        for fault in faults:
            click.echo(visible(fault), err=True)
        if faults:
            sys.exit(FAILED)
        click.echo(f"{path}: {counted(len(catalog[path.stem].samples), 'sample')} read as expected")
        return
    known = with_log_formats(load_formats(formats_dirs), log_formats)
    is_read = True
    used: set[str] = set()
    for place, trial in try_file(path, known, Zone.named(tz) if tz else None):
        read_as = f"{trial.format or 'no known format'}, confidence {trial.confidence:.0%}, {trial.encoding}, " if trial.lines else ""
        click.echo(visible(f"{place}: {read_as}{counted(trial.lines, 'line')} tried"))
        for fate, counts in (("events", trial.formats), ("skipped", trial.skipped), ("rejected", trial.rejected)):
            for name, count in counts.items():
                click.echo(f"  {count:>8,} {fate:8} {visible(name)}")
        for event in trial.events[:rows]:
            click.echo(visible(json.dumps(event, ensure_ascii=False, default=str)))
        for told in filter(None, (trial.problem, *trial.notes)):
            click.echo(f"breachscope: {visible(f'{place}: {told}')}", err=True)
        is_read = is_read and trial.problem is None
        used |= set(trial.formats)
    for sentence in idle_log_formats(log_formats, used):
        click.echo(f"breachscope: {visible(sentence)}", err=True)
    if not is_read:
        sys.exit(FAILED)


@formats_group.command("new")
@click.argument("sample", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write; by default the sample's name with .toml, here.")
def formats_new(sample: Path, output: Path | None) -> None:
    """Draft a format from SAMPLE lines: JSON objects, key=value pairs, or a table with a header."""
    from breachscope.ingest import new_format

    require_file(sample, "formats new wants a file of sample lines")
    output = output or Path(f"{re.sub(r'[^a-z0-9_]+', '_', sample.stem.lower()).strip('_') or 'mine'}.toml")
    new_format(sample, output)
    click.echo(str(output))
    click.echo(f"check every column and expected value in it by hand, then 'breachscope formats test {output}'", err=True)
