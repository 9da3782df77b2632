"""Model folders as an embedded Hub serves them, made in milliseconds: right in form, with no sense in the weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CARD = {"license": "mit", "pipeline_tag": "fill-mask", "library_name": "transformers"}
CONFIG = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}


def make_model(
    root: Path,
    repo_id: str,
    *,
    card: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    hub: Mapping[str, Any] | None = None,
    weights: int = 1_000,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """A folder ROOT/org/name with a README, a config, `weights` bytes of model.safetensors (none at 0), and `files`.

    `card` and `config` add to a small BERT's; a value of None takes a key away. `hub` becomes `.hub.json`.
    """
    folder = root / repo_id
    folder.mkdir(parents=True)
    facts = {key: value for key, value in {**CARD, **(card or {})}.items() if value is not None}
    (folder / "README.md").write_text(f"---\n{json.dumps(facts)}\n---\n# {repo_id}\n")
    told = {key: value for key, value in {**CONFIG, **(config or {})}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps({**told, "name": repo_id}))
    if hub is not None:
        (folder / ".hub.json").write_text(json.dumps(hub))
    content = {"model.safetensors": noise(repo_id, weights)} if weights else {}
    for path, data in {**content, **(files or {})}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def noise(seed: str, size: int) -> bytes:
    """`size` bytes that depend on `seed` alone."""
    return hashlib.shake_128(seed.encode()).digest(size)
