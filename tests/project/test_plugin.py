"""BasicSR's convention holds wherever a file lies: what a file's name promises is in the table of the registries."""

from __future__ import annotations

from pathlib import Path

import pytest

import degflow_aug
from degflow_aug import compat, plugin

PACKAGE = Path(degflow_aug.__file__).parent
# Built by others of their kind, never named in an option file.
BASES = {
    "archs.arbitrary_scale.rdn_arch",
    "models.sr.degraded_model",
    "models.stages.stage_model",
    "models.training.trained_model",
    "onestep.onestep_model",
}


@pytest.mark.parametrize("kind", sorted(plugin.TABLE))
def test_every_file_of_a_kind_is_in_the_table(kind: str) -> None:
    files = PACKAGE.rglob(f"*_{kind.lower()}.py")
    there = {".".join(file.relative_to(PACKAGE).with_suffix("").parts) for file in files} - BASES
    assert {row.partition(":")[0] for row in plugin.TABLE[kind]} == there


def test_registries_have_all_of_the_table() -> None:
    if not compat.has_basicsr():
        pytest.skip("BasicSR is not installed")
    degflow_aug.register()
    degflow_aug.register()
    from basicsr.utils import registry

    for kind, rows in plugin.TABLE.items():
        found = getattr(registry, f"{kind}_REGISTRY")
        for module, _, names in (row.partition(":") for row in rows):
            for name in names.split():
                assert found.get(name).__module__ == f"degflow_aug.{module}"
