"""Time series by rule: past and future values, their masks and time features."""

from __future__ import annotations

import torch

from driftgate.stages.inputs.request import Made, Request

TIME_STEPS = 16


def past_values(request: Request) -> Made:
    """(batch, time) for one channel, (batch, time, channels) for several, or as the patch models want it."""
    length = request.setting("context_length", default=TIME_STEPS)
    lags = request.setting("lags_sequence", default=None)
    channels = request.setting("num_input_channels", default=None) or request.setting("input_size", default=1)
    total = length + (max(lags) if lags else 0)
    shape = (request.batch, total) if lags and channels == 1 else (request.batch, total, channels)
    return Made(request.normal("past_values", shape), "config.context_length, config.lags_sequence")


def past_mask(request: Request) -> Made:
    return Made(torch.ones_like(request.made["past_values"]), "ones, like past_values")


def past_times(request: Request) -> Made:
    count = request.setting("num_time_features", default=0)
    shape = (*request.made["past_values"].shape[:2], count)
    return Made(request.normal("past_time_features", shape), "config.num_time_features")


def future_values(request: Request) -> Made:
    past = request.made["past_values"]
    length = request.setting("prediction_length", default=TIME_STEPS)
    return Made(request.normal("future_values", (past.shape[0], length, *past.shape[2:])), "config.prediction_length")


def future_times(request: Request) -> Made:
    length = request.setting("prediction_length", default=TIME_STEPS)
    count = request.setting("num_time_features", default=0)
    return Made(request.normal("future_time_features", (request.batch, length, count)), "config.num_time_features")
