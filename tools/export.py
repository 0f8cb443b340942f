"""Write a trained student as files that leave: see --help and docs/deployment.md."""

import sys

from mapsage_mmseg.commands import cli, export

if __name__ == '__main__':
    sys.exit(cli.run(export.main))
