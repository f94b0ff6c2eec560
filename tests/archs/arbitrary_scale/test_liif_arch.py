"""LIIF against the official code's output, against a query-by-query rewrite, and against what its image should do."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.random_networks import randomise
from torch import Tensor

from degflow_aug import compat
from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import pixel_centres, upscale
from degflow_aug.archs.arbitrary_scale.liif_arch import LIIF, load_official

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)

EDSR = {"name": "edsr-baseline", "args": {"n_resblocks": 1, "n_feats": 6}}
IMNET = {"name": "mlp", "args": {"hidden_list": [10, 7]}}
SWITCHES = list(itertools.product([True, False], repeat=3))


def random_liif(**arguments: Any) -> LIIF:
    network = randomise(LIIF(**{"encoder_spec": EDSR, "imnet_spec": IMNET} | arguments))
    assert isinstance(network, LIIF)
    return network


def random_queries(batch: int, count: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Anywhere in the image, each with a cell of its own."""
    generator = torch.Generator().manual_seed(seed)
    coord, cell = (torch.rand(batch, count, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    return (2 * coord - 1).to(dtype), (cell / 4 + 0.01).to(dtype)


def random_image(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_official_weights_give_the_official_colours(fixtures: Path) -> None:
    network = load_official(fixtures / "official_liif.pth")
    reference = torch.load(fixtures / "official_liif_reference.pt", weights_only=True)
    with torch.no_grad():
        found = network(reference["input"] * 0.5 + 0.5, reference["coord"], reference["cell"])
        image = upscale(network, reference["input"] * 0.5 + 0.5, tuple(reference["size"]), memory_mb=0.2)
    assert (2 * found - 1 - reference["output"]).abs().max() < 1e-5
    assert reference["output"].std() > 0.05
    whole = reference["output"].transpose(1, 2).reshape(image.shape)
    assert (2 * image - 1 - whole).abs().max() < 1e-5
    assert not network.training
    assert all(value.requires_grad and value.dtype == torch.float32 for value in network.parameters())
    assert network.spec == {
        "encoder_spec": {"name": "edsr-baseline", "args": {"no_upsampling": True, "n_resblocks": 2, "n_feats": 8}},
        "imnet_spec": {"name": "mlp", "args": {"out_dim": 3, "hidden_list": [16, 16]}},
        "local_ensemble": True,
        "feat_unfold": True,
        "cell_decode": True,
    }


def colour(network: LIIF, features: np.ndarray, coord: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """One query of one image as the paper words it: features (C, h, w), coord (2,), cell (2,) -> RGB (3,)."""
    ensemble, unfold, cell_decode = (network.spec[key] for key in ("local_ensemble", "feat_unfold", "cell_decode"))
    channels, height, width = features.shape
    centres = [[-1 + (2 * i + 1) / count for i in range(count)] for count in (height, width)]
    # z*_t: the LR pixels nearest to the query moved by half an LR pixel to each of its four sides, or nearest to it.
    shifts = [(-1, -1), (-1, 1), (1, -1), (1, 1)] if ensemble else [(0, 0)]
    answers, areas = [], []
    for shift in shifts:
        moved = [coord[axis] + shift[axis] / (height, width)[axis] for axis in range(2)]
        i, j = (min(range(len(line)), key=lambda k: abs(line[k] - at)) for line, at in zip(centres, moved, strict=True))
        around = [(i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)] if unfold else [(i, j)]
        inside = [0 <= y < height and 0 <= x < width for y, x in around]
        latent = [
            features[c, y, x] if ok else 0.0 for c in range(channels) for (y, x), ok in zip(around, inside, strict=True)
        ]
        relative = [(coord[0] - centres[0][i]) * height, (coord[1] - centres[1][j]) * width]
        x = np.array([*latent, *relative, *([cell[0] * height, cell[1] * width] if cell_decode else [])])
        layers = [layer for layer in network.imnet.layers if isinstance(layer, torch.nn.Linear)]
        for layer in layers:
            x = layer.weight.detach().double().numpy() @ x + layer.bias.detach().double().numpy()
            x = x if layer is layers[-1] else np.maximum(x, 0)
        answers.append(x)
        areas.append(abs(relative[0] * relative[1]))
    # Each answer counts with the area towards the pixel diagonally opposite.
    shares = [area / sum(areas) for area in reversed(areas)] if ensemble else [1.0]
    return sum(share * answer for share, answer in zip(shares, answers, strict=True)) * 0.5 + 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 3), (7, 9)])
@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_query_is_the_papers(switches: tuple[bool, bool, bool], size: tuple[int, int]) -> None:
    names = ("local_ensemble", "feat_unfold", "cell_decode")
    network = random_liif(**dict(zip(names, switches, strict=True)))
    lq = random_image(2, 3, *size)
    coord, cell = random_queries(2, 12)
    coord[0, 0], coord[0, 1], coord[1, 0] = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-0.999, 0.999]])
    with torch.no_grad():
        found = network(lq, coord, cell)
        features = network.encoder((lq - 0.5) / 0.5).double().numpy()
    for sample, query in itertools.product(range(2), range(12)):
        truth = colour(network, features[sample], coord[sample, query].double().numpy(), cell[sample, query].numpy())
        np.testing.assert_allclose(found[sample, query].numpy(), truth, atol=1e-5)
    assert found.std() > 0.01


@pytest.mark.parametrize("hidden", [[], [5], [6, 4, 6]])
def test_any_depth_of_the_mlp_is_the_whole_mlp_on_unfolded_features(hidden: list[int]) -> None:
    """At pixel centres the ensemble is one pixel: the MLP on F.unfold, no offset, and the cell."""
    network = random_liif(imnet_spec={"name": "mlp", "args": {"hidden_list": hidden, "out_dim": 3}})
    lq, coord = random_image(1, 3, 5, 6), pixel_centres(5, 6)[None]
    cell = torch.full_like(coord, 0.1)
    with torch.no_grad():
        latent = F.unfold(network.encoder(2 * lq - 1), 3, padding=1).transpose(1, 2)
        inputs = torch.cat([latent, torch.zeros_like(coord), cell * torch.tensor([5.0, 6.0])], -1)
        torch.testing.assert_close(network(lq, coord, cell), network.imnet(inputs) * 0.5 + 0.5, rtol=1e-4, atol=1e-5)


def test_default_sizes_are_the_papers() -> None:
    with torch.device("meta"):
        network = LIIF(encoder_spec={"name": "edsr-baseline", "args": {"no_upsampling": True}})
    shapes = [tuple(value.shape) for key, value in network.state_dict().items() if key.startswith("imnet.layers")]
    assert shapes[::2] == [(256, 64 * 9 + 4), (256, 256), (256, 256), (256, 256), (3, 256)]
    assert [key for key in network.state_dict() if "imnet" in key][:3] == [
        "imnet.layers.0.weight",
        "imnet.layers.0.bias",
        "imnet.layers.2.weight",
    ]


def test_gradients_are_those_of_finite_differences() -> None:
    network = random_liif().double()
    lq = random_image(1, 3, 3, 4).double().requires_grad_()
    coord, cell = random_queries(1, 5, dtype=torch.float64)
    weight = network.imnet.layers[0].weight

    def asked(image: Tensor, first: Tensor) -> Tensor:
        return torch.func.functional_call(network, {"imnet.layers.0.weight": first}, (image, coord, cell))

    assert torch.autograd.gradcheck(asked, (lq, weight.detach().clone().requires_grad_()), fast_mode=True)


def test_colours_move_with_the_image() -> None:
    """Cut three rows and two columns off: what lies inside, away from the borders, keeps its colours."""
    network, lq = random_liif(), random_image(1, 3, 24, 22)
    rows, columns = np.meshgrid(np.linspace(9, 17, 23), np.linspace(9, 15, 21), indexing="ij")
    position = torch.tensor(np.stack([rows, columns], -1).reshape(1, -1, 2), dtype=torch.float32)

    def ask(image: Tensor, position: Tensor) -> Tensor:
        size = torch.tensor(image.shape[-2:])
        return network(image, (2 * position + 1) / size - 1, (0.6 / size).expand_as(position))

    with torch.no_grad():
        shifted = ask(lq[..., 3:, 2:], position - torch.tensor([3.0, 2.0]))
        torch.testing.assert_close(shifted, ask(lq, position), rtol=1e-4, atol=1e-5)


def test_the_ensemble_has_no_seams_and_a_single_pixel_has() -> None:
    """Across every border between pixels, and where the nearest four change, colours change by next to nothing."""
    lq, step = random_image(1, 3, 6, 6), 2e-5
    borders = torch.linspace(-1, 1, 13)[1:-1]
    steps = torch.stack([borders - step, borders + step], 1).flatten()
    lines = torch.stack([steps, torch.full_like(steps, 0.37)], -1)[None]
    jumps = []
    for ensemble in (True, False):
        network = random_liif(local_ensemble=ensemble)
        with torch.no_grad():
            colours = torch.cat([network(lq, part, torch.full_like(part, 0.1)) for part in (lines, lines.flip(-1))])
        jumps.append(float((colours[:, 0::2] - colours[:, 1::2]).abs().max()))
    assert jumps[0] < 1e-3 < 0.02 < jumps[1]


def test_cells_count_where_they_are_decoded() -> None:
    lq, (coord, cell) = random_image(1, 3, 5, 5), random_queries(1, 20)
    for decode in (True, False):
        network = random_liif(cell_decode=decode)
        with torch.no_grad():
            change = (network(lq, coord, cell) - network(lq, coord, 2 * cell)).abs().amax()
        assert (change > 0.01) == decode


def test_bfloat16_gradients_reach_float32_parameters() -> None:
    network, lq = random_liif(), random_image(1, 3, 5, 6)
    gradients = []
    for enabled in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = network(lq, *random_queries(1, 300)).square().mean()
        loss.backward()
        gradients.append(torch.cat([value.grad.flatten() for value in network.parameters()]))
    assert gradients[1].dtype == torch.float32
    assert F.cosine_similarity(*gradients, dim=0) > 0.999


Checkpoint = dict[str, Any]


@pytest.fixture
def checkpoint(fixtures: Path) -> Checkpoint:
    return torch.load(fixtures / "official_liif.pth", weights_only=True)


def test_rdn_checkpoints_load(tmp_path: Path) -> None:
    """RDN keeps its names; what a training run stores beside the model is left alone."""
    network = random_liif(encoder_spec={"name": "rdn", "args": {"G0": 4, "RDNconfig": "A"}}, imnet_spec=IMNET)
    arguments = {
        "encoder_spec": {"name": "rdn", "args": {"no_upsampling": True, "G0": 4, "RDNconfig": "A"}},
        "imnet_spec": IMNET,
    }
    model = {"name": "liif", "args": arguments, "sd": network.half().state_dict()}
    torch.save({"model": model, "optimizer": {"name": "adam", "sd": {}}, "epoch": 3}, tmp_path / "rdn-liif.pth")
    loaded = load_official(str(tmp_path / "rdn-liif.pth"))
    lq, queries = random_image(1, 3, 5, 4), random_queries(1, 9)
    with torch.no_grad():
        assert torch.equal(loaded(lq, *queries), network.float()(lq, *queries))


def test_switches_are_read_from_the_checkpoint(tmp_path: Path, checkpoint: Checkpoint) -> None:
    model = checkpoint["model"]
    model["args"] |= {"feat_unfold": False, "cell_decode": False, "local_ensemble": False}
    model["sd"]["imnet.layers.0.weight"] = model["sd"]["imnet.layers.0.weight"][:, : 8 + 2]
    torch.save(checkpoint, tmp_path / "u.pth")
    spec = load_official(tmp_path / "u.pth").spec
    assert [spec[name] for name in ("feat_unfold", "cell_decode", "local_ensemble")] == [False] * 3


def without(checkpoint: Checkpoint, key: str) -> None:
    del checkpoint["model"]["sd"][key]


def with_tensor(checkpoint: Checkpoint, key: str, value: Any) -> None:
    checkpoint["model"]["sd"][key] = value


def with_encoder(checkpoint: Checkpoint, spec: Any) -> None:
    checkpoint["model"]["args"]["encoder_spec"] = spec


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: without(c, "encoder.head.0.weight"), "encoder.conv_first.weight"),
        (lambda c: without(c, "imnet.layers.2.bias"), "imnet.layers.2.bias"),
        (lambda c: with_tensor(c, "encoder.tail.0.weight", torch.zeros(3)), "encoder.tail.0.weight"),
        (lambda c: with_tensor(c, "encoder.body.3.weight", torch.zeros(8, 8, 3, 3)), "encoder.body.3.weight"),
        (lambda c: with_tensor(c, "imnet.layers.0.bias", torch.zeros(17)), "size mismatch for imnet.layers.0.bias"),
        (lambda c: with_tensor(c, "imnet.layers.0.bias", "text"), "got: 'str' object"),
        (lambda c: with_tensor(c, 5, torch.zeros(1)), "got: 'int' object"),
        (lambda c: c["model"].update(name="metasr"), "no model with name: liif"),
        (lambda c: c["model"].pop("sd"), "no model with name: liif, args and sd"),
        (lambda c: c.update(model=[1, 2]), "no model with name: liif"),
        (lambda c: c["model"]["args"].update(encoding="none"), "unexpected keyword argument 'encoding'"),
        (lambda c: c["model"]["args"].update(imnet_spec={"name": "siren"}), "expected imnet_spec"),
        (lambda c: c["model"]["args"].pop("encoder_spec"), "encoder edsr-baseline or rdn"),
        (lambda c: with_encoder(c, {"name": "swinir", "args": {}}), "encoder edsr-baseline or rdn in"),
        (lambda c: with_encoder(c, {"name": "edsr-baseline", "args": {"scale": 2}}), "unknown argument 'scale'"),
        (lambda c: with_encoder(c, {"name": "edsr-baseline", "args": {"no_upsampling": False}}), "no_upsampling: true"),
    ],
)
def test_other_checkpoints_are_refused(
    tmp_path: Path, checkpoint: Checkpoint, spoil: Callable[[Checkpoint], Any], message: str
) -> None:
    spoil(checkpoint)
    path = tmp_path / "other.pth"
    torch.save(checkpoint, path)
    check_refusal(path, message)


def check_refusal(path: Path, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        load_official(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


class Harmful:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_files_that_are_no_checkpoint_are_refused_and_not_run(tmp_path: Path, fixtures: Path) -> None:
    check_refusal(tmp_path / "absent.pth", "nothing there")
    check_refusal(tmp_path, "a folder")
    whole = (fixtures / "official_liif.pth").read_bytes()
    touched = tmp_path / "touched"
    for content in (b"", b"no weights", whole[: len(whole) // 2], pickle.dumps(Harmful(touched), protocol=2)):
        (tmp_path / "bad.pth").write_bytes(content)
        check_refusal(tmp_path / "bad.pth", "damaged, another kind of file, or holds code; it was not run")
    torch.save({"model": Harmful(touched)}, tmp_path / "code.pth")
    check_refusal(tmp_path / "code.pth", "holds code; it was not run")
    assert not touched.exists()
    for content in (torch.zeros(3), [1, 2], {"state_dict": {}}):
        torch.save(content, tmp_path / "foreign.pth")
        check_refusal(tmp_path / "foreign.pth", "no model with name: liif, args and sd")
