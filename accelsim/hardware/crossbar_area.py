"""Areas of the parts of a chip of crossbars."""

from typing import Annotated

from pydantic import Field

from accelsim.hardware.quantity import Frozen, Quantity, Source, Status

Part = Annotated[str, Field(min_length=1)]


class CrossbarArea(Frozen):
    """mm2 of the parts of one IMA (all its crossbars together), of what the IMAs of a tile share, and of the link."""

    ima_mm2: Annotated[dict[Part, Quantity], Field(min_length=1)]
    tile_mm2: Annotated[dict[Part, Quantity], Field(min_length=1)]
    link_mm2: Quantity
    source: Source | None = None
    status: Status | None = None
