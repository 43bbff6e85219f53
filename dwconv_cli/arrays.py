"""The type of an array whose shape and dtype are known only at run time."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
