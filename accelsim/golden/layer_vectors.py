"""Everything that one multiplying layer of a run reads, holds and makes, as integers with their widths."""

from dataclasses import dataclass, replace

import numpy as np

from accelsim.engine.linear_kernel import (
    Array,
    Integers,
    LinearKernel,
    Overflows,
    affine_of,
    codes_of_sums,
    integers_of,
)
from accelsim.errors import AccelsimError
from accelsim.formats.binary import Binary
from accelsim.formats.codebook import Codebook
from accelsim.formats.lookup import GUARD_BITS, Lookup
from accelsim.formats.number_format import NumberFormat
from accelsim.formats.rescale import Landing, Rescale
from accelsim.formats.tanh_levels import TanhLevels
from accelsim.golden.geometry import by_output_channel, geometry_of, words_by_tap
from accelsim.golden.memory_file import Coding, Vector
from accelsim.ir.constants import Slopes
from accelsim.ir.graph import Node
from accelsim.ir.ops import Linear
from accelsim.ir.program import LinearLayer, Program

Facts = dict[str, int | str]
MULTIPLIER_BITS = 32
SHIFT_BITS = 8
KNOT_BITS = 32
GEMMLOWP_SHIFT = 31


@dataclass(frozen=True)
class LayerVectors:
    """One layer. facts: all that the checker needs besides arrays; arrays: by file name.

    packed: weights, a word a row, of parts of `facts["weight_bits"]` bits. formats: in their canonical spelling.
    overflowed: outputs whose accumulator left its range.
    """

    name: str
    facts: Facts
    arrays: dict[str, Vector]
    packed: Vector
    formats: dict[str, str]
    overflowed: int


def layer_vectors(program: Program, node: Node, reads: Array, makes: Array, kernel: LinearKernel) -> LayerVectors:
    """Of the codes `[N, ...]` that the layer read and made in a run; the kernel sums them once more.

    Raises:
        AccelsimError: the layer computes in floats.
    """
    op, layer = node.op, program.linear[node.name]
    assert isinstance(op, Linear)
    if layer.accumulator is None or layer.integers is None:
        raise AccelsimError(f"layer {node.name}: {layer.weights} computes in float32; vectors are of integers")
    source, out, seen = program.encodings[node.inputs[0]], program.encodings[node.name], Overflows()
    sums = kernel.sums(op, reads, source, layer, seen)
    held = layer.accumulator
    facts: Facts = {"name": node.name, **geometry_of(op, reads.shape, makes.shape).facts()}
    facts |= {
        "input_bits": source.format.bits,
        "input_coding": coding_of(source.format),
        "input_zero_point": affine_of(source)[1].zero_point,
        "accumulator_bits": held.bits,
        "accumulator_overflow": held.overflow,
        "tree": held.tree,
        "output_bits": out.format.bits,
        "output_coding": coding_of(out.format),
    }
    arrays = {
        "inputs": Vector(reads, source.format.bits, coding_of(source.format)),
        "bias": Vector(layer.integers.bias, held.bits),
        "accumulators": Vector(sums, held.bits),
        "outputs": Vector(makes, out.format.bits, coding_of(out.format)),
    }
    packed = _add_weights(op, layer, facts, arrays)
    _add_finish(program, node, sums, facts, arrays)
    formats = {"weights": str(layer.weights), "inputs": str(source.format), "outputs": str(out.format)}
    formats |= {"accumulator": str(held)}
    return LayerVectors(node.name, facts, arrays, packed, formats, seen.outputs)


def coding_of(format: NumberFormat) -> Coding:
    """How a code of the format becomes bits."""
    if isinstance(format, Binary):
        return "sign"
    return "unsigned" if isinstance(format, Codebook | TanhLevels) else "signed"


def _add_weights(op: Linear, layer: LinearLayer, facts: Facts, arrays: dict[str, Vector]) -> Vector:
    """Codes, and factors where they are others; returns the packed words."""
    integers = integers_of(layer)
    codes = Vector(integers.codes, layer.weights.bits, coding_of(layer.weights))
    arrays["weights"] = codes
    facts |= {"weight_bits": codes.bits, "weight_coding": codes.coding, "factor_bits": 0}
    if integers.multiplied is not None and not np.array_equal(integers.multiplied, integers.codes):
        most = max(int(integers.factors.max(initial=0)), -int(integers.factors.min(initial=0)) - 1)
        facts["factor_bits"] = most.bit_length() + 1
        ordered = by_output_channel(op, integers.factors)
        arrays["factors"] = Vector(ordered, most.bit_length() + 1)
    arrays["weights"] = replace(codes, values=by_output_channel(op, integers.codes))
    return replace(codes, values=words_by_tap(arrays["weights"].values))


def _add_finish(program: Program, node: Node, sums: Integers, facts: Facts, arrays: dict[str, Vector]) -> None:
    """From the accumulator to the stored code: factors, where they land, and the function behind that."""
    layer, constants, op = program.linear[node.name], program.constants[node.name], node.op
    assert isinstance(op, Linear)
    channels, where = layer_channels(facts), constants.finish.landing
    if isinstance(constants.core, Slopes):
        where = constants.core.landing
        facts["scale"] = "slopes"
        for side, factors in (("positive", constants.core.positive), ("negative", constants.core.negative)):
            _add_factors(f"{side}_", factors, channels, arrays)
    else:
        requantization = integers_of(layer).requantization
        assert requantization is not None
        facts["scale"] = "sign" if where.sign else requantization.mode
        if requantization.factor is not None:
            patterns = np.ascontiguousarray(requantization.factor).view(np.uint32)
            arrays["factor"] = Vector(np.broadcast_to(patterns, channels), MULTIPLIER_BITS, "unsigned")
        else:
            _add_factors("", Rescale(requantization.multiplier, requantization.shift), channels, arrays)
    _add_landing("result", where, facts)
    _add_activation(program, node, sums, facts, arrays)


def layer_channels(facts: Facts) -> int:
    """Output channels of a layer."""
    return int(facts["out_channels"])


def _add_factors(prefix: str, factors: Rescale, channels: int, arrays: dict[str, Vector]) -> None:
    multiplier, shift = (np.broadcast_to(part.reshape(-1), channels) for part in (factors.multiplier, factors.shift))
    arrays[f"{prefix}multiplier"] = Vector(multiplier, MULTIPLIER_BITS)
    arrays[f"{prefix}shift"] = Vector(shift, SHIFT_BITS)


def _add_landing(prefix: str, where: Landing, facts: Facts) -> None:
    facts |= {
        f"{prefix}_rounding": where.rounding,
        f"{prefix}_bits": where.bits,
        f"{prefix}_coding": "sign" if where.sign else "signed",
        f"{prefix}_overflow": where.overflow,
        f"{prefix}_zero_point": where.zero_point,
        f"{prefix}_low": where.low,
        f"{prefix}_high": where.high,
    }


def _add_activation(program: Program, node: Node, sums: Integers, facts: Facts, arrays: dict[str, Vector]) -> None:
    """A table behind the code that sums land on, and those codes; nothing where they are stored themselves."""
    table, before = program.constants[node.name].finish.activation, program.before.get(node.name)
    facts["activation"] = "none"
    if table is None:
        return
    assert isinstance(table, Lookup) and before is not None and isinstance(node.op, Linear)
    landed = codes_of_sums(node.op, sums, program.linear[node.name], before, relu=False)
    arrays["landed"] = Vector(landed, before.format.bits, coding_of(before.format))
    facts |= {
        "activation": "knots" if table.spacing else "table",
        "table_entries": len(table.entries),
        "table_origin": table.origin,
        "table_spacing": table.spacing,
        "table_guard_bits": GUARD_BITS,
    }
    arrays["table"] = replace(arrays["outputs"], values=table.entries)
    if table.spacing:
        arrays["table"] = Vector(table.entries, KNOT_BITS)
        _add_landing("output", table.landing, facts)
