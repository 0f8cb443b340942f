"""Search a config's knobs on a part of its training scenes: see --help and README.md."""

import sys

from mapsage_mmseg.commands import cli, tune

if __name__ == '__main__':
    sys.exit(cli.run(tune.main))
