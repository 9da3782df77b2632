"""Every script of the quickstart, of failing exports of the zoo, and of the rarer ways to break, repeats its cell in a cold process."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from reproductions import run_copies

from driftgate.testing.workplace import Workplace, workplace_in

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]
UNEXPORTABLE = (
    "zoo:longformer", "zoo:led", "zoo:encodec", "zoo:vilt", "zoo:switch_transformers", "zoo:qwen2_vl", "zoo:mixtral", "zoo:llava",
    "zoo:gemma3", "zoo:qwen2_moe",
)  # fmt: skip
"""Models that one exporter at least refuses."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with workplace_in(tmp_path) as place:
        yield place


def check_all(place: Workplace, elsewhere: Path, least: int) -> None:
    rows = json.loads(place.call("repro", "--run", "latest", "--format", "json").out)
    assert not [row for row in rows if row["reason"]]
    scripts = [place.folder / row["script"] for row in rows]
    assert len(scripts) >= least
    repeat(scripts, elsewhere)


def repeat(scripts: list[Path], elsewhere: Path) -> None:
    """Each in a cold process."""
    for script in scripts:
        ((name, ended),) = run_copies([script], elsewhere, warm=False).items()
        assert ended.code == 1, f"{name}: {ended.output[-3000:]}"


def test_the_quickstart(place: Workplace, tmp_path: Path) -> None:
    place.end_of(place.start("run", "--no-latency"), patience=1200)
    check_all(place, tmp_path / "elsewhere", least=6)


def test_failing_exports_of_the_zoo(place: Workplace, tmp_path: Path) -> None:
    export = {"exporters": ["dynamo", "transformers"], "stop": "never", "dynamic": False}
    config = place.config(*UNEXPORTABLE, export=export, limits={"time": 600, "memory": "4GB"})
    place.end_of(place.start("run", config), patience=1800)
    check_all(place, tmp_path / "elsewhere", least=10)


def test_the_rarer_ways_to_break(place: Workplace, tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parent / "broken_models.py", place.folder)
    (place.folder / "inputs").mkdir()
    (place.folder / "inputs" / "python--broken_models--fixed.yaml").write_text(
        "tensors: {x: {dtype: float32, shape: [batch, 4]}, mask: {dtype: float32, shape: [2, 4]}}\n"
        "sizes: {batch: [2, 3]}\n"
        "arguments: {scale: 3.0}\n"
    )
    models = [f"python:broken_models:{name}" for name in ("branches", "lies", "exits", "hangs", "fixed", "twists")]
    config = place.config(
        *models,
        targets=["torch-eager-cpu", "torch-inductor-cpu", "ort-cpu"],
        export={"exporters": ["dynamo", "torchscript"], "stop": "never", "dynamic": True},
        drift={"culprit": False},
        limits={"time": 60, "memory": "4GB"},
    )
    place.end_of(place.start("run", config), patience=1800)
    rows = json.loads(place.call("repro", "--run", "latest", "--format", "json").out)
    assert not [row for row in rows if row["reason"]]
    scripts = [place.folder / row["script"] for row in rows]
    names = {f"{script.parent.parent.name.rpartition('--')[2]}/{script.name}" for script in scripts}
    assert names >= {
        "lies/infer.torch-inductor-cpu.py",
        "exits/explain.py",
        "hangs/infer.torch-eager-cpu.py",
        "fixed/export@dynamic.dynamo.py",
        "fixed/infer.ort-cpu@dynamic.py",
        "twists/export.torchscript.py",
    }
    repeat(scripts, tmp_path / "elsewhere")
