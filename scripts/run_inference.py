#!/usr/bin/env python3
"""Run models on targets.

Hands its arguments to `driftgate infer`, the command that CI calls, so that both run one thing.
"""

import sys

from driftgate.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command(["infer", *sys.argv[1:]]))
