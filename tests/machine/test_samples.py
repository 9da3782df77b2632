"""Raw samples on disk: what comes back is what was kept, and every statistic of the record with it."""

import random
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.core.errors import DamagedRecordError
from driftgate.core.statistics import Samples, latency_of_samples
from driftgate.machine.samples import load_samples, samples_file, save_samples

NUMBERS = random.Random(1)
STREAM = Samples(
    nanoseconds=tuple(NUMBERS.randrange(1_000_000, 1_100_000) for _ in range(1000)),
    warmup=20,
    stopped_by="precision",
    precision=0.01,
    p99_precision=0.1,
    warmup_nanoseconds=tuple(NUMBERS.randrange(1_000_000, 3_000_000) for _ in range(20)),
    warmup_ended_by="steady",
    discarded=3,
)


def test_samples_come_back_as_they_were_and_with_them_every_statistic(tmp_path: Path) -> None:
    path = tmp_path / samples_file("ort-cpu", "b4")
    assert path.name == "samples.ort-cpu@b4.npz"
    save_samples(path, {"infer": STREAM, "pre": Samples((5,), 0, "budget")})
    back = load_samples(path)
    assert back == {"infer": STREAM, "pre": Samples((5,), 0, "budget")}
    assert latency_of_samples(back["infer"]) == latency_of_samples(STREAM)


def test_a_file_is_compressed_and_its_bytes_depend_on_nothing_but_the_samples(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_samples(tmp_path / name, {"infer": STREAM})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").stat().st_size < 8 * len(STREAM.nanoseconds) / 2


def test_a_file_that_is_damaged_missing_or_of_another_kind_says_so(tmp_path: Path) -> None:
    path = tmp_path / "samples.x.npz"
    with pytest.raises(DamagedRecordError, match="holds no samples"):
        load_samples(path)
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(DamagedRecordError, match="run infer for this target again"):
        load_samples(path)
    np.savez(path.open("wb"), other=np.zeros(3))
    with pytest.raises(DamagedRecordError, match="about"):
        load_samples(path)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_wrong_bytes_anywhere_are_damage_or_leave_the_samples_as_they_were(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "samples.x.npz"
        save_samples(path, {"infer": STREAM})
        content = bytearray(path.read_bytes())
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=20)):
            content[place] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        with suppress(DamagedRecordError):
            assert load_samples(path) == {"infer": STREAM}


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "samples.x.npz"
    with path.open("wb") as stream:
        np.savez(stream, about=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DamagedRecordError, match="holds no samples"):
        load_samples(path)


def test_a_file_that_unpacks_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "samples.x.npz"
    with path.open("wb") as stream:
        np.savez_compressed(stream, infer=np.zeros(9_000_000, np.int64))
    with pytest.raises(DamagedRecordError, match="more than 64 MB"):
        load_samples(path)
