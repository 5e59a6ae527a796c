"""Widgets that live on the static page as well as in Jupyter, one module each."""
