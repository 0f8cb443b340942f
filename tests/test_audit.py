"""What `make audit` says of pip-audit's answers."""

import json

import pytest

from tests.audit import CLEAN, FOUND, UNKNOWN, summary

SOUND = dict(name='rich', version='13.0', vulns=[])
BAD = dict(name='jinja2', version='3.1', vulns=[dict(id='GHSA-x', fix_versions=['3.1.6'], aliases=[], description='')])
ABSENT = dict(name='torch', skip_reason='torch (2.13.0+cpu) is not on PyPI')


@pytest.mark.parametrize(
    ('packages', 'status', 'last'),
    [
        ([SOUND], CLEAN, 'audit: 1 packages looked up, 0 with advisories, 0 not looked up'),
        ([SOUND, BAD, ABSENT], FOUND, 'audit: 2 packages looked up, 1 with advisories, 1 not looked up'),
        ([ABSENT], UNKNOWN, 'audit: 0 packages looked up, 0 with advisories, 1 not looked up'),
    ],
)
def test_status_and_summary(packages, status, last):
    found, lines = summary(json.dumps(dict(dependencies=packages, fixes=[])), '')
    assert (found, lines[-1]) == (status, last)
    assert ('  jinja2 3.1: GHSA-x, mended by 3.1.6' in lines) == (BAD in packages)
    assert ('  not looked up: torch: torch (2.13.0+cpu) is not on PyPI' in lines) == (ABSENT in packages)


@pytest.mark.parametrize('report', ['', 'Traceback', '{}'])
def test_no_answer_is_not_taken_for_a_good_one(report):
    status, lines = summary(report, 'trace\nConnectionError: name or service not known\n')
    assert status == UNKNOWN
    assert lines == [
        'audit: no answer, so nothing is known; the index or advisory service is out of reach '
        '(ConnectionError: name or service not known)'
    ]
