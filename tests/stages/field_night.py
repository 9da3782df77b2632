"""A night of the field for tests: some of its types through `driftgate run`, as `configs/field.yaml` has it, with every way out closed.

python field_night.py FOLDER TYPE…      what the stages pull and inputs write for these types, made once more
"""

import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import transformers
import yaml
from zoo_models import fed

from driftgate.core.expectations import Expectation
from driftgate.core.records import ExplainPayload, ExportPayload, StageRecord
from driftgate.machine.expectations import load_expectations
from driftgate.machine.settings import load_config
from driftgate.sources import zoo
from driftgate.stages.inputs.contents import save_inputs
from driftgate.testing.workplace import Ended, Workplace

ROOT = Path(__file__).parents[2]
FIELD = ROOT / "configs" / "field.yaml"
COLUMNS = {
    "eager": "infer.torch-eager-cpu",
    "explain": "explain",
    "export": "export",
    "ort": "infer.ort-cpu",
    "drift": "drift.ort-cpu",
}
"""The scoreboard's columns: each is one cell."""

WALL = '''
"""Refuses every connection but those between processes of this machine, and writes down what was asked for."""

import os
import sys

NAMES = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
ADDRESSES = {"socket.connect", "socket.sendto", "socket.bind"}


def refuse(event, arguments):
    if event in NAMES or (event in ADDRESSES and isinstance(arguments[1], tuple)):
        with open(os.environ["ASKED"], "a") as log:
            log.write(f"{event} {arguments[-1] if event in ADDRESSES else arguments[0]}\\n")
        raise PermissionError(f"{event}: there is no network here")


sys.addaudithook(refuse)
'''


def sample(count: int) -> list[str]:
    """So many types of the field, evenly through modality and task: a systematic sample, within a stratum in the order of a hash.
    Twelve of them are among sixty."""
    strata = sorted(
        (rows[0].modality, rows[0].task, hashlib.sha256(name.encode()).hexdigest(), name)
        for name, rows in zoo.architectures().items()
    )
    return [strata[(2 * place + 1) * len(strata) // (2 * count)][-1] for place in range(count)]


def expectations() -> tuple[Expectation, ...]:
    """The rows of what is known to fail in the field."""
    return load_expectations(FIELD.parent / str(load_config(FIELD).settings.expectations)).expectations


def types_of(row: Expectation) -> list[str]:
    """The types that a row is about."""
    return [reference.removeprefix("zoo:") for reference in zoo.matching(row.model)]


def names_in(reason: str) -> list[str]:
    """What a reason names of the code: `rf_detr_vit`, `spk_dict.pt`, a class of transformers."""
    words = re.findall(r"[A-Za-z]\w+(?:\.\w+)*", reason)
    return [word for word in words if "_" in word or (word[1:] != word[1:].lower() and hasattr(transformers, word))]


@dataclass
class Night:
    """A run of these types that has ended; the gate was given the `rows`."""

    place: Workplace
    types: Sequence[str]
    rows: Sequence[Expectation]
    ended: Ended

    @cached_property
    def records(self) -> dict[str, dict[str, StageRecord]]:
        """Type → cell → its record."""
        found: dict[str, dict[str, StageRecord]] = {}
        for record in self.place.store.records():
            found.setdefault(record.model.ref.removeprefix("zoo:"), {})[record.cell.name] = record
        return found

    @property
    def asked(self) -> list[str]:
        """What was asked of the network, a line each."""
        log = self.place.folder / "asked"
        return log.read_text().splitlines() if log.exists() else []

    def is_excused(self, record: StageRecord) -> bool:
        """Whether it is known that the cell cannot pass here: by a row, or because a package is not installed."""
        kind = record.failure.kind if record.failure else None
        return kind == "unavailable" or any(row.fails_so(record) for row in self.rows)


def closed(place: Workplace) -> dict[str, str]:
    """The environment of a process that reaches no network and no GPU."""
    wall = place.folder / "wall"
    wall.mkdir(exist_ok=True)
    (wall / "sitecustomize.py").write_text(WALL)
    return {"PYTHONPATH": str(wall), "ASKED": str(place.folder / "asked"), "CUDA_VISIBLE_DEVICES": ""}


def fleet(place: Workplace, types: Sequence[str], rows: Sequence[Expectation] = ()) -> Path:
    """The field's configuration with these types and rows."""
    known = [row.model_dump(mode="json", exclude_none=True) for row in rows]
    (place.folder / "known.yaml").write_text(yaml.safe_dump(known))
    own = {"models": [f"zoo:{name}" for name in types], "expectations": "known.yaml"}
    path = place.folder / "field.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(FIELD.read_text()) | own))
    return path


def spend(place: Workplace, types: Sequence[str], rows: Sequence[Expectation], patience: float) -> Night:
    """Run these types, which takes so many seconds at most."""
    started = place.start("run", fleet(place, types, rows), "--no-confirm", **closed(place))
    return Night(place, types, rows, place.end_of(started, patience))


def told(records: dict[str, StageRecord]) -> dict[str, object]:
    """A type's row as the scoreboard writes it."""
    row: dict[str, object] = {column: _word(records[cell]) for column, cell in COLUMNS.items()}
    explain, export = records["explain"].payload, records["export"].payload
    row["breaks"] = explain.break_count if isinstance(explain, ExplainPayload) else None
    row["exporter"] = export.exporter if isinstance(export, ExportPayload) else None
    return row


def make_again(folder: Path, name: str) -> None:
    """Build a type, load it and save its inputs."""
    _, made = fed(name, folder / name)
    (folder / f"{name}.inputs").mkdir()
    save_inputs(folder / f"{name}.inputs", made)


def _word(record: StageRecord) -> str:
    return record.failure.kind.value if record.failure else "passed"


if __name__ == "__main__":
    for each in sys.argv[2:]:
        make_again(Path(sys.argv[1]), each)
