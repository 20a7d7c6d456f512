"""Training batches: order, pictures and augmentation, made ahead of the step or in turns with it.

Where the step takes all cores itself, a thread beside it costs the step more than the thread's own work, for
every core waits for the slowest one. Batches of pictures in memory are then made between the steps, one by
each core, where there is a worker for each.

Order and augmentation depend on the seed, the epoch and each picture's id only, so the batches are the same
with any number of workers, after a resume, and in whatever order the data set lists its pictures. Where
pictures are mixed, each is mixed with the one that follows it in the epoch's order, the last with the first:
batches of any size mix alike. Where pictures are repeated, `repeats` views of each follow one another, and
that many epochs go through all pictures once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eighteen.augmenting.batch import BatchAugmenter
from eighteen.augmenting.draws import image_keys, uniforms, view_keys
from eighteen.augmenting.mixing import Mixing, mixed, mixed_targets
from eighteen.training.cache import Squares
from eighteen.training.progressive import shrunk
from eighteen.training.sampling import Keys, Sampling, shown_again, times_shown

AHEAD = 3
"""Batches that wait ready for the step."""

ORDER_STREAM = 0x0DE5
"""Keeps the draws of the order apart from those of the augmentation."""


NO_MIXING = Mixing()


@dataclass(frozen=True)
class TrainBatch:
    """A batch as the step takes it.

    Attributes:
        images: float32 `[B, C, H, W]`, augmented and normalised.
        targets: aligned with the images; rows of shares `[B, K]` where pictures are mixed.
        rows: which rows of the training split they are, `[B]`.
    """

    images: Tensor
    targets: Tensor
    rows: npt.NDArray[np.int64]


class TrainBatches:
    """All batches of each epoch.

    Args:
        squares: the stored pictures.
        targets: aligned with them.
        ids: names of the pictures, on which order and augmentation depend.
        augmenter: makes them into the network's input.
        batch_size: pictures a step.
        seed: of the run.
        workers: threads that read and augment ahead; 0 works where the batch is asked for.
        sides_px: side of the pictures in each epoch, see `progressive`; epochs beyond them are at full size.
        mixing: how pictures are mixed.
        soft: makes targets that can be mixed, see `Task.soft`; needed where pictures are mixed.
        repeats: views of a picture that follow one another.
        sampling: how often an epoch shows each class; other than natural asks for targets that are classes.
        in_turns: whether the step takes the cores that make batches, as on a CPU.
    """

    def __init__(
        self,
        squares: Squares,
        targets: Tensor,
        ids: list[str],
        augmenter: BatchAugmenter,
        batch_size: int,
        seed: int,
        workers: int,
        sides_px: tuple[int, ...] = (),
        mixing: Mixing = NO_MIXING,
        soft: Callable[[Tensor], Tensor] = torch.Tensor.float,
        repeats: int = 1,
        sampling: Sampling = "natural",
        in_turns: bool = False,
    ) -> None:
        self.squares = squares
        self.targets = targets
        self.augmenter = augmenter
        self.seed = seed
        self.workers = workers
        self.sides_px = sides_px
        self.mixing = mixing
        self.soft = soft
        self.repeats = repeats
        self.sampling = sampling
        self.in_turns = in_turns
        self._keys = image_keys(ids)
        self._slices = batch_slices(len(ids), batch_size)

    def __len__(self) -> int:
        """Steps an epoch."""
        return len(self._slices)

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """The rows in the order of an epoch, `[N]`; unless sampling is natural, some come repeatedly."""
        return self._shown(epoch // self.repeats)[0][self._places(epoch) // self.repeats]

    def epoch(self, epoch: int, start: int = 0) -> Iterator[TrainBatch]:
        """Batches of an epoch, from step `start` on."""
        # Partners of mixed pictures come from behind the batch's end; another view of itself is no partner.
        more = self.repeats if self.mixing.is_on else 0
        rows, keys = self._shown(epoch // self.repeats)
        shown, views = np.divmod(self._places(epoch), self.repeats)
        parts = []
        for cut in self._slices[start:]:
            places = np.arange(cut.start, cut.stop + more) % len(shown)
            cycle = shown[places]
            parts.append(_Part(rows[cycle], view_keys(keys[cycle], views[places]), epoch))
        if self.workers == 0:
            for part in parts:
                yield self._batch(part, None)
            return
        cores = torch.get_num_threads()
        if self.in_turns and self.squares.in_memory and self.workers >= cores:
            with _single_threaded(cores) as pool:
                for first in range(0, len(parts), cores):
                    made = list(pool.map(lambda part: self._batch(part, None), parts[first : first + cores]))
                    while made:
                        yield made.pop(0)
            return
        with ThreadPoolExecutor(self.workers, thread_name_prefix="decode") as pool:
            yield from _ahead(lambda part: self._batch(part, pool), parts)

    def _shown(self, cycle: int) -> tuple[npt.NDArray[np.int64], Keys]:
        """Rows in the order of an epoch (with repeats, of as many), and the keys of their augmentation."""
        rows, keys = np.arange(len(self._keys)), self._keys
        if self.sampling != "natural":
            times = times_shown(self.targets.numpy(), keys, self.sampling, self.seed, cycle)
            rows = np.repeat(rows, times)
            copies = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
            keys = shown_again(keys[rows], copies)
        draws = uniforms(self.seed ^ ORDER_STREAM, cycle, keys, 1)[:, 0]
        # Equal draws (the same id cannot occur twice) fall back to the key, never to the table's order.
        order = np.lexsort((keys, draws))
        return rows[order].astype(np.int64), keys[order]

    def _places(self, epoch: int) -> npt.NDArray[np.int64]:
        """Where an epoch lies in the sequence in which every picture stands `repeats` times, `[N]`."""
        count = len(self._keys)
        return np.arange(count, dtype=np.int64) + epoch % self.repeats * count

    def _batch(self, part: _Part, pool: ThreadPoolExecutor | None) -> TrainBatch:
        rows, keys, epoch = part.rows, part.keys, part.epoch
        pixels = torch.from_numpy(self.squares.take(rows, pool))
        aspects = torch.from_numpy(self.squares.aspects[rows])
        images = self.augmenter(pixels, aspects, keys, self.seed, epoch, turn=epoch // self.repeats)
        targets = self.targets[torch.from_numpy(rows)]
        if self.mixing.is_on:
            shares, count = self.soft(targets), len(rows) - self.repeats
            rows, partners = rows[:count], slice(self.repeats, None)
            images, own = mixed(self.mixing, images[:count], images[partners], keys[:count], self.seed, epoch)
            targets = mixed_targets(shares[:count], shares[partners], own)
        if epoch < len(self.sides_px):
            images = shrunk(images, self.sides_px[epoch])
        return TrainBatch(images, targets, rows)


@dataclass(frozen=True)
class _Part:
    """What a batch is made of: rows `[B]`, keys of their augmentation `[B]`, and the epoch."""

    rows: npt.NDArray[np.int64]
    keys: Keys
    epoch: int


def batch_slices(n: int, batch_size: int) -> list[slice]:
    """Cuts n pictures into batches; a lone last picture joins the batch before it, because BatchNorm cannot
    take the statistics of one.

    >>> [part.stop - part.start for part in batch_slices(17, 16)]
    [17]
    """
    edges = [*range(0, n, batch_size), n]
    if len(edges) > 2 and edges[-1] - edges[-2] == 1:
        del edges[-2]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _single_threaded(workers: int) -> ThreadPoolExecutor:
    """Threads in which an operation of PyTorch is not divided among further ones."""
    threads = torch.get_num_threads()
    everyone = threading.Barrier(workers, timeout=60)

    def begin(_: int) -> None:
        torch.get_num_threads()  # a thread's first look at its number takes the one set last, by any thread
        torch.set_num_threads(1)
        everyone.wait()

    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        list(pool.map(begin, range(workers)))
    except BaseException:
        everyone.abort()  # lets those go that wait for one that will not come
        pool.shutdown()
        raise
    finally:
        torch.set_num_threads(threads)  # for threads that come later
    return pool


def _ahead(make: Callable[[_Part], TrainBatch], parts: list[_Part]) -> Iterator[TrainBatch]:
    """Makes batches in a thread, up to `AHEAD` before they are asked for; an error arrives in its place."""
    ready: queue.Queue[TrainBatch | BaseException] = queue.Queue(AHEAD)
    abandoned = threading.Event()

    def work() -> None:
        for part in parts:
            try:
                item: TrainBatch | BaseException = make(part)
            except BaseException as error:  # noqa: BLE001 - it is raised again where the batch is asked for
                item = error
            while not abandoned.is_set():
                try:
                    ready.put(item, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if abandoned.is_set() or isinstance(item, BaseException):
                return

    thread = threading.Thread(target=work, name="batches", daemon=True)
    thread.start()
    try:
        for _ in parts:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        abandoned.set()
        thread.join()
