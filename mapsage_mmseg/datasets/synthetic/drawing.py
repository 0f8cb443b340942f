"""Procedural drawing of land-cover scenes."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..transforms.seeding import StableDraws

CLASSES = ('background', 'building', 'road', 'water', 'barren', 'forest', 'agriculture')
BACKGROUND, BUILDING, ROAD, WATER, BARREN, FOREST, AGRICULTURE = range(len(CLASSES))
PALETTE = [[255, 255, 255], [255, 0, 0], [255, 255, 0], [0, 0, 255], [159, 129, 183], [0, 255, 0], [255, 195, 128]]
SPLITS = ('train', 'val')

# Everything is drawn in integers: sines and blurs in floating point differ by a bit between machines.
UNIT = 16  # Lengths are held in 16ths of a pixel, angles in 256ths of a turn.
SINE = np.array([round(256 * math.sin(math.pi * angle / 128)) for angle in range(256)], np.int32)

# RGB. Classes share colours on purpose, or colour alone would tell them apart.
GRASS = ((112, 128, 80), (134, 138, 96), (98, 122, 72), (152, 148, 108), (128, 126, 118))
ROOFS = ((142, 88, 70), (122, 118, 116), (172, 168, 162), (150, 128, 106), (94, 92, 96), (198, 194, 186), (98, 108, 84))
ROADS = ((122, 120, 118), (148, 144, 138), (98, 98, 100), (156, 138, 114))
WATERS = ((50, 68, 80), (60, 82, 74), (76, 92, 88), (104, 104, 88), (46, 60, 52), (116, 122, 124))
SOILS = ((150, 130, 104), (168, 152, 126), (130, 118, 104), (140, 136, 130), (120, 112, 88))
WOODS = ((50, 74, 46), (64, 86, 52), (84, 102, 62), (72, 78, 50))
CROPS = ((106, 134, 72), (142, 148, 84), (174, 160, 106), (136, 112, 86), (82, 108, 62), (160, 142, 114), (98, 120, 76))
HOUSES, WORKS, CROP, WOOD, BARE, MEADOW = range(6)
# Parcels of each kind, of 20, by theme: village, suburb, wild land, industry.
THEMES = ((4, 0, 9, 3, 2, 2), (11, 2, 2, 2, 2, 1), (1, 0, 4, 6, 6, 3), (5, 7, 2, 2, 3, 1))


@lru_cache(maxsize=64)
def _smooth_steps(size: int, step: int) -> np.ndarray:
    """Returns interpolation weights from a lattice of the given step to pixels, in 64ths, (size, nodes)."""
    left, part = np.divmod(np.arange(size), step)
    part = 64 * part // step
    part = part * part * (192 - 2 * part) // 4096  # Smoothstep: no creases along the lattice.
    weights = np.zeros((size, size // step + 2), np.float32)
    weights[np.arange(size), left], weights[np.arange(size), left + 1] = 64 - part, part
    return weights


def _hills(draws: StableDraws, size: int, step: int) -> np.ndarray:
    """Draws a smooth surface with hills of about ``step`` pixels, flat (pixels,), -128 to 127."""
    weights = _smooth_steps(size, step)
    nodes = draws.many(0, 255, weights.shape[1], weights.shape[1]).astype(np.float32)
    # Whole numbers below 2**24 throughout: float32 holds them exactly, so the order of summing does not matter.
    return (weights @ nodes @ weights.T).astype(np.int32).ravel() // 4096 - 128


def _tints(draws: StableDraws, options: tuple, count: int, spread: int = 9) -> np.ndarray:
    """Draws colours close to those of the options, (count, 3)."""
    return np.array(options, np.int32)[draws.many(0, len(options) - 1, count)] + draws.many(-spread, spread, count, 3)


def _turned(x: np.ndarray, y: np.ndarray, angle: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns coordinates along and across a direction."""
    cosine, sine = SINE[angle + 64 & 255], SINE[angle & 255]
    return x * cosine + y * sine >> 8, y * cosine - x * sine >> 8


class _Parcels:
    """The map's plan: land cut into parcels by winding lines, some of which are roads. Fields are flat, (pixels,).

    Attributes:
        number: Number of the parcel that a pixel lies in, 0 to 255.
        across, along, width, height: Position in the parcel from its corner, and the parcel's size, in units.
        road, lane: Whether the pixel is road; distance to the middle of the nearest road, in units.
    """

    def __init__(self, draws: StableDraws, x: np.ndarray, y: np.ndarray, size: int) -> None:
        u, v = _turned(x, y, draws.one(0, 255))
        u = u + _hills(draws, size, 56) * draws.one(0, 10) // 10
        v = v + _hills(draws, size, 56) * draws.one(0, 10) // 10
        column, self.across, self.width, road_u, lane_u = self._cut(draws, u, size, odds=50)
        # Every column is cut at its own heights, so that the parcels look like an old town, not like a chessboard.
        v = v + draws.many(0, 40 * UNIT, 256)[column]
        row, self.along, self.height, road_v, lane_v = self._cut(draws, v, size, odds=35)
        self.number = column * 37 + row & 255
        self.road = road_u | road_v
        self.lane = np.minimum(lane_u, lane_v)

    @staticmethod
    def _cut(draws: StableDraws, position: np.ndarray, size: int, odds: int) -> tuple[np.ndarray, ...]:
        """Cuts one axis: (number, position after the cut, gap, is road, distance to the middle of the nearest road)."""
        count = size // 8 + 8
        gaps = draws.many(26, 58, count)
        half = np.where(draws.many(0, 99, count + 1) < odds, draws.many(26, 56, count + 1), 0)
        position = position + (3 * size // 2 + 16) * UNIT  # A rotated square extends this far below zero.
        number = np.repeat(np.arange(count), gaps)[position // UNIT]
        start = position - ((np.cumsum(gaps, dtype=np.int32) - gaps) * UNIT)[number]
        gap = (gaps * UNIT)[number]
        distance = np.minimum(start, gap - start)
        nearest = half[number + (start * 2 > gap)]
        return number, start, gap, distance < nearest, np.where(nearest > 0, distance, 1 << 20)


class _Scene:
    """An image and its label, drawn one cover after the other; arrays of pixels are flat."""

    def __init__(self, draws: StableDraws, size: int) -> None:
        self.draws, self.size = draws, size
        self.y, self.x = (axis.ravel() * UNIT for axis in np.mgrid[:size, :size].astype(np.int32))
        self.plan = _Parcels(draws, self.x, self.y, size)
        self.label, self.shade = np.zeros(size * size, np.uint8), np.zeros(size * size, bool)
        self.inks, (self.used, self.light) = np.zeros((0, 3), np.int32), np.zeros((2, size * size), np.int32)
        self.sun = SINE[draws.one(0, 255) + np.array([0, 64]) & 255]
        self.fine, self.clumps, self.broad = (_hills(draws, size, step) for step in (3, 6, 22))  # Shared by all covers.
        self.relief = self.cast(self.clumps + self.fine // 2, 2) - self.clumps - self.fine // 2

    def cast(self, field: np.ndarray, pixels: int) -> np.ndarray:
        """Returns the field, shifted away from the sun. It wraps around, which is invisible in a shadow."""
        return np.roll(field.reshape(self.size, self.size), pixels * self.sun + 128 >> 8, (0, 1)).ravel()

    def paint(self, at: np.ndarray, cover: int, inks: np.ndarray, which: np.ndarray, light: np.ndarray) -> None:
        """Gives each pixel its label and one of the inks; ``light`` is added to all channels."""
        self.label[at], self.used[at], self.light[at], self.shade[at] = cover, which + len(self.inks), light, False
        self.inks = np.concatenate([self.inks, inks])

    def parcels(self, where: np.ndarray, cover: int, options: tuple, light: np.ndarray) -> None:
        """Paints each parcel in a colour of its own."""
        at = np.flatnonzero(where)
        self.paint(at, cover, _tints(self.draws, options, 256), self.plan.number[at], light[at])

    def patches(self, where: np.ndarray, cover: int, options: tuple, light: np.ndarray) -> None:
        """Paints soft patches of two colours."""
        at, parts = np.flatnonzero(where), np.arange(16, dtype=np.int32)[:, None]
        one, other = _tints(self.draws, options, 2)
        self.paint(at, cover, (one * parts + other * (15 - parts)) // 15, self.broad[at] + 128 >> 4, light[at])

    def trees(self, where: np.ndarray, cover: int, height: int) -> None:
        """Paints a forest, or trees that have its colour but not its label."""
        self.patches(where, cover, WOODS, self.relief * height // 12)
        self.shade |= self.cast(where, height) & ~where

    def fields(self, where: np.ndarray) -> None:
        at, draws = np.flatnonzero(where), self.draws
        number = self.plan.number[at]
        # Furrows usually follow the parcel's sides; every fourth has the tracks of a tractor.
        angle = draws.many(0, 3, 256) * 64 + draws.many(0, 3, 256) // 3 * draws.many(0, 63, 256)
        period = draws.many(3 * UNIT, 7 * UNIT, 256)[number]
        turned = _turned(self.plan.across[at], self.plan.along[at], angle[number])
        down, over = (256 * position // period for position in turned)
        furrows = SINE[down & 255]
        light = (furrows * draws.many(7, 22, 256)[number] >> 8) + self.broad[at] // 9 - 14 * (down & 1023 < 70)
        self.paint(at, AGRICULTURE, _tints(draws, CROPS, 256), number, light)
        # Orchards have the trees of a forest, in rows.
        crowns = np.zeros_like(where)
        crowns[at] = (draws.many(0, 9, 256) < 2)[number] & (furrows + SINE[over & 255] > 60)
        self.trees(crowns, AGRICULTURE, 2)

    def buildings(self, where: np.ndarray, scale: np.ndarray) -> None:
        """Paints houses in rows along the parcels' sides; ``scale`` multiplies their size and distance."""
        at, draws = np.flatnonzero(where), self.draws
        number, scale = self.plan.number[at], scale[at]
        inset = draws.one(5, 6) * UNIT
        inside, house, from_middle = np.ones(len(at), bool), number * 11, []
        for position, extent in ((self.plan.across, self.plan.width), (self.plan.along, self.plan.height)):
            step = draws.many(11 * UNIT, 14 * UNIT, 256)[number] * scale
            place, rest = np.divmod(position[at] - inset, step)
            inside &= (place >= 0) & ((place + 1) * step <= extent[at] - 2 * inset)
            house = house * 7 + place & 255
            from_middle.append(rest - step // 2)
        inside &= (draws.many(0, 99, 256) < 88)[house]
        halves = [draws.many(50, 88, 256)[house] * scale for _ in range(2)]
        inside &= (abs(from_middle[0]) < halves[0]) & (abs(from_middle[1]) < halves[1])
        ridge = np.sign(np.where(halves[0] > halves[1], from_middle[1], from_middle[0]))
        light = draws.many(-22, 22, 256)[house] * ridge + self.fine[at] // 20
        roofs = np.zeros_like(where)
        roofs[at] = inside
        self.shade |= self.cast(roofs, draws.one(2, 4))
        self.paint(at[inside], BUILDING, _tints(draws, ROOFS, 256, 14), house[inside], light[inside])

    def waters(self) -> np.ndarray:
        """Returns which pixels are lake or river; many scenes have neither."""
        draws, middle = self.draws, self.size * UNIT // 2
        lakes = _hills(draws, self.size, 44) * 2 + self.broad < draws.one(-290, -90)
        u, v = _turned(self.x - middle, self.y - middle, draws.one(0, 255))
        bends = SINE[u * 256 // draws.one(60 * UNIT, 140 * UNIT) + draws.one(0, 255) & 255] * draws.one(0, 12) // UNIT
        bed = bends + self.broad // 3 + draws.one(-middle, middle) * 3 // 4
        river = abs(v - bed) < draws.one(40, 160) * (draws.one(0, 9) < 4) + self.clumps // 8 - 16
        return lakes | river

    def photograph(self) -> np.ndarray:
        """Returns the image as an aerial camera takes it, (H, W, 3), BGR."""
        draws, size = self.draws, self.size
        cloud = _hills(draws, size, 64) * draws.one(0, 20) // 64 + 256
        light = np.where(self.shade, draws.one(120, 165), 256) * cloud >> 8
        gain = draws.one(225, 300) * draws.many(238, 274, 3, 1) >> 8
        image = ((np.take(self.inks.T, self.used, axis=1) + self.light) * light >> 8) * gain >> 8
        padded = np.pad(image.astype(np.int16).reshape(3, size, size), ((0, 0), (1, 1), (1, 1)), 'edge')
        tall = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]  # Binomial blur: a lens has no jagged edges.
        image = tall[..., :-2] + 2 * tall[..., 1:-1] + tall[..., 2:] >> 4
        image += (draws.grain(3, size, size) * draws.one(3, 8) >> 8) + draws.one(0, 22)
        return np.ascontiguousarray(image[::-1].clip(0, 255).transpose(1, 2, 0), np.uint8)


def draw_scene(seed: int, split: str, index: int, size: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Draws a scene, the same on every machine.

    Args:
        seed, index: 0 or more.
        split: ``'train'`` or ``'val'``, which share no scene.
        size: Side in pixels, 32 or more.

    Returns:
        The image (size, size, 3), BGR, and its label (size, size) with positions in ``CLASSES`` and 255; both uint8.
    """
    draws = StableDraws(seed, SPLITS.index(split), index)
    scene = _Scene(draws, size)
    number, road, water = scene.plan.number, scene.plan.road, scene.waters()
    kind = np.repeat(np.arange(6), THEMES[draws.one(0, 3)])[draws.many(0, 19, 256)][number]
    wild = _hills(draws, size, 26)
    rough = scene.broad // 6 + scene.relief // 9 + scene.fine // 8
    slabs = scene.clumps // 12 - 12 * ((scene.plan.across & 127 < 14) | (scene.plan.along & 127 < 14))
    dashes = 34 * ((scene.plan.lane < 9) & (scene.plan.across + scene.plan.along & 127 < 72))
    scene.patches(kind >= 0, BACKGROUND, GRASS, scene.fine // 12)
    scene.trees(scene.clumps > 72, BACKGROUND, 2)
    scene.parcels(kind == WORKS, BACKGROUND, ROADS, slabs)
    scene.fields((kind == CROP) & (np.minimum(scene.plan.across, scene.plan.along) > draws.one(0, 60)))
    scene.parcels((kind == BARE) | (wild < -88) & (kind > WORKS), BARREN, SOILS, rough)
    scene.trees(((kind == WOOD) & (wild > -50) | (wild > 62) & (kind > WORKS)) & ~road & ~water, FOREST, 3)
    scene.patches(road, ROAD, ROADS, scene.clumps // 14 + dashes * draws.one(0, 1))
    # Bridges, or roads that end at the shore.
    scene.patches(water & ~road if draws.one(0, 1) else water, WATER, WATERS, scene.fine // 40)
    scene.buildings((kind <= WORKS) & (scene.label == BACKGROUND) & ~water, 1 + (kind == WORKS))
    image, label = scene.photograph(), scene.label.reshape(size, size)
    if draws.one(0, 7) == 0:  # An unlabelled strip, as between two surveys.
        start = draws.one(0, size - 8)
        label[:, start : start + draws.one(3, 7)] = 255
    return image, label
