"""Recording launches: the same cells timed again and again, each time in a process of its own.

    python -m benchmarks.launches 200 > benchmarks/data/launches.json

What comes out are the p50 of each launch, in seconds, in the order taken: the noise that the gate has to live with. `calibration`
draws its nights from it. Nothing keeps the machine quiet here, on purpose: neighbours are part of the noise.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from driftgate.cli.session import Session, begin_run
from driftgate.core.records import Cell, InferPayload
from driftgate.machine.jobs import Job
from driftgate.machine.provenance import cores_allowed, cpu_model, package_versions
from driftgate.machine.settings import Config, Document, Settings
from driftgate.machine.store import RunStore
from driftgate.stages.warm import imports

MODELS = ("zoo:bert", "zoo:vit", "zoo:whisper")
TARGETS = ("torch-eager-cpu", "ort-cpu")
LATENCY = {"budget": 1}


class Unguarded:
    """A bench that waits for nobody."""

    def alone(self):
        from contextlib import nullcontext

        return nullcontext()

    def progress(self, done: int, total: int | None) -> None:
        return


def record(launches: int, folder: Path) -> dict[str, object]:
    """Run the infer cells `launches` times. The cells take turns, so that what the machine does is spread over all of them."""
    asked = {"models": MODELS, "targets": TARGETS, "latency": LATENCY, "fleet": "launches"}
    settings = Settings.model_validate(asked)
    config = Config(settings, Document.of("benchmarks.launches"), Path.cwd())
    store = begin_run(config, settings, folder)
    cells = store.plan().cells
    Session(store, settings).conduct(cell for cell in cells if cell.stage not in {"infer", "drift", "explain"})
    timed = [cell for cell in cells if cell.stage == "infer"]
    imports()  # what a warmed worker has, so that a launch is a fork and no import
    taken: dict[str, list[float]] = {f"{cell.model} {cell.target}": [] for cell in timed}
    for number in range(launches):
        for cell in timed:
            taken[f"{cell.model} {cell.target}"].append(
                launched(store, settings, cell, folder / f"{cell.model}-{cell.name}-{number}")
            )
    machine = {"cpu": cpu_model(), "cores": cores_allowed(), "packages": package_versions()}
    return {"machine": machine, "p50_s": taken}


def launched(store: RunStore, settings: Settings, cell: Cell, work: Path) -> float:
    """The p50 of one launch: a forked process that loads the model, warms up and times it."""
    from driftgate.machine.files import cache_root
    from driftgate.stages.infer import infer

    entry = next(entry for entry in store.lock().models if entry.slug == cell.model)
    work.mkdir()
    job = Job(
        run=store.root, work=work, cache=cache_root() / "models", inputs=work, cell=cell, entry=entry, settings=settings
    )
    child = os.fork()
    if child == 0:
        payload = infer(job, Unguarded())
        (work / "payload.json").write_text(payload.model_dump_json())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"{cell.name} of {cell.model} ended with {status}"
    latency = InferPayload.model_validate_json((work / "payload.json").read_bytes()).latency
    assert latency is not None
    return latency.p50


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(record(int(sys.argv[1]), Path(place)), indent=1))
