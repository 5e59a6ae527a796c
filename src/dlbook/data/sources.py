"""The register of published files and the question whether they can be had."""

from dlbook.data.fetch import Source, obtainable

__all__ = ["SOURCES", "availability", "available", "files"]

_EWT = (
    "https://raw.githubusercontent.com/UniversalDependencies/UD_English-EWT/"
    "15d613d8447b3478787d4c278730a1e48a945efb/"
)
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_SHAKESPEARE = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/"
    "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/"
)


def _source(folder, address, name, size, sha256):
    return Source(path=f"{folder}/{name}", url=address + name, sha256=sha256, size=size)


# data set -> split -> its files
SOURCES = {
    "ewt": {
        "train": (
            _source(
                "ewt",
                _EWT,
                "en_ewt-ud-train.conllu",
                14_203_025,
                "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b",
            ),
        ),
        "dev": (
            _source(
                "ewt",
                _EWT,
                "en_ewt-ud-dev.conllu",
                1_805_545,
                "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6",
            ),
        ),
        "test": (
            _source(
                "ewt",
                _EWT,
                "en_ewt-ud-test.conllu",
                1_804_515,
                "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd",
            ),
        ),
    },
    "mnist": {
        "train": (
            _source(
                "mnist",
                _MNIST,
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            _source(
                "mnist",
                _MNIST,
                "train-labels-idx1-ubyte.gz",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
        ),
        "test": (
            _source(
                "mnist",
                _MNIST,
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            _source(
                "mnist",
                _MNIST,
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    },
    "shakespeare": {
        "all": (
            _source(
                "shakespeare",
                _SHAKESPEARE,
                "input.txt",
                1_115_394,
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            ),
        ),
    },
}


def files(name, split=None):
    """List the published files of a data set.

    Parameters
    ----------
    name : str
        "ewt", "mnist" or "shakespeare".
    split : str, optional
        One part of it, such as "train" or "test"; all parts if left out.

    Returns
    -------
    tuple of Source

    Raises
    ------
    ValueError
        If there is no such data set or split.
    """
    if name not in SOURCES:
        raise ValueError(f"name is {name!r}: expected one of {', '.join(map(repr, SOURCES))}")
    splits = SOURCES[name]
    if split is None:
        return tuple(source for sources in splits.values() for source in sources)
    if split not in splits:
        raise ValueError(f"split is {split!r}: {name} has {', '.join(map(repr, splits))}")
    return splits[split]


def available(name, split=None, fetch=True):
    """Say whether a data set can be used now.

    A file that is neither in ``DLBOOK_DATA`` nor in the cache is downloaded, unless `fetch` is
    false or ``DLBOOK_OFFLINE`` is set. A server that does not answer is asked once per process, so
    that working offline costs a few seconds at most; asking for the data themselves tries again.

    Parameters
    ----------
    name : str
        "ewt", "mnist" or "shakespeare".
    split : str, optional
        One part of it; all parts if left out. The 60,000-image part of MNIST is often missing
        where the 10,000-image part is at hand: ask for ``available("mnist", "test")``.
    fetch : bool, optional
        Whether to try the network.

    Returns
    -------
    bool
        Whether every file is at hand with the right checksum.

    Raises
    ------
    ValueError
        If there is no such data set or split, or ``DLBOOK_DATA`` names a folder that does not
        exist. A missing network, file or right to write is not an error here.
    """
    return all(obtainable(source, fetch) for source in files(name, split))


def availability(fetch=False):
    """Say for each part of each data set whether it is available.

    Parameters
    ----------
    fetch : bool, optional
        Whether to try the network.

    Returns
    -------
    dict of str to bool
        Keys such as "ewt/train".
    """
    return {
        f"{name}/{split}": available(name, split, fetch)
        for name, splits in SOURCES.items()
        for split in splits
    }
