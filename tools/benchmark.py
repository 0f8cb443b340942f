"""Time the steps of a distillation against what they are measured by: see --help and docs/performance.md."""

import sys

from mapsage_mmseg.commands import benchmark, cli

if __name__ == '__main__':
    sys.exit(cli.run(benchmark.main))
