"""The answer of `accelsim selftest`: which kernels this processor has, and whether each equals the interpreter."""

from dataclasses import asdict
from typing import Any

from rich.table import Table

from accelsim.console import terminal
from accelsim.engine.selftest import LAYERS, PRODUCTS, Check, cpu_name, selftest


def run_selftest(as_json: bool) -> tuple[list[dict[str, Any]], bool]:
    """The checks as plain data, and whether all of them passed; a table and progress unless they go out as JSON."""
    from rich.progress import track

    total = len(PRODUCTS) * 2
    checks = list(track(selftest(), "checking kernels", total, console=terminal(), transient=True, disable=as_json))
    if not as_json:
        _print(checks, cpu_name())
    return [asdict(check) for check in checks], all(check.different == 0 for check in checks)


def _print(checks: list[Check], cpu: str) -> None:
    kinds = list(dict.fromkeys(check.kernels for check in checks))
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("weights x inputs, register")
    for kind in kinds:
        table.add_column(kind, justify="right")
    for product in PRODUCTS:
        mine = {check.kernels: check for check in checks if check.product == product}
        table.add_row(product, *(_verdict(mine[kind]) for kind in kinds))
    console = terminal()
    console.print(table)
    compared = sum(check.compared for check in checks)
    console.print(f"{compared:,} accumulators and codes of {len(LAYERS)} kinds of layer compared on {cpu}")
    if "native" not in kinds:
        console.print("no native kernels: they need AVX-512 with VNNI; the portable ones run instead")


def _verdict(check: Check) -> str:
    if check.different:
        return f"[red]{check.different:,} of {check.compared:,} differ[/red]"
    return f"[green]equal[/green] {check.seconds:.2f} s"
