"""The sizes of published checkpoints that the field is held against, and the table that says how alike a tiny model is."""

import dataclasses

import pytest
import torch
import transformers
from benchmarks import full_size
from benchmarks.full_size import Row, Side

from driftgate.core.records import Cell, Failure
from driftgate.core.verdicts import FailureKind
from driftgate.sources import zoo
from driftgate.testing.runs import Story, synthetic_run

KNOWN = full_size.checkpoints()


def config_of(known):
    return transformers.AutoConfig.for_model(known.model_type, **known.fields)


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_a_checkpoint_has_its_sizes_a_source_and_at_most_400_million_parameters(known):
    assert len(known.source) > 40
    config = config_of(known)
    declared = {field.name for field in dataclasses.fields(config)} | {"num_labels"}
    assert set(known.fields) <= declared
    with torch.device("meta"):
        model = getattr(transformers, zoo.architectures()[known.model_type][0].name)._from_config(config)
    assert 10e6 < sum(parameter.numel() for parameter in model.parameters()) <= 400e6


def test_ten_types_and_more_of_text_pictures_sounds_and_both_stand_for_the_field():
    rows = [zoo.architectures()[known.model_type][0] for known in KNOWN.values()]
    assert len({row.model_type for row in rows}) >= 10
    assert {row.modality for row in rows} >= {"text", "vision", "audio", "multimodal"}


SIDE = Side(110_000_000, ("GB0124",), 3, "passed", "dynamo", eager=True, peak_bytes=2_000_000_000, seconds=90)


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        ({}, "yes"),
        ({"events": 12, "exporter": "transformers", "parameters": 1}, "yes"),
        ({"breaks": ("GB0124", "GB0291")}, "**no**"),
        ({"breaks": None}, "**no**"),
        ({"export": "data_dependent"}, "**no**"),
    ],
)
def test_what_breaks_elsewhere_or_exports_otherwise_is_not_alike(other, alike):
    row = Row(KNOWN["t5-small"], dataclasses.replace(SIDE, **other), SIDE)
    said = full_size.section([row])
    assert said[0].startswith(f"{int(alike == 'yes')} of 1 full-size models")
    assert next(line for line in said if line.startswith("| t5-small")).endswith(f"| {alike} |")


def test_a_side_is_what_the_records_say(tmp_path):
    store = synthetic_run(tmp_path, models=1, stories=[Story.BREAKS])
    side = Side.of(list(store.records()))
    assert side.export == "passed"
    assert side.exporter
    assert side.eager
    assert side.breaks == tuple(sorted(set(side.breaks))) != ()
    lost = store.record(Cell(model=next(store.records()).model.slug, stage="export")).model_copy(
        update={"verdict": "failed", "failure": Failure.of(FailureKind.DATA_DEPENDENT, "Eq(u0, 1)"), "payload": None}
    )
    assert Side.of([*store.records(), lost]).export == "data_dependent"


def test_an_unknown_checkpoint_gets_the_nearest_name(capsys):
    assert full_size.main(["t5-smal"]) == 2
    assert "did you mean 't5-small'?" in capsys.readouterr().err


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_full_size_model_is_held_against_the_tiny_one_of_its_type():
    row = full_size.compared(KNOWN["encodec_24khz"])
    assert row.full.parameters > 10_000_000 > row.tiny.parameters
    assert row.full.eager
    assert row.is_alike, full_size.section([row])
