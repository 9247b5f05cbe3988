"""From incidents to people: which records, whose, on what evidence, and what the logs cannot say."""

from breachscope.scope.answer import Scope, compute_scope
from breachscope.scope.checking import MapCheck, check_map
from breachscope.scope.datamap import DataMap, load_datamap
from breachscope.scope.drafting import init_map
from breachscope.scope.personal_data import KINDS, Kind
from breachscope.scope.reasons import REASONS, UNCERTAINTIES
from breachscope.scope.trace import Exposure, trace_person, trace_record

__all__ = [
    "KINDS",
    "REASONS",
    "UNCERTAINTIES",
    "DataMap",
    "Exposure",
    "Kind",
    "MapCheck",
    "Scope",
    "check_map",
    "compute_scope",
    "init_map",
    "load_datamap",
    "trace_person",
    "trace_record",
]
