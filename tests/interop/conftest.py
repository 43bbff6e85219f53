"""What has to be said before Keras is imported."""

from __future__ import annotations

import os

# Without it float64 is float32 on this backend.
os.environ.setdefault("JAX_ENABLE_X64", "1")
