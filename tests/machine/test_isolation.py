"""The parts of isolation that need no pool: logs, families, turns, the machine's lock, messages."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.core.errors import MachineryError
from driftgate.machine.isolation.family import children, descendants, proportional_bytes, resident_bytes
from driftgate.machine.isolation.line import Line
from driftgate.machine.isolation.log import BoundedLog, clean
from driftgate.machine.isolation.scratch import Scratch
from driftgate.machine.isolation.turns import MachineLock, Turns

# -- logs ------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=600), st.integers(1, 40))
def test_a_log_shows_printable_text_whatever_was_fed(data: bytes, step: int) -> None:
    log = BoundedLog(kept=100)
    for start in range(0, len(data), step):
        log.feed(data[start : start + step])

    text = log.text()
    assert all(c in "\n\t" or ord(c) >= 32 for c in text)
    assert "\x1b" not in text
    assert ("bytes cut here" in text) == (len(data) > 200)


def test_a_log_keeps_its_beginning_and_its_end() -> None:
    log = BoundedLog(kept=5)
    for letter in "abcdefghijklmnopqrstuvwxyz":
        log.feed(letter.encode())
    assert log.text() == "abcde\n[… 16 bytes cut here …]\nvwxyz"


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x1b\\", "link"),
        (" 1 %\r 50 %\r100 %\r\nnext", "100 %\nnext"),
        ("a\x00b\x08c\x9bd\te", "abcd\te"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_control_codes_go_and_text_stays(dirty: str, expected: str) -> None:
    assert clean(dirty) == expected


# -- families --------------------------------------------------------------------------------------------------------


def test_a_family_is_seen_with_all_its_generations_and_its_memory() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as child:
        give_up = time.monotonic() + 10
        while not (grandchildren := children(child.pid)) and time.monotonic() < give_up:
            time.sleep(0.01)

        assert set(descendants(os.getpid())) >= {child.pid, *grandchildren}
        assert child.pid not in descendants(os.getpid(), spare=lambda pid: pid == child.pid)
        assert grandchildren[0] not in descendants(os.getpid(), spare=lambda pid: pid == child.pid)
        assert 0 < proportional_bytes([child.pid]) <= resident_bytes(child.pid)
        child.communicate(b"\n")


def test_a_process_that_has_gone_has_no_family_and_no_memory() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert (children(child.pid), resident_bytes(child.pid), proportional_bytes([child.pid])) == ([], 0, 0)


# -- turns -----------------------------------------------------------------------------------------------------------


def test_workers_that_wait_make_room_until_enough_wait() -> None:
    turns = Turns(jobs=2)
    for name in "abcd":
        assert turns.room() > 0
        turns.admit(name)
        assert turns.want(name) is False
    assert turns.room() == 0
    granted = []
    while worker := turns.next(quiet=False):
        turns.grant(worker)
        assert turns.room() == 0
        granted.append(worker)
        turns.leave(worker)
    assert granted == ["a", "b", "c", "d"]
    assert turns.room() == 2


def test_nobody_has_the_machine_while_another_computes() -> None:
    turns = Turns(jobs=2)
    turns.admit("a")
    turns.admit("b")
    turns.want("a")
    assert turns.next(quiet=True) is None
    turns.leave("b")
    assert turns.next(quiet=False) is None
    assert turns.next(quiet=True) == "a"
    assert turns.room() == 0


def test_whoever_has_the_machine_may_ask_again_and_keeps_it() -> None:
    turns = Turns(jobs=1)
    turns.admit("a")
    turns.want("a")
    turns.grant("a")
    assert turns.want("a") is True
    turns.leave("a")
    assert turns.room() == 1


@given(st.integers(1, 4), st.lists(st.tuples(st.sampled_from(["admit", "want", "leave", "next"]), st.integers(0, 7))))
def test_turns_never_mix_timing_and_computing_and_never_get_stuck(jobs: int, steps: list[tuple[str, int]]) -> None:
    turns, alive, serial = Turns(jobs), [], 0
    for step, which in steps:
        if step == "admit" and turns.room() > 0:
            serial += 1
            turns.admit(str(serial))
            alive.append(str(serial))
        elif step == "want" and alive:
            turns.want(alive[which % len(alive)])
        elif step == "leave" and alive:
            turns.leave(alive.pop(which % len(alive)))
        elif step == "next" and (worker := turns.next(quiet=True)):
            turns.grant(worker)
        assert not (turns.timing and turns.computing)
        assert sum(map(turns.waits, alive)) <= max(2, 2 * jobs)
    while alive:
        if (worker := turns.next(quiet=True)) is not None:
            turns.grant(worker)
        done = next(name for name in alive if not turns.waits(name))
        alive.remove(done)
        turns.leave(done)
    assert turns.room() == jobs


# -- the machine's lock ----------------------------------------------------------------------------------------------


def test_two_may_share_the_machine_and_one_may_have_it_alone(tmp_path: Path) -> None:
    one, other = MachineLock(tmp_path / "locks"), MachineLock(tmp_path / "locks")
    assert one.share()
    assert other.share()
    assert not one.exclude()
    other.release()
    assert one.exclude()
    assert not other.share()
    one.release()
    assert other.exclude()


def test_whoever_waits_to_take_times_is_not_kept_waiting_by_newcomers(tmp_path: Path) -> None:
    one, other, third = (MachineLock(tmp_path / "locks") for _ in range(3))
    assert one.share()
    assert not other.exclude()
    assert not one.share(), "no new work while another waits in the turnstile"
    assert not third.exclude()
    one.release()
    assert not third.share()
    assert other.exclude()


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    for name in ("open", "link"):
        with pytest.raises(MachineryError, match="belongs to you alone"):
            MachineLock(tmp_path / name)


# -- temporary folders -----------------------------------------------------------------------------------------------


def test_a_folder_goes_with_its_owner_and_that_of_a_killed_one_with_the_next(tmp_path: Path) -> None:
    script = "import os, sys, pathlib; from driftgate.machine.isolation.scratch import Scratch\n"
    script += "scratch = Scratch(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "pools")], check=False)
    assert len(list((tmp_path / "pools").iterdir())) == 1

    one, other = Scratch(tmp_path / "pools"), Scratch(tmp_path / "pools")
    assert set((tmp_path / "pools").iterdir()) == {one.path, other.path}
    one.close()
    other.close()
    assert not list((tmp_path / "pools").iterdir())


# -- messages --------------------------------------------------------------------------------------------------------


def test_messages_keep_their_boundaries_and_a_broken_line_is_noticed() -> None:
    one, other = Line.pair()
    one.send({"a": 1})
    one.send({"b": [2, None]})
    one.close()
    assert [other.receive(), other.receive(), other.receive()] == [{"a": 1}, {"b": [2, None]}, None]
    with pytest.raises(BrokenPipeError):
        other.send({"c": 3})
    other.close()


def test_last_words_are_heard_from_an_end_that_went_without_listening() -> None:
    one, other = Line.pair()
    one.send({"unread": True})
    other.send({"last": "words"})
    other.close()
    assert [one.receive(), one.receive()] == [{"last": "words"}, None]
    one.close()
