"""What a drift says beyond its largest differences, in lines for a terminal: ranks, units in the last place, labels, notes."""

from __future__ import annotations

from collections.abc import Iterator

from driftgate.core.records import DriftPayload, Labelled, TensorDrift
from driftgate.core.tolerances import EXACT


def is_empty(tensor: TensorDrift) -> bool:
    """Whether no element is finite on both sides: within tolerance then says nothing."""
    return tensor.compared == 0 and bool(tensor.reference_nonfinite)


def tensor_line(tensor: TensorDrift) -> str:
    """One line below a tensor's own, empty where there is nothing to say; `by` is the row that applied, if it is a special one."""
    parts = ["no element is finite: nothing was compared"] if is_empty(tensor) else []
    if tensor.ulps is not None:
        parts.append(f"ULP p50 {tensor.ulps.p50:,}, p99 {_short(tensor.ulps.p99)}")
    if tensor.psnr is not None:
        parts.append(f"PSNR {tensor.psnr:.0f} dB")
    for name, share in (("top-1", tensor.argmax_agreement), ("top-5", tensor.topk_agreement)):
        if share is not None:
            parts.append(f"{name} {share:.1%}")
    if tensor.reference_error is not None and tensor.candidate_error is not None:
        parts.append(f"from float64 {tensor.candidate_error:.2g} (the reference {tensor.reference_error:.2g})")
    if tensor.tolerance.row not in {None, tensor.dtype, EXACT.row}:
        parts.append(f"by {tensor.tolerance.row}")
    return f"      {'; '.join(parts)}" if parts else ""


def more_lines(payload: DriftPayload) -> Iterator[str]:
    """Labels and notes, below all tensors."""
    if payload.labelled is not None:
        yield from _labelled(payload.labelled, payload.reference, payload.candidate)
    for note in payload.notes:
        yield f"  note: {note}"


def _labelled(labelled: Labelled, reference: str, candidate: str) -> Iterator[str]:
    samples = labelled.agree + labelled.disagree
    yield f"  {labelled.output} against {samples:,} labels: {labelled.agree:,} agree, {labelled.disagree:,} disagree"
    for target, judged in ((reference, labelled.reference), (candidate, labelled.candidate)):
        yield f"    {target}: {judged.correct:,} correct, {judged.off_by_one:,} off by one, {judged.wrong:,} wrong"


def _short(number: int) -> str:
    return f"{number:,}" if number < 100_000 else f"{number:.1e}"
