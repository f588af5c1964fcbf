"""The objective against a slow, plain version of equations 1 to 4, values and gradients."""

import math

import pytest
import torch

from countenance.model.losses import AlignmentLoss, mean_distance, total_loss

NAMES = ("expression_latent", "text_latent", "reconstruction", "text_expression")


def draw(seed=0, n=5, latent=7, size=11):
    generator = torch.Generator().manual_seed(seed)
    widths = dict.fromkeys(NAMES[:2], latent) | dict.fromkeys(NAMES[2:], size)
    tensors = {
        name: torch.rand(n, width, generator=generator, dtype=torch.float64).requires_grad_()
        for name, width in widths.items()
    }
    target = torch.rand(n, size, generator=generator, dtype=torch.float64)
    return tensors, target


def plain(expression_latent, text_latent, reconstruction, text_expression, target):
    """The three terms with loops and scalars only."""

    def norm(values):
        return sum(value * value for value in values) ** 0.5

    n = len(target)
    ae = sum(norm(r - b) for r, b in zip(reconstruction, target, strict=True)) / n
    multi = sum(norm(x - b) for x, b in zip(text_expression, target, strict=True)) / n
    emb = 0.0
    for p, z in zip(text_latent, expression_latent, strict=True):
        emb += 1.0 - sum(a * b for a, b in zip(p, z, strict=True)) / (norm(p) * norm(z))
    return ae, emb / n, multi


def test_the_terms_are_the_papers():
    tensors, target = draw()
    terms = AlignmentLoss(1.0, 10.0, 10.0)(**tensors, target=target)
    for name, expected in zip(("ae", "emb", "multi"), plain(**tensors, target=target), strict=True):
        torch.testing.assert_close(terms[name], expected.detach())
        weight = 1.0 if name == "ae" else 10.0
        torch.testing.assert_close(terms[f"{name}_loss"], weight * expected)


def test_the_total_sums_what_ends_in_loss():
    tensors, target = draw()
    terms = AlignmentLoss(2.0, 3.0, 4.0)(**tensors, target=target)
    ae, emb, multi = plain(**tensors, target=target)
    torch.testing.assert_close(total_loss(terms), 2 * ae + 3 * emb + 4 * multi)


def test_the_gradients_are_those_of_the_plain_version():
    tensors, target = draw()
    total_loss(AlignmentLoss(1.0, 10.0, 10.0)(**tensors, target=target)).backward()
    slow, _ = draw()
    ae, emb, multi = plain(**slow, target=target)
    (ae + 10 * emb + 10 * multi).backward()
    for name in NAMES:
        torch.testing.assert_close(tensors[name].grad, slow[name].grad)


def test_it_is_the_norm_and_not_its_square():
    predicted, target = torch.zeros(2, 4), torch.tensor([[3.0, 4.0, 0, 0], [0, 0, 0, 1.0]])
    assert mean_distance(predicted, target).item() == pytest.approx((5 + 1) / 2)


def test_a_face_met_exactly_gives_no_gradient_and_no_nan():
    predicted = torch.tensor([[0.0, 0.5], [0.2, 0.2]], requires_grad=True)
    mean_distance(predicted, torch.tensor([[0.0, 0.5], [0.2, 0.6]])).backward()
    assert predicted.grad.tolist() == [[0.0, 0.0], [0.0, pytest.approx(-0.5)]]


def test_aligned_latents_cost_nothing_whatever_their_length():
    tensors, target = draw()
    tensors["text_latent"] = 3 * tensors["expression_latent"]
    emb = AlignmentLoss()(**tensors, target=target)["emb"]
    assert math.isclose(emb.item(), 0.0, abs_tol=1e-12)


def test_a_switched_off_term_does_not_move_the_weights():
    tensors, target = draw()
    total_loss(AlignmentLoss(1.0, 0.0, 0.0)(**tensors, target=target)).backward()
    assert tensors["reconstruction"].grad.any()
    assert not tensors["text_expression"].grad.any()
    assert not tensors["text_latent"].grad.any()
