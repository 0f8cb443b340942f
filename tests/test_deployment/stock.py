"""Run as a script, by stock MMSegmentation alone: loads what an export left and writes what the model gives.

    python stock.py EXPORTED IMAGES.npy OUT.npz [DATA_ROOT]

Every import of mapsage_mmseg raises. Where mmcv has no compiled ops, a placeholder stands for ``mmcv.ops``, which
MMSegmentation imports unguarded and which none of its models here uses.
"""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np


class Uninstalled:
    """A finder before all others: this package is not there."""

    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'mapsage_mmseg':
            raise ModuleNotFoundError(f'{name} is not installed', name=name)


class Ops(types.ModuleType):
    __path__: list = []

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return type(name, (), {})


def main(folder, images, out, data_root=None):
    sys.meta_path.insert(0, Uninstalled())
    if importlib.util.find_spec('mmcv._ext') is None:
        sys.modules['mmcv.ops'] = Ops('mmcv.ops')
    import torch
    from mmengine.config import Config
    from mmengine.runner import Runner
    from mmseg.apis import inference_model, init_model

    torch.set_num_threads(1)
    model = init_model(f'{folder}/config.py', f'{folder}/student.pth', device='cpu')
    logits = [inference_model(model, image).seg_logits.data.numpy() for image in np.load(images)]
    found = dict(logits=np.stack(logits), classes=model.dataset_meta['classes'], palette=model.dataset_meta['palette'])
    if data_root:
        config = Config.fromfile(f'{folder}/config.py')
        config.work_dir, config.load_from = str(Path(out).parent / 'stock'), f'{folder}/student.pth'
        config.test_dataloader.dataset.data_root = data_root
        config.test_dataloader.update(num_workers=0, persistent_workers=False)
        found['mIoU'] = Runner.from_cfg(config).test()['mIoU']
    assert not [name for name in sys.modules if name.startswith(('mapsage_mmseg', 'mmrazor'))]
    np.savez(out, **found)


if __name__ == '__main__':
    main(*sys.argv[1:])
