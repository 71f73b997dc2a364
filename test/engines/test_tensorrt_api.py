# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The adapter on what is installed, and on the names in the real bindings of other versions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.features import network_flags
from eipl_trt_ros.engines.tensorrt_api import BuildRequest, find_tensorrt
from eipl_trt_ros.errors import EngineError, MissingPackageError

needs_tensorrt = pytest.mark.usefixtures('_tensorrt')

# The bindings of a full TensorRT want libraries of gigabytes, and use only these of their names:
# with empty ones in their place everything can be looked at, and nothing run.
STAND_INS = {
    'nvinfer': (
        'createInferBuilder_INTERNAL',
        'createInferRefitter_INTERNAL',
        'createInferRuntime_INTERNAL',
        'getBuilderPluginRegistry',
        'getPluginRegistry',
    ),
    'nvinfer_plugin': ('initLibNvInferPlugins',),
    'nvonnxparser': (
        'createNvOnnxParser_INTERNAL',
        'createNvOnnxParserRefitter_INTERNAL',
        'getNvOnnxParserVersion',
    ),
}
# What the adapter uses where a version offers it.
STRONG_NAMES = (
    'Builder.create_network',
    'Builder.create_builder_config',
    'Builder.build_serialized_network',
    'IBuilderConfig.set_flag',
    'IBuilderConfig.clear_flag',
    'IBuilderConfig.profiling_verbosity',
    'IBuilderConfig.set_memory_pool_limit',
    'BuilderFlag.TF32',
    'MemoryPoolType.WORKSPACE',
    'ProfilingVerbosity.DETAILED',
    'OnnxParser.parse',
    'OnnxParser.parse_from_file',
    'OnnxParser.num_errors',
    'OnnxParser.get_error',
    'ParserError.desc',
    'ILogger.log',
    'ILogger.INTERNAL_ERROR',
    'ILogger.ERROR',
    'ILogger.WARNING',
    'ILogger.INFO',
    'ILogger.VERBOSE',
    'IBuilderConfig.create_timing_cache',
    'IBuilderConfig.set_timing_cache',
    'ITimingCache.serialize',
    'Runtime.deserialize_cuda_engine',
    'ICudaEngine.create_execution_context',
    'ICudaEngine.create_engine_inspector',
    'EngineInspector.get_engine_information',
    'LayerInformationFormat.JSON',
    'ICudaEngine.num_io_tensors',
    'ICudaEngine.get_tensor_name',
    'ICudaEngine.get_tensor_dtype',
    'ICudaEngine.get_tensor_shape',
    'ICudaEngine.get_tensor_mode',
    'IExecutionContext.set_tensor_address',
    'IExecutionContext.execute_async_v3',
    'TensorIOMode.INPUT',
    'TensorIOMode.OUTPUT',
    'float32',
    'uint8',
)
WEAK_NAMES = (
    'BuilderFlag.FP16',
    'BuilderFlag.INT8',
    'BuilderFlag.OBEY_PRECISION_CONSTRAINTS',
    'INetworkDefinition.num_layers',
    'INetworkDefinition.get_layer',
    'ILayer.num_outputs',
    'ILayer.get_output',
    'ILayer.set_output_type',
    'ILayer.precision',
    'ILayer.type',
    'ILayer.name',
    'ITensor.dtype',
    'LayerType.CONSTANT',
    'float32',
    'IBuilderConfig.int8_calibrator',
    'IInt8EntropyCalibrator2.get_batch_size',
    'IInt8EntropyCalibrator2.get_batch',
    'IInt8EntropyCalibrator2.read_calibration_cache',
    'IInt8EntropyCalibrator2.write_calibration_cache',
)
LOOK = """
import functools, importlib, json, sys
from eipl_trt_ros.engines.features import detect_features, network_flags
trt = importlib.import_module('tensorrt_bindings')
def there(name):
    try:
        functools.reduce(getattr, name.split('.'), trt)
    except AttributeError:
        return False
    return True
features = detect_features(trt)
print(json.dumps({
    'features': {name: getattr(features, name) for name in features.__dataclass_fields__},
    'missing': [name for name in sys.argv[1:] if not there(name)],
    'flags': [network_flags(trt, strong=True), network_flags(trt, strong=False)],
    'strong': int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED),
}))
"""


# A real calibrator of TensorRT 10, asked in Python for what its builder asks in C++.
CALIBRATE = """
import importlib, json
from eipl_trt_ros.engines.calibrator import make_calibrator
trt = importlib.import_module('tensorrt_bindings')
class Batches:
    left, kept = [[1, 2], [3, 4]], b''
    def following(self, names):
        if names != ['image', 'h']:
            raise ValueError(names)
        return self.left.pop(0) if self.left else []
    def read_cache(self):
        return self.kept
    def write_cache(self, found):
        self.kept = found
batches = Batches()
made = make_calibrator(trt, batches)
asked = [made.read_calibration_cache(), *(made.get_batch(['image', 'h']) for _ in range(3))]
made.write_calibration_cache(memoryview(b'ranges'))
fine = made.failure is None
after = [made.get_batch(['wrong']), made.get_batch(['image', 'h']), made.read_calibration_cache()]
print(json.dumps({
    'asked': asked, 'kept': batches.kept.decode(), 'fine': fine, 'failure': repr(made.failure),
    'after': after, 'size': made.get_batch_size(), 'algorithm': str(made.get_algorithm()),
    'is': isinstance(made, trt.IInt8Calibrator),
}))
"""


@pytest.fixture
def _tensorrt() -> None:
    pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')


def look(folder: Path, major: int, stand_ins: Path, names: tuple[str, ...]) -> dict:
    """Import the bindings in a process of their own and say what is in them."""
    return in_bindings(folder, major, stand_ins, LOOK, *names)


def in_bindings(folder: Path, major: int, stand_ins: Path, code: str, *arguments: str) -> dict:
    """Run code that imports the bindings, in a process of its own, and read what it prints."""
    compiler = shutil.which('gcc') or shutil.which('cc')
    if compiler is None:
        pytest.skip('no C compiler for the empty libraries')
    for library, functions in STAND_INS.items():
        source = stand_ins / f'{library}.c'
        source.write_text(''.join(f'void *{name}(void) {{ return 0; }}\n' for name in functions))
        target = stand_ins / f'lib{library}.so.{major}'
        subprocess.run([compiler, '-shared', '-fPIC', '-o', target, source], check=True)
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        'LD_LIBRARY_PATH': str(stand_ins),
        'PYTHONPATH': f'{folder}{os.pathsep}{root}',
    }
    done = subprocess.run(
        [sys.executable, '-c', code, *arguments],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@needs_tensorrt
def test_the_installed_tensorrt_is_found_once() -> None:
    found = find_tensorrt()
    assert found is find_tensorrt()
    assert found.flavour in ('TensorRT', 'TensorRT-RTX')
    assert str(found) == f'{found.flavour} {found.version}'


@needs_tensorrt
def test_tensorrt_rtx_is_known_by_its_names() -> None:
    found = find_tensorrt()
    if found.flavour != 'TensorRT-RTX':
        pytest.skip('a full TensorRT is installed')
    assert found.features.strong_typing
    assert not found.features.precision_flags
    assert not found.features.calibrators
    assert not found.features.timing_cache
    assert found.features.kernels_at_load


def test_tensorrt_10_offers_strong_typing_flags_and_calibrators(
    version_folder: Callable[[str, str], Path], tmp_path: Path
) -> None:
    folder = version_folder('10.16', 'tensorrt-cu12-bindings==10.16.1.11')
    seen = look(folder, 10, tmp_path, STRONG_NAMES + WEAK_NAMES)
    assert seen['missing'] == []
    lacking = {name for name, there in seen['features'].items() if not there}
    assert lacking == {'kernels_at_load'}
    assert seen['strong'] == 1
    assert seen['flags'] == [0b11, 0b01]  # an explicit batch is asked for as well


def test_the_calibrator_is_one_of_tensorrt_10s_own_and_never_raises_into_it(
    version_folder: Callable[[str, str], Path], tmp_path: Path
) -> None:
    folder = version_folder('10.16', 'tensorrt-cu12-bindings==10.16.1.11')
    seen = in_bindings(folder, 10, tmp_path, CALIBRATE)
    assert seen['is']
    assert seen['size'] == 1
    assert seen['algorithm'] == 'CalibrationAlgoType.ENTROPY_CALIBRATION_2'
    assert seen['asked'] == [None, [1, 2], [3, 4], None]
    assert seen['kept'] == 'ranges'
    assert seen['fine']
    assert seen['failure'] == "ValueError(['wrong'])"
    assert seen['after'] == [None, None, None]  # and a cache is not read over a failure


def test_tensorrt_11_offers_strong_typing_alone(
    version_folder: Callable[[str, str], Path], tmp_path: Path
) -> None:
    folder = version_folder('11.4', 'tensorrt-cu13-bindings==11.4.0.106')
    seen = look(folder, 11, tmp_path, STRONG_NAMES)
    assert seen['missing'] == []
    wanted = {'strong_typing', 'timing_cache', 'profiling_verbosity', 'normalisation'}
    assert {name for name, there in seen['features'].items() if there} == wanted
    assert seen['strong'] == 0
    assert seen['flags'] == [1, 0]


def test_flags_are_taken_by_name_never_by_value() -> None:
    def module(**kinds: int) -> types.SimpleNamespace:
        return types.SimpleNamespace(NetworkDefinitionCreationFlag=types.SimpleNamespace(**kinds))

    old = module(EXPLICIT_BATCH=0)
    assert network_flags(old, strong=True) == network_flags(old, strong=False) == 1


@needs_tensorrt
def test_a_graph_that_cannot_be_parsed_is_refused_with_the_parsers_words() -> None:
    with pytest.raises(EngineError, match=r'^rubbish: TensorRT.* cannot read the graph: .'):
        find_tensorrt().build(BuildRequest('rubbish', b'not an ONNX file'))


@needs_tensorrt
def test_a_graph_that_cannot_be_built_is_refused_with_tensorrts_last_error() -> None:
    from onnx import TensorProto, helper  # noqa: PLC0415

    ends = [helper.make_tensor_value_info(name, TensorProto.UINT8, [2, 3]) for name in 'xy']
    ends[1].type.tensor_type.shape.dim[0].dim_value = 3
    ends[1].type.tensor_type.shape.dim[1].dim_value = 2
    node = helper.make_node('Transpose', ['x'], ['y'], perm=[1, 0])
    graph = helper.make_graph([node], 'transpose', ends[:1], ends[1:])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid('', 17)])
    with pytest.raises(EngineError, match=r'^bytes: .*: (?!it gave no reason).') as caught:
        find_tensorrt().build(BuildRequest('bytes', model.SerializeToString()))
    assert '\n' not in str(caught.value)


@needs_tensorrt
def test_scratch_memory_and_tf32_can_be_asked_for(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    path = bundle.graph_path('motion')
    plans = [
        find_tensorrt().build(BuildRequest('motion', path, tf32=tf32, workspace_mib=64)).plan
        for tf32 in (False, True)
    ]
    assert all(plans)
    warnings = [entry for entry in caplog.records if entry.levelname == 'WARNING']
    # TensorRT-RTX heeds a variable of the environment instead, which was set when it was loaded
    assert len(warnings) == find_tensorrt().features.kernels_at_load


def test_a_missing_tensorrt_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('eipl_trt_ros.engines.tensorrt_api.MODULES', ('no_such_tensorrt',))
    with pytest.raises(MissingPackageError, match='pip install tensorrt'):
        find_tensorrt.__wrapped__()


def test_bindings_without_their_libraries_are_named(
    version_folder: Callable[[str, str], Path],
) -> None:
    folder = version_folder('10.16', 'tensorrt-cu12-bindings==10.16.1.11')
    code = 'from eipl_trt_ros.engines.tensorrt_api import find_tensorrt; find_tensorrt()'
    root = Path(__file__).parents[2]
    environment = {**os.environ, 'PYTHONPATH': f'{folder}{os.pathsep}{root}'}
    done = subprocess.run(
        [sys.executable, '-c', code], env=environment, check=False, capture_output=True, text=True
    )
    assert 'EngineError: the package tensorrt_bindings is installed but cannot be' in done.stderr


@needs_tensorrt
def test_a_plan_that_tensorrt_refuses_is_refused_with_its_words() -> None:
    with pytest.raises(EngineError, match=r'^motion fp32: TensorRT.* refuses the engine: .'):
        find_tensorrt().load(b'no plan', 'motion fp32')
