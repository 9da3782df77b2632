"""Payloads as real stages write them, for synthetic runs: same shapes, plausible numbers, seeded."""

from __future__ import annotations

import hashlib
from random import Random

from driftgate.core.fingerprints import fingerprint
from driftgate.core.records import (
    DriftPayload,
    ExplainPayload,
    ExportAttempt,
    ExportPayload,
    FailureSummary,
    Fullgraph,
    GraphBreak,
    InferPayload,
    InputsPayload,
    InputTensor,
    Latency,
    Output,
    PullPayload,
    SecondShape,
    TensorDrift,
    Tolerance,
)

_BREAK_PAGE = "https://meta-pytorch.github.io/compile-graph-break-site/gb"
_TOLERANCE = Tolerance(atol=1e-4, rtol=1e-3, reason="float32: fused kernels reorder sums")
_OPERATORS = {
    "MatMul": 24, "Add": 61, "Mul": 38, "Reshape": 30, "Transpose": 22, "Softmax": 4, "LayerNormalization": 9,
    "Gather": 5, "Gelu": 4, "Cast": 11, "Concat": 7, "Slice": 6, "Unsqueeze": 13, "Where": 3, "Expand": 2, "Tanh": 1,
}  # fmt: skip

BREAKS = (
    GraphBreak(
        gb_id="GB0170",
        gb_type="Data-dependent branching",
        reason="Data-dependent branching: Detected data-dependent branching (e.g. `if my_tensor.sum() > 0:`).",
        explanation="Dynamo does not support tracing dynamic control flow.",
        hints=(
            "This graph break is fundamental - it is unlikely that Dynamo will ever be able to trace through your code. "
            "Consider finding a workaround.",
            "Use `torch.cond` to express dynamic control flow.",
        ),
        url=f"{_BREAK_PAGE}0170.html",
        file="transformers/models/led/modeling_led.py",
        line=512,
        function="forward",
        code="if is_global_attn.any():",
        count=2,
        fingerprint=fingerprint("GB0170", "forward", "if is_global_attn.any():"),
    ),
    GraphBreak(
        gb_id="GB0124",
        gb_type="Unsupported Tensor.item() call with capture_scalar_outputs=False",
        reason="Unsupported Tensor.item() call with capture_scalar_outputs=False",
        explanation="Dynamo does not support tracing `Tensor.item()` with config.capture_scalar_outputs=False.",
        hints=("Set `torch._dynamo.config.capture_scalar_outputs = True` to include these operations in the graph.",),
        url=f"{_BREAK_PAGE}0124.html",
        file="transformers/models/encodec/modeling_encodec.py",
        line=131,
        function="_get_extra_padding_for_conv1d",
        code="length = (n_frames - 1).ceil().long().item()",
        count=14,
        fingerprint=fingerprint("GB0124", "_get_extra_padding_for_conv1d", "length = n_frames.item()"),
    ),
    GraphBreak(
        gb_id="GB0059",
        gb_type="Failed to trace builtin operator",
        reason="Failed to trace builtin operator print",
        explanation="Dynamo does not know how to trace builtin operator `print` with argument types ['str'] (has_kwargs False)",
        hints=("Avoid calling builtin `print` with argument types ['str'].",),
        url=f"{_BREAK_PAGE}0059.html",
        file="modeling_custom.py",
        line=40,
        function="forward",
        code='print("shape", x.shape)',
        count=1,
        fingerprint=fingerprint("GB0059", "forward", "print"),
    ),
)


def pull_payload(random: Random) -> PullPayload:
    """A handful of files, all freshly downloaded."""
    size = random.randrange(300_000, 9_000_000)
    return PullPayload(files=6, bytes=size, downloaded_bytes=size, source="embedded hub")


def inputs_payload(random: Random) -> InputsPayload:
    """Token ids and their mask."""
    shape = (2, random.choice((8, 13, 21)))
    tensors = tuple(
        InputTensor(name=name, dtype="int64", shape=shape, axes=("batch", "sequence"), how=how)
        for name, how in (("input_ids", "drawn in 3…1023 by the tokenizer's vocabulary"), ("attention_mask", "ones"))
    )
    second = {"input_ids": (1, 34), "attention_mask": (1, 34)}
    return InputsPayload(tensors=tensors, second_shapes=second, seed=0, parameters=random.randrange(60_000, 900_000))


def explain_payload(random: Random, breaks: tuple[GraphBreak, ...] = ()) -> ExplainPayload:
    """One graph, or as many as the breaks make; explain's own count is one less than the graphs, as in torch."""
    events = sum(one.count for one in breaks)
    graphs = 1 + events // 2
    operators = tuple(random.randrange(12, 240) for _ in range(graphs))
    reason = breaks[0].reason if breaks else None
    return ExplainPayload(
        graph_count=graphs,
        break_count=events,
        unique_break_count=len(breaks),
        frames_skipped=1 if events > 10 else 0,
        explain_break_count=graphs - 1,
        breaks=breaks,
        op_count=sum(operators),
        ops_per_graph=operators,
        fullgraph=Fullgraph(passed=not breaks, reason=reason, seconds=random.uniform(1, 3)),
        second_shape=SecondShape(recompiles=1, breaks=events, seconds=random.uniform(1, 2)),
        compile_s=random.uniform(1, 5),
    )


def export_payload(random: Random, *, second_exporter: bool = False) -> ExportPayload:
    """An ONNX file from the first exporter, or from the second after the first one failed."""
    failed = FailureSummary(
        kind="cache_type",
        message="Unsupported output type DynamicCache; consider exporting with use_cache=False",
        fingerprint=fingerprint("cache_type", "Unsupported output type DynamicCache"),
        hint="set `arguments: {use_cache: false}` in the model's inputs file",
    )
    first = ExportAttempt(exporter="dynamo", dynamic=True, verdict="passed", seconds=random.uniform(1.5, 5))
    if second_exporter:
        first = first.model_copy(update={"verdict": "failed", "failure": failed})
    second = ExportAttempt(exporter="transformers", dynamic=True, verdict="passed", seconds=random.uniform(2, 6))
    histogram = {name: max(1, count + random.randrange(-3, 4)) for name, count in _OPERATORS.items()}
    return ExportPayload(
        exporter="transformers" if second_exporter else "dynamo",
        attempts=(first, second) if second_exporter else (first,),
        opset=20,
        node_count=sum(histogram.values()),
        op_histogram=histogram,
        weight_bytes=random.randrange(240_000, 3_600_000),
        file="model.onnx",
        sha256=hashlib.sha256(random.randbytes(8)).hexdigest(),
        dynamic_axes={"input_ids": ("batch", "sequence"), "attention_mask": ("batch", "sequence")},
        checker="full",
        inputs=("input_ids", "attention_mask"),
        outputs=("last_hidden_state", "pooler_output"),
    )


def infer_payload(random: Random, target: str) -> InferPayload:
    """Outputs and a right-skewed latency whose percentiles are in order."""
    p50 = random.lognormvariate(-6.5, 0.8)
    latency = Latency(
        p50=p50,
        p90=p50 * 1.08,
        p95=p50 * 1.15,
        p99=p50 * 1.6,
        min=p50 * 0.94,
        max=p50 * 3.1,
        mean=p50 * 1.02,
        ci95={"p50": (p50 * 0.99, p50 * 1.012), "p95": (p50 * 1.11, p50 * 1.2), "p99": None},
        samples=random.randrange(200, 4000),
        warmup=20,
        stopped_by=random.choice(("precision", "budget")),
    )
    digest = hashlib.sha256(random.randbytes(8)).hexdigest()
    output = Output(name="last_hidden_state", dtype="float32", shape=(2, 13, 32), sha256=digest, nonfinite=0)
    return InferPayload(
        device="cpu",
        placement={"CPUExecutionProvider": 187} if target == "ort-cpu" else {},
        init_s=random.uniform(0.01, 0.3),
        first_s=p50 * 4,
        latency=latency,
        throughput=2 / p50,
        batch=2,
        outputs=(output,),
        self_max_abs=0.0,
    )


def drift_payload(random: Random, *, scale: float = 1.0, within: bool = True, own: float = 0.0) -> DriftPayload:
    """Two output tensors some 1e-7 apart, times `scale`."""
    tensors = tuple(_tensor(random, name, shape, scale, within) for name, shape in _OUTPUTS)
    return DriftPayload(
        reference="torch-eager-cpu",
        candidate="ort-cpu",
        tensors=tensors,
        buckets={"0": 21, "≤1e-7": 540, "≤1e-6": 303},
        self_max_abs=own,
    )


_OUTPUTS = (("last_hidden_state", (2, 13, 32)), ("pooler_output", (2, 32)))


def _tensor(random: Random, name: str, shape: tuple[int, ...], scale: float, within: bool) -> TensorDrift:
    worst = random.uniform(1e-7, 4e-6) * scale
    return TensorDrift(
        name=name,
        dtype="float32",
        shape=shape,
        max_abs=worst,
        mae=worst / 9,
        rmse=worst / 7,
        max_rel=worst * 30,
        cosine=1 - worst / 50,
        argmax_agreement=None,
        nonfinite_mismatch=0,
        within_tolerance=within,
        tolerance=_TOLERANCE,
    )
