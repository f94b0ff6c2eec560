"""Both stages as BasicSR models: they learn, they stop, they save, and a resumed run is the uninterrupted one."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.stage_steps import batches, build, train
from helpers.tiny_camera import in_memory, stage_options, train_rae, write_pairs

import degflow_aug
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.fit.schedule import Budget, Schedule
from degflow_aug.fit.stage_run import StageRun
from degflow_aug.models.training import interrupt
from degflow_aug.models.training.checkpoint import read_checkpoint
from degflow_aug.models.training.interrupt import TrainingDiverged

pytest.importorskip("basicsr", reason="training needs BasicSR")
degflow_aug.register()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder)
    return folder


SHARE = 1e-3
STAGES: list[tuple[str, dict[str, Any]]] = [
    ("rae", {"pseudo_share": 0.5, "crop_margin": 8, "latent_noise": 0.2, "kl_weight": 1e-3, "grad_clip": 0.5}),
    ("rae", {"anchored": True, "crop_margin": 8}),
    ("lfm", {"trajectory": "spline"}),
    ("lfm", {
        "trajectory": "linear", "pseudo_spacing": 0.5, "rollout_weight": 5.0, "pseudo_share": 0.5, "grad_clip": 1.0,
        "pipeline": "never",
    }),
]  # fmt: skip


def loss_of(model: Any) -> torch.Tensor:
    """The loss of a fixed batch at fixed draws."""
    model.feed_data(batches(model.opt, 1)[0])
    torch.manual_seed(1)
    with model.autocast():
        return sum(loss.float() for loss in model.compute_losses().values())


@pytest.mark.parametrize(("stage", "options"), STAGES)
def test_the_loss_falls_as_its_gradient_says(stage: str, options: dict[str, Any], pairs: Path, tmp_path: Path) -> None:
    """A step of length h |g| against the gradient g lowers the loss by h |g|^2, to first order in h."""
    train_rae(pairs, tmp_path)
    model = build(in_memory(stage_options(stage, pairs, tmp_path, **options), tmp_path))
    # Behind the official last layer, which is zero, nothing is felt before the first steps.
    train(model, batches(model.opt, 2))
    model.net_g.eval()
    model.optimizer_g.zero_grad()
    before = loss_of(model)
    before.backward()
    moved = [value for value in model.net_g.parameters() if value.grad is not None]
    squared = sum(float(value.grad.square().sum()) for value in moved)
    with torch.no_grad():
        for value in moved:
            value -= SHARE * before.item() / squared * value.grad
        after = loss_of(model)
    assert before.item() - after.item() == pytest.approx(SHARE * before.item(), rel=0.25)


@pytest.mark.parametrize(("stage", "options"), STAGES)
def test_resumed_run_equals_uninterrupted(stage: str, options: dict[str, Any], pairs: Path, tmp_path: Path) -> None:
    train_rae(pairs, tmp_path)
    opt = in_memory(stage_options(stage, pairs, tmp_path, **options), tmp_path)
    data = batches(opt, 8)
    whole = build(opt)
    losses = train(whole, data)

    first = build(in_memory(stage_options(stage, pairs, tmp_path, **options), tmp_path))
    early = train(first, data[:5])
    first.save(0, 5)
    again = in_memory(stage_options(stage, pairs, tmp_path, **options), tmp_path)
    again["path"]["pretrain_network_g"] = str(Path(again["path"]["models"]) / "net_g_5.pth")
    second = build(again)
    state = Path(again["path"]["training_states"]) / "5.state"
    second.resume_training(torch.load(state, map_location="cpu", weights_only=True))
    torch.rand(7)
    late = train(second, data[5:], start=5)
    assert early + late == losses
    for mine, theirs in zip(second.trained_network().parameters(), whole.trained_network().parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_run_resumed_at_its_end_saves_again(pairs: Path, tmp_path: Path) -> None:
    """Killed after its last iteration, a run has nothing left to do but to write its last network."""
    opt = in_memory(stage_options("rae", pairs, tmp_path), tmp_path)
    model = build(opt)
    train(model, batches(opt, 2))
    model.save(0, 2)
    again = build(in_memory(stage_options("rae", pairs, tmp_path), tmp_path))
    state = Path(opt["path"]["training_states"]) / "2.state"
    again.resume_training(torch.load(state, map_location="cpu", weights_only=True))
    again.save(-1, -1)
    assert (Path(opt["path"]["models"]) / "net_g_latest.pth").is_file()


@pytest.mark.parametrize("changed", [False, True])
def test_a_fit_says_that_its_network_has_changed_since_it_was_saved(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: bool
) -> None:
    opt = in_memory(stage_options("rae", pairs, tmp_path), tmp_path)
    model = build(opt)
    train(model, batches(opt, 1))
    model.save(0, 1)
    if changed:
        model.net_g.requires_grad_(False).apply(lambda part: [weight.mul_(0.5) for weight in part.parameters()])
        model.save_networks(1)
    again = in_memory(stage_options("rae", pairs, tmp_path), tmp_path)
    StageRun(build, again, None, Budget(2), Schedule(1e-3, 0, 0), lambda *_: None)
    assert ("net_g_1.pth has changed since iteration 1 was saved" in capsys.readouterr().err) is changed


def test_nothing_is_saved_over_a_good_checkpoint_once_the_loss_is_no_number(pairs: Path, tmp_path: Path) -> None:
    opt = in_memory(stage_options("rae", pairs, tmp_path), tmp_path)
    model = build(opt)
    train(model, batches(opt, 1))
    model.save(0, 1)
    model.guard_interval = 20  # as on a GPU, where not every loss is looked at
    model.feed_data(batches(opt, 1)[0])
    model.views = model.views * math.nan
    model.optimize_parameters(2)
    with pytest.raises(TrainingDiverged):
        model.save(0, 2)
    assert [file.name for file in Path(opt["path"]["training_states"]).iterdir()] == ["1.state"]


def test_files_are_whole_and_carry_their_spec(pairs: Path, tmp_path: Path) -> None:
    train_rae(pairs, tmp_path)
    models = tmp_path / "experiments" / "rae" / "models"
    spec, state = read_checkpoint(models / "net_g_latest.pth")
    assert spec == ResidualAutoencoder(base_channels=8, residual=True).spec
    assert any(key.startswith("encoder.") for key in state)
    assert not [file for file in models.rglob("*") if file.name.endswith(".partial")]


def test_ema_follows_parameters_and_buffers(pairs: Path, tmp_path: Path) -> None:
    opt = in_memory(stage_options("rae", pairs, tmp_path), tmp_path)
    model = build(opt)
    train(model, batches(opt, 4))
    network, average = model.get_bare_model(model.net_g), model.net_g_ema
    assert torch.equal(average.latent_std, network.latent_std)
    assert not torch.equal(average.latent_std, torch.ones(4))
    assert not torch.equal(average.encoder.stem.weight, network.encoder.stem.weight)


def test_second_stage_writes_a_bundle_that_renders_what_it_validated(pairs: Path, tmp_path: Path) -> None:
    train_rae(pairs, tmp_path)
    model = build(in_memory(stage_options("lfm", pairs, tmp_path), tmp_path))
    train(model, batches(model.opt, 3))
    model.save(0, 3)
    bundle = Path(model.opt["path"]["models"]) / "generator_latest.safetensors"
    assert load_bundle(bundle).spec.knots == (1.0, 2.0, 4.0)
    hr = torch.rand(1, 3, 40, 48)
    expected = model.generate_view(hr, hr, 3.0)
    assert torch.allclose(degflow_aug.load_generator(bundle).render(hr, 3.0), expected, atol=1e-6)


def test_validation_reports_every_scale(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from basicsr.data import build_dataloader, build_dataset

    opt = in_memory(stage_options("rae", pairs, tmp_path), tmp_path)
    opt["val"]["save_img"] = True
    model = build(opt)
    dataset = build_dataset(opt["datasets"]["val"])
    model.validation(build_dataloader(dataset, opt["datasets"]["val"]), 1, None, True)
    best = model.best_metric_results["val"]["psnr"]
    # Images are not rounded for a metric of such.
    model.opt["val"]["metrics"] = {"exact": {"type": "calculate_psnr_degflow"}}
    monkeypatch.setattr(model, "generate_view", lambda hr, view, scale, camera: (view + 0.3 / 255).clamp(0, 1))
    model.best_metric_results.clear()
    model.validation(build_dataloader(dataset, opt["datasets"]["val"]), 2, None, False)
    exact = model.best_metric_results["val"]["exact"]["val"]
    assert exact == pytest.approx(20 * math.log10(255 / (0.3 * 219 / 255)), abs=0.1)
    # An untrained residual autoencoder returns the HR image, whose distance to its views is finite.
    assert 5 < best["val"] < 60
    strips = list(Path(opt["path"]["visualization"]).rglob("*.png"))
    assert {strip.name for strip in strips} == {"x2_1.png", "x4_1.png"}


def test_divergence_stops_before_saving(pairs: Path, tmp_path: Path) -> None:
    opt = in_memory(stage_options("rae", pairs, tmp_path), tmp_path)
    model = build(opt)
    data = batches(opt, 1)[0]
    model.feed_data(data)
    model.views = model.views * math.nan
    with pytest.raises(TrainingDiverged, match=r"lower train\.optim_g\.lr"):
        model.optimize_parameters(1)
    assert all(torch.isfinite(value).all() for value in model.net_g.parameters())


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_signal_saves_then_stops(number: int, ends: type[BaseException], pairs: Path, tmp_path: Path) -> None:
    opt = in_memory(stage_options("rae", pairs, tmp_path), tmp_path)
    interrupt.install()
    model = build(opt)
    try:
        signal.raise_signal(number)
        model.feed_data(batches(opt, 1)[0])
        with pytest.raises(ends):
            model.optimize_parameters(1)
    finally:
        interrupt.uninstall()
    assert (Path(opt["path"]["training_states"]) / "1.state").is_file()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"knots": [2, 4]}, "rise from 1"),
        ({"latent_nois": 0.1}, "did you mean 'latent_noise'"),
        ({"amp": "fp8"}, "none or bf16"),
        ({"hr_share": "lots"}, "expected a number from 0 to 1 in degflow.hr_share"),
    ],
)
def test_bad_section_is_one_sentence(change: dict[str, Any], sentence: str, pairs: Path, tmp_path: Path) -> None:
    opt = in_memory(stage_options("rae", pairs, tmp_path), tmp_path)
    opt["degflow"] = {**opt["degflow"], **change}
    with pytest.raises(ValueError, match=sentence):
        build(opt)


def test_second_stage_wants_a_first(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="train stage 1 first"):
        build(in_memory(stage_options("lfm", pairs, tmp_path), tmp_path))


def test_bf16_is_close_to_float32(pairs: Path, tmp_path: Path) -> None:
    losses = []
    for amp in ("none", "bf16"):
        model = build(in_memory(stage_options("rae", pairs, tmp_path, amp=amp), tmp_path))
        losses.append(loss_of(model).item())
        train(model, batches(model.opt, 1))
    assert losses[1] == pytest.approx(losses[0], rel=0.03)


def test_a_signal_stops_a_long_validation_after_saving(pairs: Path, tmp_path: Path) -> None:
    from basicsr.data import build_dataloader, build_dataset

    opt = in_memory(stage_options("rae", pairs, tmp_path), tmp_path)
    seen: list[float] = []

    def signalled(hr: torch.Tensor, view: torch.Tensor, scale: float, camera: str) -> torch.Tensor:
        seen.append(scale)
        os.kill(os.getpid(), signal.SIGTERM)
        return hr

    def train_and_validate() -> None:
        with interrupt.stoppable():
            model = build(opt)
            train(model, batches(opt, 2))
            model.generate_view = signalled
            dataset = build_dataset(opt["datasets"]["val"])
            model.validation(build_dataloader(dataset, opt["datasets"]["val"]), 2, None, False)

    with pytest.raises(SystemExit) as end:
        train_and_validate()
    assert end.value.code == 143
    # The scales of one image.
    assert seen == [2.0, 4.0]
    assert (tmp_path / "experiments" / "rae" / "training_states" / "2.state").is_file()
