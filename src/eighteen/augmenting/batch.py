"""Turns a batch of stored pictures into a batch for the network: `BatchAugmenter`.

In come uint8 squares of one size (each squashed from its original aspect), the original aspects and a key
per picture; out comes the normalised float32 batch. All geometry is one resampling, all colour one matrix,
erasing comes last; every decision is drawn from (seed, epoch, key), so a picture looks the same in any batch,
at any place, in any worker. On a CPU the batch is worked on in parts that stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eighteen.augmenting import blurring, checks, colour, erasing, operations, resampling
from eighteen.augmenting.draws import DRAW_COUNT, Draw, alternating, uniforms
from eighteen.augmenting.plan import Plan, Version, View, leaves_picture, make_plan
from eighteen.augmenting.policies import draw_count
from eighteen.augmenting.settings import AugmentSettings
from eighteen.core.inputs import Fit, InputSpec, with_channels

_CACHE_BYTES = 1_500_000
"""How much of a batch, as float32, is worked on at once on a CPU; 0.4 to 2 MB differ by less than a tenth."""


class BatchAugmenter:
    """Augments whole batches; the same picture, epoch and seed always give the same result.

    Holds no random state: one instance may be called from several threads. Works where the pixels lie.

    Args:
        settings: what may happen.
        size_px: side of the network's input.
        mean, std: per channel (1 or 3), of values in 0..1.
        fit, crop_fraction: the view of validation, as in `InputSpec`; crops "none" and "pad" start from it.
        background: per channel, 0..255; lies outside the picture where `settings.fill` is "background".
            None is white.

    Raises:
        RecipeError: settings that would do nothing or contradict the input; all problems at once.

    >>> from eighteen.augmenting.draws import image_keys
    >>> augmenter = BatchAugmenter(AugmentSettings(horizontal_flip=0.5), 8, mean=[0.5], std=[0.25])
    >>> pixels = torch.zeros(2, 1, 12, 12, dtype=torch.uint8)
    >>> augmenter(pixels, torch.ones(2), image_keys(["a", "b"]), seed=0, epoch=1).shape
    torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        settings: AugmentSettings,
        size_px: int,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        fit: Fit = "squash",
        crop_fraction: float = 1.0,
        background: Sequence[float] | None = None,
    ) -> None:
        around = [255.0] * len(mean) if background is None else list(background)
        checks.check_setup(settings, mean, std, around, fit)
        self.settings, self.size_px, self.channels = settings, size_px, len(mean)
        self.fit, self.crop_fraction = fit, crop_fraction
        deviations = np.asarray(std, np.float64)
        self._scale = torch.from_numpy((1.0 / (255.0 * deviations)).astype(np.float32))
        self._shift = torch.from_numpy((-np.asarray(mean, np.float64) / deviations).astype(np.float32))
        self._background = torch.tensor(around, dtype=torch.float32)[:, None, None]

    @classmethod
    def for_inputs(cls, settings: AugmentSettings, inputs: InputSpec) -> Self:
        """The augmenter whose view, with all settings off, is that of `inputs`."""
        ground = with_channels(np.array([[inputs.background]], dtype=np.uint8), inputs.channels)[0, 0]
        return cls(
            settings,
            inputs.size,
            inputs.mean,
            inputs.std,
            fit=inputs.fit,
            crop_fraction=inputs.crop_fraction,
            background=ground.tolist(),
        )

    def __call__(
        self,
        pixels: Tensor,
        aspects: Tensor,
        keys: npt.NDArray[np.uint64],
        seed: int,
        epoch: int,
        *,
        turn: int | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The batch as the network sees it in this epoch.

        Args:
            pixels: uint8 `[B, C, S, S]`, S at least `size_px`, each squashed from its original aspect.
            aspects: float `[B]`, original width / height; best on the CPU, where the plan is made.
            keys: uint64 `[B]`, see `draws.image_keys`.
            seed: of the run.
            epoch: which pass over the data.
            turn: how often each picture's turn has come before, by which flips alternate; as often as there
                were epochs, unless one shows only some of the pictures.
            out: float32 `[B, C, size_px, size_px]` to write into. Large batches gain a third of their time
                where a buffer is used again, because fresh memory is slow to touch.

        Returns:
            float32 `[B, C, size_px, size_px]`, normalised; `out` where it was given.

        Raises:
            TrainingError: a tensor of another shape, type or device.
        """
        checks.check_batch(pixels, aspects, keys, self.channels, self.size_px)
        draws = uniforms(seed, epoch, keys, DRAW_COUNT + draw_count(self.settings))
        if self.settings.flip_alternates:
            draws[:, Draw.FLIP_HORIZONTAL] = alternating(seed, epoch if turn is None else turn, keys)
        return self.decided(pixels, aspects, draws, out=out)

    def decided(
        self, pixels: Tensor, aspects: Tensor, draws: npt.NDArray[np.float64], *, out: Tensor | None = None
    ) -> Tensor:
        """The batch under given draws `[B, DRAW_COUNT + draw_count(settings)]` in [0, 1); else as a call."""
        shape = (len(pixels), self.channels, self.size_px, self.size_px)
        if out is None:
            out = torch.empty(shape, dtype=torch.float32, device=pixels.device)
        checks.check_out(out, shape, pixels.device)
        view = View(self.size_px, self.fit, self.crop_fraction, self.channels, pixels.shape[-1])
        ratios = aspects.detach().to("cpu", torch.float64).numpy()
        plan = make_plan(self.settings, view, ratios, draws, pixels.device)
        with torch.no_grad(), torch.autocast(pixels.device.type, enabled=False):
            for part in _parts(pixels, plan.shrink):
                self._write(pixels[part], plan, part, out[part])
        return out

    def _write(self, pixels: Tensor, plan: Plan, part: slice, out: Tensor) -> None:
        scale, shift = self._scale.to(pixels.device), self._shift.to(pixels.device)
        views = self._blurred(self._views(pixels, plan, part), plan.blur_px[part])
        if self.settings.jitters_colour:
            linear, grey_gain = plan.linear[part], plan.grey_gain[part]
            colour.write_recoloured(views, linear, grey_gain, scale=scale, shift=shift, out=out)
        else:
            colour.write_normalised(views, scale, shift, out)
        if plan.is_erased[part].any():
            erasing.erase(out, plan.erased[part])
        if self.settings.cutout > 0:
            erasing.erase(out, plan.cut_out[part])

    def _views(self, pixels: Tensor, plan: Plan, part: slice) -> Tensor:
        """The pictures moved, and changed by a policy: float32 `[n, C, size, size]`, 0..255."""
        if len(plan.versions) == 1:
            return self._view(pixels, plan, part, plan.versions[0])
        mix = torch.zeros(len(pixels), self.channels, self.size_px, self.size_px, device=pixels.device)
        for version in plan.versions:
            assert version.chain is not None and version.chain.share is not None
            share = torch.from_numpy(version.chain.share[part]).to(mix)
            mix.addcmul_(self._view(pixels, plan, part, version), share[:, None, None, None])
        return mix

    def _view(self, pixels: Tensor, plan: Plan, part: slice, version: Version) -> Tensor:
        moved = self._moved(pixels, plan, part, version.maps[part])
        if version.chain is not None:
            kinds, magnitudes = version.chain.operations[part], version.chain.magnitudes[part]
            for step in range(kinds.shape[1]):
                operations.change(moved, kinds[:, step], magnitudes[:, step])
        return moved

    def _blurred(self, pictures: Tensor, sigmas_px: npt.NDArray[np.float64]) -> Tensor:
        chosen = np.flatnonzero(sigmas_px)
        if len(chosen):
            rows = torch.from_numpy(chosen).to(pictures.device)
            sigmas = torch.from_numpy(sigmas_px[chosen]).to(pictures)
            pictures[rows] = blurring.blurred(pictures[rows], sigmas, self.settings.blur_sigma_px)
        return pictures

    def _moved(self, pixels: Tensor, plan: Plan, part: slice, maps: Tensor) -> Tensor:
        """The pictures cropped, turned, warped and mirrored: float32 `[n, C, size, size]`, 0..255."""
        x_factor, y_factor = plan.shrink[part.start].tolist()
        fill, background = self.settings.fill, self._background.to(pixels.device)
        if x_factor == 0:
            moved = resampling.shifted(pixels, plan.shifts_px[part], plan.flips[part], fill, background)
            return moved.to(torch.float32)
        return resampling.resampled(
            pixels,
            maps,
            self.size_px,
            shrink=(x_factor, y_factor),
            fill=fill if leaves_picture(self.settings, self.fit) else None,
            background=background,
        )


def _parts(pixels: Tensor, shrink: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Cuts a batch into runs of pictures that are resampled alike, on a CPU small enough for its cache."""
    on_cpu = pixels.device.type == "cpu"
    limit = max(1, _CACHE_BYTES // (4 * pixels[0].numel())) if on_cpu else len(pixels)
    turns = (np.flatnonzero((shrink[1:] != shrink[:-1]).any(axis=1)) + 1).tolist()
    for start, stop in zip([0, *turns], [*turns, len(shrink)], strict=True):
        yield from (slice(first, min(first + limit, stop)) for first in range(start, stop, limit))
