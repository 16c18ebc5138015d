"""The paper's experiments: settings, data, promotion of runs to heads."""
