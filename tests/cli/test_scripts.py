"""The scripts: each hands its arguments to the command of its meaning."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
(GOLDEN,) = (ROOT / "tests" / "golden" / "v1").iterdir()
COMMANDS = dict(re.findall(r"\| `(\w+\.py)` \| `driftgate (\w+)` \|", (ROOT / "scripts" / "README.md").read_text()))


def test_every_script_stands_in_the_list_and_the_list_in_the_folder():
    assert {script.name for script in SCRIPTS} == set(COMMANDS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_hands_its_arguments_to_its_command(script, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    out = capfd.readouterr().out
    assert ended.value.code == 0
    assert re.match(rf"Usage: \S+ {COMMANDS[script.name]} ", out), out


def test_the_exit_code_and_the_output_of_a_script_are_those_of_its_command(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / GOLDEN.name)
    script = str(ROOT / "scripts" / "gate.py")
    call = [sys.executable, script, "--run", "latest", "--output", str(tmp_path), "--format", "json"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["run_id"] == GOLDEN.name
