"""Source of a widget: its own module and style sheet, after what it shares with other widgets."""

import re
from pathlib import Path


def source(file, suffix, *parts):
    """Text of the module or style sheet of a widget, which may import nothing.

    Parameters
    ----------
    file : str
        The widget's Python file; its own source lies beside it.
    suffix : {".js", ".css"}
    parts : str
        Which parts to put in front, besides that of all widgets: "axes" for ``shared_axes.js``.

    Returns
    -------
    str
        ``shared``, the parts and the widget's own source, one after the other, without the lines
        of scripts that are comments: every page would carry them. In a module all share one scope,
        so that a name which is given twice is an error there.
    """
    own = Path(file).with_suffix(suffix)
    names = ["shared", *(f"shared_{part}" for part in parts), own.stem]
    text = "\n".join(own.with_name(name + suffix).read_text("utf-8") for name in names)
    return re.sub(r"^ *//.*\n", "", text, flags=re.MULTILINE)
