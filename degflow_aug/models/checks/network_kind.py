"""Which of the two ways a super-resolution network is called: with an image, or with an image and coordinates."""

from __future__ import annotations

from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork
from degflow_aug.models.checks.registered_types import registered_type


def is_arbitrary_scale(section: Any) -> bool:
    """Whether the network of a section ``network_g`` is asked for coordinates.

    Raises:
        ValueError: nothing of that type is registered.
    """
    kind = registered_type(ARCH_REGISTRY, section, "network_g")
    return isinstance(kind, type) and issubclass(kind, ArbitraryScaleNetwork)
