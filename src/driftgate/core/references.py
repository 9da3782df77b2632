"""References: how a person names a model (`hf:org/name@rev`, `zoo:bert`, `python:mod:factory`), and its slug."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from driftgate.core.errors import UsageError, did_you_mean

SCHEMES = ("hf", "zoo", "timm", "local", "python")
WITH_PATTERNS = ("zoo", "python")
SLUG_LENGTH = 120
REFERENCE_LENGTH = 1024

_HF = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?(@[\w./-]+)?")
_ZOO = re.compile(r"(timm/[\w.]+|[\w.*-]+(/[\w*]+)?)")
_PYTHON = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:([^\W\d]\w*(\.[^\W\d]\w*)*|[\w*]*\*[\w*]*)")
_SHAPES = {
    "hf": (_HF, "hf:org/name[@revision]"),
    "zoo": (_ZOO, "zoo:bert[/BertForMaskedLM], zoo:timm/resnet18, or zoo:* and zoo:timm/* for all"),
    "timm": (re.compile(r"[\w.-]+"), "timm:resnet18"),
    "local": (re.compile(r"[^\x00-\x1f\x7f]+"), "local:PATH"),
    "python": (_PYTHON, "python:package.module:factory, or python:package.module:* for all of a module"),
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A model as a person names it: a scheme and what the source of that scheme understands."""

    scheme: str
    name: str
    revision: str | None = None

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for any number of models, which the source of its scheme knows."""
        return self.scheme in WITH_PATTERNS and "*" in self.name

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}" + (f"@{self.revision}" if self.revision else "")


def parse_reference(text: str, *, where: str | None = None) -> Reference:
    """Read a reference, or raise UsageError naming the nearest valid form."""
    text = text.strip()
    scheme, colon, rest = text.partition(":")
    if not colon:
        raise UsageError(
            f"{text[:80]!r} is not a reference to a model", where=where, mend=f"write hf:{text[:80]} or local:PATH"
        )
    if scheme not in SCHEMES:
        raise UsageError(f"unknown source {scheme[:80]!r}", where=where, mend=did_you_mean(scheme, SCHEMES))
    pattern, form = _SHAPES[scheme]
    if len(text) > REFERENCE_LENGTH or not pattern.fullmatch(rest):
        raise UsageError(f"{text[:80]!r} is not a valid reference", where=where, mend=f"the form is {form}")
    if scheme == "hf":
        name, _, revision = rest.partition("@")
        return Reference(scheme, name, revision or None)
    return Reference(scheme, rest)


def slug_of(reference: str, taken: frozenset[str] = frozenset()) -> str:
    """A folder name for a reference, unique under casefold against `taken` (slugs already given out).

    The end of the reference is kept; what is too long, or clashes, is cut in front and gets 8 hex digits.
    """
    text = reference.removeprefix("hf:")
    slug = re.sub(r"[^A-Za-z0-9._-]+", "--", text)
    plain = slug.strip("-.") or "model"
    if len(plain) <= SLUG_LENGTH and plain.casefold() not in {other.casefold() for other in taken}:
        return plain
    digest = hashlib.sha256(reference.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{digest}-{plain[-(SLUG_LENGTH - 9) :]}"
