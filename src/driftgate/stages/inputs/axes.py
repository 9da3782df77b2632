"""Names for the dimensions of the usual inputs."""

from __future__ import annotations

from torch import Tensor

_SEQUENCE = ("batch", "sequence")
_AXES: dict[str, tuple[tuple[str, ...], ...]] = {
    "input_ids": (_SEQUENCE,),
    "attention_mask": (_SEQUENCE,),
    "token_type_ids": (_SEQUENCE,),
    "mm_token_type_ids": (_SEQUENCE,),
    "position_ids": (_SEQUENCE,),
    "bbox": (("batch", "sequence", "corners"),),
    "decoder_input_ids": (("batch", "decoder_sequence"),),
    "decoder_attention_mask": (("batch", "decoder_sequence"),),
    "pixel_values": (
        ("patches", "features"),
        ("batch", "patches", "features"),
        ("batch", "channels", "height", "width"),
        ("batch", "frames", "channels", "height", "width"),
    ),
    "pixel_values_videos": (("batch", "frames", "channels", "height", "width"),),
    "pixel_mask": (("batch", "height", "width"), ("batch", "images", "height", "width")),
    "image_grid_thw": (("batch", "grid"),),
    "grid_thw": (("batch", "grid"),),
    "spatial_shapes": (("batch", "grid"),),
    "image_position_ids": (("batch", "patches", "place"),),
    "pixel_position_ids": (("batch", "patches", "place"),),
    "pixel_attention_mask": (
        ("batch", "patches"),
        ("batch", "height", "width"),
        ("batch", "images", "height", "width"),
    ),
    "hidden_states": (("patches", "features"), ("batch", "sequence", "features")),
    "input_features_mask": (("batch", "frames"),),
    "feature_attention_mask": (("batch", "frames"),),
    "input_features": (("batch", "features", "frames"),),
    "input_values": (("batch", "samples"), ("batch", "channels", "samples")),
    "past_values": (("batch", "time"), ("batch", "time", "channels")),
}


def axes_of(name: str, tensor: Tensor) -> tuple[str, ...]:
    """One name for each dimension; unknown inputs get `batch` first, then `NAME_1`, `NAME_2`, …"""
    for axes in _AXES.get(name, ()):
        if len(axes) == tensor.dim():
            return axes
    return tuple("batch" if i == 0 else f"{name}_{i}" for i in range(tensor.dim()))
