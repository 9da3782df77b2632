"""The contract of a target: a plan goes in, raw samples and named outputs come out.

Batch-shaped on purpose: a browser runs a whole plan in its own clock. What runs in this process shares `timing.collect`. The public
`measure` checks; a target writes the inner methods. Nothing heavy is imported until a target is used.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, final

from numpy.typing import NDArray

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.targets.timing import Run, Samples, StoppingRule, collect

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Plan:
    """What to run and how often.

    `inputs` in the order of the model's arguments (`positional`: passed by position), `arguments` what else its forward
    takes. `module` or `onnx` is the model itself, whichever the target needs. `rule` None means no latency. `second_run`
    asks for one more run with the same inputs, random state not reset. `alone` keeps the machine quiet while times are
    taken, `steady` is entered before the first sample and left after the last; `cache` is where a compiler may keep what it built.
    `own_names` maps outputs of the graph to the model's names of them, where these differ.
    """

    inputs: Mapping[str, NDArray[Any]]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    positional: bool = False
    module: Callable[..., Any] | None = None
    onnx: Path | None = None
    rule: StoppingRule | None = None
    second_run: bool = False
    alone: Callable[[], AbstractContextManager[None]] = nullcontext
    steady: AbstractContextManager[object] | None = None
    cache: Path | None = None
    own_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What came of it, `outputs` by the model's names. Times in seconds, samples in nanoseconds; `placement` maps execution provider
    (or device) to nodes."""

    outputs: Arrays
    init_s: float
    first_s: float
    device: str
    placement: dict[str, int] = field(default_factory=dict)
    second_outputs: Arrays | None = None
    samples: Samples | None = None
    device_peak_bytes: int | None = None


class Target(ABC):
    """One runtime on one device. An instance runs one plan.

    `needs` says what of the model it runs; `fresh` that its process must not be forked from the warmed server; `threads` how many
    the runtime computes with (None: it decides).
    """

    name: ClassVar[str]
    device: ClassVar[str]
    needs: ClassVar[Literal["module", "onnx"]]
    fresh: ClassVar[bool] = False
    threads: ClassVar[int | None] = 1

    @classmethod
    @abstractmethod
    def available(cls) -> str | None:
        """Why this target cannot run on this machine, with what would mend it; None if it can. Must be quick."""

    @final
    def measure(self, plan: Plan) -> Measured:
        """Run the plan. Raises StageFailure(`unavailable`) where the runtime isn't there, and what the runtime raises as
        the inner methods sort it."""
        init_s, first_s = self.prepare_to_run(plan)
        outputs = self._outputs(plan)
        second = self._second_outputs(plan) if plan.second_run else None
        samples = self._samples(plan, plan.rule) if plan.rule else None
        placement = self.placement()
        return Measured(outputs, init_s, first_s, self.device, placement, second, samples, self.device_peak_bytes())

    @final
    def prepare_to_run(self, plan: Plan) -> tuple[float, float]:
        """Start and run once: the seconds that each took. After it `bound` may be entered."""
        self._check(plan)
        began = time.perf_counter()
        self.start(plan)
        self.synchronise()
        init_s = time.perf_counter() - began
        began = time.perf_counter()
        self._step()
        return init_s, time.perf_counter() - began

    def _check(self, plan: Plan) -> None:
        reason = self.available()
        if reason is not None:
            raise StageFailure(FailureKind.UNAVAILABLE, f"{self.name}: {reason}", hint="see `driftgate doctor`")
        if not plan.inputs:
            raise StageFailure(FailureKind.INPUTS, f"{self.name} was given no input tensor")
        if (plan.module if self.needs == "module" else plan.onnx) is None:
            raise ValueError(f"{self.name} runs a model's {self.needs}, and the plan has none")

    def _step(self) -> None:
        self.run_once()
        self.synchronise()

    def _second_outputs(self, plan: Plan) -> Arrays:
        self.feed(plan)
        self._step()
        return self._outputs(plan)

    def _outputs(self, plan: Plan) -> Arrays:
        return {plan.own_names.get(name, name): array for name, array in self.outputs().items()}

    def _samples(self, plan: Plan, rule: StoppingRule) -> Samples:
        with plan.alone(), self.bound() as run:
            return collect(run, rule, steady=plan.steady)

    @contextmanager
    def bound(self) -> Iterator[Run]:
        """For the timing loop: one inference, with its inputs and all that surrounds it bound once, so that a sample holds nothing of
        ours. What it raises is sorted as `run_once` would."""
        yield self._step

    @abstractmethod
    def start(self, plan: Plan) -> None:
        """Make everything ready: move the model, create the session, place the inputs."""

    def feed(self, plan: Plan) -> None:
        """Place the plan's inputs anew, where a model could have written into those of its first run."""
        del plan

    @abstractmethod
    def run_once(self) -> None:
        """One inference, its result kept."""

    def synchronise(self) -> None:
        """Wait until the device has finished what it was given."""
        return

    @abstractmethod
    def outputs(self) -> Arrays:
        """The result of the last run, copied to the host, by name in the model's order; for a graph by its names."""

    def device_peak_bytes(self) -> int | None:
        """The most memory of a device of its own that was in use; None for one that shares the host's."""
        return None

    def placement(self) -> dict[str, int]:
        """Execution provider → nodes, where the runtime tells. Raises StageFailure(`fell_back`) if a node is elsewhere
        than on the device that the target stands for."""
        return {}
