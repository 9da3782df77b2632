"""What tonight's build and the baseline's are, and where the two can't be told apart."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from driftgate.core.gate_settings import LatencySettings
from driftgate.core.records import Agent, Cell
from driftgate.diagnose.environments import Environments
from driftgate.diagnose.launches import NotSeparableError
from driftgate.diagnose.sides import Sides
from driftgate.diagnose.slowdowns import Builds, confirm_night
from driftgate.history.baseline import Baseline
from driftgate.machine.store import RunStore
from driftgate.steps.against import Against
from driftgate.steps.slower import Night
from driftgate.testing.runs import Story, synthetic_agent, synthetic_run

ZOO = Cell(model="zoo--m", stage="infer", target="ort-cpu")
OWN = Cell(model="python--sums--made", stage="infer", target="ort-cpu")
PLAIN = synthetic_agent().model_copy(update={"packages": {}})


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return synthetic_run(tmp_path / "outputs", models=2, names=["zoo:m", "python:sums:made"], stories=[Story.CLEAN])


def builds(
    store: RunStore, tmp_path: Path, tonight: Agent = PLAIN, baseline: Agent = PLAIN, **earlier: object
) -> Builds:
    environments = Environments(tmp_path / "environments", variables={"PIP_NO_INDEX": "1"})
    return Builds(Sides(store, tmp_path / "scratch", timed=True), environments, tonight, baseline, earlier, ExitStack())  # type: ignore[arg-type]


def changed(**facts: object) -> Agent:
    return PLAIN.model_copy(update=facts)


@pytest.mark.parametrize("cell", [ZOO, OWN])
def test_a_baseline_that_differs_in_nothing_is_not_launched_beside_tonight(
    cell: Cell, store: RunStore, tmp_path: Path
) -> None:
    with pytest.raises(NotSeparableError, match="the baseline was made with the same versions"):
        builds(store, tmp_path).before(cell)


@pytest.mark.parametrize("baseline", [changed(commit=None), changed(commit="1" * 40, dirty=True)])
def test_code_that_is_in_no_commit_cannot_be_had_again(baseline: Agent, store: RunStore, tmp_path: Path) -> None:
    with pytest.raises(NotSeparableError, match="the code that the baseline ran is in no commit"):
        builds(store, tmp_path, baseline=baseline).before(OWN)


def test_the_code_under_test_matters_to_models_made_of_it_alone(store: RunStore, tmp_path: Path) -> None:
    with pytest.raises(NotSeparableError, match="same versions"):
        builds(store, tmp_path, baseline=changed(commit="1" * 40)).before(ZOO)


def test_what_measures_is_the_same_on_both_sides(store: RunStore, tmp_path: Path) -> None:
    tonight, baseline = changed(packages={"driftgate": "0.2.0"}), changed(packages={"driftgate": "0.1.0"})
    with pytest.raises(NotSeparableError, match="same versions"):
        builds(store, tmp_path, tonight, baseline).before(ZOO)


def test_another_revision_of_a_model_is_launched_as_it_was(store: RunStore, tmp_path: Path) -> None:
    pinned = next(entry for entry in store.lock().models if entry.slug == ZOO.model)
    side = builds(store, tmp_path, **{ZOO.model: pinned.model_copy(update={"revision": "e" * 40})}).before(ZOO)
    assert [entry.revision for entry in side.store.lock().models] == ["e" * 40]
    assert [cell.stage for cell in side.store.plan().cells] == ["pull", "inputs", "export", "infer"]


def test_a_side_is_a_run_of_one_cell_under_the_settings_of_the_night(store: RunStore, tmp_path: Path) -> None:
    side = builds(store, tmp_path).now(ZOO)
    config = side.store.manifest().config
    assert config["latency"]["enabled"] is True
    assert config["baseline"] is None
    assert side.variables == {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": None, "NVIDIA_TF32_OVERRIDE": None}


def test_times_of_another_machine_are_not_launched_anew_here(store: RunStore, tmp_path: Path) -> None:
    window = np.tile(np.linspace(0.99, 1.01, 20), (3, 1))
    others = [Cell(model=f"zoo--{number}", stage="infer", target="ort-cpu") for number in range(2)]
    night = Night((ZOO, *others), window, np.array([1.5, 1.0, 1.0]))
    against = Against(Baseline("last-good", "R", store.agents(), {}, ()), ())
    told: list[str] = []
    (found,) = confirm_night(store, night, against, LatencySettings(), tmp_path, told.append)
    assert told == ["latencies are not confirmed: they were taken on another machine than this one"]
    assert (found.model, found.confirmed, found.severity) == ("zoo--m", False, "warning")
    assert not (tmp_path / "scratch").exists()
