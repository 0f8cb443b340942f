"""What in a page of Markdown reads like a command."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

SHELL = ('', 'sh', 'bash', 'console')  # languages of a block that may hold commands; an indented block has none
KNOB = re.compile(r'(model|default_hooks|optim_wrapper|train_cfg|\w+_dataloader)(\.\w+)+=\S+')
ASSIGNMENT = re.compile(r'[A-Za-z_]\w*=')


@dataclass(frozen=True)
class Command:
    """A command and where it stands; ``whole`` is False in running text, where arguments may be left out."""

    line: int
    text: str
    whole: bool = True


def commands(text: str, programs: Container[str]) -> Iterator[Command]:
    """Everything in a page that reads like a command of these programs: lines of blocks, and code in running text."""
    prose: list[str] = []
    for number, language, line in blocks(text):
        if language is None:
            prose.append(line)
            continue
        prose.append('')
        if language in SHELL and (is_command(line, programs) or 'tools/' in line):
            yield Command(number, line)
    for found in re.finditer(r'(?<!`)`([^`]+)`(?!`)', '\n'.join(prose)):
        code = ' '.join(found[1].split())
        knobs = all(KNOB.fullmatch(word) for word in code.split())
        if knobs or is_command(code, programs) or code.startswith('--') or re.match(r'(tools/)?\w+\.py ', code):
            yield Command('\n'.join(prose).count('\n', 0, found.start()) + 1, code, whole=False)


def blocks(text: str) -> Iterator[tuple[int, str | None, str]]:
    """(number, language, line) of every line; the language is None outside code. Continued lines are joined."""
    fence, before, held = None, '', ''
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith('```'):
            fence = None if fence is not None else line.strip('` ')
            yield number, None, ''
        elif fence is None and not (line.startswith('    ') and (not before.strip() or before.startswith('    '))):
            yield number, None, line
        elif line.endswith('\\'):
            held += line[:-1]
            yield number, 'text', ''
        else:
            yield number, fence or '', (held + line).strip()
            held = ''
        before = line


def is_command(line: str, programs: Container[str]) -> bool:
    words = [word for word in line.split() if not ASSIGNMENT.match(word)]
    return bool(words) and words[0] in programs
