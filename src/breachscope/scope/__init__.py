"""From incidents to people: which records, whose, on what evidence, and what the logs cannot say."""

from breachscope.scope.datamap import DataMap, load_datamap

__all__ = ["DataMap", "load_datamap"]
