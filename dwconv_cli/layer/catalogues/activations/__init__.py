"""Catalogue of activations: Keras's functions, in place on an array whose last axis is channels.

A new one is a function with the decorator of `catalogue`, in `piecewise`, `smooth` or `whole_axis`.
"""

from __future__ import annotations

from dwconv_cli.layer.catalogues.activations import piecewise, smooth  # noqa: F401 - they enter their functions
from dwconv_cli.layer.catalogues.activations.catalogue import ACTIVATIONS
from dwconv_cli.layer.catalogues.activations.whole_axis import NEEDS_WHOLE_AXIS, output_channels

__all__ = ["ACTIVATIONS", "NEEDS_WHOLE_AXIS", "output_channels"]
