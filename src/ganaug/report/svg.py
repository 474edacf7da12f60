# SPDX-License-Identifier: Apache-2.0
"""Inline SVG that takes colours and fonts from the page, so that plots follow light and dark.

matplotlib draws with stand-in colours which are then replaced by CSS variables. Text stays text. Panels are narrow
(`WIDTH` units) and the page sets them side by side where there is room, so they can be read on a phone.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.figure import Figure

WIDTH = 380  # SVG units
SERIES = 8  # colours of lines before they repeat

COLOURS = {
    "ink": "#010101",
    "muted": "#020202",
    "rule": "#030303",
    "band": "#040404",
    "helps": "#050505",
    "harms": "#060606",
    "same": "#070707",
    "unsure": "#080808",
} | {f"series-{i}": f"#0a0a{i:02x}" for i in range(SERIES)}
STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a class or arm may be called `$x$`
    "font.size": 11,
    "font.family": ["sans-serif"],
    "axes.edgecolor": COLOURS["rule"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": COLOURS["rule"],
    "ytick.color": COLOURS["rule"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "text.color": COLOURS["ink"],
    "grid.color": COLOURS["rule"],
    "grid.linewidth": 0.6,
    "lines.solid_capstyle": "round",
}


def panel(name: str, label: str, height: float, draw: Callable[[Figure], None]) -> Markup:
    """Draws one panel of `WIDTH` x `height` units; `name` keeps ids apart, `label` is read aloud."""
    out = io.StringIO()
    with rc_context({**STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")  # the reader's browser has its own fonts
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        draw(figure)
        figure.savefig(
            out, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    return Markup(_adapt(out.getvalue(), label, height))


def _adapt(drawn: str, label: str, height: float) -> str:
    body = drawn[drawn.index("<svg") : drawn.rindex("</svg>")]
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # it would style the whole page
    body = re.sub(r"(?<=px; )font-family: [^;]*; ", "", body)
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # the same ids would occur in every panel
    for name, stand_in in COLOURS.items():
        body = body.replace(f": {stand_in}", f": var(--{name})")
    head = f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(label)}">'
    return head + body.strip() + "</svg>"
