"""Data flows one way: cli → pipeline, trace, query → report → scope → detect → ingest → {case, custody, manifest, schema, …}."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "breachscope"
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"case", "custody", "manifest", "schema", "timestamps", "errors", "progress", "toml_file", "hostile"}),
    frozenset({"ingest"}),
    frozenset({"detect"}),
    frozenset({"scope"}),
    frozenset({"report"}),
    frozenset({"pipeline", "trace", "query", "demo", "console"}),
    frozenset({"cli"}),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}


def modules() -> dict[str, ast.Module]:
    """Module name → its syntax tree, for every module of the package."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ["breachscope", *path.relative_to(ROOT).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_bytes(), str(path))
    return found


MODULES = modules()


def imports(name: str) -> Iterator[str]:
    """Modules of the package that a module imports: at the top, inside functions, and for types only."""
    package = name if (ROOT / Path(*name.split(".")[1:]) / "__init__.py").is_file() else name.rpartition(".")[0]
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], *([node.module] if node.module else [])])
            wanted = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names]
        else:
            continue
        yield from (w for w in wanted if w in MODULES and w != name)


def part(module: str) -> str:
    """The part of the package that a module belongs to: ``ingest`` for ``breachscope.ingest.run``."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("name", [m for m in MODULES if m != "breachscope"])
def test_every_module_has_a_place(name: str) -> None:
    assert part(name) in LEVEL


@pytest.mark.parametrize("name", [m for m in MODULES if part(m)])
def test_nothing_imports_upward(name: str) -> None:
    upward = sorted({i for i in imports(name) if part(i) and part(i) != part(name) and LEVEL[part(i)] >= LEVEL[part(name)] and LEVEL[part(name)] > 0})
    assert upward == []
    if LEVEL[part(name)] == 0:
        assert sorted({i for i in imports(name) if part(i) and LEVEL[part(i)] > 0}) == []


def test_no_module_imports_itself_in_a_circle() -> None:
    """A package's ``__init__`` gathers its modules and is left out: what matters is that no two modules need each other."""
    graph = {name: {i for i in imports(name) if i != name.rpartition(".")[0]} for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' → '.join(error.args[1])}")


DECOMPRESSORS = {"gzip", "bz2", "lzma", "zlib", "isal", "zstandard"}


@pytest.mark.parametrize("name", [m for m in MODULES if part(m) not in ("ingest", "") and m != "breachscope.scope.tables"])  # customer tables are no logs
def test_only_ingest_opens_and_decompresses_logs(name: str) -> None:
    statements = [node for node in ast.walk(MODULES[name]) if isinstance(node, (ast.Import, ast.ImportFrom))]
    named = {alias.name for node in statements if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in statements if isinstance(node, ast.ImportFrom)}
    assert {n.split(".")[0] for n in named} & DECOMPRESSORS == set()
    assert [i for i in imports(name) if i.startswith("breachscope.ingest.")] == [], "the other parts use what breachscope.ingest exports"


@pytest.mark.parametrize("name", MODULES)
def test_only_the_command_boundary_catches_everything(name: str) -> None:
    if name == "breachscope.cli":
        return
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{name}:{node.lineno}"
            assert not (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")), f"{name}:{node.lineno}"


def test_starting_the_program_loads_no_engine() -> None:
    """``breachscope --help`` must not wait for Polars, DuckDB or Jinja."""
    import subprocess
    import sys

    script = "import sys, breachscope.cli; print(sorted({'polars', 'duckdb', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"
