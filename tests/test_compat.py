"""compat.py: what it mends is mended. Reading checkpoints has a file of its own."""

import importlib
import importlib.util
import sys
import types

import mmcv
import pytest
import torch
from torch import nn

from mapsage_mmseg import compat

WITHOUT_OPS = importlib.util.find_spec('mmcv._ext') is None
needs_placeholder = pytest.mark.skipif(not WITHOUT_OPS, reason='mmcv has its compiled ops here')


# mmcv


@needs_placeholder
class TestMissingOps:
    def test_a_name_can_be_imported_and_raises_when_it_is_used(self):
        from mmcv.ops import point_sample

        with pytest.raises(ImportError, match=r'mmcv\.ops\.point_sample needs the compiled ops.*pip install'):
            point_sample(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2))

    def test_a_name_can_be_subclassed_and_asked_for(self):
        class Mine(mmcv.ops.ModulatedDeformConv2d):
            pass

        assert not isinstance(nn.Identity(), mmcv.ops.ModulatedDeformConv2d)
        with pytest.raises(ImportError, match=r'ModulatedDeformConv2d'):
            Mine(3, 3)

    def test_the_module_has_a_spec_and_no_made_up_dunders(self):
        assert importlib.util.find_spec('mmcv.ops') is not None
        assert not hasattr(mmcv.ops, '__wrapped__')

    def test_what_mmseg_imports_from_it_is_importable(self):
        importlib.import_module('mmseg.models.losses.focal_loss')
        importlib.import_module('mmseg.models.decode_heads.san_head')


def test_compiled_ops_are_left_alone(monkeypatch):
    real = types.ModuleType('mmcv.ops')
    monkeypatch.setattr(mmcv, 'ops', real, raising=False)
    monkeypatch.delitem(sys.modules, 'mmcv.ops', raising=False)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        compat.importlib.util, 'find_spec', lambda name: object() if name == 'mmcv._ext' else find_spec(name)
    )

    compat._placeholder_for_mmcv_ops()

    assert 'mmcv.ops' not in sys.modules
    assert mmcv.ops is real


def test_without_any_mmcv_the_error_names_the_install_line(monkeypatch):
    monkeypatch.setattr(compat.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match=r"mmcv is not installed: pip install 'mmcv-lite>=2\.0\.0,<2\.2\.0'"):
        compat.apply()


def test_applying_again_changes_nothing():
    names = ('mmcv.ops', 'mmrazor.structures.quantization')
    before = [sys.modules.get(name) for name in names]
    compat.apply()
    assert [sys.modules.get(name) for name in names] == before


# mmrazor


def test_mmrazors_models_import():
    models = importlib.import_module('mmrazor.models')
    assert models.ConfigurableDistiller is not None
    assert importlib.import_module('mmrazor.models.algorithms').SingleTeacherDistill is not None


def test_a_config_is_formatted_once_however_often_it_is_asked_for(monkeypatch, format_code):
    from mmengine.config import Config, config

    monkeypatch.setattr(config, 'FormatCode', format_code)
    before = config.FormatCode.cache_info()
    cfg = Config(dict(a=1, unusual_name_for_this_test=dict(b=[1, 2, 3])))
    texts = {cfg.pretty_text for _ in range(5)}
    after = config.FormatCode.cache_info()
    assert texts == {'a = 1\nunusual_name_for_this_test = dict(b=[\n    1,\n    2,\n    3,\n])\n'}
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 4)
    cfg.a = 2
    assert cfg.pretty_text.startswith('a = 2')


def test_keeping_freed_memory_is_harmless_where_there_is_no_glibc(monkeypatch):
    def missing(name):
        raise OSError(name)

    compat.keep_freed_memory()
    monkeypatch.setattr(compat.ctypes, 'CDLL', missing)
    compat.keep_freed_memory()
    assert torch.ones(1 << 20).sum().item() == 1 << 20
