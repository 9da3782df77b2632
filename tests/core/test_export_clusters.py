"""Failed exports over a fleet, one cluster for each cause."""

import pytest

from driftgate.core.export_clusters import ExportClusters
from driftgate.core.records import Cell, ExportAttempt, ExportPayload, Failure, FailureSummary
from driftgate.core.verdicts import FailureKind, Verdict, verdict_of
from driftgate.testing.runs import Story, synthetic_run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return synthetic_run(tmp_path_factory.mktemp("run"), models=3, stories=(Story.CLEAN,))


def failed(exporter, kind="unsupported_op", fingerprint="aa", **more):
    failure = FailureSummary(kind=kind, message=f"{kind} of {exporter}", fingerprint=fingerprint, **more)
    return ExportAttempt(exporter=exporter, dynamic=False, verdict="failed", seconds=1, failure=failure)


def passed(exporter):
    return ExportAttempt(exporter=exporter, dynamic=False, verdict="passed", seconds=1)


@pytest.fixture
def record(store):
    """The export record of a model whose tries went like this; failed unless the last one passed."""

    def made(model, *attempts, kind=FailureKind.UNSUPPORTED_OP):
        found = store.record(Cell(model=store.lock().models[model].slug, stage="export"))
        rescued = bool(attempts) and attempts[-1].failure is None
        failure = None if rescued else Failure.of(kind, "no exporter")
        verdict = Verdict.PASSED if rescued else verdict_of(kind)
        payload = ExportPayload(attempts=attempts) if attempts else None
        return found.model_copy(update={"payload": payload, "failure": failure, "verdict": verdict})

    return made


def clusters_of(*records):
    made = ExportClusters()
    for record in records:
        made.add(record)
    return made


def test_tries_that_failed_alike_are_one_cluster_whatever_the_model_and_exporter(record):
    found = clusters_of(
        record(0, failed("dynamo"), failed("transformers")),
        record(1, failed("dynamo"), passed("transformers")),
        record(2, failed("dynamo", kind="cache_type", fingerprint="bb"), passed("transformers")),
    )
    first, second = found.clusters()
    assert (first.seen.kind, len(first.models), len(first.lost), first.exporters) == (
        "unsupported_op",
        2,
        1,
        "dynamo ×2, transformers ×1",
    )
    assert (second.seen.kind, len(second.lost)) == ("cache_type", 0)
    assert [(kind.kind, kind.models, kind.lost, kind.clusters) for kind in found.kinds()] == [
        ("unsupported_op", 2, 1, 1),
        ("cache_type", 1, 0, 1),
    ]
    assert (len(found.tried), len(found.lost)) == (3, 1)


def test_lost_models_are_the_first_examples_with_where_their_own_failure_sits(record):
    found = clusters_of(
        record(0, failed("dynamo", module="a.b"), passed("transformers")), record(1, failed("dynamo", module="c.d"))
    )
    (cluster,) = found.clusters()
    assert [victim.failure.module for victim in cluster.examples] == ["c.d", "a.b"]


def test_a_cell_that_died_without_an_account_of_its_tries_is_counted(record):
    found = clusters_of(record(0, kind=FailureKind.MEMORY_LIMIT))
    (cluster,) = found.clusters()
    assert (cluster.seen.kind, cluster.seen.message) == ("memory_limit", "no exporter")


@pytest.mark.parametrize("kind", [FailureKind.UPSTREAM, FailureKind.NETWORK, FailureKind.UNAVAILABLE])
def test_no_model_is_accused_of_what_is_not_its_fault(record, kind):
    assert clusters_of(record(0, kind=kind)).clusters() == []


def test_an_exporter_that_is_not_installed_is_no_cause(record):
    found = clusters_of(record(0, failed("transformers", kind="unavailable"), passed("dynamo")))
    assert found.clusters() == []
