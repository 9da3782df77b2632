"""Choosing and pinning models on a Hub."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftgate.core.errors import StageFailure, UsageError
from driftgate.core.references import parse_reference
from driftgate.machine.settings import HubSettings
from driftgate.sources.embedded_hub import EmbeddedHub
from driftgate.sources.hub import HubSource
from driftgate.sources.testing.model_folders import make_model

VISION = {"pipeline_tag": "image-classification"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "models"
    make_model(root, "a/first", hub={"downloads": 90, "likes": 1})
    make_model(root, "a/second", card={"license": "apache-2.0"}, hub={"downloads": 80, "likes": 5})
    make_model(root, "a/third", hub={"downloads": 70, "likes": 9, "trending_score": 3})
    make_model(root, "a/gated", hub={"downloads": 99, "gated": "auto"})
    make_model(root, "a/other", card={"library_name": "keras"}, hub={"downloads": 98})
    make_model(root, "a/pickled", weights=0, files={"pytorch_model.bin": b"x" * 10}, hub={"downloads": 97})
    make_model(root, "a/large", weights=3_000, hub={"downloads": 96})
    make_model(root, "b/vit", card={**VISION, "tags": ["bert"]}, config={"model_type": "vit"}, hub={"downloads": 10})
    make_model(root, "b/twin", card=VISION, config={"model_type": "vit"}, hub={"downloads": 10})
    return root


@pytest.fixture
def hub(folder: Path) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(folder, token="hf_friend", page_size=3) as running:
        yield running


def source(hub: EmbeddedHub, token: str | None = None, **settings: object) -> HubSource:
    asked = {"endpoint": "embedded", "top": 2, "tasks": ("fill-mask",), "max_size": 2_000, **settings}
    return HubSource(HubSettings.model_validate(asked), endpoint=hub.url, token=token)


def chosen(source: HubSource) -> list[str]:
    return [entry.name for entry in source.select().models]


def test_the_top_of_each_task_comes_best_first_and_ties_by_name(hub: EmbeddedHub) -> None:
    assert chosen(source(hub, tasks=("image-classification", "fill-mask"))) == [
        "b/twin",
        "b/vit",
        "a/first",
        "a/second",
    ]
    assert chosen(source(hub, by="likes")) == ["a/third", "a/second"]
    assert chosen(source(hub, by="trending", top=1)) == ["a/third"]


def test_nothing_that_was_left_out_vanishes(hub: EmbeddedHub) -> None:
    reasons = {left.ref: left.reason for left in source(hub, top=5).select().left_out}
    assert reasons == {
        "hf:a/gated": "gated; hub.gated: true takes it",
        "hf:a/pickled": "hf:a/pickled has no safetensors weights",
        "hf:a/large": "3,079 bytes are more than hub.max_size",
        "hf:(task fill-mask)": "only 3 of 5 found among the first 100 by downloads",
    }


def test_licences_filter_whether_one_or_several(hub: EmbeddedHub) -> None:
    assert chosen(source(hub, licences=("apache-2.0",))) == ["a/second"]
    assert chosen(source(hub, licences=("apache-2.0", "gpl-3.0"), top=1)) == ["a/second"]
    left = source(hub, licences=("apache-2.0", "gpl-3.0")).select().left_out
    assert "licence mit is not among hub.licences" in {row.reason for row in left}


def test_any_library_is_taken_when_none_is_asked_for(hub: EmbeddedHub) -> None:
    assert chosen(source(hub, library="keras", top=1)) == ["a/other"]
    assert chosen(source(hub, library=None, top=1)) == ["a/other"]


def test_gated_models_come_only_with_a_token_and_by_wish(hub: EmbeddedHub) -> None:
    assert "a/gated" not in chosen(source(hub, token="hf_friend"))
    assert "a/gated" in chosen(source(hub, token="hf_friend", gated=True))


def test_families_and_authors_are_groups_too(hub: EmbeddedHub) -> None:
    assert chosen(source(hub, per="author", authors=("b", "a"), top=1)) == ["b/twin", "a/first"]
    selection = source(hub, per="family", families=("bert",), top=9).select()
    assert [entry.name for entry in selection.models] == ["a/first", "a/second", "a/third"]
    assert "tagged bert, but its model_type is vit" in {row.reason for row in selection.left_out}


def test_a_repeated_group_adds_nothing_twice(hub: EmbeddedHub) -> None:
    names = chosen(source(hub, tasks=("fill-mask", "fill-mask")))
    assert len(names) == len(set(names))


def test_top_zero_asks_nothing_of_any_hub() -> None:
    assert HubSource(HubSettings(endpoint="http://127.0.0.1:9")).select().models == ()


def test_a_pin_has_everything_that_identifies_the_model(hub: EmbeddedHub) -> None:
    entry = source(hub).pin(parse_reference("hf:b/vit"))
    assert (entry.ref, entry.slug, entry.name) == ("hf:b/vit", "b--vit", "b/vit")
    assert (entry.family, entry.task, entry.modality) == ("vit", "image-classification", "vision")
    assert (entry.architecture, entry.library, entry.licence) == ("BertForMaskedLM", "transformers", "mit")
    assert entry.endpoint == "embedded"
    assert entry.revision is not None
    assert len(entry.revision) == 40
    assert [file.path for file in entry.files] == ["config.json", "model.safetensors"]
    assert entry.files[1].sha256 is not None
    assert entry.size_bytes == sum(file.size for file in entry.files)
    assert source(hub).pin(parse_reference(f"hf:b/vit@{entry.revision}")).revision == entry.revision


FILES = dict.fromkeys(
    (
        "tokenizer.json", "merges.txt", "chat_template.jinja", "spiece.model", "1_Pooling/config.json", "image.png",
        "model.fp16.safetensors", "consolidated.safetensors", "onnx/model.onnx", "onnx/config.json", "modeling_odd.py",
        "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "training_args.bin", "model.pt",
    ),
    b"x",
)  # fmt: skip
SAFE = {
    "1_Pooling/config.json", "chat_template.jinja", "config.json", "merges.txt", "spiece.model", "tokenizer.json",
}  # fmt: skip


def pinned_files(folder: Path, repo_id: str, **settings: object) -> set[str]:
    with EmbeddedHub(folder) as hub:
        return {file.path for file in source(hub, **settings).pin(parse_reference(f"hf:{repo_id}")).files}


def test_only_files_that_cannot_run_code_are_pinned(tmp_path: Path) -> None:
    make_model(tmp_path, "a/odd", files=FILES)
    assert pinned_files(tmp_path, "a/odd") == SAFE | {"model.safetensors"}
    assert pinned_files(tmp_path, "a/odd", allow_pickle=True) == SAFE | {"model.safetensors"}


def test_pickle_and_python_come_only_where_they_are_allowed(tmp_path: Path) -> None:
    no_safetensors = {name: content for name, content in FILES.items() if "safetensors" not in name}
    make_model(tmp_path, "a/odd", weights=0, files=no_safetensors)
    assert pinned_files(tmp_path, "a/odd") == SAFE
    assert pinned_files(tmp_path, "a/odd", allow_pickle=True) == SAFE | {"pytorch_model.bin"}
    assert pinned_files(tmp_path, "a/odd", allow_remote_code=("a/other",)) == SAFE
    assert pinned_files(tmp_path, "a/odd", allow_remote_code=("a/odd",)) == SAFE | {"modeling_odd.py"}


def test_all_shards_are_pinned(tmp_path: Path) -> None:
    shards = {f"model-0000{i}-of-00002.safetensors" for i in (1, 2)}
    make_model(
        tmp_path, "a/big", weights=0, files={**dict.fromkeys(shards, b"x"), "model.safetensors.index.json": b"{}"}
    )
    assert pinned_files(tmp_path, "a/big") == shards | {"config.json", "model.safetensors.index.json"}


@pytest.mark.parametrize(
    ("reference", "kind"), [("hf:a/nothing", "not_found"), ("hf:a/first@v9", "not_found"), ("hf:a/first@main", None)]
)
def test_what_is_not_there_is_not_found(hub: EmbeddedHub, reference: str, kind: str | None) -> None:
    if kind is None:
        assert source(hub).pin(parse_reference(reference)).ref == reference
        return
    with pytest.raises(StageFailure) as caught:
        source(hub).pin(parse_reference(reference))
    assert caught.value.kind == kind
    assert reference in caught.value.message
    assert caught.value.hint


def test_a_name_no_hub_allows_and_an_endpoint_that_is_none_are_usage_errors(hub: EmbeddedHub) -> None:
    with pytest.raises(UsageError, match="hf:a--b/c"):
        source(hub).pin(parse_reference("hf:a--b/c"))
    with pytest.raises(UsageError, match="is no URL"):
        HubSource(HubSettings(endpoint="ftp://somewhere"))


def test_importing_the_source_imports_no_client() -> None:
    program = (
        "import sys, driftgate.sources.hub, driftgate.sources.embedded_hub;"
        "print(*{'huggingface_hub', 'httpx2', 'torch', 'numpy', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
