"""Whatever a person writes into a configuration, a reference, a model's config.json or an expectation: one clear line, no traceback."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.cli import run_command
from driftgate.sources.patience import VARIABLE
from driftgate.sources.testing.model_folders import make_model
from driftgate.testing.runs import synthetic_run

NOBODY = "http://127.0.0.1:9"
FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def impatient(tmp_path: Path) -> Iterator[None]:
    """Called from a folder of its own; a Hub that is not there is waited for in milliseconds."""
    before, folder = os.environ.get(VARIABLE), Path.cwd()
    os.environ[VARIABLE] = "0.02"
    os.chdir(tmp_path)
    yield
    os.chdir(folder)
    os.environ.pop(VARIABLE)
    if before is not None:
        os.environ[VARIABLE] = before


def call(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """Exit code and stderr; whatever it is, it must read well."""
    code = run_command([str(argument) for argument in arguments])
    _, err = capfd.readouterr()
    assert "Traceback" not in err
    if code in {2, 3}:
        assert err.startswith("driftgate: ")
        assert len(err.splitlines()) == 1
        assert "\x1b" not in err
    return code, err


words = st.text(max_size=12) | st.sampled_from(["", "\x1b[31m", "\udcff", "..", "/", "~", "x" * 400, "null", "embeded"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words
anything = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(words, v, max_size=3), max_leaves=6
)
references = st.one_of(
    words,
    st.builds("{}:{}".format, st.sampled_from(["hf", "zoo", "timm", "local", "python", "hff"]), words),
    st.sampled_from(
        ["zoo:bert", "hf:acme/none", "hf:acme/none@" + "0" * 40, "local:.", "local:/", "python:os:getcwd", "zoo:bertt"]
    ),
)
SECTIONS = {
    "fleet": words,
    "hub": st.fixed_dictionaries(
        {"endpoint": st.just(NOBODY)},
        optional={
            "top": st.integers(-1, 3),
            "per": words,
            "by": words,
            "tasks": st.lists(words, max_size=2),
            "max_size": scalars,
        },
    ),
    "models": st.lists(references, max_size=3),
    "targets": st.lists(words | st.sampled_from(["torch-eager-cpu", "ort-cpu", "ort-cp"]), max_size=3),
    "reference": words | st.just("torch-eager-cpu"),
    "explain": anything,
    "export": st.dictionaries(st.sampled_from(["exporters", "stop", "dynamic", "opset"]), anything, max_size=3),
    "latency": st.dictionaries(st.sampled_from(["enabled", "budget", "precision"]), scalars, max_size=3),
    "limits": st.dictionaries(st.sampled_from(["time", "memory", "jobs"]), scalars, max_size=3),
    "keep": anything,
    "seed": scalars,
    "expectations": scalars,
}
configurations = st.fixed_dictionaries(
    {"hub": SECTIONS["hub"]}, optional={k: v for k, v in SECTIONS.items() if k != "hub"}
)


@FUZZ
@given(configurations)
def test_any_configuration_is_a_plan_or_one_clear_line(
    capfd: pytest.CaptureFixture[str], data: dict[str, object]
) -> None:
    Path("c.yaml").write_text(yaml.safe_dump(data))
    code, err = call(capfd, "plan", "c.yaml")
    assert (
        code == 0
        or (code == 2 and err)
        or (code == 3 and ("the Hub could not be asked" in err or "cannot be pinned" in err))
    ), err


@FUZZ
@given(references)
def test_any_reference_is_a_plan_or_one_clear_line(capfd: pytest.CaptureFixture[str], reference: str) -> None:
    Path("c.yaml").write_text(yaml.safe_dump({"hub": {"endpoint": NOBODY}, "models": ["zoo:bert"]}))
    code, err = call(capfd, "plan", "c.yaml", f"--model={reference}")
    assert code in {0, 2} or (code == 3 and "cannot be pinned (network)" in err)


@FUZZ
@given(
    st.dictionaries(st.sampled_from(["architectures", "model_type", "x"]), anything, max_size=3).map(json.dumps)
    | st.text(max_size=20)
)
def test_any_config_json_of_a_local_model_is_a_plan_or_one_clear_line(
    capfd: pytest.CaptureFixture[str], text: str
) -> None:
    folder = Path("model")
    if not folder.exists():
        make_model(Path(), "model")
    (folder / "config.json").write_text(text, "utf-8", "surrogatepass")
    Path("c.yaml").write_text("models: [local:model]")
    code, _ = call(capfd, "plan", "c.yaml")
    assert code in {0, 2}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a": ' * 200_000,
        '{"model_type": 1e999}',
        "\ufeff{}",
        '{"architectures": ["' + "A" * 9000 + '"]}',
    ],
)
def test_a_config_json_that_is_a_trap_is_a_plan_or_one_clear_line(capfd: pytest.CaptureFixture[str], text: str) -> None:
    make_model(Path(), "model")
    Path("model/config.json").write_text(text)
    Path("c.yaml").write_text("models: [local:model]")
    assert call(capfd, "plan", "c.yaml")[0] in {0, 2}


@FUZZ
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["model", "stage", "kind", "reason", "until", "target"]), anything, max_size=6),
        max_size=3,
    )
    | anything
)
def test_any_expectations_are_judged_by_or_one_clear_line(capfd: pytest.CaptureFixture[str], rows: object) -> None:
    if not Path("outputs").exists():
        synthetic_run(Path("outputs"), models=1)
    Path("e.yaml").write_text(yaml.safe_dump(rows))
    code, _ = call(capfd, "gate", "--run", "latest", "--expectations", "e.yaml")
    assert code in {0, 1, 2}


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"schema_version": 99}', '{"schema_version": 1}', "\x00" * 100, "[" * 200_000]
)
@pytest.mark.parametrize("document", ["plan.json", "models.lock.json", "run.json", "a record"])
def test_a_run_with_a_damaged_document_is_one_clear_line_that_names_it(
    capfd: pytest.CaptureFixture[str], document: str, damage: str
) -> None:
    store = synthetic_run(Path("outputs"), models=1)
    path = next(store.root.glob("models/*/explain.json")) if document == "a record" else store.root / document
    path.write_text(damage)
    for command in ("gate", "report"):
        code, err = call(capfd, command, "--run", str(store.root))
        assert code in {2, 3}, err
        assert path.name in err


def test_a_wrong_call_leaves_no_run_behind(capfd: pytest.CaptureFixture[str]) -> None:
    for reference in ("local:/no/such/folder", "zoo:bertt", "python:no_such_module:make"):
        assert call(capfd, "run", "--model", reference)[0] == 2
    assert not list(Path("outputs").glob("*"))
