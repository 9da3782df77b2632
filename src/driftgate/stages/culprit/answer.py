"""The culprit as the record tells it: names of the exported file, where they come from in the model, both errors, the reproduction."""

from __future__ import annotations

from pathlib import Path

import onnx

from driftgate.core.records import Culprit
from driftgate.stages.culprit.origin import origin
from driftgate.stages.culprit.repro import write_repro
from driftgate.stages.culprit.search import Answer, Case, Found, inherited_error

MOST_COVERED = 64


def repro_folder(target: str, variant: str | None) -> str:
    """`repro/drift.TARGET[@VARIANT]`, beside the records of the model."""
    return f"repro/drift.{target}{f'@{variant}' if variant else ''}"


def culprit_of(case: Case, answer: Answer, folder: Path | None, name: str | None) -> Culprit | None:
    """The record of an answer; the reproduction goes into `folder`, which the record calls `name`."""
    found = answer.found
    if found is None:
        return None
    graph, seen = case.exported, found.sighting
    node = graph.nodes[found.node]
    place = origin([node, *_twins(case, found), *(graph.nodes[index] for index in reversed(found.covers))])
    size = write_repro(case, found, folder, _title(case, found)) if folder is not None else None
    covers = [graph.name_of(index) for index in found.covers] if len(found.covers) > 1 else []
    return Culprit(
        node=graph.name_of(found.node),
        op_type=node.op_type,
        module=place.module,
        source=place.source,
        code=place.code,
        own_error=None if seen is None else seen.error.max_abs,
        inherited_error=None if seen is None else inherited_error(case, seen),
        value=None if seen is None else seen.value,
        tolerance=None if seen is None else seen.error.tolerance,
        covers=tuple(covers[-MOST_COVERED:]),
        runs_as=found.runs_as,
        magnified=found.magnified,
        vanishes_when_tapped=found.hidden,
        repro=name if size is not None else None,
        repro_bytes=size,
    )


def _twins(case: Case, found: Found) -> list[onnx.NodeProto]:
    """What makes the same values in the reference's file: a quantiser's nodes say nothing of the model they came from."""
    original = case.source.graph
    values = case.exported.nodes[found.node].output
    return (
        [original.nodes[original.producer[n]] for n in values if n in original.producer] if original is not None else []
    )


def _title(case: Case, found: Found) -> str:
    node = case.exported.nodes[found.node]
    runs_as = f", run as {found.runs_as}" if found.runs_as else ""
    return f"{node.op_type} {case.exported.name_of(found.node)}{runs_as}"
