"""The queueing view: from service times to the load at which p99 breaks a limit."""

from pathlib import Path

import numpy as np
import pytest

from driftgate.core.errors import DamagedRecordError, UsageError
from driftgate.core.statistics import Samples
from driftgate.diagnose.queue import Question, read_samples, view
from driftgate.machine.samples import save_samples

MS = 1_000_000
TIMES = tuple(int(value * MS) for value in 10 + 4 * np.random.default_rng(0).random(400))


def test_each_load_has_three_accounts_and_the_measured_one_waits_less_than_the_guess():
    told = view(TIMES, "times", Question(loads=(20.0, 60.0)))
    light, heavy = told.loads
    assert [light.utilisation, heavy.utilisation] == pytest.approx([20 / told.capacity, 60 / told.capacity])
    for load in told.loads:
        low, high = load.simulated.p99.interval
        assert low <= load.simulated.p99.value <= high
        assert load.general.p99.value == pytest.approx(load.simulated.p99.value, rel=0.05)
        assert load.exponential.p99.value > 1.5 * load.general.p99.value
    assert heavy.simulated.p99.value > light.simulated.p99.value


@pytest.mark.parametrize("slower", [1, 1_000_000])
def test_without_loads_the_usual_utilisations_are_looked_at(slower: int):
    told = view([slower * time for time in TIMES], "times", Question())
    assert [round(load.utilisation, 2) for load in told.loads] == [0.3, 0.5, 0.7, 0.8, 0.9, 0.95]


def test_a_load_beyond_capacity_is_unstable_and_has_no_figures():
    (load,) = view(TIMES, "times", Question(loads=(500.0,))).loads
    assert (load.stable, load.simulated, load.general, load.exponential) == (False, None, None, None)
    assert load.utilisation > 1


def test_the_load_that_breaks_a_limit_is_where_p99_reaches_it():
    told = view(TIMES, "times", Question(loads=(1.0,), limit=0.050)).limit
    low, high = told.simulated.interval
    assert low < told.simulated.value < high
    assert told.general.value == pytest.approx(told.simulated.value, rel=0.02)
    at = view(TIMES, "times", Question(loads=(told.general.value,))).loads[0]
    assert at.general.p99.value == pytest.approx(0.050, rel=1e-3)


def test_a_limit_that_the_exponential_guess_cannot_meet_is_met_all_the_same():
    told = view(TIMES, "times", Question(loads=(1.0,), limit=0.030)).limit
    assert told.exponential is None  # 4.6 mean service times are more than the limit already
    assert told.simulated.value > 10


def test_a_limit_below_the_bare_service_time_says_so():
    told = view(TIMES, "times", Question(loads=(1.0,), limit=0.001)).limit
    assert told.simulated is None
    assert told.reason == "p99 of the bare service is 14 ms: no load keeps it within 1 ms"


def test_several_servers_carry_more_and_have_no_formula_for_quantiles():
    one, three = (view(TIMES, "times", Question(loads=(60.0,), servers=servers)) for servers in (1, 3))
    assert three.capacity == pytest.approx(3 * one.capacity)
    assert three.loads[0].simulated.p99.value < one.loads[0].simulated.p99.value
    assert three.loads[0].general.mean is not None
    assert three.loads[0].general.p99 is None
    assert any("as fast as the one measured" in note for note in three.notes)


def test_few_samples_are_noted_and_too_few_refused():
    assert any("too few for an interval" in note for note in view(TIMES[:100], "times", Question(loads=(1.0,))).notes)
    with pytest.raises(UsageError, match="29 service times are too few"):
        view(TIMES[:29], "times", Question())


# -- files -------------------------------------------------------------------------------------------------------


def test_samples_are_read_from_a_runs_file_from_json_and_from_lines(tmp_path: Path):
    save_samples(tmp_path / "samples.ort-cpu.npz", {"infer": Samples((1_000_000, 2_000_000), 0, "budget")})
    (tmp_path / "times.json").write_text("[0.001, 0.002]")
    (tmp_path / "times.txt").write_text("# service\n1\n\n2.0\n")
    assert read_samples(tmp_path / "samples.ort-cpu.npz", "s") == (1_000_000, 2_000_000)
    assert read_samples(tmp_path / "times.json", "s") == (1_000_000, 2_000_000)
    assert read_samples(tmp_path / "times.txt", "ms") == (1_000_000, 2_000_000)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"1\nfast\n", "a.txt:2: 'fast' is not a time"),
        ("a.txt", b"1\n-2\n", "a.txt:2: '-2' is not a time"),
        ("a.txt", b"nan\n", "'nan' is not a time"),
        ("a.txt", b"inf\n", "'inf' is not a time"),
        ("a.txt", b"\xff\xfe\x00", "is not text"),
        ("a.json", b"{}", "must be a list of numbers"),
        ("a.json", b"[1, true]", "item 2: 'True' is not a time"),
        ("a.json", b"[1, null]", "item 2: 'None' is not a time"),
        ("a.json", b"[1,", "not JSON"),
        ("a.json", b"[" * 100_000, "not JSON"),
    ],
)
def test_a_file_that_holds_no_times_is_told_with_its_place(tmp_path: Path, name: str, content: bytes, says: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_samples(tmp_path / name, "s")
    assert says in str(caught.value)


def test_a_damaged_samples_file_is_no_bug_of_the_caller(tmp_path: Path):
    (tmp_path / "samples.npz").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DamagedRecordError, match="holds no samples"):
        read_samples(tmp_path / "samples.npz", "s")


def test_a_samples_file_without_the_stream_says_so(tmp_path: Path):
    save_samples(tmp_path / "samples.npz", {"pre": Samples((1,), 0, "budget")})
    with pytest.raises(UsageError, match="no stream `infer`"):
        read_samples(tmp_path / "samples.npz", "s")


@pytest.mark.parametrize(("unit", "number"), [("ns", "0.4"), ("s", "1e300"), ("s", "1e12")])
def test_a_time_that_no_request_takes_is_a_mistake_in_the_unit(tmp_path: Path, unit: str, number: str):
    (tmp_path / "a.txt").write_text(f"1\n{number}\n")
    with pytest.raises(UsageError, match="is not the time of a request; .*--unit"):
        read_samples(tmp_path / "a.txt", unit)


def test_a_simulation_that_is_too_short_for_an_interval_says_so_and_claims_none():
    spiky = [MS] * 394 + [100 * MS] * 6
    capacity = 1e9 * len(spiky) / sum(spiky)
    told = view(spiky, "times", Question(loads=(0.5 * capacity, 0.95 * capacity), limit=2.0))
    light, heavy = told.loads
    assert light.simulated.p99.interval is not None
    assert heavy.simulated.p99.interval is None
    assert any(f"from {heavy.rps:.4g}/s on the simulation is too short" in note for note in told.notes)
    assert told.limit.simulated.interval is None
