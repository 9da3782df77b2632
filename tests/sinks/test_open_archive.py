"""Archives made to do harm, damaged ones and foreign ones are refused in one line, and nothing of them stays."""

import gzip
import json
import os
import resource
import tarfile
from pathlib import Path

import pytest
from evil import (
    ABOUT,
    RUN,
    RUN_JSON,
    declared,
    good,
    in_manifest,
    manifest,
    member,
    named,
    packed,
    row,
    tarred,
    with_member,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.cli import run_command
from driftgate.core.errors import DriftgateError, UsageError
from driftgate.core.records.base import SCHEMA_VERSION
from driftgate.sinks.archive import reading
from driftgate.sinks.archive.reading import open_archive, read_manifest


def opened(tmp_path, data, **options):
    path = tmp_path / "run.tar.gz"
    path.write_bytes(data)
    return open_archive(path, tmp_path / "outputs", **options)


def refused(tmp_path, data, **options):
    """Why an archive is refused; nothing may be left of it, inside the output folder or beside."""
    (tmp_path / "outputs").mkdir(exist_ok=True)
    before = set(tmp_path.rglob("*")) | {tmp_path / "run.tar.gz"}
    with pytest.raises(UsageError) as error:
        opened(tmp_path, data, **options)
    assert set(tmp_path.rglob("*")) == before
    text = str(error.value)
    assert text.startswith(f"{tmp_path / 'run.tar.gz'}: ")
    assert "\n" not in text
    return text


def test_a_sound_one_is_opened(tmp_path):
    store, found = opened(tmp_path, packed(tarred(good())))
    assert store.root == tmp_path / "outputs" / RUN
    assert (store.root / "models" / "a" / "pull.log").read_bytes() == b"hello\n" * 200
    assert found.bytes == sum(path.stat().st_size for path in store.root.rglob("*.*") if path.name != "archive.json")
    assert os.stat(store.root).st_mode & 0o777 == 0o755
    assert {path.name for path in (tmp_path / "outputs").iterdir()} == {RUN}


def test_a_link_to_a_file_outside_is_refused(tmp_path):
    for kind, word in ((tarfile.SYMTYPE, "a link"), (tarfile.LNKTYPE, "a link")):
        data = with_member("models/a/evil", b"", type=kind, linkname="/etc/passwd")
        assert f"is {word}" in refused(tmp_path, data)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.DIRTYPE, "a folder"),
        (tarfile.CONTTYPE, "no plain file"),
        (tarfile.GNUTYPE_SPARSE, "a file with holes"),
        (tarfile.XHDTYPE, "an extended header"),
        (tarfile.XGLTYPE, "an extended header"),
        (tarfile.GNUTYPE_LONGLINK, "a link"),
        (b"Z", "no plain file"),
    ],
)
def test_only_plain_files_are_taken(tmp_path, kind, word):
    assert f"is {word}" in refused(tmp_path, with_member("models/a/evil", b"", type=kind))


BAD_NAMES = [
    "../evil", "models/../../evil", "/etc/evil", "./run.json", "models//a", "models/a/", "models/.hidden", ".ssh/config",
    "models\\..\\evil", "models/a\nb", "models/\x1b[31mred", "archive.json", "models/" + "x" * 300, "models/\u202eevil", "..", "",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=range(len(BAD_NAMES)))
def test_names_that_lead_elsewhere_are_refused_in_the_manifest(tmp_path, name):
    assert "is no name for a file of a run" in refused(tmp_path, in_manifest("run.json", name))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "elsewhere/evil", f"{RUN}x/evil", f"{RUN}/../evil", "evil"])
def test_names_that_lead_elsewhere_are_refused_in_the_tar(tmp_path, name):
    text = refused(tmp_path, named(name))
    assert "lies outside of" in text or "is no name for a file of a run" in text
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("names", [("models/a/x", "models/A/x"), ("a/x", "A"), ("é.txt", "e\u0301.txt"), ("ß", "SS")])
def test_names_that_some_disks_take_for_one_are_refused(tmp_path, names):
    assert "differ by case alone" in refused(tmp_path, in_manifest(*names))


@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "a")])
def test_a_name_that_is_there_twice_or_as_file_and_folder_is_refused(tmp_path, names):
    assert "twice, or as a file and a folder" in refused(tmp_path, in_manifest(*names))


def test_a_member_that_comes_twice_is_refused(tmp_path):
    members = good()
    assert "'run.json' is there twice" in refused(tmp_path, packed(tarred([*members, members[-1]])))


def test_a_second_manifest_is_refused(tmp_path):
    members = good()
    assert "is no name for a file of a run" in refused(tmp_path, packed(tarred([*members, members[0]])))


def test_a_member_that_the_manifest_does_not_have_is_refused(tmp_path):
    data = packed(tarred([*good(), member(f"{RUN}/models/a/evil.py", b"evil")]))
    assert "'models/a/evil.py' is not in archive.json" in refused(tmp_path, data)


def test_a_file_that_is_missing_is_refused(tmp_path):
    assert "'run.json' is missing" in refused(tmp_path, packed(tarred(good()[:-1])))


def test_content_that_is_not_what_the_manifest_says_is_refused(tmp_path):
    *members, (info, content) = good()
    text = refused(tmp_path, packed(tarred([*members, (info, b"x" * len(content))])))
    assert "the hash of 'run.json' is not the one of archive.json" in text


def test_a_size_that_is_not_what_the_manifest_says_is_refused(tmp_path):
    *members, _ = good()
    text = refused(tmp_path, packed(tarred([*members, member(f"{RUN}/run.json", b"longer than it was")])))
    assert f"'run.json' has 18 bytes, not the {len(RUN_JSON)} of archive.json" in text


def test_without_its_manifest_first_it_is_no_archive(tmp_path):
    first, *rest = good()
    assert "its first file is not archive.json" in refused(tmp_path, packed(tarred([*rest, first])))
    assert "its first file is not archive.json" in refused(tmp_path, packed(tarred([])))


def test_the_manifest_of_another_run_is_refused(tmp_path):
    _, *members = good()
    data = packed(tarred(declared(members, run_id="20200101T000000Z-000000")))
    assert "archive.json is of run '20200101T000000Z-000000', its folder" in refused(tmp_path, data)


def test_what_holds_no_run_or_the_documents_of_another_is_refused(tmp_path):
    assert "it holds neither run.json nor plan.json" in refused(
        tmp_path, packed(tarred(declared([member(f"{RUN}/a", b"x")])))
    )
    other = json.dumps(ABOUT | {"run_id": "20200101T000000Z-000000"}).encode()
    data = packed(tarred(declared([member(f"{RUN}/run.json", other)])))
    assert "its documents are of run 20200101T000000Z-000000" in refused(tmp_path, data)


@pytest.mark.parametrize("run_id", ["..", ".", "latest", "a/b", ""])
def test_a_run_whose_id_is_none_is_refused(tmp_path, run_id):
    document = manifest([], run_id=run_id)
    document[0].name = f"{run_id}/archive.json"
    assert "not a sound archive" in refused(tmp_path, packed(tarred([document])))


def test_a_newer_format_says_so(tmp_path):
    _, *members = good()
    text = refused_newer(tmp_path, packed(tarred(declared(members, schema_version=2, more="fields"))))
    assert "archive.json has schema version 2, newer than 1" in text
    assert "use the Driftgate that wrote it" in text


def refused_newer(tmp_path, data):
    with pytest.raises(UsageError) as error:
        opened(tmp_path, data)
    return str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": [{"name": "a", "bytes": -1, "sha256": "0" * 64}]},
        {"files": [{"name": "a", "bytes": 2**70, "sha256": "0" * 64}]},
        {"files": [{"name": "a", "bytes": 1, "sha256": "../../etc"}]},
        {"files": "all"},
        {"more": 1},
        {"schema_version": 0},
        {"schema_version": True},
    ],
    ids=str,
)
def test_a_manifest_that_does_not_validate_is_refused(tmp_path, changes):
    assert "not a sound archive of a run: archive.json" in refused(tmp_path, packed(tarred([manifest([], **changes)])))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"schema_version": 1}'])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path, raw):
    assert "archive.json" in refused(tmp_path, packed(tarred([member(f"{RUN}/archive.json", raw)])))


def test_what_unpacks_to_more_than_allowed_is_refused_before_anything_is_written(tmp_path):
    data = packed(tarred([manifest([row("a", b"x") | {"bytes": 60 * 10**9}])]))
    assert "it unpacks to 60 GB, more than 50 GB; give a larger --max-size" in refused(tmp_path, data)
    assert "more than 1 KB" in refused(tmp_path, packed(tarred(good())), most_bytes=1_000)


def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path):
    members = good()
    members[-1][0].size = 10**15
    assert "'run.json' has 1,000,000,000,000,000 bytes, not the " in refused(tmp_path, packed(tarred(members)))


def test_a_bomb_is_not_taken_into_memory(tmp_path):
    zeros = 1 << 27
    headers = [
        member(f"{RUN}/archive.json", b"", size=zeros),
        member("././@LongLink", b"", type=tarfile.GNUTYPE_LONGNAME, size=zeros),
        member(f"{RUN}/models/a/x", b"", type=tarfile.XHDTYPE, size=zeros),
    ]
    for info, _ in headers:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        data = gzip.compress(info.tobuf(tarfile.GNU_FORMAT), 1) + gzip.compress(bytes(1 << 20), 1) * (zeros >> 20)
        assert "not a sound archive" in refused(tmp_path, data)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < zeros // 2048


def test_a_manifest_of_gigabytes_is_refused(tmp_path):
    info, _ = member(f"{RUN}/archive.json", b"", size=reading.MANIFEST_BYTES + 1)
    assert "archive.json has 16.8 MB" in refused(tmp_path, packed(tarred([(info, b"")])))


@pytest.mark.parametrize("size", [-1, -(2**40)])
def test_a_size_below_zero_is_refused(tmp_path, size):
    members = good()
    members[-1][0].size = size
    assert "has a size below 0" in refused(tmp_path, packed(tarred(members)))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_one_is_refused(tmp_path, share):
    data = packed(tarred(good()))
    assert "it ends in the middle" in refused(tmp_path, data[: int(len(data) * share)])


@pytest.mark.parametrize("end", [b"", bytes(512), bytes(1024) + b"more", bytes(1536), bytes(512) + b"\1" * 512])
def test_an_end_that_is_none_is_refused(tmp_path, end):
    text = refused(tmp_path, packed(tarred(good(), end=end)))
    assert "it ends in the middle" in text or "it goes on after its end" in text


@pytest.mark.parametrize("data", [b"PK\3\4", b"hello world", bytes(2000), b"\x1f\x8b\x08" + b"\xff" * 60])
def test_what_is_no_gzip_is_refused(tmp_path, data):
    assert "not a sound archive of a run" in refused(tmp_path, data)


def test_what_follows_the_end_is_refused(tmp_path):
    data = packed(tarred(good()))
    assert "gzip says" in refused(tmp_path, data + b"trailing")
    assert "it goes on after its end" in refused(tmp_path, data + packed(b"more"))


def test_padding_that_hides_something_is_refused(tmp_path):
    data = tarred(good())
    place = data.index(b'{"some": "record"}') + 100
    assert "fills its last block" in refused(tmp_path, packed(data[:place] + b"hidden" + data[place + 6 :]))


def test_other_ways_of_long_names_are_refused(tmp_path):
    _, *members = good()
    members = declared([*members, member(f"{RUN}/models/" + "n" * 180, b"x")])
    assert "is an extended header" in refused(tmp_path, packed(tarred(members, form=tarfile.PAX_FORMAT)))
    opened(tmp_path, packed(tarred(members)))


def test_a_long_name_that_covers_up_another_is_checked_like_any(tmp_path):
    _, *members = good()
    covering = member("././@LongLink", b"../" * 40 + b"\0", type=tarfile.GNUTYPE_LONGNAME)
    data = packed(tarred([manifest([row("run.json", RUN_JSON)]), covering, members[-1]]))
    assert "lies outside of" in refused(tmp_path, data)


def test_what_cannot_be_read_is_told(tmp_path):
    for path, reason in ((tmp_path / "none.tar.gz", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=reason):
            open_archive(path, tmp_path / "outputs")


def test_a_run_that_is_there_and_equal_stays_and_one_that_differs_is_not_touched(tmp_path):
    data = packed(tarred(good()))
    store, _ = opened(tmp_path, data)
    (store.root / "model.onnx").write_text("left out of the archive, and here")
    opened(tmp_path, data)
    assert (store.root / "model.onnx").exists()
    (store.root / "run.json").write_text("another")
    assert f"{RUN} is there already, and its run.json is another" in refused(tmp_path, data)
    assert (store.root / "run.json").read_text() == "another"


def test_a_link_in_the_place_of_the_run_is_not_followed(tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "outputs" / RUN).symlink_to(tmp_path / "elsewhere")
    assert "is there already" in refused(tmp_path, packed(tarred(good())))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_disk_that_refuses_is_not_the_archives_fault(tmp_path, capfd):
    (tmp_path / "run.tar.gz").write_bytes(packed(tarred(good())))
    (tmp_path / "file").write_text("")
    assert run_command(["open", str(tmp_path / "run.tar.gz"), "--output", str(tmp_path / "file" / "x")]) == 3
    err = capfd.readouterr().err
    assert "cannot unpack into" in err
    assert "Traceback" not in err


def test_every_fault_is_one_line_and_exit_2(tmp_path, capfd):
    (tmp_path / "run.tar.gz").write_bytes(named("../evil"))
    assert run_command(["open", str(tmp_path / "run.tar.gz"), "--output", str(tmp_path / "outputs")]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "download it again" in err


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_any_byte_is_refused_or_changes_nothing(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flipped")
    plain = bytearray(tarred(good()))
    place = data.draw(st.integers(0, len(plain) - 1))
    plain[place] = data.draw(st.integers(0, 255))
    try:
        store, found = opened(folder, packed(bytes(plain)))
    except DriftgateError as error:
        assert isinstance(error, UsageError)
        assert list((folder / "outputs").glob("*")) == []
        return
    assert store.run_id == RUN
    expected = {info.name.removeprefix(f"{RUN}/"): content for info, content in good()[1:]}
    assert {file.name: (store.root / file.name).read_bytes() for file in found.files} == expected


def test_the_manifest_alone_is_read_without_unpacking(tmp_path):
    path = tmp_path / "run.tar.gz"
    path.write_bytes(packed(tarred(good())[:4096]))
    assert read_manifest(path).fleet == "evil"


def test_archives_of_every_version_there_has_been_are_opened(tmp_path):
    here = Path(__file__).parent
    archives = sorted((here / "golden").glob("v*.tar.gz"))
    assert len(archives) == SCHEMA_VERSION
    for archive in archives:
        (golden,) = (here.parent / "golden" / archive.name.removesuffix(".tar.gz")).iterdir()
        store, found = open_archive(archive, tmp_path / "outputs")
        assert {file.name for file in found.files} == {
            path.relative_to(golden).as_posix() for path in golden.rglob("*") if path.is_file()
        }
        assert [(store.root / file.name).read_bytes() for file in found.files] == [
            (golden / file.name).read_bytes() for file in found.files
        ]
