"""Verification: rings of trust, for a model against ONNX Runtime and for a build folder.

What is found is data that the report below this room shows, so the classes alone are imported here;
``mapper.verify.build`` and ``mapper.verify.model`` run the rings.
"""

from typing import TYPE_CHECKING

from mapper.later import later

if TYPE_CHECKING:
    from mapper.verify.result import Extent, InexactPass, Place, Ring, Tie, Verification

__all__ = ["Extent", "InexactPass", "Place", "Ring", "Tie", "Verification"]

__getattr__ = later(
    __name__,
    {"mapper.verify.result": ("Extent", "InexactPass", "Place", "Ring", "Tie", "Verification")},
)
