"""The keys of a configuration file, their types and defaults (`driftgate schema` prints them as JSON Schema)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt

from driftgate.core.errors import UsageError
from driftgate.core.references import REFERENCE_LENGTH
from driftgate.core.shards import parse_shard
from driftgate.machine.settings.units import Duration, Size

GB = 10**9
MB = 10**6


def _text_of(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _share(text: str) -> str:
    try:
        return str(parse_shard(text))
    except UsageError as error:  # the reader of the file knows the line
        raise ValueError(str(error)) from error


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice")
    return names


Name = Annotated[str, BeforeValidator(_text_of), Field(min_length=1, max_length=200)]
Reference = Annotated[str, BeforeValidator(_text_of), Field(min_length=1, max_length=REFERENCE_LENGTH)]
Share = Annotated[str, AfterValidator(_share)]
Fleet = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Section(BaseModel):
    """Base of all sections: frozen, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HubSettings(Section):
    """Which models to select from a Hub: the top N of each task, family or author."""

    endpoint: Name | None = Field(
        None, description="null = the Hugging Face Hub (or HF_ENDPOINT), a URL, or `embedded`"
    )
    top: Annotated[int, Field(ge=0, le=1000)] = 0
    per: Literal["task", "family", "author"] = "task"
    by: Literal["downloads", "likes", "trending"] = "downloads"
    tasks: tuple[Name, ...] = ()
    families: tuple[Name, ...] = ()
    authors: tuple[Name, ...] = ()
    max_size: Size = 2 * GB
    licences: tuple[Name, ...] = Field((), description="empty = any")
    library: Name | None = "transformers"
    gated: bool = Field(False, description="true = gated models too, where a token gives access")
    allow_pickle: bool = False
    allow_remote_code: tuple[Name, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """The tasks, families or authors of which the top N are taken."""
        return {"task": self.tasks, "family": self.families, "author": self.authors}[self.per]


class ExplainSettings(Section):
    """What explain does beyond the counting pass."""

    fullgraph: bool = True
    second_shape: bool = True


class ExportSettings(Section):
    """The ladder of exporters, tried in order."""

    exporters: Annotated[
        tuple[Literal["dynamo", "transformers", "torchscript"], ...], Field(min_length=1), AfterValidator(_distinct)
    ] = ("dynamo", "transformers")
    stop: Literal["first_success", "never"] = "first_success"
    dynamic: bool = False
    opset: Annotated[int, Field(ge=18, le=26)] | None = None
    pt2: bool = Field(False, description="true = the torch.export artifact is kept too, as model[@VARIANT].pt2")


class DriftSettings(Section):
    """How outputs are judged, and whether the node where a drift begins is looked for."""

    culprit: bool = True
    fp64: bool = Field(False, description="true = the reference once more in fp64: the error that it carries itself")
    tolerances: Name | None = Field(None, description="path of tolerances.yaml, relative to this file")


class LatencySettings(Section):
    """How long to measure: until the interval of p50 is within ±precision (and p99's within ±p99_precision), or the budget is used up."""

    enabled: bool = True
    budget: Duration = 20.0
    precision: Annotated[float, Field(gt=0, le=1)] = 0.02
    p99_precision: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="relative to p99, e.g. 0.1; null = p99 is as well known as it happens to be"
    )


class LimitSettings(Section):
    """What one job may use, and how many jobs run at once."""

    time: Duration = 900.0
    memory: Size = 8 * GB
    jobs: PositiveInt | Literal["auto"] = "auto"


class KeepSettings(Section):
    """What stays on disk: which ONNX files (`changed`: those of failed cells, and those not in the cache), runs for how many days,
    their archives for how many, and how much in all."""

    onnx: Literal["always", "changed", "never"] = "changed"
    days: Annotated[int, Field(ge=1)] = 14
    max_size: Size = 200 * GB
    archive_days: Annotated[int, Field(ge=0)] = Field(90, description="0 = `driftgate run` makes no archive")
    archive_file: Size = Field(
        10 * MB, description="a larger file that a cell left (weights, outputs) stays out of an archive"
    )


class Settings(Section):
    """A whole configuration."""

    fleet: Fleet = "desk"
    hub: HubSettings = HubSettings()
    models: tuple[Reference, ...] = Field(
        (), description="`zoo:*` stands for every type, `zoo:bert/*` for every architecture of one"
    )
    shard: Share | None = Field(None, description="3/16 = every sixteenth model, from the third on; null = all")
    targets: Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_distinct)] = (
        "torch-eager-cpu",
        "torch-inductor-cpu",
        "ort-cpu",
    )
    reference: Name = "torch-eager-cpu"
    explain: ExplainSettings = ExplainSettings()
    export: ExportSettings = ExportSettings()
    drift: DriftSettings = DriftSettings()
    latency: LatencySettings = LatencySettings()
    limits: LimitSettings = LimitSettings()
    keep: KeepSettings = KeepSettings()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    baseline: Name | None = Field(
        None, description="last-good, a run, git:REF or window:N; null = judge by the expectations alone"
    )
    cycle: Duration | None = Field(
        None, description="how often this fleet means to run, like 24h: two cycles without a run are an alert"
    )
    gate: Name | None = Field(None, description="path of gate.yaml, relative to this file")
    expectations: Name | None = Field(None, description="path of expectations.yaml, relative to this file")
    owners: Name | None = Field(None, description="path of owners.yaml, relative to this file; null = nobody is named")
