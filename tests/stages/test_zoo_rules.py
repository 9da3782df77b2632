"""Rules of the shrinker that save work: the fewest layers that show every kind, blocks that still fit, steps that are not repeated."""

from itertools import pairwise

import pytest
import torch
import transformers
from zoo_models import fed

from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.zoo.shrink import shrink


def run(model_type: str, folder) -> ModelInputs:
    model, inputs = fed(model_type, folder)
    with torch.no_grad():
        inputs.call(model)
    return inputs


@pytest.mark.parametrize("model_type", ["kimi_linear", "deepseek_v4", "hy_v4", "beam", "jamba", "mistral_large4_text"])
def test_every_kind_of_layer_is_kept_in_as_few_layers_as_show_it(model_type):
    full, small = transformers.AutoConfig.for_model(model_type), shrink(model_type)
    for name in ("layer_types", "mlp_layer_types", "indexer_types", "no_rope_layers"):
        if getattr(full, name, None):
            assert set(getattr(small, name)) == set(getattr(full, name)), name
            assert len(getattr(small, name)) == small.num_hidden_layers
    assert small.num_hidden_layers == 2


def test_layers_that_are_counted_by_their_number_are_counted_anew():
    small = shrink("llama4_text")
    assert small.moe_layers == list(range(small.num_hidden_layers))


def test_who_lends_keys_and_values_and_who_takes_them_are_both_of_every_kind():
    small = shrink("gemma3n_text")
    own = small.num_hidden_layers - small.num_kv_shared_layers
    assert set(small.layer_types[:own]) == set(small.layer_types[own:]) == set(small.layer_types)


def test_a_pattern_of_layers_is_said_once():
    assert shrink("superglue").gnn_layers_types == ["self", "cross"]
    assert set(shrink("recurrent_gemma").block_types) == {"recurrent", "attention"}


@pytest.mark.parametrize("model_type", ["pp_lcnet", "pp_lcnet_v3"])
def test_blocks_of_convolutions_are_narrower_and_still_fit_each_other(model_type):
    full, small = transformers.AutoConfig.for_model(model_type), shrink(model_type)
    blocks = [block for stage in small.block_configs for block in stage]
    widths = [(block[1], block[2]) for block in blocks]
    assert all(before[1] == after[0] for before, after in pairwise(widths))
    assert widths[0][0] == small.stem_channels
    assert widths[-1][1] < full.block_configs[-1][-1][2]
    assert len(blocks) < sum(len(stage) for stage in full.block_configs)


def test_what_is_done_over_and_over_is_done_a_few_times():
    assert shrink("slanet").max_text_length <= 8
    assert shrink("perceiver").num_self_attends_per_block <= 2
    assert shrink("superglue").sinkhorn_iterations <= 2


def test_a_token_for_pictures_that_the_class_leaves_to_the_checkpoint_is_within_the_vocabulary():
    small = shrink("blip-2")
    assert 0 <= small.image_token_index < small.text_config.vocab_size


def test_a_model_of_videos_gets_frames_that_its_own_processor_prepared(tmp_path):
    inputs = run("videomae", tmp_path / "model")
    frames = inputs.first["pixel_values"][0]
    assert frames.shape == (8, 3, 32, 32)
    assert not torch.equal(frames[0], frames[1])
    assert "8 drawn pictures, a video" in inputs.how["pixel_values"]


def test_a_processor_that_cannot_fit_is_neither_saved_nor_asked(tmp_path):
    inputs = run("sam", tmp_path / "model")
    assert inputs.first["pixel_values"].shape == (1, 3, 32, 32)
    assert not (tmp_path / "model" / "preprocessor_config.json").exists()
    assert inputs.notes == ()


def test_how_many_patches_are_merged_is_said_where_the_call_asks_for_it(tmp_path):
    inputs = run("video_llama_3_vision", tmp_path / "model")
    rows, merged = inputs.first["pixel_values"].shape[0], int(inputs.first["merge_sizes"][0])
    assert rows % merged**2 == 0


def test_each_word_of_a_table_is_given_its_place_in_it(tmp_path):
    model, inputs = fed("tapas", tmp_path / "model")
    places, sizes = inputs.first["token_type_ids"], model.config.type_vocab_sizes
    assert places.shape == (*inputs.first["input_ids"].shape, len(sizes))
    assert all(int(places[..., i].max()) < size for i, size in enumerate(sizes))
    assert int(places[..., sizes.index(max(sizes))].max()) > 0


def test_noise_that_a_processor_draws_is_the_same_each_time(tmp_path):
    _, first = fed("univnet", tmp_path / "model")
    _, again = fed("univnet", tmp_path / "again")
    assert torch.equal(first.first["noise_sequence"], again.first["noise_sequence"])
