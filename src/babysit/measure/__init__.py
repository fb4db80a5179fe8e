"""Tensors to statistics, statistics to records."""
