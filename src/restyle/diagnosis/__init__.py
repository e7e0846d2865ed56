"""``restyle doctor``: does the server that a style card names render what the model was trained on?"""

from __future__ import annotations

from restyle.diagnosis.check import Check, Status
from restyle.diagnosis.diagnose import diagnose

__all__ = ["Check", "Status", "diagnose"]
