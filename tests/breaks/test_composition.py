"""For any composition of distinct breaks that can be resumed, and clean blocks between them, in one frame: as many events as breaks."""

import linecache
import random
from itertools import count

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from driftgate.stages.explaining.counting import count_breaks
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.loading import Ready

BREAKS = {
    "print": ["print('{n}')"],
    "item": ["x = x * float((x.sum() + {n}).item() > -1e9)"],
    "branch": ["if x.sum() > {n}e9:", "    x = x - {n}"],
    "on purpose": ["torch._dynamo.graph_break()"],
    "skipped": ["random.shuffle([{n}, {n}])"],
    "shape": ["x = x + 0 * (x > -1e9 - {n}).nonzero().sum()"],
}
CLEAN = {
    "arithmetic": ["x = x * 1.5 + {n}"],
    "reduction": ["x = x - x.mean() * {n}"],
    "loop": ["for step in range(3):", "    x = x + step"],
    "condition on a size": ["if x.shape[0] == 3:", "    x = x.relu() + {n}"],
    "nothing": ["pass"],
    "no_grad": ["with torch.no_grad():", "    x = x + {n}"],
}
BLOCKS = st.lists(st.sampled_from([*BREAKS, *CLEAN]), max_size=7)
serial = count()


def model_of(blocks: list[str]) -> nn.Module:
    """A module whose forward is these blocks, one after the other, as if it stood in a file."""
    lines = ["class Composed(nn.Module):", "    def forward(self, x):"]
    for number, block in enumerate(blocks):
        lines += ["        " + line.format(n=number + 1) for line in (BREAKS | CLEAN)[block]]
    lines += ["        return x * 2"]
    name = f"<composed {next(serial)}>"
    source = "\n".join(lines) + "\n"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    space = {"nn": nn, "torch": torch, "random": random}
    exec(compile(source, name, "exec"), space)
    return space["Composed"]().eval()  # type: ignore[operator]


@settings(max_examples=25)
@given(BLOCKS)
def test_there_are_as_many_events_as_breaks(blocks: list[str]) -> None:
    torch._dynamo.reset()
    expected = sum(block in BREAKS for block in blocks)
    payload = count_breaks(Ready(model_of(blocks), ModelInputs(first={"x": torch.ones(3, 4)})))
    assert (payload.break_count, payload.unique_break_count, payload.frames_skipped) == (expected, expected, 0)
    assert all(found.module == "" for found in payload.breaks)
