"""Where the run's numbers come from, fit to be shown: agents and configuration, with everything blacked out that may be a secret."""

from __future__ import annotations

import json
import re
from typing import Any

_SECRET = re.compile(r"secret|passw|credential|((^|[_-])(token|api_?key|authorization)$)", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=//)[^/@\s]+@")
HIDDEN = "(hidden)"


def redacted(value: Any, key: str = "") -> Any:
    """A copy of plain data in which values under a secret's name, and user:password in URLs, are hidden."""
    if isinstance(value, dict):
        return {name: redacted(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, key) for item in value]
    if value is not None and not isinstance(value, bool) and _SECRET.search(key):
        return HIDDEN
    return _USERINFO.sub(f"{HIDDEN}@", value) if isinstance(value, str) else value


def config_text(config: dict[str, Any]) -> str:
    """The resolved configuration as indented JSON, redacted."""
    return json.dumps(redacted(config), indent=2, ensure_ascii=False, default=str)
