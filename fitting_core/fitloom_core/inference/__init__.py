"""Fits and hypothesis tests, for one model and for a batch."""
