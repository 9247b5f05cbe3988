"""Where the demo incident stands."""

from pathlib import Path


def demo_folder() -> Path:
    """The folder with the demo's logs, tables and data map: inside the wheel, or beside ``src`` in a checkout."""
    package = Path(__file__).parent
    installed = package / "sample_logs"
    return (installed if installed.is_dir() else package.parents[1] / "sample_logs") / "shop"
