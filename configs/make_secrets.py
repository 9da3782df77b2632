#!/usr/bin/env python3
"""Make what compose.yaml names under `secrets:` and is not there yet: `make secrets`.

A password of 32 random letters and digits; for a name that ends in `_key` an SSH key, its public half beside it as `.pub`; for one in
`_token` an empty file. What exists is left alone. The folder is for its owner alone; the files are readable by all, because a container
mounts them for a user of its own. Any Python 3.9 will do: whoever only wants the stack needs no environment of Driftgate's.
"""

from __future__ import annotations

import re
import secrets
import shutil
import string
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LENGTH = 32
ENTRY = re.compile(r"^  (\w+): \{file: ([\w./-]+)\}$", re.MULTILINE)


def main(root: Path) -> int:
    """Make each missing file, and say so."""
    for name, file in wanted((root / "compose.yaml").read_text("utf-8")).items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        if not path.exists():
            make(name, path)
            print(f"made {file}")  # noqa: T201
    return 0


def wanted(compose: str) -> dict[str, str]:
    """The secrets of compose.yaml by name, each with its file. Read line by line: PyYAML is not everywhere."""
    return dict(ENTRY.findall(compose.partition("\nsecrets:\n")[2]))


def make(name: str, path: Path) -> None:
    """One secret, by its name."""
    if name.endswith("_token"):
        path.touch()  # somebody else's to give; an empty one means none
    elif name.endswith("_key"):
        if shutil.which("ssh-keygen") is None:
            sys.exit(f"{path} needs ssh-keygen; mend it with: apt-get install openssh-client")
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "driftgate", "-f", str(path)]
        subprocess.run(command, check=True)
    elif name.endswith("_key_pub"):
        sys.exit(f"{path} is missing beside its key; remove {path.with_suffix('')}, and both are made anew")
    else:
        alphabet = string.ascii_letters + string.digits
        path.write_text("".join(secrets.choice(alphabet) for _ in range(LENGTH)))
    path.chmod(0o644)


if __name__ == "__main__":
    sys.exit(main(ROOT))
