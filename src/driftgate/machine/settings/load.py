"""From a YAML file to frozen settings, with every mistake named by file, line, key and nearest valid name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from driftgate.core.errors import UsageError, did_you_mean
from driftgate.machine.settings.schema import Settings

MAX_BYTES = 1_000_000
MAX_DEPTH = 20

Position = tuple[int | str, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """A parsed YAML file: its data, and the line on which each key and list item stands."""

    name: str
    data: Any
    lines: dict[Position, int]

    @classmethod
    def of(cls, name: str) -> Document:
        """A document without lines, for settings that were not read from YAML."""
        return cls(name, {}, {})

    def where(self, *position: int | str) -> str:
        """`FILE:LINE: a.b[0]` of the deepest part of `position` that the file has; a document without lines has its name alone."""
        if not self.lines:
            return self.name
        known = position
        while known and known not in self.lines:
            known = known[:-1]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in position).lstrip(".")
        return f"{self.name}:{self.lines.get(known, 1)}" + (f": {key}" if key else "")


@dataclass(frozen=True)
class Config:
    """Settings together with the file they came from, so that later checks can still point at a line.

    `flags` says which keys came from the command line instead, and what to blame for those.
    """

    settings: Settings
    document: Document
    folder: Path
    flags: Mapping[str, str] = field(default_factory=dict)

    def where(self, *position: int | str) -> str:
        """The place of a key, for an error message."""
        flag = self.flags.get(str(position[0])) if position else None
        if flag is not None:
            return flag
        return self.document.where(*position)


def load_config(path: Path) -> Config:
    """Read a configuration file. Raises UsageError (exit 2) for anything wrong with it."""
    return parse_config(read_text(path), name=str(path), folder=path.parent)


def quickstart_config() -> Config:
    """The configuration of `driftgate run` without CONFIG (package data; `configs/quickstart.yaml` is its copy)."""
    folder = Path(str(files("driftgate"))) / "data"
    return load_config(folder / "quickstart.yaml")


def parse_config(text: str, *, name: str, folder: Path) -> Config:
    """Settings from YAML text; `name` is what error messages call it, `folder` what its paths are relative to."""
    document = load_yaml(text, name=name)
    return Config(validate(Settings, document), document, folder)


def read_text(path: Path) -> str:
    """The text of a small file a person wrote, or UsageError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"the file is larger than {MAX_BYTES:,} bytes", where=str(path))
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError("the file is not UTF-8 text", where=str(path)) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"cannot read it: {reason}", where=str(path)) from error


def load_yaml(text: str, *, name: str) -> Document:
    """Parse YAML (safe types only, no duplicate keys, no aliases), remembering lines. An empty file is an empty mapping."""
    try:
        _refuse_aliases(text, name)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[Position, int] = {}
        if node is not None:
            _collect(node, (), lines, name)
        data = yaml.safe_load(text) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise UsageError(f"not valid YAML: {error.problem or error.context}", where=f"{name}:{line}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"not valid YAML: {str(error)[:200]}", where=f"{name}:1") from error
    return Document(name, data, lines)


def _refuse_aliases(text: str, name: str) -> None:
    """A few nested aliases stand for billions of values; no configuration needs one."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise UsageError(f"aliases (*{event.anchor}) are not allowed", where=f"{name}:{line}")


def _collect(node: yaml.Node, position: Position, lines: dict[Position, int], name: str) -> None:
    line = node.start_mark.line + 1
    if position in lines and not isinstance(node, yaml.MappingNode | yaml.SequenceNode):
        return
    lines.setdefault(position, line)
    if len(position) > MAX_DEPTH:
        raise UsageError("nested too deeply", where=f"{name}:{line}")
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _collect(item, (*position, index), lines, name)
    if isinstance(node, yaml.MappingNode):
        _collect_mapping(node, position, lines, name)


def _collect_mapping(node: yaml.MappingNode, position: Position, lines: dict[Position, int], name: str) -> None:
    seen: set[str] = set()
    for key, value in node.value:
        line, text = key.start_mark.line + 1, str(key.value)
        if not isinstance(key, yaml.ScalarNode):
            raise UsageError("a key must be plain text", where=f"{name}:{line}")
        if text in seen:
            raise UsageError(f"the key {text!r} is there twice", where=f"{name}:{line}")
        seen.add(text)
        lines[(*position, text)] = line
        _collect(value, (*position, text), lines, name)


def validate(model: type[Model], document: Document) -> Model:
    """Validate a document, turning the first mistake into one UsageError that points at its line."""
    if not isinstance(document.data, dict):
        raise UsageError("the file must be a mapping of keys to values", where=document.where())
    try:
        return model.model_validate(document.data, strict=False)
    except ValidationError as error:
        raise _usage_error(model, document, error) from error


def load_rows(model: type[Model], key: str, text: str, name: str) -> tuple[Document, Model]:
    """A file of rows: a list, or a mapping with the one key. Raises UsageError; `name` is where the text is from."""
    document = load_yaml(text, name=name)
    if isinstance(document.data, list):
        lines = {(key, *position): line for position, line in document.lines.items()}
        document = Document(document.name, {key: document.data}, lines)
    if not isinstance(document.data, dict):
        raise UsageError("the file must be a list of rows", where=document.where())
    return document, validate(model, document)


def _usage_error(model: type[BaseModel], document: Document, error: ValidationError) -> UsageError:
    first = min(
        error.errors(), key=lambda e: (e["type"] != "extra_forbidden", document.lines.get(_known(e, document), 1))
    )
    position = _known(first, document)
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        fields = _fields_at(model, first["loc"][:-1])
        return UsageError(
            f"unknown key {key[:80]!r}", where=document.where(*position[:-1], key), mend=did_you_mean(key, fields)
        )
    expected = (first.get("ctx") or {}).get("expected")
    if first["type"] == "literal_error" and expected:
        valid = [word.strip("' ") for word in str(expected).replace(" or ", ", ").split(",")]
        message = f"{str(first['input'])[:80]!r} is not allowed here"
        return UsageError(message, where=document.where(*position), mend=did_you_mean(str(first["input"]), valid))
    # pydantic speaks of Python's types; a person writes YAML
    message = "must be a list" if first["type"] == "tuple_type" else first["msg"].removeprefix("Value error, ")
    return UsageError(f"{message} (got {str(first['input'])[:80]!r})", where=document.where(*position))


def _known(error: Any, document: Document) -> Position:
    """pydantic adds the names of union members and defaults to `loc`; keep the part that is in the file."""
    kept: Position = ()
    for part in error["loc"]:
        if (*kept, part) in document.lines:
            kept = (*kept, part)
    return kept if error["type"] != "missing" else (*kept, error["loc"][-1])


def _fields_at(model: type[BaseModel], position: tuple[int | str, ...]) -> tuple[str, ...]:
    for part in position:
        if isinstance(part, int):
            continue  # an item of the tuple that the key before it holds
        field = model.model_fields.get(part)
        annotation = field.annotation if field else None
        inner = get_args(annotation)[0] if get_origin(annotation) is tuple else annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return tuple(model.model_fields)
        model = inner
    return tuple(model.model_fields)
