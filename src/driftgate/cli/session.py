"""Everything that a command needs to run cells: settings, run store, the Hub it pulls from, the pool, the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from driftgate import __version__
from driftgate.cli.progress import watcher_for
from driftgate.core.errors import DamagedRecordError, MachineryError, UsageError, did_you_mean
from driftgate.core.needs import upstream
from driftgate.core.records import Cell, Lock, Manifest, Plan
from driftgate.core.references import slug_of
from driftgate.core.tolerances import ToleranceTable
from driftgate.core.verdicts import KIND_FACTS
from driftgate.executors.conductor import Conductor, Places
from driftgate.executors.local import LocalPool
from driftgate.machine.cache import CellCache, code_version
from driftgate.machine.events import EventLog
from driftgate.machine.expectations import NAME, expectations_in, load_expectations
from driftgate.machine.files import cache_root
from driftgate.machine.gate_settings import NAME as GATE
from driftgate.machine.gate_settings import load_gate_settings
from driftgate.machine.owners import NAME as OWNERS
from driftgate.machine.owners import load_owners
from driftgate.machine.provenance import cores_allowed, package_versions, this_agent
from driftgate.machine.settings import Config, Settings
from driftgate.machine.store import RunStore
from driftgate.machine.tolerances import NAME as TOLERANCES
from driftgate.machine.tolerances import keep_tolerances, load_tolerances, packaged_tolerances
from driftgate.machine.workroom import work_room
from driftgate.pipeline import STAGE_OF, WARM, WARM_LIGHTLY, WORTH_WARMING, plan_cells
from driftgate.targets import TARGETS, runner_of

EMBEDDED = "embedded"
WORKER_THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True)
class Session:
    """One run being worked on."""

    store: RunStore
    settings: Settings
    use_cache: bool = True
    inputs: Path = Path("inputs")

    def conduct(self, cells: Iterable[Cell], *, again: bool = False) -> None:
        """Take these cells to their records. Starts the embedded Hub and workers only when needed."""
        todo = tuple(cells)
        if not todo:
            return
        os.environ.update({name: value for name, value in WORKER_THREADS.items() if name not in os.environ})
        here = this_agent()
        self.store.write_agent(here)
        agent = here.agent
        cache = CellCache(cache_root()) if self.use_cache else None
        warm = WARM if len(todo) >= WORTH_WARMING else WARM_LIGHTLY
        with (
            hub_ready(self.settings) as settings,
            work_room(self.store.root),
            EventLog.of_run(self.store, agent, here.commit) as events,
            watcher_for(self.store.run_id, expectations_in(self.store)) as watcher,
            LocalPool(self.jobs, warm=warm, on_progress=watcher.downloading) as pool,
        ):
            conductor = Conductor(
                self.store,
                settings,
                STAGE_OF,
                lambda cell: upstream(cell, settings.reference),
                pool=pool,
                places=Places(cache_root() / "models", self.inputs, cache),
                events=events,
                watcher=watcher,
                agent=agent,
            )
            conductor.run(todo, again=again)
        if cache is not None:
            cache.prune()

    @property
    def jobs(self) -> int:
        """Jobs at once: as configured, or one per core that this process may use."""
        jobs = self.settings.limits.jobs
        return cores_allowed() if jobs == "auto" else jobs


def begin_run(config: Config, settings: Settings, output: Path, *, part: bool = False) -> RunStore:
    """Make the run's folder and write manifest, lock and plan: what is scheduled is on disk before anything runs.
    `part`: of a part of the fleet."""
    expectations, tolerances = expectations_of(config), tolerances_of(config)
    judged_by = {NAME: expectations, GATE: gate_of(config), OWNERS: owners_of(config)}
    store = RunStore.create(output)
    keep_tolerances(store, tolerances)
    for name, text in judged_by.items():
        if text is not None:
            store.write_text(name, text)
    store.write_manifest(manifest_of(store.run_id, settings, part=part))
    try:
        plan_run(store, settings, config)
    except UsageError:
        shutil.rmtree(store.root)  # a wrong call leaves no run behind for `latest` to mean
        raise
    return store


def manifest_of(run_id: str, settings: Settings, *, part: bool = False) -> Manifest:
    """The manifest of a run that begins now."""
    return Manifest(
        run_id=run_id,
        fleet=settings.fleet,
        part=part,
        driftgate=__version__,
        started_at=datetime.now(UTC),
        config=settings.model_dump(mode="json"),
    )


def expectations_of(config: Config) -> str | None:
    """The text of the configuration's expectations, checked, so that the run carries what it is judged by."""
    return _checked(_given(config, config.settings.expectations, NAME, "expectations"), load_expectations)


def tolerances_of(config: Config) -> ToleranceTable:
    """The table of the configuration's tolerances, checked; Driftgate's own where it names none and `configs/` has none."""
    path = _given(config, config.settings.drift.tolerances, TOLERANCES, "drift", "tolerances")
    return packaged_tolerances() if path is None else load_tolerances(path, TARGETS.names())


def gate_of(config: Config) -> str | None:
    """The text of the configuration's gate.yaml, checked; None for the defaults."""
    return _checked(_given(config, config.settings.gate, GATE, "gate"), load_gate_settings)


def owners_of(config: Config) -> str | None:
    """The text of the configuration's owners.yaml, checked; None where it names none: whose a fleet is goes with the fleet."""
    path = _given(config, config.settings.owners, None, "owners")
    return _checked(path, lambda owners: load_owners(owners, TARGETS.names()))


def _checked(path: Path | None, load: Callable[[Path], object]) -> str | None:
    """The text of a file that `load` finds no fault with; None for no file."""
    if path is None:
        return None
    load(path)
    return path.read_text("utf-8")


def _given(config: Config, named: str | None, default: str | None, *key: str) -> Path | None:
    """The file that a key of the configuration names, else that of `configs/` if there is one and it may be taken by `default`."""
    if named is None and default is None:
        return None
    path = config.folder / named if named else Path("configs") / str(default)
    if not path.is_file() and named is not None:
        raise UsageError(f"there is no file {path}", where=config.where(*key))
    return path if path.is_file() else None


def plan_run(store: RunStore, settings: Settings, config: Config | None = None) -> None:
    """Pin the fleet and write lock and plan."""
    lock = _pinned(settings, config.where if config else lambda *position: "run.json")
    store.write_lock(lock)
    cells = plan_cells(lock.models, settings)
    store.write_plan(Plan(run_id=store.run_id, fleet=settings.fleet, cells=cells))


def pin_again(store: RunStore, settings: Settings) -> None:
    """Pin what could not be pinned when the run began, for no fault of the models (the Hub was down). What is pinned stays."""
    lock = store.lock()
    missing = [m.ref for m in lock.models if m.problem is not None and KIND_FACTS[m.problem.kind].machinery]
    if not missing:
        return
    hub = settings.hub.model_copy(update={"top": 0})
    asked = settings.model_copy(update={"models": tuple(missing), "hub": hub, "shard": None})
    found = {entry.ref: entry for entry in _pinned(asked, lambda *position: "run.json").models}
    models = tuple(found.get(m.ref, m).model_copy(update={"slug": m.slug}) for m in lock.models)
    store.write_lock(lock.model_copy(update={"models": models}))


def _pinned(settings: Settings, where: Callable[..., str]) -> Lock:
    from driftgate.sources.resolve import resolve

    with hub_ready(settings) as ready:
        lock = resolve(ready, where)
    if settings.hub.endpoint != EMBEDDED:
        return lock
    models = tuple(m.model_copy(update={"endpoint": EMBEDDED}) if m.endpoint else m for m in lock.models)
    return lock.model_copy(update={"models": models})  # its port changes from run to run


def settings_of(store: RunStore) -> Settings:
    """The settings that a run was made with. Raises DamagedRecordError for a manifest that says something else."""
    try:
        return Settings.model_validate(store.manifest().config)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DamagedRecordError(f"{store.root / 'run.json'}: config.{place}: {first['msg']}") from error


def chosen_cells(
    store: RunStore,
    *,
    stages: Iterable[str] | None = None,
    models: Iterable[str] = (),
    targets: Iterable[str] = (),
    runner: str | None = None,
) -> tuple[Cell, ...]:
    """The planned cells of these stages, models (references or slugs), targets and kind of machine; none named means all."""
    cells = store.plan().cells
    wanted_stages = set(stages) if stages is not None else None
    slugs = _known(models, {entry.ref: entry.slug for entry in store.lock().models}, "model of this run")
    wanted_targets = _known(targets, {c.target: c.target for c in cells if c.target}, "target of this run")
    return tuple(
        cell
        for cell in cells
        if (wanted_stages is None or cell.stage in wanted_stages)
        and (not slugs or cell.model in slugs)
        and (not wanted_targets or cell.target is None or cell.target in wanted_targets)
        and (runner is None or cell.target is None or runner_of(cell.target) == runner)
    )


def _known(names: Iterable[str], valid: dict[str, str], what: str) -> set[str]:
    found = set()
    for name in names:
        if name in valid.values():
            found.add(name)
        elif name in valid or slug_of(name) in valid.values():
            found.add(valid.get(name, slug_of(name)))
        else:
            raise UsageError(f"{name[:80]!r} is no {what}", mend=did_you_mean(name, [*valid, *valid.values()], most=6))
    return found


@contextmanager
def hub_ready(settings: Settings) -> Iterator[Settings]:
    """Settings whose hub endpoint can be asked: for `embedded`, a Hub on loopback that serves the zoo, while the block lasts."""
    if settings.hub.endpoint != EMBEDDED:
        yield settings
        return
    from driftgate.sources.embedded_hub import EmbeddedHub

    with EmbeddedHub(zoo_folder()) as hub:
        at = settings.hub.model_copy(update={"endpoint": hub.url})
        yield settings.model_copy(update={"hub": at})


def zoo_folder() -> Path:
    """The folder of the zoo's models, built once per version of our code and of the toolchain."""
    from hashlib import sha256

    what = f"{code_version()}{package_versions()}"
    folder = cache_root() / "zoo" / sha256(what.encode()).hexdigest()[:16]
    if not (folder / ".complete").is_file():
        _build_zoo(folder)
    return folder


def _build_zoo(folder: Path) -> None:
    print("building the zoo: tiny models with random weights (once)", file=sys.stderr)  # noqa: T201
    command = [sys.executable, "-m", "driftgate.stages.zoo", str(folder)]
    answer = subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=os.environ | WORKER_THREADS,
    )
    if answer.returncode != 0:
        last = answer.stderr.strip().splitlines()[-1:] or ["no message"]
        raise MachineryError(f"the zoo could not be built (exit code {answer.returncode}): {last[0]}")
    (folder / ".complete").touch()
