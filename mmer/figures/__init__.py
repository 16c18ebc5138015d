"""Analysis -> plotly Figure: pure functions, same input, same figure."""

from plotly.graph_objects import Figure

from .attention import draw_coattention
from .layers import draw_layer_weights
from .probabilities import draw_probabilities
from .sums import draw_sum
from .timeline import draw_timeline

__all__ = ["Figure", "draw_coattention", "draw_layer_weights", "draw_probabilities", "draw_sum", "draw_timeline"]
