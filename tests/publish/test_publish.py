"""Publishing a run: what a real Pushgateway and a real Prometheus have afterwards."""

from collections import Counter

import pytest
from nights import CYCLE_SECONDS, model_of, night

from driftgate.core.errors import UsageError
from driftgate.core.metrics import OF_THE_RUN, VERDICT_CODES, Group, Sample
from driftgate.core.records import DriftPayload, ExplainPayload, InferPayload, Plan
from driftgate.history.database import Database
from driftgate.sinks.endpoint import Endpoint
from driftgate.sinks.pushgateway import Gateway
from driftgate.steps.publish import groups_of, push, write_metrics
from driftgate.testing.runs import FLEET, START, Story, synthetic_run
from driftgate.testing.servers import groups_at, settles


def renamed(groups, fleet):
    """The same groups as those of another fleet."""
    return tuple(Group(fleet, group.model, group.samples) for group in groups)


def counted(store):
    """Graph breaks by model, commit and reason, counted here from the records alone."""
    (agent,) = store.agents()
    counts = Counter()
    for record in store.records():
        if isinstance(record.payload, ExplainPayload):
            for seen in record.payload.breaks:
                counts[record.model.slug, agent.commit, f"{seen.gb_id} {seen.gb_type}"] += seen.count
    return counts


def answer(stack, fleet):
    selector = f'compile_breaks_total{{fleet="{fleet}"}}'
    return stack.prometheus.values(f"sum by(model, commit, reason) ({selector})", "model", "commit", "reason")


def test_the_query_of_breaks_answers_with_exactly_the_counts_of_the_run(stack, published):
    store, _ = published
    assert answer(stack, FLEET) == counted(store)
    assert sum(counted(store).values()) == 17


def test_publishing_twice_answers_like_once(stack, published):
    _, groups = published
    everything = f'{{fleet="{FLEET}", __name__=~"driftgate_.+|compile_.+"}}'

    def answers():
        return {tuple(sorted(one["metric"].items())): one["value"][1] for one in stack.prometheus.query(everything)}

    before = answers()
    assert len(before) == sum(len(group.samples) for group in groups)
    stack.push(groups)
    assert answers() == before


def test_a_second_commit_replaces_the_first(stack, tmp_path):
    store = night(tmp_path, commit="c" * 40)
    groups = groups_of(store, Database.at(None, tmp_path))
    stack.push(renamed(groups, "commits"))
    assert {commit for _, commit, _ in answer(stack, "commits")} == {"c" * 40}
    (agent,) = store.agents()
    store.write_agent(agent.model_copy(update={"commit": "d" * 40}))
    stack.push(renamed(groups_of(store, Database.at(None, tmp_path)), "commits"))
    assert settles(lambda: {commit for _, commit, _ in answer(stack, "commits")} == {"d" * 40})
    assert sum(answer(stack, "commits").values()) == 17


def test_a_model_that_left_the_fleet_disappears_and_no_other_fleets_does(gateway, tmp_path):
    stays = (Group("other", "m", (Sample.of("driftgate_graph_breaks", 1),)),)
    before, after = (night(tmp_path, models=count) for count in (3, 2))
    database = Database.at(None, tmp_path)
    with Gateway(Endpoint(gateway)) as server:
        push(stays, server)
        push(groups_of(before, database), server, prune=True)
        unpruned = push(groups_of(after, database), server)
        gone = {entry.slug for entry in before.lock().models} - {entry.slug for entry in after.lock().models}
        assert unpruned.pruned == ()
        pushed = push(groups_of(after, database), server, prune=True)
    assert set(pushed.pruned) == gone
    expected = {(FLEET, entry.slug) for entry in after.lock().models} | {(FLEET, OF_THE_RUN), ("other", "m")}
    assert settles(lambda: {(one["fleet"], one["model"]) for one in groups_at(gateway)} == expected)


def test_groups_that_are_not_driftgates_own_are_never_pruned(gateway, tmp_path):
    import httpx2

    for path in (f"job/driftgate/fleet/{FLEET}/model/gone/instance/a", f"job/another/fleet/{FLEET}/model/gone"):
        httpx2.put(f"{gateway}/metrics/{path}", content=b"a 1\n").raise_for_status()
    with Gateway(Endpoint(gateway)) as server:
        pushed = push(groups_of(night(tmp_path, models=1), Database.at(None, tmp_path)), server, prune=True)
    assert pushed.pruned == ()
    assert len(groups_at(gateway)) == 4


def test_a_model_that_is_called_all_does_not_overwrite_the_run(tmp_path):
    store = synthetic_run(tmp_path, models=1, names=("hf:all",), stories=(Story.CLEAN,))
    models = [group.model for group in groups_of(store, Database.at(None, tmp_path))]
    assert models == ["hf--all", OF_THE_RUN]


def test_metrics_prom_says_the_same_as_the_records(published):
    store, groups = published
    text = (store.root / "metrics.prom").read_text()
    by_model = {group.model: {(s.metric, s.labels): s.value for s in group.samples} for group in groups}
    assert len(text.splitlines()) > sum(len(samples) for samples in by_model.values())
    assert "_created" not in text
    for record in store.records():
        samples = by_model[record.model.slug]
        where = tuple((k, v) for k, v in (("target", record.target), ("variant", record.variant)) if v)
        cell = (("stage", record.stage), *where)
        assert samples["driftgate_stage_passed", cell] == record.passed
        assert samples["driftgate_stage_duration_seconds", cell] == record.duration_s
        if isinstance(record.payload, InferPayload):
            assert samples["driftgate_latency_seconds", (*where, ("stat", "p99"))] == record.payload.latency.p99
            assert samples["driftgate_throughput_samples_per_second", where] == record.payload.throughput
        if isinstance(record.payload, DriftPayload):
            worst = max(tensor.max_abs for tensor in record.payload.tensors)
            assert samples["driftgate_output_drift_max_abs", where] == worst
            assert samples["driftgate_output_within_tolerance", where] == record.passed


def test_findings_are_counted_by_rule_and_severity_and_those_that_are_not_there_are_0(stack, published):
    store, _ = published
    found = stack.prometheus.values(f'driftgate_findings{{fleet="{FLEET}"}}', "rule", "severity")
    assert found["unexpected", "error"] == len(store.findings().findings)
    assert found["new_break", "error"] == 0


def test_the_last_good_run_is_the_one_that_the_history_knows(published):
    _, groups = published
    run = {sample.metric: sample.value for sample in groups[-1].samples if not sample.labels}
    assert run["driftgate_last_good_run_timestamp_seconds"] == START.timestamp()
    assert run["driftgate_run_passed"] == 0
    assert run["driftgate_cycle_seconds"] == CYCLE_SECONDS


def test_a_fleet_that_was_never_good_has_no_last_good_run(tmp_path):
    run = groups_of(night(tmp_path), Database.at(None, tmp_path))[-1]
    assert "driftgate_last_good_run_timestamp_seconds" not in {sample.metric for sample in run.samples}


def test_a_failure_that_was_expected_is_told_apart_from_one_that_was_not(tmp_path):
    stories = (Story.CLEAN, Story.DRIFT, Story.TIMEOUT)
    store = synthetic_run(tmp_path, models=3, stories=stories, expected=(Story.DRIFT,))
    groups = groups_of(store, Database.at(None, tmp_path))
    found = [[s.value for s in group.samples if s.metric == "driftgate_stage_verdict"] for group in groups]
    assert found == [[], [VERDICT_CODES["expected"]], [VERDICT_CODES["timeout"]], []]


def test_a_run_that_is_not_judged_is_not_published(tmp_path):
    store = synthetic_run(tmp_path, models=1, judged=False)
    with pytest.raises(UsageError, match=f"not been judged; `driftgate gate --run {store.run_id}` first"):
        write_metrics(store, Database.at(None, tmp_path))


def test_the_counts_of_a_model_with_breaks_stand_beside_those_without(stack, published):
    store, _ = published
    counts = stack.prometheus.values(f'driftgate_graph_breaks{{fleet="{FLEET}"}}', "model")
    assert counts[model_of(store, Story.BREAKS),] == 17
    assert counts[model_of(store, Story.CLEAN),] == 0
    assert isinstance(store.plan(), Plan)
