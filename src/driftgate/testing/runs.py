"""Synthetic runs on disk, of any size, written through the run store: what tests and benchmarks of the steps read.

    store = synthetic_run(tmp_path, models=1000)

Each model has a story (`Story`), and every scheduled cell has its record, as after a real run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from random import Random

from driftgate.core.records import (
    Agent,
    Cell,
    ExpectedFailure,
    Failure,
    Finding,
    Findings,
    GraphBreak,
    LeftOut,
    Lock,
    LockEntry,
    Manifest,
    Plan,
    Record,
    Severity,
    StageRecord,
)
from driftgate.core.references import slug_of
from driftgate.core.verdicts import FailureKind, Verdict, verdict_of
from driftgate.machine.store import RunStore
from driftgate.testing import run_payloads

START = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
FLEET = "synthetic"
AGENT = "agent-1"
REASON = "the model's loop over chunks depends on its data; not exportable until it is rewritten"
CELLS = (
    ("pull", None), ("inputs", None), ("explain", None), ("export", None), ("infer", "torch-eager-cpu"),
    ("infer", "torch-inductor-cpu"), ("infer", "ort-cpu"), ("drift", "ort-cpu"),
)  # fmt: skip
_FAMILIES = (
    ("bert", "fill-mask", "text", "BertForMaskedLM"),
    ("vit", "image-classification", "vision", "ViTForImageClassification"),
    ("whisper", "automatic-speech-recognition", "audio", "WhisperForConditionalGeneration"),
    ("clip", "zero-shot-image-classification", "multimodal", "CLIPModel"),
    ("llama", "text-generation", "text", "LlamaForCausalLM"),
)


class Story(StrEnum):
    """What happens to a model on its way through the stages."""

    CLEAN = "clean"
    BREAKS = "breaks"
    SECOND_EXPORTER = "second_exporter"
    UNSUPPORTED = "unsupported"
    DRIFT = "drift"
    NONDETERMINISTIC = "nondeterministic"
    TIMEOUT = "timeout"
    OOM = "oom"
    CRASH = "crash"
    NETWORK = "network"


_FAILS = {
    Story.UNSUPPORTED: (
        "export",
        FailureKind.UNSUPPORTED_OP,
        "No ONNX function found for <OpOverload(op='aten.unfold_copy')>",
    ),
    Story.DRIFT: (
        "drift",
        FailureKind.OUT_OF_TOLERANCE,
        "last_hidden_state is 3.2e-2 away from torch-eager-cpu, 320 × atol",
    ),
    Story.NONDETERMINISTIC: (
        "drift",
        FailureKind.NONDETERMINISTIC,
        "torch-eager-cpu is 0.4 away from itself, run to run",
    ),
    Story.TIMEOUT: ("explain", FailureKind.TIME_LIMIT, "still running after its limit of 900 s"),
    Story.OOM: (
        "infer.torch-inductor-cpu",
        FailureKind.MEMORY_LIMIT,
        "the family of processes reached 8.0 GB, its limit",
    ),
    Story.CRASH: ("infer.ort-cpu", FailureKind.SIGNAL, "the worker died of SIGSEGV"),
    Story.NETWORK: ("pull", FailureKind.NETWORK, "the Hub did not answer within 30 s (3 tries)"),
}
_TRACEBACK = """Traceback (most recent call last):
  File "torch/onnx/_internal/exporter/_core.py", line 597, in _add_nodes
    _handle_call_function_node_with_lowering(
  File "torch/onnx/_internal/exporter/_core.py", line 493, in _handle_call_function_node_with_lowering
    raise _errors.DispatchError(message)
torch.onnx._internal.exporter._errors.DispatchError: {message}
"""


def synthetic_run(
    output: Path,
    *,
    models: int = 12,
    stories: Sequence[Story] = (),
    expected: Sequence[Story] = (),
    names: Sequence[str] = (),
    breaks: tuple[GraphBreak, ...] = run_payloads.BREAKS,
    seed: int = 0,
    judged: bool = True,
) -> RunStore:
    """Write a run of `models` models × 8 cells under `output`.

    `stories` are dealt out in turn (default: nine of ten clean, the tenth one of the others), `names` are the references of the
    first models, failures of the stories in `expected` stand in the manifest as expected. `judged=False` leaves out what the gate
    writes (findings, manifest).
    """
    store = RunStore.create(output, now=START)
    entries = _entries(models, names)
    tales = dict(zip((entry.slug for entry in entries), _deal(models, stories), strict=True))
    cells = tuple(Cell(model=e.slug, stage=stage, target=target) for e in entries for stage, target in CELLS)
    store.write_plan(Plan(run_id=store.run_id, fleet=FLEET, cells=cells))
    store.write_lock(
        Lock(models=entries, left_out=(LeftOut(ref="hf:acme/gated", reason="gated, and no token is set"),))
    )
    store.write_agent(synthetic_agent())
    counts: Counter[str] = Counter()
    accused: list[StageRecord] = []
    for entry in entries:
        for record in model_records(store, entry, tales[entry.slug], breaks=breaks, seed=seed):
            store.write_record(record)
            counts[record.verdict.value] += 1
            if record.failure and record.failure.kind is not FailureKind.UPSTREAM:
                accused.append(record)
    if judged:
        _judge(store, counts, accused, {slug for slug, tale in tales.items() if tale in expected})
    return store


def _deal(models: int, stories: Sequence[Story]) -> Iterator[Story]:
    others = [story for story in Story if story not in (Story.CLEAN, Story.NETWORK)]
    for index in range(models):
        if stories:
            yield stories[index % len(stories)]
        else:
            yield others[index // 10 % len(others)] if index % 10 == 9 else Story.CLEAN


def _entries(models: int, names: Sequence[str]) -> tuple[LockEntry, ...]:
    entries = []
    for index in range(models):
        family, task, modality, architecture = _FAMILIES[index % len(_FAMILIES)]
        ref = names[index] if index < len(names) else f"hf:acme/tiny-{family}-{index:04d}"
        entry = LockEntry(
            ref=ref,
            slug=slug_of(ref),
            scheme=ref.partition(":")[0],
            name=ref.partition(":")[2],
            revision=f"{index:040x}",
            family=family,
            task=task,
            modality=modality,
            architecture=architecture,
            library="transformers",
            licence="apache-2.0",
            size_bytes=1_200_000 + index,
        )
        entries.append(entry)
    return tuple(entries)


def synthetic_agent(name: str = AGENT) -> Agent:
    """The provenance of a machine that does not exist."""
    return Agent(
        agent=name,
        python="3.11.2",
        platform="Linux-6.1-x86_64",
        cpu="Example CPU at 2.0 GHz",
        cores=2,
        memory_bytes=8_000_000_000,
        packages={"torch": "2.13.0", "transformers": "5.23.0", "onnx": "1.23.0", "onnxruntime": "1.31.0"},
        environment={"OMP_NUM_THREADS": "1"},
        commit="0f" * 20,
        dirty=False,
    )


def model_records(
    store: RunStore,
    entry: LockEntry,
    story: Story,
    *,
    breaks: tuple[GraphBreak, ...] = run_payloads.BREAKS,
    seed: int = 0,
) -> Iterator[StageRecord]:
    """The eight records of one model, in the order of the stages."""
    random = Random(f"{seed} {entry.slug}")
    failed: set[str] = set()
    for index, (stage, target) in enumerate(CELLS):
        cell = Cell(model=entry.slug, stage=stage, target=target)
        failure = _failure(cell, story, failed)
        if failure is not None:
            failed.add(cell.name)
        yield StageRecord(
            run_id=store.run_id,
            agent=AGENT,
            model=entry.identity(),
            stage=stage,
            target=target,
            verdict=verdict_of(failure.kind) if failure else Verdict.PASSED,
            failure=failure,
            started_at=START + timedelta(seconds=9 * index),
            duration_s=0.0 if failure and failure.kind is FailureKind.UPSTREAM else random.uniform(0.05, 8),
            peak_rss_bytes=random.randrange(320_000_000, 900_000_000),
            baseline_rss_bytes=310_000_000,
            attempt=2 if story is Story.CRASH and failure else 1,
            payload=_payload(cell, story, failure, random, breaks),
        )


def _failure(cell: Cell, story: Story, failed: set[str]) -> Failure | None:
    upstream = next((name for name in failed if _hangs_on(cell.name, name)), None)
    if upstream is not None:
        return Failure.of(FailureKind.UPSTREAM, f"needs {upstream}, which did not pass")
    name, kind, message = _FAILS.get(story, ("", FailureKind.OTHER, ""))
    if name not in (cell.name, cell.stage):
        return None
    hint = "register a custom translation, or rewrite the call" if kind is FailureKind.UNSUPPORTED_OP else None
    traceback = _TRACEBACK.format(message=message) if story is Story.UNSUPPORTED else None
    signal = "SIGSEGV" if kind is FailureKind.SIGNAL else None
    return Failure.of(kind, message, hint=hint, traceback=traceback, signal=signal)


def _hangs_on(cell: str, failed: str) -> bool:
    if failed in ("pull", "inputs"):
        return True
    return cell == "drift.ort-cpu" if failed == "infer.ort-cpu" else failed == "export" and "ort-cpu" in cell


def _payload(
    cell: Cell, story: Story, failure: Failure | None, random: Random, breaks: tuple[GraphBreak, ...]
) -> Record | None:
    upstream = failure is not None and failure.kind is FailureKind.UPSTREAM
    if upstream or (failure is not None and cell.stage != "drift"):
        return None
    makers: dict[str, Callable[[], Record]] = {
        "pull": lambda: run_payloads.pull_payload(random),
        "inputs": lambda: run_payloads.inputs_payload(random),
        "explain": lambda: run_payloads.explain_payload(random, breaks if story is Story.BREAKS else ()),
        "export": lambda: run_payloads.export_payload(random, second_exporter=story is Story.SECOND_EXPORTER),
        "infer": lambda: run_payloads.infer_payload(random, cell.target or ""),
        "drift": lambda: run_payloads.drift_payload(
            random, scale=1e4 if failure else 1.0, within=failure is None, own=0.4 * (story is Story.NONDETERMINISTIC)
        ),
    }
    return makers[cell.stage]()


def _judge(store: RunStore, counts: Counter[str], accused: list[StageRecord], excused: set[str]) -> None:
    findings = tuple(_finding(record) for record in accused if record.model.slug not in excused)
    expected = tuple(
        ExpectedFailure(model=r.model.slug, cell=r.cell.name, kind=r.failure.kind.value, reason=REASON)
        for r in accused
        if r.failure and r.model.slug in excused
    )
    verdict = "failed" if findings else "passed"
    store.write_findings(Findings(run_id=store.run_id, fleet=FLEET, verdict=verdict, findings=findings))
    manifest = Manifest(
        run_id=store.run_id,
        fleet=FLEET,
        driftgate="0.1.0",
        started_at=START,
        ended_at=START + timedelta(minutes=3, seconds=12),
        config={"fleet": FLEET, "targets": ["torch-eager-cpu", "torch-inductor-cpu", "ort-cpu"]},
        counts=dict(counts),
        verdict=verdict,
        expected=expected,
    )
    store.write_manifest(manifest)


def _finding(record: StageRecord) -> Finding:
    assert record.failure is not None
    cell, failure = record.cell, record.failure
    target = f" --target {cell.target}" if cell.target else ""
    return Finding.about(
        cell,
        FLEET,
        "unexpected",
        Severity.ERROR,
        f"{cell.name} of {cell.model} ended {record.verdict.value} ({failure.kind.value}): {failure.message}",
        mark=failure.fingerprint,
        current=failure.kind.value,
        evidence={"kind": failure.kind.value, "fingerprint": failure.fingerprint},
        repro=f"driftgate {cell.stage} --run {record.run_id} --model {cell.model}{target}",
    )
