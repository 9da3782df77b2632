"""The run store: the only room that knows where things lie inside `outputs/RUN`.

    outputs/RUN/plan.json models.lock.json run.json agents/ models/SLUG/STAGE[.TARGET][@VARIANT].json …

Every write is atomic (temporary name, sync, rename), every read validated. One file per cell, so that runs of several agents
merge by copying.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from driftgate.core.errors import DamagedRecordError, MachineryError, UsageError, did_you_mean
from driftgate.core.records import (
    Agent,
    Cell,
    Finding,
    Findings,
    Lock,
    LockEntry,
    Manifest,
    Plan,
    Record,
    StageRecord,
    cell_named,
)
from driftgate.core.records.upgrade import upgraded
from driftgate.machine.files import write_atomic
from driftgate.machine.runs import find_run

R = TypeVar("R", bound=Record)

_SLUG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
MEND = "delete it and go on with `driftgate run --resume`"
TAKE_AWAY = "take it away: it came from elsewhere"
NO_RECORDS = frozenset({"inputs.meta"})
META_BYTES = 1 << 20
"""The largest description of inputs that is read."""


class RunStore:
    """One run on disk. Create it with `create`, find it with `find`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._models = root / "models"
        self._known_id: str | None = None
        self._pins: dict[str, LockEntry] | None = None

    # -- finding and creating ------------------------------------------------------------------------------------

    @classmethod
    def create(cls, output: Path, *, now: datetime | None = None) -> RunStore:
        """A new run's folder under `output`, named by UTC time and six random hex digits."""
        stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        store = cls(output / f"{stamp}-{secrets.token_hex(3)}")
        try:
            store.root.mkdir(parents=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise MachineryError(f"cannot create a run in {output}: {reason}; choose another --output") from error
        return store

    @classmethod
    def find(cls, run: str, output: Path) -> RunStore:
        """The run that `run` means: a path, an id, a unique prefix of one, or `latest`."""
        return cls(find_run(run, output))

    @property
    def run_id(self) -> str:
        """The run's id, as its plan says it; before there is a plan, the folder's name."""
        if self._known_id is None:
            self._known_id = self._own_id()
        return self._known_id

    def _own_id(self) -> str:
        if self.has("run.json"):
            return self._read("run.json", Manifest).run_id
        return self._read("plan.json", Plan).run_id if self.has("plan.json") else self.root.name

    # -- documents of the run ------------------------------------------------------------------------------------

    def write_plan(self, plan: Plan) -> None:
        """Write `plan.json`."""
        self._write("plan.json", plan)

    def plan(self) -> Plan:
        """The scheduled cells. Raises MachineryError for the plan of another run."""
        plan = self._read("plan.json", Plan)
        self._refuse_another_run(self.root / "plan.json", plan.run_id)
        return plan

    def write_lock(self, lock: Lock) -> None:
        """Write `models.lock.json`."""
        self._pins = None
        self._write("models.lock.json", lock)

    def lock(self) -> Lock:
        """The pinned models."""
        return self._read("models.lock.json", Lock)

    def write_manifest(self, manifest: Manifest) -> None:
        """Write `run.json` (steps alone do that)."""
        self._write("run.json", manifest)

    def manifest(self) -> Manifest:
        """The manifest."""
        return self._read("run.json", Manifest)

    def write_findings(self, findings: Findings) -> None:
        """Write `findings.json`."""
        self._write("findings.json", findings)

    def findings(self) -> Findings:
        """What the gate found. Raises MachineryError for the findings of another run."""
        findings = self._read("findings.json", Findings)
        self._refuse_another_run(self.root / "findings.json", findings.run_id)
        return findings

    def finding(self, name: str, *, where: str | None = None) -> Finding:
        """The finding whose id is, or begins with, `name`; `where` is what named it. Raises UsageError for none or several."""
        known = self.findings().findings
        found = [one for one in known if one.id.startswith(name)] if name else []
        if len(found) != 1:
            problem = (
                f"{name[:40]!r} is the beginning of {len(found)} findings" if found else f"no finding {name[:40]!r}"
            )
            mend = did_you_mean(name, [one.id for one in known], most=6)
            raise UsageError(f"{problem} of {self.run_id}", where=where, mend=mend)
        return found[0]

    def has(self, name: str) -> bool:
        """Whether the run has that document (`plan.json`, `findings.json`, …)."""
        return (self.root / name).is_file()

    def write_agent(self, agent: Agent) -> None:
        """Write `agents/AGENT.json`."""
        self._write(f"agents/{agent.agent}.json", agent)

    def agents(self) -> tuple[Agent, ...]:
        """Every machine that took part."""
        paths = sorted((self.root / "agents").glob("*.json"))
        return tuple(self._read(f"agents/{path.name}", Agent) for path in paths)

    def events_path(self, agent: str) -> Path:
        """The event log of an agent."""
        return self.root / "agents" / f"{agent}.events.jsonl"

    def event_logs(self) -> tuple[Path, ...]:
        """The event logs of all agents."""
        return tuple(sorted((self.root / "agents").glob("*.events.jsonl")))

    def write_text(self, name: str, text: str) -> Path:
        """Write a document that is no record (`summary.md`, `junit.xml`, a page of the report)."""
        path = self.root / name
        write_atomic(path, text)
        return path

    # -- models and cells ----------------------------------------------------------------------------------------

    def model_folder(self, slug: str) -> Path:
        """`models/SLUG`; refuses a name that is no slug."""
        if not _SLUG.fullmatch(slug):
            raise UsageError(f"{slug[:80]!r} is not a model of this run")
        return self._models / slug

    def record_path(self, cell: Cell) -> Path:
        """Where the cell's record lies."""
        return self.model_folder(cell.model) / f"{cell.name}.json"

    def log_path(self, cell: Cell) -> Path:
        """Where what the worker printed lies."""
        return self.model_folder(cell.model) / f"{cell.name}.log"

    def inputs_meta(self, slug: str) -> dict[str, Any] | None:
        """`inputs.meta.json` of a model, as it stands there; None where there is none that can be read."""
        path = self.model_folder(slug) / "inputs.meta.json"
        if path.is_symlink() or not path.is_file() or path.stat().st_size > META_BYTES:
            return None
        try:
            meta = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            return None
        return meta if isinstance(meta, dict) else None

    def repro_folder(self, slug: str) -> Path:
        """Where the scripts lie that repeat a model's broken cells without Driftgate."""
        return self.model_folder(slug) / "repro"

    def repro_scripts(self, cell: Cell) -> tuple[Path, ...]:
        """Those of one cell: `repro/CELL.py`, one per exporter (`repro/CELL.EXPORTER.py`), or `repro/CELL/repro.py`."""
        folder = self.repro_folder(cell.model)
        own = re.compile(re.escape(cell.name) + (r"(\.[a-z]+)?\.py" if cell.stage == "export" else r"\.py"))
        found = [path for path in sorted(folder.glob("*.py")) if own.fullmatch(path.name)]
        return tuple(path for path in (*found, folder / cell.name / "repro.py") if path.is_file())

    def write_record(self, record: StageRecord) -> None:
        """Write the record of a cell."""
        write_atomic(self.record_path(record.cell), record.to_json())

    def record(self, cell: Cell) -> StageRecord | None:
        """The record of a cell, or None if there is none yet. Raises DamagedRecordError for one that does not validate, MachineryError
        for one that is of another run, cell or model."""
        path = self.record_path(cell)
        return self._record_at(path, cell) if path.is_file() else None

    def records(self) -> Iterator[StageRecord]:
        """All records there are, model by model, read one at a time. Raises what `record` raises."""
        for cell, path in self.recorded():
            yield self._record_at(path, cell)

    def recorded(self) -> Iterator[tuple[Cell, Path]]:
        """The cells that have a record, and where it lies; nothing is read."""
        for folder in sorted(self._models.glob("*")):
            for path in sorted(folder.glob("*.json")):
                cell = cell_named(folder.name, path.stem)
                if cell is not None and path.stem not in NO_RECORDS:
                    yield cell, path

    # -- reading and writing -------------------------------------------------------------------------------------

    def _record_at(self, path: Path, cell: Cell) -> StageRecord:
        record = read_record(path, StageRecord)
        if record.cell != cell:
            raise MachineryError(f"{path} is the record of {record.cell}, not of {cell}; {TAKE_AWAY}")
        self._refuse_another_run(path, record.run_id)
        pin, model = self._pinned().get(cell.model), record.model
        if pin is not None and (
            model.ref != pin.ref or (model.revision and pin.revision not in (None, model.revision))
        ):
            told = f"{model.ref} at {model.revision or 'no revision'}"
            pinned = f"{pin.ref} at {pin.revision or 'no revision'}"
            raise MachineryError(f"{path} is about {told}, but models.lock.json has {pinned}; {TAKE_AWAY}")
        return record

    def _pinned(self) -> dict[str, LockEntry]:
        if self._pins is None:
            self._pins = {e.slug: e for e in self.lock().models} if self.has("models.lock.json") else {}
        return self._pins

    def _refuse_another_run(self, path: Path, run_id: str) -> None:
        if run_id != self.run_id:
            raise MachineryError(f"{path} is of run {run_id}, not of {self.run_id}; {TAKE_AWAY}")

    def _write(self, name: str, record: Record) -> None:
        write_atomic(self.root / name, record.to_json())

    def _read(self, name: str, kind: type[R]) -> R:
        path = self.root / name
        if not path.is_file():
            raise UsageError(f"{path} is missing", mend="give a complete run, or `--resume` this one")
        return read_record(path, kind)


def read_record(path: Path, kind: type[R]) -> R:
    """Read and validate one record, upgrading older schema versions. A newer version is a UsageError."""
    try:
        return kind.model_validate(upgraded(path.read_bytes(), kind, str(path)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DamagedRecordError(f"{path} is not a valid {kind.__name__}: {place}: {first['msg']}; {MEND}") from error
    except OSError as error:
        raise MachineryError(f"cannot read {path}: {error.strerror or error}") from error
