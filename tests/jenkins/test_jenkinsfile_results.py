"""What a build makes of exit codes, of agents that never come, of a stop and of secrets; `driftgate` is a stub here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from jenkins_build import CPU, GPU, JENKINSFILE, Built, Lab, builds_of, edited

STUB = """#!/bin/sh
# Ends the call $CALL with $CODE, and leaves what the Jenkinsfile looks for.
echo "driftgate $*" >> "$CALLS"
run=outputs/R1 cells=
case "$*" in
pull*)
    mkdir -p $run/models/m $run/agents
    echo '{}' | tee $run/plan.json $run/models/m/pull.json > $run/models/m/model.onnx
    echo R1 ;;
*"gpu --dry-run") cells=no; [ "$GPU$NO_GPU_CELLS" != true ] || echo m/infer.ort-cuda ;;
*--dry-run) cells=no; echo m/infer.ort-cpu; echo m/infer.ort-cpu@dynamic ;;
infer*) echo "$DRIFTGATE_AGENT" > $run/models/m/infer.ort-cpu.json ;;
gate*) echo "error: <b>it</b> broke"; echo "failed: 1 finding" ;;
archive*) echo packed > $run.tar.gz ;;
esac
echo "token: $HF_TOKEN" >&2
[ "$1$cells" != "$CALL" ] || exit "$CODE"
"""
WAIT = "        timeout(time: SILENT_MINUTES, unit: 'MINUTES', activity: true) {\n"


@dataclass(frozen=True)
class Day:
    """A build, and the commands that it called."""

    built: Built
    calls: tuple[str, ...]
    secret: str


def _lab(folder: Path, **environment: str) -> Lab:
    """A place whose `driftgate` is the stub."""
    stub = folder / "bin" / "driftgate"
    stub.parent.mkdir(parents=True)
    stub.write_text(STUB)
    stub.chmod(0o755)
    lab = Lab(folder, path=(stub.parent,))
    lab.environment |= {"CALLS": str(folder / "calls"), "CALL": "gate", "CODE": "0"} | environment
    lab.repository({"configs/nightly.yaml": "fleet: nightly\n"})
    return lab


def _broken(lab: Lab, *changes: tuple[str, str]) -> Lab:
    lab.jenkinsfile = lab.folder / "Jenkinsfile"
    lab.jenkinsfile.write_text(edited(JENKINSFILE.read_text(), changes))
    return lab


def _with_agents(lab: Lab, *agents: dict[str, object]) -> Lab:
    lab.agents = agents
    return lab


TYPED = {"CONFIG": "a b.yaml", "TOP": "3", "FAMILIES": "bert vit", "TARGETS": "ort-cpu; touch", "BASELINE": "window:3"}
DAYS: dict[str, tuple[Callable[[Path], Lab], dict[str, str | bool]]] = {
    **{f"the gate ends {code}": (lambda at, code=code: _lab(at, CODE=code), {}) for code in "0123"},  # type: ignore[misc]
    **{
        f"{call} ends 3": (lambda at, call=call: _lab(at, CALL=call, CODE="3"), {})
        for call in ("pull", "explain", "infer")
    },  # type: ignore[misc]
    "parameters": (_lab, TYPED),
    "two agents": (lambda at: _with_agents(_lab(at), CPU, GPU), {"GPU": True}),
    "no gpu agent": (_lab, {"GPU": True}),
    "nothing for a gpu": (lambda at: _lab(at, NO_GPU_CELLS="none"), {"GPU": True}),
    "no cpu agent": (lambda at: _with_agents(_lab(at), GPU), {}),
    "a step outside of every agent": (
        lambda at: _broken(_lab(at), ("            node(runner) {\n", "            if (runner) {\n")),
        {},
    ),
    "an unbounded wait": (
        lambda at: _broken(_lab(at), (WAIT, "        script {\n"), ("        timeout(time: 16, unit: 'HOURS')\n", "")),
        {"GPU": True},
    ),
    "somebody stops it in its second hour": (
        lambda at: _broken(
            _lab(at),
            (
                "            node(runner) {\n",
                "            currentBuild.duration += 2 * SILENT_MINUTES * 60 * 1000\n"
                "            if (runner) { throw new FlowInterruptedException('Aborted by admin') }\n"
                "            node(runner) {\n",
            ),
        ),
        {},
    ),
    "nothing handed over": (
        lambda at: _broken(_lab(at), ("        handOver('prepared', 'outputs/')", "        echo 'nothing'")),
        {},
    ),
}


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Day]:
    """All builds of this file, executed in one go."""
    labs = {name: make(tmp_path_factory.mktemp("day") / "lab") for name, (make, _) in DAYS.items()}
    built = builds_of([labs[name].ready(**parameters) for name, (_, parameters) in DAYS.items()])
    return {
        name: Day(one, tuple(_calls(labs[name].folder)), labs[name].credentials()["driftgate-hf-token"])
        for name, one in zip(DAYS, built, strict=True)
    }


def _calls(folder: Path) -> list[str]:
    calls = folder / "calls"
    return [line.removeprefix("driftgate ") for line in calls.read_text().splitlines()] if calls.exists() else []


@pytest.mark.parametrize(("code", "result"), [("0", "SUCCESS"), ("1", "UNSTABLE"), ("2", "FAILURE"), ("3", "FAILURE")])
def test_the_gates_exit_code_is_the_result_and_the_run_is_kept_whatever_it_is(
    days: dict[str, Day], code: str, result: str
) -> None:
    built = days[f"the gate ends {code}"].built
    assert built.result == result, built.log
    assert built.description == "error: <b>it</b> broke\nfailed: 1 finding"
    assert built.artifacts == ("outputs/R1.tar.gz",)
    assert {"report", "publish", "archive"} <= set(built.stages)


def test_the_commands_are_those_that_a_person_types_in_the_order_of_the_pipeline(days: dict[str, Day]) -> None:
    assert days["parameters"].calls == (
        "--version",
        "doctor",
        "pull --top 3 --family bert --family vit --target ort-cpu; --target touch --runner cpu -- a b.yaml",
        "infer --run R1 --runner gpu --dry-run",
        *(f"{stage} --run R1" for stage in ("inputs", "explain", "export")),
        "infer --run R1 --runner cpu --dry-run",
        "infer --run R1 --runner cpu --with-needs",
        "merge R1 parts/ran-cpu/outputs/R1",
        "drift --run R1",
        "gate --run R1 --baseline window:3",
        *(f"{step} --run R1" for step in ("repro", "report", "publish", "archive")),
    )


def test_a_gpu_agent_does_the_gpu_cells(days: dict[str, Day]) -> None:
    day = days["two agents"]
    assert day.built.result == "SUCCESS", day.built.log
    assert "pull -- configs/nightly.yaml" in day.calls
    assert "infer --run R1 --runner gpu --with-needs" in day.calls
    assert "merge R1 parts/ran-gpu/outputs/R1" in day.calls


def test_each_agent_works_under_its_own_name(days: dict[str, Day]) -> None:
    built = days["two agents"].built
    named = {
        path.parents[4].name: path.read_text().strip()
        for path in built.folder.glob("stashes/ran-*/outputs/R1/models/m/infer.*")
    }
    assert named == {"ran-cpu": "cpu-1"}  # the stub writes no file of a gpu target
    workspaces = {path.name.rpartition("-")[0]: path for path in built.folder.glob("workspaces/gpu-1-*")}
    assert (workspaces["gpu-1"] / "outputs/R1/models/m/infer.ort-cpu.json").read_text().strip() == "gpu-1"


def test_a_gpu_agent_that_never_comes_makes_the_build_unstable_and_the_rest_goes_on(days: dict[str, Day]) -> None:
    day = days["no gpu agent"]
    assert day.built.result == "UNSTABLE"
    assert day.built.stages["infer"] == "UNSTABLE"
    assert "no gpu agent answered for 60 minutes: its cells are not_run" in day.built.log
    assert "gate --run R1 --baseline last-good" in day.calls


def test_no_agent_is_waited_for_where_nothing_needs_it(days: dict[str, Day]) -> None:
    assert days["nothing for a gpu"].built.result == "SUCCESS"


def test_whoever_stops_a_build_stops_it_however_long_it_took(days: dict[str, Day]) -> None:
    day = days["somebody stops it in its second hour"]
    assert day.built.result == "ABORTED", day.built.log
    assert "agent answered" not in day.built.log
    assert not [call for call in day.calls if call.startswith("gate")]
    assert day.built.artifacts == ("outputs/R1.tar.gz",)


def test_without_a_cpu_agent_the_build_ends_all_the_same(days: dict[str, Day]) -> None:
    built = days["no cpu agent"].built
    assert built.result == "ABORTED"
    assert "no agent with the label cpu came in" in built.log


@pytest.mark.parametrize(("call", "kept"), [("pull", ()), ("explain", ("outputs/R1.tar.gz",))])
def test_a_stage_that_fails_ends_the_build_and_what_there_is_is_archived(
    days: dict[str, Day], call: str, kept: tuple[str, ...]
) -> None:
    built = days[f"{call} ends 3"].built
    assert built.result == "FAILURE"
    assert "infer" not in built.stages
    assert built.artifacts == kept


def test_a_runner_that_fails_leaves_the_others_and_what_it_got_done_to_be_judged(days: dict[str, Day]) -> None:
    day = days["infer ends 3"]
    assert day.built.result == "FAILURE"
    assert "merge R1 parts/ran-cpu/outputs/R1" in day.calls
    assert "gate --run R1 --baseline last-good" in day.calls


def test_secrets_reach_the_commands_that_need_them_and_no_log(days: dict[str, Day]) -> None:
    day = days["the gate ends 0"]
    log = day.built.log
    assert day.secret not in log
    assert "token: ****" in log
    explain = log.index("driftgate explain")
    assert "token: ****" not in log[explain : log.index("Stashed", explain)]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a step outside of every agent", "`checkout` needs an agent"),
        ("an unbounded wait", "this build waits for ever: there is no agent with the label gpu, and no timeout around"),
        ("nothing handed over", "No such saved stash ‘prepared’"),
    ],
)
def test_what_jenkins_would_not_do_the_harness_does_not_either(days: dict[str, Day], name: str, says: str) -> None:
    assert days[name].built.result == "FAILURE"
    assert says in days[name].built.log
