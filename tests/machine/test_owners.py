"""Whose a finding is: the last row that matches, and every mistake in the file named by line, key and nearest name."""

import pytest

from driftgate.core.errors import UsageError
from driftgate.machine.owners import load_owners
from driftgate.testing.findings import broke, drifted, finding

TARGETS = ("torch-eager-cpu", "torch-inductor-cpu", "ort-cpu")
FILE = """\
owners:
  - {owner: models}
  - {stage: explain, owner: compiler}
  - {target: "ort-*", owner: runtime}
  - {family: whisper, owner: audio}
  - {model: "hf:acme/*", rule: latency, owner: speed}
  - {operator: GB0124, owner: scalars}
  - {operator: "Layer*", target: ort-cpu, owner: kernels}
"""


@pytest.fixture
def owners(tmp_path):
    path = tmp_path / "owners.yaml"
    path.write_text(FILE)
    return load_owners(path, TARGETS)


@pytest.mark.parametrize(
    ("found", "owner"),
    [
        (finding(model="acme--a", family="bert"), "models"),
        (finding("machinery", None, "pull"), "models"),
        (broke("acme--a"), "compiler"),
        (broke("acme--a", gb_id="GB0124"), "scalars"),
        (drifted("acme--a", operator="Gelu"), "runtime"),
        (drifted("acme--a"), "kernels"),
        (drifted("acme--a", operator="Gelu", family="whisper"), "audio"),
        (finding("latency", "acme--a", "infer", target="ort-cpu", ref="hf:acme/a"), "speed"),
    ],
)
def test_the_last_row_that_matches_wins(owners, found, owner):
    assert owners.owner_of(found) == owner


def test_without_a_row_for_all_nobody_may_be_named(tmp_path):
    path = tmp_path / "owners.yaml"
    path.write_text("- {stage: explain, owner: compiler}\n")
    assert load_owners(path, TARGETS).owner_of(finding()) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- {stage: explian, owner: a}", "owners.yaml:1: owners[0].stage: there is no stage 'explian'; did you mean 'explain'?"),
        ("- {owner: a}\n- {rule: latancy, owner: b}", "owners.yaml:2: owners[1].rule: there is no rule 'latancy'; did you mean 'latency'?"),
        ("owners:\n- {owner: a}\n- {target: ort-cpi, owner: b}", "owners.yaml:3: owners[1].target: there is no target 'ort-cpi'; did"),
        ("- {target: 'tpu-*', owner: b}", "owners[0].target: there is no target 'tpu-*'"),
        ("- {familly: bert, owner: a}", "unknown key 'familly'; did you mean 'family'?"),
        ("- {family: bert}", "owners[0].owner"),
        ("- {family: bert, owner: ' '}", "owners[0].owner"),
        ('- {owner: "a\\nb"}', "an owner is one line of text"),
        ("- {stage: infer, owner: a}\n- {owner: b}\n- {stage: infer, owner: c}", "owners.yaml:1: owners[0]: row 3 is about the same"),
        ("just text", "a list of rows"),
        ("- {owner: [", "owners.yaml:1: not valid YAML"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named_by_file_line_and_key(tmp_path, text, says):
    path = tmp_path / "owners.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        load_owners(path, TARGETS)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
