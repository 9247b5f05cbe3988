"""The examples in the docstrings hold."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import breachscope.scope

MODULES = ["breachscope.toml_file", *(f"breachscope.scope.{m.name}" for m in pkgutil.iter_modules(breachscope.scope.__path__))]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_public_names_are_what_can_be_imported() -> None:
    assert all(hasattr(breachscope.scope, name) for name in breachscope.scope.__all__)
