"""The records of a run: frozen, validated, and the only way in which the parts of Driftgate speak to each other."""

from driftgate.core.records.archive import ArchivedFile, ArchiveManifest, NotArchived
from driftgate.core.records.base import SCHEMA_VERSION, Record
from driftgate.core.records.conditions import Conditions, Energy, Memory
from driftgate.core.records.drift import (
    Culprit,
    Disagreement,
    DriftPayload,
    Judged,
    Labelled,
    TensorDrift,
    Tolerance,
    Ulps,
)
from driftgate.core.records.explain import (
    CompilePhases,
    Discrepancy,
    ExplainPayload,
    Fullgraph,
    GraphBreak,
    Recompile,
    SecondShape,
    SkippedFrame,
)
from driftgate.core.records.export import ExportAttempt, ExportPayload, FailureSummary, ShapeInference, SourceLine
from driftgate.core.records.finding import Finding, FindingGroup, Findings, Severity, finding_id
from driftgate.core.records.in_turn import InTurnPayload
from driftgate.core.records.infer import InferPayload, Latency, Output, StreamTest
from driftgate.core.records.model import LeftOut, Lock, LockedFile, LockEntry, ModelIdentity, Unpinned
from driftgate.core.records.payloads import PAYLOADS, InputsPayload, InputTensor, PullPayload
from driftgate.core.records.plan import Cell, Plan, cell_named
from driftgate.core.records.run import Agent, ExpectedFailure, Manifest
from driftgate.core.records.stage_record import Artifact, CellResult, Failure, StageRecord
from driftgate.core.records.tuning import (
    LimitLoad,
    OperatorTime,
    ProfilePayload,
    QueueLoad,
    QueueView,
    Sojourns,
    Spread,
    Sweep,
    SweepRow,
)

__all__ = [
    "PAYLOADS",
    "SCHEMA_VERSION",
    "Agent",
    "ArchiveManifest",
    "ArchivedFile",
    "Artifact",
    "Cell",
    "CellResult",
    "CompilePhases",
    "Conditions",
    "Culprit",
    "Disagreement",
    "Discrepancy",
    "DriftPayload",
    "Energy",
    "ExpectedFailure",
    "ExplainPayload",
    "ExportAttempt",
    "ExportPayload",
    "Failure",
    "FailureSummary",
    "Finding",
    "FindingGroup",
    "Findings",
    "Fullgraph",
    "GraphBreak",
    "InTurnPayload",
    "InferPayload",
    "InputTensor",
    "InputsPayload",
    "Judged",
    "Labelled",
    "Latency",
    "LeftOut",
    "LimitLoad",
    "Lock",
    "LockEntry",
    "LockedFile",
    "Manifest",
    "Memory",
    "ModelIdentity",
    "NotArchived",
    "OperatorTime",
    "Output",
    "Plan",
    "ProfilePayload",
    "PullPayload",
    "QueueLoad",
    "QueueView",
    "Recompile",
    "Record",
    "SecondShape",
    "Severity",
    "ShapeInference",
    "SkippedFrame",
    "Sojourns",
    "SourceLine",
    "Spread",
    "StageRecord",
    "StreamTest",
    "Sweep",
    "SweepRow",
    "TensorDrift",
    "Tolerance",
    "Ulps",
    "Unpinned",
    "cell_named",
    "finding_id",
]  # fmt: skip
