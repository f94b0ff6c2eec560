"""Encoders of arbitrary-scale networks, named as LIIF names them: (B, 3, h, w) -> (B, out_dim, h, w), h, w >= 1."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from degflow_aug import compat
from degflow_aug.archs.arbitrary_scale.rdn_arch import RDN
from degflow_aug.archs.network_arguments import check_kind
from degflow_aug.options.nearest_name import nearest_name


class EDSREncoder(nn.Module):
    """BasicSR's EDSR without its mean shift and upsampler; the sizes of ``edsr-baseline`` by default.

    Args:
        n_resblocks: residual blocks.
        n_feats: channels of the features.
        res_scale: factor on the branch of each block.

    Raises:
        ValueError: sizes that make no network, or BasicSR is not installed.
    """

    def __init__(self, *, n_resblocks: int = 16, n_feats: int = 64, res_scale: float = 1.0) -> None:
        super().__init__()
        check_kind(int, "the encoder edsr-baseline", n_resblocks=n_resblocks, n_feats=n_feats)
        check_kind(float, "the encoder edsr-baseline", res_scale=res_scale)
        if n_resblocks < 1 or n_feats < 1:
            raise ValueError(f"expected n_resblocks and n_feats of at least 1, got {n_resblocks} and {n_feats}")
        compat.require_basicsr("the encoder edsr-baseline")
        compat.apply()
        from basicsr.archs.edsr_arch import EDSR

        whole = EDSR(3, 3, num_feat=n_feats, num_block=n_resblocks, upscale=1, res_scale=res_scale)
        self.out_dim = n_feats
        self.conv_first, self.body, self.conv_after_body = whole.conv_first, whole.body, whole.conv_after_body

    def forward(self, image: Tensor) -> Tensor:
        shallow = self.conv_first(image)
        return self.conv_after_body(self.body(shallow)) + shallow


class SwinIREncoder(nn.Module):
    """BasicSR's SwinIR up to the 64 channels before its upsampler; the sizes of LTE's ``swinir`` by default.

    CiaoSR's stops a convolution earlier: ``conv_before_upsample: false``.

    Args:
        embed_dim: channels inside, a multiple of every entry of ``num_heads``.
        depths: attention blocks of each group.
        num_heads: heads of each group.
        window_size: side of the attention windows, an even number; images are padded to a multiple of it.
        mlp_ratio: width inside the blocks' MLP over ``embed_dim``.
        drop_path_rate: stochastic depth of the last block; the blocks before it have less.
        conv_before_upsample: False for features of ``embed_dim`` channels.

    Raises:
        ValueError: sizes that make no network, or BasicSR is not installed.
    """

    def __init__(
        self,
        *,
        embed_dim: int = 180,
        depths: Sequence[int] = (6, 6, 6, 6, 6, 6),
        num_heads: Sequence[int] = (6, 6, 6, 6, 6, 6),
        window_size: int = 8,
        mlp_ratio: float = 2.0,
        drop_path_rate: float = 0.1,
        conv_before_upsample: bool = True,
    ) -> None:
        super().__init__()
        check_kind(bool, "the encoder swinir", conv_before_upsample=conv_before_upsample)
        _check_swinir(embed_dim, depths, num_heads, window_size, mlp_ratio, drop_path_rate)
        compat.require_basicsr("the encoder swinir")
        compat.apply()
        from basicsr.archs.swinir_arch import SwinIR

        self.window_size = window_size
        self.network = SwinIR(
            # Blocks made for an image of one window would never shift it.
            img_size=2 * window_size,
            embed_dim=embed_dim,
            depths=depths,
            num_heads=num_heads,
            window_size=window_size,
            mlp_ratio=mlp_ratio,
            drop_path_rate=drop_path_rate,
            upscale=1,
            upsampler="pixelshuffle",
        )
        del self.network.upsample, self.network.conv_last
        self.out_dim = 64 if conv_before_upsample else embed_dim
        if not conv_before_upsample:
            self.network.conv_before_upsample = nn.Identity()
        for block in self._blocks():
            # As a buffer it would tie checkpoints, and DDP's exchange of buffers, to one size of image.
            del block.attn_mask
            block.attn_mask = None

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        padded = pad_to_windows(image, self.window_size)
        self._set_masks(padded)
        shallow = self.network.conv_first(padded)
        deep = self.network.conv_after_body(self.network.forward_features(shallow)) + shallow
        return self.network.conv_before_upsample(deep)[..., :height, :width]

    def _blocks(self) -> list[Any]:
        return [block for layer in self.network.layers for block in layer.residual_group.blocks]

    def _set_masks(self, image: Tensor) -> None:
        """Give all blocks one mask for this size and device; by itself each makes its own, on the CPU, every time."""
        size, blocks = tuple(image.shape[-2:]), self._blocks()
        shifted = [block for block in blocks if block.shift_size]
        if not shifted:
            mask = None
        elif blocks[0].input_resolution == size and shifted[0].attn_mask is not None:
            mask = shifted[0].attn_mask.to(image)
        else:
            mask = shifted[0].calculate_mask(size).to(image)
        for block in blocks:
            block.input_resolution = size
            block.attn_mask = mask if block.shift_size else None


def _check_swinir(
    embed_dim: int,
    depths: Sequence[int],
    num_heads: Sequence[int],
    window_size: int,
    mlp_ratio: float,
    drop_path_rate: float,
) -> None:
    """Raise a ValueError for sizes that make no network."""
    check_kind(int, "the encoder swinir", embed_dim=embed_dim, window_size=window_size)
    for number in (*depths, *num_heads):
        check_kind(int, "the encoder swinir", **{"depths and num_heads": number})
    check_kind(float, "the encoder swinir", mlp_ratio=mlp_ratio, drop_path_rate=drop_path_rate)
    if mlp_ratio <= 0 or not 0 <= drop_path_rate < 1:
        raise ValueError(
            f"expected mlp_ratio above 0 and drop_path_rate from 0 to below 1, got {mlp_ratio} and {drop_path_rate}"
        )
    if min(embed_dim, window_size, *depths, *num_heads) < 1 or not depths or len(depths) != len(num_heads):
        raise ValueError(
            "expected sizes of at least 1 and as many depths as num_heads, got "
            f"embed_dim {embed_dim}, window_size {window_size}, depths {depths} and num_heads {num_heads}"
        )
    if window_size % 2 or any(embed_dim % heads for heads in num_heads):
        raise ValueError(
            f"expected an even window_size and an embed_dim that all num_heads divide, got {window_size}, "
            f"{embed_dim} and {num_heads}"
        )


def pad_to_windows(image: Tensor, window: int) -> Tensor:
    """Extend (B, C, h, w) at the bottom and right to multiples of ``window``: mirrored, beyond that the last pixel."""
    height, width = image.shape[-2:]
    down, right = -height % window, -width % window
    mirrored_down, mirrored_right = min(down, height - 1), min(right, width - 1)
    image = F.pad(image, (0, mirrored_right, 0, mirrored_down), mode="reflect")
    return F.pad(image, (0, right - mirrored_right, 0, down - mirrored_down), mode="replicate")


Encoder = EDSREncoder | RDN | SwinIREncoder
ENCODERS: dict[str, type[Encoder]] = {"edsr-baseline": EDSREncoder, "rdn": RDN, "swinir": SwinIREncoder}


def build_encoder(spec: Mapping[str, Any]) -> Encoder:
    """Build the encoder that ``spec`` describes, with its number of features as ``out_dim``.

    Args:
        spec: ``{name: edsr-baseline | rdn | swinir, args: {...}}``; args are those of :class:`EDSREncoder`,
            :class:`~degflow_aug.archs.arbitrary_scale.rdn_arch.RDN` or :class:`SwinIREncoder`, and may hold LIIF's
            ``no_upsampling: true``, which says what is so anyway.

    Raises:
        ValueError: another name or argument (says the nearest), a value that makes no network, or BasicSR is missing.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("args") or {}, Mapping):
        raise ValueError(f"expected an encoder as {{name: ..., args: {{...}}}}, got {spec!r}")
    for key in spec:
        if key not in ("name", "args"):
            raise ValueError(f"unknown key '{key}' in the encoder's spec{nearest_name(key, ('name', 'args'))}")
    name, arguments = spec.get("name"), dict(spec.get("args") or {})
    if not isinstance(name, str) or name not in ENCODERS:
        nearest = nearest_name(name, ENCODERS)
        raise ValueError(f"expected an encoder edsr-baseline, rdn or swinir, got {name!r}{nearest}")
    if arguments.pop("no_upsampling", True) is not True:
        raise ValueError(f"expected no_upsampling: true in the encoder {name}; the network upsamples, not its encoder")
    known = list(inspect.signature(ENCODERS[name]).parameters)
    for key in arguments:
        if key not in known:
            raise ValueError(f"unknown argument '{key}' of the encoder {name}{nearest_name(key, known)}")
    try:
        return ENCODERS[name](**arguments)
    except TypeError as error:
        raise ValueError(f"expected numbers as arguments of the encoder {name}, got {arguments}: {error}") from None
