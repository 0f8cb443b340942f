"""Look at a distillation before it is run: see --help and README.md."""

import sys

from mapsage_mmseg.commands import cli, doctor

if __name__ == '__main__':
    sys.exit(cli.run(doctor.main))
