#!/usr/bin/env python3
"""Count and explain graph breaks.

Hands its arguments to `driftgate explain`, the command that CI calls, so that both run one thing.
"""

import sys

from driftgate.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command(["explain", *sys.argv[1:]]))
