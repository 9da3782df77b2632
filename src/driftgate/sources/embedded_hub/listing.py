"""`GET /api/models`: filters, order, pages; and what the Hub tells about one model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from driftgate.sources.embedded_hub.catalogue import Model, ServedFile, lfs_pointer
from driftgate.sources.embedded_hub.exchange import Refusal, Reply, Request, json_reply

ORDERS: dict[str, Callable[[Model], Any]] = {
    "downloads": lambda model: model.card.facts.downloads,
    "likes": lambda model: model.card.facts.likes,
    "trendingScore": lambda model: model.card.facts.trending_score,
    "lastModified": lambda model: model.last_modified,
    "createdAt": lambda model: model.card.facts.created_at,
}

PROPERTIES: dict[str, Callable[[Model], Any]] = {
    "author": lambda model: model.id.partition("/")[0],
    "cardData": lambda model: model.card.data,
    "config": lambda model: model.card.config,
    "createdAt": lambda model: model.card.facts.created_at,
    "disabled": lambda model: model.card.facts.disabled,
    "downloads": lambda model: model.card.facts.downloads,
    "downloadsAllTime": lambda model: model.card.facts.downloads,
    "gated": lambda model: model.card.facts.gated,
    "lastModified": lambda model: model.last_modified,
    "library_name": lambda model: model.card.library_name,
    "likes": lambda model: model.card.facts.likes,
    "pipeline_tag": lambda model: model.card.pipeline_tag,
    "private": lambda model: model.card.facts.private,
    "sha": lambda model: model.commit,
    "siblings": lambda model: [{"rfilename": path} for path in model.files],
    "tags": lambda model: list(model.card.tags),
    "trendingScore": lambda model: model.card.facts.trending_score,
    "usedStorage": lambda model: sum(file.size for file in model.files.values()),
}

BRIEF = (
    "likes", "trendingScore", "private", "downloads", "tags", "pipeline_tag", "library_name", "createdAt",
)  # fmt: skip
FULL = (*BRIEF, "author", "sha", "lastModified", "gated", "disabled", "siblings")
INFO = (*FULL, "cardData", "config", "usedStorage")


def list_models(request: Request, models: Iterable[Model], url: str, page_size: int) -> Reply:
    """One page of the models that pass the filters; `Link` names the next one."""
    chosen = _sorted(request, (model for model in models if _passes(request, model)))
    start = _number(request, "cursor", 0)
    size = max(1, min(page_size, _number(request, "limit", page_size)))
    page = [_listed(request, model) for model in chosen[start : start + size]]
    headers = {}
    if start + size < len(chosen):
        query = {**request.query, "cursor": [str(start + size)]}
        headers["Link"] = f'<{url}/api/models?{urlencode(query, doseq=True)}>; rel="next"'
    return json_reply(page, headers=headers)


def describe(model: Model, properties: Iterable[str]) -> dict[str, Any]:
    """The named properties in the Hub's JSON. What a model does not have is absent, as on the Hub."""
    oid = hashlib.sha256(model.id.encode()).hexdigest()[:24]
    found = {name: PROPERTIES[name](model) for name in properties if name in PROPERTIES}
    known = {name: value for name, value in found.items() if value is not None}
    return {"_id": oid, "id": model.id, "modelId": model.id, **known}


def expanded(request: Request) -> list[str]:
    """The properties asked for by `expand` (the client repeats it; others write `expand[]`)."""
    return [*request.query.get("expand", ()), *request.query.get("expand[]", ())]


def sibling(model: Model, file: ServedFile) -> dict[str, Any]:
    """A file as `model_info(files_metadata=True)` gives it."""
    entry = tree_entry(model, file)
    described = {"rfilename": file.path, "size": file.size, "blobId": entry["oid"]}
    if "lfs" in entry:
        lfs = entry["lfs"]
        described["lfs"] = {"sha256": lfs["oid"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
    return described


def tree_entry(model: Model, file: ServedFile) -> dict[str, Any]:
    """A file as `list_repo_tree` gives it."""
    digests = model.digests(file)
    entry: dict[str, Any] = {"type": "file", "oid": digests.git_oid, "size": file.size, "path": file.path}
    if file.in_lfs:
        pointer = lfs_pointer(digests.sha256, file.size)
        entry["lfs"] = {"oid": digests.sha256, "size": file.size, "pointerSize": len(pointer)}
    return entry


def _passes(request: Request, model: Model) -> bool:
    tags = {tag.casefold() for tag in model.card.tags}
    wanted = [tag for value in request.query.get("filter", ()) for tag in value.split(",") if tag]
    author, task, gated = (request.first(name) for name in ("author", "pipeline_tag", "gated"))
    return (
        all(tag.casefold() in tags for tag in wanted)
        and author in {"", model.id.partition("/")[0]}
        and task in {"", model.card.pipeline_tag}
        and (not gated or request.flag("gated") == bool(model.card.facts.gated))
        and request.first("search").casefold() in model.id.casefold()
    )


def _sorted(request: Request, models: Iterable[Model]) -> list[Model]:
    name = request.first("sort", "trendingScore")
    if name not in ORDERS:
        raise Refusal(400, None, f"sort={name[:40]!r} is not one of {', '.join(ORDERS)}")
    by_id = sorted(models, key=lambda model: model.id)
    return sorted(by_id, key=ORDERS[name], reverse=request.first("direction") != "1")


def _listed(request: Request, model: Model) -> dict[str, Any]:
    if expand := expanded(request):
        return describe(model, expand)
    extra = [name for name in ("config", "cardData") if request.flag(name)]
    return describe(model, (*(FULL if request.flag("full") else BRIEF), *extra))


def _number(request: Request, name: str, default: int) -> int:
    text = request.first(name, str(default))
    if not text.isdecimal() or len(text) > 9:
        raise Refusal(400, None, f"{name}={text[:40]!r} is not a number")
    return int(text)
