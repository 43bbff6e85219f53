"""Catalogue of filter designs: taps that are computed from a specification.

Every design is an initializer too, for a layer whose kernel size is known. A new one is a function that is entered by
the decorator of `catalogue`, in one of this folder's files.

    bands   firwin, and filters that pass or stop bands of frequencies     fits    means, fits, derivatives, delays of 0
    phase   Hilbert transform and delays by parts of a step
"""

from __future__ import annotations

from dwconv_cli.layer.catalogues.designs import bands, fits, phase  # noqa: F401 - they enter their functions
from dwconv_cli.layer.catalogues.designs.catalogue import DESIGNS
from dwconv_cli.layer.catalogues.designs.designing import Designed, designed

__all__ = ["DESIGNS", "Designed", "designed"]
