"""The examples in the docstrings hold."""

from __future__ import annotations

import doctest

import pytest

from breachscope.report import hostile, reading, words


@pytest.mark.parametrize("module", [hostile, reading, words], ids=lambda m: m.__name__)
def test_examples_hold(module: object) -> None:
    results = doctest.testmod(module)  # type: ignore[arg-type]
    assert results.attempted
    assert not results.failed
