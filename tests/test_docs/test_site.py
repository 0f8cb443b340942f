"""The site: it builds without a warning, in both languages, and fetches nothing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('mkdocs', reason='needs the extra [docs], which `make docs` installs')


def build(settings: Path, out: Path) -> subprocess.CompletedProcess:
    """Builds a site as `make docs` does, elsewhere."""
    command = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '-f', str(settings), '-d', str(out)]
    environment = {**os.environ, 'NO_MKDOCS_2_WARNING': '1'}
    return subprocess.run(command, env=environment, cwd=settings.parent, capture_output=True, text=True, check=False)


@pytest.fixture(scope='module')
def site(repository, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp('site')
    built = build(repository / 'mkdocs.yml', out)
    assert built.returncode == 0, built.stderr[-3000:]
    return out


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


def test_broken_links_fail(repository, tmp_path):
    shutil.copytree(repository / 'docs', tmp_path / 'docs', ignore=shutil.ignore_patterns('results', 'reference'))
    with (tmp_path / 'docs/budget.md').open('a') as page:
        page.write('\n[a page](instal.md), [a heading](install.md#no-such-heading), ![a picture](images/no.png)\n')
    settings = (repository / 'mkdocs.yml').read_text()
    settings = re.sub(r'\n  - Reference:(\n      - .*)+', '', settings)
    settings = re.sub(r'\n  - mkdocstrings:(\n   .*)+', '', settings)
    (tmp_path / 'mkdocs.yml').write_text(settings)
    built = build(tmp_path / 'mkdocs.yml', tmp_path / 'site')
    assert built.returncode == 1
    told = [line for line in built.stderr.splitlines() if 'budget.md' in line]
    assert all(any(name in line for line in told) for name in ('instal.md', '#no-such-heading', 'images/no.png')), told
