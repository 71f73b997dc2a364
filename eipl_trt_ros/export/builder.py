# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes an ONNX graph node by node; large weights stay in the weights file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from eipl_trt_ros.errors import ExportError
from eipl_trt_ros.export.weights import WeightFile
from eipl_trt_ros.spec import Form, TensorSpec

OPSET = 17  # the first with LayerNormalization; TensorRT 8.5 reads it
IR_VERSION = 8  # the one that came with opset 17
INLINE_BYTES = 1024  # smaller initializers stay in the graph: they keep it readable in viewers

_ELEMENT_TYPES = {'uint8': TensorProto.UINT8, 'float32': TensorProto.FLOAT}


class GraphBuilder:
    """
    Collects nodes in execution order; each is named, and its first output bears its name.

    Nothing in the result depends on the time, the machine or hash order: the same calls on the
    same weights give the same bytes.

    Args:
        name: name of the graph.
        weights: where `weight` takes its tensors from.
        form: what the graph is for; kept for those who add layers.

    """

    def __init__(self, name: str, weights: WeightFile, *, form: Form = Form.GENERAL) -> None:
        self._name = name
        self.form = form
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, TensorProto] = {}

    @property
    def cpu(self) -> bool:
        """Whether the graph is for processors."""
        return self.form is Form.PROCESSOR

    @property
    def half(self) -> bool:
        """Whether the graph is for tensor cores."""
        return self.form is Form.TENSOR_CORES

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        name: str,
        outputs: Sequence[str] | None = None,
        **attributes: Any,
    ) -> str:
        """
        Append a node.

        Args:
            operator: the ONNX operator.
            inputs: names of the values that it takes.
            name: its name.
            outputs: names of the values that it gives; one value, named like the node, if None.
            **attributes: of the operator.

        Returns:
            The name of its first output.

        """
        given = list(outputs) if outputs else [name]
        self._nodes.append(helper.make_node(operator, list(inputs), given, name, **attributes))
        return given[0]

    def constant(self, name: str, values: NDArray[Any] | Sequence[int] | float) -> str:
        """Put a constant into the graph itself: int64 for whole numbers, float32 otherwise."""
        array = np.asarray(values)
        array = array.astype(np.int64 if array.dtype.kind == 'i' else np.float32)
        return self._keep(name, numpy_helper.from_array(array, name))

    def array(self, name: str) -> NDArray[np.float32]:
        """Return a tensor of the weights file, to derive a constant from."""
        return self._weights[name].values

    def weight(self, name: str, shape: Sequence[int] | None = None) -> str:
        """
        Use a tensor of the weights file as it is.

        Args:
            name: its name there.
            shape: another view of the same numbers in the same order; its own shape if None.

        Returns:
            The name of the value: the tensor's.

        """
        stored = self._weights[name]
        view = stored.values.reshape(shape or stored.values.shape)
        if view.nbytes < INLINE_BYTES:
            return self._keep(name, numpy_helper.from_array(view, name))
        tensor = TensorProto(
            name=name,
            data_type=TensorProto.FLOAT,
            dims=view.shape,
            data_location=TensorProto.EXTERNAL,
        )
        place = {'location': self._weights.name, 'offset': stored.offset, 'length': view.nbytes}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        return self._keep(name, tensor)

    def _keep(self, name: str, tensor: TensorProto) -> str:
        known = self._initializers.setdefault(name, tensor)
        if known != tensor:
            msg = f'graph {self._name}: two different constants are named {name!r}'
            raise ExportError(msg)
        return name

    def build(
        self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], metadata: dict[str, str]
    ) -> onnx.ModelProto:
        """
        Close the graph.

        Args:
            inputs: what it takes; each must be used by a node.
            outputs: what it gives; each must be made by a node.
            metadata: free text to keep in the model.

        Raises:
            ExportError: an input or a node's result is not used by anybody.

        """
        used = {name for node in self._nodes for name in node.input}
        wanted = used | {spec.name for spec in outputs}
        made = {spec.name for spec in inputs}
        made |= {name for node in self._nodes for name in node.output}
        idle = sorted(made - wanted) + sorted(self._initializers.keys() - used)
        if idle:
            msg = f'graph {self._name}: nothing uses {", ".join(idle)}'
            raise ExportError(msg)
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [_value_info(spec) for spec in inputs],
            [_value_info(spec) for spec in outputs],
            list(self._initializers.values()),
        )
        model = helper.make_model(
            graph,
            producer_name='eipl_trt_ros',
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid('', OPSET)],
        )
        helper.set_model_props(model, metadata)
        return model


def _value_info(spec: TensorSpec) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(spec.name, _ELEMENT_TYPES[spec.dtype], spec.shape)
