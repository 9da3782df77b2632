"""ONNX Runtime's own profile: the time of each node that it runs, with the exported node and the module that this came from.

The runtime runs an optimised graph whose nodes have names of their own. It is asked to write that graph down; a node is led back by
its name, by a value that both graphs make, or by the node that reads what it prepares.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.stages.profiling.table import ROUNDS, Place, Steps, Timed, steps_per_round, timed
from driftgate.targets.base import Plan
from driftgate.targets.onnx_runtime import OrtTarget

MOST_OPERATORS = 30_000
"""Events to be written in all: each is some 700 bytes of JSON."""
NOTE = "ONNX Runtime writes whole microseconds: a node's time is up to one too short, and the rest stands outside the nodes"
LAUNCHES = "on CUDA these are the times of launching kernels, not of running them"
_SCOPES = "pkg.torch.onnx.name_scopes"
_MOST_SCOPES = 20_000


def profile_onnx(
    target: OrtTarget, watched: OrtTarget, plan: Plan, work: Path, budget: float
) -> tuple[Steps, tuple[str, ...]]:
    """Time a plan in two sessions in turn: one as usual, one with the profile on. `work` takes the runtime's files.

    Returns the steps and notes for the reader.
    """
    optimised = work / "optimised.onnx"
    watched.configure = lambda options: _profiling(options, optimised)
    target.prepare_to_run(plan)
    watched.prepare_to_run(plan)
    assert plan.onnx is not None
    places = Places.of(_graph(plan.onnx), _graph(optimised))
    steps = Steps()
    with target.bound() as plain, watched.bound() as profiled:
        seconds = min(timed(plain, 3))
        count = steps_per_round(seconds, len(places.by_name), budget=budget, most_operators=MOST_OPERATORS)
        for _ in range(ROUNDS):
            steps.plain += timed(plain, count)
            steps.profiled += timed(profiled, count)
    runs = node_times(Path(watched.end_profile()), places)
    if len(runs) < len(steps.profiled):
        raise StageFailure(FailureKind.OTHER, f"ONNX Runtime's profile has {len(runs)} runs of {len(steps.profiled)}")
    steps.operators = runs[-len(steps.profiled) :]
    return steps, (NOTE, LAUNCHES) if target.device == "cuda" else (NOTE,)


def _profiling(options: Any, optimised: Path) -> None:
    options.enable_profiling = True
    options.profile_file_prefix = str(optimised.parent / "profile")
    options.optimized_model_filepath = str(optimised)
    options.add_session_config_entry(
        "session.optimized_model_external_initializers_file_name", f"{optimised.name}.data"
    )
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")


def _graph(path: Path) -> onnx.GraphProto:
    return onnx.load(path, load_external_data=False).graph


@dataclass(frozen=True)
class Places:
    """Where each node of the optimised graph comes from, by its name."""

    by_name: dict[str, Place]

    @classmethod
    def of(cls, exported: onnx.GraphProto, optimised: onnx.GraphProto) -> Places:
        """Lead every node back to an exported one."""
        nodes = list(_all_nodes(exported))
        origins = {node.name: node for node in nodes}
        makers = {value: node for node in nodes for value in node.output}
        own = list(_all_nodes(optimised))
        readers = {value: node for node in reversed(own) for value in node.input}
        return cls({node.name: _place(node, origins, makers, readers) for node in own})


def _all_nodes(graph: onnx.GraphProto) -> Iterable[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _all_nodes(inner)


def _place(
    node: onnx.NodeProto,
    origins: dict[str, onnx.NodeProto],
    makers: dict[str, onnx.NodeProto],
    readers: dict[str, onnx.NodeProto],
) -> Place:
    origin = _origin(node, origins, makers)
    if origin is None:  # what the runtime puts in front of a node of its own belongs to that
        reader = next((readers[value] for value in node.output if value in readers), None)
        origin = _origin(reader, origins, makers) if reader is not None else None
    if origin is None:
        return Place(node.op_type, fused=node.name or None)
    fused = node.name if node.name != origin.name else None
    return Place(node.op_type, origin.name or None, fused, _module(origin))


def _origin(
    node: onnx.NodeProto, origins: dict[str, onnx.NodeProto], makers: dict[str, onnx.NodeProto]
) -> onnx.NodeProto | None:
    """By name, by a value that it makes, or by the name that the runtime has added to (`node_MatMul_44/MatMulAddFusion`)."""
    if node.name in origins:
        return origins[node.name]
    made = next((makers[value] for value in node.output if value in makers), None)
    return made if made is not None else origins.get(node.name.split("/", maxsplit=1)[0])


def _module(node: onnx.NodeProto) -> str | None:
    """The path of the module that the exporter noted; the scopes end with the node itself."""
    text = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), None)
    if text is None or len(text) > _MOST_SCOPES:
        return None
    try:
        scopes = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    return str(scopes[-2]) if isinstance(scopes, list) and len(scopes) > 1 else None


def node_times(path: Path, places: Places) -> list[list[Timed]]:
    """The nodes of every run in the runtime's profile, in order; a node that runs others (If, Loop) without the time of those."""
    events = json.loads(path.read_text("utf-8"))
    runs = sorted((e for e in events if e.get("name") == "model_run"), key=lambda e: e["ts"])
    kernels = sorted((e for e in events if _is_kernel(e)), key=lambda e: (e["ts"], -e["dur"]))
    found: list[list[Timed]] = []
    position = 0
    for run in runs:
        inside = []
        while position < len(kernels) and kernels[position]["ts"] <= run["ts"] + run["dur"]:
            if kernels[position]["ts"] >= run["ts"]:
                inside.append(kernels[position])
            position += 1
        found.append(_self_times(inside, places))
    return found


def _is_kernel(event: dict[str, Any]) -> bool:
    return event.get("cat") == "Node" and str(event.get("name", "")).endswith(_KERNEL)


_KERNEL = "_kernel_time"


def _self_times(events: Sequence[dict[str, Any]], places: Places) -> list[Timed]:
    own = [event["dur"] for event in events]
    open_ones: list[int] = []
    for index, event in enumerate(events):
        while open_ones and event["ts"] >= events[open_ones[-1]]["ts"] + events[open_ones[-1]]["dur"]:
            open_ones.pop()
        if open_ones:
            own[open_ones[-1]] -= event["dur"]
        open_ones.append(index)
    return [Timed(_place_of(event, places), taken * 1e-6) for event, taken in zip(events, own, strict=True)]


def _place_of(event: dict[str, Any], places: Places) -> Place:
    name = str(event["name"]).removesuffix(_KERNEL)
    known = places.by_name.get(name)
    return known if known is not None else Place(str(event.get("args", {}).get("op_name", name)), fused=name)
