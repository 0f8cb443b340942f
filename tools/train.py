"""Train a student, its teacher, or its control: see --help, README.md and configs/distill."""

import sys

from mapsage_mmseg.commands import cli, train

if __name__ == '__main__':
    sys.exit(cli.run(train.main))
