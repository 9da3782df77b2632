"""A night on which one model became slower, with real launches: confirmed beside the baseline's environment, or told as not separated."""

import dataclasses
import json
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from driftgate.core.records import Finding
from driftgate.diagnose.environments import Environments
from driftgate.history.database import Database
from driftgate.history.importing import Night, keep, load_run
from driftgate.testing.planted import MODEL, build_wheels
from driftgate.testing.workplace import Workplace, workplace_in

PLANTED = "timm"
"""The planted package takes the name of one whose version every run writes down."""
STEADY = MODEL.replace("import driftgate_planted\n", "").replace("driftgate_planted.work(x)", "x @ x.T")
GATE = "latency: {suspects: 1, relaunches: 1, first_look: 7, last_look: 7}\n"
PIP = {"PIP_NO_INDEX": "1"}


def run_with(place: Workplace, version: str) -> None:
    pip = PIP | {"PIP_FIND_LINKS": str(place.folder / "planted" / "wheels")}
    python = Environments(place.folder / "cache" / "environments", variables=pip).build({PLANTED: version})
    config = place.config(
        "python:sums:made", "python:steady:made", "python:still:made",
        targets=["torch-eager-cpu"], latency={"budget": "500ms"}, gate="gate.yaml",
    )  # fmt: skip
    (place.folder / "gate.yaml").write_text(GATE)
    command = [str(python), "-m", "driftgate", "run", str(config)]
    subprocess.run(command, cwd=place.folder, env=place.environment, capture_output=True, check=False, timeout=240)


def dated(night: Night, days: int) -> Night:
    manifest = night.manifest
    started = manifest.started_at - timedelta(days=days)
    named = manifest.model_copy(
        update={"run_id": f"{started:%Y%m%dT%H%M%SZ}-000000", "started_at": started, "verdict": "passed"}
    )
    return dataclasses.replace(night, manifest=named, digest=str(days))


def gate(place: Workplace, *arguments: str) -> tuple[int, list[Finding], str]:
    pip = PIP | {"PIP_FIND_LINKS": str(place.folder / "planted" / "wheels")}
    process = place.start("gate", "--run", "latest", "--baseline", "last-good", "--format", "json", *arguments, **pip)
    out, err = process.communicate(timeout=900)
    found = [Finding.model_validate(one) for one in json.loads(out)["findings"] if one["rule"] == "latency"]
    return process.returncode, found, err


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_a_slowdown_is_confirmed_by_launching_anew(tmp_path: Path) -> None:
    with workplace_in(tmp_path) as place:
        slow = "import time; time.sleep(0.002); return x + 1"
        build_wheels(tmp_path / "planted", {"9.0": "return x + 1", "9.1": slow}, name=PLANTED)
        for name, text in (("sums", MODEL), ("steady", STEADY), ("still", STEADY)):
            (tmp_path / f"{name}.py").write_text(text)
        run_with(place, "9.0")
        good = load_run(place.store)
        database = Database.at(None, tmp_path / "outputs")
        for days in range(10):
            with database.writing() as connection:
                keep(dated(good, days + 1), connection)
        database.close()
        run_with(place, "9.1")

        code, found, told = gate(place, "--no-confirm")
        (one,) = [finding for finding in found if finding.model == "python--sums--made"]
        assert (one.severity, one.confirmed) == ("warning", False)

        code, found, told = gate(place)
        (one,) = found
        assert (code, one.severity, one.confirmed, one.model) == (1, "error", True, "python--sums--made"), told
        assert one.evidence["cause"] == "versions"
        assert one.evidence["launches"] == 7
        assert one.evidence["q"] <= 0.0015
        assert one.evidence["interval"][0] > 1.02
        assert "timm 9.0 → 9.1" in told
        assert "python--sums--made/infer.torch-eager-cpu stands out: launching it again" in told

        (tmp_path / "planted" / "wheels" / "timm-9.0-py3-none-any.whl").unlink()
        for folder in (tmp_path / "cache" / "environments").glob("timm-9.0*"):
            shutil.rmtree(folder)
        code, found, told = gate(place)
        (one,) = found
        assert (one.severity, one.evidence["cause"]) == ("warning", "slower, cause not separated")
        assert one.sentence.endswith("slower, cause not separated")
        assert "compared with earlier nights alone: pip cannot install timm==9.0" in told
