"""Run configs with several seeds, and compare them: see --help and README.md."""

import sys

from mapsage_mmseg.commands import cli, repeat

if __name__ == '__main__':
    sys.exit(cli.run(repeat.main))
