"""The optimiser's patterns, tried only where they can match.

onnxscript tries each of its 46 rewrite rules on each node of a graph. For a rule with two outputs (two Slices of one tensor become
a Split) it sorts all nodes of the graph by operator, once more for every node: three quarters of the export of a model of 4,000
nodes. Here a rule is tried only on nodes with the operator it begins with, and the partners of such a node are looked for among
those that read the same value, which is what the pattern asks of them anyway. What matches is the same, in the same order (tests
compare the graphs); an onnxscript whose internals look different is refused aloud.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from driftgate.core.errors import MachineryError

PARAMETERS = ("self", "model", "graph_or_function", "node", "verbose", "remove_nodes", "tracer")
OF_A_PATTERN = ("output_nodes", "has_single_output_node")
OF_A_NODE = ("op", "domain", "inputs", "op_identifier")


@dataclass(frozen=True)
class _Partners:
    """What the matcher takes for a graph: the nodes that can take part, in the graph's order."""

    graph: Any
    nodes: list[Any]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.nodes)


def keep_to_candidates() -> None:
    """Make onnxscript's matcher pass over what cannot match. Idempotent. Raises MachineryError if the matcher is not what this was
    written for."""
    from onnxscript.rewriter import _DEFAULT_REWRITE_RULES, _basics, _matcher

    matcher: Any = _matcher.SimplePatternMatcher
    match = matcher.match
    if getattr(match, "kept_by_driftgate", False):
        return
    _refuse_another(match, _DEFAULT_REWRITE_RULES)
    none = _basics.MatchResult()
    none.fail("another operator")

    def only_candidates(
        self: Any, model: Any, graph_or_function: Any, node: Any, *, verbose: int = 0, **options: Any
    ) -> Any:
        first, *others = self.pattern.output_nodes
        if not (first.op.matches(node.op_type) and first.domain.matches(node.domain)):
            return none
        searched = _partners(graph_or_function, node, first, others) if others else graph_or_function
        return match(self, model, searched, node, verbose=verbose, **options)

    only_candidates.kept_by_driftgate = True  # type: ignore[attr-defined]
    matcher.match = only_candidates


def _partners(graph_or_function: Any, node: Any, first: Any, others: list[Any]) -> Any:
    """The graph without the nodes that cannot be matched beside this one; as it is where that cannot be told."""
    graph = getattr(graph_or_function, "graph", graph_or_function)
    found: set[Any] = set()
    for other in others:
        shared = next((i for i, value in enumerate(first.inputs) if _is_plain(value) and value in other.inputs), None)
        operator = other.op_identifier()
        if shared is None or operator is None or shared >= len(node.inputs) or node.inputs[shared] is None:
            return graph_or_function
        readers = node.inputs[shared].consumers()
        found.update(reader for reader in readers if reader.graph is graph and reader.op_identifier() == operator)
    return _Partners(graph, _in_order(graph_or_function, found))


def _is_plain(value: Any) -> bool:
    """A variable of a pattern stands for one and the same value wherever the pattern has it."""
    return type(value).__name__ == "Var"


def _in_order(nodes: Any, wanted: set[Any]) -> list[Any]:
    if len(wanted) < 2:
        return list(wanted)
    found: list[Any] = []
    for node in nodes:
        if node in wanted:
            found.append(node)
            if len(found) == len(wanted):
                break
    return found


def _refuse_another(match: Any, rules: Any) -> None:
    named = tuple(inspect.signature(match).parameters)
    pattern = rules[0]._target_pattern
    heads = [head for rule in rules for head in rule._target_pattern.output_nodes]
    lacking = [name for name in OF_A_PATTERN if not hasattr(pattern, name)]
    lacking += [name for name in OF_A_NODE if not all(hasattr(head, name) for head in heads)]
    if named != PARAMETERS or lacking:
        raise MachineryError(
            f"onnxscript's pattern matcher has changed (it takes {', '.join(named)}; its patterns lack {lacking or 'nothing'}): "
            "driftgate.stages.exporting.matching must be adapted to this onnxscript"
        )
