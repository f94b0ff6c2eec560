"""Bundles: what is saved comes back, and what is no whole bundle is refused in one sentence."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.random_networks import random_noise, random_rae, random_velocity
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from degflow_aug import load_generator
from degflow_aug.bundles.bundle import (
    FORMAT,
    Bundle,
    GeneratorSpec,
    KernelBundle,
    KernelSpec,
    State,
    load_any_bundle,
    load_bundle,
    read_spec,
    save_bundle,
)
from degflow_aug.bundles.spec import SHIPPED, bundle_path, shipped_names
from degflow_aug.degradations.generator.degflow import DegFlow


@pytest.fixture(scope="module")
def sample() -> Bundle:
    rae, velocity = random_rae(2, 3, residual=True), random_velocity(3, base_channels=8, rae_channels=2)
    spec = GeneratorSpec(
        rae=rae.spec,
        velocity=velocity.spec,
        knots=(1.0, 1.7, 2.9),
        s_max=3.5,
        camera="iPhone é",
        solver="midpoint",
        steps=3,
        training={"run": "test", "iterations": 7, "psnr": [31.5, None]},
    )
    impulse = torch.zeros(3, 3, 3, 3)
    impulse[:, :, 1, 1] = 1
    return Bundle(spec, rae, velocity, [{"knots": torch.tensor([1.0, 1.7, 2.9]), "kernels": impulse}])


@pytest.fixture
def path(tmp_path: Path, sample: Bundle) -> Path:
    save_bundle(tmp_path / "camera.safetensors", sample)
    return tmp_path / "camera.safetensors"


def contents(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118


def rewrite(path: Path, tensors: dict[str, Tensor], spec: Any, format_name: str = FORMAT) -> None:
    save_file(
        tensors, path, metadata={"format": format_name, "spec": spec if isinstance(spec, str) else json.dumps(spec)}
    )


def refused(path: Path | str) -> str:
    with pytest.raises(ValueError, match="expected") as caught:
        load_bundle(path)
    message = str(caught.value)
    assert "\n" not in message
    assert Path(path).name in message
    return message


def test_a_bundle_comes_back_as_it_was(sample: Bundle, path: Path) -> None:
    found = load_bundle(path)
    assert found.spec == sample.spec
    for part in ("rae", "velocity"):
        before, after = getattr(sample, part).state_dict(), getattr(found, part).state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
        assert getattr(found, part).spec == getattr(sample, part).spec
        assert not getattr(found, part).training
        assert not any(parameter.requires_grad for parameter in getattr(found, part).parameters())
    assert_same(found.kernels, sample.kernels)


def test_a_bundle_saved_again_is_the_same_bytes(path: Path, tmp_path: Path) -> None:
    save_bundle(tmp_path / "new folder" / "again.safetensors", load_bundle(path))
    tensors, header = contents(tmp_path / "new folder" / "again.safetensors")
    before, header_before = contents(path)
    assert header == header_before
    assert all(torch.equal(tensors[key], before[key]) for key in before)


def assert_same(found: Sequence[State], expected: Sequence[State]) -> None:
    for state, truth in zip(found, expected, strict=True):
        assert state.keys() == truth.keys()
        assert all(torch.equal(state[key], truth[key]) for key in truth)


def test_facts_stand_in_one_order(sample: Bundle, tmp_path: Path) -> None:
    # safetensors has two orders for two facts, and takes another one in each file.
    written = set()
    for number in range(12):
        save_bundle(tmp_path / f"{number}.safetensors", sample)
        written.add((tmp_path / f"{number}.safetensors").read_bytes())
    (data,) = written
    assert data[8:].startswith(b'{"__metadata__":{"format":')
    assert int.from_bytes(data[:8], "little") % 8 == 0


def test_noise_comes_back_as_it_was(sample: Bundle, tmp_path: Path) -> None:
    state = random_noise((1.7, 2.9)).state_dict()
    save_bundle(tmp_path / "noisy.safetensors", replace(sample, noise=[state]))
    found = load_bundle(tmp_path / "noisy.safetensors")
    assert_same(found.noise, [state])
    hr = torch.rand(1, 3, 32, 32)
    quiet, noisy = (DegFlow.from_bundle(found, noise=level) for level in (0.0, 1.0))
    assert not torch.equal(quiet(hr, 2.9), noisy(hr, 2.9))


def test_noise_of_an_earlier_form_is_in_the_way_only_where_it_is_wanted(sample: Bundle) -> None:
    earlier = replace(sample, noise=[{"scales": torch.ones(1), "deviations": torch.ones(1, 12)}])
    assert DegFlow.from_bundle(earlier)(torch.rand(1, 3, 16, 16), 2.0).shape == (1, 3, 8, 8)
    with pytest.raises(ValueError, match="run `degflow noise` again"):
        DegFlow.from_bundle(earlier, noise=1.0)


def test_the_generator_of_a_bundle_renders_as_its_spec_says(sample: Bundle, path: Path) -> None:
    hr = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    generator = load_generator(path)
    assert (generator.solver, generator.steps, generator.scale_range) == ("midpoint", 3, (1.0, 2.9))
    assert (generator.knots, generator.camera) == ((1.0, 1.7, 2.9), "iPhone é")
    assert generator(hr, 2.0).shape == (1, 3, 8, 8)
    assert load_generator(path, solver="euler", steps=1, extrapolate=True).scale_range[1] == float("inf")


def test_the_header_alone_tells_the_spec(sample: Bundle, path: Path, tmp_path: Path) -> None:
    metrics = [{"data": "scenes", "rerun": "command", "scores": [["DegFlow", 2.9, "061", 31.5, 0.9]]}]
    facts = replace(sample.spec, licence="MIT; trained on photographs", metrics=metrics)
    save_bundle(tmp_path / "facts.safetensors", replace(sample, spec=facts))
    assert read_spec(tmp_path / "facts.safetensors") == load_bundle(tmp_path / "facts.safetensors").spec == facts
    tensors, header = contents(path)
    with pytest.raises(ValueError, match="expected a safetensors bundle"):
        read_spec(Path(__file__))
    for spec, format_name in (("{}", FORMAT), ("3", FORMAT), (header["spec"], "another")):
        rewrite(tmp_path / "broken.safetensors", tensors, spec, format_name)
        with pytest.raises(ValueError, match="expected a bundle"):
            read_spec(tmp_path / "broken.safetensors")


@pytest.mark.parametrize("change", [
    {"knots": [1.0, *(3 - each / 1e6 for each in range(100_000))]}, {"knots": ["x" * 100_000]},
    {"camera": ["x"] * 100_000}, {"cameras": ["x" * 100_000]}, {"steps": 10**4000}, {"x" * 100_000: 1},
])  # fmt: skip
def test_what_stands_in_a_header_is_quoted_in_short(path: Path, change: dict[str, Any]) -> None:
    tensors, header = contents(path)
    rewrite(path, tensors, {**json.loads(header["spec"]), **change})
    for read in (read_spec, load_bundle):
        with pytest.raises(ValueError, match=r"expected a .*bundle") as error:
            read(path)
        assert len(str(error.value)) < 1000
    rewrite(path, tensors, header["spec"], "x" * 100_000)
    with pytest.raises(ValueError, match=r"with format 'x{79}$"):
        read_spec(path)


def test_a_bundle_from_before_licences_and_metrics_is_read(sample: Bundle, path: Path) -> None:
    tensors, header = contents(path)
    spec = json.loads(header["spec"])
    assert (spec.pop("licence"), spec.pop("metrics")) == ("", [])
    rewrite(path, tensors, spec)
    assert load_bundle(path).spec == read_spec(path) == sample.spec


def test_a_failing_save_leaves_the_old_bundle(sample: Bundle, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def half(target: Path, data: bytes) -> None:
        with target.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space left"):
        save_bundle(path, sample)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_facts_that_are_no_json_leave_the_old_bundle(sample: Bundle, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_bundle(path, replace(sample, spec=replace(sample.spec, training={"when": object()})))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_another_ending_is_refused(sample: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"name to end in .safetensors, got camera.pth"):
        save_bundle(tmp_path / "camera.pth", sample)
    assert not list(tmp_path.iterdir())


def test_a_shipped_bundle_is_found_by_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("degflow_aug.bundles.spec.WEIGHTS", path.parent)
    assert bundle_path("camera") == path
    assert load_bundle("camera").spec.steps == 3
    with pytest.raises(ValueError, match=r"shipped one \(camera\), got camra: nothing there"):
        bundle_path("camra")


def test_names_come_in_the_order_of_those_that_ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("degflow_aug.bundles.spec.WEIGHTS", tmp_path)
    assert shipped_names() == []
    for name in ("another", *sorted(SHIPPED)):
        (tmp_path / f"{name}.safetensors").touch()
    assert shipped_names() == [*SHIPPED, "another"]


def test_nothing_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "nothing there" in refused(tmp_path / "absent.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    assert "a folder" in refused(tmp_path / "folder.safetensors")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        bytes(range(256)) * 40,
        b"{}",
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"{]",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
    ],
)
def test_bytes_that_are_no_safetensors_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "camera.safetensors").write_bytes(content)
    assert "safetensors bundle" in refused(tmp_path / "camera.safetensors")


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.9999])
def test_a_truncated_bundle_is_refused(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "safetensors bundle" in refused(path)


def test_tensors_of_another_kind_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "plain.safetensors")
    assert f"bundle of format {FORMAT}" in refused(tmp_path / "plain.safetensors")
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors", metadata={"format": "pt"})
    assert "with format 'pt'" in refused(tmp_path / "other.safetensors")
    save_file({"weight": torch.zeros(3)}, tmp_path / "later.safetensors", metadata={"format": "degflow-bundle-2"})
    assert "'degflow-bundle-2'" in refused(tmp_path / "later.safetensors")


@pytest.mark.parametrize("key", ["rae.encoder.stem.weight", "rae.latent_std", "velocity.all_modules.0.bias"])
def test_a_missing_tensor_is_named(path: Path, key: str) -> None:
    tensors, header = contents(path)
    del tensors[key]
    rewrite(path, tensors, header["spec"])
    assert key.split(".", 1)[1] in refused(path)


def test_a_tensor_too_many_or_of_another_shape_is_refused(path: Path) -> None:
    tensors, header = contents(path)
    rewrite(path, {**tensors, "rae.encoder.extra": torch.zeros(1)}, header["spec"])
    assert "do not fit" in refused(path)
    rewrite(path, {**tensors, "velocity.all_modules.0.bias": torch.zeros(5)}, header["spec"])
    assert "do not fit" in refused(path)


@pytest.mark.parametrize(
    "key", ["rae.encoder.stem.weight", "rae.latent_std", "velocity.all_modules.0.bias", "kernel.kernels"]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -3e30])
def test_values_that_are_not_finite_are_refused(path: Path, key: str, value: float) -> None:
    tensors, header = contents(path)
    tensors[key].view(-1)[-1] = value
    rewrite(path, tensors, header["spec"])
    assert f"{key} holds values that are not finite" in refused(path)


@pytest.mark.parametrize("key", ["rae.latent_std", "velocity.all_modules.0.bias", "kernel.kernels", "kernel.knots"])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64, torch.uint8, torch.bool, torch.float8_e4m3fn])
def test_values_that_are_no_floats_are_refused(path: Path, key: str, dtype: torch.dtype) -> None:
    tensors, header = contents(path)
    tensors[key] = tensors[key].to(dtype)
    rewrite(path, tensors, header["spec"])
    assert f"{key} holds {str(dtype)[6:]} in place of float numbers" in refused(path)


@pytest.mark.parametrize("change", [
    {"knots": [1, 4, 2]}, {"knots": [1, 2, 2]}, {"knots": [2, 4]}, {"knots": [1]}, {"knots": []}, {"knots": None},
    {"knots": [1, "two"]}, {"knots": [1, float("nan")]}, {"knots": [1, 10**400]}, {"s_max": 2.0}, {"s_max": "4"},
    {"s_max": float("inf")}, {"rae": []}, {"rae": {"base": 3}}, {"rae": {"base_channels": 0}},
    {"rae": {"base_channels": "2"}}, {"velocity": None}, {"velocity": {"multipliers": []}},
    {"velocity": {"multipliers": 3}}, {"surplus": 1}, {"steps": 10**9}, {"steps": 0}, {"training": 3.0},
    {"camera": ["x"]}, {"solver": 3},
    # What asks for more than the file holds, which must not be built first.
    {"rae": {"base_channels": 10**6}}, {"rae": {"multipliers": [1] * 10**4}}, {"rae": {"unshuffle": 10**5}},
    {"velocity": {"base_channels": 10**6}}, {"velocity": {"blocks": 10**9}},
    {"velocity": {"multipliers": [10**4] * 4}}, {"velocity": {"cameras": 10**9}},
])  # fmt: skip
def test_a_spec_that_describes_no_generator_is_refused(path: Path, change: dict[str, object]) -> None:
    tensors, header = contents(path)
    spec = json.loads(header["spec"])
    for key, value in change.items():
        spec[key] = {**spec[key], **value} if isinstance(value, dict) else value
    rewrite(path, tensors, spec)
    assert re.search(r"^expected a whole bundle, got .+ whose parts do not fit: .+$", refused(path))


@pytest.mark.parametrize("spec", [None, "", "{", "null", "[]", "3", '"text"', "{}", "[" * 200_000])
def test_a_header_that_holds_no_spec_is_refused(path: Path, spec: str | None) -> None:
    tensors, _ = contents(path)
    save_file(tensors, path, metadata={"format": FORMAT, **({} if spec is None else {"spec": spec})})
    assert "whole bundle" in refused(path)
    with pytest.raises(ValueError, match="expected a bundle with its spec in the header"):
        read_spec(path)


def kernel_bundle() -> KernelBundle:
    kernels = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    spec = KernelSpec((1.0, 2.9), "iPhone é", {"scenes": ["a/001"]})
    return KernelBundle(
        spec, [{"knots": torch.tensor([1.0, 2.9]), "kernels": kernels}], [{"scales": torch.tensor([2.9])}]
    )


def test_a_kernel_alone_comes_back_as_it_was(tmp_path: Path) -> None:
    before = kernel_bundle()
    save_bundle(tmp_path / "kernel.safetensors", before)
    after = load_any_bundle(tmp_path / "kernel.safetensors")
    assert isinstance(after, KernelBundle)
    assert after.spec == before.spec
    assert_same(after.kernels, before.kernels)
    assert_same(after.noise, before.noise)


def test_a_kernel_bundle_that_lacks_something_is_refused(sample: Bundle, path: Path, tmp_path: Path) -> None:
    assert isinstance(load_any_bundle(path), Bundle)
    broken = tmp_path / "kernel.safetensors"
    save_bundle(broken, replace(kernel_bundle(), kernels=[{"knots": torch.tensor([1.0, 2.9])}]))
    with pytest.raises(ValueError, match=r"expected a whole bundle, got .*kernels"):
        load_any_bundle(broken)
    endless = replace(kernel_bundle(), noise=[{"scales": torch.tensor([float("nan")])}])
    save_bundle(broken, endless)
    with pytest.raises(ValueError, match=r"noise\.scales holds values that are not finite"):
        load_any_bundle(broken)
