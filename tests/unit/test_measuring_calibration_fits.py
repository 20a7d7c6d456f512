"""The fits behind calibration: PyTorch's optimiser, numeric derivatives, and where the gradient is zero."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.optimize import check_grad

from eighteen.measuring import _calibration_fits as fits
from eighteen.measuring.calibration import fit_temperature

Floats = npt.NDArray[np.float64]


@pytest.mark.parametrize("seed", range(4))
def test_temperature_is_that_of_lbfgs_in_pytorch(seed: int) -> None:
    generator = np.random.default_rng(seed)
    logits = (generator.normal(size=(120, 5)) * 3).astype(np.float32)
    targets, weights = generator.integers(0, 5, 120), generator.random(120)
    scale = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([scale], lr=0.1, max_iter=500, tolerance_grad=1e-9, tolerance_change=1e-14)
    table, classes, counts = torch.tensor(logits).double(), torch.tensor(targets), torch.tensor(weights)

    def objective() -> float:
        losses = torch.nn.functional.cross_entropy(table * scale, classes, reduction="none")
        total = (losses * counts).sum() + fits.TEMPERATURE_PRIOR * (scale - 1 - scale.log()).sum()
        (scale.grad,) = torch.autograd.grad(total, scale)
        return total.item()

    optimiser.step(objective)  # type: ignore[no-untyped-call]
    assert scale.item() != pytest.approx(1, abs=0.1)
    assert fit_temperature(logits, targets, weights).scale[0] == pytest.approx(scale.item(), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_bend_is_that_of_lbfgs_in_pytorch(seed: int) -> None:
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(300, 5)) * 2
    logs = torch.tensor(logits).log_softmax(1)
    targets = torch.distributions.Categorical(logits=0.6 * logs - 0.2 * logs**2).sample()
    counts = torch.tensor(generator.random(300))
    point = torch.tensor([1.0, 0.1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([point], lr=0.1, max_iter=500, tolerance_grad=1e-9, tolerance_change=1e-14)

    def objective() -> float:
        bent = point[0] * logs - point[1] * logs**2
        losses = torch.nn.functional.cross_entropy(bent, targets, reduction="none")
        priors = fits.TEMPERATURE_PRIOR * (point[0] - 1 - point[0].log())
        total = (losses * counts).sum() + priors + (point[1] / fits.BEND_SPREAD) ** 2 / 2
        (point.grad,) = torch.autograd.grad(total, point)
        return total.item()

    optimiser.step(objective)  # type: ignore[no-untyped-call]
    assert point[1].item() > 0.02
    found = fits.fit_bend(logits, targets.numpy(), counts.numpy())
    np.testing.assert_allclose(found, point.detach().numpy(), rtol=1e-5)


def test_gradient_and_curvature_of_the_vector_loss() -> None:
    generator = np.random.default_rng(5)
    scaled, targets, weights = (
        generator.normal(size=(30, 4)),
        generator.integers(0, 4, 30),
        generator.random(30),
    )
    loss = fits._VectorLoss(scaled, targets, weights / weights.sum(), generator.random(8))
    point, direction = generator.normal(size=8), generator.normal(size=8)

    def value(at: Floats) -> float:
        return loss.value_and_gradient(at)[0]

    def gradient(at: Floats) -> Floats:
        return loss.value_and_gradient(at)[1]

    assert check_grad(value, gradient, point) < 1e-6
    step = 1e-6 * direction
    numeric = (gradient(point + step) - gradient(point - step)) / 2e-6
    curvature, nearly_inverse = loss.curvature(point)
    np.testing.assert_allclose(curvature.matvec(direction), numeric, atol=1e-7)
    own = [curvature.matvec(unit)[place] for place, unit in enumerate(np.eye(len(point)))]
    np.testing.assert_allclose(nearly_inverse.matvec(direction), direction / own, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_vector_ends_where_the_gradient_is_zero(seed: int) -> None:
    generator = np.random.default_rng(seed)
    table, targets = generator.normal(size=(150, 4)) * 3 + 20, generator.integers(0, 4, 150)
    targets[:100] = table.argmax(axis=1)[:100]
    counts = np.ones(150)
    scales, biases = fits.fit_scales(table, targets, counts, 0.7)
    priors = np.repeat([fits.SCALE_SPREAD**-2, fits.BIAS_SPREAD**-2], 4) / 150
    loss = fits._VectorLoss(table * 0.7, targets, counts / 150, priors)
    _, gradient = loss.value_and_gradient(np.concatenate([scales / 0.7 - 1, biases]))
    assert np.abs(gradient).max() < 1e-12
