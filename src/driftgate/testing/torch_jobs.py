"""Stages that use what the warmed server has imported, small enough to be run by the hundred.

computes    a matrix product and an ONNX Runtime session
compiles    dynamo's explain and an ONNX export
"""

from __future__ import annotations

import hashlib

from driftgate.core.records import PullPayload
from driftgate.machine.jobs import Bench, Job


def computes(job: Job, bench: Bench) -> PullPayload:
    """`source` is a hash of the result: equal in every fork."""
    import onnxruntime
    import torch

    generator = torch.Generator().manual_seed(0)
    product = torch.randn(64, 64, generator=generator) @ torch.randn(64, 64, generator=generator)
    providers = ",".join(onnxruntime.get_available_providers())
    digest = hashlib.sha256(product.numpy().tobytes() + providers.encode()).hexdigest()
    return PullPayload(files=0, bytes=0, downloaded_bytes=0, source=digest)


def compiles(job: Job, bench: Bench) -> PullPayload:
    """`files` is the number of graphs, `source` a hash of the exported file."""
    import torch

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU()).eval()
    with torch.no_grad():
        graphs = torch._dynamo.explain(module)(torch.ones(2, 4)).graph_count
        program = torch.onnx.export(module, (torch.ones(2, 4),), dynamo=True, verbose=False)
    assert program is not None
    content = program.model_proto.SerializeToString(deterministic=True)
    return PullPayload(files=graphs, bytes=len(content), downloaded_bytes=0, source=hashlib.sha256(content).hexdigest())
