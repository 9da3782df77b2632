"""The largest resident size of this process: so far, and from a chosen moment on."""

from __future__ import annotations

import re
from pathlib import Path

from driftgate.machine.state import ROOT, NotReadableError, read_text

_RESET_PEAK = "5"


def peak_resident_bytes(root: Path = ROOT) -> int:
    """The high-water mark since the process began, or since `reset_peak`."""
    match = re.search(r"^VmHWM:\s*(\d+) kB$", read_text(root / "proc/self/status"), re.MULTILINE)
    if match is None:
        raise NotReadableError("/proc/self/status has no VmHWM")
    return int(match[1]) * 1024


def reset_peak(root: Path = ROOT) -> None:
    """Let the high-water mark begin again at what the process holds now. Raises NotReadableError where the kernel refuses."""
    try:
        (root / "proc/self/clear_refs").write_text(_RESET_PEAK)
    except OSError as error:
        raise NotReadableError(f"/proc/self/clear_refs cannot be written: {error.strerror}") from None
