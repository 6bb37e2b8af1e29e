"""The integers of every operator that is no view: factors, offsets, tables, from the scales of what it reads and makes.

A multiplying layer has its own (`IntegerWeights`); here are the slopes or the table behind it.
"""

from dataclasses import replace
from typing import get_args

import numpy as np

from accelsim.engine.linear_kernel import affine_of, channel_axis, integers_of
from accelsim.formats.lookup import Lookup
from accelsim.formats.rescale import landing
from accelsim.ir.constants import Constants, Finish, Slopes
from accelsim.ir.epilogue import Functions, functions_of, is_function
from accelsim.ir.graph import Node, Weights
from accelsim.ir.ops import Linear
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Program, arithmetic, keeps_codes
from accelsim.passes.op_constants import Site, core_of, slopes_of
from accelsim.passes.tabulate import Stored, clamped, tabulated


def quantize_ops(program: Program, weights: Weights) -> Program:
    """The program with constants for its operators; its multiplying layers hold their integers already."""
    made = {
        node.name: _constants(program, node, weights)
        for node in program.graph.nodes
        if not keeps_codes(node) and arithmetic(node) == "integer"
    }
    return replace(program, constants=made)


def _constants(program: Program, node: Node, weights: Weights) -> Constants:
    site, functions = _site(program, node, weights), functions_of(node)
    if isinstance(node.op, get_args(Linear)):
        return _of_layer(program, site, functions)
    if is_function(node) and functions.tabulated and not functions.affine:
        source = site.sources[0]
        return Constants(Finish(site.landing, tabulated(functions, source, source.format.bits, site.out)))
    return Constants(Finish(site.landing, _behind(site, functions)), core_of(node.op, site))


def _site(program: Program, node: Node, weights: Weights) -> Site:
    out, before = _stored(program, node.name), program.before.get(node.name)
    target = out if before is None else Stored(*affine_of(before))
    where = landing(target.format, target.scaling)
    roles = () if node.name in program.linear else parameter_shapes(node.op)
    return Site(
        node,
        tuple(_stored(program, name) for name in node.inputs),
        tuple(program.graph.shapes[name] for name in node.inputs),
        program.graph.shapes[node.name],
        target,
        out,
        {role: weights[node.parameter(role)].astype(np.float64) for role in roles},
        where if before is not None else clamped(where, functions_of(node).clamps, out),
    )


def _stored(program: Program, name: str) -> Stored:
    return Stored(*affine_of(program.encodings[name]))


def _of_layer(program: Program, site: Site, functions: Functions) -> Constants:
    if functions.tabulated or not functions.functions:
        return Constants(Finish(site.landing, _behind(site, functions)))
    op = site.node.op
    assert isinstance(op, Linear)
    unit = site.sources[0].step * integers_of(program.linear[site.node.name]).scaling.scale / site.out.step
    axis = channel_axis(op, np.empty((0, *site.shape))) - 1
    factors = unit.reshape([-1 if a == axis else 1 for a in range(len(site.shape))])
    return Constants(Finish(site.landing), slopes_of(functions, factors, site.landing))


def _behind(site: Site, functions: Functions) -> Lookup | Slopes | None:
    """What acts on a code that is not stored: a table, or two slopes."""
    if site.target is site.out:
        return None
    if functions.tabulated:
        return tabulated(functions, site.target, site.target.format.bits, site.out)
    where = clamped(landing(site.out.format, site.out.scaling), functions.clamps, site.out)
    return slopes_of(functions, np.asarray(site.target.step / site.out.step), where)
