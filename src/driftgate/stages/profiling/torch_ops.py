"""Torch's own profiler: what a step calls, and in which module.

An operator is the outermost event of the dispatcher inside a step; what only wraps others (a compiled region, a graph's call) is
looked into. Which module calls it is found in a step apart, in which hooks mark where each module begins and ends: in the measured
steps hooks would be most of what a small model does. The two are joined by the order of the operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from driftgate.stages.profiling.table import ROUNDS, Place, Steps, Timed, steps_per_round, timed

STEP = "driftgate step"
MODULE = "driftgate module "
MOST_OPERATORS = 20_000
"""Events to be read in all: each costs some 50 µs."""
_WRAPPERS = ("Torch-Compiled Region", "## Call CompiledFxGraph", "CompiledFunction", MODULE)

Run = Callable[[], object]


def profile_torch(run: Run, module: nn.Module | None, device: str, budget: float) -> tuple[Steps, tuple[str, ...]]:
    """Time `run` with and without the profiler, for about `budget` seconds. `module` is what `run` calls, for the modules' names; None
    for one that is compiled, which hooks would change. Returns the steps and notes for the reader."""
    for _ in range(2):
        run()
    seen = _modules(run, module) if module is not None else []
    operators = len(seen) or len(_traced(run, 1, device)[0][1])
    count = steps_per_round(min(timed(run, 3)), operators, budget=budget, most_operators=MOST_OPERATORS)
    steps = Steps()
    for _ in range(ROUNDS):
        steps.plain += timed(run, count)
        for seconds, timings in _traced(run, count, device):
            steps.profiled.append(seconds)
            steps.operators.append(timings)
        steps.plain += timed(run, count)
    return _placed(steps, seen) if seen else (steps, ())


def _traced(run: Run, count: int, device: str) -> list[tuple[float, list[Timed]]]:
    """Seconds and operators of each profiled step. The first one after the profiler's start is dropped: it sets itself up then."""
    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == "cuda" else [])
    with profile(activities=kinds) as profiler:
        seconds = timed(lambda: _one_step(run), count + 1)
    steps = [list(_operators(event)) for event in _named(profiler, STEP)]
    return [(s, [_timed(event, device) for event in step]) for s, step in zip(seconds, steps, strict=True)][1:]


def _one_step(run: Run) -> None:
    with record_function(STEP):
        run()


def _named(profiler: Any, name: str) -> list[Any]:
    return [event for event in profiler.events() if event.name == name and event.device_type == DeviceType.CPU]


def _operators(event: Any) -> Iterator[Any]:
    """The outermost operators below an event, in order."""
    for child in sorted(event.cpu_children, key=lambda child: child.time_range.start):
        if child.name.startswith(_WRAPPERS):
            yield from _operators(child)
        else:
            yield child


def _timed(event: Any, device: str) -> Timed:
    microseconds = event.device_time_total if device == "cuda" else event.time_range.elapsed_us()
    return Timed(Place(event.name), microseconds * 1e-6)


def _modules(run: Run, module: nn.Module) -> list[tuple[str, str]]:
    """Operator and module of everything that one step calls, in order."""
    with _marked(module), profile(activities=[ProfilerActivity.CPU]) as profiler:
        _one_step(run)
    (step,) = _named(profiler, STEP)
    return [(event.name, _module_of(event)) for event in _operators(step)]


def _module_of(event: Any) -> str:
    parent = event.cpu_parent
    while parent is not None and not parent.name.startswith(MODULE):
        parent = parent.cpu_parent
    return parent.name.removeprefix(MODULE) if parent is not None else ""


@contextmanager
def _marked(module: nn.Module) -> Iterator[None]:
    """While the block lasts, every module says in the trace when it begins and ends."""
    handles = []
    try:
        for name, part in module.named_modules():
            began: list[Any] = []
            handles.append(part.register_forward_pre_hook(_enter(f"{MODULE}{name}", began)))
            handles.append(part.register_forward_hook(_leave(began), always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _enter(name: str, began: list[Any]) -> Callable[..., None]:
    def enter(module: nn.Module, arguments: object) -> None:
        del module, arguments
        mark: Any = record_function(name)
        mark.__enter__()
        began.append(mark)

    return enter


def _leave(began: list[Any]) -> Callable[..., None]:
    def leave(module: nn.Module, arguments: object, output: object) -> None:
        del module, arguments, output
        began.pop().__exit__(None, None, None)

    return leave


def _placed(steps: Steps, seen: list[tuple[str, str]]) -> tuple[Steps, tuple[str, ...]]:
    """The steps with each operator's module. A step that calls something else than the one that was looked at keeps none."""
    names = [name for name, _ in seen]
    unlike = 0
    for index, timings in enumerate(steps.operators):
        if [timing.place.operator for timing in timings] != names:
            unlike += 1
            continue
        steps.operators[index] = [
            Timed(timing.place._replace(module=module), timing.seconds)
            for timing, (_, module) in zip(timings, seen, strict=True)
        ]
    notes = (f"{unlike} steps called other operators than the first: their modules are not known",) if unlike else ()
    return steps, notes


def name_kernels() -> None:
    """Ask Inductor to put its own kernels into the trace. To be called before it compiles."""
    import torch._inductor.config as inductor

    inductor.cpp.enable_kernel_profile = True


def is_compiled(target: object) -> bool:
    """Whether a target compiles the module that it is given."""
    from driftgate.targets.torch_inductor import Compiled

    return isinstance(target, Compiled)
