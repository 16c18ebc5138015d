"""Both sides of a comparison must come from the same models."""

from __future__ import annotations

from mmer.errors import HeadError
from mmer.pipeline import Analyzer
from mmer.results import Analysis


def check_analysis(analyzer: Analyzer, analysis: Analysis) -> None:
    """Both sides of a comparison must come from the same models. Raises HeadError with what differs."""
    encoders = {"speech": analyzer.speech.identity, "text": analyzer.text.identity}
    if analysis.preset != analyzer.preset or dict(analysis.encoders) != encoders:
        raise HeadError(
            f"This analysis was made with the encoders {', '.join(analysis.encoders.values())} (preset {analysis.preset}), not with those "
            f"that are loaded (preset {analyzer.preset}); analyse the clip again."
        )
    for prediction in analysis.predictions.values():
        info = analyzer.heads.get(prediction.head)
        if info is None or info.sha256 != prediction.head_sha256:
            raise HeadError(
                f"The {prediction.role} prediction was made by a head {prediction.head!r} that is not loaded; analyse the clip again."
            )
