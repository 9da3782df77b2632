"""The zoo: tiny models with random weights, one for every architecture that transformers knows.

This is the catalogue alone: names, tasks and the quickstart's fleet. It reads the auto mapping files of the installed
transformers as text, so that a misspelt name is answered without importing torch. `driftgate.stages.zoo` builds.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from driftgate.core.errors import MachineryError, UsageError, did_you_mean
from driftgate.sources import timm_catalogue

# One row per head: the mapping of transformers, the pipeline tag, the modality. The order says which architecture a bare
# `zoo:bert` means: the head a type was made for comes before the bare encoder.
TASKS: tuple[tuple[str, str, str], ...] = (
    ("MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES", "automatic-speech-recognition", "audio"),
    ("MODEL_FOR_CTC_MAPPING_NAMES", "automatic-speech-recognition", "audio"),
    ("MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES", "text2text-generation", "text"),
    ("MODEL_FOR_TEXT_TO_WAVEFORM_MAPPING_NAMES", "text-to-audio", "audio"),
    ("MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES", "image-text-to-text", "multimodal"),
    ("MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES", "any-to-any", "multimodal"),
    ("MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES", "zero-shot-image-classification", "multimodal"),
    ("MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING_NAMES", "zero-shot-object-detection", "multimodal"),
    ("MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING_NAMES", "visual-question-answering", "multimodal"),
    ("MODEL_FOR_MASKED_LM_MAPPING_NAMES", "fill-mask", "text"),
    ("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "text-generation", "text"),
    ("MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES", "object-detection", "vision"),
    ("MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES", "image-classification", "vision"),
    ("MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES", "image-segmentation", "vision"),
    ("MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES", "image-segmentation", "vision"),
    ("MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES", "depth-estimation", "vision"),
    ("MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES", "video-classification", "vision"),
    ("MODEL_FOR_MASK_GENERATION_MAPPING_NAMES", "mask-generation", "vision"),
    ("MODEL_FOR_KEYPOINT_DETECTION_MAPPING_NAMES", "keypoint-detection", "vision"),
    ("MODEL_FOR_KEYPOINT_MATCHING_MAPPING_NAMES", "keypoint-matching", "vision"),
    ("MODEL_FOR_POSE_ESTIMATION_MAPPING_NAMES", "pose-estimation", "vision"),
    ("MODEL_FOR_IMAGE_MATTING_MAPPING_NAMES", "image-segmentation", "vision"),
    ("MODEL_FOR_TABLE_RECOGNITION_MAPPING_NAMES", "image-to-text", "vision"),
    ("MODEL_FOR_IMAGE_TO_IMAGE_MAPPING_NAMES", "image-to-image", "vision"),
    ("MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES", "audio-classification", "audio"),
    ("MODEL_FOR_TEXT_TO_SPECTROGRAM_MAPPING_NAMES", "text-to-audio", "audio"),
    ("MODEL_FOR_TIME_SERIES_PREDICTION_MAPPING_NAMES", "time-series-forecasting", "timeseries"),
    ("MODEL_FOR_TABLE_QUESTION_ANSWERING_MAPPING_NAMES", "table-question-answering", "tabular"),
    ("MODEL_FOR_DOCUMENT_QUESTION_ANSWERING_MAPPING_NAMES", "document-question-answering", "multimodal"),
    ("MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES", "question-answering", "text"),
    ("MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES", "text-classification", "text"),
    ("MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES", "token-classification", "text"),
    ("MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES", "multiple-choice", "text"),
    ("MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES", "feature-extraction", "text"),
    ("MODEL_MAPPING_NAMES", "feature-extraction", ""),
    ("MODEL_FOR_PRETRAINING_MAPPING_NAMES", "feature-extraction", ""),
    ("MODEL_FOR_BACKBONE_MAPPING_NAMES", "feature-extraction", "vision"),
)


@dataclass(frozen=True, slots=True)
class ZooModel:
    """One model of a fleet of tiny ones. `name` is its repository, `driftgate-zoo/tiny-NAME`."""

    name: str
    model_type: str
    architecture: str
    task: str
    modality: str
    shows: str

    @property
    def repository(self) -> str:
        return f"driftgate-zoo/tiny-{self.name}"

    @property
    def reference(self) -> str:
        return f"zoo:{self.model_type}/{self.architecture}"


# The repository's name, the model type, the architecture, the task, the modality, and what it is there to show.
QUICKSTART: tuple[ZooModel, ...] = tuple(
    ZooModel(*row)
    for row in (
        ("bert", "bert", "BertForMaskedLM", "fill-mask", "text", "an encoder that passes everything"),
        ("gpt2", "gpt2", "GPT2LMHeadModel", "text-generation", "text", "a decoder with its cache off"),
        ("vit", "vit", "ViTForImageClassification", "image-classification", "vision", "an image encoder"),
        (
            "whisper",
            "whisper",
            "WhisperForConditionalGeneration",
            "automatic-speech-recognition",
            "audio",
            "speech, an encoder and a decoder",
        ),
        ("clip", "clip", "CLIPModel", "zero-shot-image-classification", "multimodal", "two encoders side by side"),
        ("t5", "t5", "T5ForConditionalGeneration", "text2text-generation", "text", "an encoder and a decoder"),
        (
            "resnet",
            "resnet",
            "ResNetForImageClassification",
            "image-classification",
            "vision",
            "a convolutional network with BatchNorm",
        ),
        ("wav2vec2", "wav2vec2", "Wav2Vec2ForCTC", "automatic-speech-recognition", "audio", "raw waves"),
        (
            "llava",
            "llava",
            "LlavaForConditionalGeneration",
            "image-text-to-text",
            "multimodal",
            "graph breaks, and an export that only the second exporter can make",
        ),
        ("mixtral", "mixtral", "MixtralForCausalLM", "text-generation", "text", "experts that take turns"),
        (
            "longformer",
            "longformer",
            "LongformerForMaskedLM",
            "fill-mask",
            "text",
            "graph breaks on a value, and no export",
        ),
        (
            "vit_mae",
            "vit_mae",
            "ViTMAEModel",
            "image-feature-extraction",
            "vision",
            "a random mask, so that it differs from itself",
        ),
    )
)


@dataclass(frozen=True, slots=True)
class ZooReference:
    """What a `zoo:` reference names. For timm, `model_type` is the module that has the architecture."""

    library: str
    model_type: str
    architecture: str
    task: str
    modality: str


@dataclass(frozen=True, slots=True)
class Architecture:
    """One class of transformers: the type it belongs to and what it is for."""

    model_type: str
    name: str
    task: str
    modality: str


def parse(reference: str, *, where: str | None = None) -> ZooReference:
    """Read `zoo:bert`, `zoo:bert/BertForMaskedLM` or `zoo:timm/resnet18`.

    A bare type means its first architecture. Raises UsageError with the nearest valid name, and for timm's where timm is not installed.
    """
    model_type, _, architecture = reference.removeprefix("zoo:").partition("/")
    if model_type == "timm":
        family = timm_catalogue.family_of(architecture, where=where)
        return ZooReference("timm", family, architecture, "image-classification", "vision")
    known = architectures()
    if model_type not in known:
        raise UsageError(
            f"transformers has no model type {model_type[:80]!r}", where=where, mend=did_you_mean(model_type, known)
        )
    rows = {row.name: row for row in known[model_type]}
    if architecture and architecture not in rows:
        raise UsageError(
            f"{model_type} has no architecture {architecture[:80]!r}",
            where=where,
            mend=did_you_mean(architecture, rows),
        )
    row = rows[architecture] if architecture else known[model_type][0]
    return ZooReference("transformers", model_type, row.name, row.task, row.modality)


def matching(pattern: str, *, where: str | None = None) -> tuple[str, ...]:
    """The references that a pattern stands for: `zoo:*` is every type in its preferred architecture, `zoo:bert/*` every architecture
    of a type, `zoo:timm/…` as in `timm_catalogue`. Raises UsageError where it stands for none."""
    if pattern.startswith(timm_catalogue.PREFIX):
        return timm_catalogue.matching(pattern, where=where)
    types, _, names = pattern.removeprefix("zoo:").partition("/")
    found = tuple(
        f"zoo:{model_type}/{row.name}" if names else f"zoo:{model_type}"
        for model_type, rows in architectures().items()
        if fnmatchcase(model_type, types)
        for row in (rows if names else rows[:1])
        if fnmatchcase(row.name, names or "*")
    )
    if not found:
        raise UsageError(
            f"{pattern[:80]} stands for no model",
            where=where,
            mend="zoo:* stands for all of them, zoo:timm/* for timm's",
        )
    return found


@functools.cache
def architectures() -> dict[str, tuple[Architecture, ...]]:
    """Model type → its architectures, the preferred one first, as the installed transformers maps them."""
    mappings = _mappings()
    found: dict[str, dict[str, Architecture]] = {}
    for mapping, task, modality in TASKS:
        for model_type, names in mappings.get(mapping, {}).items():
            for name in names:
                of_type = found.setdefault(model_type, {})
                of_type.setdefault(name, Architecture(model_type, name, task, modality or _modality(model_type)))
    return {model_type: tuple(rows.values()) for model_type, rows in sorted(found.items())}


def preprocessor_names(model_type: str) -> dict[str, str]:
    """Part (`tokenizer`, `image_processor`, `feature_extractor`, `processor`) → the class transformers maps to the type.

    Image processors are named in the form that needs PIL alone; a type that has none of those has no such entry.
    """
    mappings = _mappings()
    found: dict[str, str] = {}
    for part in ("tokenizer", "image_processor", "feature_extractor", "processor"):
        for table in (f"MISSING_{part.upper()}_MAPPING_NAMES", f"{part.upper()}_MAPPING_NAMES"):
            names = mappings.get(table, {}).get(model_type, ())
            pil = [name for name in names if name not in _BACKENDS and (name.endswith("Pil") or _only_pil(names))]
            chosen = pil if part == "image_processor" else list(names)
            if chosen:
                found.setdefault(part, chosen[0])
    return found


_BACKENDS = ("torchvision", "pil")


def _only_pil(names: tuple[str, ...]) -> bool:
    return "pil" in names and "torchvision" not in names


def _modality(model_type: str) -> str:
    """The modality of a bare encoder: what the processors that transformers maps to the type take, else its name."""
    mappings = _mappings()
    kinds = {modality for modality, mapping in _SIGNS if model_type in mappings.get(mapping, {})}
    if "multimodal" in kinds or len(kinds) > 1:
        return "multimodal"
    by_name = (modality for word, modality in _NAME_SIGNS if word in model_type)
    return next(iter(kinds), None) or next(by_name, "other")


_SIGNS = (
    ("multimodal", "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES"),
    ("vision", "IMAGE_PROCESSOR_MAPPING_NAMES"),
    ("vision", "MISSING_IMAGE_PROCESSOR_MAPPING_NAMES"),
    ("vision", "MODEL_FOR_IMAGE_MAPPING_NAMES"),
    ("audio", "FEATURE_EXTRACTOR_MAPPING_NAMES"),
    ("audio", "MISSING_FEATURE_EXTRACTOR_MAPPING_NAMES"),
    ("text", "TOKENIZER_MAPPING_NAMES"),
    ("text", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"),
)
_NAME_SIGNS = (("audio", "audio"), ("vision", "vision"), ("video", "vision"), ("text", "text"))


@functools.cache
def _mappings() -> dict[str, dict[str, tuple[str, ...]]]:
    """Every `*_NAMES` table of transformers' auto module: table → model type → class names. Nothing is imported."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        raise MachineryError("transformers is not installed: install driftgate with its dependencies")
    folder = Path(spec.origin).parent / "models" / "auto"
    tables: dict[str, dict[str, tuple[str, ...]]] = {}
    for file in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name) and target.id.endswith("_NAMES"):
                    tables.setdefault(target.id, {}).update(_pairs(node.value))
    return tables


def _pairs(call: ast.Call) -> dict[str, tuple[str, ...]]:
    """The rows of `OrderedDict([("bert", "BertModel"), ("funnel", ("A", "B")), …])`."""
    if not call.args or not isinstance(call.args[0], ast.List):
        return {}
    rows: dict[str, tuple[str, ...]] = {}
    for row in call.args[0].elts:
        if isinstance(row, ast.Tuple) and len(row.elts) == 2 and isinstance(row.elts[0], ast.Constant):
            strings = [node.value for node in ast.walk(row.elts[1]) if isinstance(node, ast.Constant)]
            names = tuple(text for text in strings if isinstance(text, str) and text.isidentifier())
            rows[str(row.elts[0].value)] = names
    return rows
