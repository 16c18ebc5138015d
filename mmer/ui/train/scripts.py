"""What the browser does by itself in the Train tab; the functions are in train.js and page.js."""

from __future__ import annotations

REVEAL = "() => window.mmerTrain.reveal('#{}')"  # on a narrow page it lies below
DOWNLOAD = "() => window.mmer.download('run-download')"
PRESS = "window.mmerTrain.attachList(element, watch, trigger);"  # on an experiment of the list
