"""Tables of measurements."""

from typing import NamedTuple

import numpy as np

__all__ = ["Table", "diabetes"]


class Table(NamedTuple):
    """Features of a sample of cases and the quantity to predict from them.

    Attributes
    ----------
    features : ndarray of float64, shape (n_cases, n_features)
    target : ndarray of float64, shape (n_cases,)
    names : tuple of str
        Name of each feature.
    units : tuple of str
        Unit of each feature, as given in `features`; "1" for a pure number.
    """

    features: np.ndarray
    target: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]


# The paper's ten baseline variables. It states no units but years: the others are those of
# American laboratories, which the ranges of the values fit.
_NAMES_AND_UNITS = (
    ("age", "years"),
    ("sex", "coded 1, 2"),
    ("body mass index", "kg/m²"),
    ("blood pressure", "mmHg"),
    ("total cholesterol", "mg/dl"),
    ("LDL", "mg/dl"),
    ("HDL", "mg/dl"),
    ("cholesterol ratio", "1"),
    ("log triglycerides", "log mg/dl"),
    ("blood sugar", "mg/dl"),
)


def diabetes(scaled=False):
    """Ten measurements of 442 diabetes patients and their disease's progression a year later.

    Embedded in scikit-learn; from Efron et al. [1]_.

    Parameters
    ----------
    scaled : bool, optional
        False (default): features in their units. True: each feature shifted and scaled to mean 0
        and standard deviation 1 (divisor n), unit "1".

    Returns
    -------
    Table
        442 cases, 10 features. The target is a score between 25 and 346, never scaled.

    References
    ----------
    .. [1] B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, "Least angle regression", Annals of
       Statistics 32 (2004), 407–499.
    """
    if not isinstance(scaled, bool):
        raise TypeError(f"scaled is {scaled!r}: expected True or False")
    from sklearn.datasets import load_diabetes

    features, target = load_diabetes(return_X_y=True, scaled=False)
    names, units = zip(*_NAMES_AND_UNITS, strict=True)
    if scaled:
        features = (features - features.mean(axis=0)) / features.std(axis=0)
        units = ("1",) * len(names)
    return Table(features, target, names, units)
