"""accelsim: what a generator looks like, and what it costs, on the hardware that it will run on.

    report = accelsim.simulate("dcgan32", on="zcu104", precision="int8")
    report.totals["energy_j"], report.quality["psnr_db"], report.images

Names are imported when first used, so that `import accelsim` costs nothing.
"""

from importlib import import_module
from typing import Any

__all__ = ["AccelsimError", "Graph", "Report", "estimate", "load_results", "lower", "simulate", "sweep"]

_HOMES = {
    "AccelsimError": "accelsim.errors",
    "Graph": "accelsim.ir.graph",
    "Report": "accelsim.report",
    "estimate": "accelsim.flow",
    "load_results": "accelsim.study.execute",
    "lower": "accelsim.flow",
    "simulate": "accelsim.simulation",
    "sweep": "accelsim.study.execute",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'accelsim' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
