"""The one table of metrics: name → kind, unit, direction, help, labels. Publish, report, gate and boards read it.

Every series also carries `fleet` and `model`, the Pushgateway's grouping key; `model` is the slug, or `all` for what is of the whole run.
Values are snapshots of the newest run: query them with `sum` and `max`, never with `rate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from driftgate.core.fingerprints import normalise
from driftgate.core.records import GraphBreak
from driftgate.core.verdicts import Verdict

JOB = "driftgate"
OF_THE_RUN = "all"
"""The `model` of what is of the whole run."""

EXPECTED = "expected"
VERDICT_CODES: Mapping[str, int] = MappingProxyType(
    {name: code for code, name in enumerate((*(verdict.value for verdict in Verdict), EXPECTED)) if code}
)
"""The numbers of `driftgate_stage_verdict`: 1 failed, 2 timeout, 3 oom, 4 crashed, 5 skipped, 6 whatever it was, expected. A cell that
passed has none: every series of a Pushgateway makes every push to it slower."""

REASON_LENGTH = 100


class Kind(StrEnum):
    """What Prometheus calls the type of a metric."""

    GAUGE = "gauge"
    COUNTER = "counter"


class Better(StrEnum):
    """Which way is good news."""

    LESS = "less"
    MORE = "more"


@dataclass(frozen=True)
class Metric:
    """One name. `unit` is the unit of its values (`seconds`, `bytes`, `ratio`, `timestamp`, `verdict`, `yes or no`, or what is counted);
    `labels` come on top of `fleet` and `model`, and one that is empty is left out; `of_run` metrics stand under `model="all"`."""

    name: str
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    better: Better | None = None
    kind: Kind = Kind.GAUGE
    of_run: bool = False


_CELL = ("stage", "target", "variant")
_ON_TARGET = ("target", "variant")
_LESS, _MORE = Better.LESS, Better.MORE

_TABLE = (
    # of a model
    Metric(
        "driftgate_model_info", "models", "The model: one series, always 1.",
        ("ref", "family", "task", "modality", "architecture"),
    ),
    Metric(
        "compile_breaks_total", "graph breaks", "Graph breaks by reason, at the first input size; models without breaks have no series.",
        ("commit", "reason", "family", "modality"), _LESS, Kind.COUNTER,
    ),
    Metric("driftgate_graph_breaks", "graph breaks", "Graph breaks of the model, 0 included.", (), _LESS),
    Metric(
        "driftgate_fullgraph_passed", "yes or no", "Whether torch.compile(fullgraph=True) accepts the model.",
        (), _MORE,
    ),
    Metric("driftgate_stage_passed", "yes or no", "Whether the cell passed.", _CELL, _MORE),
    Metric(
        "driftgate_stage_verdict", "verdict",
        "How a cell ended that did not pass: " + ", ".join(f"{code} {name}" for name, code in VERDICT_CODES.items()) + ".", _CELL,
    ),
    Metric("driftgate_stage_duration_seconds", "seconds", "Wall time of the cell's attempt that counts.", _CELL, _LESS),
    Metric(
        "driftgate_peak_rss_bytes", "bytes", "Largest resident size of the cell's family of processes, from explain on.",
        _CELL, _LESS,
    ),
    Metric("driftgate_export_passed", "yes or no", "Whether any exporter made an ONNX file.", ("variant",), _MORE),
    Metric(
        "driftgate_export_attempt_passed", "yes or no", "Whether this exporter did; only those that were tried.",
        ("exporter", "variant"), _MORE,
    ),
    Metric(
        "driftgate_output_drift_max_abs", "absolute difference",
        "Largest absolute difference from the reference over all outputs.",
        _ON_TARGET, _LESS,
    ),
    Metric(
        "driftgate_output_drift_mae", "absolute difference", "Largest mean absolute difference of any output.",
        _ON_TARGET, _LESS,
    ),
    Metric(
        "driftgate_output_within_tolerance", "yes or no", "Whether every output is within its tolerance.",
        _ON_TARGET, _MORE,
    ),
    Metric(
        "driftgate_output_agreement_ratio", "ratio",
        "Share of samples with the reference's choice (argmax), of the worst output.",
        _ON_TARGET, _MORE,
    ),
    Metric(
        "driftgate_tensor_drift_max_abs", "absolute difference",
        "Largest absolute difference of one output, of the worst five.",
        (*_ON_TARGET, "tensor"), _LESS,
    ),
    Metric("driftgate_latency_seconds", "seconds", "Percentiles of one inference.", (*_ON_TARGET, "stat"), _LESS),
    Metric(
        "driftgate_throughput_samples_per_second", "samples per second", "Samples of the batch per second at p50.",
        _ON_TARGET, _MORE,
    ),
    Metric("driftgate_compile_seconds", "seconds", "What dynamo and its backend took to compile the model.", (), _LESS),
    Metric(
        "driftgate_first_answer_seconds", "seconds",
        "From nothing to the first output: session or compilation, and the first call.",
        _ON_TARGET, _LESS,
    ),
    # of the run
    Metric(
        "driftgate_findings", "findings", "Findings of the gate, 0 included.",
        ("rule", "severity"), _LESS, of_run=True,
    ),
    Metric("driftgate_cells", "cells", "Cells of the run by how they ended.", ("stage", "verdict"), of_run=True),
    Metric(
        "driftgate_break_info", "reasons",
        "The page about a reason of graph breaks: one series a reason, always 1.",
        ("reason", "url"), of_run=True,
    ),
    Metric(
        "driftgate_run_info", "runs", "The run: one series, always 1.",
        ("run_id", "commit", "verdict", "version", "torch", "baseline"), of_run=True,
    ),
    Metric("driftgate_run_passed", "yes or no", "Whether the gate passed the run.", (), _MORE, of_run=True),
    Metric("driftgate_run_duration_seconds", "seconds", "From the run's start to its end.", (), _LESS, of_run=True),
    Metric(
        "driftgate_cycle_seconds", "seconds", "How often this fleet means to run (`cycle:` of its configuration).",
        (), of_run=True,
    ),
    Metric("driftgate_last_run_timestamp_seconds", "timestamp", "When the run began.", (), _MORE, of_run=True),
    Metric(
        "driftgate_last_good_run_timestamp_seconds", "timestamp", "When the newest run began that the gate passed.",
        (), _MORE, of_run=True,
    ),
    # of the shipper of logs
    Metric(
        "driftgate_log_records_pending", "log records", "Events on disk that Loki has not taken yet.",
        ("agent",), _LESS, of_run=True,
    ),
    Metric(
        "driftgate_log_records_shipped_total", "log records", "Events of this run that Loki took.",
        ("agent",), None, Kind.COUNTER, of_run=True,
    ),
    Metric(
        "driftgate_log_records_dropped_total", "log records",
        "Events of this run that Loki will never take; they stay on disk.",
        ("agent",), _LESS, Kind.COUNTER, of_run=True,
    ),
)  # fmt: skip

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _TABLE})

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "fleet": "the fleet of the run's configuration",
        "model": "the model's slug, or `all` for what is of the whole run",
        "stage": "the cell's stage (pull, inputs, explain, export, infer, drift)",
        "target": "the cell's target, absent where a stage has none",
        "variant": "the cell's variant (dynamic, b4, …), absent for the usual one",
        "ref": "the model's reference",
        "family": "`config.model_type` of the model",
        "task": "its pipeline tag",
        "modality": "text, vision, audio, multimodal, timeseries, tabular or other",
        "architecture": "its class",
        "commit": "the commit of the code under test, on the machine that computed the cell",
        "reason": "id and type of a graph break, as torch's registry has them",
        "url": "the page about a reason of graph breaks",
        "exporter": "dynamo, transformers or torchscript",
        "tensor": "the name of an output",
        "stat": "p50, p90, p95 or p99",
        "rule": "the gate's rule",
        "severity": "error (fails the build), warning or info",
        "verdict": "passed, failed, timeout, oom, crashed or skipped; of a run: passed, failed or error",
        "run_id": "the run",
        "baseline": "the run that it was compared with",
        "version": "the version of Driftgate",
        "torch": "the version of torch",
        "agent": "the machine",
    }
)
"""Label → what it means."""


@dataclass(frozen=True)
class Sample:
    """One value. Make it with `of`, which knows the table."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    value: float

    @classmethod
    def of(cls, metric: str, value: float, /, **labels: str | None) -> Sample:
        """Empty labels are left out. Raises ValueError for a metric or a label that is not in the table."""
        unknown = set(labels) - set(METRICS[metric].labels) if metric in METRICS else {metric}
        if unknown:
            raise ValueError(f"not in the table of metrics: {metric}: {', '.join(sorted(unknown))}")
        given = tuple((name, text) for name in METRICS[metric].labels if (text := labels.get(name)))
        return cls(metric, given, float(value))


@dataclass(frozen=True)
class Group:
    """Everything that is pushed under one grouping key."""

    fleet: str
    model: str
    samples: tuple[Sample, ...]


def model_label(slug: str) -> str:
    """The `model` of a slug: the slug, but for a model that is called like the whole run."""
    return f"hf--{slug}" if slug == OF_THE_RUN else slug


def reason_label(seen: GraphBreak) -> str:
    """`GB0170 Data-dependent branching`: bounded, whatever a model put into the type of an unregistered break."""
    if seen.gb_id:
        return f"{seen.gb_id} {seen.gb_type}"[:REASON_LENGTH].rstrip()
    return re.sub(r"\d+", "N", normalise(seen.gb_type))[:REASON_LENGTH].rstrip() or "unknown"


def merged(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """The samples with those of equal labels added up, in the order in which they came first."""
    sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for one in samples:
        sums[one.metric, one.labels] = sums.get((one.metric, one.labels), 0.0) + one.value
    return tuple(Sample(metric, labels, value) for (metric, labels), value in sums.items())
