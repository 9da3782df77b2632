"""The sections of a comparison, in the order in which they are shown."""

from __future__ import annotations

from driftgate.core.comparison import (
    Section,
    break_differences,
    compile_differences,
    export_differences,
    verdict_differences,
)
from driftgate.core.number_changes import drift_differences, latency_differences

SECTIONS = (
    Section("verdicts", "Verdicts", verdict_differences),
    Section("exports", "Exports", export_differences),
    Section("breaks", "Graph breaks", break_differences),
    Section("compile", "Whole graphs", compile_differences),
    Section("drift", "Drift", drift_differences),
    Section("latency", "Latency", latency_differences),
)
