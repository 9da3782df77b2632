"""explain tells the truth where torch's own count does not."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sample_models
import torch
from sample_models import X
from stage_desk import Desk

from driftgate.core.errors import StageFailure
from driftgate.core.records import ExplainPayload, StageRecord
from driftgate.core.verdicts import FailureKind
from driftgate.machine.settings import ExplainSettings, LatencySettings, Settings
from driftgate.stages.explain import TRACE, explain
from driftgate.stages.explaining.counting import check_heard
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.loading import Ready
from driftgate.stages.tracing import listening

HERE = Path(__file__).parent
COUNT_ONLY = Settings(
    explain=ExplainSettings(fullgraph=False, second_shape=False), latency=LatencySettings(enabled=False)
)


def explained(folder: Path, model: str, settings: Settings = COUNT_ONLY) -> ExplainPayload:
    record = record_of(folder, model, settings)
    assert isinstance(record.payload, ExplainPayload), record.failure
    return record.payload


def record_of(folder: Path, model: str, settings: Settings = COUNT_ONLY) -> StageRecord:
    desk = Desk(folder, model, settings)
    desk.give({"x": X}, {"x": X[:2].clone()})
    return desk.run(explain)


def truth(model: str, folder: Path) -> int:
    """Break events as TORCH_TRACE writes them in a cold process: the way torch documents."""
    program = f"import torch, sample_models as s; m, i = s.{model}(); torch._dynamo.explain(m.eval())(**i)"
    environment = os.environ | {"TORCH_TRACE": str(folder), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, timeout=200)
    texts = [path.read_text() for path in folder.iterdir()]
    return sum(text.count('"dynamo_graph_break_reason"') for text in texts)


@pytest.mark.parametrize(
    ("model", "breaks", "said", "skipped"),
    [
        ("three_breaks", 3, 0, 0),
        ("item_in_a_loop", 1, -1, 1),
        ("two_that_print", 3, 3, 0),
        ("plain", 0, 0, 0),
        ("writes_into_its_input", 2, 2, 0),
    ],
)
def test_the_count_is_the_number_of_break_events(
    tmp_path: Path, model: str, breaks: int, said: int, skipped: int
) -> None:
    payload = explained(tmp_path, model)
    assert payload.break_count == breaks
    assert payload.explain_break_count == said
    assert payload.frames_skipped == skipped
    assert sum(found.count for found in payload.breaks) == breaks
    assert len(payload.ops_per_graph) == payload.graph_count


def test_the_count_is_what_torch_writes_in_a_cold_process_with_torch_trace(tmp_path: Path) -> None:
    (tmp_path / "trace").mkdir()
    assert truth("three_breaks", tmp_path / "trace") == explained(tmp_path, "three_breaks").break_count == 3


def test_each_break_names_its_id_and_the_line_of_the_user(tmp_path: Path) -> None:
    first, *others = explained(tmp_path, "three_breaks").breaks
    assert first.gb_id == "GB0059"
    assert first.code == 'print("hello")'
    assert first.function == "forward"
    assert first.file is not None
    assert first.file.endswith("sample_models.py")
    assert first.hints
    assert first.url is not None
    assert [found.gb_id for found in others] == ["GB0124", "GB0170"]


def test_events_at_one_place_are_one_break_counted_three_times(tmp_path: Path) -> None:
    payload = explained(tmp_path, "two_that_print")
    assert payload.unique_break_count == 1
    assert [(found.count, found.code) for found in payload.breaks] == [(3, 'print("inner")')]


def test_the_raw_trace_is_kept(tmp_path: Path) -> None:
    payload = explained(tmp_path, "three_breaks")
    with gzip.open(tmp_path / "models" / "model" / TRACE, "rt") as lines:
        records = [json.loads(line) for line in lines]
    names = [record["artifact"]["name"] for record in records if "artifact" in record]
    assert names.count("dynamo_graph_break_reason") == payload.break_count
    assert any("str" in record for record in records), "file names are numbers without their table"


def test_fullgraph_and_a_second_size_are_told_beside_the_count(tmp_path: Path) -> None:
    both = Settings(explain=ExplainSettings(fullgraph=True, second_shape=True))
    plain = explained(tmp_path / "plain", "plain", both)
    assert plain.fullgraph is not None
    assert plain.fullgraph.passed
    assert plain.second_shape is not None
    assert (plain.second_shape.recompiles, plain.second_shape.breaks) == (1, 0)
    broken = explained(tmp_path / "broken", "two_that_print", both)
    assert broken.fullgraph is not None
    assert broken.fullgraph.reason is not None
    assert "print" in broken.fullgraph.reason
    assert broken.second_shape is not None
    assert broken.second_shape.recompiles > 1
    assert broken.second_shape.breaks > 1


def test_each_pass_can_be_switched_off_and_is_timed_apart(tmp_path: Path) -> None:
    alone = explained(tmp_path / "alone", "two_that_print")
    assert alone.fullgraph is None
    assert alone.second_shape is None
    both = Settings(explain=ExplainSettings(fullgraph=True, second_shape=True))
    payload = explained(tmp_path / "both", "two_that_print", both)
    assert payload.seconds is not None
    assert payload.fullgraph is not None
    assert payload.second_shape is not None
    assert min(payload.seconds, payload.fullgraph.seconds, payload.second_shape.seconds) > 0


def test_the_phases_add_up_to_the_seconds_of_compilation(tmp_path: Path) -> None:
    payload = explained(tmp_path, "two_that_print")
    phases = payload.phases
    assert phases is not None
    parts = (phases.tracing_s, phases.backend_s, phases.guards_s, phases.other_s)
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(payload.compile_s)
    assert 0 < phases.restarted_s < payload.compile_s
    assert payload.guard_count is not None
    assert payload.guard_count > 10


def test_fullgraph_that_passes_where_plain_compilation_breaks_says_which_defaults_make_the_difference(
    tmp_path: Path,
) -> None:
    settings = Settings(explain=ExplainSettings(fullgraph=True, second_shape=False))
    payload = explained(tmp_path, "passes_fullgraph_alone", settings)
    assert payload.break_count == 1
    verdict = payload.fullgraph
    assert verdict is not None
    assert verdict.passed
    assert verdict.breaks_with_defaults == 0
    assert verdict.note is not None
    assert "capture_scalar_outputs" in verdict.note
    assert "plain compilation does not break either" in verdict.note


def test_the_first_obstacle_of_fullgraph_has_its_id(tmp_path: Path) -> None:
    settings = Settings(explain=ExplainSettings(fullgraph=True, second_shape=False))
    verdict = explained(tmp_path, "two_that_print", settings).fullgraph
    assert verdict is not None
    assert (verdict.passed, verdict.gb_id, verdict.note) == (False, "GB0059", None)


def test_a_recompilation_names_its_function_and_the_guard_that_failed(tmp_path: Path) -> None:
    settings = Settings(explain=ExplainSettings(fullgraph=False, second_shape=True))
    seen = explained(tmp_path, "plain", settings).second_shape
    assert seen is not None
    (again,) = seen.recompiled
    assert again.function == "forward"
    assert again.file is not None
    assert again.file.endswith("sample_models.py")
    assert "size mismatch at index 0. expected 3, actual 2" in again.guards[0]
    assert seen.cache_limit_hits == 0


def test_a_model_that_dynamo_never_sees_fails_instead_of_counting_zero(tmp_path: Path) -> None:
    failure = record_of(tmp_path, "unseen").failure
    assert failure is not None
    assert failure.kind is FailureKind.COMPILE
    assert "traced no frame of Unseen" in failure.message


def test_a_trace_that_was_silenced_in_between_fails_instead_of_counting_what_was_heard(tmp_path: Path) -> None:
    failure = record_of(tmp_path, "silences_the_trace").failure
    assert failure is not None
    assert failure.kind is FailureKind.OTHER
    assert "silenced while SilencesTheTrace was traced" in failure.message
    assert failure.hint is not None
    assert "torch.__trace" in failure.hint


def test_a_trace_that_is_gone_from_the_disk_fails_and_accuses_no_model(tmp_path: Path) -> None:
    subject = Ready(sample_models.Plain().eval(), ModelInputs(first={"x": X}))
    with pytest.raises(StageFailure, match="is gone") as caught, listening() as heard:
        torch._dynamo.explain(subject.module)(X)
        check_heard(heard, subject.module, tmp_path / "never-written.gz")
    assert caught.value.kind is FailureKind.DISK


def test_a_model_that_fails_in_eager_is_not_dynamos_fault(tmp_path: Path) -> None:
    failure = record_of(tmp_path, "raises").failure
    assert failure is not None
    assert failure.kind is FailureKind.INPUTS
    assert "ZeroDivisionError: the model's own mistake" in failure.message
    assert failure.traceback is not None
    assert "sample_models.py" in failure.traceback
    assert "driftgate/stages/blame.py" not in failure.traceback
