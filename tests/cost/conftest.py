"""Makes the tiny machine of the mapping tests importable under importmode=importlib."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "mapping"))
