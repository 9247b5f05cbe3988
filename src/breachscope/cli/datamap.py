"""The data map: init, check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from breachscope.cli.options import case_option, json_option, require_file
from breachscope.console import harmless, make_private, print_json
from breachscope.errors import UsageError


@click.group("map")
def map_group() -> None:
    """The data map: draft it, check it."""


@map_group.command("init")
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@case_option
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
@case_option
@json_option
def map_check(map_path: Path, case_path: Path, as_json: bool) -> None:
    """Explain what the map matches in the case and what it does not, with counts."""
    from breachscope.case import Case
    from breachscope.scope import check_map, load_datamap

    require_file(map_path, "'breachscope map init' drafts a data map")
    check = check_map(Case.open(case_path), load_datamap(map_path))
    if as_json:
        print_json(check.as_json())
    else:
        click.echo(harmless(check.text()))
