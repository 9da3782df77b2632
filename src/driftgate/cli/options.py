"""Options that several commands share, each written once, and how they change the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from driftgate.core.errors import UsageError
from driftgate.core.references import WITH_PATTERNS, parse_reference
from driftgate.core.shards import parse_shard
from driftgate.machine.settings import Config, Settings
from driftgate.machine.settings.units import parse_duration, parse_size
from driftgate.targets import RUNNERS, TARGETS, runner_of

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


class Unit(click.ParamType[float]):
    """A size or duration with its unit, written for instance `like` this."""

    def __init__(self, name: str, parse: Callable[[object], float], *, like: str) -> None:
        self.name, self._parse, self._like = name, parse, like

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number in bytes or seconds."""
        shown = repr(str(value)[:40])
        try:
            number = self._parse(str(value).strip().removeprefix("-"))
        except ValueError:
            self.fail(f"{shown} is not a {self.name}; write it like {self._like}", param, ctx)
        if number <= 0 or str(value).strip().startswith("-"):
            self.fail(f"{shown} must be more than 0", param, ctx)
        return number


SIZE = Unit("size", parse_size, like="8GB")
DURATION = Unit("duration", parse_duration, like="20s")


output = click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("outputs"),
    help="Folder that holds runs.",
)
baseline = click.option("--baseline", metavar="B", help="What to compare with: last-good, a run, git:REF or window:N.")
no_confirm = click.option("--no-confirm", is_flag=True, help="Launch nothing anew: a suspect latency is a warning.")
_RUN_HELP = "A path, an id, a unique prefix, or `latest`."
run_option = click.option("--run", "run_name", metavar="RUN", help=_RUN_HELP)
required_run = click.option("--run", "run_name", metavar="RUN", required=True, help=_RUN_HELP)
models = click.option("--model", "models", metavar="REF", multiple=True, help="A reference or slug; may be repeated.")
targets = click.option("--target", "targets", metavar="NAME", multiple=True, help="A target; may be repeated.")
variants = click.option(
    "--variant", "variants", metavar="NAME", multiple=True, help="A variant, like dynamic (default: all); with --run."
)
runner = click.option("--runner", type=click.Choice(RUNNERS), help="Only targets for this kind of machine.")
top = click.option("--top", type=click.IntRange(1, 1000), metavar="N", help="Take the top N of each group.")
families = click.option(
    "--family", "families", metavar="NAME", multiple=True, help="The top N of this family instead; may be repeated."
)
shard = click.option(
    "--shard", metavar="N/OF", help="A share of the fleet: 3/16 is every sixteenth model from the third on."
)
formats = click.option(
    "--format", "form", type=click.Choice(["table", "json", "markdown"]), default="table", help="How to print."
)
_LIMITS = (
    click.option("--jobs", type=click.IntRange(1, 256), help="Jobs at once (default: the cores).", metavar="N"),
    click.option("--no-cache", is_flag=True, help="Compute every cell anew."),
    click.option("--no-latency", is_flag=True, help="Take no times."),
    click.option("--time-limit", type=DURATION, metavar="SECONDS", help="Of one job."),
    click.option("--memory-limit", type=SIZE, metavar="SIZE", help="Of one job, like 8GB."),
)


def limits(command: Command) -> Command:
    """The options of everything that runs jobs; they arrive as `jobs no_cache no_latency time_limit memory_limit`."""
    for option in reversed(_LIMITS):
        command = option(command)
    return command


def selection(command: Command) -> Command:
    """Which models are taken from a Hub; they arrive as `top families`."""
    return top(families(command))


def of_a_stage(command: Command) -> Command:
    """The options of every cell stage: which run, models, targets and variants, where runs lie, how to print, the limits."""
    for option in (limits, formats, output, runner, variants, targets, models, run_option):
        command = option(command)
    return command


@dataclass(frozen=True)
class Overrides:
    """What the flags say; None or empty where they say nothing."""

    models: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    jobs: int | None = None
    no_latency: bool = False
    time_limit: float | None = None
    memory_limit: float | None = None
    tolerances: Path | None = None
    top: int | None = None
    families: tuple[str, ...] = ()
    runner: str | None = None
    shard: str | None = None

    @property
    def narrowed(self) -> bool:
        """Whether a part of what the configuration has is asked for."""
        return bool(self.models or self.targets or self.top or self.families or self.runner or self.shard)

    def apply(self, config: Config) -> Settings:
        """The settings with the flags on top, every target and reference checked. Raises UsageError."""
        data = config.settings.model_dump()
        if self.models:
            for text in self.models:
                parse_reference(text, where="--model")
            data["models"], data["hub"]["top"] = self.models, 0
            if self.top or self.families:
                raise UsageError("--model names the models, --top and --family select them", mend="leave one out")
        if self.top is not None:
            data["hub"]["top"] = self.top
        if self.families:
            data["hub"].update(per="family", families=self.families)
        if self.targets:
            data["targets"] = self.targets
        if self.shard is not None:
            data["shard"] = str(parse_shard(self.shard, where="--shard"))
        if self.runner is not None:
            data["targets"] = self._of_runner(data["targets"])
        if self.no_latency:
            data["latency"]["enabled"] = False
        if self.tolerances is not None:
            data["drift"]["tolerances"] = str(self.tolerances.absolute())
        for key, value in (("time", self.time_limit), ("memory", self.memory_limit), ("jobs", self.jobs)):
            if value is not None:
                data["limits"][key] = value
        settings = _validated(data)
        self._check_targets(settings, config)
        return settings

    def blamed(self, config: Config) -> Config:
        """The configuration with `--model` to blame for the models, where that is what named them."""
        return replace(config, flags={"models": "--model"}) if self.models else config

    def _of_runner(self, targets: Sequence[str]) -> list[str]:
        found = [name for name in targets if runner_of(name) == self.runner]
        if not found:
            raise UsageError(
                f"none of {', '.join(targets)} runs on {self.runner}", where="--runner", mend="leave it out"
            )
        return found

    def _check_targets(self, settings: Settings, config: Config) -> None:
        for index, name in enumerate(settings.targets):
            TARGETS.check(name, where="--target" if self.targets else config.where("targets", index))
        TARGETS.check(settings.reference, where=config.where("reference"))


def one_model(reference: str) -> str:
    """The reference of a call about one model. Raises UsageError for a pattern."""
    if reference.partition(":")[0] in WITH_PATTERNS and "*" in reference:
        raise UsageError(
            f"{reference} stands for many models", mend=f"name one, or `driftgate run --model '{reference}'`"
        )
    return reference


def _validated(data: dict[str, Any]) -> Settings:
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
