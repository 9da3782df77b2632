"""One script: which template, filled with what, and the files that lie beside it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from driftgate.core.breaks import ANSI
from driftgate.core.fingerprints import NORMALISE
from driftgate.core.needs import DYNAMIC, reads_onnx
from driftgate.core.records import Agent, ExplainPayload, GraphBreak, cell_named
from driftgate.diagnose.repro.broken import ENDINGS, Broken, at_second_size
from driftgate.diagnose.repro.building import Building
from driftgate.diagnose.repro.imports import import_lines, names_in, pins, versions_of
from driftgate.diagnose.repro.inputs import Call
from driftgate.diagnose.repro.render import Code, NoRepro, render
from driftgate.machine.settings import Settings

CLIPPED = 110
MOST_LINES = 4
MOST_BYTES = 50_000_000
"""Of one file that is copied beside a script."""
EXPORTERS = frozenset({"dynamo", "transformers", "torchscript"})
PROVIDERS = {
    "ort-cpu": ("CPUExecutionProvider", "onnxruntime"),
    "ort-cuda": ("CUDAExecutionProvider", "onnxruntime-gpu"),
}
_TORCH_TARGET = re.compile(r"torch-(?P<way>eager|inductor)-(?P<device>cpu|cuda)")
_BELOW_PACKAGES = r"""[^\s"'=(\[]*/(?:site|dist)-packages/"""
_STDLIB = r"/lib/python3\.\d+/(?!site-packages/|dist-packages/)"
RECOGNISE = "recognise.py"
_RECOGNISERS = ("Breaks", "alone", "judge", "watch")


@dataclass(frozen=True)
class Circumstances:
    """What the scripts of one model share: how it is built and called, and where that was done. `onnx` are its exported files by
    variant."""

    building: Building
    call: Call
    agent: Agent | None
    settings: Settings
    onnx: dict[str | None, Path]


@dataclass(frozen=True)
class Script:
    """Its text, and name → file for what must lie beside it."""

    text: str
    files: dict[str, Path]


def recogniser() -> str:
    """The module that all scripts of a folder share: how a break or a failure is known again."""
    normalise = [(pattern.pattern, instead) for pattern, instead in NORMALISE]
    own = {"ansi": ANSI.pattern, "below_packages": _BELOW_PACKAGES, "stdlib": _STDLIB}
    return render("recognise", normalise=normalise, **own)


def script_of(broken: Broken, around: Circumstances) -> Script:
    """The script for a broken cell. Raises NoRepro with the reason where there can be none."""
    cell = broken.record.cell
    if cell_named(cell.model, cell.name) != cell:
        raise NoRepro("it is not named as a cell is")
    make = {"explain": _of_explain, "export": _of_export, "infer": _of_infer}[cell.stage]
    return _of_breaks(broken, around) if broken.failure is None else make(broken, around)


def _of_breaks(broken: Broken, around: Circumstances) -> Script:
    payload = broken.record.payload
    assert isinstance(payload, ExplainPayload)
    added = at_second_size(payload)
    body = render(
        "explain",
        breaks=list(_rows(payload.breaks)),
        added=list(_rows(added)),
        second=around.call.at_second_size().file if added else None,
        **_of_module(around, around.call),
    )
    return _complete("breaks", body, broken, around)


def _rows(breaks: Sequence[GraphBreak]) -> Iterator[dict[str, Any]]:
    """Fingerprint, events and a remark; two places with one fingerprint are one row."""
    events: Counter[str] = Counter()
    for one in breaks:
        events[one.fingerprint] += one.count
    seen = {one.fingerprint: one for one in reversed(breaks)}
    for fingerprint, count in events.items():
        one = seen[fingerprint]
        text = f"{one.gb_id or one.gb_type} in {one.function}, {one.file}:{one.line}: {one.code}"
        yield {"fingerprint": fingerprint, "count": count, "text": text[:CLIPPED]}


def _of_explain(broken: Broken, around: Circumstances) -> Script:
    second = around.call.at_second_size().file if "second" in broken.doing else None
    values = _of_module(around, around.call) | {"second": second}
    return _complete("explain", _failing("explain", broken, around, **values), broken, around)


def _of_export(broken: Broken, around: Circumstances) -> Script:
    exporter = broken.exporter
    if exporter not in EXPORTERS or (exporter == "transformers" and around.call.positional):
        raise NoRepro(f"no script is known for the exporter {exporter} and such inputs")
    shapes = around.call.axes if exporter == "torchscript" else around.call.shapes()
    values = _of_module(around, around.call) | {
        "exporter": exporter,
        "opset": around.settings.export.opset,
        "shapes": shapes if broken.record.variant == DYNAMIC else None,
    }
    return _complete("export", _failing("export", broken, around, **values), broken, around)


def _of_infer(broken: Broken, around: Circumstances) -> Script:
    target = broken.record.target or ""
    call = around.call.at_second_size() if broken.record.variant == DYNAMIC else around.call
    if reads_onnx(target):
        return _of_onnx(broken, around, call, target)
    way = _TORCH_TARGET.fullmatch(target)
    if way is None:
        raise NoRepro(f"no script is known for the target {target}")
    values = _of_module(around, call) | {"compiled": way["way"] == "inductor", "device": way["device"]}
    return _complete("infer_torch", _failing("infer_torch", broken, around, **values), broken, around)


def _of_onnx(broken: Broken, around: Circumstances, call: Call, target: str) -> Script:
    file = around.onnx.get(broken.record.variant)
    if target not in PROVIDERS:
        raise NoRepro(f"no script is known for the target {target}")
    if file is None:
        raise NoRepro("the ONNX file is gone; `driftgate export --run` makes it again")
    provider, package = PROVIDERS[target]
    files = [path for path in (file, file.with_name(f"{file.name}.data")) if path.is_file()]
    small = sum(path.stat().st_size for path in files) <= MOST_BYTES
    beside = {path.name: path for path in files} if small else {}
    note = f"{file.name} is large and was not copied: it lies in the folder above"
    building = replace(around.building, files=beside, notes=() if small else (note,), endpoint=None)
    values = {"call": _values(call), "provider": provider, "onnx": file.name if small else f"../{file.name}"}
    body = _failing("infer_ort", broken, around, **values)
    return _complete("infer_ort", body, broken, replace(around, building=building), runtime=package)


def _of_module(around: Circumstances, call: Call) -> dict[str, Any]:
    """What every script that builds the model needs."""
    model = around.building.values | {"kind": Code(around.building.kind)}
    return {"model": model, "call": _values(call), "device": "cpu"}


def _values(call: Call) -> dict[str, Any]:
    return {name: getattr(call, name) for name in ("order", "arguments", "positional", "seed", "file")}


def _failing(action: str, broken: Broken, around: Circumstances, **values: Any) -> str:
    assert broken.failure is not None
    if broken.kind not in ENDINGS and broken.recipe is None:
        raise NoRepro(f"a script cannot judge it: {broken.failure.message.splitlines()[0][:200]}")
    common = {
        "action": Code(action),
        "ending": broken.kind in ENDINGS,
        "seconds": around.settings.limits.time,
        "bytes": around.settings.limits.memory,
        "kind": str(broken.failure.kind),
        "doing": broken.doing,
        "expected": broken.failure.fingerprint,
        "recipe": broken.recipe,
        "judgement": broken.judgement,
        "message": broken.failure.message,
    }
    return render("failure", **(common | values))


def _complete(action: str, body: str, broken: Broken, around: Circumstances, runtime: str | None = None) -> Script:
    """The body with its head: packages, what a reader wants to know of the run, imports."""
    agent, building = around.agent, around.building
    names = names_in(body) | {"Path", "sys", "traceback"} | ({"os"} if building.endpoint else set())
    versions = versions_of(names, agent, runtime)
    stdlib, heavy = import_lines(names)
    minor = re.match(r"\d+\.\d+", agent.python) if agent else None
    head = render(
        "head",
        action=Code(action),
        python=f"=={minor[0]}.*" if minor else ">=3.11",
        packages=list(pins(versions)),
        about=_about(broken, agent, versions) | {"notes": list(building.notes)},
        stdlib=[Code(line) for line in stdlib],
        heavy=[Code(line) for line in heavy],
        recognise=Code(", ".join(name for name in _RECOGNISERS if name in names)),
        endpoint=building.endpoint,
    )
    return Script(
        head + body, building.files | {name: around.call.files[name] for name in around.call.files if name in body}
    )


def _about(broken: Broken, agent: Agent | None, versions: dict[str, str]) -> dict[str, Any]:
    record = broken.record
    message = broken.failure.message.splitlines() if broken.failure else []
    exact = ", ".join(f"{name} {version}" for name, version in versions.items())
    return {
        "model": f"{record.model.ref}, {record.model.architecture}, {record.model.revision or 'not pinned'}",
        "cell": record.cell.name,
        "run": record.run_id,
        "platform": agent.platform if agent else "a machine that left no provenance",
        "packages": f"Python {agent.python}, {exact}" if agent else "not known: the agent's provenance is missing",
        "said": [line[:CLIPPED] for line in message if line.strip()][:MOST_LINES],
    }
