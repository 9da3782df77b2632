#!/usr/bin/env python3
"""Judge a run.

Hands its arguments to `driftgate gate`, the command that CI calls, so that both run one thing.
"""

import sys

from driftgate.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command(["gate", *sys.argv[1:]]))
