"""Findings as the gate makes them, for tests of what is told of them."""

from __future__ import annotations

from typing import Any

from driftgate.core.causes import grouped
from driftgate.core.records import Finding, Findings, Severity, finding_id

FLEET = "synthetic"


def finding(
    rule: str = "export_lost", model: str | None = "acme--a", stage: str | None = "export", **more: Any
) -> Finding:
    """A finding of one cell; whatever is given replaces what would be there."""
    target, variant, fingerprint = more.get("target"), more.get("variant"), more.get("fingerprint")
    about = {
        "id": finding_id(rule, FLEET, model, stage, target, variant, fingerprint or ""),
        "severity": Severity.ERROR,
        "sentence": f"{stage} of {model} is not as it was",
    }
    return Finding(**(about | {"rule": rule, "model": model, "stage": stage} | more))


def drifted(model: str, operator: str | None = "LayerNormalization", **more: Any) -> Finding:
    """A drift beyond tolerance of ONNX Runtime that begins at an operator."""
    message = f"out_of_tolerance: logits of {model} is beyond its tolerance"
    known = {"target": "ort-cpu", "current": "out_of_tolerance", "operator": operator, "fingerprint": f"of {model}"}
    known["sentence"] = f"drift.ort-cpu of {model} was within tolerance and is not any more: {message}"
    return finding("drift_beyond_tolerance", model, "drift", **(known | more))


def broke(model: str, code: str = "if mask.any():", gb_id: str = "GB0170", **more: Any) -> Finding:
    """A new graph break; two of one `code` are at one place."""
    place = {"file": "transformers/masking.py", "line": 40}
    known = {
        "fingerprint": f"{gb_id} {code}",
        "operator": gb_id,
        "current": "passed",
        "evidence": {"gb_id": gb_id, **place},
    }
    known["sentence"] = (
        f"{model} breaks at a new place: {gb_id} Data-dependent branching at {place['file']}:{place['line']}"
    )
    return finding("new_break", model, "explain", **(known | more))


def findings(*some: Finding, changes: tuple[str, ...] = (), run_id: str = "run", **more: Any) -> Findings:
    """`findings.json` with these, by likely cause."""
    told, groups = grouped(some, changes)
    verdict = "failed" if any(one.severity is Severity.ERROR for one in some) else "passed"
    known = {
        "run_id": run_id,
        "fleet": FLEET,
        "verdict": verdict,
        "findings": told,
        "groups": groups,
        "provenance": changes,
    }
    return Findings(**(known | more))
