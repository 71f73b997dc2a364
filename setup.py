# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'eipl_trt_ros'


def shared(folder: str, *patterns: str) -> list[tuple[str, list[str]]]:
    """List the files of a folder for share/eipl_trt_ros, folder by folder."""
    found: dict[str, list[str]] = {}
    for pattern in patterns:
        for path in sorted(Path(folder).rglob(pattern)):
            if path.is_file():
                found.setdefault(f'share/{NAME}/{path.parent}', []).append(str(path))
    return list(found.items())


setup(
    name=NAME,
    version='0.1.0',
    description='Deep predictive learning on a robot: camera and joints in, joint command out',
    license='Apache-2.0',
    maintainer='eipl_trt_ros contributors',
    maintainer_email='eipl-trt-ros@example.org',
    packages=find_packages(exclude=['test', 'test.*']),
    package_data={
        NAME: ['py.typed', 'evaluation/templates/*', 'evaluation/data/*', 'sim/templates/*']
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        *shared('launch', '*.launch.py'),
        *shared('config', '*.yaml', '*.xml'),
        *shared('samples', '*.yaml', '*.safetensors', '*.onnx', '*.mcap', 'int8.json'),
    ],
    install_requires=['setuptools'],
    # many recordings on many machines: eipl_trt evaluate --dask
    extras_require={'fleet': ['distributed']},
    python_requires='>=3.10',
    zip_safe=False,
    entry_points={
        'console_scripts': [
            'eipl_trt = eipl_trt_ros.cli:main',
            'power_node = eipl_trt_ros.nodes.power_node:main',
            'predictor_node = eipl_trt_ros.nodes.predictor_node:main',
            'replay_node = eipl_trt_ros.nodes.replay_node:main',
            'sim_robot_node = eipl_trt_ros.nodes.sim_robot_node:main',
        ],
    },
)
