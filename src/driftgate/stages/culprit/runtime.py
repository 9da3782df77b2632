"""ONNX Runtime as the search needs it: a file as people run it, the graph that it makes of a file, and parts run just as they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.stages.culprit.graphs import INLINE_BYTES, Arrays, Graph, load_skeleton
from driftgate.targets.ort_values import numpy_lacks, to_array, to_value

_WEIGHTS_FROM = "session.model_external_initializers_file_folder_path"
_WEIGHTS_TO = "session.optimized_model_external_initializers_file_name"
_WEIGHTS_LARGER = "session.optimized_model_external_initializers_min_size_in_bytes"
_ERRORS = (
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NotImplemented,
    errors.RuntimeException,
)


class Level(Enum):
    """How far the runtime may change a graph before it runs it."""

    AS_IT_IS = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    FUSED = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    FULL = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL


class Runtime:
    """ONNX Runtime with one execution provider and one thread."""

    def __init__(self, provider: str = "CPUExecutionProvider") -> None:
        self.provider = provider

    def outputs(self, path: Path, feed: Arrays, taps: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
        """Run a file as people do, all optimisations on; with taps, these inner values as outputs too, which may change what the
        runtime fuses."""
        if not taps:
            return self._run(self._session(str(path), Level.FULL), feed)
        model = load_skeleton(path)
        there = {value.name for value in model.graph.output}
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in taps if name not in there)
        return self._run(self._session(model.SerializeToString(), Level.FULL, path.parent), feed)

    def second_run(self, path: Path, feed: Arrays) -> dict[str, NDArray[Any]]:
        """What a session returns the second time: a graph that draws random numbers is a step further then, while two sessions
        begin alike."""
        session = self._session(str(path), Level.FULL)
        self._run(session, feed)
        return self._run(session, feed)

    def optimised(self, path: Path, level: Level, work: Path) -> Graph:
        """The graph that the runtime makes of a file and runs."""
        target = work / f"optimised-{level.name.lower()}.onnx"
        options = _options(level)
        options.optimized_model_filepath = str(target)
        options.add_session_config_entry(_WEIGHTS_TO, f"{target.name}.weights")
        options.add_session_config_entry(_WEIGHTS_LARGER, str(INLINE_BYTES))
        self._create(str(path), options)
        return Graph(load_skeleton(target), work)

    def run(
        self,
        model: onnx.ModelProto,
        folder: Path,
        feed: Arrays,
        names: Collection[str],
        level: Level = Level.AS_IT_IS,
    ) -> dict[str, NDArray[Any]]:
        """Run a model, just as it is by default; weights that are not inside lie in `folder`. Values that are no tensors are left out."""
        session = self._session(model.SerializeToString(), level, folder)
        return {name: value for name, value in self._run(session, feed).items() if name in names}

    def _session(self, model: str | bytes, level: Level, folder: Path | None = None) -> Any:
        options = _options(level)
        if folder is not None:
            options.add_session_config_entry(_WEIGHTS_FROM, str(folder))
        return self._create(model, options)

    def _create(self, model: str | bytes, options: Any) -> Any:
        try:
            return onnxruntime.InferenceSession(model, options, providers=[self.provider])
        except _ERRORS as error:
            raise StageFailure(FailureKind.LOAD, f"ONNX Runtime refuses the graph: {error}") from error

    def _run(self, session: Any, feed: Arrays) -> dict[str, NDArray[Any]]:
        names = [value.name for value in session.get_outputs()]
        wanted = {value.name for value in session.get_inputs()}
        given = {name: array for name, array in feed.items() if name in wanted}
        types = {value.type for value in (*session.get_inputs(), *session.get_outputs())}
        try:
            values = _run_wide(session, names, given) if numpy_lacks(types) else session.run(names, given)
        except (*_ERRORS, ValueError) as error:
            raise StageFailure(FailureKind.OTHER, f"ONNX Runtime cannot run the graph: {error}") from error
        return {name: value for name, value in zip(names, values, strict=True) if hasattr(value, "dtype")}


def _run_wide(session: Any, names: list[str], feed: Arrays) -> list[Any]:
    """A run with values of dtypes that numpy lacks."""
    made = session.run_with_ort_values(names, {name: to_value(array) for name, array in feed.items()})
    return [to_array(value) if value.is_tensor() else None for value in made]


def _options(level: Level) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = level.value
    options.log_severity_level = 4
    return options
