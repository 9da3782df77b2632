"""`driftgate.explain(model, inputs)`: the counting pass on a model of this process, for a script, a notebook or a prompt."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_map

from driftgate.core.errors import UsageError
from driftgate.core.records import ExplainPayload, GraphBreak
from driftgate.core.text import plural
from driftgate.desk.tree import explain_text
from driftgate.stages.explaining.counting import count_breaks
from driftgate.stages.explaining.fullgraph import check_fullgraph
from driftgate.stages.inputs.contents import ModelInputs, Which
from driftgate.stages.loading import Ready

Inputs = Mapping[str, Any] | Sequence[Any] | Tensor


@dataclass(frozen=True)
class Explanation:
    """What explain found: `print` it for the tree, or ask `payload` for everything."""

    title: str
    payload: ExplainPayload

    @property
    def break_count(self) -> int:
        """Break events in torch's structured trace: the number to believe."""
        return self.payload.break_count

    @property
    def breaks(self) -> tuple[GraphBreak, ...]:
        """The places where dynamo cuts, each with its code, explanation, hints and number of events."""
        return self.payload.breaks

    def __str__(self) -> str:
        return explain_text(self.payload, self.title)

    def __repr__(self) -> str:
        return (
            f"<Explanation of {self.title}: {plural(self.break_count, 'break')} at {plural(len(self.breaks), 'place')}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return f"<pre>{html.escape(str(self))}</pre>"


@dataclass(frozen=True)
class _Given(Ready):
    """What a person holds in their hands, called as they would call it."""

    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def call(self, function: Any, which: Which = "first") -> Any:
        del which
        arguments, keywords = tree_map(_copy, (self.arguments, dict(self.keywords)))
        return function(*arguments, **keywords)


def _copy(value: Any) -> Any:
    """A model may write into what it is given, in lists and dicts too."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def explain(model: Callable[..., Any], inputs: Inputs, *, fullgraph: bool = False) -> Explanation:
    """Count every graph break of a model (or of any function of tensors), and say where each is and what helps.

    `inputs` is a mapping for keyword arguments, a tuple or list for positional ones, or one tensor. The model is called once, as it
    is (put it into eval mode yourself), under `torch.no_grad()`; dynamo's caches are reset before. With `fullgraph`, it is traced
    once more, to see whether `torch.compile(fullgraph=True)` takes it.

        >>> import torch, driftgate
        >>> def f(x):
        ...     return x * 2 if x.sum() > 0 else x - 1
        >>> found = driftgate.explain(f, torch.ones(3))
        >>> found.break_count
        1
        >>> found.breaks[0].gb_id
        'GB0170'
        >>> tree = str(found)               # what `print(found)` shows

    Raises StageFailure if the model fails while it is traced or dynamo sees nothing of it, UsageError for inputs
    that are neither of the three.
    """
    arguments, keywords = _arguments(inputs)
    given = _Given(model, ModelInputs(first={}), arguments, keywords)  # type: ignore[arg-type]  # any callable will do here
    payload = count_breaks(given)
    if fullgraph:
        payload = payload.model_copy(update={"fullgraph": check_fullgraph(given, payload.break_count)[0]})
    return Explanation(_title(model), payload)


def _arguments(inputs: Inputs) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if isinstance(inputs, Tensor):
        return (inputs,), {}
    if isinstance(inputs, Mapping):
        return (), inputs
    if isinstance(inputs, tuple | list):
        return tuple(inputs), {}
    mend = "give a dict for keyword arguments, a tuple for positional ones, or one tensor"
    raise UsageError(f"driftgate.explain cannot call a model with a {type(inputs).__name__}", mend=mend)


def _title(model: Callable[..., Any]) -> str:
    return getattr(model, "__qualname__", None) or type(model).__name__
