"""What a processor is given: English sentences, a drawn picture, a played chord. All made by code, all seeded.

Nothing here is taken from anybody: sentences and code are the package's own, under its licence, and so is what the code draws and plays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_SENTENCES = (
    "The harbour was quiet in the early morning, and the small boats moved slowly with the tide while the light of "
    "the old tower went out. A woman with a red coat walked along the wall, counted the gulls, and wrote the number "
    "in a book that her father had given to her many years before.",
    "Every winter the river froze from the north bank to the island, and the children of the village learned to read "
    "the ice: dark where it was thin, white where it would carry a horse. Nobody was allowed to cross before the "
    "miller had walked over and back with a long pole in his hands.",
    "When the train stopped between two stations, the passengers first looked at their watches, then at each other, "
    "and in the end they began to talk. By the time it moved again, three of them had found out that they came from "
    "the same town and had gone to the same school.",
)


def sentence(index: int) -> str:
    """An English text of about fifty words; long enough to be cut to any length that a test wants."""
    return _SENTENCES[index % len(_SENTENCES)]


def text(index: int, words: int) -> str:
    """The sentence, said again as often as it takes to have so many words."""
    once = sentence(index)
    return " ".join([once] * -(-words // len(once.split())))


def picture(index: int, seed: int, width: int = 96, height: int = 80) -> Image.Image:
    """An RGB picture: a colour gradient, a few filled shapes, a little grain."""
    random = np.random.default_rng((seed, index))
    across = np.linspace(0, 180, width)[None, :, None] * random.uniform(0.4, 1, 3)
    down = np.linspace(0, 75, height)[:, None, None] * random.uniform(0.4, 1, 3)
    grain = random.normal(0, 4, (height, width, 3))
    image = Image.fromarray(np.clip(across + down + grain, 0, 255).astype(np.uint8), "RGB")
    draw = ImageDraw.Draw(image)
    for shape in (draw.ellipse, draw.rectangle, draw.ellipse):
        left, top = random.integers(0, width // 2), random.integers(0, height // 2)
        size = random.integers(height // 4, height // 2)
        colour = tuple(int(c) for c in random.integers(0, 256, 3))
        shape((int(left), int(top), int(left + size), int(top + size)), fill=colour)
    return image


def sound(index: int, seed: int, samples: int, rate: int) -> NDArray[np.float32]:
    """A chord that fades, with a little noise: `samples` values in -1…1 at `rate` per second."""
    random = np.random.default_rng((seed, index, 7))
    time = np.arange(samples) / rate
    notes = random.choice([220.0, 247.0, 262.0, 294.0, 330.0, 349.0, 392.0, 440.0], size=3, replace=False)
    chord = sum(np.sin(2 * np.pi * note * time + random.uniform(0, 6)) for note in notes) / 4
    wave = chord * np.exp(-2 * time) + random.normal(0, 0.01, samples)
    return np.asarray(wave, dtype=np.float32)
