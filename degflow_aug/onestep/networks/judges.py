"""Frozen networks of transformers that judge images, looked at before their weights are read."""

from __future__ import annotations

from typing import Any

from degflow_aug.onestep.networks.packages import in_one_line, need_packages


def judge_configuration(kind: Any, pretrained: str, what: str) -> Any:
    """The configuration of a network.

    Args:
        kind: its configuration's class in transformers.
        pretrained: folder or hub id.
        what: what is expected there, for messages.

    Raises:
        ValueError: nothing there, or another kind of network: transformers would fill it with random weights.
    """
    if not isinstance(pretrained, str) or not pretrained:
        raise ValueError(f"expected {what} as a folder or a hub id, got {pretrained!r}")
    try:
        content, _ = kind.get_config_dict(pretrained)
        if content.get("model_type") != kind.model_type:
            found = content.get("model_type") or "no configuration"
            raise ValueError(f"expected {what} at {pretrained}, got {found}")
        return kind.from_dict(content)
    except (OSError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"expected {what} at {pretrained}, got {in_one_line(error)}") from None


def load_judge(kind: Any, pretrained: str, what: str) -> Any:
    """A frozen network in evaluation mode.

    Raises:
        ValueError: as :func:`judge_configuration`, or weights that lack some.
    """
    need_packages(what, ("transformers",))
    judge_configuration(kind.config_class, pretrained, what)
    try:
        network, told = kind.from_pretrained(pretrained, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"expected {what} at {pretrained}, got {in_one_line(error)}") from None
    if told["missing_keys"]:
        missing = sorted(told["missing_keys"])
        raise ValueError(f"expected all weights of {what} at {pretrained}, got none for {missing[0]}")
    return network.eval().requires_grad_(False)
