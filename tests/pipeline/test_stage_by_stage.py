"""One stage after the other on one run, as Jenkins calls them; and in the wrong order."""

from __future__ import annotations

from driftgate.core.verdicts import FailureKind
from driftgate.testing.workplace import Workplace

MODEL = "python:driftgate.testing.models:healthy"
CELLS = 7


def _call(place: Workplace, *arguments: str, code: int = 0) -> str:
    ended = place.call(*arguments)
    assert ended.code == code, ended.err + ended.out
    assert "Traceback" not in ended.err
    return ended.out


def test_stage_by_stage_everything_passes_with_exit_code_0(place: Workplace) -> None:
    _call(place, "pull", str(place.config(MODEL)), "--no-latency")
    for stage in ("inputs", "explain", "export", "infer", "drift"):
        _call(place, stage, "--run", "latest", "--no-latency")
    assert "passed: 0 findings" in _call(place, "gate", "--run", "latest")
    page = _call(place, "report", "--run", "latest").strip()
    packed = _call(place, "archive", "--run", "latest").strip()
    opened = _call(place, "open", packed, "--output", "elsewhere").strip()

    assert (place.folder / page).is_file()
    assert "passed: 0 findings" in _call(place, "gate", "--run", opened, "--output", "elsewhere")
    records = place.records()
    assert len(records) == CELLS
    assert all(record.passed for record in records.values()), records
    assert place.store.manifest().verdict == "passed"
    assert place.leftovers() == []


def test_a_stage_before_what_it_needs_is_not_green_and_a_resume_computes_it(place: Workplace) -> None:
    _call(place, "pull", str(place.config(MODEL)), "--no-latency")
    _call(place, "explain", "--run", "latest")
    (explain,) = (record for record in place.store.records() if record.stage == "explain")
    assert explain.failure is not None
    assert explain.failure.kind is FailureKind.UPSTREAM
    for stage in ("inputs", "export", "infer", "drift"):
        _call(place, stage, "--run", "latest")

    _call(place, "gate", "--run", "latest", code=1)
    (finding,) = place.store.findings().findings
    assert (finding.rule, finding.stage) == ("not_tested", "explain")

    out = _call(place, "run", "--resume", "latest")
    assert f"Archive: outputs/{place.store.run_id}.tar.gz (" in out
    assert all(record.passed for record in place.records().values())
    assert place.store.findings().findings == ()
