"""Writes the node test cases of the installed `onnx` package as files: DIR/node/NAME/{model.onnx,test_data_set_0/*.pb}.

Releases until 1.22 or so carry these files; newer ones carry the programs that make them. Python: onnx and numpy.
"""

import random
import sys
import warnings
from pathlib import Path

import numpy as np
from onnx import TensorProto, numpy_helper

warnings.simplefilter("ignore")
np.random.seed(0)
random.seed(0)

from onnx.backend.test.case import node  # noqa: E402  (the cases draw their numbers while they are imported)


def encoded(value, info) -> bytes:
    if not info.type.HasField("tensor_type"):
        return b""
    tensor = value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value), info.name)
    return tensor.SerializeToString()


def write(folder: Path, kind: str, values, infos) -> None:
    for i, (value, info) in enumerate(zip(values, infos)):
        (folder / f"{kind}_{i}.pb").write_bytes(encoded(value, info))


out = Path(sys.argv[1]) / "node"
for case in node.collect_testcases():
    folder = out / case.name
    (folder / "test_data_set_0").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    inputs, outputs = case.data_sets[0]
    write(folder / "test_data_set_0", "input", inputs, case.model.graph.input)
    write(folder / "test_data_set_0", "output", outputs, case.model.graph.output)
