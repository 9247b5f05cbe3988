"""What only a terminal needs: progress bars, tables, and text that cannot act on it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from breachscope.errors import UsageError, counted
from breachscope.hostile import clipped, padded, visible, width
from breachscope.progress import Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

_TASK_CELLS = 32
_COLUMN_CELLS = 40
_DRAWN_SECONDS = 0.1
"""Between two drawings of the bars."""


def harmless(text: str) -> str:
    """``text`` with its lines kept and everything else that could act on a terminal shown as an escape."""
    return "\n".join(visible(line) for line in text.split("\n"))


def choose_progress() -> Progress:
    """For the command at hand: bars on a terminal; nothing but warnings elsewhere."""
    if not sys.stderr.isatty():
        return _Warnings()
    bars = _TerminalProgress()
    click.get_current_context().call_on_close(bars.stop)  # a live display hides the cursor, also when an error ends the command
    return bars


class _Warnings(Silent):
    """Off the terminal only warnings are told."""

    def warn(self, message: str) -> None:
        click.echo(f"breachscope: {visible(message)}", err=True)


class _TerminalProgress(_Warnings):
    """A bar for the task at hand and, where several share an amount expected, one for them all: bytes, lines a second and the time left.

    They are gone when the work is done.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        super().__init__()
        texts = [TextColumn(f"{{task.{name}}}", markup=False) for name in ("description", "fields[amount]", "fields[rate]")]
        self._bars = Bars(texts[0], BarColumn(), *texts[1:], TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._all: _Bar | None = None
        self._task: _Bar | None = None
        self._share = 0.0

    def stop(self) -> None:
        """Give the terminal back, whatever is being done."""
        self._bars.stop()

    def expect(self, total: int) -> None:
        self._bars.start()
        if self._all is not None:
            self._bars.remove_task(self._all.id)
        self._all = _Bar(self._bars, "all inputs", total, is_bytes=True) if total else None
        if self._all is None:
            self._bars.stop()

    def start(self, task: str, total: int | None, share: float | None = None) -> None:
        self._bars.start()
        self._task = _Bar(self._bars, clipped(visible(task), _TASK_CELLS), total, is_bytes=share is not None)
        self._share, self._shared = share or 0.0, 0.0

    def advance(self, amount: int, lines: int = 0) -> None:
        if self._task is None:
            return
        self._task.advance(amount, lines)
        if self._all is not None and self._task.total:
            self._advance_all(self._share * min(1.0, self._task.done / self._task.total), lines)

    def _advance_all(self, shared: float, lines: int = 0) -> None:
        if self._all is not None:
            self._all.advance(shared - self._shared, lines)
            self._shared = shared

    def finish(self) -> None:
        if self._task is None:
            return
        self._advance_all(self._share)
        if monotonic() - self._task.began > _DRAWN_SECONDS:
            self._bars.refresh()  # its last amount would be gone before it is drawn
        self._bars.remove_task(self._task.id)
        self._task = None
        if self._all is None:
            self._bars.stop()


class _Bar:
    """One line of the display."""

    def __init__(self, bars: Bars, description: str, total: int | None, *, is_bytes: bool) -> None:
        self._bars, self.total, self._is_bytes = bars, total, is_bytes
        self.done, self._lines, self.began = 0.0, 0, monotonic()
        self.id = bars.add_task(description, total=total, amount="", rate="")

    def advance(self, amount: float, lines: int) -> None:
        from rich.filesize import decimal

        self.done += amount
        self._lines += lines
        told = decimal if self._is_bytes else str
        shown = f"{told(int(self.done))}/{told(self.total)}" if self.total else told(int(self.done))
        rate = f"{self._lines / max(monotonic() - self.began, 1e-6):,.0f} lines/s" if self._lines else ""
        self._bars.update(self.id, completed=self.done, amount=shown, rate=rate)


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
        click.echo(f"{counted(total - shown, 'more row')}; use --limit or --format csv", err=True)


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with their cells below each other, as wide as a terminal shows them; a very long cell moves only what stands beside it."""
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max((w for w in map(width, cells) if w <= _COLUMN_CELLS), default=0) for cells in zip(*shown, strict=True)]
    for row in shown:
        click.echo(" ".join([*map(padded, row[:-1], widths[:-1]), row[-1]]))


def make_private(path: Path) -> None:
    """Make ``path`` empty and readable by its owner alone, before anything is written to it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise UsageError(f"cannot be written ({error.strerror})", path=path) from error
