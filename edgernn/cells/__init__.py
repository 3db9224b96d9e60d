"""The cells of edgernn: one file and one line here for each."""

from edgernn.cells.activation import Activation
from edgernn.cells.conv1d import Conv1d
from edgernn.cells.conv2d import Conv2d, DepthwiseConv2d
from edgernn.cells.cumulative import CumulativeMean, RunningMaximum
from edgernn.cells.deadband import Deadband
from edgernn.cells.delay import Delay
from edgernn.cells.dense import Dense
from edgernn.cells.difference import Difference
from edgernn.cells.embedding import Embedding
from edgernn.cells.fastgrnn import FastGrnn
from edgernn.cells.gather import Gather
from edgernn.cells.gru import Gru, GruStep
from edgernn.cells.istft import Istft
from edgernn.cells.joins import Concat, Maximum, Product, Quotient, Sum
from edgernn.cells.layernorm import LayerNorm
from edgernn.cells.logbands import LogBands
from edgernn.cells.logmel import LogMel
from edgernn.cells.lstm import Lstm, LstmStep
from edgernn.cells.magnitude import LogMagnitude
from edgernn.cells.mask import BandMask
from edgernn.cells.memory_attention import MemoryAttention
from edgernn.cells.mgu import Mgu
from edgernn.cells.mute import Mute
from edgernn.cells.normalized import LayerNormGru, LayerNormLstm
from edgernn.cells.peephole import LstmPeephole, LstmPeepholeStep
from edgernn.cells.pool import Pool
from edgernn.cells.reduce import Reduce
from edgernn.cells.reset_before import GruResetBefore, GruResetBeforeStep
from edgernn.cells.rnn import Rnn, RnnStep
from edgernn.cells.running import RunningMean
from edgernn.cells.scale import Scale
from edgernn.cells.shift import Shift
from edgernn.cells.slice import Slice
from edgernn.cells.standardize import Standardize
from edgernn.cells.stft import Stft

__all__ = [
    "Activation",
    "BandMask",
    "Concat",
    "Conv1d",
    "Conv2d",
    "CumulativeMean",
    "Deadband",
    "Delay",
    "Dense",
    "DepthwiseConv2d",
    "Difference",
    "Embedding",
    "FastGrnn",
    "Gather",
    "Gru",
    "GruResetBefore",
    "GruResetBeforeStep",
    "GruStep",
    "Istft",
    "LayerNorm",
    "LayerNormGru",
    "LayerNormLstm",
    "LogBands",
    "LogMagnitude",
    "LogMel",
    "Lstm",
    "LstmPeephole",
    "LstmPeepholeStep",
    "LstmStep",
    "Maximum",
    "MemoryAttention",
    "Mgu",
    "Mute",
    "Pool",
    "Product",
    "Quotient",
    "Reduce",
    "Rnn",
    "RnnStep",
    "RunningMaximum",
    "RunningMean",
    "Scale",
    "Shift",
    "Slice",
    "Standardize",
    "Stft",
    "Sum",
]
