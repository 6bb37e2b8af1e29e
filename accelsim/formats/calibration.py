"""How the range of a tensor is chosen from the values it takes on sample inputs."""

import re
from dataclasses import dataclass
from typing import Literal

from accelsim.errors import AccelsimError, did_you_mean

Method = Literal["minmax", "percentile", "mse"]
METHODS = ("minmax", "percentile:P", "mse")


@dataclass(frozen=True)
class Calibration:
    """minmax: the whole range. percentile: so that `percentile` % of the values lie inside. mse: least squared error.

    `mse` also chooses the scales of weights; under the other methods those hold every weight.
    """

    method: Method = "minmax"
    percentile: float = 100.0

    def __str__(self) -> str:
        return f"percentile:{self.percentile:g}" if self.method == "percentile" else self.method


MINMAX = Calibration()


def parse_calibration(text: str) -> Calibration:
    """`minmax`, `percentile:P` with 50 < P <= 100, or `mse`.

    Raises:
        AccelsimError: not one of these.
    """
    if text == "minmax":
        return MINMAX
    if text == "mse":
        return Calibration("mse")
    match = re.fullmatch(r"percentile:([0-9]+(?:\.[0-9]+)?)", text)
    if match is None:
        near = did_you_mean(text.partition(":")[0], ["minmax", "percentile", "mse"])
        raise AccelsimError(
            f"precision: calibration={text}: expected one of {', '.join(METHODS)} (percentile:99.9, for instance){near}"
        )
    percentile = float(match[1])
    if not 50 < percentile <= 100 or float(f"{percentile:g}") != percentile:
        raise AccelsimError(
            f"precision: calibration={text}: expected a percentage above 50 and up to 100, of 6 digits at most"
        )
    return Calibration("percentile", percentile)
