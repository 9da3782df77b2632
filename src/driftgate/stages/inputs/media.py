"""Pictures, videos and sounds by rule: shapes from the configuration, values from a seed."""

from __future__ import annotations

import torch

from driftgate.stages.inputs.request import Made, Request, input_modalities

OPEN_IMAGE = 64  # where the configuration leaves the size open, as convolutional networks do
FRAMES = 4
SPECTROGRAM = 64


def pixels(request: Request) -> Made:
    """(batch, channels, height, width), or with a frames axis for video models."""
    if request.accepts("image_grid_thw") or request.accepts("grid_thw"):
        return _pixel_patches(request)
    height, width = image_size(request)
    channels = request.setting("num_channels", "in_channels", "in_chans", default=3)
    frames = request.setting("num_frames", default=FRAMES) if _is_video(request) else None
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


def _is_video(request: Request) -> bool:
    modalities = input_modalities(request.module)
    return ("video" in modalities and "image" not in modalities) or request.setting("num_frames") is not None


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


def _merged_side(request: Request) -> int:
    return 2 * int(request.setting("spatial_merge_size", default=2))


def _pixel_patches(request: Request) -> Made:
    """Qwen-like: flattened patches of all images in one row, (patches, channels · frames · patch²)."""
    patch = request.setting("patch_size", default=14)
    frames = request.setting("temporal_patch_size", default=1)
    channels = request.setting("in_channels", "in_chans", "num_channels", default=3)
    count = request.batch * _merged_side(request) ** 2
    shape = (count, channels * frames * patch * patch)
    return Made(request.normal("pixel_values", shape), "config.patch_size, config.temporal_patch_size")


def patch_grid(request: Request) -> Made:
    side = _merged_side(request)
    return Made(torch.tensor([[1, side, side]] * request.batch), "config.spatial_merge_size")


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


def spectrogram(request: Request) -> Made:
    """(batch, mel, frames) with the length Whisper's encoder insists on, else (batch, frames, features)."""
    mel = request.setting("num_mel_bins", "n_mels", "input_feat_per_channel", "feature_size", "input_dim", default=80)
    positions = request.setting("max_source_positions")
    if positions and request.setting("input_feat_per_channel") is None:
        return Made(
            request.normal("input_features", (request.batch, mel, 2 * positions)), "config.max_source_positions"
        )
    return Made(request.normal("input_features", (request.batch, SPECTROGRAM, mel)), "config.num_mel_bins")


def wave(request: Request) -> Made:
    """(batch, samples); with channels for codecs; (batch, frames, mel) for spectrogram transformers."""
    mel, length = request.setting("num_mel_bins"), request.setting("max_length")
    if mel and length and request.setting("frequency_stride"):
        return Made(
            request.normal("input_values", (request.batch, length, mel)), "config.max_length, config.num_mel_bins"
        )
    samples = request.sizes["samples"]
    channels = request.setting("audio_channels", default=None)
    if channels is None and request.setting("conv_dim") is None:
        channels = 1
    shape = (request.batch, channels, samples) if channels else (request.batch, samples)
    return Made(0.3 * request.normal("input_values", shape), "config.audio_channels")
