"""The run: plan, workers, progress, stop signals, supervision."""
