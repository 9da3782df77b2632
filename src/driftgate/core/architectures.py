"""The task that a transformers class name tells (`BertForMaskedLM` → fill-mask), for models without a model card."""

from __future__ import annotations

from types import MappingProxyType

TASK_OF_HEAD = MappingProxyType(
    {
        "ForMaskedLM": "fill-mask",
        "ForCausalLM": "text-generation",
        "LMHeadModel": "text-generation",
        "ForSequenceClassification": "text-classification",
        "ForTokenClassification": "token-classification",
        "ForQuestionAnswering": "question-answering",
        "ForMultipleChoice": "multiple-choice",
        "ForSpeechSeq2Seq": "automatic-speech-recognition",
        "ForCTC": "automatic-speech-recognition",
        "ForAudioClassification": "audio-classification",
        "ForImageClassification": "image-classification",
        "ForObjectDetection": "object-detection",
        "ForSemanticSegmentation": "image-segmentation",
        "ForImageSegmentation": "image-segmentation",
        "ForUniversalSegmentation": "image-segmentation",
        "ForDepthEstimation": "depth-estimation",
        "ForVideoClassification": "video-classification",
        "ForZeroShotImageClassification": "zero-shot-image-classification",
        "ForImageTextToText": "image-text-to-text",
        "ForVision2Seq": "image-to-text",
        "ForPrediction": "time-series-forecasting",
        "ForConditionalGeneration": "text2text-generation",
        "ForPreTraining": "feature-extraction",
        "Model": "feature-extraction",
    }
)
"""Ending of a class name → pipeline tag; the first that fits wins."""

AUTO_CLASSES = MappingProxyType(
    {
        "fill-mask": "AutoModelForMaskedLM",
        "text-generation": "AutoModelForCausalLM",
        "text-classification": "AutoModelForSequenceClassification",
        "token-classification": "AutoModelForTokenClassification",
        "question-answering": "AutoModelForQuestionAnswering",
        "translation": "AutoModelForSeq2SeqLM",
        "summarization": "AutoModelForSeq2SeqLM",
        "text2text-generation": "AutoModelForSeq2SeqLM",
        "image-classification": "AutoModelForImageClassification",
        "object-detection": "AutoModelForObjectDetection",
        "image-segmentation": "AutoModelForImageSegmentation",
        "automatic-speech-recognition": "AutoModelForSpeechSeq2Seq",
        "audio-classification": "AutoModelForAudioClassification",
        "image-text-to-text": "AutoModelForImageTextToText",
    }
)
"""Task → the class to try where a config names no architecture."""


def task_of_architecture(architecture: str) -> str:
    """The pipeline tag of a class name, `other` when its ending says nothing."""
    return next((task for ending, task in TASK_OF_HEAD.items() if architecture.endswith(ending)), "other")
