"""What each shipped bundle is trained and tested on, what it may be used for, and what it is not good for."""

from __future__ import annotations

from dataclasses import dataclass

IPHONE, NIKON = "City100_iPhoneX", "City100_NikonD5500"
SIMULATED_KNOTS = (2.0, 4.0)
TRAINED_ON_CITY100 = "MIT; trained on City100 (MIT, Copyright (c) 2019 Chang Chen)"


@dataclass(frozen=True)
class HeldOut:
    """Scenes that a bundle was not trained on.

    Attributes:
        data: its name in the header.
        rerun: the command that measures the same.
        camera: City100's folder; empty for scikit-image's held-out photographs.
        scenes: of that folder.
        simulated: take the HR images alone, and their views by the simulated phone.
    """

    data: str
    rerun: str
    camera: str = ""
    scenes: str = ""
    simulated: bool = False


@dataclass(frozen=True)
class Recipe:
    """One shipped bundle.

    Attributes:
        about: the camera, in a sentence.
        training: City100's folders, each with its scenes from first to last.
        tests: what goes into the header.
        not_good_for: what the model card warns of.
        simulated: train on the simulated phone's views of the HR images.
        fit: further options of ``degflow fit``; those for several cameras belong here.
        licence: of the weights.
    """

    about: str
    training: tuple[tuple[str, int, int], ...]
    tests: tuple[HeldOut, ...]
    not_good_for: tuple[str, ...]
    simulated: bool = False
    fit: tuple[str, ...] = ()
    licence: str = TRAINED_ON_CITY100

    @property
    def scenes(self) -> str:
        """The training scenes as ``--scenes`` takes them."""
        spans = ((camera, number) for camera, first, last in self.training for number in range(first, last + 1))
        return ",".join(f"{camera}/{number:03}" for camera, number in spans)


def _city100(bundle: str, camera: str, scenes: str) -> HeldOut:
    rerun = f"degflow evaluate {bundle} --pairs City100 --layout city100 --cameras {camera} --scenes {scenes}"
    return HeldOut(camera, rerun, camera, scenes)


_ONE_SETTING = (
    "other cameras, lenses and other settings of this one's processing: it has learned one device in one set-up",
    "scales between 1 and 2.9: LR was photographed at 2.9 alone, so nothing between has a measured truth, and how the "
    "camera changes on the way there is what the recipe assumes",
    "night, motion, defocus, flash and faces: City100 is printed postcards on a tripod, evenly lit and flat",
    "RAW or linear images: it maps processed 8-bit sRGB to the same",
    "noise, unless asked for: a view is the mean of what the camera does; `noise: 1` adds what was learned of the rest",
)
RECIPES: dict[str, Recipe] = {
    "city100-iphone": Recipe(
        "Apple iPhone X as in City100: a postcard from nearby (HR) and from further away (LR), scale 2.9.",
        ((IPHONE, 1, 60),),
        (_city100("city100-iphone", IPHONE, "061-070"),),
        _ONE_SETTING,
    ),
    "city100-nikon": Recipe(
        "Nikon D5500 with a zoom lens as in City100: long (HR) and short (LR) focal length, scale 2.9.",
        ((NIKON, 1, 18),),
        (_city100("city100-nikon", NIKON, "019-024"),),
        ("much variety: it has seen 18 scenes", *_ONE_SETTING),
    ),
    "city100": Recipe(
        "Both cameras of City100 in one generator, scale 2.9.",
        ((IPHONE, 1, 60), (NIKON, 1, 18)),
        (_city100("city100", IPHONE, "061-070"), _city100("city100", NIKON, "019-024")),
        ("a single camera at its best: compare its rows with those of the camera's own bundle", *_ONE_SETTING),
    ),
    "simulator": Recipe(
        "The simulated phone of this package (`degradation: {type: Phone}`), which knows the truth at every scale. "
        "Until 2026-11-30 the bundle of this name had learned the simulated camera (`type: Camera`).",
        ((IPHONE, 1, 60),),
        (
            HeldOut("scikit-image, simulated", "degflow demo --shipped", simulated=True),
            HeldOut(
                "City100 HR, simulated",
                "python -m benchmarks.release.train_shipped simulator --city100 City100 --check",
                IPHONE, "061-070", True,
            ),
        ),
        (
            "real cameras: it imitates a simulator, whose optics, noise and processing are made up",
            "training networks for real photographs; it is there to test the method where the truth is known",
            "scales above 4, its last knot",
            "RAW or linear images: it maps processed 8-bit sRGB to the same",
        ),
        simulated=True,
    ),
}  # fmt: skip
