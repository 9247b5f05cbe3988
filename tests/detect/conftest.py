"""One empty sandbox for tests of macros and checks; tests only read from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from breachscope.detect import Catalog, load_catalog
from breachscope.detect.sandbox import Sandbox, open_sandbox
from breachscope.schema import EVENT_TABLES


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder: Path = tmp_path_factory.mktemp("scratch")
    with open_sandbox(dict.fromkeys(EVENT_TABLES, ()), folder, threads=1) as opened:
        yield opened


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()
