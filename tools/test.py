"""Score a student, or its teacher: see --help and README.md."""

import sys

from mapsage_mmseg.commands import cli, test

if __name__ == '__main__':
    sys.exit(cli.run(test.main))
