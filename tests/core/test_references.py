import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.core.errors import UsageError
from driftgate.core.references import SLUG_LENGTH, Reference, parse_reference, slug_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf:distilbert/distilbert-base-uncased", Reference("hf", "distilbert/distilbert-base-uncased")),
        ("hf:gpt2", Reference("hf", "gpt2")),
        ("hf:org/name@v1.0", Reference("hf", "org/name", "v1.0")),
        ("zoo:bert/BertForMaskedLM", Reference("zoo", "bert/BertForMaskedLM")),
        ("zoo:timm/resnet18", Reference("zoo", "timm/resnet18")),
        ("timm:resnet18.a1_in1k", Reference("timm", "resnet18.a1_in1k")),
        ("local:a folder/with spaces", Reference("local", "a folder/with spaces")),
        ("python:fms_models.granite:build", Reference("python", "fms_models.granite:build")),
    ],
)
def test_a_reference_is_read(text, expected):
    assert parse_reference(text) == expected
    assert str(parse_reference(text)) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("bert", "hf:bert"),
        ("zooo:bert", "did you mean 'zoo'?"),
        ("hf:../../etc/passwd", "the form is hf:org/name[@revision]"),
        ("python:module", "the form is python:package.module:factory"),
        ("python:os.path:", "the form is"),
        ("local:", "the form is local:PATH"),
        ("zoo:bert/Bert/Bert", "the form is zoo:"),
    ],
)
def test_a_wrong_reference_is_one_line_with_what_mends_it(text, hint):
    with pytest.raises(UsageError) as error:
        parse_reference(text, where="f.yaml:3: models[0]")
    assert hint in str(error.value)
    assert str(error.value).startswith("f.yaml:3: models[0]: ")
    assert "\n" not in str(error.value)


@given(st.text(max_size=400))
def test_any_text_is_a_reference_or_a_usage_error(text):
    try:
        parse_reference(text)
    except UsageError as error:
        assert "\n" not in str(error)


@given(st.text(min_size=1, max_size=400))
def test_a_slug_is_a_safe_folder_name(text):
    slug = slug_of(text)
    assert 0 < len(slug) <= SLUG_LENGTH
    assert slug.isascii()
    assert not slug.startswith((".", "-"))
    assert "/" not in slug
    assert "\0" not in slug


def test_slugs_keep_the_end_and_differ_where_the_file_system_would_not():
    assert slug_of("hf:org/name") == "org--name"
    assert slug_of("python:a.b:c") == "python--a.b--c"
    long = slug_of("hf:" + "x" * 300 + "/the-end")
    assert long.endswith("the-end")
    assert len(long) == SLUG_LENGTH
    first = slug_of("hf:org/Name")
    second = slug_of("hf:org/name", frozenset({first}))
    assert first.casefold() != second.casefold()
