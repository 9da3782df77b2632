"""Event logs arrive in Loki: all of it, in order, whatever the server or the machine does."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.machine.backlog import Backlog, backlogs, counts
from driftgate.machine.store import RunStore
from driftgate.sinks.delivery import Shipper
from driftgate.sinks.endpoint import Endpoint
from driftgate.sinks.entries import BATCH_RECORDS
from driftgate.sinks.shipping import Shipped, ship
from driftgate.testing.loki import Fault, LokiDouble
from sinks.log_lines import event_line, event_lines, minutes_ago, run_with_logs

PASSING = [Fault.RESET, Fault.SLOW, Fault.HANG, Fault.TOO_MANY, Fault.ERROR, Fault.ODD, Fault.DIES, Fault.DIES_AFTER]
ANSWER_SECONDS = 3.0
"""Long enough for every answer that comes, on a busy machine too: how often a batch is repeated is counted."""
SENDER = """
import sys
from pathlib import Path
from driftgate.machine.store import RunStore
from driftgate.sinks.delivery import Shipper
from driftgate.sinks.endpoint import Endpoint
shipper = Shipper(Endpoint(sys.argv[2]), lambda seconds: True, patience_s=60, attempt_s=float(sys.argv[3]))
problem = shipper.send(RunStore(Path(sys.argv[1])))
sys.exit(problem)
"""


def send(store: RunStore, loki: LokiDouble, **environment: str) -> Shipped:
    shipped = ship(store, patience_s=5, environment={"DRIFTGATE_LOKI_URL": loki.url} | environment)
    assert shipped is not None
    return shipped


def send_at_once(store: RunStore, loki: LokiDouble) -> Shipper:
    """Without pauses."""
    shipper = Shipper(Endpoint(loki.url), lambda seconds: True, patience_s=60, attempt_s=ANSWER_SECONDS)
    assert shipper.send(store) is None
    return shipper


def assert_in_order(loki: LokiDouble) -> None:
    for stream in loki.streams().values():
        times = [entry.nanoseconds for entry in stream]
        assert times == sorted(times)


def test_a_record_arrives_with_its_own_time_few_labels_and_the_rest_as_metadata(tmp_path: Path) -> None:
    began = minutes_ago(30)
    line = event_line(began, 1, kind="GB0059", message="a reason")
    store = run_with_logs(tmp_path, began, {"agent-1": [line]})
    with LokiDouble() as loki:
        assert send(store, loki).sentence(Path("outputs/RUN"), "RUN") == "logs: 1 record sent to Loki"
    (entry,) = loki.entries
    assert entry.nanoseconds == round(began.timestamp() * 1e6) * 1000
    assert dict(entry.labels) == {"app": "driftgate", "level": "info", "stage": "infer", "target": "ort-cpu"}
    metadata = dict(entry.metadata)
    assert metadata["model"] == "acme--tiny-1"
    assert metadata["kind"] == "GB0059"
    assert metadata["run_id"] == "20261122T021500Z-3f9a1c"
    assert entry.line.encode() + b"\n" == line


def test_five_thousand_records_arrive_through_every_fault(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(10), {"agent-1": event_lines(5000, minutes_ago(10))})
    with LokiDouble(faults={2 * number: fault for number, fault in enumerate(PASSING)}) as loki:
        shipper = send_at_once(store, loki)
    assert shipper.sent == len(loki.entries) == 5000
    assert loki.duplicates == BATCH_RECORDS  # of the one batch that was stored without an answer
    assert loki.largest == BATCH_RECORDS
    assert_in_order(loki)


def test_a_killed_sender_repeats_one_batch_at_most(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(10), {"agent-1": event_lines(3000, minutes_ago(10))})
    with LokiDouble(faults=lambda number: Fault.SLOW, slow_s=0.02) as loki:
        kill_after(store, loki, requests=3)
        assert 0 < len(loki.entries) < 3000
        assert sum(agent.waiting for agent in counts(store)) > 0
        send_at_once(store, loki)
    assert len(loki.entries) == 3000
    assert loki.duplicates <= BATCH_RECORDS
    assert_in_order(loki)


@pytest.mark.full
def test_a_hundred_thousand_records_arrive_through_twenty_faults_and_a_kill(tmp_path: Path) -> None:
    began, random = minutes_ago(100), Random(6)
    lines = event_lines(100_000, began, step=0.05)
    store = run_with_logs(tmp_path, began, {"agent-1": lines[:60_000], "agent-2": lines[60_000:]})
    when = random.sample(range(200), 20)
    with LokiDouble(faults={number: random.choice(PASSING) for number in when}) as loki:
        kill_after(store, loki, requests=random.randrange(20, 180))
        send_at_once(store, loki)
    repeated = sum(fault is Fault.DIES_AFTER for number, fault in dict(loki.faults).items()) + 1
    assert len(loki.entries) == 100_000
    assert loki.duplicates <= repeated * BATCH_RECORDS
    assert_in_order(loki)


def sender(store: RunStore, loki: LokiDouble) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SENDER, str(store.root), loki.url, str(ANSWER_SECONDS)])


def kill_after(store: RunStore, loki: LokiDouble, *, requests: int) -> None:
    """A sender in a process of its own, killed as soon as it has sent so many requests."""
    process = sender(store, loki)
    while loki.requests < requests and process.poll() is None:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_what_is_written_while_it_is_sent_is_sent_too_and_nothing_twice(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(5), {"agent-1": event_lines(10, minutes_ago(5))})
    with LokiDouble() as loki:
        send(store, loki)
        with store.events_path("agent-1").open("ab") as log:
            log.write(event_line(minutes_ago(1), 77) + b'{"time": "half a li')
        assert send(store, loki).sent == 1
        assert send(store, loki).sent == 0
    assert loki.duplicates == 0
    assert "77" in loki.entries[-1].line


def test_the_backlog_of_older_runs_goes_first_and_agents_are_woven_by_time(tmp_path: Path) -> None:
    old, new = minutes_ago(600), minutes_ago(20)
    run_with_logs(tmp_path, old, {"agent-1": event_lines(40, old)})
    late = new + timedelta(seconds=1)
    store = run_with_logs(
        tmp_path, new, {"a": event_lines(40, late, step=1), "b": event_lines(40, new, step=1, agent="b")}
    )
    with LokiDouble() as loki:
        assert send(store, loki).sent == 120
    assert_in_order(loki)
    assert not any(agent.dropped for agent in counts(store))


def test_a_run_is_not_sent_with_an_older_one(tmp_path: Path) -> None:
    older = run_with_logs(tmp_path, minutes_ago(60), {"a": event_lines(5, minutes_ago(60))})
    newer = run_with_logs(tmp_path, minutes_ago(10), {"a": event_lines(5, minutes_ago(10))})
    with LokiDouble() as loki:
        assert send(older, loki).sent == 5
    assert [agent.waiting for agent in counts(newer)] == [5]


def test_what_is_too_old_for_loki_is_counted_and_stays_on_disk(tmp_path: Path) -> None:
    began = minutes_ago(8 * 24 * 60)
    lines = [*event_lines(30, began), *event_lines(3, minutes_ago(1))]
    store = run_with_logs(tmp_path, began, {"agent-1": lines})
    with LokiDouble() as loki:
        shipped = send(store, loki)
    assert (
        shipped.sentence(Path("outputs/RUN"), "RUN")
        == "logs: 3 records sent to Loki; 30 that it will never take stay on disk"
    )
    assert [(agent.sent, agent.dropped, agent.waiting) for agent in counts(store)] == [(3, 30, 0)]
    assert store.events_path("agent-1").read_bytes() == b"".join(lines)


def test_a_backlog_that_comes_behind_newer_records_is_given_up_without_asking_about_each(tmp_path: Path) -> None:
    early = minutes_ago(300)
    store = run_with_logs(tmp_path / "one", early, {"a": event_lines(2000, early)})
    newer = run_with_logs(tmp_path / "other", minutes_ago(5), {"b": event_lines(20, minutes_ago(5))})
    with LokiDouble() as loki:
        send(newer, loki)
        assert send(store, loki).dropped == 2000
    assert loki.requests < 100


def test_refused_records_are_set_aside_with_the_servers_words_and_the_others_arrive(tmp_path: Path) -> None:
    lines = event_lines(1200, minutes_ago(10))
    lines[700] = event_line(minutes_ago(-60), 700)  # an hour ahead
    lines[900] = b"no event\n"
    lines[901] = b"\n"
    store = run_with_logs(tmp_path, minutes_ago(10), {"agent-1": lines})
    with LokiDouble() as loki:
        shipped = send(store, loki)
    assert (shipped.sent, shipped.dropped, shipped.waiting) == (1197, 2, 0)
    assert len(loki.entries) == 1197
    aside = backlogs(store)[0].refused_path.read_text()
    assert "timestamp too new" in aside
    assert "no event" in aside
    assert_in_order(loki)


def test_a_server_that_takes_nothing_is_left_alone_until_it_is_mended(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(10), {"agent-1": event_lines(1200, minutes_ago(10))})
    words = "stream '{app=\"driftgate\"}' includes structured metadata, but this feature is disallowed"
    with LokiDouble(disallowed=words) as loki:
        shipped = send(store, loki)
        assert (shipped.sent, shipped.dropped, shipped.waiting) == (0, 0, 1200)
        assert shipped.problem is not None
        assert shipped.problem.endswith(f"400 Bad Request: {words}")
        assert loki.requests < 100
        loki.disallowed = ""
        assert send(store, loki).sent == 1200
    assert not backlogs(store)[0].refused_path.exists()


def test_one_bad_record_waits_until_the_server_has_taken_another_one(tmp_path: Path) -> None:
    bad = run_with_logs(tmp_path, minutes_ago(20), {"a": [event_line(minutes_ago(-60), 1)]})
    with LokiDouble() as loki:
        shipped = send(bad, loki)
        assert shipped.problem is not None
        assert "timestamp too new" in shipped.problem
        good = run_with_logs(tmp_path, minutes_ago(10), {"a": event_lines(3, minutes_ago(10))})
        sentence = send(good, loki).sentence(Path("outputs/RUN"), "RUN")
    assert sentence.startswith(
        "logs: 3 records sent to Loki; 1 that it will never take stay on disk: 400 Bad Request: "
    )
    assert [agent.waiting for agent in counts(bad)] == [0]


def test_a_line_that_is_too_long_for_loki_is_shortened(tmp_path: Path) -> None:
    long = event_line(minutes_ago(1), 1, message="x" * 300_000, hints=["y"] * 10)
    store = run_with_logs(tmp_path, minutes_ago(1), {"agent-1": [long]})
    with LokiDouble() as loki:
        assert send(store, loki).sent == 1
    (entry,) = loki.entries
    assert '"shortened": true' in entry.line
    assert len(entry.line) < 10_000


@pytest.mark.parametrize(
    ("path", "faults", "words"),
    [
        ("/wrong", {}, "404 Not Found: 404 page not found; is DRIFTGATE_LOKI_URL a Loki?"),
        ("", dict.fromkeys(range(99), Fault.ERROR), "500 Internal Server Error: at least 1 live replicas required"),
        ("", dict.fromkeys(range(99), Fault.ODD), "200 OK: <html> (Loki answers 204 to what it has stored)"),
        ("", dict.fromkeys(range(99), Fault.HANG), "no answer within"),
        ("", dict.fromkeys(range(99), Fault.TOO_MANY), "429 Too Many Requests: Ingestion rate limit exceeded"),
    ],
)
def test_trouble_is_told_in_the_servers_words_and_nothing_is_lost(
    tmp_path: Path, path: str, faults: dict[int, Fault], words: str
) -> None:
    store = run_with_logs(tmp_path, minutes_ago(1), {"agent-1": event_lines(3, minutes_ago(1))})
    with LokiDouble(faults=faults) as loki:
        shipped = ship(store, patience_s=0.7, environment={"DRIFTGATE_LOKI_URL": loki.url + path})
        assert shipped is not None
        assert shipped.problem is not None
        assert words in shipped.problem
        assert shipped.sentence(Path("outputs/RUN"), "RUN").startswith("3 log records wait in outputs/RUN/agents: ")
        loki.faults = {}
        assert send(store, loki).sent == 3


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(1), {"agent-1": event_lines(1, minutes_ago(1))})
    shipped = ship(store, patience_s=0.3, environment={"DRIFTGATE_LOKI_URL": "http://127.0.0.1:1"})
    assert shipped is not None
    assert shipped.sentence(Path("outputs/RUN"), "RUN") == (
        "1 log record waits in outputs/RUN/agents: http://127.0.0.1:1/loki/api/v1/push: Connection refused; "
        "`driftgate publish --run RUN` sends them"
    )


def test_wrong_credentials_are_not_tried_again_and_right_ones_send_everything(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(1), {"agent-1": event_lines(3, minutes_ago(1))})
    (tmp_path / "password").write_text("right\n")
    with LokiDouble(credentials=("driftgate", "right")) as loki:
        wrong = send(store, loki, DRIFTGATE_LOKI_USER="driftgate", DRIFTGATE_LOKI_PASSWORD="hush-hush")
        assert loki.requests == 1
        assert wrong.problem is not None
        assert (
            "401 Unauthorized: no credentials provided, or wrong ones; check DRIFTGATE_LOKI_USER and" in wrong.problem
        )
        assert "hush-hush" not in repr(wrong)
        right = {"DRIFTGATE_LOKI_USER": "driftgate", "DRIFTGATE_LOKI_PASSWORD_FILE": str(tmp_path / "password")}
        assert send(store, loki, **right).sent == 3


def test_without_a_url_nothing_is_sent_and_nothing_is_written(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(1), {"agent-1": event_lines(3, minutes_ago(1))})
    assert ship(store, environment={}) is None
    assert not Backlog(store.events_path("agent-1")).cursor_path.exists()


def test_one_process_sends_at_a_time(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(1), {"agent-1": event_lines(3, minutes_ago(1))})
    with LokiDouble(faults=lambda number: Fault.HANG) as loki:
        other = sender(store, loki)
        while not loki.requests:
            time.sleep(0.01)
        shipped = ship(store, patience_s=0.3, environment={"DRIFTGATE_LOKI_URL": loki.url})
        other.kill()
        other.wait()
        loki.faults = {}
        assert shipped is not None
        assert shipped.problem == f"another process sends from {tmp_path}"
        assert send(store, loki).sent == 3  # the kernel has released the lock


def test_the_flush_at_the_end_of_a_run_has_an_end_though_loki_takes_everything(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(5), {"agent-1": event_lines(6 * BATCH_RECORDS, minutes_ago(5))})
    with LokiDouble(faults=lambda number: Fault.SLOW, slow_s=0.3) as loki:
        shipped = ship(store, total_s=1.0, environment={"DRIFTGATE_LOKI_URL": loki.url})
    assert shipped is not None
    assert shipped.problem == "there was no time for more"
    assert 0 < shipped.waiting < 6 * BATCH_RECORDS


def test_a_folder_that_cannot_be_written_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(1), {"agent-1": event_lines(3, minutes_ago(1))})
    (tmp_path / ".shipping.lock").symlink_to("/nowhere/else")
    with LokiDouble() as loki:
        shipped = send(store, loki)
    assert shipped.problem is not None
    assert ".shipping.lock" in shipped.problem
    assert shipped.waiting == 3


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.dictionaries(
    st.sampled_from(["stage", "level", "target", "model", "kind", "message", "time"]) | st.text(max_size=9), ANYTHING
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, max_size=8))
def test_whatever_stands_in_a_log_the_records_around_it_arrive(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    first, last = event_line(minutes_ago(2), 1), event_line(minutes_ago(1), 2)
    moments = [minutes_ago(2 - number / 10).isoformat() for number in range(len(rows))]
    timed = [{"time": moment} | row for moment, row in zip(moments, rows, strict=True)]
    lines = [first, *(json.dumps(row).encode() + b"\n" for row in timed), last]
    with TemporaryDirectory(dir=tmp_path) as folder, LokiDouble() as loki:
        store = run_with_logs(Path(folder), minutes_ago(3), {"agent-1": lines})
        shipped = send(store, loki)
    assert shipped.sent + shipped.dropped == len(lines)
    assert shipped.dropped <= sum("time" in row for row in rows)
    assert {first.decode().strip(), last.decode().strip()} <= {entry.line for entry in loki.entries}
    assert_in_order(loki)
