"""Tasks as the Hub names them (pipeline tags), and the modality of each.

One table: sources read it when they pin a model, inputs when they make tensors, the report when it groups.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class Modality(StrEnum):
    """What goes into a model; more than one kind makes it multimodal."""

    TEXT = "text"
    VISION = "vision"
    AUDIO = "audio"
    MULTIMODAL = "multimodal"
    TIMESERIES = "timeseries"
    TABULAR = "tabular"
    OTHER = "other"


_TASKS = {
    Modality.TEXT: (
        "text-classification token-classification table-question-answering question-answering zero-shot-classification"
        " translation summarization feature-extraction text-generation fill-mask sentence-similarity text-ranking"
        " text2text-generation conversational multiple-choice text-retrieval"
    ),
    Modality.VISION: (
        "depth-estimation image-classification object-detection image-segmentation image-to-image"
        " unconditional-image-generation video-classification zero-shot-image-classification mask-generation"
        " zero-shot-object-detection image-feature-extraction keypoint-detection keypoint-matching video-to-video"
        " image-to-3d semantic-segmentation instance-segmentation panoptic-segmentation pose-estimation"
    ),
    Modality.AUDIO: (
        "text-to-speech text-to-audio automatic-speech-recognition audio-to-audio audio-classification"
        " voice-activity-detection audio-frame-classification speech-to-speech"
    ),
    Modality.MULTIMODAL: (
        "audio-text-to-text image-text-to-text image-text-to-image image-text-to-video visual-question-answering"
        " document-question-answering video-text-to-text visual-document-retrieval any-to-any image-to-text text-to-image"
        " text-to-video image-to-video text-to-3d zero-shot-audio-classification"
    ),
    Modality.TIMESERIES: "time-series-forecasting time-series-classification time-series-regression",
    Modality.TABULAR: "tabular-classification tabular-regression tabular-to-text table-to-text",
    Modality.OTHER: "reinforcement-learning robotics graph-ml other",
}

MODALITY_OF = MappingProxyType({task: modality for modality, tasks in _TASKS.items() for task in tasks.split()})
"""Pipeline tag → modality."""


def modality_of(task: str | None) -> Modality:
    """The modality of a pipeline tag; `other` for none, and for those this table does not know."""
    return MODALITY_OF.get(task or "", Modality.OTHER)
