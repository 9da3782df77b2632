import subprocess
import sys
from importlib import resources

import pytest
import yaml
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from driftgate.core.errors import UsageError
from driftgate.sources import zoo


def test_a_type_alone_means_the_head_it_was_made_for():
    assert zoo.parse("zoo:bert").architecture == "BertForMaskedLM"
    assert zoo.parse("zoo:gpt2").task == "text-generation"
    assert zoo.parse("zoo:t5").architecture == "T5ForConditionalGeneration"


def test_an_architecture_brings_its_task_and_modality():
    found = zoo.parse("zoo:clip/CLIPModel")
    assert (found.library, found.task, found.modality) == (
        "transformers",
        "zero-shot-image-classification",
        "multimodal",
    )


@pytest.mark.parametrize(
    ("reference", "guess"),
    [("zoo:brt", "bert"), ("zoo:whispr", "whisper"), ("zoo:bert/BertForMaskdLM", "BertForMaskedLM")],
)
def test_a_misspelt_name_is_answered_with_the_nearest_one(reference, guess):
    with pytest.raises(UsageError, match=guess):
        zoo.parse(reference)


def test_the_catalogue_covers_the_field():
    types = zoo.architectures()
    assert len(types) > 600
    assert {rows[0].modality for rows in types.values()} >= {"text", "vision", "audio", "multimodal", "timeseries"}


def test_the_quickstart_is_twelve_models_over_four_modalities_that_transformers_has():
    assert len(zoo.QUICKSTART) == 12
    assert {row.modality for row in zoo.QUICKSTART} == {"text", "vision", "audio", "multimodal"}
    for row in zoo.QUICKSTART:
        assert zoo.parse(row.reference).architecture == row.architecture
    assert len({row.name for row in zoo.QUICKSTART}) == 12


def test_the_catalogue_needs_no_heavy_import():
    code = (
        "import sys; from driftgate.sources import zoo; zoo.parse('zoo:bert'); "
        "print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_every_row_of_the_override_table_names_a_known_type_and_its_reason():
    rows = yaml.safe_load((resources.files("driftgate.sources") / "zoo_overrides.yaml").read_text())
    known = set(CONFIG_MAPPING_NAMES)
    for row in rows:
        said = {"model_types", "fields", "inputs", "without", "processor", "reason"}
        assert {"model_types", "reason"} < set(row) <= said, row
        assert set(row["model_types"]) <= known, row
        assert len(row["reason"]) > 20
