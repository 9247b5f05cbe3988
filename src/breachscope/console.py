"""What only a terminal needs: progress bars, tables, and text that cannot act on it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Any

import click

from breachscope.errors import UsageError
from breachscope.hostile import visible
from breachscope.progress import Progress, Silent


def harmless(text: str) -> str:
    """``text`` with its lines kept and everything else that could act on a terminal shown as an escape."""
    return "\n".join(visible(line) for line in text.split("\n"))


def choose_progress() -> Progress:
    """Bars on a terminal; nothing but warnings elsewhere."""
    return _TerminalProgress() if sys.stderr.isatty() else _Warnings()


class _Warnings(Silent):
    """Off the terminal only warnings are told."""

    def warn(self, message: str) -> None:
        click.echo(f"breachscope: {visible(message)}", err=True)


class _TerminalProgress(_Warnings):
    """A bar with bytes, lines a second and the time left, gone when the work is done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        super().__init__()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
        self._bars = Bars(*columns, console=Console(stderr=True), transient=True)

    def start(self, task: str, total: int | None) -> None:
        self._bars.start()
        self._task = self._bars.add_task(visible(task), total=total, rate="")
        self._lines, self._began = 0, monotonic()

    def advance(self, amount: int, lines: int = 0) -> None:
        self._lines += lines
        rate = f"{self._lines / max(monotonic() - self._began, 1e-6):,.0f} lines/s" if self._lines else ""
        self._bars.update(self._task, advance=amount, rate=rate)

    def finish(self) -> None:
        self._bars.remove_task(self._task)
        self._bars.stop()


def print_json(value: object) -> None:
    """Print JSON for machines, with escapes throughout where a file name is not UTF-8: the bytes would be no JSON."""
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    click.echo(text if _is_utf_8(text) else json.dumps(value, indent=2, sort_keys=True))


def _is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def print_table(batches: Iterable[Any], limit: int) -> None:
    """Print Arrow record batches as a table of at most ``limit`` rows, and say how many are left."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table: Table | None = None
    shown = total = 0
    for batch in batches:
        if table is None:
            table = Table(*batch.schema.names)
        total += batch.num_rows
        for row in zip(*(c.to_pylist() for c in batch.slice(0, limit - shown).columns), strict=True):
            table.add_row(*(Text(visible("" if v is None else str(v))) for v in row))
            shown += 1
    if table is not None:
        Console().print(table)
    if total > shown:
        click.echo(f"{total - shown:,} more rows; use --limit or --format csv", err=True)


def make_private(path: Path) -> None:
    """Make ``path`` empty and readable by its owner alone, before anything is written to it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise UsageError(f"cannot be written ({error.strerror})", path=path) from error
