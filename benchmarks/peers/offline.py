"""An environment in which the peers keep to this machine: no telemetry, no downloads, fresh caches."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["keep_offline"]

_NOWHERE = "http://127.0.0.1:9"  # a proxy that is not there: what is not meant for this machine fails at once


def keep_offline(caches: Path) -> None:
    """Set what curator and Data Designer read when they are imported."""
    os.environ |= {
        "ALL_PROXY": _NOWHERE,
        "HTTP_PROXY": _NOWHERE,
        "HTTPS_PROXY": _NOWHERE,
        "NO_PROXY": "127.0.0.1",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(caches),
        "TELEMETRY_ENABLED": "false",  # curator's
        "NEMO_TELEMETRY_ENABLED": "false",  # Data Designer's
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "CURATOR_CACHE_DIR": str(caches),
        "CURATOR_DISABLE_RICH_DISPLAY": "1",
        "DATA_DESIGNER_HOME": str(caches),
    }
