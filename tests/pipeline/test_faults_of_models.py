"""One run over models that misbehave in every way known, and what each of them does to its cells and to its neighbours."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from driftgate.core.records import DriftPayload, InferPayload, StageRecord
from driftgate.sources.testing.model_folders import make_model
from driftgate.testing.models import STRAY
from driftgate.testing.workplace import Ended, Workplace

TIME_LIMIT = 7
STAGES = ("pull", "inputs", "explain", "export", "infer.torch-eager-cpu", "infer.ort-cpu", "drift.ort-cpu")
PASSES = "passed"
UPSTREAM = "skipped/upstream"


def _cells(after: int, *ends: str) -> tuple[str, ...]:
    """What the seven cells say: the first `after` pass, then these, then all that hangs on them is skipped."""
    known = (PASSES,) * after + ends
    return known + (UPSTREAM,) * (len(STAGES) - len(known))


FORWARD = {
    "raises": ("failed/inputs", "failed/inputs", "failed/other"),
    "segfaults": ("crashed/signal",) * 3,
    "exits": ("crashed/exit_no_record",) * 3,
    "grows": ("oom/memory_limit",) * 3,
    "hangs": ("timeout/time_limit",) * 3,
}
EXPECTED = {
    **{name: _cells(2, *ends) for name, ends in FORWARD.items()},
    "hangs_deaf": _cells(1, "timeout/time_limit"),
    "raises_in_factory": _cells(1, "failed/load"),
    "grows_while_traced": _cells(2, "timeout/time_limit", "timeout/time_limit", PASSES),
    "returns_text": _cells(3, "failed/other", "failed/other"),
    **dict.fromkeys(
        (
            "healthy", "shows_defaults", "leaves_children", "floods", "closes_descriptors", "prints_terminal_codes", "returns_nan",
            "changes_defaults", "mutates_its_inputs",
        ),
        _cells(7),
    ),
}  # fmt: skip
ODD_FOLDERS = ("a name with spaces", f"{'long' * 37}/{'name' * 38}", "ünïcode, 'quotes' & <b>")


@dataclass(frozen=True)
class Night:
    """The one run that all tests of this file look at."""

    place: Workplace
    ended: Ended
    records: dict[str, StageRecord]

    def of(self, model: str) -> dict[str, StageRecord]:
        """Cell → record of a model of `driftgate.testing.models`."""
        slug = f"python--driftgate.testing.models--{model}"
        return {record.cell.name: record for record in self.records.values() if record.model.slug == slug}

    def file(self, model: str, name: str) -> Path:
        """A file that the run keeps of a model."""
        return self.place.store.model_folder(self.of(model)["pull"].model.slug) / name

    def payload(self, model: str, cell: str) -> Any:
        """What a cell that passed has to say."""
        payload = self.of(model)[cell].payload
        assert payload is not None
        return payload


@pytest.fixture(scope="module")
def night(shared_place: Workplace) -> Night:
    """Everyone in one run, side by side."""
    folders = [make_model(shared_place.folder / "models", f"org/{name}") for name in ODD_FOLDERS]
    models = [f"python:driftgate.testing.models:{name}" for name in EXPECTED] + [
        f"local:{folder}" for folder in folders
    ]
    limits = {"time": TIME_LIMIT, "memory": "900MB", "jobs": 6}
    config = shared_place.config(*models, limits=limits)
    ended = shared_place.call("run", config, "--no-latency", OMP_NUM_THREADS="1")
    assert ended.code in {1, 3}, ended.err
    return Night(shared_place, ended, shared_place.records())


@pytest.mark.parametrize("model", EXPECTED)
def test_every_cell_ends_in_a_record_that_says_how(night: Night, model: str) -> None:
    records = night.of(model)
    said = tuple(_verdict(records[stage]) for stage in STAGES)
    assert said == EXPECTED[model]


def _verdict(record: StageRecord) -> str:
    return record.verdict.value + (f"/{record.failure.kind.value}" if record.failure else "")


def test_the_night_ends_with_findings_and_no_traceback(night: Night) -> None:
    assert night.ended.code == 1, night.ended.err
    assert "Traceback" not in night.ended.err
    accused = {finding.model for finding in night.place.store.findings().findings if finding.severity == "error"}
    assert not [slug for slug in accused if slug and slug.endswith(("--healthy", "--floods", "--shows_defaults"))]
    assert len([slug for slug in accused if slug and "testing.models" in slug]) == 9


def test_nothing_is_left_running_and_nothing_unfinished_lies_about(night: Night) -> None:
    assert night.place.settles(lambda: not night.place.processes()), night.place.processes()
    assert not [pid for pid, command in night.place.processes().items() if STRAY in command]
    assert night.place.leftovers() == []
    assert list((night.place.folder / "tmp").rglob("job.json")) == []


def test_a_hang_costs_its_limit_and_five_seconds_and_says_where_it_hung(night: Night) -> None:
    hung = [record for record in night.records.values() if record.verdict == "timeout"]
    assert len(hung) == 6
    for record in hung:
        assert TIME_LIMIT <= record.duration_s <= TIME_LIMIT + 5
        assert record.attempt == 2
    failure = night.of("hangs")["explain"].failure
    assert failure is not None
    assert "_sleep_for_ever" in (failure.traceback or "")


def test_a_crash_is_tried_twice_and_costs_little(night: Night) -> None:
    for record in (*night.of("segfaults").values(), *night.of("exits").values()):
        if record.verdict == "crashed":
            assert record.attempt == 2
            assert record.duration_s <= 5
    failure = night.of("segfaults")["explain"].failure
    assert failure is not None
    assert failure.signal == "SIGSEGV"
    assert "string_at" in (failure.traceback or "")


def test_what_grew_was_stopped_soon_after_its_limit(night: Night) -> None:
    for record in night.of("grows").values():
        if record.verdict == "oom":
            assert record.attempt == 1
            assert 900e6 <= (record.peak_rss_bytes or 0) <= 1200e6


def test_a_flood_is_kept_in_part_and_says_how_much_was_cut(night: Night) -> None:
    log = night.file("floods", "infer.torch-eager-cpu.log")
    assert log.stat().st_size < 300_000
    assert re.search(r"\[… \d{8,} bytes cut here …\]", log.read_text())


def test_no_terminal_code_of_a_model_reaches_a_terminal_or_a_file(night: Night) -> None:
    assert night.file("prints_terminal_codes", "inputs.log").read_text().splitlines() == ["red  bell", "100 %"]
    failure = night.of("raises_in_factory")["inputs"].failure
    assert failure is not None
    assert "no such weights" in failure.message
    printed = [night.ended.err, night.ended.out]
    kept = [
        path.read_text()
        for ending in ("json", "log", "md", "html", "xml")
        for path in night.place.store.root.rglob(f"*.{ending}")
    ]
    assert not [text for text in printed + kept if "\x1b" in text or "\x07" in text]


def test_what_one_worker_does_to_torch_no_other_sees(night: Night) -> None:
    outputs = load_file(night.file("shows_defaults", "outputs.torch-eager-cpu.safetensors"))
    assert outputs["output"].tolist() == [4.0, 1.0]  # bytes of a float, threads
    changed, healthy = (night.payload(model, "infer.torch-eager-cpu") for model in ("changes_defaults", "healthy"))
    assert changed.outputs == healthy.outputs


def test_numbers_that_are_none_are_counted_and_written_as_json(night: Night) -> None:
    inferred = night.payload("returns_nan", "infer.ort-cpu")
    assert isinstance(inferred, InferPayload)
    assert [output.nonfinite for output in inferred.outputs] == [8]
    drift = night.payload("returns_nan", "drift.ort-cpu")
    assert isinstance(drift, DriftPayload)
    assert [tensor.nonfinite_mismatch for tensor in drift.tensors] == [0]


def test_a_model_that_writes_into_its_inputs_is_fed_the_same_each_time(night: Night) -> None:
    inferred = night.payload("mutates_its_inputs", "infer.torch-eager-cpu")
    assert (inferred.deterministic, inferred.self_max_abs) == (True, 0.0)
    drift = night.payload("mutates_its_inputs", "drift.ort-cpu")
    assert [tensor.within_tolerance for tensor in drift.tensors] == [True]


def test_the_healthy_neighbour_is_what_it_is_alone(night: Night) -> None:
    healthy = night.of("healthy")
    assert all(record.attempt == 1 and not record.flaky for record in healthy.values())
    for model in ("floods", "closes_descriptors", "leaves_children", "prints_terminal_codes"):
        files = [night.file(name, "outputs.ort-cpu.safetensors").read_bytes() for name in ("healthy", model)]
        assert len({hashlib.sha256(content).hexdigest() for content in files}) == 1


def test_a_folder_of_any_name_has_a_slug_and_its_records(night: Night) -> None:
    slugs = {record.model.slug for record in night.records.values() if record.model.ref.startswith("local:")}
    assert len(slugs) == len(ODD_FOLDERS)
    for slug in slugs:
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,120}", slug)
        assert night.records[f"{slug}/pull"].passed
        assert _verdict(night.records[f"{slug}/inputs"]) == "failed/load"
