"""Environments with other versions of one package, from wheels that are built here."""

import json
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from driftgate.core.errors import UsageError
from driftgate.diagnose.environments import Environments, UnbuildableError, installed
from driftgate.machine.cache_rooms import prune_benches
from driftgate.testing.planted import MODULE, PACKAGE, build_wheels

VERSIONS = {"1.0": "return 0", "1.2": "return 2", "1.10": "return 10", "2.0rc1": "return 20", "1.3": "return 3"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    return build_wheels(folder, VERSIONS, {"1.3": ["numpy<1"]})


@pytest.fixture
def place(tmp_path: Path, wheels: Path) -> Environments:
    return Environments(tmp_path / "environments", str(wheels), {"PIP_NO_INDEX": "1"})


def asked(python: Path, code: str) -> str:
    answer = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return answer.stdout.strip()


def test_the_asked_package_differs_and_nothing_else(place: Environments) -> None:
    python = place.build({PACKAGE: "1.2"})
    told = asked(
        python, f"import {MODULE} as m, numpy, driftgate; print(m.work(0), numpy.__file__, driftgate.__file__)"
    )
    import driftgate

    assert told == f"2 {numpy.__file__} {driftgate.__file__}"
    own = [path.name for path in python.parent.parent.glob("lib/python*/site-packages/*")]
    assert sorted(own) == sorted([f"{MODULE}-1.2.dist-info", f"{MODULE}.py", "__pycache__", "driftgate_behind.pth"])


def test_an_environment_is_built_once_and_whole(place: Environments, wheels: Path) -> None:
    python = place.build({PACKAGE: "1.2"})
    elsewhere = Environments(place.root, str(wheels.parent / "none"))
    assert elsewhere.build({PACKAGE.upper(): "1.2"}) == python, "a second time pip is not asked"
    assert place.build({PACKAGE: "1.10"}) != python
    assert not list(place.root.glob(".building-*"))


def test_what_is_installed_here_needs_no_environment(place: Environments) -> None:
    assert place.build({"NumPy": installed()["numpy"]}) == Path(sys.executable)
    assert not place.root.exists()


def test_a_version_that_would_move_another_package_is_refused_with_pips_reason(place: Environments) -> None:
    with pytest.raises(
        UnbuildableError, match=r"pip cannot install driftgate-planted==1\.3 beside the rest: .*numpy<1"
    ) as caught:
        place.build({PACKAGE: "1.3"})
    assert "\n" not in str(caught.value)
    assert list(place.root.iterdir()) == [], "nothing half-built stays"


def test_a_version_that_is_nowhere_is_refused_with_pips_reason(place: Environments) -> None:
    with pytest.raises(UnbuildableError, match=r"No matching distribution found for driftgate-planted==7\.7"):
        place.build({PACKAGE: "7.7"})


def test_the_range_is_in_the_order_of_versions_without_pre_releases(place: Environments) -> None:
    assert place.versions(PACKAGE, "1.0", "1.10") == ("1.0", "1.2", "1.3", "1.10")
    assert place.versions(PACKAGE, "1.2", "2.0rc1") == ("1.2", "1.3", "1.10", "2.0rc1")


@pytest.mark.parametrize(
    ("package", "first", "last", "said"),
    [
        (PACKAGE, "1.1", "1.10", "pip knows no driftgate-planted 1.1; did you mean '1.10'"),
        (PACKAGE, "1.10", "1.2", "is no range; the good version comes first"),
        (PACKAGE, "one", "1.2", "'one' is no version; for example 1.31.1"),
        ("driftgate-never-heard-of", "1", "2", "pip finds no 'driftgate-never-heard-of'"),
    ],
)
def test_a_range_that_is_none_says_what_mends_it(
    place: Environments, package: str, first: str, last: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        place.versions(package, first, last)
    assert said in str(caught.value)


def test_environments_are_bounded_in_size_the_least_recently_used_go(place: Environments) -> None:
    old, new = place.build({PACKAGE: "1.0"}), place.build({PACKAGE: "1.2"})
    place.build({PACKAGE: "1.0"})
    size = sum(path.lstat().st_size for path in old.parent.parent.rglob("*") if path.is_file())
    room, _ = prune_benches(place.root.parent, max_bytes=15 * size)
    assert room.removed_bytes > 0
    assert (old.exists(), new.exists()) == (True, False)


def test_an_environment_says_what_it_is_made_of(place: Environments) -> None:
    (told,) = place.build({PACKAGE: "1.2"}).parent.parent.glob("environment.json")
    document = json.loads(told.read_text())
    assert document["asked"] == {PACKAGE: "1.2"}
    assert document["here"]["torch"] == installed()["torch"]
