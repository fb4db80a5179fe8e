"""Sanity checks before training, one file a probe; each works on copies."""

from __future__ import annotations

from babysit.preflight.api import check
from babysit.preflight.report import Check, CheckError, Report

__all__ = ["Check", "CheckError", "Report", "check"]
