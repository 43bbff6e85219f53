"""What has to be said before Keras is imported, and which of its warnings are known."""

from __future__ import annotations

import os
import warnings

import pytest

# Without it float64 is float32 on this backend.
os.environ.setdefault("JAX_ENABLE_X64", "1")


@pytest.fixture(autouse=True)
def known_warnings() -> None:
    """Warnings of Keras and its backends that say nothing of this package."""
    # Keras's variables lack the copy keyword that NumPy 2 asks of __array__; so do tensors of torch.
    warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
    warnings.filterwarnings("ignore", "You are using a softmax over axis", UserWarning)
