"""The gate's rules: each looks at one record and says in a sentence what a person should know.

What needs the whole run beside it (slowdowns, rows of expectations.yaml, cells that are gone) is asked by the gate itself.
"""

from driftgate.core.registry import Registry

RULES = Registry(
    "rule",
    "driftgate.rules",
    {
        "not_passed": "driftgate.core.rules.cells:NotPassed",
        "verdict_worse": "driftgate.core.rules.compared:Worse",
        "new_break": "driftgate.core.rules.compared:NewBreak",
        "more_breaks": "driftgate.core.rules.compared:MoreBreaks",
        "recompiles": "driftgate.core.rules.compared:Recompiles",
        "another_exporter": "driftgate.core.rules.compared:AnotherExporter",
        "graph_changed": "driftgate.core.rules.compared:GraphChanged",
        "drift_grew": "driftgate.core.rules.compared:DriftGrew",
        "nondeterministic": "driftgate.core.rules.compared:Nondeterministic",
        "placement_changed": "driftgate.core.rules.compared:PlacementChanged",
        "compile_time": "driftgate.core.rules.compared:CompileTime",
        "memory": "driftgate.core.rules.compared:Memory",
        "size": "driftgate.core.rules.compared:Size",
        "not_tested": "driftgate.core.rules.cells:NotTested",
        "flaky": "driftgate.core.rules.cells:Flaky",
        "nonfinite_outputs": "driftgate.core.rules.cells:NonfiniteOutputs",
        "better": "driftgate.core.rules.compared:Better",
    },
)
"""Name → the class of the rule."""

OF_THE_RUN = (
    "verdict_worse", "export_lost", "drift_beyond_tolerance", "missing_cell", "latency", "machinery", "expectation_outdated",
)  # fmt: skip
"""Further names that findings carry: what a rule here tells under another name, and what the gate finds over a whole run."""


def rule_names() -> tuple[str, ...]:
    """Every name that a finding may carry, those of entry points too."""
    return tuple(dict.fromkeys((*RULES.names(), *OF_THE_RUN)))
