"""What a run says: totals, quality, layers, and how it came about; as data, JSON, CSV and pictures."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError
from accelsim.quality.picture import save_comparison

SCHEMA = "accelsim/report/1"
Figures = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """One run. `totals` are exact for one cold batch; `quality` is empty for an estimate.

    images, float_images: uint8 `[N, H, W, C]`, None where the output is not images. inputs, outputs: the arrays that
    went in and came out, `[N, ...]` by name.
    """

    provenance: Figures
    totals: Figures
    per_image: Figures
    per_image_steady: Figures
    energy_by_component_j: Mapping[str, float]
    offchip_bytes_by_operand: Mapping[str, int]
    resources: Figures | None
    memory_plan: Figures | None
    quality: Figures
    layer_rows: tuple[Figures, ...]
    assumptions: tuple[str, ...]
    images: NDArray[np.uint8] | None = field(default=None, repr=False)
    float_images: NDArray[np.uint8] | None = field(default=None, repr=False)
    inputs: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)
    outputs: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    @property
    def layers(self) -> Any:
        """The layer table as a pandas DataFrame, one row per step, nested keys joined by dots."""
        import pandas

        return pandas.DataFrame([flat(row) for row in self.layer_rows])

    def document(self) -> Figures:
        """The content of report.json."""
        return {
            "schema": SCHEMA,
            "provenance": self.provenance,
            "totals": self.totals,
            "per_image": self.per_image,
            "per_image_steady": self.per_image_steady,
            "energy_by_component_j": dict(self.energy_by_component_j),
            "offchip_bytes_by_operand": dict(self.offchip_bytes_by_operand),
            "resources": self.resources,
            "memory_plan": self.memory_plan,
            "quality": self.quality,
            "layers": list(self.layer_rows),
            "assumptions": list(self.assumptions),
        }

    def json(self) -> str:
        """The text of report.json."""
        return json.dumps(self.document(), indent=1) + "\n"

    def save(self, folder: Path | str) -> tuple[Path, ...]:
        """Write report.json, report.csv and, where there are any, images.png and the arrays; returns the files written.

        Raises:
            AccelsimError: the folder cannot be written.
        """
        place = Path(folder)
        try:
            place.mkdir(parents=True, exist_ok=True)
            written = [place / "report.json", place / "report.csv"]
            written[0].write_text(self.json())
            _write_csv(written[1], [flat(row) for row in self.layer_rows])
            if self.images is not None and self.float_images is not None and len(self.images):
                written.append(place / "images.png")
                save_comparison(self.float_images, self.images, written[-1])
            if self.outputs:
                written.append(place / "arrays.safetensors")
                _save_arrays({"input": self.inputs, "output": self.outputs}, written[-1])
        except OSError as error:
            raise AccelsimError(f"{place}: cannot be written: {error.strerror}") from None
        return tuple(written)


def flat(row: Figures, prefix: str = "") -> Figures:
    """A layer row with nested keys joined by dots, shapes as text."""
    cells: Figures = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            cells |= flat(dict(value), f"{prefix}{key}.")
        elif isinstance(value, list):
            cells[f"{prefix}{key}"] = "x".join(map(str, value))
        else:
            cells[f"{prefix}{key}"] = value
    return cells


def _write_csv(path: Path, rows: list[Figures]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _save_arrays(groups: Mapping[str, Mapping[str, NDArray[Any]]], path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({f"{g}.{k}": np.ascontiguousarray(v) for g, arrays in groups.items() for k, v in arrays.items()}, path)
