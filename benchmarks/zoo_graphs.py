"""Exported graphs of twenty zoo models for benchmarks of drift, and a search on them as commands and cells make it.

The graphs are exported once, into a folder of the cache.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import yaml
from safetensors.numpy import load_file

from benchmarks.harness import DRIFTGATE, run_timed
from driftgate.core.errors import StageFailure
from driftgate.core.records import Cell, DriftPayload, LockEntry
from driftgate.core.verdicts import FailureKind
from driftgate.machine.files import cache_root
from driftgate.machine.jobs import Job, TwoFiles
from driftgate.machine.settings import Settings

MODELS = (
    "bert", "distilbert", "albert", "roberta", "electra", "gpt2", "llama", "qwen2", "mixtral", "t5", "bart", "vit",
    "swin", "convnext", "resnet", "segformer", "clip", "llava", "wav2vec2", "whisper",
)  # fmt: skip


def exported() -> dict[str, Path]:
    """Model → its folder with `model.onnx` and `inputs.safetensors`; exported where the cache has none."""
    root = cache_root() / "bench-localisation"
    run = root / "outputs"
    if not (root / ".complete").is_file():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        config = {
            "models": [f"zoo:{name}" for name in MODELS],
            "targets": ["torch-eager-cpu", "ort-cpu"],
            "export": {"exporters": ["dynamo", "transformers"]},
            "latency": {"enabled": False},
            "keep": {"onnx": "always"},
        }
        (root / "config.yaml").write_text(yaml.safe_dump(config))
        run_timed([*DRIFTGATE, "pull", str(root / "config.yaml"), "--output", str(run)])
        for stage in ("inputs", "export", "infer"):
            run_timed([*DRIFTGATE, stage, "--run", "latest", "--output", str(run), "--jobs", "1"])
        (root / ".complete").touch()
    found = {}
    for name in MODELS:
        folder = next(
            (f for f in run.glob("*/models/*") if f.name == f"zoo--{name}" and (f / "model.onnx").is_file()), None
        )
        if folder is not None:
            found[name] = folder
    return found


def searched(folder: Path, candidate: Path, place: Path) -> DriftPayload | None:
    """The payload of a pair that drifts; None for one that doesn't, or that cannot be run or compared."""
    from driftgate.stages.culprit.files import diff

    files = TwoFiles(reference=folder / "model.onnx", candidate=candidate, inputs=folder / "inputs.safetensors")
    try:
        diff(job_for(files, place), None)  # type: ignore[arg-type]  # it asks nothing of a bench
    except StageFailure as failure:
        if failure.kind is FailureKind.OUT_OF_TOLERANCE and isinstance(failure.payload, DriftPayload):
            return failure.payload
        incomparable = failure.kind in (FailureKind.SHAPE_MISMATCH, FailureKind.NONDETERMINISTIC)
        if not incomparable and runs(candidate, folder / "inputs.safetensors"):
            raise  # then it is the search that failed
    return None


def runs(path: Path, inputs: Path) -> bool:
    """Whether ONNX Runtime takes a file at all: some faults it refuses, and some files that it has optimised itself."""
    from driftgate.stages.culprit.runtime import Runtime

    try:
        Runtime().outputs(path, load_file(inputs))
    except StageFailure:
        return False
    return True


def job_for(files: TwoFiles, place: Path) -> Job:
    """A job as `driftgate diff` makes it, in an empty work folder."""
    work = place / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    entry = LockEntry(ref="local:file", slug="files", scheme="local", name="file")
    cell = Cell(model="files", stage="drift")
    return Job(
        run=place, work=work, cache=place, inputs=place, cell=cell, entry=entry, settings=Settings(), files=files
    )


def copied_run(folder: Path, run: Path) -> Path:
    """The run of one model alone."""
    shutil.copytree(folder.parent.parent, run, ignore=lambda at, names: _others(at, names, folder.name))
    return run


def culprit_part(run: Path, slug: str, work: Path) -> DriftPayload:
    """The culprit part of a model's drift cell, in this process."""
    from driftgate.stages.culprit.stage import culprit

    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    entry = next(m for m in json.loads((run / "models.lock.json").read_text())["models"] if m["slug"] == slug)
    job = Job(
        run=run,
        work=work,
        cache=cache_root() / "models",
        inputs=run,
        cell=Cell(model=slug, stage="drift", target="ort-cpu"),
        entry=LockEntry.model_validate(entry),
        settings=Settings(targets=("torch-eager-cpu", "ort-cpu")),
    )
    return culprit(job, None)  # type: ignore[arg-type]  # it asks nothing of a bench


def _others(at: str, names: list[str], slug: str) -> list[str]:
    return [name for name in names if name != slug] if Path(at).name == "models" else ["report"]
