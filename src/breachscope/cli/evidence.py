"""What lies behind the numbers: trace, verify, query."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from breachscope.cli.options import case_option, json_option
from breachscope.cli.results import FAILED, changed_results
from breachscope.console import make_private, print_json, print_table
from breachscope.errors import UsageError, counted
from breachscope.hostile import visible


@click.command()
@click.argument("kind", type=click.Choice(["person", "record", "finding", "event"]))
@click.argument("identifier", metavar="ID")
@case_option
@json_option
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many raw lines.")
def trace(kind: str, identifier: str, case_path: Path, as_json: bool, limit: int) -> None:
    """Show the raw lines behind a person, a record (TABLE:KEY), a finding or an event."""
    from breachscope.case import MANIFEST, Case
    from breachscope.trace import FILES_READ, trace_events, trace_reasons

    case = Case.open(case_path)
    changed_results(case, [MANIFEST, *FILES_READ[kind]])
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
        click.echo(f"{counted(len(event_ids) - limit, 'more event')}; give --limit {len(event_ids)}", err=True)


@click.command()
@case_option
@json_option
def verify(case_path: Path, as_json: bool) -> None:
    """Re-hash inputs and results, check the custody chain, and name what differs."""
    from breachscope.case import Case

    case = Case.open(case_path)
    differences = case.verify()
    if as_json:
        print_json([{"what": d.what, "path": d.path, "detail": d.detail} for d in differences])
    for difference in differences:
        click.echo(visible(f"{difference.what}: {difference.path}: {difference.detail}"), err=as_json)
    if differences:
        sys.exit(FAILED)
    if not as_json:
        click.echo(f"nothing differs: {counted(len(case.sources()), 'input')}, every result and the custody chain are as recorded")
        count, head = case.custody.head()
        click.echo(f"the chain ends with record {count}, {head}; note this hash outside the case: without it a chain cut at its end cannot be told")


@click.command()
@click.argument("sql")
@case_option
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
