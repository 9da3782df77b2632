"""Runs to publish: a good night, and a bad one after it in which everything that a board shows has something to show."""

from __future__ import annotations

from driftgate.core.records import DriftPayload
from driftgate.history.database import Database
from driftgate.history.importing import import_run
from driftgate.machine.events import EventLog
from driftgate.machine.settings import Settings
from driftgate.testing.runs import AGENT, FLEET, Story, synthetic_run

BAD = (Story.CLEAN, Story.BREAKS, Story.SECOND_EXPORTER, Story.UNSUPPORTED, Story.DRIFT, Story.TIMEOUT, Story.CRASH)
CYCLE_SECONDS = 86400.0


def night(output, *, models=7, stories=BAD, commit="a" * 40, seed=0):
    """A run of `models` models, each stories in turn, at a commit; with outputs of which something can be said to agree."""
    store = synthetic_run(output, models=models, stories=stories, seed=seed)
    for agent in store.agents():
        store.write_agent(agent.model_copy(update={"commit": commit}))
    for record in list(store.records()):
        if isinstance(record.payload, DriftPayload):
            tensors = tuple(one.model_copy(update={"argmax_agreement": 0.98}) for one in record.payload.tensors)
            payload = record.payload.model_copy(update={"tensors": tensors})
            store.write_record(record.model_copy(update={"payload": payload}))
    with EventLog(store.events_path(AGENT)) as log:
        log.write("start")
    manifest = store.manifest()
    config = Settings(fleet=FLEET, cycle=CYCLE_SECONDS).model_dump(mode="json")
    store.write_manifest(manifest.model_copy(update={"config": config}))
    return store


def good_and_bad(output):
    """A good night, which the history has, and the bad night after it."""
    good = night(output, models=2, stories=(Story.CLEAN,), commit="b" * 40, seed=1)
    import_run(Database.at(None, output), good)
    return good, night(output)


def model_of(store, story):
    """The model that a story was dealt to."""
    return store.lock().models[BAD.index(story)].slug
