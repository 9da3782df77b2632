"""The gate's rules: each looks at one record and says in a sentence what a person should know."""

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
        "expectation_outdated": "driftgate.core.rules.expected:Outdated",
        "flaky": "driftgate.core.rules.cells:Flaky",
        "nonfinite_outputs": "driftgate.core.rules.cells:NonfiniteOutputs",
        "better": "driftgate.core.rules.compared:Better",
    },
)
"""Name → the class of the rule."""
