"""The passes, in the order they run."""

from passes.base import Pass
from passes.encode_inputs import EncodeInputs
from passes.fold_batch_norm import FoldBatchNorm
from passes.fold_layers import FoldLayers
from passes.fold_pooling import FoldPooling
from passes.lower_neurons import LowerNeurons
from passes.lower_readout import LowerReadout
from passes.merge_sums import MergeSums
from passes.partition import Partition
from passes.place import Place
from passes.quantize_neurons import QuantizeNeurons
from passes.quantize_weights import QuantizeWeights
from passes.replicate import Replicate
from passes.schedule import Schedule
from passes.slice_weights import SliceWeights
from passes.tile_columns import TileColumns
from passes.tile_rows import TileRows

PIPELINE: tuple[type[Pass], ...] = (
    EncodeInputs,
    FoldLayers,  # once the bits of inputs are known, and while weights are floats
    FoldBatchNorm,  # before weights are quantised: a quantised weight cannot take a factor
    FoldPooling,
    QuantizeWeights,
    QuantizeNeurons,  # from here on the graph holds integers only
    Partition,
    TileRows,
    TileColumns,
    SliceWeights,
    LowerReadout,  # before the neurons are lowered: it moves constant errors into their bias
    MergeSums,
    LowerNeurons,
    Replicate,
    Place,
    Schedule,
)
