"""Which cells need which: the order of the pipeline, as a pure function of names."""

from __future__ import annotations

from driftgate.core.records import Cell

DYNAMIC = "dynamic"
"""The variant of cells that export with dynamic axes, and of those that run such a file at a second size."""


def reads_onnx(target: str) -> bool:
    """Whether the target runs the exported file; those named `torch-…` run the module itself."""
    return not target.startswith("torch-")


def upstream(cell: Cell, reference: str) -> tuple[Cell, ...]:
    """The cells whose success this one needs."""

    def sibling(stage: str, target: str | None = None, variant: str | None = None) -> Cell:
        return Cell(model=cell.model, stage=stage, target=target, variant=variant)

    match cell.stage:
        case "pull":
            return ()
        case "inputs":
            return (sibling("pull"),)
        case "explain" | "export":
            return (sibling("inputs"),)
        case "infer" | "profile":
            return (sibling("export", variant=cell.variant) if reads_onnx(cell.target or "") else sibling("inputs"),)
        case "drift":
            ran = (sibling("infer", cell.target, cell.variant), sibling("infer", reference, cell.variant))
            onnx = any(reads_onnx(target) for target in (cell.target or "", reference))
            # the culprit is sought in the exported file, on the inputs
            return (*ran, sibling("inputs"), *((sibling("export", variant=cell.variant),) if onnx else ()))
    raise ValueError(f"no stage {cell.stage!r}")
