"""From what the Hub tells about a model to its pin: which files are needed, and what the model is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from driftgate.core.errors import StageFailure
from driftgate.core.records import LockedFile, LockEntry
from driftgate.core.references import Reference, slug_of
from driftgate.core.tasks import modality_of
from driftgate.core.verdicts import FailureKind

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

HARMLESS = frozenset({".json", ".txt", ".jinja", ".model", ".spm", ".tiktoken", ".vocab", ".bpe", ".yaml"})
"""Suffixes of configs, tokenizers and processors; what is not listed here, or below, is never downloaded."""

OTHER_RUNTIMES = frozenset({"onnx", "openvino", "coreml", "gguf", "flax", "tflite", "original", "runs", "logs"})
"""Folders with the same model again for somebody else."""

_SAFETENSORS = re.compile(r"model(\.safetensors|-\d+-of-\d+\.safetensors)")
_PICKLE = re.compile(r"pytorch_model(\.bin|-\d+-of-\d+\.bin)")
WEIGHTS = (".safetensors", ".bin")
FILE_LIMIT = 10_000


def pin_model(
    info: ModelInfo, reference: Reference, *, endpoint: str | None, allow_pickle: bool, allow_remote_code: bool
) -> LockEntry:
    """The lock entry of a model at the commit that `info` (with files' metadata) is about."""
    offered = [
        LockedFile(path=file.rfilename, size=file.size or 0, sha256=file.lfs.sha256 if file.lfs else None)
        for file in info.siblings or ()
    ]
    files = needed_files(offered, pickle=allow_pickle, code=allow_remote_code)
    config, task = info.config or {}, info.pipeline_tag or "other"
    architectures = config.get("architectures")
    return LockEntry(
        ref=str(reference),
        slug=slug_of(str(reference)),
        scheme="hf",
        name=reference.name,
        revision=info.sha,
        endpoint=endpoint,
        family=config.get("model_type") or "unknown",
        task=task,
        modality=modality_of(task),
        architecture=architectures[0] if isinstance(architectures, list) and architectures else "unknown",
        library=info.library_name,
        licence=licence_of(info),
        size_bytes=sum(file.size for file in files),
        files=files,
        allow_pickle=allow_pickle,
        allow_remote_code=allow_remote_code,
    )


def licence_of(info: ModelInfo) -> str | None:
    """The licence's identifier, from the tag that the Hub makes of it."""
    return next((tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")), None)


def needed_files(offered: Iterable[LockedFile], *, pickle: bool, code: bool) -> tuple[LockedFile, ...]:
    """The files to download, by path: configs, tokenizer, one set of weights; Python only where `code`."""
    suffixes = HARMLESS | ({".py"} if code else set())
    usable = sorted((file for file in offered if _usable(file.path)), key=lambda file: file.path)
    side = [file for file in usable if PurePosixPath(file.path).suffix in suffixes]
    if len(usable) > FILE_LIMIT:
        raise StageFailure(FailureKind.LOAD, f"the repository has {len(usable)} files; the limit is {FILE_LIMIT}")
    return tuple(sorted([*side, *_weights(usable, pickle)], key=lambda file: file.path))


def missing_weights(entry: LockEntry) -> StageFailure | None:
    """The failure of a model that has no weights of a kind that may be loaded, or None."""
    if any(file.path.endswith(WEIGHTS) for file in entry.files):
        return None
    return StageFailure(
        FailureKind.LOAD,
        f"{entry.ref} has no safetensors weights",
        hint=None if entry.allow_pickle else "hub.allow_pickle: true takes pickled weights, which may run any code",
    )


def _weights(files: list[LockedFile], pickle: bool) -> list[LockedFile]:
    """transformers' own names first; a consolidated or half-precision copy beside them is left out."""
    safe = [file for file in files if file.path.endswith(".safetensors")]
    standard = [file for file in safe if _SAFETENSORS.fullmatch(file.path)]
    if safe or not pickle:
        return standard or [file for file in safe if "/" not in file.path] or safe
    return [file for file in files if _PICKLE.fullmatch(file.path)]


def is_plain(path: str) -> bool:
    """Whether a name from outside can be a file below a folder of ours: relative, printable, no dot files."""
    parts = PurePosixPath(path).parts
    return (
        path.isprintable()
        and "\\" not in path
        and 0 < len(path) <= 1_000
        and path == "/".join(parts)
        and not any(part.startswith(".") for part in parts)
    )


def _usable(path: str) -> bool:
    return is_plain(path) and not OTHER_RUNTIMES.intersection(PurePosixPath(path).parts[:-1])
