"""The page of the demo, in Gradio; nothing leaves this machine unless the page is shared."""

import html
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...imagery.formats import IMAGE_SUFFIXES
from ...visualization.report import TEMPLATES
from ...visualization.side_by_side import render
from ..predictor import Predictor
from .models import Example
from .side_by_side import Contestant, see
from .uploads import read_upload

INSTALL = "pip install 'mapsage_mmseg[demo]'"
MOST_UPLOADED = 256 * 2**20  # bytes of a file
WAITING = 16  # pictures that may wait while one is predicted
FORGET = 600  # seconds after which uploads that were never read are removed
HINT = '<p>Drop in a picture, and its maps appear here.</p>'
SLIDE = "(percent) => { document.documentElement.style.setProperty('--cover', percent / 100) }"


def require_gradio() -> None:
    """Checks that Gradio is installed.

    Raises:
        InputError: It is not installed.
    """
    if find_spec('gradio') is None:
        raise InputError(f'gradio is not installed: {INSTALL}')


@dataclass(frozen=True)
class Demo:
    """Content of the demo.

    Attributes:
        title: Name of the model.
        contestants: The student, and the teacher if there is one.
        examples: Tiles with their labels.
        remarks: Reasons why something is not shown.
        bands, span: As for :class:`~mapsage_mmseg.imagery.scene_reader.Scene`, for uploaded pictures.
        largest: Largest number of pixels of an uploaded picture.
    """

    title: str
    contestants: Sequence[Contestant]
    examples: Sequence[Example]
    remarks: Sequence[str]
    bands: Sequence[int] | None
    span: tuple[float, float] | None
    largest: int

    @property
    def _student(self) -> Predictor:
        return self.contestants[0].predictor

    def photograph(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """Converts model input to a picture for viewing, RGB (H, W, 3), uint8."""
        return self._student.bands.picture(image) if self._student.bands else image

    def example(self, index: int) -> str:
        """Returns the HTML of an example."""
        chosen = self.examples[index]
        known = np.ones(chosen.label.shape, bool)
        return self._answer(chosen.image, known, f'Example {index + 1}', chosen.label)

    def upload(self, path: str) -> str:
        """Returns the HTML of an uploaded picture, or of an error message; the file is removed."""
        file = Path(path)
        try:
            image, known = read_upload(file, self.bands, self.span, self.largest, self._student.bands)
        except InputError as error:
            return f'<p class="demo-message" role="alert">{html.escape(str(error))}</p>'
        finally:
            file.unlink(missing_ok=True)
        return self._answer(image, known, file.name)

    def _answer(
        self, image: NDArray[Any], known: NDArray[np.bool_], title: str, label: NDArray[np.int64] | None = None
    ) -> str:
        seen = {each.name: see(image, known, each.predictor) for each in self.contestants}
        maps: dict[str, NDArray[Any]] = {} if label is None else dict(label=label)
        student = self._student
        models = [dict(vars(each), milliseconds=seen[each.name].milliseconds) for each in self.contestants]
        maps.update((name, found.classes) for name, found in seen.items())
        return render(self.photograph(image), maps, student.classes, student.palette, models, title)


def build(demo: Demo) -> Any:
    """Builds the page as Gradio's blocks."""
    import gradio as gr

    with gr.Blocks(title=f'{demo.title}: demo', analytics_enabled=False, delete_cache=(60, FORGET)) as page:
        gr.HTML(_head(demo))
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                drop = gr.File(file_types=list(IMAGE_SUFFIXES), label='A picture: PNG, JPEG, TIFF, ...', height=170)
                thumbnails = gr.Gallery(
                    [demo.photograph(example.image) for example in demo.examples],
                    label='or an example from the validation data',
                    columns=4,
                    height='auto',
                    allow_preview=False,
                    interactive=False,
                    buttons=[],
                    visible=bool(demo.examples),
                    elem_classes='demo-examples',
                )
                cover = gr.Slider(0, 100, 70, step=1, label='Map over photograph, %', buttons=[])
            with gr.Column(scale=3, min_width=320):
                answer = gr.HTML(HINT)
        private: dict[str, Any] = dict(api_visibility='private')

        def uploaded(path: str | None) -> tuple[Any, None]:
            return (gr.skip() if path is None else demo.upload(path)), None

        def chosen(event: gr.SelectData) -> str:
            return demo.example(event.index)

        drop.upload(uploaded, drop, [answer, drop], show_progress_on=answer, scroll_to_output=True, **private)
        thumbnails.select(chosen, None, answer, scroll_to_output=True, **private)
        cover.input(None, cover, None, js=SLIDE, **private)
        if demo.examples:
            page.load(lambda: demo.example(0), None, answer, **private)
    page.queue(max_size=WAITING, default_concurrency_limit=1)
    return page


def _head(demo: Demo) -> str:
    score = [f'{each.name} mIoU {each.mIoU:.2f} %' for each in demo.contestants if each.mIoU is not None]
    lines = [' · '.join(score), *demo.remarks]
    told = ''.join(f'<p>{html.escape(line)}</p>' for line in lines if line)
    return f'<header class="demo-head"><h1>{html.escape(demo.title)}</h1>{told}</header>'


@contextmanager
def served(demo: Demo, host: str, port: int | None, share: bool = False) -> Iterator[tuple[str, Any]]:
    """Serves the page within the context; afterwards, all uploads are removed.

    Yields:
        Its addresses in words, and Gradio's blocks.

    Raises:
        InputError: The address is not available.
    """
    with tempfile.TemporaryDirectory(prefix='mapsage_demo_', ignore_cleanup_errors=True) as folder:
        # Gradio reads these when it is imported: the folder for uploads, and no telemetry
        os.environ.update(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED='0', HF_HUB_DISABLE_TELEMETRY='1')
        import gradio as gr

        page = build(demo)
        try:
            _, local, public = page.launch(
                server_name=host,
                server_port=port,
                share=share,
                quiet=True,
                prevent_thread_lock=True,
                ssr_mode=False,
                max_file_size=MOST_UPLOADED,
                footer_links=[],
                theme=gr.themes.Default(primary_hue='indigo'),
                css_paths=[TEMPLATES / 'demo.css'],
            )
        except OSError as error:
            raise InputError(f'--host {host} --port {port} cannot be had: {str(error).splitlines()[0]}') from error
        try:
            yield f'{local} and {public}' if public else local, page
        finally:
            page.close()


def serve(demo: Demo, host: str, port: int | None, share: bool) -> None:
    """Serves the page until the process is interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with served(demo, host, port, share) as (address, page):
        print(f'Serving on {address}; Ctrl-C ends it', flush=True)
        page.block_thread()
