"""docs/coverage.md of runs that are there: numbers beside what is asked, families, causes, a line an architecture; and its twin."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from benchmarks import field, field_runs
from benchmarks.field_numbers import ASKED, numbers, worked
from benchmarks.field_page import scoreboard
from benchmarks.field_runs import FLEETS, Call

from driftgate.cli.options import Overrides
from driftgate.machine.cache import code_version
from driftgate.machine.events import EventLog
from driftgate.machine.runs import run_ids
from driftgate.machine.settings import load_config
from driftgate.machine.store import RunStore
from driftgate.testing.runs import START, Story, synthetic_run

FLEET_FILE = field.ROOT / "configs" / "field.yaml"
LIMITS = {"limits": {"time": 180.0}}


def a_run(folder, **how):
    """A synthetic run with the limits that the page reads."""
    store = synthetic_run(folder, **how)
    manifest = store.manifest()
    store.write_manifest(manifest.model_copy(update={"config": manifest.config | LIMITS}))
    return store


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The page of two shares, and all that is written with it."""
    folder = tmp_path_factory.mktemp("field")
    names = [f"zoo:{name}" for name in ("bert", "qwen2", "qwen3", "qwen3_vl", "qwen2_5_omni")]
    first = a_run(folder / "a", models=20, names=names, stories=(Story.CLEAN, Story.UNSUPPORTED))
    more = {"names": ("zoo:led", "zoo:dpr"), "stories": (Story.BREAKS, Story.DRIFT), "expected": (Story.DRIFT,)}
    second = a_run(folder / "b", models=2, **more)
    board = scoreboard([first, second], "| checkpoint | alike |")
    return board.files("coverage.md", "coverage.json", ["one", "two"], complete=True)


def test_the_page_begins_with_date_versions_machine_and_the_rows_of_the_table(written):
    head = written["coverage.md"].partition("## synthetic")[0]
    assert re.search(r"Made by `make field` on \d{4}-\d\d-\d\d", head)
    assert "torch 2.13.0, transformers 5.23.0, onnx 1.23.0, onnxruntime 1.31.0" in head
    assert "2 cores (Example CPU at 2.0 GHz), 8 GB" in head
    assert re.search(r"\d+ rows about \d+ types in `zoo_overrides.yaml`", head)


def test_shares_stand_there_with_their_counts_and_both_runs_are_one_fleet(written):
    page = written["coverage.md"]
    assert "| run eagerly | 100 % (22 of 22) |" in page
    assert "| exported to ONNX by any exporter, of those that run | 54.54 % (12 of 22) |" in page
    assert "(2 runs added up)" in page


def test_families_causes_and_a_line_for_each_architecture_follow(written):
    page = written["coverage.md"]
    assert "| bert | 5 | 3 |" in page
    assert r"**10 models** at export, `unsupported_op`: No ONNX function found for \<OpOverload" in page
    assert ", 1 expected" in page.partition("`out_of_tolerance`")[2].partition("\n")[0]
    assert re.search(r"\| bert \| BertForMaskedLM \| ✓ \| ✓ no breaks \| ✓ dynamo \|", page)
    assert re.search(r"\| led \| .* ✓ 17 breaks \|", page)
    assert "| checkpoint | alike |" in page


def test_every_table_has_as_many_cells_in_each_line_as_in_its_head(written):
    for table in re.findall(r"(?:^\|.*\n)+", written["coverage.md"], re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table[:200]


def test_the_twin_has_a_row_in_a_line_with_a_verdict_or_a_kind(written):
    text = written["coverage.json"]
    rows = json.loads(text)["rows"]
    assert rows["zoo:bert"] == {
        "eager": "passed",
        "explain": "passed",
        "breaks": 0,
        "export": "passed",
        "exporter": "dynamo",
        "ort": "passed",
        "drift": "passed",
    }
    assert rows["zoo:qwen2"]["export"] == "unsupported_op"
    assert rows["zoo:qwen2"]["ort"] == "upstream"
    assert len([line for line in text.splitlines() if '"zoo:bert"' in line]) == 1
    assert json.loads(text)["versions"]["torch"] == "2.13.0"
    assert json.loads(text)["made_of"] == ["one", "two"]


def test_the_picture_says_each_modality_with_its_number(written):
    drawn = written["pictures/coverage-synthetic.svg"]
    assert "text (9)" in drawn
    assert "all the way (" in drawn
    assert "](pictures/coverage-synthetic.svg)" in written["coverage.md"]


def test_a_number_that_is_not_what_is_asked_is_told_as_missed(tmp_path):
    store = a_run(tmp_path, models=4, stories=(Story.CLEAN, Story.UNSUPPORTED))
    board = scoreboard([store])
    (part,) = board.parts
    told = {number.name: number for number in numbers(part.rows, part.columns, part.stores, ASKED["field"])}
    assert told["exported to ONNX by any exporter, of those that run"].holds is False
    assert told["run eagerly"].told == "4 of 4"
    assert told["run eagerly"].asked == "≥ 600 of 644"
    assert told["run eagerly"].holds is False
    assert told["types whose workers stay within 2 GB"].holds
    assert board.holds, "of a fleet of which nothing is asked"


def test_what_is_exported_by_freezing_values_is_told_apart(tmp_path):
    store = a_run(tmp_path, models=4, stories=(Story.CLEAN, Story.SECOND_EXPORTER))
    frozen = next(record for record in store.records() if record.stage == "export")
    payload = frozen.payload.model_copy(update={"exporter": "torchscript"})
    store.write_record(frozen.model_copy(update={"payload": payload}))
    (part,) = scoreboard([store]).parts
    told = {number.name: number.told for number in part.numbers}
    assert told["exported to ONNX by any exporter, of those that run"] == "100 % (4 of 4)"
    assert told["exported without TorchScript, which freezes what depends on values"] == "75 % (3 of 4)"
    assert "torchscript 1" in told["the exporter"]


def test_cells_from_the_cache_make_no_claim_about_the_time(tmp_path):
    store = a_run(tmp_path, models=1)
    for record in list(store.records()):
        store.write_record(record.model_copy(update={"cached": True}))
    (part,) = scoreboard([store]).parts
    told = {number.name: number for number in numbers(part.rows, part.columns, part.stores, ASKED["field"])}
    time_taken = told["from beginning to end, the report included"]
    assert "8 cells from the cache" in time_taken.told
    assert time_taken.holds is None


def test_the_time_between_two_sittings_is_not_counted(tmp_path):
    store = a_run(tmp_path, models=1)
    moments = [START + timedelta(minutes=m) for m in (1, 2, 3, 63, 64)]
    with EventLog.of_run(store, "agent-1", None) as log:
        log.write("start")
    (path,) = store.event_logs()
    path.write_text("".join(json.dumps({"time": moment.isoformat()}) + "\n" for moment in moments))
    store.write_manifest(store.manifest().model_copy(update={"ended_at": START + timedelta(minutes=65)}))
    assert worked(store) == (timedelta(minutes=5), 1)


def begun(folder, *models, verdict=None):
    """A run of the named models as `driftgate run` leaves it, done or not."""
    store = a_run(folder / "transformers", models=1, judged=True)
    asked = Overrides(models=models).apply(load_config(FLEET_FILE))
    changes = {"config": asked.model_dump(mode="json"), "verdict": verdict}
    store.write_manifest(store.manifest().model_copy(update=changes))
    (folder / "transformers" / field_runs.CODE).write_text(code_version())
    return store


def test_a_run_of_the_same_plan_and_code_is_gone_on_with_and_no_other(tmp_path):
    fleet, folder = FLEETS["transformers"], tmp_path / "transformers"
    store = begun(tmp_path, "zoo:bert")
    assert not field_runs.is_done(store)
    assert field_runs.same_plan(store, fleet, Call(tmp_path, models=("zoo:bert",)))
    assert not field_runs.same_plan(store, fleet, Call(tmp_path, models=("zoo:bert", "zoo:vit")))
    assert field_runs.same_code(folder)
    (folder / field_runs.CODE).write_text("other")
    assert not field_runs.same_code(folder)


def test_a_part_that_is_done_is_not_done_again_until_the_page_tells_of_it(tmp_path, capfd):
    begun(tmp_path, "zoo:bert", verdict="passed")
    assert field_runs.conduct("transformers", Call(tmp_path, models=("zoo:bert",))) == 0
    assert "is done" in capfd.readouterr().out


def python(line):
    return [sys.executable, "-c", line]


def test_a_section_that_was_cut_off_leaves_none_of_other_code(tmp_path):
    section = tmp_path / "full_size" / field_runs.SECTION
    section.parent.mkdir()
    section.write_text("<!-- 2026-11-22T16:00:00Z -->\nmade by other code\n")
    (section.parent / field_runs.CODE).write_text("other")
    assert field_runs.full_size(Call(tmp_path), python("import os; os.kill(os.getpid(), 15)")) == 143
    assert not section.exists()


def test_a_section_of_unlike_models_stays_one_when_it_is_there(tmp_path):
    assert field_runs.full_size(Call(tmp_path), python("print('one is unlike'); raise SystemExit(1)")) == 1
    assert field_runs.full_size(Call(tmp_path), python("raise AssertionError('it is there')")) == 1
    section = tmp_path / "full_size" / field_runs.SECTION
    assert section.read_text().endswith("one is unlike\n")
    told = Call(tmp_path, told=frozenset({field_runs.stamp_of(section)}))
    assert field_runs.full_size(told, python("print('alike')")) == 0
    assert field_runs.full_size(Call(tmp_path), python("raise AssertionError('it is there')")) == 0


def test_a_part_without_any_of_the_named_models_is_a_wrong_call(tmp_path, capfd):
    asked = ["--model", "zoo:bert", "--output", str(tmp_path)]
    assert field.main(["timm", *asked]) == 2
    assert "timm has no part in the named models" in capfd.readouterr().err
    assert field.main(["full_size", "--shard", "1/16", "--output", str(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_fleets_name_leads_to_no_other_folder(tmp_path):
    store = a_run(tmp_path, models=1)
    store.write_plan(store.plan().model_copy(update={"fleet": "a/../../../b"}))
    (picture,) = (name for name in scoreboard([store]).files("p.md", "p.json", [], complete=False) if "picture" in name)
    assert picture == "pictures/coverage-a----------b.svg"


def test_named_models_go_to_the_fleet_that_has_them(tmp_path):
    asked = Call(tmp_path, models=("zoo:bert", "zoo:timm/resnet18"))
    assert [asked.models_of(fleet) for fleet in FLEETS.values()] == [("zoo:bert",), ("zoo:timm/resnet18",)]
    assert field.parts_of(asked) == ("transformers", "timm")
    assert field.parts_of(Call(tmp_path, models=("zoo:bert",))) == ("transformers",)
    assert field.parts_of(Call(tmp_path)) == ("transformers", "timm", "full_size")


def test_only_a_page_of_all_parts_lets_them_begin_anew(tmp_path):
    twin = tmp_path / "coverage.json"
    assert field.told_in(twin) == frozenset()
    twin.write_text(json.dumps({"made_of": ["a", "b"], "complete": False}))
    assert field.told_in(twin) == frozenset()
    twin.write_text(json.dumps({"made_of": ["a", "b"], "complete": True}))
    assert field.told_in(twin) == {"a", "b"}


def test_a_wrong_run_is_one_line_and_exit_2(tmp_path, capfd):
    assert field.main(["--page", "nowhere", "--output", str(tmp_path)]) == 2
    assert "no run 'nowhere'" in capfd.readouterr().err
    assert field.main(["tim", "--output", str(tmp_path)]) == 2
    assert "timm" in capfd.readouterr().err


@pytest.mark.full
def test_the_field_cut_off_and_called_again_goes_on_and_writes_its_page(tmp_path):
    command = [sys.executable, "-m", "benchmarks.field", "transformers", "--model", "zoo:bert", "--model", "zoo:vit"]
    command += ["--output", str(tmp_path / "runs"), "--to", str(tmp_path / "docs")]
    own = os.environ | {"OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(command, cwd=field.ROOT, env=own, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("runs/transformers/2*/models/*/pull.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 143
    second = subprocess.run(command, cwd=field.ROOT, env=own, capture_output=True, text=True, check=False)
    assert "--resume" in second.stdout
    assert second.returncode == 1, "two types are not six hundred"
    folder = tmp_path / "runs" / "transformers"
    (run,) = run_ids(folder)
    assert RunStore(folder / run).manifest().ended_at < datetime.now(UTC)
    rows = json.loads((tmp_path / "docs" / "coverage.json").read_text())["rows"]
    assert {row["drift"] for row in rows.values()} == {"passed"}
