"""A sample of the field: every kind of input, and the rows of the table, through building, saving, loading and one forward pass."""

from importlib import resources

import pytest
import torch
import transformers
import yaml
from zoo_models import fed

from driftgate.core.errors import UsageError
from driftgate.sources import zoo
from driftgate.stages.zoo.build import build
from driftgate.stages.zoo.shrink import shrink

# One of each kind: patches in a grid, in rows, with places; tiles; several crops; sounds in a text; spectrograms by convolution and by
# linear layers; per-layer widths; codes; videos; tables of boxes; series; state spaces.
SAMPLE = """
qwen2_5_vl siglip2 gemma4 mllama smolvlm audioflamingo3 granite_speech lxmert mamba2 dia timesformer timesfm
"""
MORE = """
aria autoformer blip-2 canary chameleon clap clvp cohere_compass colpali colqwen2 csm dbrx decision_transformer
deepseek_v2 depth_pro dots1 dpt efficientloftr efficientnet embedding_gemma2 exaone4_5 florence2 fuyu gemma3n_text
glm4v_moe gpt_neo granite4_vision hunyuan_vl idefics3 inkling2 instructblip instructblipvideo kosmos-2 kosmos-2.5
levit lightglue lilt llama4 lw_detr mgp-str mimi mobilevitv2 moonshine_streaming muse_spark musicflamingo
musicgen neomme glm_image pi0 qwen3_omni_moe_thinker sam sam2 sapiens2 seggpt swin2sr vipllava voxtral xclip zamba
"""


def check(model_type: str, folder) -> None:
    model, inputs = fed(model_type, folder)
    with torch.no_grad():
        inputs.call(model)
    assert sum(p.numel() for p in model.parameters()) < 20_000_000
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize("model_type", SAMPLE.split())
def test_a_type_of_each_kind_is_built_saved_loaded_and_fed(model_type, tmp_path):
    check(model_type, tmp_path / "model")


@pytest.mark.full
@pytest.mark.parametrize("model_type", MORE.split())
def test_a_larger_sample_is_built_saved_loaded_and_fed(model_type, tmp_path):
    check(model_type, tmp_path / "model")


def test_layers_with_widths_of_their_own_keep_the_ratio():
    full, small = transformers.AutoConfig.for_model("gemma4_text"), shrink("gemma4_text")
    assert set(small.layer_types) == set(full.layer_types)
    for config in (full, small):
        heads = {kind: config.per_layer_config[kind].head_dim for kind in set(config.layer_types)}
        assert heads["full_attention"] == 2 * heads["sliding_attention"]


def test_the_inner_width_of_a_state_space_is_still_counted_in_heads():
    config = shrink("mamba2")
    assert config.num_heads * config.head_dim == config.expand * config.hidden_size


def test_the_last_id_of_a_vocabulary_stays_the_last():
    config = shrink("nemo_speechlm")
    checked = [c for c in vars(config).values() if hasattr(c, "blank_token_id")]
    assert all(part.blank_token_id == part.vocab_size - 1 for part in checked)


def test_a_part_that_may_be_left_out_is_built():
    model = build("gemma4")
    assert model.config.vision_config is not None
    assert model.config.audio_config is not None


def test_sounds_get_as_many_tokens_as_they_have_rows_of_features(tmp_path):
    model, inputs = fed("audioflamingo3", tmp_path / "model")
    tokens = int((inputs.first["input_ids"] == model.config.audio_token_id).sum())
    assert f"{tokens} audio tokens counted by get_audio_features" in inputs.how["input_ids"]
    assert tokens > 0


def test_what_the_table_orders_is_made_in_both_sizes_and_says_so(tmp_path):
    _, inputs = fed("timesfm", tmp_path / "model")
    assert tuple(inputs.first["past_values"].shape) == (1, 64)
    assert tuple(inputs.second["past_values"].shape) == (2, 64)
    assert inputs.how["freq"] == "zoo_overrides.yaml"
    assert int(inputs.second["freq"].max()) < 3


def test_a_mask_that_the_processor_makes_for_several_sounds_alone_is_left_out_of_both_sizes(tmp_path):
    _, inputs = fed("phi4_multimodal", tmp_path / "model")
    assert set(inputs.first) == set(inputs.second)
    assert inputs.left_out["audio_attention_mask"] == "the processor makes it for one of the two sizes alone"
    assert "audio_attention_mask" not in inputs.how


def test_codes_of_several_levels_have_one_mask_over_their_places(tmp_path):
    _, inputs = fed("kyutai_speech_to_text", tmp_path / "model")
    assert inputs.first["input_ids"].shape[:2] == inputs.first["attention_mask"].shape
    assert int(inputs.first["attention_mask"].min()) == 1


def test_no_model_type_has_two_rows_that_say_the_same_field():
    rows = yaml.safe_load((resources.files("driftgate.sources") / "zoo_overrides.yaml").read_text())
    seen = set()
    for row in rows:
        for model_type in row["model_types"]:
            for key in (*row.get("fields", {}), *row.get("inputs", {})):
                assert (model_type, key) not in seen, (model_type, key)
                seen.add((model_type, key))


def test_a_misspelt_architecture_of_the_field_is_answered_with_the_nearest_one():
    with pytest.raises(UsageError, match="gemma4"):
        zoo.parse("zoo:gema4")
