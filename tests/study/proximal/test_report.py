"""The whole report: complete, JSON-ready, repeatable, and telling positive from negative controls."""

import json

import pytest
import torch
from fields import SIZE, convex_network, generator, images, network

from eiwork.analysis import asymmetry, jacobian
from eiwork.errors import InputError
from eiwork.physics import inpainting
from eiwork.symmetry import Reflection
from eiwork_study.proximal.measures import RotatedField
from eiwork_study.proximal.report import AnalysisSettings, along_training, analyse

X = images(5)
PHYSICS = inpainting(SIZE, keep=0.5).double()
SMALL = AnalysisSettings(
    n_images=4, n_spectrum=2, krylov_size=12, probes=4, n_circles=3, n_triangles=3, order=12, corners=2, n_rivals=6,
    n_minimised=2, ascent_steps=3,
)  # fmt: skip


def report(denoiser, **options):
    return analyse(denoiser, X, generator=generator(), settings=SMALL, **options)


def test_it_is_complete_and_repeats():
    options = {"physics": PHYSICS, "points": {"clean": X, "noise": torch.rand_like(X)}}
    first, second = (report(network(), transforms={"flip": Reflection(rng=generator())}, **options) for _ in range(2))
    assert json.loads(json.dumps(first)) == first
    assert set(first["jacobian"]) == {"clean", "noise"}
    assert set(first["jacobian"]["clean"]) == {"whole", "range", "null space"}
    assert first["invariance"]["flip"]["exact"] is True
    assert set(first["seconds"]) == {
        "jacobian",
        "pairs",
        "circulation",
        "potential",
        "minimiser",
        "invariance",
    }
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    found = asymmetry(jacobian(network(), X[:4]), generator=generator())
    measured = first["jacobian"]["clean"]["whole"]["learnt_asymmetry"]
    assert measured["mean"] == pytest.approx(float(found.learnt.value.mean()), rel=0.3)


def test_it_tells_a_proximal_map_from_a_rotated_field():
    proximal = report(convex_network())
    rotated = report(RotatedField(convex_network(), 0.5, (1, SIZE, SIZE), generator()))
    whole = proximal["jacobian"]["clean"]["whole"]
    assert whole["learnt_asymmetry"]["mean"] < 1e-10
    assert whole["smallest_eigenvalue"]["mean"] > 0
    assert proximal["circulation"]["triangles"]["learnt"]["mean"] < 1e-3
    assert proximal["potential"]["through images"]["path_dependence"]["mean"] < 1e-3
    assert proximal["minimiser"]["perturbations"]["beaten"]["mean"] == 0
    assert rotated["jacobian"]["clean"]["whole"]["learnt_asymmetry"]["mean"] > 0.5
    assert rotated["circulation"]["circles"]["learnt"]["mean"] > 0.1
    assert (
        rotated["potential"]["through images"]["path_dependence"]["mean"]
        > 10 * proximal["potential"]["through images"]["path_dependence"]["mean"]
    )


def test_along_a_training_every_step_sees_the_same_probes():
    rows = along_training([(0, network()), (10, network()), (20, convex_network())], X, settings=SMALL)
    assert [row["step"] for row in rows] == [0, 10, 20]
    assert rows[0]["jacobian"] == rows[1]["jacobian"] != rows[2]["jacobian"]
    assert AnalysisSettings.light().n_images < AnalysisSettings().n_images


def test_unusable_input_is_named():
    with pytest.raises(InputError, match="three images"):
        analyse(network(), X[:2], generator=generator())
    with pytest.raises(InputError, match="probes"):
        AnalysisSettings(probes=0)
