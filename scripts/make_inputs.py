#!/usr/bin/env python3
"""Make the inputs of each model.

Hands its arguments to `driftgate inputs`, the command that CI calls, so that both run one thing.
"""

import sys

from driftgate.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command(["inputs", *sys.argv[1:]]))
