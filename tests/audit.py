"""Looks the installed packages up in PyPI's advisories: ``make audit``. Says what could not be looked up, for pip-audit
itself ends with 0 where it reached nothing."""

import json
import subprocess
import sys

CLEAN, FOUND, UNKNOWN = 0, 1, 2
COMMAND = [sys.executable, '-m', 'pip_audit', '--format', 'json', '--skip-editable', '--progress-spinner', 'off']


def summary(report: str, errors: str) -> tuple[int, list[str]]:
    """Exit status, and what to say.

    Args:
        report: What pip-audit wrote, JSON; not JSON where it reached no advisory service.
        errors: What it wrote on standard error.
    """
    try:
        packages = json.loads(report)['dependencies']
    except (ValueError, KeyError):
        last = (errors.strip().splitlines() or ['no reason given'])[-1]
        return UNKNOWN, [
            f'audit: no answer, so nothing is known; the index or advisory service is out of reach ({last})'
        ]
    looked_up = [package for package in packages if 'vulns' in package]
    left = [
        f'{package["name"]}: {package.get("skip_reason", "no reason")}'
        for package in packages
        if 'vulns' not in package
    ]
    lines = [f'  not looked up: {line}' for line in left]
    for package in looked_up:
        for found in package['vulns']:
            fixed = ', '.join(found['fix_versions']) or 'nothing yet'
            lines.append(f'  {package["name"]} {package["version"]}: {found["id"]}, mended by {fixed}')
    found_in = sum(bool(package['vulns']) for package in looked_up)
    lines.append(f'audit: {len(looked_up)} packages looked up, {found_in} with advisories, {len(left)} not looked up')
    return FOUND if found_in else CLEAN if looked_up else UNKNOWN, lines


def main() -> int:
    done = subprocess.run(COMMAND, capture_output=True, text=True)
    status, lines = summary(done.stdout, done.stderr)
    print('\n'.join(lines), file=sys.stderr if status else sys.stdout)
    return status


if __name__ == '__main__':
    sys.exit(main())
