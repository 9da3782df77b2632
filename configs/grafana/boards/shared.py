"""What the boards have in common: their names, their variables, the links between them."""

from __future__ import annotations

from boards.schema import Json, board_link, link, source_variable, variable
from boards.series import series
from driftgate.core.metrics import METRICS

FLEET, BREAKS, DRIFT, LATENCY, MODEL = (
    f"driftgate-{name}" for name in ("fleet", "breaks", "drift", "latency", "model")
)


def _label_values(selector: str, label: str) -> str:
    return f"label_values({selector}, {label})"


_SOURCES = (source_variable("datasource", "Metrics", "prometheus"), source_variable("loki", "Logs", "loki"))
_FLEET = variable("fleet", "Fleet", _label_values("driftgate_last_run_timestamp_seconds", "fleet"), many=False)
_FAMILY = variable("family", "Family", _label_values(series("driftgate_model_info"), "family"), many=True)
_MODELS = _label_values(series("driftgate_model_info", "family"), "model")
_TARGET = variable(
    "target", "Target", _label_values(series("driftgate_stage_passed", target=".+"), "target"), many=True
)


def variables(*, one_model: bool = False) -> tuple[Json, ...]:
    """Data sources, fleet, family, model and target: the same on every board, so that they travel with the links."""
    return (*_SOURCES, _FLEET, _FAMILY, variable("model", "Model", _MODELS, many=not one_model), _TARGET)


def help_of(metric: str) -> str:
    """What the table says of a metric."""
    return METRICS[metric].help


def to_model(value: str = "${__value.raw}") -> Json:
    """Everything about the model of a row."""
    return board_link("Everything about this model", MODEL, model=value)


def to_page() -> Json:
    """The page about a reason of graph breaks, whose address is in the column `page`."""
    return link("The page about this break", "${__data.fields.page}", blank=True)
