"""Tokenizer, image processor, feature extractor and processor of a zoo model, by rule, for its shrunk sizes.

torchvision and torchaudio are never needed: image processors use their PIL form, feature extractors numpy.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import transformers
from transformers import PretrainedConfig

from driftgate.sources.zoo import preprocessor_names
from driftgate.stages.blame import first_line
from driftgate.stages.inputs.request import configs
from driftgate.stages.zoo.vocabulary import KINDS, Kind, tokenizer_for

_SMALL_IMAGE = 64
_FEW_PATCHES = 64
_GEOMETRY = {
    "patch_size": "patch_size",
    "temporal_patch_size": "temporal_patch_size",
    "merge_size": "spatial_merge_size",
}
"""What an image processor that cuts patches must share with the vision part's configuration."""


def save_preprocessors(config: PretrainedConfig, modality: str, folder: Path) -> list[str]:
    """Save what the type has into `folder`. Returns a note for each part that could not be made here, and why."""
    notes: list[str] = []
    parts: dict[str, Any] = {}
    makers: dict[str, Callable[[], Any]] = {}
    if modality in {"text", "multimodal"}:
        makers["tokenizer"] = lambda: _tokenizer(config)
    if modality in {"vision", "multimodal"}:
        makers["image_processor"] = lambda: _image_processor(config)
    if modality in {"audio", "multimodal"}:
        makers["feature_extractor"] = lambda: _feature_extractor(config)
    for name, make in makers.items():
        try:
            part = make()
        except (ImportError, ValueError, TypeError, AttributeError, KeyError) as error:
            notes.append(f"no {name}: {first_line(error)}")
        else:
            parts |= {name: part} if part is not None else {}
    whole = _processor(config, parts, notes) if modality == "multimodal" else None
    for part in (whole,) if whole is not None else parts.values():
        part.save_pretrained(folder)
    return notes


def _tokenizer(config: PretrainedConfig) -> Any:
    text = config.get_text_config()
    if not isinstance(getattr(text, "vocab_size", None), int):
        return None
    return tokenizer_for(config, _kind(text.model_type, config.model_type))


def _kind(*model_types: str) -> Kind:
    """The kind of tokenizer that transformers maps to the type; byte-level BPE where it names none that is here."""
    for model_type in model_types:
        found = _tokenizer_kind(preprocessor_names(model_type).get("tokenizer", ""))
        for known in KINDS:
            if found == known:
                return known
    return "BPE"


def _tokenizer_kind(class_name: str) -> str | None:
    """The model inside a tokenizer class. Asking a class whose package isn't installed raises ImportError."""
    try:
        model = getattr(getattr(transformers, class_name, None), "model", None)
    except ImportError:
        return None
    return getattr(model, "__name__", None)


def _image_processor(config: PretrainedConfig) -> Any:
    name = preprocessor_names(config.model_type).get("image_processor")
    if name is None:
        return None
    maker = getattr(transformers, name)
    vision = next((node for node in configs(config) if getattr(node, "patch_size", None)), config)
    side = next((size for node in configs(config) if (size := getattr(node, "image_size", None))), _SMALL_IMAGE)
    side = int(side[0] if isinstance(side, list | tuple) else side)
    sizes = {
        field: _resized(getattr(maker, field), side) for field in ("size", "crop_size") if getattr(maker, field, None)
    }
    geometry = {field: getattr(vision, name, None) for field, name in _GEOMETRY.items() if hasattr(maker, field)}
    few = {field: _FEW_PATCHES for field in ("max_patches", "max_num_patches") if hasattr(maker, field)}
    return maker(**sizes, **few, **{field: value for field, value in geometry.items() if isinstance(value, int)})


def _resized(size: Any, side: int) -> Any:
    """A size in the form the class declares it: an integer, height and width, or edges."""
    if not isinstance(size, dict):
        return side
    return {key: side * side if "pixels" in key else side for key in size}


def _feature_extractor(config: PretrainedConfig) -> Any:
    name = preprocessor_names(config.model_type).get("feature_extractor")
    if name is None:
        return None
    maker = getattr(transformers, name)
    takes = inspect.signature(maker.__init__).parameters
    names = ("num_mel_bins", "n_mels")
    mel = next((v for node in configs(config) for n in names if isinstance(v := getattr(node, n, None), int)), None)
    fields = {
        "feature_size": mel,
        "num_mel_bins": mel,
        "chunk_length": _seconds(config),
        "max_length": getattr(config, "max_length", None),
    }
    return maker(**{name: value for name, value in fields.items() if name in takes and value is not None})


def _seconds(config: PretrainedConfig) -> int:
    """The sound that fills an encoder's positions: 50 a second, those of 10 ms hops after one stride of two."""
    return (
        max((int(getattr(node, "max_source_positions", None) or 0) for node in configs(config)), default=0) // 50 or 1
    )


def _processor(config: PretrainedConfig, parts: dict[str, Any], notes: list[str]) -> Any:
    name = preprocessor_names(config.model_type).get("processor")
    if name is None or not parts:
        return None
    try:
        maker = getattr(transformers, name)
        takes = inspect.signature(maker.__init__).parameters
        fields = {
            "patch_size": getattr(getattr(config, "vision_config", None), "patch_size", None),
            "vision_feature_select_strategy": getattr(config, "vision_feature_select_strategy", None),
            "num_additional_image_tokens": 1,
        }
        given = parts | {key: value for key, value in fields.items() if value is not None}
        return maker(**{key: value for key, value in given.items() if key in takes})
    except (ImportError, ValueError, TypeError, AttributeError, KeyError) as error:
        notes.append(f"no {name}: {first_line(error)}")
        return None
