"""How a script calls the model: which tensors of which file in which order, what else, and which axes were dynamic."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftgate.core.records import InputsPayload
from driftgate.diagnose.repro.render import NoRepro

FIRST, SECOND = "inputs.safetensors", "inputs@dynamic.safetensors"
MOST_BYTES = 100_000_000
MAKE = "`driftgate inputs --run` makes them"


@dataclass(frozen=True)
class Call:
    """`axes`: tensor → dimension → name, for what differs between the two sizes. `files`: what lies beside the script."""

    order: list[str]
    arguments: dict[str, Any]
    positional: bool
    seed: int
    axes: dict[str, dict[int, str]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    file: str = FIRST

    def at_second_size(self) -> Call:
        """The same call on the tensors of the second size. Raises NoRepro if there are none."""
        if SECOND not in self.files:
            raise NoRepro(f"there are no inputs of a second size; {MAKE}")
        return Call(self.order, self.arguments, self.positional, self.seed, self.axes, self.files, SECOND)

    def shapes(self) -> Any:
        """What `torch.onnx.export` takes as `dynamic_shapes`: one entry per argument, in the structure of the call."""
        by_name: dict[str, Any] = {name: self.axes.get(name) or None for name in self.order}
        return tuple(by_name.values()) if self.positional else by_name | dict.fromkeys(self.arguments)


def call_of(meta: dict[str, Any] | None, payload: InputsPayload | None, folder: Path, seed: int) -> Call:
    """From `inputs.meta.json`, the record of the inputs and the model's folder. Raises NoRepro where they are not there."""
    if meta is None or payload is None:
        raise NoRepro(f"its inputs are not there; {MAKE}")
    order, arguments, positional = meta.get("order"), meta.get("arguments"), meta.get("positional")
    if not isinstance(order, list) or not isinstance(arguments, dict) or not isinstance(positional, bool):
        raise NoRepro(f"inputs.meta.json is damaged; {MAKE}")
    files = {name: folder / name for name in (FIRST, SECOND) if _is_plain_file(folder / name)}
    if sum(path.stat().st_size for path in files.values()) > MOST_BYTES:
        raise NoRepro("its inputs are too large to lie beside a script")
    if FIRST not in files:
        raise NoRepro(f"{FIRST} is not there; {MAKE}")
    return Call([str(name) for name in order], arguments, positional, seed, _axes(payload), files)


def _is_plain_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _axes(payload: InputsPayload) -> dict[str, dict[int, str]]:
    return {
        tensor.name: {
            place: tensor.axes[place] if place < len(tensor.axes) else f"{tensor.name}_{place}"
            for place, (first, second) in enumerate(zip(tensor.shape, second_shape, strict=False))
            if first != second
        }
        for tensor in payload.tensors
        if (second_shape := payload.second_shapes.get(tensor.name)) is not None
    }
