"""Reads Alloy's configuration language as far as a test needs it: blocks with attributes, and expressions kept as text.

Raises SyntaxError for what the language does not know: brackets that don't close, an attribute without a value, two on one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<text>"(?:\\.|[^"\\\n])*"|`[^`]*`)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<number>\d+(?:\.\d+)?)|(?P<mark>[{}()\[\],=.])|(?P<end>\n)|(?P<space>[ \t]+)|(?P<other>.)""",
    re.DOTALL,
)
_PAIRS = {"{": "}", "[": "]", "(": ")"}


@dataclass
class Block:
    """`kind "label" { … }`; attributes as the text of their expressions without white space."""

    kind: str
    label: str | None
    attributes: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def block(self, kind: str) -> Block:
        """The one block of that kind."""
        (found,) = [block for block in self.blocks if block.kind == kind]
        return found


@dataclass
class _Tokens:
    kinds: list[str]
    texts: list[str]
    at: int = 0

    def peek(self) -> str:
        return self.texts[self.at] if self.at < len(self.texts) else ""

    def kind(self) -> str:
        return self.kinds[self.at] if self.at < len(self.kinds) else "eof"

    def take(self, *wanted: str) -> str:
        text = self.peek()
        if self.at >= len(self.texts) or (wanted and text not in wanted):
            raise SyntaxError(f"{text!r} where {' or '.join(wanted) or 'more'} should be")
        self.at += 1
        return text

    def skip_ends(self) -> None:
        while self.kind() == "end":
            self.at += 1


def parse(text: str) -> Block:
    """The whole file as a block without a name."""
    found = [match for match in _TOKEN.finditer(text) if match.lastgroup not in {"comment", "space"}]
    wrong = next((match for match in found if match.lastgroup == "other"), None)
    if wrong is not None:
        raise SyntaxError(f"{wrong.group()!r} is not of the language")
    tokens = _Tokens([str(match.lastgroup) for match in found], [match.group() for match in found])
    root = Block("", None)
    _body(tokens, root, closing="")
    return root


def _body(tokens: _Tokens, into: Block, *, closing: str) -> None:
    while True:
        tokens.skip_ends()
        if tokens.peek() == closing:
            return
        _statement(tokens, into)
        if tokens.peek() != closing and tokens.kind() != "end":
            raise SyntaxError(f"{tokens.peek()!r} on the line of another statement")


def _statement(tokens: _Tokens, into: Block) -> None:
    name = _path(tokens)
    if tokens.peek() == "=":
        tokens.take("=")
        if name in into.attributes:
            raise SyntaxError(f"{name} twice")
        into.attributes[name] = "".join(_expression(tokens))
        return
    label = tokens.take().strip('"') if tokens.kind() == "text" else None
    tokens.take("{")
    block = Block(name, label)
    _body(tokens, block, closing="}")
    tokens.take("}")
    into.blocks.append(block)


def _path(tokens: _Tokens) -> str:
    parts = [tokens.take()]
    while tokens.peek() == ".":
        parts += [tokens.take("."), tokens.take()]
    return "".join(parts)


def _expression(tokens: _Tokens) -> Iterator[str]:
    """Up to the end of the line, or of the block; inside brackets lines may end."""
    first = True
    while tokens.kind() not in {"end", "eof"} and tokens.peek() != "}":
        first = False
        opening = tokens.take()
        yield opening
        if opening in _PAIRS:
            yield from _inside(tokens, _PAIRS[opening])
    if first:
        raise SyntaxError("an attribute without a value")


def _inside(tokens: _Tokens, closing: str) -> Iterator[str]:
    while (tokens.skip_ends(), tokens.peek())[1] != closing:
        opening = tokens.take()
        yield opening
        if opening in _PAIRS:
            yield from _inside(tokens, _PAIRS[opening])
    yield tokens.take(closing)
