"""breachscope: exported logs and customer tables in, a defensible answer out."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("breachscope")
