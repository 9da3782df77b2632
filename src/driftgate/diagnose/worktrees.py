"""Commits of the code under test, checked out beside the user's own tree, which is never touched.

Each commit gets a `git worktree` in a temporary folder that goes when the block ends. Folders of the repository that Python imports from
(an editable installation, PYTHONPATH) are led to the same folders of the working tree.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import driftgate
from driftgate.core.errors import MachineryError, UsageError, one_line

MOST_COMMITS = 10_000
_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
_RANGE = re.compile(r"(?P<good>[^.\s-][^\s]*?)\.\.(?P<bad>[^.\s-][^\s]*)")


@dataclass(frozen=True)
class Commit:
    """A commit's full hash, and how people know it: the short one and its subject."""

    sha: str
    label: str


def commits_between(text: str, folder: Path) -> tuple[Commit, ...]:
    """GOOD..BAD: the good commit and every one after it up to the bad one, along first parents, oldest first. Raises UsageError."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text[:80]!r} is no range", where="--git", mend="for example v1.0..HEAD")
    good, bad = (_commit(match[end], folder) for end in ("good", "bad"))
    between = _git(folder, "rev-list", "--first-parent", "--reverse", f"^{good}", bad).split()
    if not between or _git(folder, "merge-base", good, bad).strip() != good:
        raise UsageError(
            f"{match['good']} is no ancestor of {match['bad']}", where="--git", mend="the good one comes first"
        )
    if len(between) >= MOST_COMMITS:
        raise UsageError(f"{text} has more than {MOST_COMMITS:,} commits", where="--git", mend="give a nearer good one")
    told = _git(folder, "log", "--no-walk=unsorted", "--format=%h %s", good, *between).splitlines()
    return tuple(Commit(sha, one_line(line)[:80]) for sha, line in zip((good, *between), told, strict=True))


@dataclass
class Worktrees:
    """Working trees of a repository by commit; `folder` is where the user stands in it. Made by `worktrees`."""

    folder: Path
    top: Path
    room: Path
    _made: dict[str, Path] = field(default_factory=dict)

    def check_out(self, sha: str) -> tuple[Path, dict[str, str | None]]:
        """The folder of that commit in which to run, and the variables that lead Python there. Raises UsageError."""
        if sha not in self._made:
            place = self.room / sha
            _git(self.top, *_NO_HOOKS, "worktree", "add", "--quiet", "--detach", "--force", str(place), sha)
            self._made[sha] = place
        tree = self._made[sha]
        folder = tree / self.folder.relative_to(self.top)
        if not folder.is_dir():
            raise UsageError(f"commit {sha[:12]} has no folder {self.folder.relative_to(self.top)}", where="--git")
        return folder, {"PYTHONPATH": os.pathsep.join(self._paths(tree)) or None, "GIT_COMMIT": sha}

    def _paths(self, tree: Path) -> Iterator[str]:
        """What Python imports from, the repository's own folders as they are in the working tree; never another Driftgate."""
        ours = Path(driftgate.__file__).resolve().parents[1]
        before = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        for entry in dict.fromkeys([*before, *sys.path]):
            path = Path(entry).resolve()
            inside = path.is_relative_to(self.top) and path != ours and "site-packages" not in path.parts
            if inside and (tree / path.relative_to(self.top)).is_dir():
                yield str(tree / path.relative_to(self.top))
            elif entry in before:
                yield entry

    def remove(self) -> None:
        """Take every working tree away."""
        for tree in self._made.values():
            _git(self.top, "worktree", "remove", "--force", "--force", str(tree))


@contextmanager
def worktrees(folder: Path) -> Iterator[Worktrees]:
    """Working trees of the repository that `folder` is in, for as long as the block lasts. Raises UsageError where there is none."""
    top = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
    with tempfile.TemporaryDirectory(prefix="driftgate-worktrees-") as room:
        made = Worktrees(folder.resolve(), top.resolve(), Path(room))
        try:
            yield made
        finally:
            made.remove()


def _commit(name: str, folder: Path) -> str:
    return _git(folder, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}").strip()


def _git(folder: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=600,
            check=False,
        )
    except FileNotFoundError as error:
        raise UsageError("git is not installed", where="--git") from error
    except subprocess.TimeoutExpired as error:
        raise MachineryError(f"git {arguments[0]} did not end within 10 minutes") from error
    if answer.returncode != 0:
        last = answer.stderr.strip().splitlines()[-1:] or ["no message"]
        raise UsageError(one_line(f"git: {last[0]}")[:300], where="--git")
    return answer.stdout
