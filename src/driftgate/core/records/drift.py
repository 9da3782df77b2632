"""The drift payload: how far one target's outputs are from the reference's."""

from __future__ import annotations

from driftgate.core.records.base import Record


class Tolerance(Record):
    """|candidate − reference| ≤ atol + rtol · |reference|, and why it was chosen. `row` says for which outputs the row of
    the table is meant (`float32, target ort-cuda`)."""

    atol: float
    rtol: float
    reason: str
    row: str | None = None


class Ulps(Record):
    """How many representable numbers of the tensor's own dtype lie between reference and candidate, over the elements that
    are finite on both sides. The percentiles are nearest-rank, kept to 12 significant bits (rounded down); `max` is exact."""

    p50: int
    p99: int
    max: int


class TensorDrift(Record):
    """One output tensor against the reference.

    Computed in float64 over the elements that are finite on both sides; `nonfinite_mismatch` counts the
    others that differ (NaN against a number, +inf against −inf …). Values that cannot be computed are None.

    `compared` is how many elements that was; `reference_nonfinite` and `candidate_nonfinite` count the NaNs and infinities
    of each side. `psnr` is in decibels, of the mean squared error against the reference's range (largest − smallest); None
    for no error or no range. `topk_agreement` is the mean share of a row's five largest elements that both sides have in common.
    `reference_error` and `candidate_error` are max-abs distances from the reference run in float64, where that was asked for.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    max_abs: float | None
    mae: float | None
    rmse: float | None
    max_rel: float | None
    cosine: float | None
    argmax_agreement: float | None
    nonfinite_mismatch: int
    within_tolerance: bool
    tolerance: Tolerance
    compared: int | None = None
    reference_nonfinite: int | None = None
    candidate_nonfinite: int | None = None
    psnr: float | None = None
    ulps: Ulps | None = None
    topk_agreement: float | None = None
    reference_error: float | None = None
    candidate_error: float | None = None


class Judged(Record):
    """Samples by what became of them: the label was chosen, its neighbour (one class off), another class or none (NaN)."""

    correct: int = 0
    off_by_one: int = 0
    wrong: int = 0


class Disagreement(Record):
    """A sample on which reference and candidate chose differently; a choice is None where a score is NaN."""

    sample: int
    label: int
    reference: int | None
    candidate: int | None


class Labelled(Record):
    """Both sides against the labels that were given with the inputs: `output` holds the scores, `disagreements` the first
    few of the samples counted in `disagree`."""

    output: str
    reference: Judged
    candidate: Judged
    agree: int
    disagree: int
    disagreements: tuple[Disagreement, ...] = ()


class Culprit(Record):
    """The first node whose own error exceeds tolerance; what flows in from above is inherited error.

    `node` is its name in the file as exported, `covers` the exported nodes that stand for one here: those of a fused node, or
    those between two values that the reference has too. `runs_as` is what the runtime made of them, where that was judged. `value` is
    the tensor whose error `own_error` is (max-abs; None where no number can be given: another shape, NaN on one side), `tolerance`
    what it may be. `magnified` is an output that leaves its tolerance because of an own error that is within; `vanishes_when_tapped`
    that the drift is gone as soon as inner values are looked at: nothing was judged then. `module` is the module's path, `source`
    `file:line`, `code` what stands there. `repro` is the folder beside the records that holds the smallest part that still differs.
    """

    node: str
    op_type: str
    module: str | None = None
    source: str | None = None
    own_error: float | None
    inherited_error: float | None
    code: str | None = None
    value: str | None = None
    tolerance: Tolerance | None = None
    covers: tuple[str, ...] = ()
    runs_as: str | None = None
    magnified: str | None = None
    vanishes_when_tapped: bool = False
    repro: str | None = None
    repro_bytes: int | None = None


class DriftPayload(Record):
    """`self_max_abs` is how far the reference is from itself run to run: a model that differs from itself is
    marked, not blamed. `labelled` is there where labels were given; `notes` say what the numbers alone would hide,
    `culprit_note` why no culprit is named, or what to know of the one that is."""

    reference: str
    candidate: str
    tensors: tuple[TensorDrift, ...]
    buckets: dict[str, int] = {}
    culprit: Culprit | None = None
    culprit_note: str | None = None
    self_max_abs: float | None = None
    labelled: Labelled | None = None
    notes: tuple[str, ...] = ()
