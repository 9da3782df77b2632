"""Inputs in the sizes that a person or a sweep orders: pictures of any height and width, texts of any length."""

from types import SimpleNamespace

import pytest
from transformers import ViTImageProcessor

from driftgate.stages.inputs import samples
from driftgate.stages.inputs.maker import make_inputs
from driftgate.stages.zoo.build import build

UNKNOWN = SimpleNamespace(task=None, modality=None, family=None, architecture=None)
ORDERED = {"batch": (3, 3), "height": (48, 48), "width": (40, 40)}


@pytest.fixture(scope="module")
def resnet():
    return build("resnet")


def test_pictures_come_in_the_height_and_width_that_were_ordered(resnet):
    assert make_inputs(resnet, None, UNKNOWN, ORDERED).first["pixel_values"].shape == (3, 3, 48, 40)


def test_a_processor_that_makes_other_pictures_is_passed_over_and_says_so(resnet, tmp_path):
    ViTImageProcessor(size={"height": 30, "width": 30}).save_pretrained(tmp_path)
    ordered = make_inputs(resnet, tmp_path, UNKNOWN, ORDERED)
    assert ordered.first["pixel_values"].shape == (3, 3, 48, 40)
    assert ordered.notes == ("the processor makes pictures of 30 × 30, ordered are 48 × 40: made by rule",)
    usual = make_inputs(resnet, tmp_path, UNKNOWN)
    assert usual.first["pixel_values"].shape == (1, 3, 30, 30)
    assert usual.notes == ()


def test_a_text_is_as_long_as_it_has_to_be_and_short_ones_are_as_ever():
    assert len(samples.text(1, 300).split()) >= 300
    assert samples.text(1, 13) == samples.sentence(1)
