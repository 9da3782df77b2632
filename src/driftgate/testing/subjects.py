"""Zoo models with inputs in this process, without a run around them: for tests and benchmarks that ask dynamo itself."""

from __future__ import annotations

from driftgate.core.records import ModelIdentity
from driftgate.sources import zoo
from driftgate.stages.inputs.maker import make_inputs
from driftgate.stages.inputs.settle import settle
from driftgate.stages.loading import Ready
from driftgate.stages.zoo.build import build
from driftgate.stages.zoo.table import row_of


def zoo_subject(reference: str) -> Ready:
    """The tiny model of a `zoo:` reference, ready to be called in two sizes."""
    known = zoo.parse(reference)
    module = build(known.model_type, known.architecture)
    settle(module)
    identity = ModelIdentity(
        ref=reference,
        slug=known.model_type,
        family=known.model_type,
        task=known.task,
        modality=known.modality,
        architecture=type(module).__name__,
    )
    return Ready(module, make_inputs(module, None, identity, orders=row_of(known.model_type).orders))
