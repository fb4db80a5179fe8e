"""Sanity checks before training, one file a probe; each works on copies."""
