"""From files or a factory to a module, and what is refused on the way."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertModel

from driftgate.core.errors import StageFailure
from driftgate.core.records import LockEntry
from driftgate.core.verdicts import FailureKind
from driftgate.stages.loading import load


def entry(scheme: str = "local", name: str = "model", **more: Any) -> LockEntry:
    return LockEntry(ref=f"{scheme}:{name}", slug="model", scheme=scheme, name=name, **more)


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    torch.manual_seed(0)
    BertForMaskedLM(config).half().save_pretrained(tmp_path)
    return tmp_path


def edit(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def refusal(*arguments: Any) -> StageFailure:
    with pytest.raises(StageFailure) as caught:
        load(*arguments)
    return caught.value


def test_a_folder_gives_the_class_that_its_config_names_in_float32_and_ready_for_inference(bert: Path) -> None:
    module = load(entry(), bert).module
    assert type(module) is BertForMaskedLM
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_tied_weights_that_the_file_leaves_out_are_not_missing(bert: Path) -> None:
    assert "cls.predictions.decoder.weight" not in load_file(bert / "model.safetensors")
    assert not [note for note in load(entry(), bert).notes if "of the files" in note]


def test_weights_that_would_be_made_up_are_a_load_failure(bert: Path) -> None:
    weights = load_file(bert / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "word_embeddings" not in name and "decoder" not in name}
    save_file(kept, bert / "model.safetensors", metadata={"format": "pt"})
    failure = refusal(entry(), bert)
    assert failure.kind is FailureKind.LOAD
    assert "word_embeddings.weight" in failure.message


def test_weights_that_are_left_over_are_noted(bert: Path) -> None:
    edit(bert, architectures=["BertModel"])
    weights = load_file(bert / "model.safetensors")
    pooler = {"bert.pooler.dense.weight": torch.zeros(16, 16), "bert.pooler.dense.bias": torch.zeros(16)}
    save_file(weights | pooler, bert / "model.safetensors", metadata={"format": "pt"})
    loaded = load(entry(), bert)
    assert type(loaded.module) is BertModel
    assert "cls.predictions" in loaded.notes[0]


def test_without_an_architecture_the_task_chooses_the_class(bert: Path) -> None:
    edit(bert, architectures=None)
    assert type(load(entry(task="fill-mask"), bert).module) is BertForMaskedLM


def test_an_unknown_architecture_is_answered_with_the_nearest(bert: Path) -> None:
    edit(bert, architectures=["BertForMaskedLMM"])
    failure = refusal(entry(), bert)
    assert "no architecture 'BertForMaskedLMM'" in failure.message
    assert failure.hint == "did you mean 'BertForMaskedLM'?"


def test_code_of_the_repository_is_not_run_unless_it_is_trusted(bert: Path) -> None:
    (bert / "modeling_mine.py").write_text("raise SystemError('this code ran')\n")
    edit(
        bert,
        architectures=["MineForMaskedLM"],
        model_type="mine",
        auto_map={"AutoModel": "modeling_mine.MineForMaskedLM"},
    )
    failure = refusal(entry(), bert)
    assert "this code ran" not in str(failure)
    assert failure.hint is not None
    assert "allow_remote_code" in failure.hint


def test_pickled_weights_are_not_opened(bert: Path) -> None:
    torch.save(load_file(bert / "model.safetensors"), bert / "pytorch_model.bin")
    (bert / "model.safetensors").unlink()
    failure = refusal(entry(), bert)
    assert failure.kind is FailureKind.LOAD
    assert "safetensors" in failure.message


def test_a_damaged_file_is_a_load_failure_with_the_deepest_cause(bert: Path) -> None:
    (bert / "model.safetensors").write_bytes(b"\x10" * 64)
    failure = refusal(entry(), bert)
    assert failure.kind is FailureKind.LOAD
    assert "BertForMaskedLM cannot be loaded" in failure.message


def test_a_folder_without_a_config_says_so(tmp_path: Path) -> None:
    assert "config.json" in refusal(entry(), tmp_path).message


def test_a_factory_gives_a_module_with_or_without_inputs() -> None:
    assert load(entry("python", "sample_models:no_inputs"), None).inputs is None
    assert isinstance(load(entry("python", "sample_models:positional"), None).inputs, tuple)
    assert set(load(entry("python", "sample_models:plain"), None).inputs) == {"x"}


@pytest.mark.parametrize(
    ("name", "told", "mend"),
    [
        ("no_module", "returned str", "torch.nn.Module"),
        ("odd_inputs", "inputs of type int", "a dict or a tuple"),
        ("not_a_function", "is a int, not a function", "takes nothing"),
        ("no_modul", "there is no 'no_modul'", "did you mean 'no_module'"),
        ("broken_factory", "LookupError: no such checkpoint", None),
    ],
)
def test_a_factory_that_is_no_factory_is_a_load_failure(name: str, told: str, mend: str | None) -> None:
    failure = refusal(entry("python", f"sample_models:{name}"), None)
    assert failure.kind is FailureKind.LOAD
    assert told in failure.message
    assert mend is None or (failure.hint and mend in failure.hint)


def test_the_traceback_of_a_factory_shows_the_users_frames_alone() -> None:
    failure = refusal(entry("python", "sample_models:broken_factory"), None)
    assert failure.traceback is not None
    assert "broken_factory" in failure.traceback
    assert "driftgate/stages" not in failure.traceback


def test_a_module_that_cannot_be_imported_is_a_load_failure() -> None:
    failure = refusal(entry("python", "no_such_module_anywhere:factory"), None)
    assert "No module named 'no_such_module_anywhere'" in failure.message


def test_timm_is_an_extra(tmp_path: Path) -> None:
    if importlib.util.find_spec("timm"):
        pytest.skip("timm is installed here")
    failure = refusal(entry("timm", "resnet18"), tmp_path)
    assert failure.kind is FailureKind.UNAVAILABLE
    assert failure.hint == "pip install 'driftgate[timm]'"


def test_loading_leaves_the_same_random_state_behind_whatever_came_before(bert: Path) -> None:
    drawn = []
    for before in (1, 2):
        torch.manual_seed(before)
        load(entry(), bert, seed=5)
        drawn.append(torch.rand(1).item())
    assert drawn[0] == drawn[1]
