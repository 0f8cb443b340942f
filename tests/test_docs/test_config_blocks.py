"""The configs that pages show are read as they stand there, and their students and levels are built."""

import re

import pytest
from mmengine.config import Config
from mmseg.registry import MODELS

FILE = re.compile(r'```python\n(# (\w+\.py)\n_base_.*?)```', re.DOTALL)
PAGES = dict(
    teachers=['my_teacher', 'my_distillation', 'from_dino', 'distil_from_dino', 'learns_from_two'],
    data=['own_pipeline'],
)
OURS = {'teacher.py', 'teacher_ensemble.py'}


@pytest.mark.parametrize('page', PAGES)
def test_a_config_in_a_page_is_one(page, repository, tmp_path):
    (tmp_path / 'configs').symlink_to(repository / 'configs')
    for text, name in FILE.findall((repository / f'docs/{page}.md').read_text()):
        (tmp_path / name).write_text(text)
    configs = {path.stem: Config.fromfile(str(path)) for path in tmp_path.glob('*.py')}
    assert set(configs) == set(PAGES[page])
    for config in configs.values():
        if config.model.type == 'MultiLevelDistill':
            model = MODELS.build(config.model)  # the teacher comes when training begins
            assert config.get('teacher_recipe') in {f'{name}.py' for name in configs} | OURS
            assert 'feature' not in model.distiller.levels or len(model.distiller.levels['feature'].teacher) == 4
