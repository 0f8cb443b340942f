"""Compare runs and draw a report: see --help and README.md."""

import sys

from mapsage_mmseg.commands import cli, compare

if __name__ == '__main__':
    sys.exit(cli.run(compare.main))
