import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from driftgate.core.errors import StageFailure
from driftgate.stages.inputs.contents import equal_values
from driftgate.stages.inputs.maker import make_inputs
from driftgate.stages.inputs.settle import settle
from driftgate.stages.zoo.build import build

UNKNOWN = SimpleNamespace(task=None, modality=None, family=None, architecture=None)

TYPES = """
albert roberta distilbert electra deberta-v2 xlnet opt bloom qwen2 qwen3 gemma3_text phi3 mamba bart
pegasus convnext swin deit dinov2 mobilenet_v2 regnet beit wav2vec2 hubert
audio-spectrogram-transformer siglip blip llava gemma3 layoutlm patchtst time_series_transformer
"""


@pytest.mark.parametrize("model_type", TYPES.split())
def test_rules_alone_feed_a_model_in_both_sizes(model_type):
    model = settle(build(model_type))
    inputs = make_inputs(model, None, UNKNOWN, None, 0)
    with torch.no_grad():
        inputs.call(model)
        inputs.call(model, "second")
    assert set(inputs.how) == set(inputs.first) == set(inputs.axes)
    for name, tensor in inputs.first.items():
        assert len(inputs.axes[name]) == tensor.dim()


def test_ids_are_words_of_the_vocabulary_and_not_all_equal():
    model = build("bert")
    ids = make_inputs(model, None, UNKNOWN, {"batch": (3, 4), "sequence": (16, 20)}, 0).first["input_ids"]
    assert ids.shape == (3, 16)
    assert 0 <= ids.min() <= ids.max() < model.config.vocab_size
    assert len(ids.unique()) > 10
    assert model.config.pad_token_id not in ids


def test_an_image_gets_as_many_tokens_as_it_has_rows_of_features():
    model = settle(build("llava"))
    inputs = make_inputs(model, None, UNKNOWN, None, 0)
    assert int((inputs.first["input_ids"] == model.config.image_token_index).sum()) == 16
    assert "counted by get_image_features" in inputs.how["input_ids"]


def test_a_prompt_that_is_seen_from_both_sides_is_marked_as_one():
    inputs = make_inputs(settle(build("paligemma")), None, UNKNOWN, None, 0).first
    assert torch.equal(inputs["token_type_ids"], torch.zeros_like(inputs["input_ids"]))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    model = build("clip")
    assert equal_values(make_inputs(model, None, UNKNOWN, None, 3), make_inputs(model, None, UNKNOWN, None, 3))
    assert not equal_values(make_inputs(model, None, UNKNOWN, None, 3), make_inputs(model, None, UNKNOWN, None, 4))


def test_inputs_do_not_depend_on_the_process():
    code = (
        "from types import SimpleNamespace as N; from driftgate.stages.zoo.build import build; "
        "from driftgate.stages.inputs.maker import make_inputs; "
        "i = make_inputs(build('whisper'), None, N(modality=None), None, 0); "
        "print(float(i.first['input_features'].double().sum()), i.first['decoder_input_ids'].tolist())"
    )
    own = make_inputs(build("whisper"), None, UNKNOWN, None, 0).first
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = f"{float(own['input_features'].double().sum())} {own['decoder_input_ids'].tolist()}"
    assert answer.stdout.strip().splitlines()[-1] == expected


def test_a_transducer_is_given_one_label_at_a_time():
    inputs = make_inputs(build("parakeet_rnnt"), None, UNKNOWN, None, 0)
    assert inputs.first["decoder_input_ids"].shape == (1, 1)
    assert inputs.second["decoder_input_ids"].shape == (2, 1)


class WantsTheMoon(nn.Module):
    def forward(self, moon_phase):
        return moon_phase


class TakesAnything(nn.Module):
    def forward(self, *args, **kwargs):
        return kwargs


def test_a_requirement_that_no_rule_knows_is_named():
    with pytest.raises(StageFailure, match="requires moon_phase"):
        make_inputs(WantsTheMoon(), None, UNKNOWN, None, 0)


def test_a_module_that_says_nothing_asks_for_a_file():
    with pytest.raises(StageFailure) as caught:
        make_inputs(TakesAnything(), None, UNKNOWN, None, 0)
    assert caught.value.kind == "inputs"
    assert "inputs/SLUG.yaml" in (caught.value.hint or "")


def test_a_processor_that_does_not_load_is_noted_and_rules_step_in(tmp_path):
    for name in ("tokenizer.json", "preprocessor_config.json"):
        (tmp_path / name).write_text("{broken")
    inputs = make_inputs(build("bert"), tmp_path, UNKNOWN, None, 0)
    assert inputs.how["input_ids"] == "config.vocab_size"
    for loader in ("AutoTokenizer", "AutoImageProcessor"):
        assert any(f"{loader} did not load" in note for note in inputs.notes)


def test_no_cache_is_left_on_anywhere():
    model = settle(build("llava"))
    assert model.config.text_config.use_cache is False
    assert all(getattr(part.config, "use_cache", False) is False for part in model.modules() if hasattr(part, "config"))
    assert not any(parameter.requires_grad for parameter in model.parameters())
    with torch.no_grad():
        assert make_inputs(model, None, UNKNOWN, None, 0).call(model).past_key_values is None
    assert make_inputs(settle(build("gpt2")), None, UNKNOWN, None, 0).arguments == {"use_cache": False}
