import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers
import yaml
from click.testing import CliRunner

from driftgate.core.errors import UsageError
from driftgate.core.records import LockEntry
from driftgate.sources.zoo import QUICKSTART, parse
from driftgate.stages.inputs.maker import make_inputs
from driftgate.stages.inputs.settle import settle
from driftgate.stages.zoo.__main__ import main
from driftgate.stages.zoo.build import build
from driftgate.stages.zoo.repository import build_folder, build_reference


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    dest = tmp_path_factory.mktemp("zoo")
    build_folder(dest)
    return dest


def identity(row):
    return SimpleNamespace(task=row.task, modality=row.modality, family=row.model_type, architecture=row.architecture)


def load(row, zoo: Path) -> torch.nn.Module:
    model, report = getattr(transformers, row.architecture).from_pretrained(
        zoo / row.repository, output_loading_info=True, use_safetensors=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    return settle(model)


@pytest.mark.parametrize("row", QUICKSTART, ids=lambda row: row.name)
def test_plain_from_pretrained_loads_the_bytes_that_were_built(row, zoo):
    built, loaded = build(row.model_type, row.architecture), load(row, zoo)
    for name, tensor in built.named_parameters():
        assert torch.equal(tensor, loaded.get_parameter(name)), name


@pytest.mark.parametrize("row", QUICKSTART, ids=lambda row: row.name)
def test_inputs_come_from_the_models_own_preprocessors_and_run_in_both_sizes(row, zoo):
    model = load(row, zoo)
    inputs = make_inputs(model, zoo / row.repository, identity(row), None, 0)
    assert not inputs.notes
    assert any("a sentence" in how or "picture" in how or "chord" in how for how in inputs.how.values())
    with torch.no_grad():
        inputs.call(model)
        inputs.call(model, "second")
    assert inputs.varying()


@pytest.mark.parametrize("row", QUICKSTART, ids=lambda row: row.name)
def test_a_repository_holds_what_the_hub_lists_by(row, zoo):
    folder = zoo / row.repository
    card = yaml.safe_load((folder / "README.md").read_text().split("---")[1])
    assert card["license"] == "apache-2.0"
    assert card["pipeline_tag"] == row.task
    assert card["library_name"] == "transformers"
    assert set(json.loads((folder / ".hub.json").read_text())) == {"downloads", "likes", "trending_score"}
    assert not list(folder.glob("*.bin"))


def test_the_quickstarts_order_by_downloads_is_the_catalogues(zoo):
    numbers = [json.loads((zoo / row.repository / ".hub.json").read_text())["downloads"] for row in QUICKSTART]
    assert numbers == sorted(set(numbers), reverse=True)


def test_a_second_build_keeps_what_is_there_and_gives_the_same_bytes(zoo, tmp_path):
    names = ["bert", "clip"]
    again = build_folder(tmp_path, names)
    stamps = [folder.stat().st_mtime_ns for folder in again]
    assert [folder.stat().st_mtime_ns for folder in build_folder(tmp_path, names)] == stamps
    for folder in again:
        for file in folder.iterdir():
            first = zoo / folder.relative_to(tmp_path) / file.name
            assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(first.read_bytes()).digest(), file


def test_nothing_half_made_is_left_when_a_build_fails(tmp_path):
    (tmp_path / "driftgate-zoo").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="driftgate-zoo"):
        build_folder(tmp_path, ["bert"])
    assert [path.name for path in tmp_path.iterdir()] == ["driftgate-zoo"]


def test_an_unknown_name_gets_the_nearest_one(tmp_path):
    with pytest.raises(UsageError, match="'bert'"):
        build_folder(tmp_path, ["bertt"])
    answer = CliRunner().invoke(main, [str(tmp_path), "bertt"])
    assert answer.exit_code == 2
    assert "did you mean 'bert'?" in answer.output


def test_the_tokenizer_reads_english_within_the_vocabulary(zoo):
    text = "The water of the river, and 3 boats."
    for name in ("bert", "gpt2", "t5"):
        row = next(row for row in QUICKSTART if row.name == name)
        tokenizer = transformers.AutoTokenizer.from_pretrained(zoo / row.repository)
        config = transformers.AutoConfig.from_pretrained(zoo / row.repository)
        ids = tokenizer(text)["input_ids"]
        assert max(ids) < config.vocab_size
        assert "water" in tokenizer.decode(ids, skip_special_tokens=True)
        assert tokenizer.unk_token_id not in ids


ON_DEMAND = """
albert roberta distilbert bart pegasus opt qwen2 gemma3 llava_next convnext swin deit dinov2 yolos mobilevit hubert
audio-spectrogram-transformer siglip blip vilt patchtst
"""


@pytest.mark.parametrize("model_type", ON_DEMAND.split())
def test_any_other_type_is_built_saved_loaded_and_fed(model_type, tmp_path):
    found = parse(model_type)
    entry = LockEntry(
        ref=f"zoo:{model_type}",
        slug=model_type,
        scheme="zoo",
        name=model_type,
        family=found.model_type,
        architecture=found.architecture or "",
        task=found.task,
        modality=found.modality,
        library=found.library,
    )
    build_reference(entry, tmp_path / "model")
    model, report = getattr(transformers, entry.architecture).from_pretrained(
        tmp_path / "model", output_loading_info=True, use_safetensors=True
    )
    assert not report["missing_keys"]
    inputs = make_inputs(settle(model), tmp_path / "model", entry.identity(), None, 0)
    with torch.no_grad():
        inputs.call(model)
        inputs.call(model, "second")
