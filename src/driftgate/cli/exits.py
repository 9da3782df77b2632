"""From whatever ended a command to its exit code and one clear line on stderr."""

from __future__ import annotations

import os
import sys
import traceback

import click

from driftgate.core.errors import DriftgateError, ExitCode, StageFailure, did_you_mean, one_line


def exit_code_of(error: BaseException) -> int:
    """Say what happened and return the contract's code. Only a bug of ours prints a traceback."""
    match error:
        case KeyboardInterrupt() | click.Abort():
            _say("interrupted; what is finished is kept, `--resume` goes on")
            return ExitCode.INTERRUPTED
        case click.exceptions.Exit():
            return error.exit_code
        case click.NoSuchOption() | click.UsageError():
            _say(_click_message(error))
            return ExitCode.USAGE
        case click.ClickException():
            _say(one_line(error.format_message()))
            return ExitCode.USAGE
        case StageFailure():
            _say(f"{error.message}" + (f"; {error.hint}" if error.hint else ""))
            return ExitCode.MACHINERY
        case DriftgateError():
            _say(str(error))
            return error.exit_code
        case BrokenPipeError():
            # Whoever read our output went away; further writes at exit would only complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ExitCode.MACHINERY
        case OSError():
            _say(one_line(str(error)))
            return ExitCode.MACHINERY
        case Exception():
            traceback.print_exception(error)
            _say(f"this is a bug of Driftgate ({type(error).__name__}); please report it with the traceback above")
            return ExitCode.MACHINERY
    _say("terminated; what is finished is kept, `--resume` goes on")
    return ExitCode.TERMINATED


def _say(text: str) -> None:
    sys.stdout.flush()
    print(f"driftgate: {text}", file=sys.stderr, flush=True)  # noqa: T201


def _click_message(error: click.UsageError) -> str:
    path = error.ctx.info_name if error.ctx and error.ctx.parent else "the call"
    if isinstance(error, click.NoSuchOption) and error.ctx:
        names = [name for parameter in error.ctx.command.get_params(error.ctx) for name in parameter.opts]
        return one_line(f"{path}: no option {error.option_name!r}; {did_you_mean(error.option_name, names)}")
    return one_line(f"{path}: {error.format_message()}")
