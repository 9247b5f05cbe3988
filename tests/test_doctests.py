"""The examples in the docstrings hold, in every module."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import breachscope

MODULES = sorted(m.name for m in pkgutil.walk_packages(breachscope.__path__, "breachscope."))


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    assert not doctest.testmod(importlib.import_module(name)).failed
