import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.core.errors import UsageError
from driftgate.core.shards import Shard, parse_shard


@given(st.integers(1, 40), st.integers(0, 200))
def test_the_shares_of_a_fleet_are_disjoint_and_together_the_whole(of, models):
    fleet = list(range(models))
    shares = [Shard(number, of).take(fleet) for number in range(1, of + 1)]
    assert sorted(model for share in shares for model in share) == fleet
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_share_is_read_as_it_is_written():
    assert parse_shard("3/16") == Shard(3, 16)
    assert str(parse_shard(" 1/1 ")) == "1/1"


@pytest.mark.parametrize(
    ("text", "words"),
    [("3", "3/16"), ("0/4", "from 1/4 to 4/4"), ("5/4", "from 1/4 to 4/4"), ("1/0", "no share"), ("-1/4", "3/16")],
)
def test_what_is_no_share_is_refused_with_the_form(text, words):
    with pytest.raises(UsageError, match="--shard") as caught:
        parse_shard(text, where="--shard")
    assert words in str(caught.value)
