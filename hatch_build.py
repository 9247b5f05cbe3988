"""Compiles ``ingest/native.c`` while the package is built. Without a C compiler the package reads the same, more slowly."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

SOURCE = Path("src/breachscope/ingest/native.c")
LIBRARY = SOURCE.with_name("libnative.bin")
FLAGS = ("-std=gnu11", "-O3", "-Wall", "-Wextra", "-shared", "-fPIC")


class MachineCode(BuildHookInterface):  # type: ignore[type-arg]
    """Adds ``libnative.bin`` to the package. It is reached through ctypes, so that one file serves every Python."""

    def dependencies(self) -> list[str]:
        return [] if self._compiler() else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        library = Path(self.root) / LIBRARY
        made = library.with_suffix(f".{os.getpid()}")  # whoever uses the one that is there goes on using it
        if self._is_compiled(Path(self.root) / SOURCE, made):
            made.replace(library)
        else:
            library.unlink(missing_ok=True)
            self.app.display_warning("no C compiler works here: logs will be read more slowly; 'pip install ziglang' gives one")
            return
        build_data["artifacts"].append(LIBRARY.as_posix())
        if version == "standard":
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{next(platform_tags())}"

    @staticmethod
    def _compiler() -> list[str]:
        if found := next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None):
            return [found]
        return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else []

    def _is_compiled(self, source: Path, library: Path) -> bool:
        compiler = self._compiler()
        return bool(compiler) and subprocess.run([*compiler, *FLAGS, "-o", str(library), str(source)], check=False).returncode == 0
