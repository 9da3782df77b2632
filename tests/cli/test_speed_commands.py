"""sweep, profile and queue as a user calls them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from driftgate.cli import run_command
from driftgate.cli.desk import Subject, open_desk
from driftgate.cli.options import Overrides
from driftgate.core.records import InferPayload
from driftgate.core.statistics import Samples, latency_of_samples
from driftgate.core.tolerances import ToleranceRow, ToleranceTable
from driftgate.machine.samples import save_samples
from driftgate.machine.settings import Settings
from driftgate.machine.store import RunStore
from driftgate.machine.tolerances import keep_tolerances, tolerances_in
from driftgate.testing.runs import Story, synthetic_run
from driftgate.testing.workplace import Workplace, workplace_in

MODEL = "python:driftgate.testing.models:healthy"
SLUG = "python--driftgate.testing.models--healthy"
INPUTS = "tensors: {x: {dtype: float32, shape: [batch, features]}}\nsizes: {batch: [1, 2], features: [4, 4]}\n"
SOME = [1_000_000 + 1000 * (index % 97) for index in range(400)]


def call(capfd, *arguments):
    code = run_command(list(arguments))
    out, err = capfd.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sweep", "zoo:bert"], "nothing to sweep over; give --batch 1,2,4"),
        (["sweep", "--batch", "1"], "sweep takes a reference or --run; try `driftgate sweep zoo:bert`"),
        (["sweep", "zoo:bert", "--run", "latest", "--batch", "1"], "sweep takes a reference or --run"),
        (["sweep", "zoo:bert", "--batch", "1,,2"], "--batch: '' is not a length"),
        (["sweep", "zoo:bert", "--batch", "1", "--no-latency"], "sweep is about times; leave out --no-latency"),
        (["sweep", "zoo:bert", "--batch", "1", "--model", "x"], "--model goes with --run"),
        (["sweep", "zoo:bertt", "--batch", "1"], "did you mean 'bert'?"),
        (["profile", "zoo:bert", "--target", "ort-cpuu"], "unknown target 'ort-cpuu'; did you mean 'ort-cpu'?"),
        (["profile", "--run", "latest", "--output", "/nonexistent"], "there is no run in /nonexistent"),
        (["queue"], "queue takes a reference or --run"),
        (["queue", "zoo:bert", "--rps", "5,many"], "--rps: 'many' is not a load; write requests per second"),
        (["queue", "zoo:bert", "--rps", "nan"], "'nan' is not a load"),
        (["queue", "zoo:bert", "--rps", ",".join("1" * 33)], "these are 33 loads; ask for at most 32"),
        (["queue", "zoo:bert", "--limit", "soon"], "'soon' is not a duration"),
        (["queue", "zoo:bert", "--servers", "0"], "--servers"),
        (["queue", "--samples", "nowhere.npz"], "--samples: there is no file nowhere.npz"),
        (["queue", "zoo:bert", "--samples", "x.json"], "--samples stands alone"),
    ],
)
def test_a_wrong_call_is_exit_2_and_one_line(capfd, arguments, says):
    code, out, err = call(capfd, *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


# -- a run that kept its samples ---------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path) -> RunStore:
    """A run of two models whose cells on ORT kept 400 service times of about a millisecond."""
    store = synthetic_run(tmp_path / "outputs", models=2, stories=(Story.CLEAN,))
    store.write_manifest(store.manifest().model_copy(update={"config": Settings().model_dump(mode="json")}))
    samples = Samples(tuple(SOME), 20, "precision")
    for record in list(store.records()):
        if record.target == "ort-cpu" and isinstance(record.payload, InferPayload):
            name = "samples.ort-cpu.npz"
            save_samples(store.model_folder(record.model.slug) / name, {"infer": samples})
            latency = latency_of_samples(samples)
            payload = record.payload.model_copy(update={"latency": latency, "samples_file": name})
            store.write_record(record.model_copy(update={"payload": payload, "started_at": datetime.now(UTC)}))
    return store


def test_the_samples_of_a_run_are_used_and_nothing_is_measured(kept: RunStore, capfd, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("DRIFTGATE_CACHE", str(tmp_path / "cache"))
    slug = kept.lock().models[0].slug
    before = sorted(path for path in kept.root.rglob("*"))
    code, out, err = call(
        capfd, "queue", "--run", str(kept.root), "--model", slug, "--target", "ort-cpu", "--rps", "500,2000",
        "--limit", "5ms", "--format", "json",
    )  # fmt: skip
    (told,) = json.loads(out)
    assert (code, err) == (0, "")
    assert (told["samples"], told["target"]) == (400, "ort-cpu")
    assert told["source"].endswith(f"run {kept.run_id}")
    assert [load["stable"] for load in told["loads"]] == [True, False]
    assert told["limit"]["simulated"]["value"] > told["limit"]["exponential"]["value"]
    assert sorted(path for path in kept.root.rglob("*")) == before


def test_a_run_of_several_models_wants_one_named(kept: RunStore, capfd):
    code, _, err = call(capfd, "queue", "--run", str(kept.root))
    assert code == 2
    assert "this run has 2 models; name one with --model" in err
    code, _, err = call(capfd, "queue", "--run", str(kept.root), "--model", kept.lock().models[0].slug + "x")
    assert code == 2
    assert "is no model of this run; did you mean" in err


def test_a_desk_judges_by_the_table_of_the_run_that_its_model_is_from(kept: RunStore, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("DRIFTGATE_CACHE", str(tmp_path / "cache"))
    row = ToleranceRow(dtype="float32", atol=0.5, rtol=0.5, reason="a test")
    keep_tolerances(kept, ToleranceTable(tolerances=(row,)))
    slug = kept.lock().models[0].slug
    desk = open_desk(Subject(None, str(kept.root), (slug,), tmp_path, Overrides((), ("ort-cpu",))), "sweep")
    assert tolerances_in(desk.store) == tolerances_in(kept)


def test_the_view_fits_a_terminal_of_80_columns(capfd, tmp_path: Path):
    (tmp_path / "times.json").write_text(json.dumps([nanoseconds * 1e-9 for nanoseconds in SOME]))
    code, out, _ = call(
        capfd, "queue", "--samples", str(tmp_path / "times.json"), "--rps", "800,990", "--limit", "20ms"
    )
    assert code == 0
    assert max(map(len, out.splitlines()[1:])) <= 80
    assert "/s: the queue grows for ever" in out
    assert "p99 stays within 20 ms up to" in out


def test_markdown_is_one_table(capfd, tmp_path: Path):
    (tmp_path / "times.txt").write_text("\n".join(map(str, SOME)))
    arguments = ("--samples", str(tmp_path / "times.txt"), "--unit", "ns", "--rps", "800", "--format", "markdown")
    code, out, _ = call(capfd, "queue", *arguments)
    assert code == 0
    assert out.startswith("| load |")
    assert "| 800/s, 84% busy | M/M/1 |" in out


# -- a model of one's own ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with workplace_in(tmp_path_factory.mktemp("speed")) as place:
        (place.folder / "inputs").mkdir()
        (place.folder / "inputs" / f"{SLUG}.yaml").write_text(INPUTS)
        yield place


def test_a_sweep_measures_each_batch_in_a_run_of_its_own(place: Workplace):
    choice = ("--target", "ort-cpu", "--budget", "1s", "--drift")
    ended = place.call("sweep", MODEL, "--batch", "1,3", "--format", "json", *choice)
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert [(row["variant"], row["sizes"]) for row in told["rows"]] == [("b1", {"batch": 1}), ("b3", {"batch": 3})]
    for row in told["rows"]:
        assert row["throughput"] == pytest.approx(row["sizes"]["batch"] / row["latency"]["mean"])
        assert row["within_tolerance"]
    shapes = {
        record.model.slug: record.payload.tensors[0].shape
        for record in RunStore(Path(place.folder / told["folder"])).records()
        if record.stage == "inputs"
    }
    assert shapes == {SLUG: (1, 4), "b1": (1, 4), "b3": (3, 4)}
    assert not (place.folder / "outputs").exists()


@pytest.mark.full
def test_an_axis_that_the_model_lacks_is_named_with_those_it_has(place: Workplace):
    wrong = place.call("sweep", MODEL, "--size", "feature=3")
    assert wrong.code == 2
    assert "no axis 'feature' (they have batch, features); did you mean 'features'?" in wrong.err


@pytest.mark.full
def test_a_sweep_with_no_size_that_runs_ends_with_1_and_says_why_in_the_row(place: Workplace):
    ended = place.call("sweep", MODEL, "--size", "features=3", "--target", "torch-eager-cpu")
    assert ended.code == 1
    assert "features3" in ended.out
    assert "mat1 and mat2 shapes cannot be multiplied" in " ".join(ended.out.split())


def test_a_profile_shows_both_targets_in_one_table(place: Workplace):
    ended = place.call("profile", MODEL, "--budget", "2s")
    assert ended.code == 0, ended.err
    assert "aten::linear" in ended.out
    assert "Gemm" in ended.out
    assert ended.out.count("the step, profiled") == 2
    assert "linear" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
