# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A bundle's four ONNX graphs, each in three forms, with pre- and post-processing inside."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import onnx

from eipl_trt_ros.bundle import Bundle, graph_file
from eipl_trt_ros.export import cnnrnn, sarnn
from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.export.doubling import blocks_as_planes
from eipl_trt_ros.export.layers import (
    Seen,
    grey_levels,
    joint_units,
    mix,
    normalise_image,
    normalise_joints,
    row,
    see_image,
    vector,
)
from eipl_trt_ros.export.weights import WeightFile
from eipl_trt_ros.spec import GRAPHS, Form


def build_graph(
    bundle: Bundle, graph: str, weights: WeightFile, form: Form = Form.GENERAL
) -> onnx.ModelProto:
    """
    Make one graph of a bundle; its large initializers point into the weights file.

    Args:
        bundle: model, normalisation and joint bounds.
        graph: one of ``eipl_trt_ros.spec.GRAPHS``; what it takes and gives is told by
            `ModelSpec.graph_inputs` and `ModelSpec.graph_outputs`.
        weights: the bundle's weights.
        form: which form of it; all are the same function, to float rounding.

    Returns:
        The model; the same bundle gives the same bytes.

    Raises:
        ExportError: the weights lack a tensor.

    """
    build = GraphBuilder(graph, weights, form=form)
    mixed = graph.endswith('_mixed')
    if graph.startswith('motion'):
        _motion(build, bundle, mixed=mixed)
    else:
        _image(build, bundle, mixed=mixed)
    spec = bundle.model
    return build.build(
        spec.graph_inputs(graph),
        spec.graph_outputs(graph),
        {'model': spec.type, 'bundle': bundle.name} | ({'form': form.value} if form.value else {}),
    )


def _motion(build: GraphBuilder, bundle: Bundle, *, mixed: bool) -> None:
    spec = bundle.model
    if not mixed:
        image, joints = see_image(build, bundle), normalise_joints(build, bundle)
    else:
        sensed, joints = normalise_image(build, bundle), normalise_joints(build, bundle)
        shape = build.constant('planes_batch', [1, 3, spec.image_height, spec.image_width])
        previous = build.add('Reshape', ['previous_image', shape], 'previous_image_batch')
        rest = build.add('Sub', [build.constant('one', 1.0), 'mix'], 'mix/rest')
        image = Seen(mix(build, sensed, previous, rest, 'image'))
        previous = row(build, 'previous_joints', spec.joint_dim)
        joints = mix(build, joints, previous, rest, 'joints')
        shape = build.constant('planes', [3, spec.image_height, spec.image_width])
        build.add('Reshape', [image.value, shape], 'model_image')
    module = sarnn if spec.type == 'sarnn' else cnnrnn
    predicted = module.motion(build, spec, image, joints)
    if mixed:
        vector(build, predicted, 'raw_joints', spec.joint_dim)
    joint_units(build, bundle, predicted)


def _image(build: GraphBuilder, bundle: Bundle, *, mixed: bool) -> None:
    spec = bundle.model
    if spec.type != 'sarnn':
        predicted = cnnrnn.image(build, spec, row(build, 'h', spec.rec_dim))
    elif mixed:
        shape = build.constant('planes_batch', [1, 3, spec.image_height, spec.image_width])
        seen = build.add('Reshape', ['model_image', shape], 'model_image_batch')
        predicted = sarnn.image(build, spec, Seen(seen))
    else:
        predicted = sarnn.image(build, spec, see_image(build, bundle))
    blocks = build.cpu and spec.type != 'sarnn'
    if mixed:
        size = 3, spec.image_height, spec.image_width
        planes = blocks_as_planes(build, predicted, 'raw_planes', size) if blocks else predicted
        build.add('Reshape', [planes, build.constant('planes', [*size])], 'raw_image')
    grey_levels(build, bundle, predicted, blocks=blocks)


def write_graphs(bundle: Bundle, progress: Callable[[str], None] | None = None) -> None:
    """
    Write the four graphs into the bundle's folder in all forms, all of them or none.

    Each is checked with ONNX's own checker and shape inference first. The bundle's checksums are
    those of before; `eipl_trt_ros.bundle.write_bundle` makes new ones.

    Args:
        bundle: the bundle; its weights file must be there.
        progress: called with the name of each graph before it is made.

    Raises:
        ExportError: the weights cannot be read, or are not those of such a model.

    """
    weights = WeightFile(bundle.weights_path)
    weights.check(bundle.model.expected_shapes())
    # In the bundle's folder, so that the weights lie where the checker looks for them.
    made: list[tuple[Path, Path]] = []
    try:
        for graph in GRAPHS:
            if progress is not None:
                progress(graph)
            for form in Form:
                name = graph_file(graph, form)
                with tempfile.NamedTemporaryFile(
                    dir=bundle.path, prefix='.', suffix=f'.{name}', delete=False
                ) as file:
                    made.append((Path(file.name), bundle.path / name))
                    model = build_graph(bundle, graph, weights, form)
                    file.write(model.SerializeToString(deterministic=True))
                onnx.checker.check_model(file.name, full_check=True)
        for temporary, final in made:
            temporary.chmod(0o644)
            temporary.replace(final)
    except BaseException:
        for temporary, _ in made:
            temporary.unlink(missing_ok=True)
        raise
