#!/usr/bin/env python3
"""Pin and pull the models of a configuration.

Hands its arguments to `driftgate pull`, the command that CI calls, so that both run one thing.
"""

import sys

from driftgate.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command(["pull", *sys.argv[1:]]))
