"""Save zoo models as repositories that plain `from_pretrained` loads and the embedded Hub serves.

    python -m driftgate.stages.zoo DEST [NAME…]

writes `DEST/driftgate-zoo/tiny-NAME/` for the quickstart's models, each whole or not at all.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from transformers import PreTrainedModel

from driftgate.core.errors import UsageError, did_you_mean
from driftgate.core.records import LockEntry
from driftgate.sources.zoo import QUICKSTART, ZooModel
from driftgate.stages.zoo.build import build
from driftgate.stages.zoo.preprocessors import save_preprocessors
from driftgate.stages.zoo.table import row_of
from driftgate.stages.zoo.timm import save_timm

HUB_FILE = ".hub.json"


def save(model: PreTrainedModel, folder: Path, row: ZooModel, popularity: int = 0) -> list[str]:
    """Write configuration, weights (safetensors), preprocessors, README.md and the numbers the Hub lists by.

    `popularity` ranks the repository: 0 is the most downloaded. Returns the notes of `save_preprocessors`. Where the table orders the
    inputs there are no preprocessors, for nobody would ask them.
    """
    model.save_pretrained(folder)
    asked = row_of(row.model_type).orders.uses_processor
    notes = [] if not asked else save_preprocessors(model.config, row.modality, folder)
    (folder / "README.md").write_text(_card(row, model, notes), encoding="utf-8")
    (folder / HUB_FILE).write_text(json.dumps(_numbers(popularity)), encoding="utf-8")
    return notes


def build_reference(entry: LockEntry, folder: Path, seed: int = 0) -> None:
    """Write the one model that a pinned `zoo:` reference names, as `save` does. `folder` appears whole or not at all.

    Raises StageFailure(`unavailable`) where the architecture needs a package that isn't installed.
    """
    if folder.is_dir():
        return
    with _appearing(folder) as temporary:
        if entry.library == "timm":
            save_timm(entry.architecture, temporary, seed)
        else:
            row = ZooModel(
                entry.family, entry.family, entry.architecture, entry.task, entry.modality, "built on demand"
            )
            save(build(entry.family, entry.architecture, seed), temporary, row)


def _numbers(popularity: int) -> dict[str, int]:
    return {
        "downloads": 1_000_000 // (popularity + 1),
        "likes": 2_000 // (popularity + 2),
        "trending_score": max(1, 40 - 3 * popularity),
    }


def _card(row: ZooModel, model: PreTrainedModel, notes: Sequence[str]) -> str:
    count = sum(parameter.numel() for parameter in model.parameters())
    lines = [
        "---",
        "license: apache-2.0",
        f"pipeline_tag: {row.task}",
        "library_name: transformers",
        "tags:",
        *(f"- {tag}" for tag in ("driftgate-zoo", row.model_type, row.modality)),
        "---",
        "",
        f"# tiny-{row.name}",
        "",
        f"`{row.architecture}` with {count:,} random parameters: {row.shows}. It knows nothing and is made to be compiled.",
        *(f"\n- {note}" for note in notes),
        "",
    ]
    return "\n".join(lines)


def build_folder(dest: Path, names: Iterable[str] = (), seed: int = 0) -> list[Path]:
    """The quickstart's models (or the named ones) under `dest`; those that are there stay. Returns all folders.

    Raises UsageError for a name the quickstart doesn't have.
    """
    ranked = {row.name: (rank, row) for rank, row in enumerate(QUICKSTART)}
    wanted = list(names) or list(ranked)
    for name in wanted:
        if name not in ranked:
            raise UsageError(f"the zoo has no model {name!r}", mend=did_you_mean(name, ranked))
    return [_build_one(dest, *ranked[name], seed) for name in wanted]


def _build_one(dest: Path, rank: int, row: ZooModel, seed: int) -> Path:
    folder = dest / row.repository
    if not folder.is_dir():
        with _appearing(folder) as temporary:
            save(build(row.model_type, row.architecture, seed), temporary, row, rank)
    return folder


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes `folder`'s name when the block ends well, and is removed when it doesn't.

    Where another process was faster its folder stays: the bytes are the same.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name[-60:]}.", dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        _rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _rename(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
