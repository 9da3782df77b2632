"""What exports of the zoo fail of: kinds, clusters by fingerprint, and how many failures no row of the table knows (`other`).

A seeded sample of the catalogue goes down the whole ladder: torch's exporter, then transformers', then TorchScript, until one
succeeds. Models that cannot be built or fed are counted apart.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.harness import DRIFTGATE, Figure, run_timed
from driftgate.core.records import ExportPayload, FailureSummary, StageRecord
from driftgate.core.text import plural
from driftgate.core.verdicts import FailureKind
from driftgate.machine.store import RunStore
from driftgate.sources.zoo import architectures

TITLE = "What exports fail of"
MODELS = 240
SEED = 7
EXPORTERS = ("dynamo", "transformers", "torchscript")


def measure() -> list[Figure]:
    """About half an hour on two cores."""
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as name:
        place = Path(name)
        config = place / "zoo.yaml"
        config.write_text(json.dumps(configuration(sample(MODELS))))
        env, out = {"DRIFTGATE_CACHE": str(place / "cache")}, ["--output", str(place / "outputs")]
        run_timed([*DRIFTGATE, "pull", str(config), *out], env=env)
        for stage in ("inputs", "export"):
            run_timed([*DRIFTGATE, stage, "--run", "latest", *out], env=env)
        return figures(RunStore.find("latest", place / "outputs"))


def sample(count: int) -> list[str]:
    """Model types of the installed transformers, the same ones each time."""
    return [f"zoo:{name}" for name in Random(SEED).sample(sorted(architectures()), count)]


def configuration(models: list[str]) -> dict[str, Any]:
    """A fleet that is only exported."""
    return {
        "fleet": "zoo-exports",
        "models": models,
        "targets": ["torch-eager-cpu"],
        "export": {"exporters": EXPORTERS},
        "limits": {"time": 300},
    }


def figures(run: RunStore) -> list[Figure]:
    """The table of a run."""
    records = [record for record in run.records() if record.stage == "export"]
    tried = [record for record in records if isinstance(record.payload, ExportPayload)]
    failed = [found for record in tried for found in _failures(record)]
    other = sum(1 for _, failure in failed if failure.kind == FailureKind.OTHER)
    return [
        Figure("model types of the sample", len(records), "models"),
        Figure("could be built and fed", len(tried), "models"),
        *(Figure(f"exported by {name}", _exported(tried, name), "models") for name in EXPORTERS),
        Figure("exported by none", sum(1 for record in tried if not record.passed), "models"),
        Figure("failed tries", len(failed), "tries", note=_clusters(failed)),
        *(_of_kind(kind, failed) for kind in sorted({failure.kind for _, failure in failed})),
        Figure("share of `other`", 100 * other / max(len(failed), 1), "%", 2),
        Figure("with a hint", 100 * sum(1 for _, f in failed if f.hint) / max(len(failed), 1), "%"),
        Figure(
            "with a module or a line of code", 100 * sum(1 for _, f in failed if _placed(f)) / max(len(failed), 1), "%"
        ),
    ]


Failed = tuple[str, FailureSummary]


def _failures(record: StageRecord) -> Iterable[Failed]:
    assert isinstance(record.payload, ExportPayload)
    found = ((record.model.slug, attempt.failure) for attempt in record.payload.attempts if attempt.failure)
    return [(slug, failure) for slug, failure in found if failure.kind != FailureKind.UNAVAILABLE]


def _exported(records: list[StageRecord], exporter: str) -> int:
    return sum(1 for record in records if isinstance(p := record.payload, ExportPayload) and p.exporter == exporter)


def _of_kind(kind: str, failed: list[Failed]) -> Figure:
    of_kind = [(slug, failure) for slug, failure in failed if failure.kind == kind]
    return Figure(f"`{kind}`", len(of_kind), "tries", note=_clusters(of_kind))


def _clusters(failed: list[Failed]) -> str:
    models, prints = {slug for slug, _ in failed}, {failure.fingerprint for _, failure in failed}
    return f"{plural(len(models), 'model')}, {plural(len(prints), 'fingerprint')}"


def _placed(failure: FailureSummary) -> bool:
    return failure.module is not None or failure.source is not None
