"""What a name means for size: the tables that the shrinking reads. One name always gets one value, so coupled sizes agree."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

VOCABULARY = 512
HEAD = 16
WIDTH = 64
HEADS = 4
POSITIONS = 128
AUDIO_POSITIONS = 50  # one second of a 10 ms hop after one stride of two: what Whisper's encoder insists on
DIVISOR = 4
HIERARCHICAL_IMAGE = 64  # four stages halve it after a first step of four

Rule = Callable[[int], int]


def _at_most(limit: int) -> Rule:
    return lambda value: min(value, limit)


def _divided(value: int) -> int:
    """A width of a hierarchical model: a quarter, a multiple of 8 (grouped and multi-head parts stay divisible)."""
    return value if value <= 16 else max(8, value // DIVISOR // 8 * 8)


def _same(value: int) -> int:
    return value


# First match wins. Patterns are whole names.
_RULES: tuple[tuple[str, Rule], ...] = (
    (r"type_vocab_size|.*_type_vocab_size", _at_most(4)),
    (
        r"(.*_)?(vocab_size|vocabulary_size|num_embeddings|n_words)(_.*)?|.*_(bins|classes|group_vocab)",
        _at_most(VOCABULARY),
    ),
    (r"(num_)?codebook_size|.*codebook_size|num_codevectors_per_group", _at_most(64)),
    (r"num_codebooks|n_codebooks|num_quantizers", _at_most(4)),
    (r".*hash_buckets", _at_most(VOCABULARY)),
    (r"num_key_value_heads|num_kv_heads|.*_key_value_heads|n_head_kv|.*num_kv_heads", lambda v: 1 if v == 1 else 2),
    (r"linear_num_key_heads|linear_num_value_heads|mamba_n(um)?_heads|mamba_n_groups", _at_most(HEADS)),
    (r"(.*_)?(num_)?(attention_)?heads|n_heads?|num_.*_heads|.*_n_heads?|.*heads", _at_most(HEADS)),
    (r"qk_rope_head_dim|rotary_dim", _at_most(8)),
    (
        r"query_pre_attn_scalar|(.*_)?head_(dim|size)|d_kv|v_head_dim|.*_head_dim|.*dim_head|attention_head_size",
        _at_most(HEAD),
    ),
    (r"(kv|q|o)_lora_rank|.*_rank|.*lora_.*|dt_rank|time_step_rank", _at_most(16)),
    (r"moe_intermediate_size|.*expert_intermediate_size|.*_ffn_hidden_size", _at_most(WIDTH)),
    (r"num_experts_per_tok|.*top_?k(_experts)?|moe_k|num_experts_per_token|topk_group", _at_most(2)),
    (r"(.*_)?num_(local_|routed_)?experts|n_routed_experts|num_.*experts|moe_num_experts", _at_most(4)),
    (r"zero_expert_num", _at_most(2)),
    (r"n_group|num_expert_group", _at_most(2)),
    (
        r".*intermediate_(size|dim)|.*ffn_dim|d_ff|.*mlp_dim|n_inner|d_inner|ffn_hidden_size|.*_ff_dim|.*feedforward_dim"
        r"|ffn_dim|dim_feedforward|.*mlp_hidden_size|dff|dim_ff|.*linear_units|intermediate_size_mlp|.*_quantile_len",
        _at_most(2 * WIDTH),
    ),
    (r"first_k_dense_replace|num_dense_layers|num_hash_layers", _at_most(1)),
    (r".*_(period|interval|pattern|every_n_layers?)|.*_layer_freq", _at_most(2)),
    (r".*_layer_offset", _at_most(1)),
    (r"num_stages|num_encoder_blocks|num_feat_extract_layers", _same),
    (
        r".*sinkhorn_iter.*|.*_cycles|num_.*_per_block|num_.*_attn_blocks|num_res_blocks",
        _at_most(2),
    ),  # done over and over
    (r"max_text_length", _at_most(8)),  # of a recurrent decoder, unrolled
    (r"num_adapter_layers|num_conv_layers|.*postnet_layers|resampler_depth", _at_most(2)),
    (r"max_window_layers|max_layers|insert_layer_id", _at_most(1)),
    (r"(.*_)?(num_)?(hidden_)?layers|n_layers?|depth|.*_depth|num_.*_layers|num_blocks|.*_num_blocks", _at_most(2)),
    (r"max_source_positions", _at_most(AUDIO_POSITIONS)),
    (r"context_size", _at_most(4)),
    (r"index_kpool", _at_most(2)),
    (r"max_2d_position_embeddings|max_rel_.*|feature_projection_input_dim", _same),
    (
        r"(.*_)?max_.*position.*|n_positions|n_ctx|max_(seq|sequence).*|context_length|block_size|.*max_pos_emb",
        _at_most(POSITIONS),
    ),
    (
        r"attention_window",
        _at_most(6),
    ),  # even, and no divisor of a sequence's length: filling up to it is a path of its own
    (r"sliding_window(_size)?|attention_chunk_size|local_attention|chunk_size|mamba_chunk_size", _at_most(8)),
    (r"window_size", _at_most(2)),
    (r"coordinate_size", _at_most(8)),
    (r"shape_size", _at_most(16)),
    (r"mm_tokens_per_image", _at_most(4)),
    (r"max_length", _at_most(64)),
    (r"num_filters|n_filters|model_hidden_channels", _at_most(8)),  # doubled at every step of a codec or vocoder
    (r"base_channels", _at_most(32)),  # the fewest that normalise in groups of 32
    (r"(.*_)?patch_size|encoder_stride", _at_most(8)),
    (r"(.*_)?image_size|pretrain_image_size|img_size", _at_most(32)),
    (r"max_img_size", _at_most(HIERARCHICAL_IMAGE)),
    (
        r"num_mel_bins|num_mels|feature_size|sampling_rate|sample_rate|num_channels|in_channels|.*kernel.*|.*stride.*"
        r"|patch_embed_hidden_size|keypoint_decoder_dim|model_in_dim|audio_embed_dim",  # a piece of what is seen or heard
        _same,
    ),
    (r"num_queries|num_denoising|num_query_tokens|.*latents|num_(\w+_)?labels|num_frames", _at_most(8)),
    (r"num_conv_pos_embeddings", _at_most(16)),
    (r"num_conv_pos_embedding_groups|conv_pos_groups|.*_groups", _at_most(4)),
    (r"state_size|(mamba_)?d_state|ssm_state_size", _at_most(16)),
)
_WIDTH = re.compile(
    r"hidden_size|d_model|n_embd|.*hidden_(size|dim)|(.*_)?embed(ding)?_(dim|size)|emb_dim|dim|width|.*projection_dim"
    r"|.*_proj_size|model_dim|.*_hidden|.*_output_dim|codevector_dim|.*_channels|output_dim|.*_dims?|lru_width|mm_.*size"
    r"|hidden_channels|upsample_initial_channel|.*hidden_size.*|.*hidden_dimension"
)
UNSAID = {
    "vocab_size": 32,
    "prediction_length": 8,
    "num_experts_per_tok": 2,
    "n_routed_experts": 4,
    "image_token_id": VOCABULARY - 12,
    "image_token_index": VOCABULARY - 12,
    "video_token_id": VOCABULARY - 11,
    "video_token_index": VOCABULARY - 11,
    "audio_token_id": VOCABULARY - 10,
}
"""What classes leave to the checkpoint, and no model does without."""
_EQUAL = (
    ("num_key_value_heads", "num_attention_heads"),
    ("num_key_value_heads", "num_heads"),
    ("bottleneck_features", "fusion_hidden_size"),
)
_INNER = (("num_heads", "head_dim", "expand"), ("mamba_num_heads", "mamba_head_dim", "expand"))
_HIERARCHICAL = re.compile(r"hidden_sizes|depths|embed_dims|block_out_channels|stage_.*|num_heads|blocks_per_.*")
_LAST_LAYERS = re.compile(r"vision_feature_layers?")
_GLOBAL_LIST = re.compile(r"global_attn_indexes|fullatt_block_indexes|.*attention_indexes|window_block_indices")
_WIDTH_LIST = re.compile(r".*(hidden_sizes|channels|dims?|sizes|widths?|_planes)|embed_dim|conv_dim")
_DEPTH_LIST = re.compile(r".*depths?|num_block_repeats|block_sizes|stage_numb_of_layers")
_KIND_LIST = re.compile(r".*_types|attn_layers")
_BLOCK_LIST = re.compile(r".*_configs|resnet_head|out_point_positions2D")
_SCALE = re.compile(r"(depth|width)_(coefficient|multiplier)")
_GEOMETRY = re.compile(r".*(kernel|stride|patch).*")


def is_hierarchical(fields: Mapping[str, object]) -> bool:
    """Whether widths come in stages that grow: then they are divided, all by the same, and heads stay."""
    return any(isinstance(v, list | tuple) and _HIERARCHICAL.fullmatch(k) for k, v in fields.items())


def coupled(whole: Mapping[str, Any], small: Mapping[str, Any]) -> dict[str, Any]:
    """The small values of fields that follow from others: what was equal stays equal, and what was a product stays one."""
    follow = {
        group: small[other]
        for group, other in _EQUAL
        if {group, other} <= set(whole) and whole[other] == whole[group] is not None
    }
    heads_of_stages = whole.get("num_heads")
    if type(whole.get("embed_dim")) is int and isinstance(
        heads_of_stages, list | tuple
    ):  # the first of them divide the first width
        follow["embed_dim"] = -(-small["embed_dim"] // heads_of_stages[0]) * heads_of_stages[0]
    for heads, head, expand in _INNER:  # the inner width of a state-space layer, counted in heads
        if {heads, head, expand, "hidden_size"} <= set(whole):
            inner = small["hidden_size"] * small[expand]
            if whole[heads] * whole[head] == whole["hidden_size"] * whole[expand]:
                follow[heads] = inner // small[head]
    if {"encoder_hidden_size", "downsampling_ratios"} <= set(whole):  # of a codec: doubled at every ratio
        follow["encoder_hidden_size"] = min(whole["encoder_hidden_size"], HEAD)
    if {"window_size", "spatial_merge_size", "patch_size"} <= set(whole):  # in pixels: two merged patches wide
        follow["window_size"] = 2 * small["spatial_merge_size"] * small["patch_size"]
    return follow


def small_integer(name: str, value: int, hierarchical: bool) -> int:
    """The small value of one field; a name that no rule knows keeps its value."""
    if value <= 0 or (hierarchical and "heads" in name):
        return value
    if hierarchical and name == "image_size":
        return HIERARCHICAL_IMAGE
    for pattern, rule in _RULES:
        if re.fullmatch(pattern, name):
            return rule(value)
    if _WIDTH.fullmatch(name):
        return _divided(value) if hierarchical else min(value, WIDTH)
    return value


def small_float(name: str, value: float) -> float:
    """Convolutional families scale what they hard-code by one number; others mean shares and rates, which stay."""
    return min(value, 1 / DIVISOR) if _SCALE.fullmatch(name) else value


def small_integers(name: str, values: list[int]) -> list[int]:
    """The small values of a list: one block a stage, growing widths divided, equal ones cut, geometry kept."""
    if _DEPTH_LIST.fullmatch(name):
        return [min(value, 1) for value in values]
    if _GLOBAL_LIST.fullmatch(name):
        return [1]
    if _LAST_LAYERS.fullmatch(name):
        return [-2, -1]
    if name in {"image_size", "img_size"}:
        return [min(value, HIERARCHICAL_IMAGE) for value in values]
    if _WIDTH_LIST.fullmatch(name) and not _GEOMETRY.fullmatch(name):
        alike = len(set(values)) == 1
        return [min(value, WIDTH) if alike else _divided(value) for value in values]
    if len(values) > len(set(values)) == 1 and small_integer(name, values[0], hierarchical=True) < values[0]:
        return [small_integer(name, values[0], hierarchical=True)] * len(values)
    return values


def is_blocks(name: str, value: object) -> bool:
    """Whether a field holds blocks of layers by their numbers: `[[kernel, width, width, stride], …]` for each stage."""
    return _BLOCK_LIST.fullmatch(name) is not None and isinstance(value, list | tuple)


def small_blocks(stages: Sequence[Any]) -> list[Any]:
    """Nested lists of convolutions: every width divided by the same rule, so that they keep fitting each other; a block that says what
    the one before it says is left out."""
    small = [small_blocks(item) if isinstance(item, list | tuple) else _small_part(item) for item in stages]
    return [item for i, item in enumerate(small) if not (isinstance(item, list) and i and item == small[i - 1])]


def _small_part(value: Any) -> Any:
    return _divided(value) if type(value) is int else value


def fewest_names(name: str, values: list[str]) -> list[str]:
    """A pattern of kinds of layers, said once: `[self, cross, self, cross]` is `[self, cross]`."""
    return list(dict.fromkeys(values)) if _KIND_LIST.fullmatch(name) else values
