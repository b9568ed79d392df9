"""Pre-training, evaluation counts and gradient probes: what they do, and what they leave alone."""

import json
import os
import signal

import pytest
import torch
from eiwork.training.counting import total_nfe
from eiwork.training.gradient_probe import probe_gradients
from eiwork.training.pretraining import pretrain
from eiwork.training.trainer import _prepare

from eiwork.training import load_checkpoint, train
from eiwork.training.interrupt import Interrupt


def weights(result):
    return load_checkpoint(result.checkpoint).weights


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def quietly(recipe, folder, **options):
    return train(recipe, folder, device="cpu", progress=False, measure=False, **options)


def test_a_probe_changes_no_bit_of_the_training(plain_recipe, tmp_path):
    plain = quietly(plain_recipe(), tmp_path / "a")
    probed = quietly(plain_recipe(gradient_probe_every=2), tmp_path / "b")
    assert same(weights(plain), weights(probed))
    assert [probe["step"] for probe in probed.probes] == [0, 2]
    assert plain.probes == []
    assert load_checkpoint(probed.checkpoint).card["probes"] == probed.probes
    assert [e["total_adjoint"] for e in plain.history] == [e["total_adjoint"] for e in probed.history]


def probe(recipe):
    state, context, _ = _prepare(recipe, torch.device("cpu"))
    return probe_gradients(state, context)


def test_probes_compare_with_the_exact_gradient(plain_recipe):
    exact = probe(plain_recipe(model__tol=1e-6, model__gradient__tol=1e-6))
    free = probe(plain_recipe(model__tol=1e-6, model__gradient={"kind": "jacobian_free"}))
    assert exact["cosine_own"] == pytest.approx(1, abs=1e-3)
    assert exact["norm_ratio_own"] == pytest.approx(1, abs=1e-3)
    assert exact["cosine_jfb"] < 0.99
    assert free["cosine_own"] == pytest.approx(free["cosine_jfb"], abs=1e-3)
    assert free["norm_ratio_own"] == pytest.approx(free["norm_ratio_jfb"], rel=1e-2)
    assert free["exact_norm"] == pytest.approx(exact["exact_norm"], rel=1e-3)


def test_the_spectral_radius_is_that_of_the_map(plain_recipe):
    # Untrained, D is (1 - shrinkage) I but for a network of size 1e-3, and F = D in the null space of A.
    for shrinkage in (0.1, 0.3):
        found = probe(plain_recipe(model__iteration__shrinkage=shrinkage))["spectral_radius"]
        assert found == pytest.approx(1 - shrinkage, abs=0.02)


def test_evaluations_are_counted_and_added_up(plain_recipe, tmp_path):
    jfb = quietly(plain_recipe(model__gradient={"kind": "jacobian_free"}, monitor_every=1), tmp_path / "jfb")
    sums = [sum(e["n_forward"] for e in jfb.history[: n + 1]) for n in range(4)]
    assert [e["total_forward"] for e in jfb.history] == sums
    # EI calls the DEQ twice a step, and each call has one tracked evaluation and no adjoint solve.
    assert [e["total_tracked"] for e in jfb.history] == [2, 4, 6, 8]
    assert "total_adjoint" not in jfb.history[-1]
    assert total_nfe(jfb.history[-1]) == sums[-1] + 16
    phantom = {"kind": "phantom", "steps": 3}
    recipe = plain_recipe(monitor_every=1, steps=1, model__gradient=phantom)
    assert quietly(recipe, tmp_path / "phantom").history[0]["n_tracked"] == 6
    unrolled = quietly(
        plain_recipe(model={"kind": "unrolled", "steps": 3, "iteration": {"width": 4, "depth": 2}}, contraction=None),
        tmp_path / "unrolled",
    )
    assert total_nfe(unrolled.history[-1]) == 2 * 3 * 2 * 4


def test_time_is_that_of_the_steps(plain_recipe, tmp_path):
    result = quietly(plain_recipe(), tmp_path)
    seconds = [entry["seconds"] for entry in result.history]
    assert 0 < seconds[0] < seconds[1]
    assert all(entry["cpu_seconds"] > 0 for entry in result.history)


def test_pretraining_teaches_the_operator_to_denoise(plain_recipe):
    recipe = plain_recipe(pretraining={"steps": 60, "sigma": (0.2, 0.2), "learning_rate": 5e-3})
    state, context, _ = _prepare(recipe, torch.device("cpu"))
    denoiser = state.model.iterate.denoiser
    others = {k: v.clone() for k, v in state.model.state_dict().items() if "denoiser" not in k}
    clean = context.physics.A_dagger(context.images.y)
    noisy = clean + 0.2 * torch.randn_like(clean)

    def error():
        with torch.no_grad():
            return float((denoiser(noisy) - clean).square().mean())

    before = error()
    assert pretrain(state, context, Interrupt())
    assert error() < 0.9 * before
    assert all(torch.equal(state.model.state_dict()[k], v) for k, v in others.items())
    assert all(torch.equal(state.average[k], v) for k, v in state.model.state_dict().items())


@pytest.mark.parametrize("change", [{"steps": 3}, {"sigma": (0.3, 0.5)}, {"learning_rate": 1e-2}], ids=str)
def test_every_pretraining_setting_changes_the_weights(change, plain_recipe):
    found = []
    for settings in ({"steps": 2}, {"steps": 2} | change):
        state, context, _ = _prepare(plain_recipe(pretraining=settings), torch.device("cpu"))
        pretrain(state, context, Interrupt())
        found.append(state.model.state_dict())
    assert not same(*found)


def test_a_pretrained_training_resumes_bit_for_bit(plain_recipe, tmp_path):
    def press_ctrl_c(step, **values):
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    recipe = plain_recipe(pretraining={"steps": 3})
    whole = quietly(recipe, tmp_path / "whole")
    stopped = quietly(recipe, tmp_path / "parts", on_step=press_ctrl_c)
    assert stopped.interrupted
    assert same(weights(quietly(recipe, tmp_path / "parts", resume=True)), weights(whole))


def test_an_interrupted_pretraining_begins_again(plain_recipe, tmp_path, monkeypatch):
    from eiwork.training import trainer

    recipe = plain_recipe(pretraining={"steps": 3})
    whole = quietly(recipe, tmp_path / "whole")
    monkeypatch.setattr(trainer, "pretrain", lambda s, c, _: pretrain(s, c, Interrupt(requested=True)))
    stopped = quietly(recipe, tmp_path / "parts")
    assert stopped.interrupted
    assert json.loads((tmp_path / "parts/state.json").read_text())["pretrained"] is False
    monkeypatch.undo()
    assert same(weights(quietly(recipe, tmp_path / "parts", resume=True)), weights(whole))


def test_a_training_can_be_told_to_stop(plain_recipe, tmp_path):
    answers = iter([False, False, False, True])
    stopped = quietly(plain_recipe(), tmp_path / "parts", should_stop=lambda: next(answers))
    assert stopped.interrupted
    assert load_checkpoint(stopped.checkpoint).card["step"] == 3
    assert stopped.metrics == {}
    resumed = quietly(plain_recipe(), tmp_path / "parts", resume=True)
    assert same(weights(resumed), weights(quietly(plain_recipe(), tmp_path / "whole")))
