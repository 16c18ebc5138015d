"""Numbers of training runs -> plotly figures: pure functions, same input, same figure. What explains one clip is drawn by mmer.views."""

from plotly.graph_objects import Figure

__all__ = ["Figure"]
