"""mixup and CutMix: shares from the right distribution, targets that say what the picture shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from eighteen.augmenting.draws import image_keys
from eighteen.augmenting.mixing import Mixing, cut_boxes, mixed, mixed_targets

COUNT, SIDE_PX = 600, 16
KEYS = image_keys([f"{number}.png" for number in range(COUNT)])
ONES = torch.ones(COUNT, 3, SIDE_PX, SIDE_PX)


def shares_of(mixing: Mixing, epoch: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures of ones mixed with pictures of zeros: what is left is each picture's own share."""
    return mixed(mixing, ONES, torch.zeros_like(ONES), KEYS, 0, epoch)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_mixup_blends_by_beta(alpha: float) -> None:
    images, own = shares_of(Mixing(mixup_alpha=alpha))
    assert torch.allclose(images, own[:, None, None, None].expand_as(images), atol=1e-6)
    assert stats.kstest(own.numpy(), stats.beta(alpha, alpha).cdf).pvalue > 1e-4


def test_cutmix_pastes_a_box_and_says_how_large() -> None:
    images, own = shares_of(Mixing(cutmix_alpha=1.0))
    assert set(images.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(images.mean((1, 2, 3)), own, atol=1e-6)
    lost = (images[:, 0] == 0).numpy()
    for picture in lost[lost.any(axis=(1, 2))]:
        rows, columns = np.flatnonzero(picture.any(1)), np.flatnonzero(picture.any(0))
        assert picture.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1), "one rectangle"


def test_boxes_have_their_area_where_the_border_does_not_cut_them() -> None:
    area = np.array([0.0, 0.25, 1.0, 0.25])
    places = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.0, 0.5]])
    boxes = cut_boxes(area, places, 100)
    assert boxes.tolist() == [[50, 50, 50, 50], [25, 25, 75, 75], [0, 0, 100, 100], [0, 25, 25, 75]]


def test_both_share_the_mixed_pictures_and_the_rest_stays() -> None:
    images, own = shares_of(Mixing(1.0, 1.0, probability=0.6))
    whole = own == 1.0
    assert torch.equal(images[whole], ONES[whole])
    assert stats.binomtest(int(whole.sum()), COUNT, 0.4).pvalue > 1e-4
    # A blend has one value between nought and one, a cut has both.
    blended = (images.amax((1, 2, 3)) == images.amin((1, 2, 3))) & ~whole
    assert stats.binomtest(int(blended.sum()), int((~whole).sum()), 0.5).pvalue > 1e-4


def test_a_picture_is_mixed_alike_in_every_batch() -> None:
    mixing = Mixing(0.4, 1.0)
    images = torch.rand(COUNT, 3, SIDE_PX, SIDE_PX)
    partners = images.roll(-1, 0)
    together, own = mixed(mixing, images, partners, KEYS, 3, 5)
    part, part_own = mixed(mixing, images[20:33], partners[20:33], KEYS[20:33], 3, 5)
    assert torch.equal(together[20:33], part) and torch.equal(own[20:33], part_own)
    assert not torch.equal(shares_of(mixing, 0)[0], shares_of(mixing, 1)[0])


def test_targets_say_what_the_picture_shows() -> None:
    rows = mixed_targets(torch.eye(2), torch.eye(2).flip(0), torch.tensor([0.75, 1.0]))
    assert rows.tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_off_is_off() -> None:
    assert not Mixing().is_on
    assert not Mixing(1.0, 1.0, probability=0.0).is_on
    assert Mixing(cutmix_alpha=0.1).is_on
