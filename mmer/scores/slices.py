"""Metadata of a data set -> columns by whose values an experiment is scored as well."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmer.datasets.dataset import Dataset

MOST_VALUES = 6  # a column with more different ones is no slice


def list_metadata(dataset: Dataset) -> dict[str, dict[str, str]]:
    """Columns to score slices by: column -> utterance -> value. Those with a few different values, and ratings in three parts."""
    columns = sorted({column for u in dataset.utterances for column in u.extra} - {"gender"})
    found = {column: {u.name or u.path.name: u.extra.get(column, "") for u in dataset.utterances} for column in columns}
    cut = {column: values if len(set(values.values())) <= MOST_VALUES else cut_ratings(values) for column, values in found.items()}
    return {column: values for column, values in cut.items() if 2 <= len(set(values.values())) <= MOST_VALUES}


def cut_ratings(values: Mapping[str, str]) -> dict[str, str]:
    """Numbers, such as valence, as low, middle and high thirds of the utterances; {} when there is no number or anything else."""
    try:
        numbers = {name: float(value) for name, value in values.items() if value}
    except ValueError:
        return {}
    if len(set(numbers.values())) <= MOST_VALUES:
        return {}
    low, high = np.quantile(list(numbers.values()), [1 / 3, 2 / 3])
    names = {0: f"1 low, up to {low:g}", 1: "2 middle", 2: f"3 high, above {high:g}"}
    return {name: names[int(number > low) + int(number > high)] for name, number in numbers.items()}
