"""Which rule makes which input, and which inputs a model wants: for models without a processor, or one that fails.

A rule is a function from a request to a `Made` tensor. Names are the signal: `pixel_values` means one thing everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

from driftgate.stages.inputs import media, series, words
from driftgate.stages.inputs.image_tokens import features_require, image_token
from driftgate.stages.inputs.request import Made, Request, input_modalities, main_names, required

Rule = Callable[[Request], Made]

# In the order of making: what comes later may look at what came before.
RULES: dict[str, Rule] = {
    "pixel_values": media.pixels,
    "pixel_values_videos": media.video,
    "image_grid_thw": media.patch_grid,
    "grid_thw": media.patch_grid,
    "image_sizes": media.original_sizes,
    "pixel_mask": media.pixel_mask,
    "input_features": media.spectrogram,
    "input_values": media.wave,
    "input_ids": words.token_ids,
    "attention_mask": words.ones_like_ids,
    "mm_token_type_ids": words.image_token_types,
    "bbox": words.boxes,
    "past_values": series.past_values,
    "past_time_features": series.past_times,
    "past_observed_mask": series.past_mask,
    "future_values": series.future_values,
    "future_time_features": series.future_times,
    "query_embeds": words.hidden_states,
    "inputs_embeds": words.hidden_states,
    "decoder_input_ids": words.decoder_ids,
}
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
    if "pixel_values" in names and image_token(module) is not None:
        names.add("image_grid_thw")
        names.update({"image_sizes"} & features_require(module))
    if "input_ids" in names and request.accepts("input_ids"):
        names.update(("attention_mask", "bbox"))
    if image_token(module) is not None and {"input_ids", "pixel_values"} <= names:
        names.add("mm_token_type_ids")
    if "past_values" in names and request.accepts("future_time_features"):
        names.update(name for name in RULES if name.startswith("future_"))
    if getattr(request.config, "is_encoder_decoder", False):
        names.add("decoder_input_ids")
    return [name for name in RULES if name in names and request.accepts(name)]


def unknown(request: Request) -> list[str]:
    """Required parameters that no rule can fill."""
    return [name for name in required(request.module) if name not in RULES and name not in request.made]
