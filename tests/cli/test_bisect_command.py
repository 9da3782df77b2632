"""`driftgate bisect` as its user calls it: a planted version of a package, a planted commit, flaky runs, mistakes."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftgate.core.bisection import expected_runs, promised_runs
from driftgate.core.records import Finding
from driftgate.diagnose.environments import Environments
from driftgate.testing.planted import MODEL, PACKAGE, build_wheels
from driftgate.testing.workplace import Workplace, workplace_in

GOOD, BAD = "return x + 1", "raise ArithmeticError('the planted version has had enough')"
VERSIONS = [f"1.{number}" for number in range(8)]
FIRST_BAD = 3


def environment_of(place: Workplace) -> dict[str, str]:
    return {"PIP_FIND_LINKS": str(place.folder / "planted" / "wheels"), "PIP_NO_INDEX": "1"}


def run_with(place: Workplace, version: str, *models: str, **changes: object) -> Finding | None:
    """Run the pipeline with a planted version installed; the finding about the infer cell."""
    environments = Environments(place.folder / "cache" / "environments", variables=environment_of(place))
    python = environments.build({PACKAGE: version})
    config = place.config(*models, **{"targets": ["torch-eager-cpu"]} | changes)
    subprocess.run(
        [str(python), "-m", "driftgate", "run", str(config)],
        cwd=place.folder, env=place.environment, capture_output=True, check=False, timeout=240,
    )  # fmt: skip
    return next((one for one in place.store.findings().findings if one.stage == "infer"), None)


def bisect(place: Workplace, *arguments: str, **environment: str) -> dict[str, object]:
    ended = place.call("bisect", *arguments, "--format", "json", **environment_of(place) | environment)
    assert ended.out, ended.err
    return json.loads(ended.out) | {"code": ended.code, "err": ended.err}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A run with a planted version that fails, and wheels of the versions around it."""
    with workplace_in(tmp_path_factory.mktemp("place")) as place:
        bodies = {version: GOOD if number < FIRST_BAD else BAD for number, version in enumerate(VERSIONS)}
        build_wheels(place.folder / "planted", bodies)
        (place.folder / "sums.py").write_text(MODEL)
        found = run_with(place, VERSIONS[-1], "python:sums:made")
        assert found is not None
        assert found.rule == "not_passed"
        yield place


def finding_of(place: Workplace) -> str:
    return next(one.id for one in place.store.findings().findings if one.stage == "infer")


def test_a_planted_version_is_found_in_the_promised_number_of_runs(place: Workplace) -> None:
    told = bisect(place, "--finding", finding_of(place)[:8], "--package", f"{PACKAGE}=1.0..1.4", "--confidence", "0.9")
    assert (told["code"], told["outcome"], told["first_bad"], told["last_good"]) == (0, "found", "1.3", "1.2")
    assert told["sentence"].startswith(f"{PACKAGE} 1.3 brought it; 1.2 is good (")
    assert told["tested"] <= told["runs"] <= told["promised"] == promised_runs(5) == 4
    assert "5 in the range: 4 runs at most, and re-runs to exclude flakes" in told["err"]
    assert place.store.findings().verdict == "failed", "the run itself is as it was"


@pytest.mark.full
def test_to_be_surer_the_neighbours_of_the_answer_run_again(place: Workplace) -> None:
    told = bisect(place, "--finding", finding_of(place), "--package", f"{PACKAGE}=1.0..1.7")
    assert (told["code"], told["first_bad"], told["flaky"]) == (0, "1.3", 0)
    assert told["tested"] <= promised_runs(8)
    assert told["runs"] <= promised_runs(8) + 4
    assert {step["version"] for step in told["steps"][told["tested"] :]} <= {"1.2", "1.3"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--finding", "FOUND"], "bisect takes --package or --git; for example --package onnxruntime=1.29.0..1.31.1"),
        (["--finding", "nope", "--package", f"{PACKAGE}=1.0..1.7"], "--finding: no finding 'nope' of "),
        (["--finding", "FOUND", "--package", PACKAGE], "'driftgate-planted' is no package and range; for example"),
        (
            ["--finding", "FOUND", "--package", f"{PACKAGE}=1.0..9.9"],
            "pip knows no driftgate-planted 9.9; valid: 1.0, 1.1, 1.2",
        ),
        (["--finding", "FOUND", "--git", "HEAD"], "--git: 'HEAD' is no range; for example v1.0..HEAD"),
        (["--finding", "FOUND", "--git", "a..b"], "--git: git: fatal: not a git repository"),
        (["--finding", "FOUND", "--git", "a..b", "--run", "2019"], "no run '2019' in outputs"),
    ],
)
def test_a_mistake_is_one_clear_line(place: Workplace, arguments: list[str], said: str) -> None:
    arguments = [word.replace("FOUND", finding_of(place)) for word in arguments]
    ended = place.call("bisect", *arguments, **environment_of(place))
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert len(ended.err.strip().splitlines()) == 1


FLAKY = """import os
    try:
        lots = open(os.path.join(os.environ["HOME"], "lots"), "r+")
    except FileNotFoundError:
        lots = None
    drawn = lots is not None and lots.read(1) == "1"
    {otherwise_if_drawn}
    {body}"""


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_planted_version_is_found_though_one_run_in_five_is_flaky(place: Workplace) -> None:
    """A lot is drawn before each run: by it a good version fails in one run of five, and a bad one does what it should."""
    first_bad, draw = 2, random.Random(4)
    bodies = {
        f"2.{number}": FLAKY.format(
            otherwise_if_drawn=f"if drawn: {BAD if number < first_bad else GOOD}",
            body=GOOD if number < first_bad else BAD,
        )
        for number in range(5)
    }
    wheels = build_wheels(place.folder / "flaky", bodies)
    lot = place.folder / "home" / "lots"
    process = place.start(
        "bisect", "--finding", finding_of(place), "--package", f"{PACKAGE}=2.0..2.4", "--find-links", wheels, "--format", "json",
        **environment_of(place),
    )  # fmt: skip
    assert process.stderr is not None
    for _ in process.stderr:  # a line for each run that ended: draw for the next one
        lot.write_text("1" if draw.random() < 0.2 else "0")
    told = json.loads(process.stdout.read() if process.stdout else "")
    place.end_of(process)
    assert (told["outcome"], told["first_bad"]) == ("found", "2.2")
    assert told["flaky"] > 0
    assert told["runs"] <= 2 * expected_runs(5, 0.2)


OWN_MODEL = """import torch


class Sum(torch.nn.Module):
    def forward(self, x):
        {body}


def made():
    return Sum(), {{"x": torch.ones(2, 4)}}
"""


def commit_each(code: Path, bodies: list[str]) -> list[str]:
    """A repository with a commit for each body of the model; how git is called there."""
    code.mkdir()
    git = ["git", "-C", str(code), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for number, body in enumerate(bodies):
        (code / "sums.py").write_text(OWN_MODEL.format(body=body))
        (code / "notes.txt").write_text(str(number))
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", f"change {number}"], check=True)
    return git


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_planted_commit_is_found(place: Workplace) -> None:
    code = place.folder / "code"
    git = commit_each(code, [GOOD, GOOD, BAD, BAD, BAD])
    config = place.config("python:sums:made", targets=["torch-eager-cpu"])

    def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "driftgate", *map(str, arguments)]
        return subprocess.run(command, cwd=code, env=place.environment, capture_output=True, text=True, check=False)

    call("run", config)
    found = next(one for one in Workplace(code, place.mark).store.findings().findings if one.stage == "infer")
    ended = call("bisect", "--finding", found.id, "--git", "HEAD~4..HEAD", "--format", "json")
    told = json.loads(ended.stdout)
    assert [told[end].partition(" ")[2] for end in ("last_good", "first_bad")] == ["change 1", "change 2"]
    assert (ended.returncode, told["what"]) == (0, "commit")
    assert told["tested"] <= promised_runs(5)
    assert (
        subprocess.run([*git, "worktree", "list"], capture_output=True, text=True, check=True).stdout.count("\n") == 1
    )
    assert list((place.folder / "tmp").glob("driftgate-worktrees-*")) == []


def test_what_the_cells_need_is_asked_for_with_a_run(place: Workplace) -> None:
    ended = place.call("infer", "zoo:bert", "--with-needs")
    assert (ended.code, ended.err.strip()) == (2, "driftgate: --with-needs goes with --run; give the reference alone")
