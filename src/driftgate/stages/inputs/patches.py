"""Pictures that arrive cut into patches: the patches in one row, and where each of them stood.

What one patch holds is read from the layer that takes it, because configurations count it in many ways (colours, frames, merged
neighbours).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from driftgate.stages.inputs.request import Made, Request

GRIDS = ("image_grid_thw", "grid_thw", "image_grid_hw")
"""Packed: the patches of all pictures of a batch in one row, with the height and width of each picture."""
POSITIONS = ("image_position_ids", "pixel_position_ids")
"""A row of patches for each picture, with the place of each patch."""
SHAPES = ("spatial_shapes",)
"""A row of patches for each picture, with the height and width of each picture."""


def arrives_in_patches(request: Request) -> bool:
    return any(request.accepts(name) for name in (*GRIDS, *POSITIONS, *SHAPES))


def side(request: Request) -> int:
    """Patches along one edge of a picture: a multiple of what is merged or pooled into one."""
    merged = request.setting("spatial_merge_size", "merge_size", "pooling_kernel_size", "downsample_factor", default=2)
    return 2 * int(merged if isinstance(merged, int) else merged[0])


def patches(request: Request) -> Made:
    """(patches, …) for packed pictures, (batch, patches, …) for the others."""
    one = patch_shape(request)
    count = side(request) ** 2
    packed = any(request.accepts(name) for name in GRIDS)
    shape = (request.batch * count, *one) if packed else (request.batch, count, *one)
    return Made(request.normal("pixel_values", shape), "config.spatial_merge_size, the patch embedding's weight")


def patch_shape(request: Request) -> tuple[int, ...]:
    """What one patch holds: channels, height and width where a 2-d convolution takes it, else one row of numbers."""
    for name, layer in request.module.named_modules():
        if "patch" not in name or "text" in name:
            continue
        if isinstance(layer, nn.Conv2d):
            return (layer.in_channels, *layer.kernel_size)
        if isinstance(layer, nn.Conv3d):
            return (layer.in_channels * math.prod(layer.kernel_size),)
        if isinstance(layer, nn.Linear):
            return (layer.in_features,)
    patch = request.setting("patch_size", default=14)
    frames = request.setting("temporal_patch_size", default=1)
    channels = request.setting("in_channels", "in_chans", "num_channels", default=3)
    return (channels * frames * patch * patch,)


def grid(request: Request) -> Made:
    """Frames, rows and columns of each picture."""
    return Made(torch.tensor([[1, side(request), side(request)]] * request.batch), "config.spatial_merge_size")


def merge_sizes(request: Request) -> Made:
    """How many patches along one edge of each picture are merged into one, where that is said in the call."""
    return Made(torch.tensor([side(request) // 2] * request.batch), "config.spatial_merge_size")


def shape(request: Request) -> Made:
    """Rows and columns of each picture."""
    return Made(torch.tensor([[side(request), side(request)]] * request.batch), "config.spatial_merge_size")


def places(request: Request) -> Made:
    """Column and row of each patch: (batch, patches, 2)."""
    along = torch.arange(side(request))
    rows, columns = torch.meshgrid(along, along, indexing="ij")
    one = torch.stack([columns.flatten(), rows.flatten()], dim=-1)
    return Made(one.expand(request.batch, -1, -1).clone(), "every place of the picture, row by row")


def attention(request: Request) -> Made:
    """Ones over what is no padding: (batch, patches) for rows of patches, else over height and width."""
    pixels = request.made["pixel_values"]
    if arrives_in_patches(request):
        return Made(torch.ones(pixels.shape[:2], dtype=torch.long), "ones, like pixel_values")
    return Made(torch.ones((*pixels.shape[:-3], *pixels.shape[-2:]), dtype=torch.long), "ones, like pixel_values")
