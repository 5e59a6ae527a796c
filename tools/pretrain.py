"""Train the models of a chapter for longer than the chapter does, and keep their weights.

    .venv/bin/python tools/pretrain.py next-word
    .venv/bin/python tools/pretrain.py masked-word
    .venv/bin/python tools/pretrain.py masked-word --go-on --sentences 400000 --epochs 7 --seed 7

The definitions are the chapter's own cells on Transformers; only the number of sentences differs.
Progress is kept in ``_build/pretrain``: a run that was stopped goes on from its last epoch.
"""

import argparse
import ast
import sys
from pathlib import Path

import jupytext
import torch
from safetensors.torch import save_file

from dlbook import pretrained

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = ROOT / "book" / "sequences" / "transformer.md"
WEIGHTS = ROOT / "src" / "dlbook" / "pretrained"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
TABLES = {"names", "number", "(PAD, BEGIN, END, MASK)", "masking"}


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


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=["next-word", "masked-word"])
    parser.add_argument("--go-on", action="store_true", help="start from the weights kept so far")
    parser.add_argument("--sentences", type=int, default=250_000)
    parser.add_argument("--seed", type=int, default=0, help="of the sentences and their order")
    parser.add_argument("--epochs", type=int, default=None, help="3, or 12 for masked words")
    parser.add_argument("--peak", type=float, default=0.004, help="largest learning rate")
    options = parser.parse_args(arguments)
    code = chapter()
    code["runtime"].seed_everything(options.seed)
    drawn = code["fragment"].sample(options.sentences, seed=options.seed)
    encoded = [code["encode"](s.words) for s in drawn if len(s.words) <= 40]
    causal = options.model == "next-word"
    model = code["Transformer"](len(code["names"]), causal=causal)
    if options.go_on or not causal:  # as in the chapter, the encoder starts from the decoder
        start = options.model if options.go_on else "next-word"
        model.load_state_dict(pretrained.weights(f"fragment-{start}"))
    if causal:
        batches, loss = code["batches_of"](encoded, seed=options.seed), code["next_word_loss"]
    else:
        batches, loss = code["cloze_batches"](encoded, seed=options.seed), code["masked_word_loss"]
    checkpoint = ROOT / "_build" / "pretrain" / f"{options.model}-{options.seed}.safetensors"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    epochs = options.epochs or (3 if causal else 12)
    history = code["train"](
        model, batches, loss, epochs=epochs, peak=options.peak, checkpoint=checkpoint
    )
    print("loss by epoch:", *(f"{value:.3f}" for value in history.metrics["loss"]))
    halves = {k: v.detach().to("cpu", torch.float16) for k, v in model.state_dict().items()}
    save_file(halves, WEIGHTS / f"fragment-{options.model}.safetensors")


if __name__ == "__main__":
    main(sys.argv[1:])
