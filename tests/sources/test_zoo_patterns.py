from pathlib import Path

import pytest
from click.testing import CliRunner

from driftgate.cli import run_command
from driftgate.cli.planning import plan
from driftgate.core.errors import UsageError
from driftgate.machine.expectations import load_expectations
from driftgate.machine.settings import Settings, load_config
from driftgate.sources import zoo
from driftgate.sources.resolve import resolve

ROOT = Path(__file__).parents[2]


def refs(*models, shard=None):
    settings = Settings(models=models, shard=shard)
    return [entry.ref for entry in resolve(settings, lambda *position: "field.yaml").models]


def test_a_star_stands_for_every_type_in_its_preferred_architecture():
    found = refs("zoo:*")
    assert len(found) == len(zoo.architectures()) > 640
    assert "zoo:bert" in found


def test_a_pattern_behind_the_type_stands_for_its_architectures():
    found = refs("zoo:bert/*")
    assert "zoo:bert/BertForMaskedLM" in found
    assert {ref.partition("/")[0] for ref in found} == {"zoo:bert"}
    assert refs("zoo:bert/*ForMaskedLM") == ["zoo:bert/BertForMaskedLM"]


def test_a_model_that_a_pattern_names_again_is_there_once():
    assert refs("zoo:bert", "zoo:ber*").count("zoo:bert") == 1


def test_a_pattern_for_nothing_says_where_it_stands():
    with pytest.raises(UsageError, match=r"field.yaml: zoo:brt\* stands for no model"):
        refs("zoo:brt*")


def test_the_shares_of_the_field_are_the_field():
    shares = [refs("zoo:llama*", shard=f"{number}/3") for number in (1, 2, 3)]
    assert sorted(ref for share in shares for ref in share) == sorted(refs("zoo:llama*"))
    assert all(shares)


@pytest.mark.parametrize("command", ["inputs", "profile"])
def test_a_question_about_one_model_takes_no_pattern(command, capfd):
    assert run_command([command, "zoo:ber*"]) == 2
    assert "zoo:ber* stands for many models" in capfd.readouterr().err


def test_a_share_without_models_is_a_mistake():
    with pytest.raises(UsageError, match="none is left for the share 3/3"):
        refs("zoo:bert", "zoo:gpt2", shard="3/3")


def test_the_plan_of_a_share_of_the_field_is_that_share(tmp_path):
    (tmp_path / "field.yaml").write_text('models: ["zoo:qwen2*"]\ntargets: [ort-cpu]\n')
    whole = CliRunner().invoke(plan, [str(tmp_path / "field.yaml")], standalone_mode=False)
    share = CliRunner().invoke(plan, [str(tmp_path / "field.yaml"), "--shard", "2/4"], standalone_mode=False)
    assert whole.exception is share.exception is None
    assert 0 < share.output.count("zoo--") < whole.output.count("zoo--")
    wrong = CliRunner().invoke(plan, [str(tmp_path / "field.yaml"), "--shard", "9/4"], standalone_mode=False)
    assert "--shard: there is no share 9/4; from 1/4 to 4/4" in str(wrong.exception)


def test_the_fleet_of_the_whole_field_is_read_and_its_expectations_are_about_types_that_exist():
    config = load_config(ROOT / "configs" / "field.yaml")
    assert config.settings.models == ("zoo:*",)
    assert not config.settings.latency.enabled
    rows = load_expectations(ROOT / "configs" / str(config.settings.expectations)).expectations
    assert {row.model.removeprefix("zoo:") for row in rows} <= set(zoo.architectures())
    assert all(len(row.reason) > 40 for row in rows)
