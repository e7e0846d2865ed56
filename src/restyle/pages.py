"""Pages that stand alone: one file that loads nothing, runs nothing and prints well, in light and in dark."""

from __future__ import annotations

from string import Template

__all__ = ["page_template"]

_STYLES = """\
:root { color-scheme: light dark; --line: #8886 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem }
table { border-collapse: collapse } th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top }
tr { border-bottom: 1px solid var(--line) } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
figure { margin: 1rem 0 } svg { width: 100%; max-width: 44rem; height: auto }
.text { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 }
@media print { body { max-width: none; font-size: 11px } section, .pair { break-inside: avoid } }
"""


def page_template(title: str, body: str, styles: str = "") -> Template:
    """The template of a page; what is put into it must be escaped.

    Args:
        title: Its title and heading, with ``$parameters``.
        body: What stands below the heading, with ``$parameters``.
        styles: Rules of its own.
    """
    return Template(
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{_STYLES}{styles}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
    )
