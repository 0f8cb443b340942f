"""The guide for a distillation that does not transfer says what the diagnosis and the configs say."""

import re

import pytest

from mapsage_mmseg.evaluation.diagnosis import CHECKS, FALLBACKS

PAGES = ('docs/not_transferred.md', 'docs/not_transferred.zh.md')


@pytest.mark.parametrize('page', PAGES)
def test_every_check_leads_to_the_config_of_its_situation(page, repository):
    text = (repository / page).read_text()
    rows = re.findall(r'^\| (.+?) \| (\w+(?: \w+)?).*? \| `(configs/[\w/]+\.py)`', text, re.M)
    told = {
        check: (situation.replace(' ', '_'), config)
        for checks, situation, config in rows
        for check in re.findall(r'`(\w+)`', checks)
    }
    assert told == {check: (situation, FALLBACKS[situation]) for check, (situation, *_) in CHECKS.items()}


@pytest.mark.parametrize('page', PAGES)
def test_every_fallback_and_ablation_is_in_it(page, repository):
    text = (repository / page).read_text()
    configs = [*repository.glob('configs/distill/fallbacks/*.py'), *repository.glob('configs/distill/ablations/*.py')]
    alone = [path for path in configs if path.stem.endswith('_control') or path.stem.startswith('teacher_')]
    assert [path.name for path in configs if path not in alone and path.name not in text] == []


def test_the_checks_are_all_explained(repository):
    explained = re.findall(r'^\| `(\w+)` \|', (repository / 'docs/diagnosis.md').read_text(), re.M)
    assert set(explained) == set(CHECKS)


def test_the_report_page_has_every_criterion_with_its_bounds(repository):
    from mapsage_mmseg.evaluation import criteria

    for page in ('docs/reading_report.md', 'docs/reading_report.zh.md'):
        rows = dict(re.findall(r'^\| `(\w+)` \| (.*) \|', (repository / page).read_text(), re.M))
        judged = criteria.judge(
            dict(dataset=dict(chance_loss=None), epochs=[], teacher=None, experiment='x', status='running')
        )
        assert list(rows) == list(judged)
        assert f'{criteria.IMPROVEMENT:.0%}'[:-1] in rows['task_loss_improvement']
        assert f'{criteria.SPIKE:g}' in rows['training_stability']
        assert f'{criteria.GRADIENT_NORM:g}' in rows['training_stability']
        assert f'{criteria.TOTAL:g}' in rows['total_loss']
