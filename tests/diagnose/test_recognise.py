"""What the scripts recognise is what Driftgate recorded: the same events give the same fingerprints."""

import importlib.util
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from breaks import blocks, calls, nested, regions, sizes, values
from breaks.corpus import CASES, Case
from driftgate.core.fingerprints import fingerprint
from driftgate.core.records import Failure
from driftgate.core.verdicts import FailureKind
from driftgate.diagnose.repro.script import recogniser
from driftgate.stages.blame import failure_of
from driftgate.stages.explaining.counting import count_breaks
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.loading import Ready

assert all((blocks, calls, nested, regions, sizes, values))
SOME = [pytest.param(case, id=case.name, marks=() if n % 6 == 0 else pytest.mark.full) for n, case in enumerate(CASES)]


@pytest.fixture(scope="module")
def recognise(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module that lies beside the scripts."""
    path = tmp_path_factory.mktemp("repro") / "recognise.py"
    path.write_text(recogniser())
    spec = importlib.util.spec_from_file_location("recognise", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("case", SOME)
def test_every_break_of_the_corpus_has_the_fingerprint_of_its_record(case: Case, recognise: ModuleType) -> None:
    torch._dynamo.reset()
    heard = recognise.Breaks()
    try:
        payload = count_breaks(Ready(case.model().eval(), ModelInputs(first={"x": case.x})))
    finally:
        recognise.logging.getLogger("torch.__trace").removeHandler(heard)
    recorded: Counter[str] = Counter()
    for seen in payload.breaks:
        recorded[seen.fingerprint] += seen.count
    assert Counter(mark for mark, _ in heard.found) == recorded, [line for _, line in heard.found]
    assert heard.frames


def plain() -> None:
    raise ValueError(
        "\x1b[31mno\x1b[0m file /home/me/.venv/lib/python3.11/site-packages/x/y.py at 0x7f00, line 12, u0 of 123456"
    )


def chained() -> None:
    try:
        plain()
    except ValueError as error:
        raise RuntimeError("export failed") from error


def in_another() -> None:
    try:
        plain()
    except ValueError:
        {}["key"]


def hidden() -> None:
    try:
        plain()
    except ValueError:
        raise RuntimeError("this alone") from None


def silent() -> None:
    raise NotImplementedError


def raised_by(fail: Callable[[], None]) -> Exception:
    try:
        fail()
    except Exception as error:  # noqa: BLE001 - which one it is, is the case
        return error
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("fail", [plain, chained, in_another, hidden, silent])
def test_a_failure_has_the_fingerprint_of_its_record(
    fail: Callable[[], None], recognise: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    error = raised_by(fail)
    told = failure_of(error, FailureKind.COMPILE, "torch._dynamo.explain failed")
    recorded = Failure.of(told.kind, told.message)
    known = {"kind": "compile", "doing": "torch._dynamo.explain failed", "recipe": "deepest"}
    assert recognise.judge(error, expected=recorded.fingerprint, **known) == 1
    assert recognise.judge(error, expected="0" * 16, **known) == 3
    assert f"fingerprint {recorded.fingerprint} as in the run" in capsys.readouterr().out


def test_texts_are_normalised_alike(recognise: ModuleType) -> None:
    for text in ("a  b\n", "C:\\x\\y.py:12", "'/a/b/c.py', line 3", "s0*u12 + 123456 at 0xdeadBEEF", "\ud800"):
        assert recognise.fingerprint("compile", text) == fingerprint("compile", text)


@pytest.mark.parametrize(
    ("kind", "work", "code"),
    [
        ("signal", "os.kill(os.getpid(), 11)", 1),
        ("exit_no_record", "os._exit(0)", 1),
        ("time_limit", "time.sleep(100)", 1),
        ("memory_limit", "block = b'x' * 200_000_000; time.sleep(100)", 1),
        ("signal", "pass", 0),
        ("signal", "os._exit(0)", 3),
        ("signal", "1 / 0", 3),
        ("exit_no_record", "sys.exit(2)", 2),
    ],
)
def test_a_process_that_did_not_come_to_its_end_is_told_by_how_it_ended(
    kind: str, work: str, code: int, recognise: ModuleType, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    folder = os.fspath(Path(recognise.__file__ or "").parent)
    script.write_text(
        f"import os, sys, time\nsys.path.append({folder!r})\nfrom recognise import alone\ndef work():\n    {work}\nalone(work)\n"
    )
    seconds = 2 if kind == "time_limit" else 60
    assert recognise.watch(str(script), kind, seconds, 150_000_000) == code


def test_the_end_of_a_child_is_the_same_word_as_in_a_record() -> None:
    assert {"signal", "exit_no_record", "time_limit", "memory_limit"} <= {kind.value for kind in FailureKind}
    assert set(re.findall(r'"(\w+_limit|signal|exit_no_record)"', recogniser())) <= {kind.value for kind in FailureKind}
