"""``docs/options.md`` is what the option dataclasses say."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

import pytest

import degflow_aug
from degflow_aug import compat
from degflow_aug.commands.options import reference as option_reference
from degflow_aug.commands.options.reference import ONE_STEP, STAGES, SUPER_RESOLUTION, descriptions, main, reference
from degflow_aug.degradations.build import TYPES
from degflow_aug.options.stages import PathOptions, StageOptions

PAGE = Path(degflow_aug.__file__).parent / "docs" / "options.md"


def test_the_page_is_written_from_the_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "write the page again"
    assert main([str(tmp_path / "options.md")]) == main([]) == 0
    assert capsys.readouterr().out == reference() == (tmp_path / "options.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """What stands below a heading, up to the next one."""
    return re.split(r"^#+ ", reference().partition(f" {title}\n")[2], flags=re.MULTILINE)[0]


def keys(text: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", STAGES)
def test_every_key_of_a_stage_is_there(name: str) -> None:
    shared = keys(section("`degflow:` of a generator's stages"))
    kind = STAGES[name]
    bases = [base for base in (StageOptions, PathOptions) if issubclass(kind, base)]
    told = shared[: len(dataclasses.fields(bases[-1]))] + keys(section(f"`{name}`"))
    assert set(told) == {item.name for item in dataclasses.fields(kind)}


@pytest.mark.parametrize("name", TYPES)
def test_every_key_of_a_degradation_is_there(name: str) -> None:
    assert keys(section(f"`type: {name}`")) == [item.name for item in dataclasses.fields(TYPES[name])]


def test_rows_say_type_default_and_text() -> None:
    assert "| `knots` | a list: number from 1 to 1000 | needed | scales with real pairs, rising from 1" in reference()
    assert "| `compile` | true or false or text | `false` |" in section("`type: DegFlow`")
    assert "| `shot_noise` | number from 0 to 1 | `2e-05` |" in section("`type: Camera`")
    real_esrgan, refine = section("`type: RealESRGAN`"), section("`RefineModel`")
    assert "| `sinc_prob2` | number from 0 to 1 | `0.1` | `sinc_prob` of the second order. |" in real_esrgan
    assert "| `pseudo_share` | number from 0 to 1 | `0.5` | share of samples that are compared" in refine
    assert re.search(r"between the knots, and not with a view of the path; without,", reference())


def test_a_key_without_text_is_an_error() -> None:
    @dataclass(frozen=True)
    class Silent(StageOptions):
        """Nothing of the key."""

        quiet: int = 0

    with pytest.raises(ValueError, match="expected quiet under Attributes: of Silent"):
        descriptions(Silent)


@pytest.mark.skipif(not compat.has_basicsr(), reason="the models are BasicSR's")
def test_models_read_what_the_page_says() -> None:
    degflow_aug.register()
    from basicsr.utils.registry import MODEL_REGISTRY

    for name, kind in {**STAGES, **SUPER_RESOLUTION, **ONE_STEP}.items():
        assert get_type_hints(MODEL_REGISTRY.get(name))["options"] is kind
    ours = {name for name, model in MODEL_REGISTRY if model.__module__.startswith("degflow_aug.")}
    assert ours == {*STAGES, *SUPER_RESOLUTION, *ONE_STEP}, option_reference.__doc__
