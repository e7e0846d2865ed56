"""restyle for LlamaIndex. Its components are not written yet: see CHANGELOG.md."""

from __future__ import annotations

__all__: list[str] = []
