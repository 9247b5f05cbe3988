"""The examples in the docstrings of ingest and what it stands on."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import breachscope.ingest

MODULES = [
    "breachscope.case",
    "breachscope.errors",
    "breachscope.timestamps",
    *(f"breachscope.ingest.{m.name}" for m in pkgutil.iter_modules(breachscope.ingest.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
