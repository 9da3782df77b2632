"""The gate's rules: each looks at one record and says in a sentence what a person should know."""

from driftgate.core.registry import Registry

RULES = Registry(
    "rule",
    "driftgate.rules",
    {
        "not_passed": "driftgate.core.rules.cells:NotPassed",
        "not_tested": "driftgate.core.rules.cells:NotTested",
        "expectation_outdated": "driftgate.core.rules.expected:Outdated",
        "flaky": "driftgate.core.rules.cells:Flaky",
    },
)
"""Name → the class of the rule."""
