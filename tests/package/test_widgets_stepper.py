import pytest

from dlbook.widgets.stepper import Stepper

FRAMES = ["<svg><g/></svg>", "<svg/>"]


def test_it_carries_frames_and_captions():
    state = Stepper(FRAMES, ["first", "second"], label="two pictures", interval=500).get_state()
    assert state["frames"] == FRAMES
    assert state["captions"] == ["first", "second"]
    assert (state["label"], state["interval"], state["index"]) == ("two pictures", 500, 0)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([], []), {"label": "x"}, ValueError, "frames: expected at least one"),
        ((["<img>"], ["a"]), {"label": "x"}, TypeError, r"frames\[0\]: expected a string '<svg"),
        (([None], ["a"]), {"label": "x"}, TypeError, r"frames\[0\]"),
        ((FRAMES, ["a"]), {"label": "x"}, ValueError, "captions: expected 2, one a frame, got 1"),
        ((FRAMES, ["a", "b"]), {"label": " "}, ValueError, "label: expected a phrase"),
        ((FRAMES, ["a", "b"]), {"label": "x", "interval": 5}, ValueError, "interval: expected"),
    ],
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        Stepper(*arguments, **options)
