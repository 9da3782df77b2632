"""Mistakes are blamed on the place where they were made, and what is printed can be pasted, counted on and believed."""

import json
import shlex
from datetime import UTC, datetime

import pytest

from driftgate.cli import Terminated, run_command
from driftgate.core.expectations import Expectations
from driftgate.core.records import Lock, LockEntry, Plan, Severity, Unpinned
from driftgate.core.rules.base import Case, repeat_command
from driftgate.machine.settings import Settings
from driftgate.sources import hub as hub_source
from driftgate.sources.hub_select import Selection
from driftgate.steps.gate import gate
from driftgate.steps.report.commands import name_for_commands
from driftgate.testing.runs import Story, synthetic_run


def call(capfd, *arguments):
    code = run_command(list(arguments))
    out, err = capfd.readouterr()
    return code, out, err


@pytest.fixture
def config(tmp_path):
    """Writes a configuration and returns its path."""

    def write(text):
        path = tmp_path / "fleet.yaml"
        path.write_text(text)
        return str(path)

    return write


# -- the command that repeats a cell -----------------------------------------------------------------------------


@pytest.fixture
def dynamic_run(tmp_path):
    """A run outside `outputs` whose plan has the export a second time, as variant dynamic."""
    store = synthetic_run(tmp_path / "elsewhere here", models=1, stories=(Story.CLEAN,))
    plan = store.plan()
    (export,) = (cell for cell in plan.cells if cell.stage == "export")
    second = export.model_copy(update={"variant": "dynamic"})
    store.write_record(store.record(export).model_copy(update={"variant": "dynamic"}))
    settings = Settings().model_dump(mode="json")
    store.write_manifest(store.manifest().model_copy(update={"config": settings}))
    store.write_plan(Plan(run_id=plan.run_id, fleet=plan.fleet, cells=(*plan.cells, second)))
    return store


@pytest.fixture
def conducted(monkeypatch):
    """The cells that would be computed, instead of computing them."""
    cells = []
    monkeypatch.setattr("driftgate.cli.session.Session.conduct", lambda self, todo, *, again: cells.extend(todo))
    return cells


def test_the_command_that_repeats_a_cell_computes_that_cell_alone(dynamic_run, conducted, capfd):
    cell = next(cell for cell in dynamic_run.plan().cells if cell.variant)
    words = shlex.split(repeat_command(name_for_commands(dynamic_run), cell))
    assert words[-2:] == ["--variant", "dynamic"]
    assert run_command(words[1:]) == 0
    assert conducted == [cell]


def test_without_a_variant_all_are_computed_and_a_wrong_one_is_named(dynamic_run, conducted, capfd):
    place = str(dynamic_run.root)
    code, _, err = call(capfd, "export", "--run", place, "--variant", "dynamc")
    assert code == 2
    assert "--variant: 'dynamc' is no variant of export in this run; did you mean 'dynamic'?" in err
    assert not conducted
    assert run_command(["export", "--run", place]) == 0
    assert {cell.variant for cell in conducted} == {None, "dynamic"}


def test_a_run_in_outputs_goes_by_its_id_and_another_by_its_path(tmp_path):
    usual = synthetic_run(tmp_path / "outputs", models=1, stories=(Story.CLEAN,))
    other = synthetic_run(tmp_path / "nights", models=1, stories=(Story.CLEAN,))
    assert name_for_commands(usual) == usual.run_id
    assert name_for_commands(other) == str(other.root)


def test_a_finding_calls_the_run_as_its_case_says(tmp_path):
    record = next(iter(synthetic_run(tmp_path / "outputs", models=1, stories=(Story.CLEAN,)).records()))
    today = datetime.now(UTC).date()
    by_id = Case(record, "f", Expectations(), today).finding("r", Severity.ERROR, "s")
    by_path = Case(record, "f", Expectations(), today, run="/a b/c").finding("r", Severity.ERROR, "s")
    assert f"--run {record.run_id} " in by_id.repro
    assert "--run '/a b/c' " in by_path.repro


# -- where a mistake was made ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", ["models: [hf:acme/one]", "models: [timm:resnet18]"])
def test_a_wrong_endpoint_is_named_with_its_line_and_the_nearest_name(config, capfd, rest):
    path = config(f"hub:\n  endpoint: embeded\n{rest}\n")
    code, _, err = call(capfd, "plan", path)
    assert code == 2
    assert f"{path}:2: hub.endpoint: 'embeded' is no URL; did you mean 'embedded'?" in err


def test_a_wrong_endpoint_of_the_environment_is_blamed_on_it(config, capfd, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "ftp://somewhere")
    code, _, err = call(capfd, "plan", config("models: [hf:acme/one]\n"))
    assert code == 2
    assert "driftgate: HF_ENDPOINT: 'ftp://somewhere' is no URL; write https://host" in err


def test_a_misspelt_model_is_blamed_on_the_flag_or_on_its_line(config, capfd):
    path = config("models: [zoo:gpt2]\n")
    assert "driftgate: --model: transformers" in call(capfd, "plan", path, "--model", "zoo:bertt")[2]
    assert "driftgate: --model: transformers" in call(capfd, "pull", path, "--model", "zoo:bertt")[2]
    path = config("fleet: a\nmodels: [zoo:bertt]\n")
    assert f"{path}:2: models[0]: transformers" in call(capfd, "plan", path)[2]


def test_a_string_where_a_list_belongs_is_said_in_words_of_yaml(config, capfd):
    path = config("fleet: a\nmodels: zoo:bert\n")
    code, _, err = call(capfd, "plan", path)
    assert code == 2
    assert f"{path}:2: models: must be a list (got 'zoo:bert')" in err


@pytest.mark.parametrize(
    ("tasks", "mend"),
    [("fil-mask", "did you mean 'fill-mask'?"), ("fill-mask", "left out: hf:(task fill-mask): only 0 of 1")],
)
def test_a_selection_that_finds_nothing_is_named_with_its_line(config, capfd, monkeypatch, tasks, mend):
    left = Lock(models=(), left_out=({"ref": "hf:(task fill-mask)", "reason": "only 0 of 1"},)).left_out
    monkeypatch.setattr(hub_source.HubSource, "select", lambda self: Selection((), left))
    path = config(f"hub:\n  top: 1\n  tasks: [{tasks}]\n")
    code, _, err = call(capfd, "plan", path)
    assert code == 2
    assert f"{path}:3: hub.tasks: the Hub has no model for hub.tasks [{tasks}]; {mend}" in err


# -- plan and gate -----------------------------------------------------------------------------------------------


def entry(name, **more):
    return LockEntry(ref=f"hf:acme/{name}", slug=name, scheme="hf", name=f"acme/{name}", **more)


def problem(kind):
    return Unpinned(kind=kind, message="so it is")


@pytest.mark.parametrize(
    ("entries", "code", "says"),
    [
        ((entry("a", size_bytes=1000),), 0, "1 model, 7 cells, 1 KB of files, about"),
        (
            (entry("a", size_bytes=1000), entry("b")),
            0,
            "2 models, 14 cells, 1 KB of files and 1 of unknown size, about",
        ),
        ((entry("a"),), 0, "1 model, 7 cells, 1 of unknown size, about"),
        ((entry("a", problem=problem("not_found")),), 1, "cannot be pinned: hf:acme/a: not_found: so it is"),
        (
            (entry("a", problem=problem("not_found")), entry("b", problem=problem("network"))),
            3,
            "cannot be pinned: hf:acme/b: network: so it is",
        ),
    ],
)
def test_a_plan_says_what_cannot_be_pinned_and_what_it_does_not_know(config, capfd, monkeypatch, entries, code, says):
    monkeypatch.setattr("driftgate.sources.resolve.resolve", lambda settings, where: Lock(models=entries))
    path = config("models: [hf:acme/a]\ntargets: [torch-eager-cpu, ort-cpu]\n")
    ended, out, _ = call(capfd, "plan", path)
    assert ended == code
    assert says in out
    assert "nothing to compare" not in out
    ended, out, _ = call(capfd, "plan", path, "--format", "json")
    assert ended == code
    assert json.loads(out)["unknown_sizes"] == sum(e.size_bytes is None for e in entries)


def test_a_plan_with_nothing_to_compare_says_so(config, capfd, monkeypatch):
    monkeypatch.setattr("driftgate.sources.resolve.resolve", lambda settings, where: Lock(models=(entry("a"),)))
    _, out, _ = call(capfd, "plan", config("models: [hf:acme/a]\n"), "--target", "torch-eager-cpu")
    assert "nothing to compare: there is no target besides the reference, torch-eager-cpu" in out


def test_the_gate_counts_one_finding_and_prints_the_summary_as_markdown(tmp_path, capfd):
    store = synthetic_run(tmp_path / "outputs", models=1, stories=(Story.UNSUPPORTED,))
    assert len(gate(store).findings) == 1
    code, out, _ = call(capfd, "gate", "--run", str(store.root))
    assert (code, out.splitlines()[-1]) == (1, "failed: 1 finding")
    code, out, _ = call(capfd, "gate", "--run", str(store.root), "--format", "markdown")
    assert (code, out) == (1, (store.root / "summary.md").read_text("utf-8"))


# -- hub serve ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ended_by", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_a_hub_ends_quietly_and_warns_of_an_empty_folder(tmp_path, capfd, monkeypatch, ended_by, code):
    def end(self):
        self.close()
        raise ended_by

    monkeypatch.setattr("driftgate.sources.embedded_hub.EmbeddedHub.serve_forever", end)
    ended, _, err = call(capfd, "hub", "serve", str(tmp_path))
    assert ended == code
    assert f"warning: {tmp_path} has no models" in err
    assert "--resume" not in err
    (tmp_path / "acme" / "one").mkdir(parents=True)
    assert "warning" not in call(capfd, "hub", "serve", str(tmp_path))[2]
