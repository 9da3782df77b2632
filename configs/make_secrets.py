#!/usr/bin/env python3
"""Make what compose.yaml names under `secrets:` and is not there yet: `make secrets`.

A password of 32 random letters and digits; for a name that ends in `_key` an SSH key, its public half beside it as `.pub`; for one in
`_token` an empty file. What exists is left alone. The folder is for its owner alone; the files are readable by all, because a container
mounts them for a user of its own.
"""

from __future__ import annotations

import secrets
import string
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
LENGTH = 32


def main(root: Path) -> int:
    """Make each missing file, and say so."""
    stack = yaml.safe_load((root / "compose.yaml").read_text("utf-8"))
    for name, where in stack["secrets"].items():
        path = root / where["file"]
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make(name, path)
            print(f"made {path.relative_to(root)}")  # noqa: T201
    return 0


def make(name: str, path: Path) -> None:
    """One secret, by its name."""
    if name.endswith("_token"):
        path.touch()  # somebody else's to give; an empty one means none
    elif name.endswith("_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "driftgate", "-f", str(path)]
        subprocess.run(command, check=True)
    else:
        alphabet = string.ascii_letters + string.digits
        path.write_text("".join(secrets.choice(alphabet) for _ in range(LENGTH)))
    path.chmod(0o644)


if __name__ == "__main__":
    sys.exit(main(ROOT))
