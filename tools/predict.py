"""Predict land cover of pictures and GeoTIFFs of any size: see --help and docs/deployment.md."""

import sys

from mapsage_mmseg.commands import cli, predict

if __name__ == '__main__':
    sys.exit(cli.run(predict.main))
