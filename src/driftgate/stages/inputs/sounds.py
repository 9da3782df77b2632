"""Sounds by rule: waves and spectrograms as long and as fine as the model's first layer takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import nn

from driftgate.stages.inputs.request import Made, Request

SPECTROGRAM = 64
_MEL = ("num_mel_bins", "n_mels", "input_feat_per_channel", "feature_size", "input_dim", "input_feat_size", "mel_bins")


def spectrogram(request: Request) -> Made:
    """(batch, mel, frames) where a 1-d convolution takes it, else (batch, frames, features)."""
    mel = int(request.setting(*_MEL, default=80))
    positions = request.setting("max_source_positions")
    if _is_channels_first(request, mel):
        frames = 2 * positions if positions else SPECTROGRAM
        shape = (request.batch, mel, frames)
        return Made(request.normal("input_features", shape), "config.max_source_positions, config.num_mel_bins")
    features = next((layer.in_features for layer in _layers(request) if isinstance(layer, nn.Linear)), mel)
    features = features if not _has_convolution(request) and features % mel == 0 else mel
    return Made(request.normal("input_features", (request.batch, SPECTROGRAM, features)), "config.num_mel_bins")


def _is_channels_first(request: Request, mel: int) -> bool:
    first = next((layer for layer in _layers(request) if isinstance(layer, nn.Conv1d)), None)
    reads_rows = request.setting("input_feat_per_channel") is not None  # speech-to-text turns the axes itself
    return first is not None and first.in_channels == mel and not reads_rows


def _has_convolution(request: Request) -> bool:
    """Whether the first layer is a convolution over the spectrogram as a picture."""
    first = next((layer for layer in _layers(request) if isinstance(layer, nn.Linear | nn.Conv2d)), None)
    return isinstance(first, nn.Conv2d)


def _layers(request: Request) -> Iterator[nn.Module]:
    """The layers of the part that hears, in the order in which they were made; all layers where no part says so by its name."""
    named = list(request.module.named_modules())
    heard = [layer for name, layer in named if re.search(r"audio|speech|sound|acoustic", name)]
    yield from heard or (layer for _, layer in named)


def frames_mask(request: Request) -> Made:
    """True for each frame of the spectrogram: (batch, frames)."""
    name = next(name for name in ("input_features", "audio_mel") if name in request.made)
    made = request.made[name]
    mel = int(request.setting(*_MEL, default=80))
    frames = made.shape[-1] if made.shape[1] == mel and made.shape[-1] != mel else made.shape[1]
    return Made(torch.ones((made.shape[0], frames), dtype=torch.bool), f"true, like {name}")


def mel_rows(request: Request) -> Made:
    """(batch, frames, mel)."""
    mel = int(request.setting(*_MEL, default=80))
    return Made(request.normal("audio_mel", (request.batch, SPECTROGRAM, mel)), "config.input_feat_size")


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
