"""Pictures drawn beforehand, to be stepped through with slider, buttons or arrow keys."""

import anywidget
import traitlets

from .shared import source

__all__ = ["Stepper"]


class Stepper(anywidget.AnyWidget):
    """A sequence of frames with captions, alive in Jupyter and on the static page.

    Parameters
    ----------
    frames : list of str
        SVG elements of one size, such as :func:`dlbook.plot.svg` returns. Each brings its own text
        alternative.
    captions : list of str
        One plain sentence a frame: what has changed.
    label : str
        What the sequence shows, for listeners.
    interval : int
        Milliseconds a frame stays while playing; at least 100.

    Raises
    ------
    TypeError, ValueError
        If there is no frame, a frame is no SVG, or frames and captions differ in number.
    """

    _esm = source(__file__, ".js", "keys")
    _css = source(__file__, ".css")
    frames = traitlets.List(traitlets.Unicode()).tag(sync=True)
    captions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    interval = traitlets.Int(1200).tag(sync=True)
    index = traitlets.Int(0).tag(sync=True)

    def __init__(self, frames, captions, *, label, interval=1200):
        frames, captions = list(frames), list(captions)
        if not frames:
            raise ValueError("frames: expected at least one SVG, got none")
        for number, frame in enumerate(frames):
            if not isinstance(frame, str) or not frame.lstrip().startswith("<svg"):
                raise TypeError(f"frames[{number}]: expected a string '<svg …', got {frame!r:.40}")
        if len(captions) != len(frames):
            raise ValueError(f"captions: expected {len(frames)}, one a frame, got {len(captions)}")
        if not isinstance(label, str) or not label.strip():
            raise ValueError(f"label: expected a phrase that says what is shown, got {label!r}")
        if interval < 100:
            raise ValueError(f"interval: expected at least 100 milliseconds, got {interval}")
        super().__init__(frames=frames, captions=captions, label=label, interval=interval)
