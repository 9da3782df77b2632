"""Tasks and their modalities."""

import pytest

from driftgate.core.tasks import MODALITY_OF, Modality, modality_of


@pytest.mark.parametrize(
    ("task", "modality"),
    [
        ("fill-mask", "text"),
        ("image-classification", "vision"),
        ("automatic-speech-recognition", "audio"),
        ("image-text-to-text", "multimodal"),
        ("time-series-forecasting", "timeseries"),
        ("tabular-classification", "tabular"),
        ("robotics", "other"),
        ("a-task-of-tomorrow", "other"),
        (None, "other"),
    ],
)
def test_a_pipeline_tag_has_a_modality(task: str | None, modality: str) -> None:
    assert modality_of(task) == modality


def test_every_modality_has_a_task_and_no_task_has_two() -> None:
    assert set(MODALITY_OF.values()) == set(Modality)
    assert all(task == task.strip().lower() for task in MODALITY_OF)
