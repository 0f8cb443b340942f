"""What `mim search` shows, out of the committed records: ``python -m tests.metafile`` writes it into the configs.

Run it again when records are added: an experiment's entry then has the mean over its seeds.
"""

from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from mapsage_mmseg.evaluation.record import open_record

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / 'configs/distill/metafile.yml'
CONFIGS = dict(  # by arm, in this order
    no_distill='configs/distill/no_distill.py',
    baseline_distill='configs/distill/baseline.py',
    improved_distill='configs/distill/improved.py',
    best_control='configs/distill/best_control.py',
    best='configs/distill/best.py',
    best_cached='configs/distill/ablations/best_cached.py',
)
FOLDERS = ('dubai', 'dubai_50_epochs')  # the others hold runs that are of the same arm and seed
METRICS = {'mIoU': 'mIoU', 'aAcc': 'aAcc', 'boundary F1': 'boundary_f1', 'task loss': 'task_loss'}
HEAD = """\
# Written by `python -m tests.metafile` out of the records in docs/results: change those, not this. Scores are those of
# the last epoch, the mean over the seeds that are named; {runs} runs in all. No weights are published.
"""
COLLECTION = {
    'Name': 'MapSage Distillation',
    'License': 'Apache License 2.0',
    'Metadata': {
        'Training Techniques': ['Knowledge distillation', 'AdamW'],
        'Architecture': ['SegFormer-B0'],
    },
}


def arm(record: dict[str, Any]) -> str:
    """Which arm a run belongs to, by today's names: for a while `best` was what is `best_cached`."""
    if record['experiment'] in ('best', 'best_cached', 'best_live'):
        return 'best_cached' if record['teacher'].get('cache') else 'best'
    return record['experiment']


def runs() -> dict[str, list[dict[str, Any]]]:
    """Finished runs by arm, data set and length, by seed."""
    records = [open_record(path) for folder in FOLDERS for path in ROOT.glob(f'docs/results/{folder}/*/result.json')]
    records = [record for record in records if record['status'] == 'finished' and arm(record) in CONFIGS]
    found: dict[str, list[dict[str, Any]]] = {}
    for record in sorted(records, key=lambda record: (list(CONFIGS).index(arm(record)), record['seed'])):
        name = f'{arm(record)}_{record["dataset"]["name"]}_{len(record["epochs"])}e'
        found.setdefault(name, []).append(record)
    return found


def entry(name: str, records: list[dict[str, Any]]) -> dict[str, Any]:
    """An experiment's, in the form of modelindex."""
    first, last = records[0], [record['epochs'][-1]['val'] for record in records]
    metrics = {shown: round(fmean(val[key] for val in last), 4) for shown, key in METRICS.items()}
    return {
        'Name': name,
        'In Collection': COLLECTION['Name'],
        'Config': CONFIGS[arm(first)],
        'Metadata': {
            'Training Data': first['dataset']['name'],
            'Epochs': len(first['epochs']),
            'Parameters (M)': first['student']['params_m'],
            'Seeds': ' '.join(str(record['seed']) for record in records),
            'Commit': ' '.join(record['git_commit'] for record in records),
        },
        'Results': [{'Task': 'Semantic Segmentation', 'Dataset': first['dataset']['name'], 'Metrics': metrics}],
    }


def text() -> str:
    """The file's content."""
    found = runs()
    models = [entry(name, records) for name, records in found.items()]
    head = HEAD.format(runs=sum(map(len, found.values())))
    return head + yaml.safe_dump({'Collections': [COLLECTION], 'Models': models}, sort_keys=False, width=120)


if __name__ == '__main__':
    FILE.write_text(text(), encoding='utf-8')
