"""How long work tells of its progress, without knowing the terminal."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives progress; the command line shows it on a terminal and drops it on a pipe."""

    def expect(self, total: int) -> None:
        """Tell how many bytes the tasks to come share; 0 when they are over."""

    def start(self, task: str, total: int | None, share: float | None = None) -> None:
        """Begin ``task`` with ``total`` units, None when unknown; they are bytes where it has a ``share`` of those expected."""

    def advance(self, amount: int, lines: int = 0) -> None:
        """Report ``amount`` more units, and ``lines`` more log lines, as done."""

    def finish(self) -> None:
        """End the current task."""

    def warn(self, message: str) -> None:
        """Tell the user of something that weakens the answer."""


class Silent:
    """Drops progress and keeps the warnings, so that library callers can read them."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def expect(self, total: int) -> None: ...

    def start(self, task: str, total: int | None, share: float | None = None) -> None: ...

    def advance(self, amount: int, lines: int = 0) -> None: ...

    def finish(self) -> None: ...

    def warn(self, message: str) -> None:
        self.warnings.append(message)
