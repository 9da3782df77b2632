"""Which request gets which answer: the part of the Hub's API that `huggingface_hub` uses to read models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs

from driftgate.sources.embedded_hub.catalogue import Catalogue, Model, ServedFile
from driftgate.sources.embedded_hub.exchange import FilePart, Refusal, Reply, Request, json_reply
from driftgate.sources.embedded_hub.listing import (
    INFO,
    describe,
    expanded,
    list_models,
    sibling,
    tree_entry,
)

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class Routes:
    """Answers requests about a catalogue. `url` is its own address; `token` opens gated and private models."""

    catalogue: Catalogue
    url: str
    token: str | None
    page_size: int

    def answer(self, request: Request) -> Reply:
        """The reply, refusals included."""
        try:
            return self._route(request)
        except Refusal as refusal:
            return refusal.reply()

    def _route(self, request: Request) -> Reply:
        match request.method, request.parts:
            case "GET" | "HEAD", ("api", "models"):
                models = (model for model in self.catalogue.models() if self._may_see(request, model))
                return list_models(request, models, self.url, self.page_size)
            case "GET" | "HEAD", ("api", "whoami-v2"):
                return self._whoami(request)
            case method, ("api", "models", organisation, name, *rest):
                return self._about(request, method, self._model(request, organisation, name), rest)
            case "GET" | "HEAD", (organisation, name, "resolve", revision, *path):
                return self._file(request, self._model(request, organisation, name), revision, "/".join(path))
            case _:
                raise Refusal(404, None, f"this Hub has no {request.method} {request.path[:200]}")

    def _about(self, request: Request, method: str, model: Model, rest: list[str]) -> Reply:
        _open(model)
        match method, rest:
            case "GET" | "HEAD", []:
                return _info(request, model)
            case "GET" | "HEAD", ["revision", revision]:
                return _info(request, _at(model, revision))
            case "GET" | "HEAD", ["refs"]:
                head = {"name": "main", "ref": "refs/heads/main", "targetCommit": model.commit}
                return json_reply({"branches": [head], "converts": [], "tags": [], "pullRequests": []})
            case "GET" | "HEAD", ["tree", revision, *path]:
                return self._tree(request, _at(model, revision), "/".join(path))
            case "POST", ["paths-info", revision]:
                return _paths_info(request, _at(model, revision))
            case _:
                raise Refusal(404, None, f"this Hub has no {method} {request.path[:200]}")

    def _model(self, request: Request, organisation: str, name: str) -> Model:
        model = self.catalogue.find(f"{organisation}/{name}")
        if model is None or not self._may_see(request, model):
            raise Refusal(404, "RepoNotFound", "Repository not found")
        return model

    def _authorised(self, request: Request) -> bool:
        return self.token is not None and request.headers.get("authorization") == f"Bearer {self.token}"

    def _may_see(self, request: Request, model: Model) -> bool:
        return not model.card.facts.private or self._authorised(request)

    def _whoami(self, request: Request) -> Reply:
        if not self._authorised(request):
            raise Refusal(401, None, "Invalid username or password.")
        return json_reply({"type": "user", "id": "0", "name": "embedded", "isPro": False, "orgs": []})

    def _tree(self, request: Request, model: Model, folder: str) -> Reply:
        entries = _entries(model, folder, recursive=request.flag("recursive"))
        if folder and not entries:
            raise _no_entry(model, folder)
        if request.flag("expand"):
            entries = [entry | {"lastCommit": _last_commit(model)} for entry in entries]
        start = int(request.first("cursor", "0")) if request.first("cursor", "0").isdecimal() else 0
        end = start + self.page_size
        headers = {}
        if end < len(entries):
            flags = "&".join(f"{name}={request.first(name, 'false')}" for name in ("recursive", "expand"))
            path = "/".join(("tree", model.commit, *([folder.replace("/", "%2F")] if folder else [])))
            headers["Link"] = f'<{self.url}/api/models/{model.id}/{path}?{flags}&cursor={end}>; rel="next"'
        return json_reply(entries[start:end], headers=headers)

    def _file(self, request: Request, model: Model, revision: str, path: str) -> Reply:
        _open(model)
        if model.card.facts.gated and not self._authorised(request):
            status = 403 if "authorization" in request.headers else 401
            raise Refusal(status, "GatedRepo", f"Access to model {model.id} is restricted. Log in and ask for access.")
        file = _at(model, revision).files.get(path)
        if file is None:
            raise _no_entry(model, path)
        return _file_reply(request, model, file)


def _at(model: Model, revision: str) -> Model:
    if not model.resolves(revision):
        raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision[:80]}")
    return model


def _open(model: Model) -> None:
    if model.card.facts.disabled:
        raise Refusal(403, "DisabledRepo", "Access to this resource is disabled.")


def _no_entry(model: Model, path: str) -> Refusal:
    message = f"Entry not found: {path[:200]!a}"
    return Refusal(404, "EntryNotFound", message, **{"X-Repo-Commit": model.commit})


def _info(request: Request, model: Model) -> Reply:
    if expand := expanded(request):
        return json_reply(describe(model, expand))
    data = describe(model, INFO)
    if request.flag("blobs"):
        data["siblings"] = [sibling(model, file) for file in model.files.values()]
    return json_reply(data)


def _paths_info(request: Request, model: Model) -> Reply:
    paths = _posted_paths(request)
    found = [_entry(model, path) for path in paths]
    return json_reply([entry for entry in found if entry is not None])


def _posted_paths(request: Request) -> list[str]:
    try:
        text = request.body.decode()
        if "json" not in request.headers.get("content-type", ""):
            return parse_qs(text, max_num_fields=10_000).get("paths", [])
        data = json.loads(text)
    except ValueError as error:
        raise Refusal(400, None, f"the body is neither a form nor JSON: {error}") from error
    paths = data.get("paths") if isinstance(data, dict) else None
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise Refusal(400, None, "`paths` must be a list of paths")
    return paths


def _entry(model: Model, path: str) -> dict[str, Any] | None:
    if path in model.files:
        return tree_entry(model, model.files[path])
    is_folder = any(name.startswith(f"{path}/") for name in model.files)
    return _folder_entry(model, path) if is_folder else None


def _folder_entry(model: Model, path: str) -> dict[str, Any]:
    return {"type": "directory", "oid": model.tree_oid(path), "size": 0, "path": path}


def _entries(model: Model, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """Folders, then files below `folder`; with `recursive` those of all depths."""
    below = [file for path, file in model.files.items() if not folder or path.startswith(f"{folder}/")]
    parents = {
        str(parent)
        for file in below
        for parent in PurePosixPath(file.path).parents
        if str(parent) != "." and (not folder or str(parent).startswith(f"{folder}/"))
    }
    near: Callable[[str], bool] = lambda path: recursive or path.rpartition("/")[0] == folder  # noqa: E731
    return [
        *(_folder_entry(model, path) for path in sorted(parents) if near(path)),
        *(tree_entry(model, file) for file in below if near(file.path)),
    ]


def _last_commit(model: Model) -> dict[str, str]:
    return {"id": model.commit, "title": "as found in the folder", "date": model.last_modified}


def _file_reply(request: Request, model: Model, file: ServedFile) -> Reply:
    digests = model.digests(file)
    etag = f'"{digests.sha256 if file.in_lfs else digests.git_oid}"'
    headers = {
        "X-Repo-Commit": model.commit,
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "Content-Disposition": "attachment",  # a browser must never render what a model brought along
    }
    if file.in_lfs:  # no Xet headers: they would send the client to a storage service that is not there
        headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(file.size)}
    start, end = _range(request.headers.get("range", ""), file.size)
    if (start, end) == (0, file.size):
        return Reply(200, headers, FilePart(file.location, 0, file.size))
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    return Reply(206, headers, FilePart(file.location, start, end - start))


def _range(header: str, size: int) -> tuple[int, int]:
    """First byte and the one after the last. What is no single range is ignored, as RFC 9110 has it."""
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= end:
        raise Refusal(416, None, "Range not satisfiable", **{"Content-Range": f"bytes */{size}"})
    return start, end
