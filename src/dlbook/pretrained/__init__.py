"""Weights of models that take longer to train than a chapter may run.

The chapter builds the model and shows the cells that train it; ``tools/pretrain.py`` runs the same
cells on more sentences and writes the safetensors files that are kept here: numbers and no code.
"""

from importlib.resources import as_file, files

__all__ = ["available", "weights"]


def available():
    """Names of the models whose weights are kept.

    Returns
    -------
    tuple of str
        In alphabetical order.
    """
    return tuple(sorted(f.name.removesuffix(_SUFFIX) for f in _folder() if _SUFFIX in f.name))


def weights(name):
    """Weights of a model, ready for ``load_state_dict``.

    Parameters
    ----------
    name : str
        "fragment-next-word" or "fragment-masked-word": the larger decoder and encoder of the
        chapter on Transformers.

    Returns
    -------
    dict of str to torch.Tensor
        In 32-bit floats on the CPU; they are stored in 16 bits.

    Raises
    ------
    ValueError
        If there are no weights of that name.
    """
    from safetensors.torch import load_file

    if name not in available():
        raise ValueError(f"name is {name!r}: expected one of {', '.join(available())}")
    with as_file(files(__name__) / f"{name}{_SUFFIX}") as path:
        return {key: tensor.float() for key, tensor in load_file(path).items()}


_SUFFIX = ".safetensors"


def _folder():
    return files(__name__).iterdir()
