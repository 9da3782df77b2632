"""Small tokenizers made by hand: WordPiece, byte-level BPE or Unigram over everyday English, within a vocabulary's size.

Nothing is trained: a trainer breaks ties by hash order, and the same zoo must have the same bytes everywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PretrainedConfig, PreTrainedTokenizerFast

Kind = Literal["WordPiece", "BPE", "Unigram"]
KINDS: tuple[Kind, ...] = ("WordPiece", "BPE", "Unigram")

_TEXT = """
the of and to in a is that it was for on are with as his they be at one have this from or had by not but
what all were we when your can said there use an each which she do how their if will up other about out
many then them these so some her would make like him into time has look two more write go see number no
way could people my than first water been call who oil its now find long down day did get come made may
part over new sound take only little work know place year live me back give most very after thing our
just name good sentence man think say great where help through much before line right too mean old any
same tell boy follow came want show also around form three small set put end does another well large must
big even such because turn here why ask went men read need land different home us move try kind hand
picture again change off play spell air away animal house point page letter mother answer found study
still learn should world
"""
WORDS = tuple(_TEXT.split())
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MARKS = ".,:;!?'\"()-0123456789"


@dataclass(frozen=True, slots=True)
class Specials:
    """Special tokens: the role each plays (`pad_token`) and the place its text has in the vocabulary."""

    roles: dict[str, str]
    ids: dict[str, int]


_FIELDS = {
    "pad_token": "pad_token_id",
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "sep_token": "sep_token_id",
    "cls_token": "cls_token_id",
    "mask_token": "mask_token_id",
}
_OWN = {
    "WordPiece": ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"),
    "BPE": ("pad_token", "unk_token", "eos_token"),
    "Unigram": ("pad_token", "unk_token", "eos_token"),
}
_MEDIA = {
    "image_token": ("image_token_id", "image_token_index"),
    "video_token": ("video_token_id",),
    "audio_token": ("audio_token_id", "audio_token_index"),
}


def tokenizer_for(config: PretrainedConfig, kind: Kind) -> PreTrainedTokenizerFast:
    """A fast tokenizer whose special tokens have the ids that `config` (the text part's) and its parents name."""
    text = config.get_text_config()
    specials = _specials(config, text, kind)
    maker = {"WordPiece": _wordpiece, "BPE": _bpe, "Unigram": _unigram}[kind]
    tokenizer = maker(_Places(text.vocab_size, specials), specials)
    tokenizer.post_processor = _template(specials, kind)
    media = {role: token for role, token in specials.roles.items() if role in _MEDIA}
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=_longest(text),
        extra_special_tokens=media,
        **{role: token for role, token in specials.roles.items() if role not in _MEDIA},
    )


def _longest(text: PretrainedConfig) -> int:
    positions = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    return int(positions) if isinstance(positions, int) and positions > 0 else 512


def _specials(config: PretrainedConfig, text: PretrainedConfig, kind: Kind) -> Specials:
    roles: dict[str, str] = {}
    by_id: dict[int, str] = {}
    for role, fields in {**{r: (f,) for r, f in _FIELDS.items()}, **_MEDIA}.items():
        number = next(
            (n for n in (_first_id(node, f) for node in (text, config) for f in fields) if n is not None), None
        )
        if number is not None and 0 <= number < text.vocab_size:
            roles[role] = by_id.setdefault(number, f"<{role.removesuffix('_token')}>")
    free = (number for number in range(text.vocab_size) if number not in by_id)
    for role in _OWN[kind]:
        if role not in roles:
            roles[role] = by_id.setdefault(next(free), f"<{role.removesuffix('_token')}>")
    return Specials(roles, {token: number for number, token in by_id.items()})


def _first_id(node: Any, field: str) -> int | None:
    value = getattr(node, field, None)
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, int) else None


class _Places:
    """Hands out the places of a vocabulary that the special tokens left free, in order."""

    def __init__(self, size: int, specials: Specials) -> None:
        self.vocabulary: dict[str, int] = dict(specials.ids)
        taken = set(specials.ids.values())
        self._free = [number for number in range(size - 1, -1, -1) if number not in taken]

    @property
    def room(self) -> int:
        return len(self._free)

    def add(self, piece: str) -> bool:
        """Give a piece the next free place; False when the vocabulary is full or has it already."""
        if piece in self.vocabulary or not self._free:
            return False
        self.vocabulary[piece] = self._free.pop()
        return True


def _wordpiece(places: _Places, specials: Specials) -> Tokenizer:
    for piece in (*_LETTERS, *_MARKS, *(f"##{letter}" for letter in _LETTERS), "##ing", "##ed", "##er", "##s", *WORDS):
        places.add(piece)
    model = models.WordPiece(places.vocabulary, unk_token=specials.roles["unk_token"], max_input_chars_per_word=100)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    return tokenizer


def _bpe(places: _Places, specials: Specials) -> Tokenizer:
    """All bytes, then each word's prefixes merged from the left: `Ġ`+`t`, `Ġt`+`h`, `Ġth`+`e`."""
    for byte in sorted(ByteLevel.alphabet()):
        places.add(byte)
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        left = "Ġ"
        for letter in word:
            if places.add(left + letter):
                merges.append((left, letter))
            if left + letter not in places.vocabulary:
                break
            left += letter
    model = models.BPE(places.vocabulary, merges, unk_token=specials.roles["unk_token"])
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _unigram(places: _Places, specials: Specials) -> Tokenizer:
    """Pieces with scores: whole words beat letters, frequent words beat rare ones."""
    scores = dict.fromkeys(specials.ids, 0.0)
    pieces = [("▁", -8.0), *((c, -9.0) for c in _LETTERS + _LETTERS.upper() + _MARKS)]
    pieces += [(f"▁{word}", -3.0 - rank / 100) for rank, word in enumerate(WORDS)]
    scores |= {piece: score for piece, score in pieces if places.add(piece)}
    while places.add(f"<extra_{places.room}>"):
        continue
    ordered = sorted(places.vocabulary, key=places.vocabulary.__getitem__)
    unknown = places.vocabulary[specials.roles["unk_token"]]
    tokenizer = Tokenizer(models.Unigram([(piece, scores.get(piece, -20.0)) for piece in ordered], unk_id=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def _template(specials: Specials, kind: Kind) -> Any:
    """[CLS] text [SEP] for WordPiece, text </s> for Unigram, <s> text where a start differs from the end."""
    roles = specials.roles
    start, end = {
        "WordPiece": (roles.get("cls_token"), roles.get("sep_token")),
        "Unigram": (None, roles.get("eos_token")),
        "BPE": (roles.get("bos_token") if roles.get("bos_token") != roles.get("eos_token") else None, None),
    }[kind]
    single = re.sub(r"\s+", " ", f"{start or ''} $A {end or ''}").strip()
    used = [(token, specials.ids[token]) for token in (start, end) if token]
    return processors.TemplateProcessing(single=single, pair=f"{single} $B:1", special_tokens=used)
