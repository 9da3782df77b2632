"""Drift: how far each target's outputs are from the reference's."""

from __future__ import annotations

from boards import panels
from boards.schema import Board, Panel, override, steps
from boards.series import Query, by, now, of_family, series, unit
from boards.shared import DRIFT, help_of, to_model, variables

_DECADES = steps(
    (None, "green"), (1e-6, "light-green"), (1e-5, "yellow"), (1e-4, "orange"), (1e-3, "red"), (1e-1, "dark-red")
)
_LEAST = "1e-12"
"""What an exact 0 counts as where decades are shown."""
_WHERE = ("model", "target")


def _matrix() -> Panel:
    drift = by("max", "model, target, variant", of_family(series("driftgate_output_drift_max_abs", *_WHERE)))
    return panels.matrix(
        "Drift, model × target",
        help_of("driftgate_output_drift_max_abs") + " Click a model for everything about it.",
        unit("driftgate_output_drift_max_abs"),
        now(f'label_join({drift}, "cell", " ", "target", "variant")'),
        row="model",
        column="cell",
        row_links=[to_model()],
        color={"mode": "thresholds"},
        thresholds=_DECADES,
    )


def _heat() -> Panel:
    drift = by("max", "model, target", of_family(series("driftgate_output_drift_max_abs", *_WHERE)))
    return panels.over_time(
        "Drift over time",
        "The decimal logarithm of the largest absolute difference: −7 is rounding, −3 is worth a look.",
        "none",
        Query(f"log10(clamp_min({drift}, {_LEAST}))", "{{model}} {{target}}"),
        color={"mode": "continuous-GrYlRd"},
        min=-9,
        max=0,
        decimals=1,
    )


def _worst() -> Panel:
    tensors = by("max", "model, target, tensor", of_family(series("driftgate_tensor_drift_max_abs", *_WHERE)))
    return panels.table(
        "Worst tensors",
        help_of("driftgate_tensor_drift_max_abs"),
        unit("driftgate_tensor_drift_max_abs"),
        now(f"topk(100, {tensors})"),
        columns={"model": "model", "target": "target", "tensor": "tensor", "Value": "largest difference"},
        sort_by="Value",
        overrides=[override("model", links=[to_model()])],
        width=12,
        height=12,
    )


def _agreement() -> Panel:
    agreement = by("min", "target", of_family(series("driftgate_output_agreement_ratio", *_WHERE)))
    return panels.lines(
        "Agreement",
        help_of("driftgate_output_agreement_ratio") + " The worst of the chosen models.",
        unit("driftgate_output_agreement_ratio"),
        Query(agreement, "{{target}}"),
        height=12,
    )


def _shares() -> tuple[Panel, ...]:
    within = by("avg", "target, variant", of_family(series("driftgate_output_within_tolerance", *_WHERE)))
    mean = by("max", "target, variant", of_family(series("driftgate_output_drift_mae", *_WHERE)))
    return (
        panels.lines(
            "Within tolerance",
            "Share of the chosen models whose every output is.",
            "percentunit",
            Query(within, "{{target}} {{variant}}"),
        ),
        panels.lines(
            "Mean absolute difference",
            help_of("driftgate_output_drift_mae") + " The worst of the chosen models.",
            unit("driftgate_output_drift_mae"),
            Query(mean, "{{target}} {{variant}}"),
            logarithmic=True,
        ),
    )


BOARD = Board(
    DRIFT,
    "Driftgate: Drift",
    "How far each target's outputs are from the reference's: which models, which tensors, since when.",
    variables(),
    ((_matrix(),), (_worst(), _agreement()), _shares(), (_heat(),)),
)
