"""The passes, and the order they run in."""

from typing import TYPE_CHECKING

from mapper.later import later

if TYPE_CHECKING:
    from passes.base import Pass, RefusedGraphError
    from passes.encode_inputs import EncodeInputs
    from passes.fold_batch_norm import FoldBatchNorm
    from passes.fold_layers import FoldLayers
    from passes.fold_pooling import FoldPooling
    from passes.held_inputs import InputCode
    from passes.lower_neurons import LowerNeurons
    from passes.lower_readout import LowerReadout
    from passes.merge_sums import MergeSums
    from passes.order import PIPELINE
    from passes.partition import Partition
    from passes.place import Place
    from passes.quantize_neurons import QuantizeNeurons
    from passes.quantize_weights import QuantizeWeights
    from passes.replicate import Replicate
    from passes.schedule import Schedule
    from passes.slice_weights import SliceWeights
    from passes.tile_columns import TileColumns
    from passes.tile_rows import TileRows

__all__ = [
    "PIPELINE",
    "EncodeInputs",
    "FoldBatchNorm",
    "FoldLayers",
    "FoldPooling",
    "InputCode",
    "LowerNeurons",
    "LowerReadout",
    "MergeSums",
    "Partition",
    "Pass",
    "Place",
    "QuantizeNeurons",
    "QuantizeWeights",
    "RefusedGraphError",
    "Replicate",
    "Schedule",
    "SliceWeights",
    "TileColumns",
    "TileRows",
]

__getattr__ = later(
    __name__,
    {
        "passes.base": (
            "Pass",
            "RefusedGraphError",
        ),
        "passes.encode_inputs": ("EncodeInputs",),
        "passes.fold_batch_norm": ("FoldBatchNorm",),
        "passes.fold_layers": ("FoldLayers",),
        "passes.fold_pooling": ("FoldPooling",),
        "passes.held_inputs": ("InputCode",),
        "passes.lower_neurons": ("LowerNeurons",),
        "passes.lower_readout": ("LowerReadout",),
        "passes.merge_sums": ("MergeSums",),
        "passes.order": ("PIPELINE",),
        "passes.partition": ("Partition",),
        "passes.place": ("Place",),
        "passes.quantize_neurons": ("QuantizeNeurons",),
        "passes.quantize_weights": ("QuantizeWeights",),
        "passes.replicate": ("Replicate",),
        "passes.schedule": ("Schedule",),
        "passes.slice_weights": ("SliceWeights",),
        "passes.tile_columns": ("TileColumns",),
        "passes.tile_rows": ("TileRows",),
    },
)
