"""The site: it builds without a warning, in both languages, and fetches nothing."""

import re
import shutil
from pathlib import Path

import pytest

pytest.importorskip('mkdocs', reason='needs the extra [docs], which `make docs` installs')
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')

from mkdocs.commands.build import build  # noqa: E402
from mkdocs.config import load_config  # noqa: E402
from mkdocs.exceptions import Abort  # noqa: E402


def made(settings: Path, out: Path, **changes) -> Path:
    """Builds a site as ``mkdocs build --strict`` does."""
    config = load_config(str(settings), strict=True, site_dir=str(out), **changes)
    config.plugins.on_startup(command='build', dirty=False)
    build(config)
    return out


@pytest.fixture(scope='module')
def site(repository, tmp_path_factory) -> Path:
    return made(repository / 'mkdocs.yml', tmp_path_factory.mktemp('site'))


def test_every_page_is_there_in_both_languages(site, repository):
    pages = [
        path.relative_to(repository / 'docs').with_suffix('.html')
        for path in (repository / 'docs').rglob('*.md')
        if not path.name.endswith('.zh.md')
    ]
    assert [page for page in pages if not (site / page).is_file() or not (site / 'zh' / page).is_file()] == []
    assert '<html lang="zh"' in (site / 'zh/install.html').read_text()
    assert '两个 CPU 核心' in (site / 'zh/first_distillation.html').read_text()
    assert 'Two at once' in (site / 'zh/reliability.html').read_text()  # English, for want of a translation


def test_nothing_is_fetched_from_elsewhere(site):
    fetched = re.compile(r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="?(https?:[^" >]+)')
    found = {url for page in site.rglob('*.html') for url in fetched.findall(page.read_text())}
    assert found == set()


def test_the_reference_comes_from_the_docstrings(site):
    text = re.sub(r'<[^>]+>', '', (site / 'reference/levels.html').read_text())
    assert 'T^2 * KL(softmax(teacher/T) || softmax(student/T))' in text
    assert 'Module form of logit_kl.' in text  # a role, :func:`logit_kl`
    assert (site / 'images/report.png').stat().st_size < 150_000


@pytest.mark.parametrize(
    'text', ['[a page](instal.md)', '[a heading](install.md#no-such-heading)', '![a picture](images/no.png)']
)
def test_a_broken_link_fails(text, repository, tmp_path):
    shutil.copytree(repository / 'docs', tmp_path / 'docs', ignore=shutil.ignore_patterns('results', 'reference'))
    with (tmp_path / 'docs/index.md').open('a') as page:
        page.write(f'\n{text}\n')
    kept = (repository / 'mkdocs.yml').read_text().split('\n  - mkdocstrings:')
    settings = kept[0] + '\n' + kept[1][kept[1].index('\nmarkdown_extensions') :]
    settings = re.sub(r'\n  - Reference:(\n      - .*)+', '', settings)
    (tmp_path / 'mkdocs.yml').write_text(settings.replace('site_name', 'docs_dir: docs\nsite_name', 1))
    with pytest.raises(Abort):
        made(tmp_path / 'mkdocs.yml', tmp_path / 'site')
