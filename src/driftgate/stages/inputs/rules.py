"""Which rule makes which input, and which inputs a model wants: for models without a processor, or one that fails.

A rule is a function from a request to a `Made` tensor. Names are the signal: `pixel_values` means one thing everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

from driftgate.stages.inputs import media, patches, series, sounds, words
from driftgate.stages.inputs.media_tokens import features_require, placeholders
from driftgate.stages.inputs.request import Made, Request, input_modalities, main_names, required

Rule = Callable[[Request], Made]

# In the order of making: what comes later may look at what came before.
RULES: dict[str, Rule] = {
    "pixel_values": media.pixels,
    "pixel_values_videos": media.video,
    "hidden_states": media.hidden_states,
    "image_grid_thw": patches.grid,
    "grid_thw": patches.grid,
    "image_grid_hw": patches.shape,
    "spatial_shapes": patches.shape,
    "image_merge_sizes": patches.merge_sizes,
    "merge_sizes": patches.merge_sizes,
    "image_position_ids": patches.places,
    "pixel_position_ids": patches.places,
    "image_sizes": media.original_sizes,
    "pixel_mask": media.pixel_mask,
    "pixel_attention_mask": patches.attention,
    "input_features": sounds.spectrogram,
    "audio_mel": sounds.mel_rows,
    "input_features_mask": sounds.frames_mask,
    "feature_attention_mask": sounds.frames_mask,
    "audio_mel_mask": sounds.frames_mask,
    "input_values": sounds.wave,
    "qformer_input_ids": words.query_ids,
    "input_ids": words.token_ids,
    "attention_mask": words.ones_like_ids,
    "mm_token_type_ids": words.media_token_types,
    "token_type_ids": words.token_types,
    "bbox": words.boxes,
    "past_values": series.past_values,
    "past_time_features": series.past_times,
    "past_observed_mask": series.past_mask,
    "future_values": series.future_values,
    "future_time_features": series.future_times,
    "query_embeds": words.hidden_states,
    "inputs_embeds": words.hidden_states,
    "encoder_hidden_states": words.encoder_states,
    "visual_feats": media.regions,
    "visual_pos": media.region_boxes,
    "decoder_input_ids": words.decoder_ids,
}
_COMPANIONS: dict[str, tuple[str, ...]] = {
    "pixel_values": patches.POSITIONS,
    "input_features": ("input_features_mask", "feature_attention_mask"),
    "input_ids": ("attention_mask", "bbox", "visual_feats", "visual_pos"),
    "query_embeds": ("encoder_hidden_states",),
}
"""What goes with an input wherever the forward takes it: most models fail without, though they declare a default."""
_BY_MODALITY = {
    "text": ("input_ids",),
    "image": ("pixel_values",),
    "audio": ("input_features", "input_values"),
    "time": ("past_values",),
}


def wanted(request: Request) -> list[str]:
    """The names that a rule should fill: required ones, the main input, each modality's own, and their companions."""
    module = request.module
    names = {*required(module), *main_names(module)}
    for modality in input_modalities(module):
        names.update(_BY_MODALITY.get(modality, ()))
    found = [place for place in placeholders(module) if names & place.carriers()]
    for place in found:
        names |= features_require(place)
    if any(place.medium.name == "image" for place in found):
        names |= set(patches.GRIDS)
    for name, companions in _COMPANIONS.items():
        if name in names and request.accepts(name):
            names.update(companions)
    if found and "input_ids" in names:
        names.add("mm_token_type_ids")
    if found and request.setting("use_bidirectional_attention") is True:  # unless told where a prompt ends
        names.add("token_type_ids")
    if getattr(request.config, "type_vocab_sizes", None) and "input_ids" in names:
        names.add("token_type_ids")
    if "past_values" in names and request.accepts("future_time_features"):
        names.update(name for name in RULES if name.startswith("future_"))
    if getattr(request.config, "is_encoder_decoder", False):
        names.add("decoder_input_ids")
    return [name for name in RULES if name in names and request.accepts(name)]


def unknown(request: Request) -> list[str]:
    """Required parameters that no rule can fill."""
    return [name for name in required(request.module) if name not in RULES and name not in request.made]
