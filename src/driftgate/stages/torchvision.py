"""A torchvision whose operators don't fit the installed torch (a CPU build beside the public index's CUDA one) made importable.

Importing such a torchvision ends in `operator torchvision::nms does not exist`, and with it end timm, which wants its transforms, and
transformers, which uses it wherever it is installed. The schemas of the two operators that the import asks for are declared here, without
kernels: whoever calls one is told by torch that it has none. Where the operators fit, or there is no torchvision, nothing is done.
"""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NOTE = "torchvision's operators do not fit this torch and are left out: a model that calls one fails"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept: list[Any] = []  # a torch.library.Library takes its operators with it when it is collected


@functools.cache
def make_importable() -> tuple[str, ...]:
    """To be called before torchvision is imported; the note for a record if something had to be done."""
    spec = find_spec("torchvision")
    folders = (spec.submodule_search_locations or ()) if spec is not None else ()
    operators = [file for folder in folders for file in sorted(Path(folder).glob("_C*.so"))]
    if not operators or all(map(_fits, operators)):
        return ()
    _declare()
    return (NOTE,)


def _fits(library: Path) -> bool:
    import torch

    try:
        torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
    except OSError:
        return False
    return True


def _declare() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
            library.define(schema)  # type: ignore[no-untyped-call]
    _kept.append(library)
