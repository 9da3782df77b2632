"""What a model's folder says about itself: README front matter, config.json and an optional `.hub.json`.

`.hub.json` holds what the real Hub keeps outside the repository:
`{"downloads": 12, "likes": 3, "trending_score": 1, "created_at": "2026-01-01T00:00:00.000Z",
"last_modified": "…", "gated": false | "auto" | "manual", "private": false, "disabled": false}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

SIZE_LIMIT = 1_000_000
OLDEST = "2022-03-02T23:29:04.000Z"  # the Hub gives this date to everything created before it kept dates


class HubFacts(BaseModel):
    """The content of `.hub.json`; an unknown key is an error, so that a misspelt `gated` never opens a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    downloads: int = 0
    likes: int = 0
    trending_score: float = 0
    created_at: str = OLDEST
    last_modified: str | None = None
    gated: bool | Literal["auto", "manual"] = False
    private: bool = False
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A model's metadata. `problems` are sentences about files that could not be used."""

    facts: HubFacts
    data: dict[str, Any] = field(default_factory=dict)  # the front matter
    config: dict[str, Any] = field(default_factory=dict)  # what the Hub shows of config.json
    problems: tuple[str, ...] = ()

    @property
    def pipeline_tag(self) -> str | None:
        return _text(self.data.get("pipeline_tag"))

    @property
    def library_name(self) -> str | None:
        return _text(self.data.get("library_name"))

    @property
    def tags(self) -> tuple[str, ...]:
        """As the Hub makes them: library, declared tags, model type, languages, datasets, task, licence."""
        data = self.data
        found = [
            *_texts(self.library_name),
            *_texts(data.get("tags")),
            *_texts(self.config.get("model_type")),
            *_texts(data.get("language")),
            *(f"dataset:{name}" for name in _texts(data.get("datasets"))),
            *(f"base_model:{name}" for name in _texts(data.get("base_model"))),
            *_texts(self.pipeline_tag),
            *(f"license:{name}" for name in _texts(data.get("license"))),
        ]
        return tuple(dict.fromkeys(found))


def read_card(folder: Path) -> Card:
    """Read the three files; each may be absent. A broken `.hub.json` closes the model (`disabled`)."""
    problems: list[str] = []
    return Card(
        facts=_facts(folder / ".hub.json", problems),
        data=_front_matter(folder / "README.md", problems),
        config=_config(folder / "config.json", problems),
        problems=tuple(problems),
    )


def _facts(path: Path, problems: list[str]) -> HubFacts:
    text = _read(path, problems)
    if text is None:
        return HubFacts()
    try:
        return HubFacts.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        problems.append(f".hub.json: {place}: {first['msg']}; the model is disabled until it is mended")
        return HubFacts(disabled=True)


def _front_matter(path: Path, problems: list[str]) -> dict[str, Any]:
    text = _read(path, problems) or ""
    if not text.startswith("---\n") or "\n---" not in text[3:]:
        return {}
    try:
        data = yaml.safe_load(text[4 : text.index("\n---", 3)])
    except yaml.YAMLError as error:
        problems.append(f"README.md: the front matter is not YAML ({error}); served without it")
        return {}
    return data if isinstance(data, dict) else {}


def _config(path: Path, problems: list[str]) -> dict[str, Any]:
    text = _read(path, problems)
    if text is None:
        return {}
    try:
        config = json.loads(text)
    except ValueError as error:
        problems.append(f"config.json: {error}; served without its facts")
        return {}
    if not isinstance(config, dict):
        return {}
    return {key: config[key] for key in ("architectures", "auto_map", "model_type") if key in config}


def _read(path: Path, problems: list[str]) -> str | None:
    """The text of a small file; None if there is none (or it is a link: those are never followed here)."""
    if path.is_symlink() or not path.is_file():
        return None
    if path.stat().st_size > SIZE_LIMIT:
        problems.append(f"{path.name}: larger than {SIZE_LIMIT} bytes; not read")
        return None
    return path.read_text(encoding="utf-8", errors="replace").removeprefix("\ufeff").replace("\r\n", "\n")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> Iterable[str]:
    values = value if isinstance(value, list) else [value]
    return (item for item in values if isinstance(item, str) and item)
