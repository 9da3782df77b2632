"""What an infer cell says of times: latency with its raw samples, the budget around it, the state of the machine."""

from pathlib import Path

import numpy as np
import pytest
from sample_models import X
from stage_desk import NO_LATENCY, Desk

from driftgate.core.records import InferPayload, ModelIdentity
from driftgate.core.statistics import latency_of_samples
from driftgate.machine.jobs import Job
from driftgate.machine.samples import load_samples
from driftgate.machine.settings import LatencySettings
from driftgate.pipeline import STAGE_OF
from driftgate.stages.components import Work, around, component_rule, measure_components, most_likely
from driftgate.stages.infer import infer
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.inputs.maker import make_inputs
from driftgate.stages.zoo.build import build
from driftgate.stages.zoo.preprocessors import save_preprocessors
from driftgate.targets.timing import StoppingRule

EAGER = "torch-eager-cpu"
NO_OUTPUTS: dict[str, np.ndarray] = {}


def timed(folder: Path, **latency: object) -> Desk:
    asked = LatencySettings.model_validate({"budget": "300ms", "precision": 0.5} | latency)
    desk = Desk(folder, "plain", NO_LATENCY.model_copy(update={"latency": asked}))
    desk.give({"x": X})
    return desk


def payload_of(desk: Desk) -> InferPayload:
    payload = desk.run(infer, EAGER).payload
    assert isinstance(payload, InferPayload)
    return payload


def test_every_statistic_of_a_record_can_be_derived_again_from_the_samples_that_were_kept(tmp_path: Path) -> None:
    desk = timed(tmp_path)
    payload = payload_of(desk)
    assert payload.samples_file == "samples.torch-eager-cpu.npz"
    streams = load_samples(desk.folder / payload.samples_file)
    assert latency_of_samples(streams.pop("infer")) == payload.latency
    assert {name: latency_of_samples(stream) for name, stream in streams.items()} == payload.component_times


def test_a_timed_cell_tells_its_budget_and_the_state_of_the_machine(tmp_path: Path) -> None:
    payload = payload_of(timed(tmp_path))
    assert list(payload.components) == ["infer", "post"]
    assert payload.latency is not None
    assert payload.components["infer"] == payload.latency.p50
    assert payload.component_notes == {
        "pre": "no processor of the model's made its inputs",
        "post": "softmax of logits, its 5 most likely classes",
    }
    assert payload.conditions is not None
    assert payload.conditions.threads == 1
    assert payload.memory is not None
    assert payload.memory.worker_peak_rss is not None
    assert payload.memory.unknown["device_peak"] == "the target computes in the host's memory"
    assert payload.energy is not None
    assert (payload.energy.joules is None) == (payload.energy.unknown is not None)


def test_without_latency_nothing_is_read_or_kept(tmp_path: Path) -> None:
    desk = timed(tmp_path, enabled=False)
    payload = payload_of(desk)
    assert (payload.latency, payload.conditions, payload.samples_file, payload.components) == (None, None, None, {})
    assert not list(desk.folder.glob("samples.*"))


def test_what_the_cache_keeps_of_a_timed_cell_knows_no_times(tmp_path: Path) -> None:
    from driftgate.core.records import Artifact, CellResult

    payload = payload_of(timed(tmp_path))
    names = (payload.samples_file or "", "outputs.torch-eager-cpu.safetensors")
    files = tuple(Artifact(name=name, bytes=1, sha256="0" * 64) for name in names)
    kept = STAGE_OF["infer"].keeps(CellResult(payload=payload.to_dict(), artifacts=files))
    assert [file.name for file in kept.artifacts] == ["outputs.torch-eager-cpu.safetensors"]
    again = InferPayload.model_validate(kept.payload)
    untimed = InferPayload(device="cpu", init_s=payload.init_s, first_s=payload.first_s)
    changed = {name for name in InferPayload.model_fields if getattr(again, name) != getattr(untimed, name)}
    assert changed <= {"outputs", "batch", "self_max_abs", "deterministic", "placement"}


# -- before and after ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, ModelInputs]]:
    """Tiny models with the processors that they ship, and inputs made by these."""
    found = {}
    for family, task, modality in (("gpt2", "text-generation", "text"), ("vit", "image-classification", "vision")):
        folder = tmp_path_factory.mktemp(family)
        module = build(family)
        module.config.save_pretrained(folder)
        save_preprocessors(module.config, modality, folder)
        facts = {"ref": f"zoo:{family}", "slug": family, "family": family, "task": task, "modality": modality}
        identity = ModelIdentity(**facts, architecture=type(module).__name__, revision=None)
        found[family] = (folder, make_inputs(module, folder, identity))
    return found


Repositories = dict[str, tuple[Path, ModelInputs]]


def test_the_processor_that_a_model_ships_does_its_work_anew_on_material_that_is_ready(
    repositories: Repositories,
) -> None:
    folder, inputs = repositories["gpt2"]
    work = around(inputs, 0, folder, NO_OUTPUTS, "text-generation")["pre"]
    assert work.run is not None
    assert "Tokenizer" in work.what
    made = work.run()
    assert made["input_ids"].tolist() == inputs.first["input_ids"].tolist()  # type: ignore[index]


def test_pictures_are_prepared_by_the_image_processor_at_the_size_of_the_run(repositories: Repositories) -> None:
    folder, inputs = repositories["vit"]
    work = around(inputs, 1, folder, NO_OUTPUTS, "image-classification")["pre"]
    assert work.run is not None
    assert work.run()["pixel_values"].shape == inputs.second["pixel_values"].shape  # type: ignore[index]


def test_scores_of_tokens_become_text_and_scores_of_classes_the_most_likely_ones(repositories: Repositories) -> None:
    folder, inputs = repositories["gpt2"]
    scores = np.zeros((2, 4, 600), np.float32)
    scores[0, :, 599] = 1  # beyond the tokenizer's own: a vocabulary is padded
    text = around(inputs, 0, folder, {"logits": scores}, "text-generation")["post"]
    assert text.what == "the most likely tokens of logits, decoded"
    assert text.run is not None
    assert [type(one) for one in text.run()] == [str, str]  # type: ignore[attr-defined]
    classes = around(inputs, 0, None, {"logits": scores[0]}, "image-classification")["post"]
    assert classes.what == "softmax of logits, its 5 most likely classes"


def test_probabilities_add_up_whatever_the_size_of_the_scores() -> None:
    probabilities, best = most_likely(np.array([[1e4, 0, -1e4], [1, 2, 3]], np.float16))
    assert best.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert probabilities.sum(-1) == pytest.approx([1, 1])


def test_outputs_without_scores_need_nothing_after_them() -> None:
    work = around(ModelInputs({}), 0, None, {"last_hidden_state": np.zeros((1, 2, 3))}, "feature-extraction")["post"]
    assert work == Work(None, "the outputs of feature-extraction are used as they are")


def test_a_component_that_fails_is_a_note_and_the_others_are_measured() -> None:
    def broken() -> None:
        raise LookupError("no vocabulary")

    works = {"pre": Work(broken, "a tokenizer"), "post": Work(lambda: None, "nothing much"), "more": Work(None, "none")}
    found = measure_components(works, StoppingRule(budget=0.1))
    assert found.notes["pre"] == "a tokenizer fails: LookupError: no vocabulary"
    assert list(found.samples) == ["post"]


def test_components_take_a_tenth_of_the_budget_at_most() -> None:
    assert component_rule(1.0).budget == pytest.approx(0.1)
    assert component_rule(100.0).budget == 0.5


def test_a_wanted_precision_of_p99_reaches_the_stopping_rule(tmp_path: Path) -> None:
    from driftgate.stages.inputs.contents import load_inputs
    from driftgate.stages.target_plan import plan_of
    from driftgate.targets.torch_eager import TorchEagerCpu

    desk = timed(tmp_path, p99_precision=0.1)
    job: Job = desk.job("infer", EAGER)
    rule = plan_of(job, TorchEagerCpu(), load_inputs(desk.folder, "first")).rule
    assert rule is not None
    assert (rule.precision, rule.p99_precision) == (0.5, 0.1)
