"""The command line: options → call → print → exit code. Results go to stdout, everything else to stderr.

Exit codes: 0 done · 1 failed, or some input could not be read · 2 wrong usage · 3 findings at or above ``--fail-on``.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from breachscope import __version__
from breachscope.cli.datamap import map_group
from breachscope.cli.detectors import detectors_group
from breachscope.cli.evidence import query, trace, verify
from breachscope.cli.formats import formats_group
from breachscope.cli.results import FAILED
from breachscope.cli.stages import demo, detect, ingest, report, run, scope
from breachscope.errors import BreachscopeError, ContentErrors
from breachscope.hostile import visible


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="breachscope")
def cli() -> None:
    """Exported logs and customer tables in, a defensible answer out: what happened, which records, how many people."""


for command in (run, ingest, detect, scope, report, trace, verify, query, formats_group, detectors_group, map_group, demo):
    cli.add_command(command)


def _complain(error: BreachscopeError) -> None:
    messages = [str(e) for e in error.errors] if isinstance(error, ContentErrors) else [str(error)]
    for message in messages:
        click.echo(f"breachscope: error: {visible(message)}", err=True)


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _drop_output() -> None:
    """Let what is still to be written to stdout go nowhere, so that the interpreter's last flush does not fail, too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, and end the process with its exit code.

    It ends at once: Arrow may still be reading a table ahead that nobody wants any more, and a thread of its own that asks an
    interpreter that is being taken down for anything aborts the process. So whatever a command holds is given back by the command.
    """
    code: str | int | None = 0
    try:
        _run(arguments)
    except SystemExit as ended:
        code = ended.code
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else FAILED)


def _run(arguments: Sequence[str] | None) -> None:
    """Run the command line; the one place where errors become messages and exit codes."""
    # Blocks of a log are read side by side already; threads within that work would only stand in each other's way.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    # A run makes many objects and few cycles.
    gc.set_threshold(100_000)
    try:
        try:
            cli.main(args=list(arguments) if arguments is not None else None, prog_name="breachscope", standalone_mode=False)
        finally:
            sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("breachscope: stopped; what was ingested is kept, the next run goes on from there", err=True)
        sys.exit(130)
    except BrokenPipeError:
        _drop_output()
        sys.exit(FAILED)
    except BreachscopeError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("BREACHSCOPE_DEBUG"):
            raise
        if isinstance(error, OSError) and error.filename is None and error.errno in _NO_ROOM:
            _drop_output()  # files of the case that cannot be written are told with their name
            click.echo(f"breachscope: error: the output cannot be written ({error.strerror}); free space, then run again", err=True)
            sys.exit(FAILED)
        if type(error).__module__.partition(".")[0] in ("pyarrow", "polars", "duckdb"):
            click.echo(f"breachscope: a file of the case seems to be damaged ({visible(' '.join(str(error).split())[:300])})", err=True)
            click.echo("'breachscope verify' names it; run the stages again in a new case. If verify finds nothing, please report this.", err=True)
            sys.exit(FAILED)
        click.echo(f"breachscope: a fault in breachscope itself: {type(error).__name__}: {visible(str(error)[:500])}", err=True)
        click.echo("Please report it; BREACHSCOPE_DEBUG=1 shows where it arose. Nothing that was ingested is lost.", err=True)
        sys.exit(FAILED)
