"""Latency: how long one inference takes on each target, and what comes before the first one."""

from __future__ import annotations

from boards import panels
from boards.schema import Board, Panel, override
from boards.series import Query, by, now, of_family, series, unit
from boards.shared import LATENCY, help_of, to_model, variables

_WHERE = ("model", "target")
SHOWN = "p50|p95|p99"
_MIDDLE = "0.5"


def _percentiles() -> Panel:
    seconds = of_family(series("driftgate_latency_seconds", *_WHERE, stat=SHOWN))
    return panels.lines(
        "Percentiles per target",
        "p50, p95 and p99 of one inference: of the chosen model, or of the middle one where there are several.",
        unit("driftgate_latency_seconds"),
        Query(by("quantile", "target, stat", seconds, _MIDDLE), "{{target}} {{stat}}"),
        width=24,
        height=11,
    )


def _before() -> tuple[Panel, ...]:
    rate = by("quantile", "target", of_family(series("driftgate_throughput_samples_per_second", *_WHERE)), _MIDDLE)
    first = by("quantile", "target", of_family(series("driftgate_first_answer_seconds", *_WHERE)), _MIDDLE)
    return (
        _middle("Throughput", "driftgate_throughput_samples_per_second", rate),
        _middle("Before the first answer", "driftgate_first_answer_seconds", first),
    )


def _middle(title: str, metric: str, expr: str) -> Panel:
    about = f"{help_of(metric)} The middle one of the chosen models."
    return panels.lines(title, about, unit(metric), Query(expr, "{{target}}"))


def _costs() -> tuple[Panel, ...]:
    compiling = f"topk(10, {of_family(series('driftgate_compile_seconds', 'model'))})"
    memory = by("max", "stage, target", of_family(series("driftgate_peak_rss_bytes", "model")))
    return (
        panels.lines(
            "Compile time",
            help_of("driftgate_compile_seconds") + " The ten slowest of the chosen models.",
            unit("driftgate_compile_seconds"),
            Query(compiling, "{{model}}"),
        ),
        panels.lines(
            "Peak memory",
            help_of("driftgate_peak_rss_bytes") + " The largest of the chosen models.",
            unit("driftgate_peak_rss_bytes"),
            Query(memory, "{{stage}} {{target}}"),
        ),
    )


def _slowest() -> tuple[Panel, ...]:
    seconds = of_family(series("driftgate_latency_seconds", *_WHERE, stat="p50"))
    tail = of_family(series("driftgate_latency_seconds", *_WHERE, stat="p99"))
    labels = "model, target, variant"
    ratio = f"{by('max', labels, tail)} / {by('max', labels, seconds)}"
    return (
        panels.table(
            "Slowest models",
            "p50 of one inference and p99 ÷ p50, the length of the tail.",
            unit("driftgate_latency_seconds"),
            now(by("max", labels, seconds)),
            now(ratio),
            columns={
                "model": "model",
                "target": "target",
                "variant": "variant",
                "Value #A": "p50",
                "Value #B": "p99 ÷ p50",
            },
            sort_by="Value #A",
            overrides=[override("model", links=[to_model()]), override("p99 ÷ p50", unit="none", decimals=2)],
            width=24,
            height=12,
        ),
    )


BOARD = Board(
    LATENCY,
    "Driftgate: Latency",
    "How long one inference takes on each target, how many there are a second, and what compilation and memory cost.",
    variables(),
    ((_percentiles(),), _before(), _costs(), _slowest()),
)
