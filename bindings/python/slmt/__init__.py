# SPDX-License-Identifier: Apache-2.0
"""libslmt from Python: MR contrast synthesis. Research software, not for diagnosis.

    model = slmt.Model.load("model.h5")
    with model.session() as session:
        t2 = session.synthesize(t1)           # [count][height][width] float32 in [0, 1]

Arrays go in without a copy where they are C-contiguous float32 (int32 for indices), and otherwise as a copy; results
are new arrays, or go into `out`. Failures are slmt.Error. Long calls let other Python threads run; each class says
which of its calls may run at once. slmt._api has the C interface as it is."""

from slmt._api import VERSION as __version__
from slmt._arrays import ArrayIn, SupportsDLPack
from slmt._context import Context, default_context
from slmt._dataset import Dataset, DatasetWriter, Field, Record, RecordWriter
from slmt._errors import (
    ArgumentError,
    BackendError,
    Cancelled,
    CorruptError,
    Error,
    FileError,
    FormatError,
    InternalError,
    LimitError,
    NonFiniteError,
    NoSuchFileError,
    NotFoundError,
    OutOfMemoryError,
    SchemaError,
    StateError,
    UnsupportedError,
    VersionError,
    Warning,
)
from slmt._geometry import Geometry
from slmt._methods import Build, Method, Metric, Number, Port, Task, Value, build, methods
from slmt._metrics import (
    LabelScores,
    Metrics,
    PairScore,
    Ranking,
    compare,
    compare_labels,
    compare_volume,
    differentiation_map,
    rank_sequences,
)
from slmt._model import Card, Model, Preprocess, TensorInfo, Tensors
from slmt._session import Session
from slmt._trainer import Losses, RunInfo, Trainer, TrainingState
from slmt._volume import Volume

__all__ = [
    "ArgumentError", "ArrayIn", "BackendError", "Build", "build", "Cancelled", "Card", "compare", "compare_labels", "compare_volume",
    "Context", "CorruptError", "Dataset", "DatasetWriter", "default_context", "differentiation_map", "Error", "Field", "FileError",
    "FormatError", "Geometry", "InternalError", "LabelScores", "LimitError", "Losses", "Method", "methods", "Metric", "Metrics", "Model",
    "NonFiniteError", "NoSuchFileError", "NotFoundError", "Number", "OutOfMemoryError", "PairScore", "Port",
    "Preprocess", "rank_sequences", "Ranking", "Record", "RecordWriter", "RunInfo", "SchemaError", "Session", "StateError", "SupportsDLPack", "Task",
    "TensorInfo", "Tensors", "Trainer", "TrainingState", "UnsupportedError", "Value", "VersionError", "Volume",
    "Warning", "__version__",
]  # fmt: skip
