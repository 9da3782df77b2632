"""Names of stages and rules as people write them into rows of YAML: a wrong one is told with the nearest right one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator

from driftgate.core.errors import did_you_mean
from driftgate.core.records import PAYLOADS
from driftgate.core.rules import rule_names


def _known(what: str, name: str, valid: Collection[str]) -> str:
    if name not in valid:
        raise ValueError(f"there is no {what} {name[:80]!r}; {did_you_mean(name, valid)}")
    return name


StageName = Annotated[str, AfterValidator(lambda name: _known("stage", name, PAYLOADS))]
RuleName = Annotated[str, AfterValidator(lambda name: _known("rule", name, rule_names()))]
