"""Ours against what was published, one row a quantity."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from accelsim.errors import AccelsimError, LocatedErrors, did_you_mean
from accelsim.validation.figures import Figures, figures
from accelsim.validation.targets_file import QuantitySpec, Targets, TargetSpec
from accelsim.yaml_file import Loc, Mistake


@dataclass(frozen=True)
class Row:
    """One quantity. error: (ours - published) / published. allowed: the most that |error| may be.

    ours, error and within are None where the target is not modelled; `reason` then says why.
    """

    id: str
    quantity: str
    ours: float | None
    published: float
    error: float | None
    allowed: float
    within: bool | None
    gated: bool
    source: str
    fitted_on: str
    reason: str | None = None

    @property
    def misses(self) -> bool:
        """Whether it is one that must be within its allowance and is not."""
        return self.gated and self.within is False


Progress = Callable[[str, int, int], None]


def _silent(stage: str, done: int, total: int) -> None:
    pass


def compare(targets: Targets, only: Sequence[str] = (), progress: Progress = _silent) -> tuple[Row, ...]:
    """Rows of all targets, or of those with the ids `only`, in the order of the file.

    progress: called with (stage, done, total) as targets are done.

    Raises:
        LocatedErrors: a figure that is read but does not exist, or a recipe that fails.
        AccelsimError: no target of such an id.
    """
    known = list(dict.fromkeys(target.id for target in targets.targets))
    for name in only:
        if name not in known:
            near = did_you_mean(name, known)
            raise AccelsimError(f"no target {name!r}{near}", f"in {targets.document.origin}: {', '.join(known)}")
    wanted = [target for target in targets.targets if not only or target.id in only]
    rows: list[Row] = []
    for done, target in enumerate(wanted, 1):
        rows += _rows(targets, target)
        progress("targets", done, len(wanted))
    return tuple(rows)


def _rows(targets: Targets, target: TargetSpec) -> Iterator[Row]:
    place = targets.place(target)
    made: Figures = {}
    if target.recipe is not None:
        try:
            made = figures(target.recipe, targets.folder)
        except LocatedErrors:
            raise
        except AccelsimError as error:
            raise targets.document.errors([Mistake((*place, "id"), f"{target.id}: {error.args[0]}")]) from None
    for index, quantity in enumerate(target.quantities):
        mistakes: list[Mistake] = []
        ours = _ours(quantity, made, (*place, "quantities", index), mistakes)
        if mistakes:
            raise targets.document.errors(mistakes)
        yield _row(target, quantity, ours)


def _ours(quantity: QuantitySpec, made: Figures, place: Loc, mistakes: list[Mistake]) -> float | None:
    if quantity.read is None:
        return None
    ours = _sum(quantity.read, made, (*place, "read"), mistakes)
    if quantity.over is not None:
        divisor = _sum(quantity.over, made, (*place, "over"), mistakes)
        if not divisor and not mistakes:
            mistakes.append(Mistake((*place, "over"), "is 0: nothing can be divided by it"))
        ours = ours / divisor if divisor else ours
    return ours if quantity.decimals is None else round(ours, quantity.decimals)


def _sum(paths: Mapping[str, float], made: Figures, place: Loc, mistakes: list[Mistake]) -> float:
    """The figures of all paths times their factors; `*` in a path stands for any text. Whole sums stay exact."""
    total: float = 0
    for path, factor in paths.items():
        found = [made[path]] if path in made else [value for name, value in made.items() if fnmatchcase(name, path)]
        if not found:
            near = did_you_mean(path, made) or f"; there are {len(made)}, such as {', '.join(list(made)[:4])}"
            mistakes.append(Mistake(place, f"no figure {path!r}{near}"))
        total += sum(found) * (int(factor) if factor.is_integer() else factor)
    return total


def _row(target: TargetSpec, quantity: QuantitySpec, ours: float | None) -> Row:
    allowed = quantity.allowed_percent / 100
    error = None if ours is None else (ours - quantity.published) / quantity.published
    return Row(
        id=target.id,
        quantity=quantity.name,
        ours=ours,
        published=quantity.published,
        error=error,
        allowed=allowed,
        within=None if error is None else abs(error) <= allowed + ROUNDING,
        gated=target.gated,
        source=target.source,
        fitted_on=target.fitted_on,
        reason=target.not_modelled,
    )


ROUNDING = 1e-12
"""Of the arithmetic here: 0.02 / 1 must not exceed an allowance of 2 %."""
