"""``python -m tests.faults``, also ``python tests/faults``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from faults.run import main

sys.exit(main())
