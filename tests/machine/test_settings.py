from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.core.errors import UsageError
from driftgate.machine.settings import Settings, load_config, parse_config, quickstart_config
from driftgate.machine.settings.units import parse_duration, parse_size

EXAMPLE = """\
fleet: nightly
hub: {endpoint: null, top: 20, per: task, by: downloads, tasks: [image-classification], max_size: 2GB,
      licences: [apache-2.0, mit], allow_pickle: false, allow_remote_code: []}
models: ["hf:distilbert/distilbert-base-uncased", "python:fms_models:granite"]
targets: [torch-eager-cpu, torch-inductor-cpu, ort-cpu]
reference: torch-eager-cpu
explain: {fullgraph: true, second_shape: true}
export: {exporters: [dynamo, transformers], stop: first_success, dynamic: true, opset: null}
latency: {enabled: true, budget: 20s, precision: 0.02}
limits: {time: 900, memory: 8GB, jobs: auto}
keep: {onnx: changed, days: 14, max_size: 200GB}
"""


def parse(text):
    return parse_config(text, name="c.yaml", folder=Path())


def test_the_designs_example_is_read():
    settings = parse(EXAMPLE).settings
    assert settings.hub.max_size == 2 * 10**9
    assert settings.latency.budget == 20.0
    assert settings.limits.jobs == "auto"
    assert settings.models[1] == "python:fms_models:granite"


def test_settings_go_through_json_and_back():
    settings = parse(EXAMPLE).settings
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flet: x", "c.yaml:1: flet: unknown key 'flet'; did you mean 'fleet'?"),
        ("fleet: a\nhub:\n  topp: 3", "c.yaml:3: hub.topp: unknown key 'topp'; did you mean 'top'?"),
        ("fleet: a\nhub:\n  per: tsk", "c.yaml:3: hub.per: 'tsk' is not allowed here; did you mean 'task'?"),
        (
            "limits:\n  memory: 8 gigs",
            "c.yaml:2: limits.memory: '8 gigs' is not a size; write it like 512MB, 2GB or 8GiB",
        ),
        ("limits:\n  time: soon", "c.yaml:2: limits.time: 'soon' is not a number with a unit"),
        ("fleet: a\nfleet: b", "c.yaml:2: the key 'fleet' is there twice"),
        ("fleet: [", "c.yaml:1: not valid YAML"),
        ("- a\n- b", "c.yaml:1: the file must be a mapping"),
        (
            "fleet: a\nexport:\n  exporters:\n  - dynamo\n  - dynamite",
            "c.yaml:5: export.exporters[1]: 'dynamite' is not",
        ),
        ("latency: {precision: 2}", "c.yaml:1: latency.precision: Input should be less than or equal to 1"),
        ("targets:\n- ort-cpu\n- ort-cpu", "c.yaml:1: targets: 'ort-cpu' is there twice"),
        ("targets: []", "c.yaml:1: targets: Tuple should have at least 1 item"),
        ("hub: 3", "c.yaml:1: hub: Input should be a valid dictionary"),
        ("fleet: a/b", "c.yaml:1: fleet: String should match pattern"),
        ("? [a, b]\n: 1", "c.yaml:1: a key must be plain text"),
    ],
)
def test_a_mistake_is_named_by_file_line_key_and_nearest_valid_name(text, expected):
    with pytest.raises(UsageError) as error:
        parse(text)
    assert expected in str(error.value)


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_keys = st.sampled_from(
    ["fleet", "hub", "top", "models", "targets", "limits", "time", "latency", "x", "keep"]
) | st.text(max_size=8)
_values = st.recursive(
    _scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(_keys, v, max_size=4), max_leaves=12
)


@given(st.dictionaries(_keys, _values, max_size=5))
def test_any_yaml_is_settings_or_one_clear_line(data):
    import yaml

    text = yaml.safe_dump(data)
    try:
        parse(text)
    except UsageError as error:
        assert str(error).startswith("c.yaml")
        assert "\n" not in str(error)


@given(st.text(max_size=200))
def test_any_text_is_settings_or_one_clear_line(text):
    try:
        parse(text)
    except UsageError as error:
        assert "\n" not in str(error)


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path):
    for path, why in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=why):
            load_config(path)
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_config(binary)


def test_a_billion_laughs_are_not_laughed_at():
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(UsageError):
        parse(bomb)


def test_the_quickstart_in_the_package_and_its_copy_are_equal():
    packaged = Path(quickstart_config().document.name)
    copy = Path(__file__).parents[2] / "configs" / "quickstart.yaml"
    assert packaged.read_text() == copy.read_text()


@pytest.mark.parametrize(("text", "number"), [("2GB", 2e9), ("1.5MiB", 1.5 * 2**20), (7, 7), ("512mb", 512e6)])
def test_sizes(text, number):
    assert parse_size(text) == number


@pytest.mark.parametrize(("text", "number"), [("20s", 20), ("15m", 900), ("1h", 3600), (2.5, 2.5), ("250ms", 0.25)])
def test_durations(text, number):
    assert parse_duration(text) == number


@pytest.mark.parametrize("text", ["", "-1s", "1e999", "inf", True, "1 lightyear", "9" * 30])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="."):
        parse_duration(text)
