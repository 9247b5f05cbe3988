"""What stages leave in the case: whether it is there and as it was recorded, and what it means for the exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from breachscope.console import choose_progress
from breachscope.errors import BreachscopeError, CaseError, UsageError
from breachscope.schema import LEVELS

if TYPE_CHECKING:
    from breachscope.case import Case

FAILED, FOUND = 1, 3
"""Exit codes; wrong usage is told by the errors themselves."""


def finish(case: Case, errors: Iterable[BreachscopeError], fail_on: str | None = None) -> None:
    """End the program with an exit code where a finding has the level ``fail_on`` or a higher one, or an input could not be read."""
    if fail_on:
        import pyarrow.parquet as pq

        levels = set(pq.read_table(case.path / "findings.parquet", columns=["level"])["level"].to_pylist())
        if levels & set(LEVELS[LEVELS.index(fail_on) :]):
            sys.exit(FOUND)
    if list(errors):
        sys.exit(FAILED)


def require_result(case: Case, name: str, command: str) -> None:
    """Raise UsageError, naming the ``command`` that makes it, when the case lacks the file ``name``."""
    if not (case.path / name).is_file():
        raise UsageError(f"the case has no {name} yet; run 'breachscope {command} --case {case.path}' first")


def changed_results(case: Case, names: Sequence[str]) -> list[str]:
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


def print_result(case: Case, name: str) -> None:
    """Print a JSON file of the case as it stands. Raises CaseError when it is damaged."""
    from breachscope.report import open_result

    with open_result(case, name):
        text = (case.path / name).read_text(encoding="utf-8")
    click.echo(text, nl=False)
