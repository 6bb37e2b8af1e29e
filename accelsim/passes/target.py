"""Write into the program what the machine does to values.

An FPGA array adds in wide DSP registers that wrap, so its layers keep the accumulator of their formats. Crossbars
convert the sums of their columns, see docs/crossbar.md.
"""

from accelsim.errors import DoesNotFit
from accelsim.hardware.architecture import Machine
from accelsim.ir.program import Program

DSP_ACCUMULATOR_BITS = 48
"""Width of the adder of a DSP48 slice (UG579)."""


def target(program: Program, machine: Machine) -> Program:
    """The program as this machine computes it.

    Raises:
        DoesNotFit: an accumulator wider than the machine's adders.
    """
    for name, layer in program.linear.items():
        if layer.accumulator is not None and layer.accumulator.bits > DSP_ACCUMULATOR_BITS:
            raise DoesNotFit(f"layer {name}: {layer.accumulator} is wider than the {DSP_ACCUMULATOR_BITS}-bit adders")
    if machine.kind == "reram":
        from accelsim.passes.in_crossbars import in_crossbars

        return in_crossbars(program, machine)
    return program
