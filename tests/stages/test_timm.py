"""timm without timm: a small package of its name, or a torchvision whose operators do not fit, on the path of the calls."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from benchmarks import timm_site

from driftgate.core.errors import StageFailure, UsageError
from driftgate.machine.expectations import load_expectations
from driftgate.machine.settings import load_config
from driftgate.sources import timm_catalogue, zoo
from driftgate.stages.zoo.timm import build_timm

ROOT = Path(__file__).parents[2]
FLEET = str(ROOT / "configs" / "field-timm.yaml")
SMALL_TIMM, UNFIT = (Path(__file__).parent / "stand_ins" / name for name in ("small_timm", "unfit"))


def call(*command: str, cwd: Path, site: Path = SMALL_TIMM) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(site), "DRIFTGATE_CACHE": str(cwd / "cache"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def driftgate(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return call(sys.executable, "-m", "driftgate", *arguments, cwd=cwd)


def test_patterns_stand_for_one_of_each_family_for_all_or_for_what_matches(tmp_path):
    code = (
        "from driftgate.sources.zoo import matching\n"
        "for pattern in ('*', '**', 'stem_*w*'): print(*matching('zoo:timm/' + pattern))\n"
        "import sys; print([name for name in ('timm', 'torch', 'torchvision') if name in sys.modules])"
    )
    ended = call(sys.executable, "-c", code, cwd=tmp_path)
    assert ended.stdout.splitlines() == [
        "zoo:timm/stem_wide zoo:timm/tower_tall",
        "zoo:timm/stem_broken zoo:timm/stem_narrow zoo:timm/stem_wide zoo:timm/tower_tall",
        "zoo:timm/stem_narrow zoo:timm/stem_wide",
        "[]",
    ], ended.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("stem_narow", "timm has no architecture 'stem_narow'; did you mean 'stem_narrow'?"),
        ("stem_wide.a1_in1k", "its weights are random here: write zoo:timm/stem_wide"),
        ("root*", "zoo:timm/root* stands for no model; zoo:timm/* stands for one of each family, zoo:timm/** for all"),
    ],
)
def test_a_name_that_timm_does_not_have_is_a_mistake_of_one_line(name, told, tmp_path):
    ended = driftgate("plan", FLEET, "--model", f"zoo:timm/{name}", cwd=tmp_path)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_deep_model_is_built_shallow_and_fed_one_picture(tmp_path):
    ended = driftgate("inputs", "zoo:timm/tower_tall", "--format", "json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    payload = json.loads(ended.stdout)["payload"]
    (picture,) = payload["tensors"]
    assert (picture["name"], picture["shape"]) == ("picture", [1, 3, 300, 300])
    assert picture["how"] == "a drawn picture by pretrained_cfg.input_size, mean, std"
    assert picture["axes"] == ["batch", "channels", "height", "width"]
    assert payload["second_shapes"] == {"picture": [2, 3, 300, 300]}
    assert payload["parameters"] == 2 * (8 * 8 + 8) + (3 * 8 * 900 + 8) + 100 * 8


IMPORTED = """
import torch
from driftgate.stages.torchvision import make_importable
import torchvision
print(*make_importable())
try:
    torch.ops.torchvision.nms(torch.ones(1, 4), torch.ones(1), 0.5)
except NotImplementedError as error:
    print(error)
"""


def test_a_torchvision_whose_operators_do_not_fit_is_importable_and_says_what_it_lacks(tmp_path):
    ended = call(sys.executable, "-c", IMPORTED, cwd=tmp_path, site=UNFIT)
    note, error = ended.stdout.splitlines()[:2]
    assert note == "torchvision's operators do not fit this torch and are left out: a model that calls one fails"
    assert "Could not run 'torchvision::nms'" in error
    untouched = call(sys.executable, "-c", IMPORTED.replace("import torchvision", ""), cwd=tmp_path)
    assert untouched.stdout.splitlines()[0] == ""
    assert "no attribute 'nms'" in untouched.stderr


PICTURED = """
import timm
from driftgate.stages.inputs.request import Request
from driftgate.stages.inputs.timm import orders_of_timm
module = timm.create_model("stem_narrow", pretrained=False)
for channels in (3, 1):
    module.pretrained_cfg["input_size"] = (channels, 40, 50)
    request = Request(module, {"batch": 2} | ({"width": 60} if channels == 1 else {}), seed=0)
    orders_of_timm(module).make(request, {})
    x = request.made["x"]
    print(tuple(x.shape), x.is_contiguous(), bool((x[0] == x[1]).all()), float(x.min()) >= -2, float(x.max()) <= 2)
module.pretrained_cfg = {}
try:
    orders_of_timm(module)
except Exception as failure:
    print(failure)
"""


def test_a_picture_is_normalised_and_other_channels_are_numbers(tmp_path):
    ended = call(sys.executable, "-c", PICTURED, cwd=tmp_path)
    assert ended.stdout.splitlines() == [
        "(2, 3, 40, 50) True False True True",
        "(2, 1, 40, 60) True False False False",
        "inputs: Stem has no input_size in its pretrained_cfg",
    ], ended.stderr


BUILT = """
import sys, hashlib, pathlib
from driftgate.stages.zoo.timm import save_timm
for seed in (0, 0, 1):
    folder = pathlib.Path(sys.argv[1]) / str(seed)
    folder.mkdir(exist_ok=True)
    save_timm("stem_narrow", folder, seed)
    print(hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest())
print((folder / "config.json").read_text())
from safetensors.torch import load_file
print(float(load_file(folder / "model.safetensors")["norm.running_var"].std()))
for name in ("stem_broken", "local-dir:stem"):
    try:
        save_timm(name, folder)
    except Exception as failure:
        print(failure)
"""


def test_weights_come_from_the_seed_and_a_large_picture_becomes_a_smaller_one(tmp_path):
    ended = call(sys.executable, "-c", BUILT, str(tmp_path), cwd=tmp_path)
    first, again, other, config, spread, failure, place = ended.stdout.splitlines()
    assert first == again != other
    assert json.loads(config) == {
        "architecture": "stem_narrow",
        "model_args": {"pretrained_cfg_overlay": {"input_size": [3, 224, 224]}},
    }
    assert float(spread) > 0.05
    assert place == "load: timm has no architecture 'local-dir:stem'"
    assert failure == "load: timm's stem_broken cannot be built: RuntimeError: no stem grows from this"


def test_without_timm_its_models_name_the_extra():
    if find_spec("timm"):
        pytest.skip("timm is installed here")
    for ask in (zoo.parse, zoo.matching):
        with pytest.raises(UsageError, match=r"needs timm, which is not installed; pip install 'driftgate\[timm\]'"):
            ask("zoo:timm/resnet18")
    with pytest.raises(StageFailure, match="unavailable: zoo:timm/resnet18 needs the package timm"):
        build_timm("resnet18", {})


def test_the_fleet_of_timm_is_read_and_its_expectations_are_about_architectures_of_the_table():
    config = load_config(ROOT / "configs" / "field-timm.yaml")
    assert config.settings.models == ("zoo:timm/*",)
    if config.settings.expectations:
        rows = load_expectations(ROOT / "configs" / config.settings.expectations).expectations
        standing = {timm_catalogue.PREFIX + name for name in timm_catalogue.smallest_of_each().values()}
        assert {row.model for row in rows} <= standing
        assert all(len(row.reason) > 40 for row in rows)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """timm as constraints.txt pins it, and its torchvision, in a folder of their own."""
    folder = timm_site.site(tmp_path_factory.mktemp("packages") / "site")
    if folder is None:
        pytest.skip("pip cannot install timm here")
    return folder


CHECKED = """
import json
from importlib import resources
from driftgate.sources.timm_catalogue import TABLE, families
from driftgate.stages.loading.timm import import_timm
from driftgate.stages.zoo.timm_smallest import parameters, smallest
timm = import_timm("the test")
told = {family: sorted(names) for family, names in families().items()}
assert told == {family: sorted(timm.list_models(module=family)) for family in timm.list_modules()}
table = json.loads((resources.files("driftgate.sources") / TABLE).read_text("utf-8"))
assert table["timm"] == timm.__version__
assert set(table["families"]) == set(told)
for family, row in table["families"].items():
    assert parameters(row["architecture"], timm) == row["parameters"], family
for family in ("beit", "hrnet", "levit", "vgg"):
    assert smallest(told[family], timm) == table["families"][family], family
print(len(told))
"""


@pytest.mark.full
def test_the_table_of_the_smallest_is_that_of_the_pinned_timm(site, tmp_path):
    ended = call(sys.executable, "-c", CHECKED, cwd=tmp_path, site=site)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert int(ended.stdout) == len(timm_catalogue.smallest_of_each())


@pytest.mark.full
def test_models_of_the_pinned_timm_go_through_the_whole_pipeline(site, tmp_path):
    models = [part for name in ("test_vit", "test_resnet", "test_nfnet") for part in ("--model", f"zoo:timm/{name}")]
    ended = call(sys.executable, "-m", "driftgate", "run", FLEET, *models, "--no-confirm", cwd=tmp_path, site=site)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "21 of 21 cells passed" in ended.stdout
    (record,) = tmp_path.glob("outputs/*/models/zoo--timm--test_vit/inputs.json")
    notes = json.loads(record.read_text("utf-8"))["payload"]["notes"]
    assert all("torchvision's operators do not fit" in note for note in notes)  # none where they fit
