"""Claims of the lectures, checked in the open.

A chapter computes what a lecture states and hands the verdict to :func:`claim`. The build gathers
the verdicts of all chapters into the ledger of claims.
"""

import html
import json
import re
from dataclasses import dataclass

__all__ = ["Claim", "claim"]

VERDICTS = {
    True: ("✓", "holds"),
    False: ("✗", "does not hold"),
    "partly": ("◐", "partly holds"),
    None: ("–", "could not run"),
}


@dataclass(frozen=True)
class Claim:
    """A verdict as it is shown and stored in the cell's output.

    Attributes
    ----------
    id : str
        Its row in ``claims.toml``.
    verdict : str
        "holds", "does not hold", "partly holds" or "could not run".
    evidence : str
        What was seen, with figures; for a claim that could not run, why.
    symbol : str
        The verdict as one character.
    """

    id: str
    verdict: str
    evidence: str
    symbol: str

    def __repr__(self):
        return f"{self.symbol} claim {self.id} {self.verdict}: {self.evidence}"

    def _repr_html_(self):
        stored = {"id": self.id, "verdict": self.verdict, "evidence": self.evidence}
        data = html.escape(json.dumps(stored, ensure_ascii=False))
        return (
            f'<div class="dlbook-claim" data-claim="{data}">'
            f'<span aria-hidden="true">{self.symbol}</span> Claim <code>{self.id}</code> '
            f"<strong>{self.verdict}</strong>: {html.escape(self.evidence)}</div>"
        )


def claim(id, holds, evidence):
    """Show and store whether a claim of the lectures holds here.

    Parameters
    ----------
    id : str
        The claim's name in ``claims.toml``, such as ``"order-9-overfits"``.
    holds : bool, "partly" or None
        The verdict, computed; None if the claim could not be put to the test.
    evidence : str
        The figures that decided, such as ``"test MSE 0.31 against 0.04"``; with ``holds=None`` the
        reason why it could not run.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind.
    """
    from IPython.display import display

    if not isinstance(id, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id):
        raise ValueError(f"id: expected words of a-z and 0-9 joined by hyphens, got {id!r}")
    if type(holds).__module__ == "numpy" and getattr(holds, "ndim", None) == 0:
        holds = holds.item()
    if not (
        holds is None or isinstance(holds, bool) or (isinstance(holds, str) and holds == "partly")
    ):
        raise TypeError(f'holds: expected True, False, "partly" or None, got {holds!r}')
    if not isinstance(evidence, str) or not evidence.strip():
        raise TypeError(f"evidence: expected a sentence with the figures seen, got {evidence!r}")
    symbol, verdict = VERDICTS[holds]
    display(Claim(id, verdict, evidence.strip(), symbol))
