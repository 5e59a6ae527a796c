import html
import json
import re

import numpy as np
import pytest

from dlbook.claims import Claim, claim


@pytest.fixture
def shown(monkeypatch):
    """What `claim` displays."""
    seen = []
    monkeypatch.setattr("IPython.display.display", seen.append)
    return seen


@pytest.mark.parametrize(
    ("holds", "verdict"),
    [
        (True, "holds"),
        (False, "does not hold"),
        (np.bool_(True), "holds"),
        (np.array(False), "does not hold"),
        ("partly", "partly holds"),
        (None, "could not run"),
    ],
)
def test_the_verdict_is_said_in_words_and_stored(shown, holds, verdict):
    claim("order-9-overfits", holds=holds, evidence='0.31 > 0.04 & "more"')
    (displayed,) = shown
    assert verdict in repr(displayed) and "0.31 > 0.04" in repr(displayed)
    markup = displayed._repr_html_()
    stored = json.loads(html.unescape(re.search(r'data-claim="([^"]*)"', markup)[1]))
    assert stored == {
        "id": "order-9-overfits",
        "verdict": verdict,
        "evidence": '0.31 > 0.04 & "more"',
    }
    assert f"<strong>{verdict}</strong>" in markup
    assert 'more"' not in markup  # quotes and angle brackets are escaped


@pytest.mark.parametrize("holds", [1, 0.0, "yes", "true", np.array([True, False]), [True]])
def test_a_verdict_that_is_no_verdict_is_refused(shown, holds):
    with pytest.raises(TypeError, match="holds: expected True, False"):
        claim("a-claim", holds=holds, evidence="seen")
    assert not shown


@pytest.mark.parametrize("name", ["", "Two Words", "trailing-", "under_score", 3, None])
def test_a_malformed_id_is_refused(shown, name):
    with pytest.raises(ValueError, match="id: expected words"):
        claim(name, holds=True, evidence="seen")
    assert not shown


@pytest.mark.parametrize("evidence", ["", "  ", None, 0.5])
def test_a_claim_without_evidence_is_refused(shown, evidence):
    with pytest.raises(TypeError, match="evidence: expected a sentence"):
        claim("a-claim", holds=None, evidence=evidence)
    assert not shown


def test_symbols_differ_so_that_colour_is_not_needed(shown):
    for holds in (True, False, "partly", None):
        claim("a-claim", holds=holds, evidence="seen")
    assert len({displayed.symbol for displayed in shown}) == 4
    assert all(isinstance(displayed, Claim) for displayed in shown)
