# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from references import make_bundle, random_weights

from eipl_trt_ros.backends import PRECISIONS
from eipl_trt_ros.bundle import Bundle, load_bundle, write_bundle
from eipl_trt_ros.errors import BundleError, ExportError
from eipl_trt_ros.export.create import create_bundle, export_graphs
from eipl_trt_ros.export.weights import write_weights
from eipl_trt_ros.spec import GRAPHS, ModelSpec

SPEC = ModelSpec('sarnn', 24, 30, 3, 6, k_dim=2, temperature=1e-4, heatmap_size=0.1)
GRAPH_FILES = {f'{graph}{form}.onnx' for graph in GRAPHS for form in ('', '.cpu', '.half')}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_bundle(tmp_path / 'made', SPEC, random_weights(SPEC))


@pytest.fixture
def tensors() -> dict[str, NDArray[np.float32]]:
    return {name: value.numpy() for name, value in random_weights(SPEC).items()}


def paths(bundle: Bundle, graph: str) -> list[Path]:
    """Return what a graph is taken from: on a processor, then for engines of each precision."""
    return [bundle.cpu_graph_path(graph), *(bundle.graph_path(graph, one) for one in PRECISIONS)]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_bundle_is_made_whole(
    bundle: Bundle, tensors: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    parts: list[str] = []
    draft = dataclasses.replace(bundle, path=tmp_path / 'deep' / 'new')
    found = create_bundle(draft, tensors, progress=parts.append)
    assert found.path == draft.path
    assert parts == ['weights', *GRAPHS, 'checksums']
    assert names(found.path) == {'bundle.yaml', 'weights.safetensors', *GRAPH_FILES}
    assert names(tmp_path / 'deep') == {'new'}
    assert (found.path.stat().st_mode & 0o777) == 0o755
    for name in names(found.path):
        assert (found.path / name).read_bytes() == (bundle.path / name).read_bytes()


def test_graphs_may_come_later(
    bundle: Bundle, tensors: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    draft = dataclasses.replace(bundle, path=tmp_path / 'new')
    found = create_bundle(draft, tensors, graphs=False)
    assert names(found.path) == {'bundle.yaml', 'weights.safetensors'}
    for precision in PRECISIONS:
        with pytest.raises(BundleError, match='eipl_trt export'):
            found.graph_path('motion', precision)
    with pytest.raises(BundleError, match='eipl_trt export'):
        found.cpu_graph_path('motion')
    export_graphs(found.path)
    later = load_bundle(found.path)
    for path, wanted in zip(paths(later, 'motion'), paths(bundle, 'motion'), strict=True):
        assert path.name == wanted.name
        assert path.read_bytes() == wanted.read_bytes()


@pytest.mark.parametrize('forms', [[''], ['', '.cpu']])
def test_a_bundle_from_before_there_were_three_forms_is_run_by_the_graphs_that_it_has(
    bundle: Bundle, forms: list[str]
) -> None:
    assert [path.name for path in paths(bundle, 'image')] == [
        'image.cpu.onnx',
        'image.onnx',
        'image.half.onnx',
        'image.half.onnx',
    ]
    graphs = [f'{graph}{form}.onnx' for graph in GRAPHS for form in forms]
    old = write_bundle(bundle, ['weights.safetensors', *graphs])
    assert [path.name for path in paths(old, 'image')] == [
        f'image{forms[-1]}.onnx',
        'image.onnx',
        'image.onnx',
        'image.onnx',
    ]
    assert export_graphs(old.path).files.keys() == bundle.files.keys()


def test_nothing_is_overwritten(
    bundle: Bundle, tensors: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match='exists already: remove it, or choose another folder'):
        create_bundle(bundle, tensors)
    (tmp_path / 'empty').mkdir()
    create_bundle(dataclasses.replace(bundle, path=tmp_path / 'empty'), tensors, graphs=False)


def test_a_failure_leaves_nothing(
    bundle: Bundle, tensors: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    del tensors['rec.bias_hh']
    with pytest.raises(ExportError, match=r"has no tensor 'rec\.bias_hh'"):
        create_bundle(dataclasses.replace(bundle, path=tmp_path / 'new'), tensors)
    assert names(tmp_path) == {'made'}


def test_changed_weights_are_exported_again(bundle: Bundle) -> None:
    before = bundle.graph_path('image').read_bytes()
    changed = random_weights(SPEC, seed=7)
    write_weights({name: value.numpy() for name, value in changed.items()}, bundle.weights_path)
    with pytest.raises(BundleError, match='eipl_trt export'):
        load_bundle(bundle.path)
    found = export_graphs(bundle.path)
    assert found.graph_path('image').read_bytes() != before
    assert found.files.keys() == bundle.files.keys()


def test_a_changed_range_is_exported_again(bundle: Bundle) -> None:
    before = bundle.graph_path('motion').read_bytes()
    path = bundle.path / 'bundle.yaml'
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), 'vmax': 0.5}))
    assert export_graphs(bundle.path).vmax == 0.5
    assert load_bundle(bundle.path).graph_path('motion').read_bytes() != before


def test_other_files_of_a_bundle_stay_listed(bundle: Bundle) -> None:
    (bundle.path / 'notes.txt').write_text('hello')
    write_bundle(bundle, [*bundle.files, 'notes.txt'])
    assert 'notes.txt' in export_graphs(bundle.path).files


def test_an_unchanged_bundle_is_exported_to_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    before = shutil.copytree(bundle.path, tmp_path / 'before')
    export_graphs(bundle.path)
    for name in names(before):
        assert (bundle.path / name).read_bytes() == (before / name).read_bytes()
