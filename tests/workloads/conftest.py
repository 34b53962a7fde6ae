"""Properties are checked without a deadline: on a machine that is shared, time says nothing about them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
