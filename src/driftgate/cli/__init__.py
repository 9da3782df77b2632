"""The command line. `driftgate --help` imports click and nothing heavy; each command loads what it needs when called."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import click

from driftgate.cli.commands import CommandTable


class Terminated(BaseException):
    """SIGTERM, raised where the main thread stands, so that everything is wound up in order."""


@click.group(cls=CommandTable, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="driftgate", prog_name="driftgate")
def driftgate() -> None:
    """Take a fleet of models through compile, export and inference on every target, and say what broke, where it
    broke, and whether it is real."""


def main() -> None:
    """Entry point of the console script: runs the command line and ends the process with the contract's exit code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run the command line and return the exit code: 0, 1, 2, 3, 130 or 143."""
    signal.signal(signal.SIGTERM, _terminate)
    from driftgate.cli.exits import exit_code_of

    try:
        outcome = driftgate.main(arguments, standalone_mode=False)
    except (Exception, KeyboardInterrupt, Terminated) as error:  # noqa: BLE001  # the edge: all becomes an exit code
        return exit_code_of(error)
    return outcome if isinstance(outcome, int) else 0


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Terminated
