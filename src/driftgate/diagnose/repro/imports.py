"""The import lines and packages of a script, from the names that stand in its code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from driftgate.core.records import Agent

STDLIB = {
    "Counter": "from collections import Counter",
    "partial": "from functools import partial",
    "Path": "from pathlib import Path",
} | {
    name: f"import {name}"
    for name in (
        "argparse", "hashlib", "importlib", "json", "linecache", "logging", "os", "re", "subprocess", "sys", "tempfile", "time",
        "traceback",
    )
}  # fmt: skip
HEAVY = {
    "OnnxConfig": "from transformers.exporters.configs import OnnxConfig",
    "OnnxExporter": "from transformers.exporters.exporter_onnx import OnnxExporter",
    "hf_hub_download": "from huggingface_hub import hf_hub_download",
    "onnx": "import onnx",
    "onnxruntime": "import onnxruntime",
    "timm": "import timm",
    "torch": "import torch",
    "torch._dynamo": "import torch._dynamo",
    "torch._inductor.config": "import torch._inductor.config",
    "transformers": "import transformers",
    "tree_leaves": "from torch.utils._pytree import tree_leaves",
}
"""Name in the code, dotted or not → the line that gives it."""
PACKAGES = {
    "OnnxExporter": ("onnx", "onnxscript"),
    "hf_hub_download": ("huggingface-hub",),
    "onnx": ("onnx",),
    "timm": ("timm",),
    "torch": ("torch",),
    "torch.onnx": ("onnx", "onnxscript"),
    "transformers": ("transformers",),
}
ALWAYS = ("numpy", "safetensors")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.!_-]*")


def names_in(code: str) -> frozenset[str]:
    """Every name in the code, and every dotted one with each of its beginnings."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute | ast.Name):
            parts = ast.unparse(node).split(".")
            found.update(".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return frozenset(found)


def import_lines(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Those of the standard library, and the others; the plain ones first."""
    used = frozenset(names)
    heavy = [line for name, line in HEAVY.items() if name in used]
    if "load_file" in used:
        heavy.append(f"from safetensors.{'torch' if 'torch' in used else 'numpy'} import load_file")
    return _sorted(line for name, line in STDLIB.items() if name in used), _sorted(heavy)


def _sorted(lines: Iterable[str]) -> list[str]:
    return sorted(lines, key=lambda line: (line.startswith("from "), line))


def versions_of(names: Iterable[str], agent: Agent | None, runtime: str | None) -> dict[str, str]:
    """Package → version as the run had it, for the packages that these names need; empty without provenance. `runtime` is the
    package of ONNX Runtime, which comes under two names."""
    used = frozenset(names)
    wanted = [package for name, packages in PACKAGES.items() if name in used for package in packages]
    wanted += [*ALWAYS, *([runtime] if runtime else [])]
    there = agent.packages if agent else {}
    return {name: there[name] for name in sorted(set(wanted)) if name in there}


def pins(versions: dict[str, str]) -> Iterator[str]:
    """`name==version` as a registry knows it: without the part behind a +, which names a build."""
    for name, version in versions.items():
        public = version.partition("+")[0]
        if _VERSION.fullmatch(public):
            yield f"{name}=={public}"
