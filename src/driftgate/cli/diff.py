"""`driftgate diff A.onnx B.onnx`: how far the second file is from the first, and the node where it begins."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli import options
from driftgate.core.errors import ExitCode, UsageError
from driftgate.core.verdicts import FailureKind

if TYPE_CHECKING:
    from driftgate.core.records import CellResult
    from driftgate.machine.jobs import TwoFiles

FUNCTION = "driftgate.stages.culprit.files:diff"
WORK = "work"

File = click.Path(path_type=Path)


@click.command()
@click.argument("reference", metavar="A.onnx", type=File)
@click.argument("candidate", metavar="B.onnx", type=File)
@click.option("--inputs", type=File, metavar="F.safetensors", help="What both are fed, by name (default: drawn).")
@click.option("--repro", type=File, metavar="DIR", help="Write the smallest part that still differs there.")
@options.formats
@click.option("--time-limit", type=options.DURATION, default="900s", metavar="SECONDS", help="Of the whole comparison.")
@click.option("--memory-limit", type=options.SIZE, default="8GB", metavar="SIZE", help="Of the whole comparison.")
def diff(
    reference: Path,
    candidate: Path,
    inputs: Path | None,
    repro: Path | None,
    form: str,
    time_limit: float,
    memory_limit: float,
) -> int:
    """Run two ONNX files on the same inputs and compare what they return; beyond tolerance, name the first node of B whose own
    error exceeds it. Ends 0 within tolerance, 1 beyond."""
    from driftgate.machine.files import cache_root
    from driftgate.machine.jobs import TwoFiles

    for path in (reference, candidate, inputs):
        if path is not None and not path.is_file():
            raise UsageError(f"there is no file {path}")
    if repro is not None and repro.exists() and (not repro.is_dir() or any(repro.iterdir())):
        raise UsageError(
            f"{repro} exists", where="--repro", mend="name a folder that is not there yet, or an empty one"
        )
    files = TwoFiles(
        reference=reference.resolve(), candidate=candidate.resolve(), inputs=inputs.resolve() if inputs else None
    )
    root = cache_root() / "scratch"
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="diff-", dir=root) as folder:
        result = _compare(files, Path(folder), time_limit, int(memory_limit))
        if repro is not None:
            _keep(Path(folder) / WORK / "repro", repro)
    return _tell(result, form, repro)


def _compare(files: TwoFiles, folder: Path, time_limit: float, memory_limit: int) -> CellResult:
    """In a worker: what crashes ONNX Runtime must not take the command along."""
    from driftgate.core.records import Cell, LockEntry
    from driftgate.executors.alone import run_alone
    from driftgate.executors.local import LocalPool, Task
    from driftgate.machine.jobs import Job
    from driftgate.machine.settings import Settings

    name = files.candidate.name
    job = Job(
        run=folder,
        work=folder / WORK,
        cache=folder,
        inputs=folder,
        cell=Cell(model="files", stage="drift"),
        entry=LockEntry(ref=f"local:{name}", slug="files", scheme="local", name=name),
        settings=Settings(),
        files=files,
    )
    with LocalPool(1, warm=None) as pool:
        task = Task("diff", job, FUNCTION, fresh=True, time_limit=time_limit, memory_limit=memory_limit)
        result = run_alone(pool, task).result
    if result.failure is not None and result.failure.kind is FailureKind.CONFIG:
        raise UsageError(result.failure.message.removeprefix("driftgate.core.errors.UsageError: "))
    return result


def _keep(made: Path, folder: Path) -> None:
    """Take the reproduction out of the scratch folder, if there is one."""
    if made.is_dir():
        shutil.copytree(made, folder, dirs_exist_ok=True)


def _tell(result: CellResult, form: str, repro: Path | None) -> int:
    from driftgate.cli.show import drift_lines, drift_rows, print_rows
    from driftgate.core.records import DriftPayload

    failure = result.failure
    payload = DriftPayload.model_validate(result.payload) if result.payload is not None else None
    if payload is not None and payload.culprit is not None and payload.culprit.repro is not None:
        kept = str(repro) if repro is not None else None  # the scratch folder is gone
        payload = payload.model_copy(update={"culprit": payload.culprit.model_copy(update={"repro": kept})})
    if payload is not None and form == "json":
        click.echo(json.dumps(payload.to_dict(), indent=1))
    elif payload is not None and form == "markdown":
        print_rows(*drift_rows(payload), markdown=True)
    elif payload is not None:
        click.echo("\n".join(drift_lines(payload)))
    if failure is None:
        return ExitCode.FINE
    click.echo(f"{failure.kind.value}: {failure.message}" + (f"; {failure.hint}" if failure.hint else ""), err=True)
    if repro is not None and (repro / "repro.py").is_file():
        click.echo(f"reproduction: python {repro / 'repro.py'}", err=True)
    return ExitCode.REGRESSIONS
