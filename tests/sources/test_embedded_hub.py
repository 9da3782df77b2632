"""The embedded Hub as the real client sees it."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from driftgate.core.errors import MachineryError, UsageError
from driftgate.sources.embedded_hub import EmbeddedHub
from driftgate.sources.testing.model_folders import make_model, noise

TOKEN = "hf_of_a_friend"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "models"
    make_model(root, "acme/bert", hub={"downloads": 5, "likes": 1}, files={"vocab/words list.txt": b"a\nb\n"})
    make_model(
        root,
        "acme/vit",
        card={"pipeline_tag": "image-classification", "license": "apache-2.0", "tags": ["tiny"]},
        config={"model_type": "vit"},
        hub={"downloads": 50, "likes": 0, "created_at": "2024-01-01T00:00:00.000Z"},
    )
    make_model(root, "zoo/bert", hub={"downloads": 7, "likes": 9, "trending_score": 2})
    make_model(root, "zoo/locked", hub={"gated": "manual"})
    make_model(root, "zoo/private", hub={"private": True})
    make_model(root, "zoo/gone", hub={"disabled": True})
    return root


@pytest.fixture
def hub(folder: Path) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(folder, token=TOKEN, page_size=2) as running:
        yield running


@pytest.fixture
def api(hub: EmbeddedHub) -> HfApi:
    return HfApi(endpoint=hub.url, token=False)


def ids(models: object) -> list[str]:
    return [model.id for model in models]  # type: ignore[attr-defined]


def test_the_list_is_complete_over_several_pages(api: HfApi) -> None:
    assert sorted(ids(api.list_models())) == ["acme/bert", "acme/vit", "zoo/bert", "zoo/gone", "zoo/locked"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ({"author": "acme"}, {"acme/bert", "acme/vit"}),
        ({"pipeline_tag": "image-classification"}, {"acme/vit"}),
        ({"filter": "license:apache-2.0"}, {"acme/vit"}),
        ({"filter": ["transformers", "vit", "tiny"]}, {"acme/vit"}),
        ({"filter": ["bert", "license:apache-2.0"]}, set()),
        ({"search": "BERT"}, {"acme/bert", "zoo/bert"}),
        ({"gated": True}, {"zoo/locked"}),
        ({"gated": False, "author": "zoo"}, {"zoo/bert", "zoo/gone"}),
    ],
)
def test_filters_choose_as_the_real_hub_does(api: HfApi, question: dict[str, object], answer: set[str]) -> None:
    assert set(ids(api.list_models(**question))) == answer  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("order", "first"),
    [("downloads", "acme/vit"), ("likes", "zoo/bert"), ("trending_score", "zoo/bert"), ("created_at", "acme/vit")],
)
def test_the_list_is_sorted_best_first(api: HfApi, order: str, first: str) -> None:
    assert ids(api.list_models(sort=order, limit=1)) == [first]  # type: ignore[arg-type]


def test_only_the_expanded_properties_are_sent(api: HfApi) -> None:
    (model,) = api.list_models(author="acme", search="vit", expand=["gated", "config", "sha"])
    assert model.config == {"architectures": ["BertForMaskedLM"], "model_type": "vit"}
    assert model.gated is False
    assert model.sha is not None
    assert model.downloads is None


def test_full_cards_and_configs_come_on_request(api: HfApi) -> None:
    (model,) = api.list_models(search="acme/vit", full=True, cardData=True, fetch_config=True)
    assert model.card_data is not None
    assert model.card_data.license == "apache-2.0"
    assert {file.rfilename for file in model.siblings or ()} == {"README.md", "config.json", "model.safetensors"}


def test_model_info_gives_sizes_and_hashes_of_all_files(api: HfApi) -> None:
    info = api.model_info("acme/bert", files_metadata=True)
    files = {file.rfilename: file for file in info.siblings or ()}
    weights = files["model.safetensors"]
    assert weights.lfs is not None
    assert weights.lfs.sha256 == hashlib.sha256(noise("acme/bert", 1_000)).hexdigest()
    assert weights.size == 1_000
    assert files["vocab/words list.txt"].blob_id == hashlib.sha1(b"blob 4\0a\nb\n").hexdigest()
    assert info.pipeline_tag == "fill-mask"
    assert info.downloads == 5
    assert {"bert", "fill-mask", "license:mit", "transformers"} <= set(info.tags or ())
    assert ".hub.json" not in files


def test_equal_content_has_an_equal_commit_and_changed_content_another(tmp_path: Path) -> None:
    commits = []
    for name in ("one", "two"):
        folder = make_model(tmp_path / name, "acme/bert")
        with EmbeddedHub(tmp_path / name) as hub:
            api = HfApi(endpoint=hub.url, token=False)
            commits.append(api.model_info("acme/bert").sha)
            (folder / "config.json").write_text("{}")
            commits.append(api.model_info("acme/bert").sha)
    assert commits[0] == commits[2]
    assert commits[1] == commits[3]
    assert commits[0] != commits[1]


def test_the_tree_lists_files_and_folders(api: HfApi) -> None:
    top = {entry.path: entry for entry in api.list_repo_tree("acme/bert")}
    assert set(top) == {"README.md", "config.json", "model.safetensors", "vocab"}
    below = [entry.path for entry in api.list_repo_tree("acme/bert", "vocab")]
    assert below == ["vocab/words list.txt"]
    assert "vocab/words list.txt" in {
        entry.path for entry in api.list_repo_tree("acme/bert", recursive=True, expand=True)
    }
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree("acme/bert", "nowhere"))


def test_paths_refs_and_whoami_are_answered(api: HfApi) -> None:
    assert [info.path for info in api.get_paths_info("acme/bert", ["vocab", "config.json", "no"])] == [
        "vocab",
        "config.json",
    ]
    commit = api.model_info("acme/bert").sha
    assert [(branch.name, branch.target_commit) for branch in api.list_repo_refs("acme/bert").branches] == [
        ("main", commit)
    ]
    assert api.whoami(token=TOKEN)["name"] == "embedded"
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        api.whoami(token="hf_wrong")


def test_a_snapshot_has_the_very_bytes(hub: EmbeddedHub, folder: Path, tmp_path: Path) -> None:
    copy = Path(snapshot_download("acme/bert", endpoint=hub.url, cache_dir=tmp_path / "cache", token=False))
    for path in ("README.md", "config.json", "model.safetensors", "vocab/words list.txt"):
        assert (copy / path).read_bytes() == (folder / "acme/bert" / path).read_bytes()


def test_the_full_commit_is_a_revision_and_a_short_one_is_not(api: HfApi) -> None:
    commit = api.model_info("acme/bert").sha
    assert commit is not None
    assert api.model_info("acme/bert", revision=commit).sha == commit
    with pytest.raises(RevisionNotFoundError):
        api.model_info("acme/bert", revision=commit[:8])


def test_refusals_become_the_clients_own_errors(hub: EmbeddedHub, api: HfApi, tmp_path: Path) -> None:
    def download(repo_id: str, name: str, token: str | bool = False) -> str:
        return hf_hub_download(repo_id, name, endpoint=hub.url, cache_dir=tmp_path, token=token)

    with pytest.raises(RepositoryNotFoundError):
        api.model_info("acme/nothing")
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("zoo/private")
    with pytest.raises(EntryNotFoundError):
        download("acme/bert", "nothing.txt")
    with pytest.raises(DisabledRepoError):
        api.model_info("zoo/gone")
    with pytest.raises(GatedRepoError):
        download("zoo/locked", "config.json")
    with pytest.raises(GatedRepoError):
        download("zoo/locked", "config.json", "hf_wrong")
    assert Path(download("zoo/locked", "config.json", TOKEN)).is_file()
    assert HfApi(endpoint=hub.url, token=TOKEN).model_info("zoo/private").private


def test_hf_download_works_with_nothing_but_an_endpoint(hub: EmbeddedHub, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    }
    command = [
        str(Path(sys.executable).with_name("hf")),
        "download",
        "acme/bert",
        "--local-dir",
        str(tmp_path / "here"),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here/model.safetensors").read_bytes() == noise("acme/bert", 1_000)


def test_what_cannot_be_used_is_told_and_a_broken_hub_json_closes_the_model(tmp_path: Path) -> None:
    make_model(tmp_path, "acme/odd", hub={"gatd": True}, files={"README.md": b"---\na: [\n---\n"})
    lines: list[str] = []
    with EmbeddedHub(tmp_path, log=lines.append) as hub, pytest.raises(DisabledRepoError):
        HfApi(endpoint=hub.url, token=False).model_info("acme/odd")
    told = "\n".join(lines)
    assert "acme/odd: .hub.json: gatd" in told
    assert "acme/odd: README.md: the front matter is not YAML" in told


def test_a_taken_port_and_a_missing_folder_are_explained(tmp_path: Path) -> None:
    with EmbeddedHub(tmp_path) as hub, pytest.raises(MachineryError, match="choose another with --port"):
        EmbeddedHub(tmp_path, hub.port)
    with pytest.raises(UsageError, match="is no folder"):
        EmbeddedHub(tmp_path / "nowhere")


def test_models_may_come_while_it_serves(tmp_path: Path) -> None:
    with EmbeddedHub(tmp_path) as hub:
        api = HfApi(endpoint=hub.url, token=False)
        assert ids(api.list_models()) == []
        make_model(tmp_path, "acme/new", config={"architectures": None})
        assert ids(api.list_models()) == ["acme/new"]
        assert json.loads(json.dumps(api.model_info("acme/new").config)) == {"model_type": "bert"}
