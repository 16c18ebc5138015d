"""What all figures share."""

import re
from importlib.resources import files

import numpy as np
import pytest

from mmer.figures import style

HUE_ROTATED = np.array([[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]])  # CSS's hue-rotate(180deg)
GROUND = {"light": "#fbfbf9", "dark": "#101418"}


def read_invert():
    """The part of the page's filter for figures in the dark."""
    css = files("mmer.ui").joinpath("train/train.css").read_text("utf-8")
    return float(re.search(r"\.js-plotly-plot \{[^}]*filter: invert\((.+?)\) hue-rotate\(180deg\)", css)[1])


def show(channels, scheme):
    """0 to 1: what the page makes of a figure's colour."""
    invert = read_invert()
    return channels if scheme == "light" else np.clip(HUE_ROTATED @ (channels * (1 - 2 * invert) + invert), 0, 1)


def measure_contrast(one, other):
    linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in (one, other)]
    low, high = sorted(float(channels @ [0.2126, 0.7152, 0.0722]) for channels in linear)
    return (high + 0.05) / (low + 0.05)


def read(colour):
    return np.array(style.read_channels(colour)) / 255


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("scale", [style.SEQUENTIAL, style.DIVERGING], ids=["sequential", "diverging"])
def test_text_stands_out_from_its_tile(scale, scheme):
    stops, colours = [s for s, _ in scale], np.array([read(c) for _, c in scale])
    for position in np.linspace(0, 1, 41):
        tile = np.array([np.interp(position, stops, colours[:, c]) for c in range(3)])
        assert measure_contrast(show(tile, scheme), show(read(style.DARK_TEXT), scheme)) >= 4.5, position


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_stand_out_from_the_page(scheme):
    for colour, least in ((style.FOR, 4.5), (style.AGAINST, 4.5), (style.INK, 4.2), (style.TOTAL, 3)):
        assert measure_contrast(show(read(colour), scheme), read(GROUND[scheme])) >= least, colour


def test_labels_are_printed_not_rendered():
    assert style.escape_label("<b>he</b> & \n") == "&lt;b&gt;he&lt;/b&gt; &amp;  "
