"""Cut scenes into the tiles that --data-root takes: see --help and docs/data.md."""

import sys

from mapsage_mmseg.commands import cli, prepare_data

if __name__ == '__main__':
    sys.exit(cli.run(prepare_data.main))
