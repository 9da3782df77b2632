"""`python:module:*`: every factory of a module, as its text says."""

import contextlib

import pytest

from driftgate.cli import run_command
from driftgate.core.errors import UsageError
from driftgate.machine.settings import Settings
from driftgate.sources.resolve import resolve

TEXT = """
raise SystemExit("nobody imports this to list it")

def tiny_linear(): ...
def tiny_conv(width=4, *, bias=True): ...
def large(): ...
def _helper(): ...
def needs(width): ...
def needs_too(*, width): ...
class Tiny: ...
"""


def refs(*models):
    return [entry.ref for entry in resolve(Settings(models=models), lambda *position: "mine.yaml").models]


@pytest.fixture
def here(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "nets.py").write_text(TEXT)
    (tmp_path / "parts.py").write_text("def never_imported(): ...")
    (tmp_path / "parts" / "__init__.py").write_text("def whole(): ...")
    (tmp_path / "broken.py").write_text("def (")
    with contextlib.chdir(tmp_path):
        yield


def test_a_star_stands_for_every_public_function_that_takes_nothing(here):
    assert refs("python:parts.nets:*") == [
        f"python:parts.nets:{name}" for name in ("tiny_linear", "tiny_conv", "large")
    ]
    assert refs("python:parts:*") == ["python:parts:whole"]
    assert refs("python:parts.nets:tiny_*") == ["python:parts.nets:tiny_linear", "python:parts.nets:tiny_conv"]


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        (
            "python:parts.nets:huge*",
            r"mine.yaml: python:parts.nets:huge\* stands for no model; a factory is a function",
        ),
        ("python:parts.net:*", r"mine.yaml: there is no source file of the module 'parts.net'"),
        ("python:broken:*", r"mine.yaml: .*broken.py cannot be read as Python"),
        ("python:../nets:*", r"is not a valid reference; the form is python:package.module:factory"),
    ],
)
def test_a_pattern_for_nothing_says_why(here, pattern, told):
    with pytest.raises(UsageError, match=told):
        refs(pattern)


def test_a_question_about_one_model_takes_no_pattern_of_factories(here, capfd):
    assert run_command(["explain", "python:parts.nets:*"]) == 2
    assert "python:parts.nets:* stands for many models" in capfd.readouterr().err
