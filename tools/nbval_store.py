"""A pytest plugin: execute chapters with nbval, compare them, and store them for the site.

Every code cell of a notebook below ``_build/notebooks`` is a test. Cells tagged
``nbval-check-output`` that carry outputs are compared with them by nbval. What the kernel sends
is also fed to an `nbclient.NotebookClient`, and a notebook all of whose cells passed goes into the
site's jupyter-cache, widget state included: one execution serves the tests and the build.

Load it with ``-p nbval_store``. It uses nbval's classes without its ``--nbval`` option, and cures
three defects of nbval 0.11:

1. cells ran with ``store_history=False``: a trailing ``;`` was ignored, tracebacks said ``In[1]``
   (computationalmodelling/nbval issue 194);
2. a dead kernel was noticed only when the cell's time ran out;
3. messages are read after the cell's reply, when a cell that prints much has lost some.
"""

import re
import time
import traceback
from itertools import groupby
from pathlib import Path
from queue import Empty

import nbformat
import pytest
import zmq
from booklib import Book
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager, RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LANGUAGE = {"name": "python", "pygments_lexer": "ipython3"}


class DeadKernel(Exception):
    """The kernel's process ended while a cell ran."""


class ChapterKernel(RunningKernel):
    """A kernel that loses no message and whose death is noticed at once."""

    def __init__(self, folder, environment):
        self.listener = None  # called with each iopub message
        self.km = KernelManager(
            kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=NbvalKernelspecManager()
        )
        self.km.start_kernel(cwd=str(folder), env=environment)
        self.kc = self.km.client()
        # nbval reads a cell's messages after its reply; by default the queue holds a thousand.
        self.kc.context.setsockopt(zmq.RCVHWM, 0)
        self.kc.start_channels()
        try:
            self.kc.wait_for_ready(timeout=60)
            self._ensure_iopub_up()
        except RuntimeError:
            self.stop()
            raise

    def execute_cell_input(self, cell_input, allow_stdin=None):
        # Without history the prompt stays at 1 and IPython does not honour a trailing `;`.
        return self.kc.execute(
            cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
        )

    def get_message(self, stream, timeout=None):
        message = super().get_message(stream, timeout)
        if stream == "iopub" and self.listener:
            self.listener(message)
        return message

    def await_reply(self, msg_id, timeout=None):
        end = time.monotonic() + (timeout or float("inf"))
        while True:
            try:
                return super().await_reply(msg_id, timeout=max(0, min(1, end - time.monotonic())))
            except Empty:
                if not self.is_alive():
                    raise DeadKernel(
                        "the kernel died (out of memory, or a crash in compiled code)"
                    ) from None
                if time.monotonic() > end:
                    raise


class ChapterFile(IPyNbFile):
    """A notebook to execute; knows the chapter it was made from."""

    def collect(self):
        self.compare_outputs = False  # only cells tagged for it, as `nbval --nbval-lax` does
        cells = list(super().collect())
        about = self.nb.metadata.pop("dlbook")
        self.book = Book(about["root"])
        self.chapter = self.book.chapter(about["chapter"])
        self.rests_on = about["rests_on"]
        self.time_limit = about["timeout"]
        self.failed = None
        self.passed = 0
        for item in cells:
            yield ChapterCell.from_parent(
                self, name=item.name, cell_num=item.cell_num, cell=item.cell, options=item.options
            )

    def setup(self):
        self.started = time.monotonic()
        executed = nbformat.from_dict(self.nb)
        for cell in executed.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        self.code_cells = [cell for cell in executed.cells if cell.cell_type == "code"]
        self.client = NotebookClient(executed, record_timing=False)
        self.client.reset_execution_trackers()
        self.kernel = ChapterKernel(self.path.parent, self.book.environment)
        self.client.kc = self.kernel.kc

    def teardown(self):
        super().teardown()
        if self.passed == len(self.code_cells) and not self.failed:
            notebook = self.client.nb
            notebook.metadata.language_info = LANGUAGE
            self.client.set_widgets_metadata()
            seconds = round(time.monotonic() - self.started, 2)
            self.book.store(self.chapter, notebook, self.rests_on, seconds)


class ChapterCell(IPyNbCell):
    """A code cell as a test."""

    def runtest(self):
        file = self.parent
        if file.failed is not None:
            pytest.skip(f"cell {file.failed} failed")
        cell = file.code_cells[self.cell_num]

        def record(message):
            # The same filter as nbclient's own: a late message of another cell is not ours.
            if message["parent_header"].get("msg_id") != record.msg_id:
                return
            try:
                file.client.process_message(message, cell, self.cell_num)
            except CellExecutionComplete:
                cell.outputs = merge_streams(cell.outputs)

        send = file.kernel.execute_cell_input

        def send_and_note(source, allow_stdin=None):
            record.msg_id = send(source, allow_stdin)
            return record.msg_id

        record.msg_id = None
        file.client.clear_before_next_output = False  # nbclient sets it when a cell begins
        file.kernel.listener = record
        file.kernel.execute_cell_input = send_and_note
        self.config.option.nbval_cell_timeout = file.time_limit
        try:
            super().runtest()
        except NbCellError as error:
            if str(error) != "Cell outputs differ":  # the cells after it would only fail with it
                file.failed = self.cell_num
            else:
                file.passed = float("-inf")  # executed well, but not to be stored as a pass
            raise
        except DeadKernel:
            file.failed = self.cell_num
            raise
        finally:
            file.kernel.execute_cell_input = send
        file.passed += 1

    def repr_failure(self, excinfo):
        where = f"{self.parent.chapter.name}, code cell {self.cell_num}"
        if isinstance(excinfo.value, DeadKernel):
            return f"{where}: {excinfo.value}\n\nInput:\n{self.cell.source}"
        if not isinstance(excinfo.value, NbCellError):
            return f"{where}: {''.join(traceback.format_exception(excinfo.value, limit=-3))}"
        return f"{where}\n{super().repr_failure(excinfo)}"

    def reportinfo(self):
        return self.path, 0, f"{self.parent.chapter.name}::cell {self.cell_num}"


def merge_streams(outputs):
    """Join consecutive pieces of the same stream: where a print was cut depends on timing."""
    merged = []
    for name, group in groupby(outputs, key=lambda output: output.get("name")):
        pieces = list(group)
        if name is not None:  # only streams have a name
            pieces[0].text = "".join(piece.text for piece in pieces)
            del pieces[1:]
        merged += pieces
    return merged


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".ipynb" and "_build" in Path(file_path).parts:
        return ChapterFile.from_parent(parent, path=file_path)


# -- one line a chapter, for `make book` -----------------------------------------------------


def pytest_addoption(parser):
    parser.addoption(
        "--chapter-lines", action="store_true", help="report a line a chapter instead of dots"
    )


def pytest_configure(config):
    if config.getoption("--chapter-lines") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(ChapterLines(config), "chapter-lines")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if isinstance(item, ChapterCell):
        outcome.get_result().chapter = item.parent.chapter.name
        outcome.get_result().is_last = item.cell_num == len(item.parent.code_cells) - 1


class ChapterLines:
    """Prints a line when a chapter has finished, and its failures in full right there."""

    def __init__(self, config):
        self.config = config
        self.seconds, self.failures = {}, {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report):
        return report.outcome, "", ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session):
        # xdist's own lines about its workers
        chatter = self.config.pluginmanager.getplugin("terminaldistreporter")
        if chatter:
            self.config.pluginmanager.unregister(chatter)

    def pytest_runtest_logreport(self, report):
        name = getattr(report, "chapter", None)
        if name is None:
            return
        self.seconds[name] = self.seconds.get(name, 0) + report.duration
        if report.failed:
            self.failures.setdefault(name, []).append(str(report.longrepr))
        if report.when == "teardown" and report.is_last:
            writer = self.config.get_terminal_writer()
            verdict = "FAILED" if name in self.failures else "done"
            writer.line(f"  {verdict:6} {name}  {self.seconds[name]:.1f} s")
            for failure in self.failures.get(name, []):
                writer.line(failure if writer.hasmarkup else COLOURS.sub("", failure))
