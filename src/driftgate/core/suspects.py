"""Which of the things that changed since the baseline can reach a finding, the nearest first.

A new `onnxruntime` moves the outputs and times of `ort-…` targets, never a graph break. Where one of the nearest changed, the further
ones are not named: it is the likelier cause, not a proof (`driftgate bisect` is one).
"""

from __future__ import annotations

from collections.abc import Sequence

from driftgate.core.needs import reads_onnx
from driftgate.core.records import Finding

Tiers = tuple[tuple[str, ...], ...]
_MODEL_CODE = ("transformers", "timm")
_EXPORT: Tiers = (("onnxscript", "torch", "onnx", *_MODEL_CODE), ("numpy",))
_STAGES: dict[str, Tiers] = {
    "pull": (("huggingface-hub", "safetensors"),),
    "inputs": (("transformers", "tokenizers", "sentencepiece", "pillow", "timm"), ("torch", "numpy")),
    "explain": (("torch", *_MODEL_CODE),),
    "export": _EXPORT,
}
_RUNTIMES: dict[str, Tiers] = {
    "ort": (("onnxruntime", "onnxruntime-gpu"),),
    "openvino": (("openvino",),),
    "torch": (("torch",), _MODEL_CODE),
}
_ANYTHING: Tiers = (("python",),)
_OF_OWN_CODE = ("python:", "local:")


def suspects(finding: Finding, changes: Sequence[str]) -> tuple[str, ...]:
    """Of `changes` (one `torch 2.12.0 → 2.13.0` each) those that are nearest to what the finding is about; none if none reaches it."""
    by_name = {change.partition(" ")[0]: change for change in changes}
    for tier in _tiers(finding):
        known = tuple(by_name[name] for name in tier if name in by_name)
        if known:
            return known
    return ()


def _tiers(finding: Finding) -> Tiers:
    own: Tiers = (("commit",),) if (finding.ref or "").startswith(_OF_OWN_CODE) else ()
    if finding.stage is None:
        return ()
    if finding.target is None:
        return own + _STAGES.get(finding.stage, ()) + _ANYTHING
    runtime = _RUNTIMES.get(finding.target.partition("-")[0], ())
    before = _EXPORT if reads_onnx(finding.target) else ()
    return own + runtime + before + _ANYTHING
