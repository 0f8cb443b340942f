"""What ``mim`` wants in the package; all else about it is in pyproject.toml."""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.develop import develop

ROOT = Path(__file__).resolve().parent
PACKAGE = 'mapsage_mmseg'
# What `mim train`, `mim test`, `mim gridsearch` and `mim search` look for in <package>/.mim.
MIM_SOURCES = ('tools', 'configs', 'model-index.yml')


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


setup(cmdclass={'build_py': BuildWithMim, 'develop': DevelopWithMim}, zip_safe=False)
