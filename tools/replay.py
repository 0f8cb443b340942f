"""Run the step again that a run was stopped by: see --help and docs/reliability.md."""

import sys

from mapsage_mmseg.commands import cli, replay

if __name__ == '__main__':
    sys.exit(cli.run(replay.main))
