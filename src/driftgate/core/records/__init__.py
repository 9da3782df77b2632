"""The records of a run: frozen, validated, and the only way in which the parts of Driftgate speak to each other."""

from driftgate.core.records.base import SCHEMA_VERSION, Record
from driftgate.core.records.drift import Culprit, DriftPayload, TensorDrift, Tolerance
from driftgate.core.records.explain import ExplainPayload, Fullgraph, GraphBreak, SecondShape
from driftgate.core.records.export import ExportAttempt, ExportPayload, FailureSummary
from driftgate.core.records.finding import Finding, Findings, Severity, finding_id
from driftgate.core.records.infer import InferPayload, Latency, Output
from driftgate.core.records.model import LeftOut, Lock, LockedFile, LockEntry, ModelIdentity, Unpinned
from driftgate.core.records.payloads import PAYLOADS, InputsPayload, InputTensor, PullPayload
from driftgate.core.records.plan import Cell, Plan, cell_named
from driftgate.core.records.run import Agent, ExpectedFailure, Manifest
from driftgate.core.records.stage_record import Artifact, CellResult, Failure, StageRecord

__all__ = [
    "PAYLOADS", "SCHEMA_VERSION", "Agent", "Artifact", "Cell", "CellResult", "Culprit", "DriftPayload",
    "ExpectedFailure", "ExplainPayload", "ExportAttempt", "ExportPayload", "Failure", "FailureSummary", "Finding", "Findings",
    "Fullgraph", "GraphBreak", "InferPayload", "InputTensor", "InputsPayload", "Latency", "LeftOut", "Lock", "LockEntry",
    "LockedFile", "Manifest", "ModelIdentity", "Output", "Plan", "PullPayload", "Record", "SecondShape", "Severity",
    "StageRecord", "TensorDrift", "Tolerance", "Unpinned", "cell_named", "finding_id",
]  # fmt: skip
