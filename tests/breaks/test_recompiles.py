"""Functions compiled again within one call: how often, because of which guard, and what happens when it is too often."""

import torch
from torch import Tensor, nn

from driftgate.core.reconcile import UNEXPLAINED
from driftgate.core.records import ExplainPayload
from driftgate.stages.explaining.counting import count_breaks
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.loading import Ready


class CallsByName(nn.Module):
    """The loop with a break in it is given up, so each call compiles `step` by itself: once for each name that it has not seen."""

    def __init__(self, names: str) -> None:
        super().__init__()
        self.names = names

    def step(self, x: Tensor, name: str) -> Tensor:
        return x * 2 if name == "a" else x + 1

    def forward(self, x: Tensor) -> Tensor:
        for name in self.names:
            print(name)
            x = self.step(x, name)
        return x


def counted(names: str) -> ExplainPayload:
    torch._dynamo.reset()
    return count_breaks(Ready(CallsByName(names).eval(), ModelInputs(first={"x": torch.ones(3, 4)})))


def test_each_compilation_that_is_not_the_first_names_the_guard_that_failed() -> None:
    payload = counted("abca")
    assert (payload.break_count, payload.frames_skipped) == (1, 1)
    assert (payload.recompiles, payload.cache_limit_hits) == (2, 0)
    assert {again.function for again in payload.recompiled} == {"step"}
    assert all("name ==" in again.guards[0] for again in payload.recompiled)


def test_a_function_compiled_too_often_is_told_as_a_hit_of_the_limit() -> None:
    names = "abcdefghijkl"
    limit = torch._dynamo.config.recompile_limit
    assert limit < len(names)
    payload = counted(names)
    assert payload.recompiles == limit - 1
    assert payload.cache_limit_hits == 1
    assert UNEXPLAINED not in {found.reason for found in payload.reconciliation or ()}
