"""Helper package of *From Counting to Attention*: data, plots, claims, checks and widgets."""

__version__ = "0.1.0"
