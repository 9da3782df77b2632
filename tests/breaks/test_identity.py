"""The identity of a break in real files: it survives moved lines, another name of the file and another folder, but not other code."""

import importlib.util
from pathlib import Path

import torch

from driftgate.core.break_changes import Change, changes
from driftgate.core.records import GraphBreak
from driftgate.stages.explaining.counting import count_breaks
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.loading import Ready

SOURCE = """\
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        x = x + 1
        scale = x[:2].sum().item()
        return x * scale
"""


def only_break(path: Path, source: str = SOURCE) -> GraphBreak:
    """The one break of a model that stands in a file of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch._dynamo.reset()
    (found,) = count_breaks(Ready(module.Model().eval(), ModelInputs(first={"x": torch.ones(3, 4)}))).breaks
    return found


def test_it_is_the_same_after_lines_were_inserted_above(tmp_path: Path) -> None:
    before = only_break(tmp_path / "model.py")
    after = only_break(tmp_path / "later" / "model.py", "# one\n# two\n# three\n" + SOURCE)
    assert (after.line or 0) - (before.line or 0) == 3
    assert after.fingerprint == before.fingerprint
    assert [found.change for found in changes([before], [after])] == [Change.MOVED]


def test_it_is_the_same_in_a_renamed_file_and_another_folder(tmp_path: Path) -> None:
    before = only_break(tmp_path / "one" / "model.py")
    after = only_break(tmp_path / "another" / "deep" / "renamed.py")
    assert before.file != after.file
    assert (after.fingerprint, after.site) == (before.fingerprint, before.site)


def test_it_is_the_same_with_other_white_space(tmp_path: Path) -> None:
    before = only_break(tmp_path / "model.py")
    after = only_break(tmp_path / "later" / "model.py", SOURCE.replace("scale = x", "scale   =   x"))
    assert after.fingerprint == before.fingerprint


def test_other_code_at_the_break_is_changed_and_not_new(tmp_path: Path) -> None:
    before = only_break(tmp_path / "model.py")
    after = only_break(tmp_path / "later" / "model.py", SOURCE.replace("x[:2]", "x[:1]"))
    assert after.fingerprint != before.fingerprint
    assert after.site == before.site
    assert [found.change for found in changes([before], [after])] == [Change.CHANGED]


def test_another_function_is_another_break(tmp_path: Path) -> None:
    before = only_break(tmp_path / "model.py")
    moved = SOURCE.replace(
        "def forward(self, x):", "def forward(self, x):\n        return self.inner(x)\n\n    def inner(self, x):"
    )
    after = only_break(tmp_path / "later" / "model.py", moved)
    assert after.site != before.site
