"""The wheel carries what the checkout has: formats, detectors, texts, the demo."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked into a folder of its own."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = target.glob("*.whl")
    site = target / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run_installed(site: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", "import sys; from breachscope import cli; print(cli.__file__, file=sys.stderr); cli.main(sys.argv[1:])", *arguments]
    done = subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True, check=True)
    assert str(site) in done.stderr, "the unpacked wheel is what runs"
    return done.stdout


def test_the_wheel_finds_its_formats_and_detectors(installed: Path) -> None:
    checkout_formats = {p.stem for p in (ROOT / "src/breachscope/formats").glob("*.toml")}
    listed = {line.split()[0] for line in run_installed(installed, "formats", "list").splitlines()}
    assert listed == checkout_formats
    checkout_detectors = {str(p.parent.relative_to(ROOT / "detectors")) for p in (ROOT / "detectors").rglob("detector.yaml")}
    listed = {line.split()[0] for line in run_installed(installed, "detectors", "list").splitlines()}
    assert listed == checkout_detectors


def test_the_wheel_carries_every_data_file_of_the_package(installed: Path) -> None:
    command = ["git", "ls-files", "src/breachscope", "sample_logs/shop"]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split():
        inside = name.removeprefix("src/") if name.startswith("src/") else f"breachscope/{name}"
        # Beside machine code stands its source only where it may change.
        assert (installed / inside).is_file() != name.endswith("/native.c"), name
