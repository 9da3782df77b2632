"""dynamo's log lines, made up only where somebody reads them.

For each operator that it traces, dynamo writes the header of a log line (`TORCH_LOGS=trace_call`), for which it reads the model's
source file token by token to find the function's full name, whether the line is logged or not. Here the name is looked up only if it is.
No count, reason or trace record holds it; a torch whose internals look different is refused aloud.
"""

from __future__ import annotations

import logging
from typing import Any

import torch._dynamo.symbolic_convert as converting

from driftgate.core.errors import MachineryError

LOGGERS = ("trace_call_log", "trace_source_log")


def name_only_what_is_logged() -> None:
    """Make dynamo look up functions' full names for its log alone. Idempotent. Raises MachineryError if dynamo is not what this was
    written for."""
    named: Any = getattr(converting, "get_funcname", None)
    if getattr(named, "kept_by_driftgate", False):
        return
    loggers = [getattr(converting, name, None) for name in LOGGERS]
    if named is None or not all(isinstance(logger, logging.Logger) for logger in loggers):
        raise MachineryError(
            f"torch._dynamo.symbolic_convert has changed (it lacks get_funcname or one of {', '.join(LOGGERS)}): "
            "driftgate.stages.explaining.headers must be adapted to this torch"
        )

    def get_funcname(filename: str, lineno: int) -> Any:
        logged = any(logger is not None and logger.isEnabledFor(logging.DEBUG) for logger in loggers)
        return named(filename, lineno) if logged else None

    get_funcname.kept_by_driftgate = True  # type: ignore[attr-defined]
    converting.get_funcname = get_funcname  # type: ignore[attr-defined]
