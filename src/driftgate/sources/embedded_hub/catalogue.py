"""The models of a folder, as git would see them: files, blob hashes, one commit each.

Nothing is read until it is asked for, and each file is hashed once for a given size and modification time.
A request never becomes a path: names are looked up among those that a walk of the folder found.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from driftgate.sources.embedded_hub.card import Card, read_card

LFS_SIZE = 10_000_000  # the Hub refuses larger files in plain git
LFS_SUFFIXES = frozenset(
    {
        ".7z", ".arrow", ".bin", ".bz2", ".ckpt", ".ftz", ".gz", ".h5", ".joblib", ".mlmodel", ".model", ".msgpack",
        ".npy", ".npz", ".onnx", ".ot", ".parquet", ".pb", ".pickle", ".pkl", ".pt", ".pth", ".rar", ".safetensors",
        ".tar", ".tflite", ".tgz", ".wasm", ".xz", ".zip", ".zst",
    }
)  # fmt: skip
CHUNK = 1 << 20
_NAME = re.compile(r"\w[\w.-]{0,95}", re.ASCII)

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Digests:
    """A file's content in git's terms: the hash of its blob, and of the content itself."""

    git_oid: str  # of the pointer where the file is in LFS
    sha256: str


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file of a model. `path` is relative to the model, with forward slashes."""

    path: str
    location: Path
    size: int
    modified_ns: int

    @property
    def in_lfs(self) -> bool:
        return self.size > LFS_SIZE or Path(self.path).suffix.lower() in LFS_SUFFIXES


@dataclass(frozen=True)
class Model:
    """A model as served: its files by path, its card, and how to hash a file of it."""

    id: str
    files: dict[str, ServedFile]
    card: Card
    digests: Callable[[ServedFile], Digests]

    @cached_property
    def commit(self) -> str:
        """40 hex digits over the paths and contents: equal folders have equal commits, on any machine."""
        return self.tree_oid("")

    def tree_oid(self, folder: str) -> str:
        """Hash of everything below `folder` ("" is the whole model)."""
        prefix = f"{folder}/" if folder else ""
        lines = (
            f"{self.digests(file).git_oid} {path.removeprefix(prefix)}\n"
            for path, file in sorted(self.files.items())
            if path.startswith(prefix)
        )
        return hashlib.sha1("".join(lines).encode(), usedforsecurity=False).hexdigest()

    @property
    def last_modified(self) -> str:
        newest = max((file.modified_ns for file in self.files.values()), default=0)
        day = datetime.fromtimestamp(newest // 10**9, UTC)
        return self.card.facts.last_modified or day.strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def resolves(self, revision: str) -> bool:
        """Like the Hub's downloads: a branch or the full commit, never a short one."""
        return revision in {"main", "refs/heads/main"} or revision == self.commit


class Catalogue:
    """The models below `folder`; looks again at every call, so that models may come and go while it serves."""

    def __init__(self, folder: Path, log: Log) -> None:
        self.folder, self._log = folder.resolve(), log
        self._digests: dict[tuple[Path, int, int], Digests] = {}
        self._models: dict[str, tuple[tuple[object, ...], Model]] = {}
        self._logged: set[str] = set()

    def models(self) -> Iterator[Model]:
        """All models that have a file, by id."""
        for organisation in _folders(self.folder):
            for name in _folders(organisation):
                model = self.find(f"{organisation.name}/{name.name}")
                if model is not None:
                    yield model

    def find(self, repo_id: str) -> Model | None:
        """The model with this id, or None. The id is untrusted."""
        parts = repo_id.split("/")
        if len(parts) != 2 or not all(_NAME.fullmatch(part) for part in parts):
            return None
        folder = self.folder.joinpath(*parts)
        if not folder.is_dir() or not folder.resolve().is_relative_to(self.folder):
            return None
        files = {file.path: file for file in self._walk(folder, folder)}
        return self._model(repo_id, folder, files) if files else None

    def _model(self, repo_id: str, folder: Path, files: dict[str, ServedFile]) -> Model:
        state = (_state(folder / ".hub.json"), *files.values())
        kept = self._models.get(repo_id)
        if kept is not None and kept[0] == state:
            return kept[1]
        model = Model(repo_id, files, read_card(folder), self._digests_of)
        for problem in model.card.problems:
            self._say(f"{repo_id}: {problem}")
        self._models[repo_id] = (state, model)
        return model

    def _walk(self, folder: Path, root: Path) -> Iterator[ServedFile]:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            place = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if not _plain(entry.name):
                self._say(f"left out {entry.path!r}: its name is not printable text")
            elif entry.is_symlink() and not place.resolve().is_relative_to(self.folder):
                self._say(f"left out {entry.path!r}: a link out of the folder")
            elif entry.is_dir(follow_symlinks=False):
                yield from self._walk(place, root)
            elif entry.is_file():
                status = entry.stat()
                yield ServedFile(
                    place.relative_to(root).as_posix(), place.resolve(), status.st_size, status.st_mtime_ns
                )

    def _digests_of(self, file: ServedFile) -> Digests:
        key = (file.location, file.size, file.modified_ns)
        if key not in self._digests:
            self._digests[key] = _digest(file)
        return self._digests[key]

    def _say(self, sentence: str) -> None:
        if sentence not in self._logged:
            self._logged.add(sentence)
            self._log(sentence)


def _digest(file: ServedFile) -> Digests:
    content = hashlib.sha256()
    blob = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    with file.location.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            content.update(chunk)
            blob.update(chunk)
    if file.in_lfs:
        pointer = lfs_pointer(content.hexdigest(), file.size)
        blob = hashlib.sha1(b"blob %d\0" % len(pointer) + pointer, usedforsecurity=False)
    return Digests(blob.hexdigest(), content.hexdigest())


def lfs_pointer(sha256: str, size: int) -> bytes:
    """What git itself stores for a file in LFS."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def _folders(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in os.scandir(folder) if _NAME.fullmatch(entry.name) and entry.is_dir())


def _plain(name: str) -> bool:
    return name.isprintable() and "\\" not in name


def _state(path: Path) -> tuple[int, int] | None:
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_size, status.st_mtime_ns
