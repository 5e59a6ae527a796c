"""Train the models of the chapter on Transformers for longer than it does; keep their weights.

    .venv/bin/python tools/pretrain.py next-word
    .venv/bin/python tools/pretrain.py masked-word
    .venv/bin/python tools/pretrain.py masked-word --round 2
    .venv/bin/python tools/pretrain.py masked-word --round 3

in this order, since the encoder starts from the decoder, and each later round from the one
before. The definitions are the chapter's own cells; only the amount of training differs. The first
command takes some 8 minutes, each of the others some 30, on one core that does nothing else.
Progress is kept in ``_build/pretrain``: a run that was stopped goes on from its last epoch, with
the same result.
"""

import argparse
import ast
import os
import sys
from pathlib import Path

import jupytext
import numpy as np
import torch
from safetensors.torch import save_file

from dlbook import pretrained

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = ROOT / "book" / "sequences" / "transformer.md"
WEIGHTS = ROOT / "src" / "dlbook" / "pretrained"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
TABLES = {"names", "number", "(PAD, BEGIN, END, MASK)", "masking"}
PROGRESS = ROOT / "_build" / "pretrain"
EPOCHS = {"next-word": 12, "masked-word": 60}
SENTENCES, BATCHES = 50_000, 500  # in an epoch


def chapter():
    """The chapter's imports, functions, classes and tables; none of its computations."""
    space = {}
    for cell in jupytext.read(CHAPTER).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [
                node
                for node in tree.body
                if isinstance(node, DEFINITIONS)
                or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in TABLES)
            ]
            exec(compile(tree, str(CHAPTER), "exec"), space)
    return space


class FreshBatches:
    """New sentences in each epoch, in batches of like lengths and of about equally many words.

    With equally many *sentences* in each, the mean over a batch would count the words of long
    sentences for less, and these are the difficult ones.

    Parameters
    ----------
    code : dict
        The chapter's definitions.
    collate : callable
        Makes the tensors of a batch from a list of encoded sentences.
    generator : torch.Generator
        Where sentences and order come from.
    n_sentences, n_batches : int
        In an epoch. Sentences of more than 40 words are left out, as in the chapter, and so is
        the longest of the others, on which the last cut falls.
    """

    def __init__(self, code, collate, generator, n_sentences, n_batches):
        self.code, self.collate, self.generator = code, collate, generator
        self.n_sentences, self.n_batches = n_sentences, n_batches

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        seed = torch.randint(2**31, (), generator=self.generator).item()
        drawn = self.code["fragment"].sample(self.n_sentences, seed=seed)
        encoded = [self.code["encode"](s.words) for s in drawn if len(s.words) <= 40]
        encoded.sort(key=len)
        totals = np.cumsum([len(sequence) for sequence in encoded])
        cuts = np.searchsorted(totals, totals[-1] * np.arange(self.n_batches + 1) / self.n_batches)
        for k in torch.randperm(self.n_batches, generator=self.generator).tolist():
            yield self.collate(encoded[cuts[k] : cuts[k + 1]])


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=EPOCHS)
    parser.add_argument(
        "--round", type=int, default=1, help="after the first: start from the weights kept so far"
    )
    options = parser.parse_args(arguments)
    name, number = options.model, options.round
    if number < 1:
        parser.error(f"--round is {number}; rounds are counted from 1")
    code = chapter()
    code["runtime"].seed_everything(0)
    code["runtime"].set_threads(1)
    causal = name == "next-word"
    generator = torch.Generator().manual_seed((2 if causal else 3) + 10 * (number - 1))
    model = code["larger"](causal)
    if causal:
        collate, loss = code["padded"], code["next_word_loss"]
    else:
        code["masking"] = generator  # kept in the checkpoint: a run that goes on hides the same
        collate, loss = code["hide_some"], code["masked_word_loss"]
    if number > 1 or not causal:
        start = name if number > 1 else "next-word"
        model.load_state_dict(pretrained.weights(f"fragment-{start}"))
    batches = FreshBatches(code, collate, generator, SENTENCES, BATCHES)
    checkpoint = PROGRESS / f"{name}-{number}.safetensors"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    peak = 0.002 if number > 1 else 0.003
    history = code["train"](
        model, batches, loss, epochs=EPOCHS[name], peak=peak, checkpoint=checkpoint
    )
    print("loss by epoch:", *(f"{value:.3f}" for value in history.metrics["loss"]))
    halves = {k: v.detach().to("cpu", torch.float16) for k, v in model.state_dict().items()}
    path = WEIGHTS / f"fragment-{name}.safetensors"
    part = path.with_suffix(".part")
    save_file(halves, part)
    os.replace(part, path)
    checkpoint.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
