"""Commits checked out beside the user's own tree."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from driftgate.core.errors import UsageError
from driftgate.diagnose.worktrees import commits_between, worktrees


def git(folder: Path, *arguments: str) -> str:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b.c",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b.c",
    }
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | identity).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Five commits, each of which changes `package/sums.py`; the user stands in `package` with changes of their own."""
    folder = tmp_path / "code"
    (folder / "package").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for number in range(5):
        (folder / "package" / "sums.py").write_text(f"VERSION = {number}\n")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", f"change {number}")
    (folder / "package" / "sums.py").write_text("VERSION = 'not committed'\n")
    return folder


def test_the_range_begins_with_the_good_commit(repository: Path) -> None:
    found = commits_between("HEAD~3..HEAD", repository)
    assert [one.label.partition(" ")[2] for one in found] == ["change 1", "change 2", "change 3", "change 4"]
    assert found[0].sha == git(repository, "rev-parse", "HEAD~3")


def test_a_commit_runs_in_its_own_tree_and_leaves_the_users_alone(repository: Path) -> None:
    (repository / ".git" / "hooks" / "post-checkout").write_text("#!/bin/sh\ntouch hooked\n")
    (repository / ".git" / "hooks" / "post-checkout").chmod(0o755)
    before = git(repository, "status", "--porcelain")
    with worktrees(repository / "package") as trees:
        folder, variables = trees.check_out(git(repository, "rev-parse", "HEAD~2"))
        assert (folder / "sums.py").read_text() == "VERSION = 2\n"
        assert variables["GIT_COMMIT"] == git(repository, "rev-parse", "HEAD~2")
        assert folder.name == "package"
        assert not (folder.parent / "hooked").exists(), "no hook of the repository is run"
    assert not folder.exists()
    assert git(repository, "worktree", "list").count("\n") == 0
    assert git(repository, "status", "--porcelain") == before
    assert (repository / "package" / "sums.py").read_text() == "VERSION = 'not committed'\n"


def test_what_python_imports_from_the_repository_is_led_to_the_tree(repository: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from driftgate.diagnose.worktrees import worktrees\n"
        "with worktrees(Path.cwd()) as trees: print(trees.check_out(sys.argv[1])[1]['PYTHONPATH'])"
    )
    paths = os.pathsep.join([str(repository / "package"), "/elsewhere"])
    answer = subprocess.run(
        [sys.executable, "-P", "-c", code, git(repository, "rev-parse", "HEAD~1")],
        cwd=repository, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    first, second = answer.stdout.strip().split(os.pathsep)
    assert first.endswith("/package")
    assert not first.startswith(str(repository))
    assert second == "/elsewhere"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("HEAD", "'HEAD' is no range; for example v1.0..HEAD"),
        ("HEAD..HEAD~2", "HEAD is no ancestor of HEAD~2; the good one comes first"),
        ("never..HEAD", "git: fatal: Needed a single revision"),
        ("--all..HEAD", "is no range"),
    ],
)
def test_a_range_that_is_none_says_so(repository: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        commits_between(text, repository)
    assert said in str(caught.value)


def test_a_folder_without_git_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a git repository"):
        commits_between("a..b", tmp_path)
