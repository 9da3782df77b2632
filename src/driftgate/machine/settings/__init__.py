"""Configuration: YAML with line numbers in, frozen settings out. Unknown keys are errors."""

from driftgate.machine.settings.load import Config, Document, load_config, load_yaml, parse_config, quickstart_config
from driftgate.machine.settings.schema import (
    ExplainSettings,
    ExportSettings,
    HubSettings,
    KeepSettings,
    LatencySettings,
    LimitSettings,
    Settings,
)

__all__ = [
    "Config", "Document", "ExplainSettings", "ExportSettings", "HubSettings", "KeepSettings", "LatencySettings", "LimitSettings",
    "Settings", "load_config", "load_yaml", "parse_config", "quickstart_config",
]  # fmt: skip
