"""What all figures share."""

import numpy as np

from mmer.figures import style


def measure_luminance(colour):
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def test_segment_text_stands_out_from_its_tile():
    for fill in style.colour_values(np.linspace(-1, 1, 41), 1.0):
        one, other = sorted([measure_luminance(fill), measure_luminance(style.text_colour(fill))])
        assert (other + 0.05) / (one + 0.05) >= 4.5, fill


def test_labels_are_printed_not_rendered():
    assert style.escape_label("<b>he</b> & \n") == "&lt;b&gt;he&lt;/b&gt; &amp;  "
