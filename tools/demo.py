"""A page that shows what a student, and its teacher, make of a picture: see --help and docs/demo.md."""

import sys

from mapsage_mmseg.commands import cli, demo

if __name__ == '__main__':
    sys.exit(cli.run(demo.main))
