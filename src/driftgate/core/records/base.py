"""What every record shares: frozen, closed to unknown keys, tuples for lists, no NaN and no infinity."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

SCHEMA_VERSION = 1
"""The newest format of everything in a run's folder.

1  the first: plan, lock, stage records, findings, manifest (November 2026)
"""

MESSAGE_LENGTH = 4_000
TRACEBACK_LENGTH = 16_000


class Record(BaseModel):
    """Base of all records. A number that is not finite is an error here: write None and count it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="null")

    def to_json(self) -> str:
        """Indented JSON with a final newline, keys in the order of definition."""
        return self.model_dump_json(indent=1) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return self.model_dump(mode="json")


def _middle_cut(length: int) -> AfterValidator:
    def cut(text: str) -> str:
        if len(text) <= length:
            return text
        half = (length - 20) // 2
        return f"{text[:half]}\n[… cut …]\n{text[-half:]}"

    return AfterValidator(cut)


Message = Annotated[str, _middle_cut(MESSAGE_LENGTH)]
Traceback = Annotated[str, _middle_cut(TRACEBACK_LENGTH)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
