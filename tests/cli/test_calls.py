"""Wrong calls: exit code 2 and one clear line on stderr, never a traceback."""

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.cli import run_command


def call(capfd, *arguments):
    code = run_command(list(arguments))
    out, err = capfd.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["explian", "zoo:bert"], "did you mean 'explain'?"),
        (["run", "--modle", "zoo:bert"], "did you mean '--model'?"),
        (["run", "nowhere.yaml"], "nowhere.yaml: cannot read it: No such file or directory"),
        (["run", "--target", "ort-cpuu", "--model", "zoo:bert"], "unknown target 'ort-cpuu'; did you mean 'ort-cpu'?"),
        (["run", "--model", "zooo:bert"], "--model: unknown source 'zooo'; did you mean 'zoo'?"),
        (["run", "--jobs", "0"], "--jobs"),
        (["run", "--memory-limit", "much"], "'much' is not a size; write it like 8GB"),
        (["run", "--time-limit", "long"], "'long' is not a duration; write it like 20s"),
        (["run", "--memory-limit", "-8GB"], "'-8GB' must be more than 0"),
        (["prune", "--max-size", "-1"], "'-1' must be more than 0"),
        (
            ["run", "--model", "zoo:bertt"],
            "driftgate: --model: transformers has no model type 'bertt'; did you mean 'bert'?",
        ),
        (["explain", "zoo:bertt"], "driftgate: zoo:bertt: transformers has no model type 'bertt'"),
        (["explain", "nonsense"], "driftgate: 'nonsense' is not a reference"),
        (["explain", ""], "driftgate: '' is not a reference"),
        (["explain", "zoo:bert", "--variant", "dynamic"], "--variant goes with --run"),
        (["pull", "nowhere.yaml", "--variant", "dynamic"], "--variant goes with --run"),
        (["explain"], "takes a reference or --run"),
        (["explain", "zoo:bert", "--run", "latest"], "takes a reference or --run"),
        (["explain", "zoo:bertt"], "did you mean 'bert'?"),
        (["explain", "zoo:bert/BertForMaskedLMM"], "did you mean 'BertForMaskedLM'?"),
        (["explain", "python:no_such_module:f"], "no module 'no_such_module'"),
        (["explain", "local:/no/such/folder"], "there is no folder"),
        (["gate", "--run", "latest", "--output", "/nonexistent"], "there is no run in /nonexistent"),
        (["schema", "recrod"], "did you mean 'record'?"),
        (["gate"], "--run"),
    ],
)
def test_a_wrong_call_is_exit_2_and_one_line(capfd, arguments, says):
    code, out, err = call(capfd, *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.sampled_from(["explain", "--run", "gate", "--model", "schema", "x", "--jobs", "-1"]) | st.text(max_size=10),
        max_size=4,
    )
)
def test_no_call_ends_in_a_traceback(capfd, arguments):
    if arguments[:1] in (["run"], ["hub"], ["doctor"]):
        return
    code, _, err = call(capfd, *arguments)
    assert code in {0, 2}, err
    assert "Traceback" not in err


def test_the_schema_of_the_configuration_is_json(capfd):
    code, out, _ = call(capfd, "schema")
    assert code == 0
    assert "hub" in json.loads(out)["properties"]


def test_help_imports_nothing_heavy():
    """Names the modules that would cost a second each if `driftgate --help` pulled them in."""
    program = "import sys; from driftgate.cli import run_command; run_command(['--help']); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = set(out.splitlines()[-1].split())
    assert not loaded & {"torch", "transformers", "onnx", "onnxruntime", "numpy", "huggingface_hub"}


def test_every_command_has_help(capfd):
    from driftgate.cli.commands import COMMANDS

    for name in COMMANDS:
        code, out, _ = call(capfd, name, "--help")
        assert code == 0
        assert "Usage:" in out
