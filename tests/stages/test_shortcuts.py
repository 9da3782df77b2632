"""Shortcuts through torch and onnxscript: the same results, and a refusal where those look different."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
Facts = dict[str, Any]


@pytest.fixture(scope="module")
def facts() -> Facts:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
    command = [sys.executable, str(HERE / "facts_of_shortcuts.py")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def test_an_export_by_the_shortcuts_gives_the_same_bytes(facts: Facts) -> None:
    assert facts["short"]["graphs"] == facts["own"]["graphs"]


def test_slices_that_are_halves_of_one_tensor_still_become_a_split(facts: Facts) -> None:
    assert [node[0] for node in facts["short"]["slices"]].count("Split") == 2
    assert [node[0] for node in facts["short"]["slices"]].count("Slice") == 3
    assert facts["short"]["slices"] == facts["own"]["slices"]


def test_every_break_and_its_reason_is_counted_as_before(facts: Facts) -> None:
    assert facts["own"]["counts"]["break_count"] == 3
    assert facts["short"]["counts"] == facts["own"]["counts"]


def test_who_listens_to_dynamos_log_still_reads_full_names(facts: Facts) -> None:
    assert "(ThreeBreaksOneGraph.forward)" in facts["short"]["header"]
    assert facts["short"]["header"] == facts["own"]["header"]


def test_a_shortcut_is_taken_once(facts: Facts) -> None:
    assert facts["once"]


def test_a_release_that_a_shortcut_does_not_fit_is_judged_without_it(facts: Facts) -> None:
    (line,) = facts["without"]["said"].splitlines()
    assert "goes on without a shortcut" in line
    assert "matching must be adapted" in line
    assert facts["without"]["graphs"] == facts["own"]["graphs"]


@pytest.mark.parametrize("name", ["registry", "operators", "matching", "headers"])
def test_a_shortcut_refuses_a_torch_that_looks_different(facts: Facts, name: str) -> None:
    assert "has changed" in facts["refusals"][name]
    assert f".{name} must be adapted" in facts["refusals"][name]
