"""Whatever is computed from parameters alone is computed while lowering: spectral and weight norms, scaled weights."""

from typing import Any

from accelsim.frontend.aten.sources import KEEPS_TENSOR
from accelsim.frontend.lowering import Call, Lowering, Tensor, run_call
from accelsim.frontend.memory import writes_in_place


def is_constant(at: Call, known: Any) -> bool:
    """Whether an operator's result is fixed once the tensors in `known` are."""
    drawn = "nondeterministic_seeded" in {tag.name for tag in getattr(at.target, "tags", ())}
    return callable(at.target) and not drawn and all(node in known for node in at.all_input_nodes)


def fold(lowering: Lowering, at: Call) -> bool:
    """Compute the result of `at` if it is constant; the module's own tensors are never changed."""
    if not is_constant(at, lowering.tensors):
        return False

    def tensor(node: Call) -> Any:
        known = lowering.tensors[node]
        return known.clone() if writes_in_place(at) and isinstance(known, Tensor) else known

    lowering.tensors[at] = run_call(at, tensor)
    for known in (lowering.learned, lowering.trained):
        if any(node in known for node in at.all_input_nodes):
            known.add(at)
    if at.target in KEEPS_TENSOR and at.args[0] in lowering.sources:
        lowering.sources[at] = lowering.sources[at.args[0]]  # type: ignore[index]
    return True
