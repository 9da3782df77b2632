"""Inputs from the model's own processor: real sentences, pictures and sounds, prepared the way its users do."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoProcessor, AutoTokenizer

from driftgate.stages.blame import first_line
from driftgate.stages.inputs import samples
from driftgate.stages.inputs.media import frames_of
from driftgate.stages.inputs.request import Request

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model")
_WAVE_NAMES = ("audio", "raw_speech", "raw_audio")
_MOST_JSON_BYTES = 1 << 20
Processor = Any


def load_processors(folder: Path) -> tuple[list[Processor], list[str]]:
    """The processors that a model's folder describes, and a note on each that would not load.

    A whole processor stands alone; else tokenizer, image processor and feature extractor are tried one by one. Nothing
    is fetched, no code of the repository is run.
    """
    found: list[Processor] = []
    notes: list[str] = []
    for loader in _loaders(folder):
        try:
            found.append(loader.from_pretrained(folder, local_files_only=True, trust_remote_code=False))
        except (ImportError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            notes.append(f"{loader.__name__} did not load: {first_line(error)}")
        else:
            if loader is AutoProcessor:
                break
    return found, notes


def _loaders(folder: Path) -> list[Any]:
    """Which loaders the files of a folder ask for, the whole processor first."""
    loaders: list[Any] = [AutoProcessor] if (folder / "processor_config.json").is_file() else []
    if any((folder / file).is_file() for file in _TOKENIZER_FILES):
        loaders.append(AutoTokenizer)
    described = folder / "preprocessor_config.json"
    if described.is_file():
        loaders.append(AutoFeatureExtractor if "sampling_rate" in _json(described) else AutoImageProcessor)
    return loaders


def _json(path: Path) -> dict[str, Any]:
    """What a file says; nothing where it is damaged, on which its loader has a word."""
    if path.stat().st_size > _MOST_JSON_BYTES:
        return {}
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _is_image_processor(processor: Processor) -> bool:
    return hasattr(processor, "image_mean") or "Image" in type(processor).__name__


def process(processor: Processor, request: Request) -> tuple[dict[str, Tensor], str]:
    """Tensors for one batch, and what they were made of (`BertTokenizer: 2 sentences`)."""
    arguments, made_of = _material(processor, request)
    batch = processor(**arguments, return_tensors="pt")
    tensors = {name: torch.as_tensor(value) for name, value in batch.items() if _is_numeric(value)}
    _regroup_frames(tensors, request)
    return tensors, f"{type(processor).__name__}: {', '.join(made_of)}"


def _regroup_frames(tensors: dict[str, Tensor], request: Request) -> None:
    """A processor made for pictures lays the frames of all videos in one row."""
    frames, pixels = frames_of(request), tensors.get("pixel_values")
    if frames is not None and pixels is not None and pixels.dim() == 4 and len(pixels) == request.batch * frames:
        tensors["pixel_values"] = pixels.reshape(request.batch, frames, *pixels.shape[1:])


def preparing(processor: Processor, request: Request) -> Callable[[], Any]:
    """The processor's own work on material that is ready: what its user waits for before each inference."""
    arguments, _ = _material(processor, request)
    return partial(processor, **arguments, return_tensors="pt")


def _material(processor: Processor, request: Request) -> tuple[dict[str, Any], list[str]]:
    takes = inspect.signature(processor.__call__).parameters
    tokenizer = getattr(processor, "tokenizer", processor if hasattr(processor, "encode") else None)
    arguments: dict[str, Any] = {}
    made_of: list[str] = []
    has_image = _is_image_processor(getattr(processor, "image_processor", None) or processor)
    extractor = _feature_extractor(processor)
    if has_image:
        arguments["images"], drawn = _pictures(request)
        made_of.append(drawn)
    if extractor is not None:
        rate = int(extractor.sampling_rate)
        waves = [samples.sound(i, request.seed, request.sizes["samples"], rate) for i in range(request.batch)]
        arguments[next((name for name in _WAVE_NAMES if name in takes), "audio")] = waves
        arguments["sampling_rate"] = rate
        made_of.append("a played chord")
    if "generator" in takes:  # it draws noise of its own, another in each call
        arguments["generator"] = np.random.default_rng(request.seed)
    if tokenizer is not None and extractor is None:
        arguments |= _text(processor, request, with_image=has_image)
        made_of.append("a sentence")
    return arguments, made_of


def _pictures(request: Request) -> tuple[list[Any], str]:
    """One picture for each sample; for a model of videos, as many as it takes frames."""
    frames = frames_of(request)
    if frames is None:
        return [samples.picture(i, request.seed) for i in range(request.batch)], "a drawn picture"
    video = [[samples.picture(i * frames + n, request.seed) for n in range(frames)] for i in range(request.batch)]
    return video, f"{frames} drawn pictures, a video"


def _feature_extractor(processor: Processor) -> Any:
    own = getattr(processor, "feature_extractor", processor)
    return own if hasattr(own, "sampling_rate") else None


def _text(processor: Processor, request: Request, *, with_image: bool) -> dict[str, Any]:
    """Sentences cut to the wanted length; after an image token they are short and stay whole."""
    token = getattr(processor, "image_token", None) if with_image else None
    if token is None:
        texts = [samples.text(i, request.sizes["sequence"]) for i in range(request.batch)]
        return {"text": texts, "truncation": True, "max_length": request.sizes["sequence"]}
    words = samples.sentence(0).split()[: request.sizes["sequence"] - 2]
    return {"text": [f"{token} {' '.join(words)}"] * request.batch}


def _is_numeric(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    return isinstance(value, list) and all(isinstance(item, int | float | bool) for item in value)
