"""Pictures and videos by rule: shapes from the configuration, values from a seed."""

from __future__ import annotations

import torch

from driftgate.stages.inputs.patches import arrives_in_patches, patches
from driftgate.stages.inputs.request import Made, Request, input_modalities

OPEN_IMAGE = 64  # where the configuration leaves the size open, as convolutional networks do
FRAMES = 4
REGIONS = 4


def pixels(request: Request) -> Made:
    """(batch, channels, height, width), or with a frames axis for video models."""
    if arrives_in_patches(request):
        return patches(request)
    height, width = image_size(request)
    channels = request.setting("num_channels", "in_channels", "in_chans", default=3)
    frames = frames_of(request)
    if request.accepts("pixel_attention_mask") or request.setting("image_grid_pinpoints"):
        frames = _pieces(request)
    shape = (request.batch, *((frames,) if frames else ()), channels, height, width)
    return Made(request.normal("pixel_values", shape), "config.image_size, config.num_channels")


def _pieces(request: Request) -> int:
    """How many crops one image is cut into: the whole and a grid of 1 × 2 where there are grids, else one."""
    return 3 if request.setting("image_grid_pinpoints") else 1


def original_sizes(request: Request) -> Made:
    """Height and width of each image before it was cut; a grid's first choice where the model has grids."""
    pinpoints = request.setting("image_grid_pinpoints")
    size = list(pinpoints[0]) if pinpoints else list(image_size(request))
    return Made(
        torch.tensor([size] * request.batch), "config.image_grid_pinpoints" if pinpoints else "config.image_size"
    )


def frames_of(request: Request) -> int | None:
    """Frames of a video that goes by the name of a picture; None for a model of pictures."""
    modalities = input_modalities(request.module)
    videos_alone = "video" in modalities and "image" not in modalities
    frames: int | None = request.setting("num_frames", default=FRAMES if videos_alone else None)
    return frames


def image_size(request: Request) -> tuple[int, int]:
    """Height and width: those that a person orders, else what the configuration asks for; `OPEN_IMAGE` where it leaves the size open."""
    height, width = _configured_size(request)
    return request.sizes.get("height", height), request.sizes.get("width", width)


def _configured_size(request: Request) -> tuple[int, int]:
    size = request.setting("image_size", "img_size", "input_size", default=OPEN_IMAGE)
    if isinstance(size, dict):
        return int(size["height"]), int(size["width"])
    if isinstance(size, list | tuple):
        return int(size[0]), int(size[-1])
    return int(size), int(size)


def pixel_mask(request: Request) -> Made:
    image = request.made["pixel_values"]
    shape = (image.shape[0], *image.shape[1:-3], *image.shape[-2:])
    return Made(torch.ones(shape, dtype=torch.long), "ones, like pixel_values")


def video(request: Request) -> Made:
    height, width = image_size(request)
    frames = request.setting("num_frames", "frames_per_clip", default=FRAMES)
    channels = request.setting("num_channels", "in_chans", default=3)
    shape = (request.batch, frames, channels, height, width)
    return Made(request.normal("pixel_values_videos", shape), "config.num_frames, config.image_size")


def hidden_states(request: Request) -> Made:
    """What a tower calls its first input: patches where it takes their grid, else rows of the model's width."""
    if arrives_in_patches(request):
        return patches(request)
    width = request.setting("hidden_size", "d_model", default=32)
    shape = (request.batch, request.sizes["sequence"], width)
    return Made(request.normal("hidden_states", shape), "config.hidden_size")


def regions(request: Request) -> Made:
    """Features of parts of a picture that a detector found."""
    width = request.setting("visual_feat_dim", default=32)
    return Made(request.normal("visual_feats", (request.batch, REGIONS, width)), "config.visual_feat_dim")


def region_boxes(request: Request) -> Made:
    corners = request.uniform("visual_pos", (request.batch, REGIONS, request.setting("visual_pos_dim", default=4)))
    return Made(corners, "config.visual_pos_dim")
