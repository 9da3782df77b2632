"""Reading break events: texts as torch 2.13 writes them."""

import hashlib
from dataclasses import replace

from driftgate.core.break_places import Owner, common_path, fold_events, module_of
from driftgate.core.breaks import ANSI, Cut, Frame, ids_by_type, parse_event, shorten

IDS = ids_by_type(
    {
        "GB0124": [{"Gb_type": "Unsupported Tensor.item() call with capture_scalar_outputs=False"}],
        "GB0170": [{"Gb_type": "Data-dependent branching"}, {"Gb_type": "_gb_type"}],
    }
)
SITE = "https://meta-pytorch.github.io/compile-graph-break-site/gb"
ITEM = f"""\
Graph break in user code at /home/me/model.py:15
Graph Break Reason: Failed to handle graph break gracefully. Skipping the function and falling back to eager. Graph break encountered:

Unsupported Tensor.item() call with capture_scalar_outputs=False
  Explanation: Dynamo does not support tracing `Tensor.item()`
      with config.capture_scalar_outputs=False.
  Hint: Set `torch._dynamo.config.capture_scalar_outputs = True`.
  Hint: Or write it
      without.

  Developer debug context: call_method TensorVariable() item () {{}}

 For more details about this graph break, please visit: {SITE}/gb0124.html

*** While handling this graph break, another graph break occurred: ***

graph break in loop
  Explanation: torch.compile detected a graph break in a for/while loop.
  Hint: Resolving the earlier graph break may resolve this one.

  Developer debug context: frame skipped: forward (/home/me/model.py line 13)

 For more details about this graph break, please visit: {SITE}/gb7000.html

Stack variable source attribution:
  RangeIteratorVariable() originated from:
  File "/home/me/model.py", line 14
            for i in range(3):

User code traceback:
  File "/opt/venv/lib/python3.11/site-packages/driftgate/stages/explain.py", line 50, in count_breaks
    said = call()
  File "/opt/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1778, in _wrapped_call_impl
    return self._call_impl(*args, **kwargs)
  File "/home/me/model.py", line 15, in torch_dynamo_resume_in_forward_at_12
    x = x * x.mean().item()
            ^^^^^^^^^^^^^^^
  File "/opt/venv/lib/python3.11/site-packages/torch/_dynamo/polyfills/builtins.py", line 63, in sum
    for item in iterable:

Traceback (most recent call last):
  File "/opt/venv/lib/python3.11/site-packages/torch/_dynamo/exc.py", line 727, in unimplemented
    raise Unsupported(msg)
torch._dynamo.exc.Unsupported: Unsupported Tensor.item() call with capture_scalar_outputs=False
  Explanation: Dynamo does not support
"""
PLAIN = """\
Graph break in user code at /home/me/model.py:7
Graph Break Reason: {reason}

User code traceback:
  File "/home/me/model.py", line 7, in forward
    if x.sum() > 0:

Traceback (most recent call last):
{exception}
"""


def test_an_event_gives_id_type_explanation_hints_context_and_link() -> None:
    event = parse_event(ITEM, IDS)
    assert event.gb_id == "GB0124"
    assert event.gb_type == "Unsupported Tensor.item() call with capture_scalar_outputs=False"
    assert event.explanation == (
        "Dynamo does not support tracing `Tensor.item()`\nwith config.capture_scalar_outputs=False."
    )
    assert event.hints == ("Set `torch._dynamo.config.capture_scalar_outputs = True`.", "Or write it\nwithout.")
    assert event.context == "call_method TensorVariable() item () {}"
    assert event.url == f"{SITE}/gb0124.html"
    assert event.gave_up == "graph break in loop"


def test_the_frame_is_the_deepest_of_the_users_own_and_resume_functions_get_their_name_back() -> None:
    frame = parse_event(ITEM, IDS).frame
    assert frame is not None
    assert (frame.file, frame.line, frame.function) == ("/home/me/model.py", 15, "forward")
    assert frame.code == "x = x * x.mean().item()"


def test_a_break_inside_torch_is_not_blamed_on_the_caller() -> None:
    text = ITEM.replace("/home/me/model.py", "/opt/venv/lib/python3.11/site-packages/torch/nn/modules/activation.py")
    above = "/opt/venv/lib/python3.11/site-packages/driftgate"
    frame = parse_event(text, IDS, above=above).frame
    assert frame is not None
    assert frame.file == "torch/_dynamo/polyfills/builtins.py"


def test_a_text_without_link_or_fields_still_finds_its_id() -> None:
    event = parse_event(PLAIN.format(reason="generic_jump TensorVariable()", exception="NoneType: None"), IDS)
    assert (event.gb_id, event.gb_type) == ("GB0170", "Data-dependent branching")
    assert event.context == "generic_jump TensorVariable()"


def test_an_exception_that_is_no_registered_break_is_called_by_its_class() -> None:
    guard = "Could not guard on data-dependent expression Eq(u0, 1)"
    exception = f"torch.fx.experimental.symbolic_shapes.GuardOnDataDependentSymNode: {guard}"
    event = parse_event(PLAIN.format(reason=guard, exception=exception), IDS)
    assert event.gb_id is None
    assert event.gb_type == "GuardOnDataDependentSymNode"
    assert event.context == guard
    user = parse_event(PLAIN.format(reason=guard, exception=f"torch._dynamo.exc.UserError: {guard}"), IDS)
    assert user.gb_type == "UserError"


def test_events_at_one_place_are_one_break_with_a_count() -> None:
    moved = ITEM.replace("line 15", "line 99")
    breaks = fold_events([parse_event(text, IDS) for text in (ITEM, ITEM, moved)])
    assert [(b.line, b.count) for b in breaks] == [(15, 2), (99, 1)]
    assert "the whole frame is skipped" in breaks[0].reason


def test_the_fingerprint_survives_moved_lines_and_other_folders_but_not_other_code() -> None:
    moved = ITEM.replace("line 15", "line 99").replace("/home/me", "/srv/ci/build")
    other = ITEM.replace("x = x * x.mean().item()", "y = x.sum().item()")
    first, same, different = (fold_events([parse_event(text, IDS)])[0].fingerprint for text in (ITEM, moved, other))
    assert first == same != different


def test_an_empty_text_is_an_unknown_break_and_no_crash() -> None:
    event = parse_event("", IDS)
    assert (event.gb_id, event.gb_type, event.frame) == (None, "unknown", None)


def test_paths_start_below_site_packages() -> None:
    assert shorten('File "/opt/venv/lib/python3.11/site-packages/torch/nn/a.py"') == 'File "torch/nn/a.py"'
    assert shorten("see /home/me/model.py") == "see /home/me/model.py"


def test_what_dynamo_does_about_a_break_is_read_from_what_it_was_doing() -> None:
    behind = "Encountered graph break when attempting to trace CALL: a function call, for example `f(x, y)`:\n\n"
    rest = "Encountered graph break that we cannot resume from. Compiling up to the previous resumable state. Graph break encountered:\n\n"
    given_up = "Failed to handle graph break gracefully. Skipping the function and falling back to eager. Graph break encountered:\n\n"
    reason = "Data-dependent branching\n  Explanation: e\n  Hint: h\n\n  Developer debug context: c"
    cuts = {}
    for doing in (behind, rest, given_up, ""):
        event = parse_event(PLAIN.format(reason=doing + reason, exception="NoneType: None"), IDS)
        assert (event.gb_id, event.gb_type) == ("GB0170", "Data-dependent branching")
        cuts[doing] = event.cut
    assert cuts == {behind: Cut.CALL, rest: Cut.REST, given_up: Cut.FRAME, "": Cut.JUMP}
    told = fold_events([parse_event(PLAIN.format(reason=rest + reason, exception="NoneType: None"), IDS)])[0].reason
    assert told.endswith("(what follows in the frame runs in eager)")


FRAME = Frame("/home/me/model.py", 15, "forward", "x.item()")
ME = Owner("/home/me/model.py", "torch_dynamo_resume_in_forward_at_12", "encoder.layer.1")
HELPER = Owner("/home/me/helpers.py", "helper", None)
CALLER = Owner("/home/me/model.py", "call", "encoder")


def test_a_break_belongs_to_the_submodule_whose_code_it_is() -> None:
    assert module_of(FRAME, [HELPER, ME, CALLER]) == "encoder.layer.1"


def test_a_function_belongs_to_the_submodule_that_calls_it() -> None:
    assert module_of(Frame("/home/me/helpers.py", 3, "helper", None), [HELPER, ME, CALLER]) == "encoder.layer.1"


def test_a_submodule_that_cannot_be_known_is_none_and_never_the_one_around_it() -> None:
    assert module_of(FRAME, [HELPER, Owner(ME.file, "forward", None, hidden=True), CALLER]) is None
    assert module_of(FRAME, [HELPER, CALLER]) is None
    assert module_of(FRAME, []) is None
    assert module_of(None, [ME]) is None


def test_paths_of_one_place_become_one_with_stars_where_they_differ() -> None:
    assert common_path(["layer.0.mlp", "layer.0.mlp"]) == "layer.0.mlp"
    assert common_path(["layer.0.mlp", "layer.1.mlp"]) == "layer.*.mlp"
    assert common_path(["encoder.layer", ""]) is None
    assert common_path(["left", "right"]) == "*"
    assert common_path(["left", None]) is None
    assert common_path(["encoder.layer", "head"]) is None


def test_numbers_in_the_code_are_part_of_the_fingerprint_and_the_site_is_without_code() -> None:
    texts = [ITEM.replace("x = x * x.mean().item()", code) for code in ("x = x[:8].item()", "x = x[:4].item()")]
    eight, four = (fold_events([parse_event(text, IDS)])[0] for text in texts)
    assert eight.fingerprint != four.fingerprint
    assert eight.site == four.site != eight.fingerprint


def test_a_fingerprint_can_be_restated_from_its_recipe() -> None:
    seen = fold_events([parse_event(ITEM, IDS)])[0]
    parts = [seen.gb_id or seen.gb_type, seen.function or "", seen.code or ""]
    text = "\x1f".join(" ".join(part.split()) for part in parts)
    assert seen.fingerprint == hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def test_a_place_in_several_submodules_names_each_of_them() -> None:
    event = parse_event(ITEM, IDS)
    (seen,) = fold_events([replace(event, module=path) for path in ("first", "second", "first", "deep.third")])
    assert (seen.count, seen.module, seen.modules) == (4, None, ("first", "second", "deep.third"))


def test_colours_titles_and_links_of_a_terminal_are_taken_out_of_what_torch_says():
    link = "\x1b]8;;http://x\x1b\\here\x1b]8;;\x1b\\"
    assert ANSI.sub("", f"\x1b[31mred\x1b[0m \x1b]0;owned\x07and {link}") == "red and here"
