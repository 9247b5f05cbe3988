"""The hand-written cases of these tests keep to the published contract, so that what the report reads is what scope writes."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest


@pytest.mark.parametrize("name", ["scope", "mapless_scope"])
def test_the_hand_written_scope_keeps_to_the_schema(name: str, request: pytest.FixtureRequest) -> None:
    schema: dict[str, Any] = json.loads(files("breachscope.scope").joinpath("scope.schema.json").read_bytes())
    jsonschema.Draft202012Validator(schema).validate(request.getfixturevalue(name))
