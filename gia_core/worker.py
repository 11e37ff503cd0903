"""One run carried out and recorded: events as they come, wishes between iterations, every failure in one sentence."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import torch

from .audit import Finished, Progress, Started, audit
from .bodies import chapter_body, finished_body, progress_body, scores, sprite, started_body, training_body
from .chronicle import Advanced, Began, Ended
from .models.training import Training
from .provenance import commit, provenance
from .settings import Settings
from .spec import AuditSpec
from .store import Control, Json, Run, RunStore, Status, StoreError
from .stories import Told, story
from .types import Table

RECORD_EVERY = 0.5
"""Seconds between two progress events, at least: a page changes at most twice a second."""
RECORD_AT_MOST_EVERY = 10.0
"""Seconds after which progress is recorded, whatever that costs."""
SHARE = 0.025
"""Of a run's time that recording may take: where pictures are large or scores slow, progress comes less often."""
LOOK_EVERY = 0.2
"""Seconds between two looks at what the user wants, each a sign of life."""
PATIENCE = 30.0
"""Seconds for which a store that cannot be written is tried again before the run is given up."""
RETRY_EVERY = 0.25

OUT_OF_MEMORY = "The run ran out of memory: choose a smaller batch, model or image size."

logger = logging.getLogger(__name__)
T = TypeVar("T")


class OverError(Exception):
    """Somebody else has ended the run, or deleted it."""


def work(settings: Settings, run_id: str, *, device: str) -> str | None:
    """Carry out a claimed run in this process; as ``carry_out``. On a CPU it takes as many cores as it was given."""
    if device == "cpu":
        torch.set_num_threads(settings.cpus_per_run)
    try:
        store = persist(lambda: RunStore(settings.store_url, home=settings.home))
    except StoreError as error:
        return str(error)
    try:
        return carry_out(store, run_id, device=device, home=settings.home)
    finally:
        store.close()
        if device != "cpu":
            gc.collect()
            torch.cuda.empty_cache()  # this process stays for the next run, its memory is for all


def rehearse(settings: Settings, *, device: str) -> None:
    """Go once through what every run needs, so that the next one in this process shows its first picture at once."""
    commit()
    for event in audit(AuditSpec(), device=device, home=settings.home):
        if isinstance(event, Progress):
            scores(event)
            sprite(event.paired.images)
            return


def carry_out(store: RunStore, run_id: str, *, device: str, home: Path) -> str | None:
    """Carry out a claimed run and record it up to its end; one that is over, or was started before, is left alone.

    Returns None, or, where the store could not be told how the run ended, the sentence that it failed with.
    """
    made_with = provenance(device)
    try:
        run = persist(lambda: store.start(run_id, made_with))
    except StoreError as error:
        return str(error)
    except (KeyError, ValueError):
        return None
    with Wishes(store, run) as wishes:
        status, reason = attempt(run, Recorder(store, run_id), wishes, device=device, home=home)
    try:
        persist(lambda: store.finish(run_id, status, error=reason))  # the first to say how a run ended is right
    except StoreError as error:
        return reason or str(error)
    return None


def attempt(run: Run, recorder: Recorder, wishes: Wishes, *, device: str, home: Path) -> tuple[Status, str | None]:
    """How the run ended, and why if it failed; stopped, where somebody else has ended it already."""
    try:
        return narrate(run, recorder, wishes, device=device, home=home), None
    except OverError:
        return Status.STOPPED, None
    except Exception as error:
        logger.exception("Run %s failed", run.id)
        return Status.FAILED, sentence(error)


def narrate(run: Run, recorder: Recorder, wishes: Wishes, *, device: str, home: Path) -> Status:
    """Record the story of the run as it unfolds, and do between its events what the user wishes."""
    if run.job is None:
        raise ValueError(run.error)
    if wishes.to_stop():
        return Status.STOPPED
    for event in story(run.job, device=device, home=home, stopped=wishes.to_stop):
        recorder.tell(event)
        if isinstance(event, Finished | Ended):
            return Status.STOPPED if event.stopped else Status.FINISHED
        if wishes.control is Control.PAUSE:
            recorder.flush()
            with recorder.watch.held():
                wishes.wait_while_paused()
        if isinstance(event, Training) and wishes.to_stop():
            break  # there is nothing yet that could be kept
    return Status.STOPPED


def sentence(error: Exception) -> str:
    """What a page may show of a failure: a cause the user can act on, no path and no traceback."""
    text = str(error)
    if isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text:
        return OUT_OF_MEMORY
    if type(error) in (ValueError, StoreError):
        return text
    return f"The run failed because of an error in the program ({type(error).__name__}); the runner's log tells more."


def persist(write: Callable[[], T]) -> T:
    """Try again while the store is locked, full or away. Raises StoreError when ``PATIENCE`` is at its end."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return write()
        except StoreError as error:
            logger.warning("%s", error)
            if time.monotonic() > deadline:
                raise
        time.sleep(RETRY_EVERY)


class Wishes:
    """What the user wants of one run; a thread asks the store, so that no iteration waits for it, however slow."""

    def __init__(self, store: RunStore, run: Run) -> None:
        self.control, self.steps_granted = run.control, 0
        self._store, self._run_id = store, run.id
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="wishes", daemon=True)

    def __enter__(self) -> Wishes:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def to_stop(self) -> bool:
        return self.control is Control.STOP

    def wait_while_paused(self) -> None:
        """Returns when the run is to go on, to stop, or to take a single step, after which it is paused again."""
        persist(lambda: self._store.mark(self._run_id, Status.PAUSED))
        while self.control is Control.PAUSE:
            # What was read may be old by now; the store alone knows whether a step is left.
            if self.steps_granted and persist(lambda: self._store.take_step(self._run_id)):
                return
            time.sleep(LOOK_EVERY / 4)
        persist(lambda: self._store.mark(self._run_id, Status.RUNNING))

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            try:
                self.control, self.steps_granted = self._store.beat(self._run_id)
            except StoreError as error:
                logger.debug("%s", error)  # the last wish holds until the store can be asked again
            except KeyError:
                self.control = Control.STOP


class Stopwatch:
    """Seconds since it was made, without those for which it was held."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = clock()

    def seconds(self) -> float:
        return self._clock() - self._start

    @contextmanager
    def held(self) -> Iterator[None]:
        since = self._clock()
        yield
        self._start += self._clock() - since


class Recorder:
    """Writes the events of one run into the store, as often as it may: the first and the last of each kind always."""

    def __init__(self, store: RunStore, run_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.watch = Stopwatch(clock)
        self._store, self._run_id, self._clock = store, run_id, clock
        self._latest: Told | None = None
        self._written = True
        self._due = 0.0
        self._attack_began, self._baselines = 0.0, Json()
        self._tables: tuple[Table, ...] = ()
        self._samples: torch.Tensor | None = None
        self._failing_since: float | None = None
        self._iteration = 0

    def tell(self, event: Told) -> None:
        """Take in one event; all that most of them cost is this look at the clock."""
        is_first = type(event) is not type(self._latest)
        if is_first:
            self.flush()
        self._latest, self._written = event, False
        if is_first or self._clock() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Record the latest event now, if it is not recorded yet."""
        if self._latest is None or self._written:
            return
        begun = self._clock()
        self._keep(self._latest)
        self._written = True
        cost = self._clock() - begun
        self._due = begun + min(max(RECORD_EVERY, cost / SHARE), RECORD_AT_MOST_EVERY)

    def _keep(self, event: Told) -> None:
        """Progress that the store does not take is skipped for a while: the attack is worth more than its picture."""
        if isinstance(event, Started | Finished | Began | Ended):
            persist(lambda: self._write(event))
            return
        try:
            self._write(event)
            self._failing_since = None
        except StoreError as error:
            logger.warning("%s", error)
            self._failing_since = self._failing_since or self._clock()
            if self._clock() - self._failing_since > PATIENCE:
                raise

    def _write(self, event: Told) -> None:
        elapsed = self.watch.seconds()
        match event:
            case Training():
                self._record(training_body(event, elapsed=elapsed))
            case Started():
                body = started_body(event)
                self._attack_began, self._baselines = elapsed, body["baselines"]
                self._record(body, truth=sprite(event.truth.images))
            case Progress():
                rate = event.step.iteration / max(elapsed - self._attack_began, 1e-9)
                new, drawn = event.step.tables is not self._tables, event.step.samples is not self._samples
                self._tables, self._samples = event.step.tables, event.step.samples
                body = progress_body(event, elapsed=elapsed, rate=rate, tables=new, samples=drawn)
                self._record(body, pictured(event))
            case Finished():
                self._record(finished_body(event, baselines=self._baselines, seconds=elapsed), pictured(event.last))
            case Began() | Advanced() | Ended():
                images = getattr(event, "images", None)
                self._iteration = getattr(event, "iteration", self._iteration)
                frame = None if images is None else (self._iteration, sprite(images))
                self._record(chapter_body(event, elapsed=elapsed), frame)

    def _record(self, body: Json, frame: tuple[int, bytes] | None = None, *, truth: bytes | None = None) -> None:
        try:
            live = self._store.record(self._run_id, body, frame=frame, truth=truth)
        except KeyError:
            live = False
        if not live:
            raise OverError


def pictured(event: Progress) -> tuple[int, bytes]:
    """The iteration, and its images as one PNG."""
    return event.step.iteration, sprite(event.paired.images)
