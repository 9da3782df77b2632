"""What the gate's rules go by: how severe each is, and from where on it speaks (`configs/gate.yaml`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from driftgate.core.records import Severity

Factor = Annotated[float, Field(gt=1)]
Share = Annotated[float, Field(gt=0, lt=1)]


class RuleSettings(BaseModel):
    """`severity` of what the rule finds: error fails the build, warning is shown, info is news, `off` is silence. `null`: as the rule
    itself says."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    severity: Severity | Literal["off"] | None = None


class RatioSettings(RuleSettings):
    """Speaks from `ratio` times the baseline on, if that is `least` more as well (bytes, seconds or nodes)."""

    ratio: Factor
    least: Annotated[float, Field(ge=0)] = 0


class CompileTimeSettings(RatioSettings):
    """And only above every one of the last nights, where there are any: compilation is timed once a night."""

    severity: Severity | Literal["off"] | None = Severity.WARNING


class DriftGrewSettings(RuleSettings):
    """Speaks from `factor` times the worst drift of the baseline and its window on; below `floor` nothing counts."""

    severity: Severity | Literal["off"] | None = Severity.WARNING
    factor: Factor = 10
    floor: Annotated[float, Field(gt=0)] = 1e-6


class LatencySettings(RuleSettings):
    """How a slowdown is screened and confirmed: see `driftgate.core.statistics.night.Procedure`, whose defaults these are."""

    severity: Severity | Literal["off"] | None = Severity.ERROR
    confirm: bool = True
    candidate_z: Annotated[float, Field(gt=0)] = 0.8
    candidate_share: Share = 0.2
    relaunches: Annotated[int, Field(ge=1, le=20)] = 3
    suspects: Annotated[int, Field(ge=1, le=1000)] = 12
    first_look: Annotated[int, Field(ge=7, le=100)] = 7
    last_look: Annotated[int, Field(ge=7, le=200)] = 28
    hopeful_p: Share = 0.1
    alarm_q: Share = 0.0015
    least_ratio: Factor = 1.02
    night_z: Annotated[float, Field(gt=0)] = 4.0


class GateSettings(BaseModel):
    """One entry a rule. A rule without one, of one's own for instance, keeps the severity that it gives itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    not_passed: RuleSettings = RuleSettings()
    not_tested: RuleSettings = RuleSettings()
    verdict_worse: RuleSettings = RuleSettings()
    export_lost: RuleSettings = RuleSettings()
    drift_beyond_tolerance: RuleSettings = RuleSettings()
    missing_cell: RuleSettings = RuleSettings()
    new_break: RuleSettings = RuleSettings()
    more_breaks: RuleSettings = RuleSettings()
    recompiles: RuleSettings = RuleSettings()
    another_exporter: RuleSettings = RuleSettings()
    graph_changed: RuleSettings = RuleSettings()
    drift_grew: DriftGrewSettings = DriftGrewSettings()
    nondeterministic: RuleSettings = RuleSettings()
    placement_changed: RuleSettings = RuleSettings()
    latency: LatencySettings = LatencySettings()
    compile_time: CompileTimeSettings = CompileTimeSettings(ratio=1.5, least=2.0)
    memory: RatioSettings = RatioSettings(severity=Severity.WARNING, ratio=1.25, least=64e6)
    size: RatioSettings = RatioSettings(severity=Severity.WARNING, ratio=1.1, least=1000)
    better: RuleSettings = RuleSettings()
    flaky: RuleSettings = RuleSettings()
    expectation_outdated: RuleSettings = RuleSettings()

    def severity(self, rule: str, otherwise: Severity) -> Severity | None:
        """How severe a rule's finding is; None if nobody wants to hear of it."""
        named = getattr(self, rule, None)
        chosen = named.severity if isinstance(named, RuleSettings) else None
        return None if chosen == "off" else Severity(chosen) if chosen else otherwise
