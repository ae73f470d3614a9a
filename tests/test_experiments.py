"""Every experiment, at a size of seconds, on the digits of scikit-learn: numbers, picture, page."""

import importlib
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
NO_MNIST = EXPERIMENTS / "no-such-folder"


def run(script: str, folder: Path, *arguments: str) -> None:
    """What ``python experiments/script.py`` does, without a new process."""
    places = ("--data", str(NO_MNIST), "--results", str(folder), "--pictures", str(folder), "--workers", "1")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXPERIMENTS))
        patch.setattr(sys, "argv", [script, *places, *arguments])
        importlib.import_module(script).main()


def results(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


SEARCH = ("--runs", "2", "--images", "128", "--judge", "96", "--epochs", "1", "--finalists", "1")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiments")
    run("tune", folder, *SEARCH, "--finals", "128:1:2,10000:1:1", "--methods", "TNGD;Adam;K-FAC")
    return folder


def test_every_method_gets_the_same_budget(tuned):
    found = results(tuned, "tune")
    assert found["data"] == "digits of scikit-learn"
    for method in found["methods"].values():
        assert [len(entry["accuracies"]) for entry in method["first"]] == [1, 1]
        assert {name: len(tried) for name, tried in method["finals"].items()} == {"128": 1, "10000": 1}
        best = max(method["first"], key=lambda entry: entry["accuracies"])
        assert method["finals"]["128"][0]["settings"] == best["settings"]
        assert len(method["finals"]["128"][0]["accuracies"]) == 2
        for entry in method["first"]:
            assert all(low <= entry["settings"][name] <= high for name, (low, high) in method["ranges"].items())
    assert (tuned / "experiments-tune.png").is_file()
    assert not list(tuned.glob("*.unfinished"))


def test_the_second_search_starts_from_the_winner(tuned):
    sizes = ("--around", "128", "--points", "2", "--images", "128", "--judge", "96")
    run("refine", tuned, *sizes, "--methods", "TNGD;K-FAC")
    found = results(tuned, "refine")["methods"]
    search = results(tuned, "tune")["methods"]
    for name, method in found.items():
        first, *others = (entry["settings"] for entry in method["finals"]["128"])
        assert first == max(search[name]["finals"]["128"], key=lambda entry: sum(entry["accuracies"]))["settings"]
        assert len(others) == 2
        for entry in others:
            assert all(0.3 < entry[key] / value < 3.2 for key, value in first.items())
            assert entry.get("forget", 1) <= 1


def test_comparison_over_seeds(tuned):
    run(
        "compare", tuned, "--images", "256", "--epochs", "1", "--seeds", "2", "--methods", "TNGD;Adam", "--tuned", "128"
    )
    runs = results(tuned, "compare-10k")["methods"]["TNGD"]["runs"]
    assert [entry["seed"] for entry in runs] == [0, 1]
    assert runs[0]["loss"] != runs[1]["loss"]
    assert runs[0]["step"] == [1, 2, 3, 4]
    assert (tuned / "experiments-compare-10k.png").is_file()


def test_a_method_is_added_to_an_earlier_comparison(tuned):
    sizes = ("--images", "128", "--epochs", "1", "--seeds", "1", "--tuned", "128", "--name", "compare-more")
    run("compare", tuned, *sizes, "--methods", "Adam")
    before = results(tuned, "compare-more")["methods"]["Adam"]
    run("compare", tuned, *sizes, "--methods", "TNGD", "--add", "--averages", "0.5")
    found = results(tuned, "compare-more")["methods"]
    assert list(found) == ["Adam", "TNGD"]
    assert found["Adam"] == before
    (ours,) = found["TNGD"]["runs"]
    assert len(ours["accuracy, memory 0.5"]) == len(ours["accuracy"])
    with pytest.raises(ValueError, match="has another 'images'"):
        run("compare", tuned, *sizes, "--images", "64", "--methods", "TNGD", "--add")


def test_extensions_start_from_the_winners_of_a_search(tmp_path):
    winners = {
        "TNGD, short": {"rate": 0.1, "forget": 0.1, "time": 0.1},
        "K-FAC": {"lr": 0.04, "damping": 0.2, "forget": 0.2},
        "Adam": {"lr": 0.01, "forget": 0.2},
    }
    tried = {name: {"finals": {"64": [{"settings": best, "accuracies": [0.5]}]}} for name, best in winners.items()}
    (tmp_path / "refine.json").write_text(json.dumps({"methods": tried}), encoding="utf-8")
    sizes = ("--images", "64", "--whole", "64", "--epochs", "1", "--judge", "64", "--changes", "3", "--seeds", "1")
    run("extend", tmp_path, *sizes, "--search", "refine", "--tuned", "64")
    found = results(tmp_path, "extend")
    for method, entries in found["tried"].items():
        assert [entry["change"] for entry in entries[:2]] == [{}, {"shrink": 1e-4}]
        ended = found["finals"][method]
        best = max(entries, key=lambda entry: max(entry["accuracies"].values()))
        assert ended["label"] == best["label"]
        assert best["accuracies"][ended["weights"]] == max(best["accuracies"].values())
    assert (tmp_path / "experiments-extend.png").is_file()


def test_a_ramp_from_a_time_to_itself_is_a_short_run(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    training = importlib.import_module("training")
    settings = {"rate": 0.1, "forget": 0.2, "time": 0.1}
    ramp = settings | {"steps": 6.0, "first_time": 0.1}
    plain, ramped = (training.train(training.Run("TNGD, short", s, 384, points=6), None) for s in (settings, ramp))
    assert ramped["loss"] == pytest.approx(plain["loss"], rel=1e-5)


def test_curves_against_run_time(tuned):
    run("runtime", tuned, "--images", "256", "--epochs", "1", "--seeds", "1")
    curves = results(tuned, "runtime")["curves"]
    (adam,), (tngd,) = (curves[name]["runs"] for name in ("Adam, tuned", "TNGD, paper"))
    assert adam["modelled"] == adam["seconds"]
    assert tngd["modelled"] != tngd["seconds"]
    assert all(0 < share <= 1 for share in tngd["seen"] + tngd["accuracy"])
    assert (tuned / "experiments-runtime.png").is_file()


@pytest.mark.parametrize(("which", "curves"), [("time", 6), ("delay", 4), ("late", 2), ("noise", 4), ("reset", 7)])
def test_sweeps(tmp_path, which, curves):
    run("sweep", tmp_path, "--which", which, "--images", "64", "--epochs", "1", "--seeds", "1")
    found = results(tmp_path, f"sweep-{which}")["runs"]
    assert len(found) == curves
    assert (tmp_path / f"experiments-{which}.png").is_file()


def test_an_interrupted_experiment_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    training = importlib.import_module("training")
    runs = [training.Run("Adam", {"lr": 0.01, "forget": 0.1}, 128, seed=seed) for seed in (0, 1)]
    kept = tmp_path / "some.unfinished"
    first = training.train_all(runs[:1], None, kept, workers=1)
    made = []
    original = training.train
    monkeypatch.setattr(training, "train", lambda run, folder: made.append(run.seed) or original(run, folder))
    both = training.train_all(runs, None, kept, workers=1)
    assert made == [1]
    assert both[0] == first[0]
    assert [entry["seed"] for entry in both] == [0, 1]


def test_costs_are_counted(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    cost = importlib.import_module("cost")
    torch = importlib.import_module("torch")
    x, y = 0.1 * torch.randn(4, cost.SIDE**2), torch.tensor([0, 1, 2, 0])
    adam, woodbury = (cost.measure(name, cost.dense(3, 3), x, y, 1) for name in ("Adam", "NGD (Woodbury)"))
    assert adam["calls of the model"] == woodbury["calls of the model"] == 1
    assert (adam["vectors carried backward"], woodbury["vectors carried backward"]) == (1, 3)  # gradient, two columns
    assert (adam["products with R or its transpose"], woodbury["products with R or its transpose"]) == (0, 2)
    parameters = 3 * (cost.SIDE**2 + 1 + 3) + 3
    assert adam["bytes"] >= 3 * 4 * parameters  # gradient and two moments


def test_the_way_to_the_natural_gradient_keeps_its_bound(tmp_path):
    run("bound", tmp_path)
    for case in results(tmp_path, "bound")["cases"]:
        slowest = case["damping"] + case["smallest"]
        for time, left in zip(case["times"], case["left"], strict=True):
            assert left <= math.exp(-slowest * time) * 1.001 + 1e-9


def test_regression_with_batches_of_several_sizes(tmp_path):
    run("regression", tmp_path, "--runs", "2", "--epochs", "1", "--short", "1", "--seeds", "1")
    found = results(tmp_path, "regression")
    assert found["data"] == "a made-up surface"
    assert "Levenberg–Marquardt" in found["methods"]
    assert [row["batch"] for row in found["gains"]] == [8, 32, 128, 512]
    near = [row["gradient"] for row in found["cosines"] if row["step"] == 0]
    assert near[0] < near[-1] <= 1


PASSAGES = [
    (
        "The river rises in the northern hills and reaches the sea at Alder.",
        "Where does the river rise?",
        "the northern hills",
    ),
    ("Ada wrote the first program in 1843, a table of numbers.", "When was the first program written?", "1843"),
    ("Copper melts at a lower temperature than iron does.", "What melts at a lower temperature than iron?", "Copper"),
]


def test_question_answering(tmp_path):
    questions = [
        {"context": c, "qas": [{"question": q, "answers": [{"text": a, "answer_start": c.index(a)}]}]}
        for c, q, a in PASSAGES * 4
    ]
    (tmp_path / "some.json").write_text(json.dumps({"data": [{"paragraphs": questions}]}), encoding="utf-8")
    sizes = {"dim": 8, "layers": 1, "vocabulary": 60, "length": 32, "masked": 1, "batch": 4, "every": 1, "rank": 2}
    steps = {"full": 2, "search": 2, "steps": 2, "runs": 1, "seeds": 1}
    given = [part for name, value in (sizes | steps).items() for part in (f"--{name}", str(value))]
    places = ("--data", str(tmp_path), "--train", "some.json", "--test", "some.json", "--methods", "TNGD;Adam")
    run("question_answering", tmp_path, *given, *places)
    found = results(tmp_path, "question-answering")
    assert found["weights of adapters and reader"] == 4 * 2 * (2 * 8) + 2 * 8 + 2
    assert set(found["methods"]) == {"TNGD", "Adam"}
    assert all(0 <= method["runs"][0]["f1"][-1] <= 100 for method in found["methods"].values())
    assert not list(tmp_path.glob("*.unfinished"))


def test_answers_are_found_where_they_stand_and_scored_as_squad_does(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    squad = importlib.import_module("squad")
    examples = [squad.Example(c, q, (a,), c.index(a), True) for c, q, a in PASSAGES]
    vocabulary = squad.Vocabulary.of([c for c, _, _ in PASSAGES], 60)
    for window in squad.windows(examples, vocabulary, 40):
        first, last = (place - window.first for place in window.target)
        passage, _, answer = PASSAGES[window.example]
        assert passage[window.spans[first][0] : window.spans[last][1]] == answer
        assert len(window.words) == len(window.kinds)
    assert squad.exact("The Northern Hills!", ["northern hills"]) == 1
    assert squad.f1("northern hills of Alder", ["the northern hills", "Alder"]) == pytest.approx(2 * 2 / 6)
    assert squad.f1("sea", ["northern hills"]) == 0


def test_real_weights_are_taken_by_their_names(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    encoder = importlib.import_module("encoder")
    torch = importlib.import_module("torch")
    one = encoder.Encoder(encoder.Shape(50, 8, 2, 2, 16, 12))
    sizes = {"vocab_size": 50, "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 16, "max_position_embeddings": 12}
    weights = {name: value for name, value in one.state_dict().items() if "kind" not in name}
    model = SimpleNamespace(config=SimpleNamespace(**sizes), state_dict=lambda: weights)
    words = torch.randint(1, 50, (2, 10))
    assert torch.equal(encoder.real_encoder(model)(words, 0 * words), one(words, 0 * words))
    weights.popitem()
    with pytest.raises(ValueError, match="not the weights of a DistilBertModel"):
        encoder.real_encoder(model)


def test_time_of_a_step(tmp_path):
    sizes = ("--widths", "1", "--channels", "1", "--outputs", "2,3", "--batches", "4", "--batch", "8")
    run("step_time", tmp_path, "--repeats", "1", *sizes)
    panels = results(tmp_path, "step-time")["panels"]
    assert [panel["along"] for panel in panels] == ["parameters"] * 3 + ["outputs", "batch"]
    assert [panel["rows"][0]["network"] for panel in panels] == ["dense", "dense", "convolution", "dense", "dense"]
    for row in panels[1]["rows"]:
        assert row["seconds"]["TNGD, Euler–Maruyama"] > row["seconds"]["Adam"] > 0
    assert (tmp_path / "experiments-step-time.png").is_file()


@pytest.mark.slow
def test_claims(tmp_path):
    sizes = ("--sizes", "4,8,16", "--lapack", "4,8,16")
    run("claims", tmp_path, *sizes, "--conditions", "2,4,8", "--repeats", "1")
    found = results(tmp_path, "claims")
    assert 0.5 < found["overdamped"]["d"]["exponents"]["inv"] < 1.5
    assert found["posterior"][1]["device_time"] > found["posterior"][0]["device_time"]
    for row in found["overdamped"]["d"]["rows"]:
        assert 0.005 < row["tasks"]["inv"]["error"] < 0.2
    assert set(found["overdamped"]["d"]["rows"][0]["tasks"]) == {"solve", "inv", "logdet", "lyapunov", "expm"}
    assert set(found["underdamped"]["d"]["rows"][0]["tasks"]) == {"solve", "inv", "logdet"}


@pytest.mark.slow
def test_presets(tmp_path):
    only = ("--presets", "ideal", "--bits", "2", "--mismatches", "", "--temperatures", "1e-4", "--drifts", "0.1")
    run("presets", tmp_path, "--seeds", "1", "--workers", "1", *only)
    rows = {(row["method"], row["kind"]): row["runs"][0] for row in results(tmp_path, "presets")["rows"]}
    assert rows["TNGD", "preset"]["accuracy"] > 0.9 > rows["TNGD", "bits"]["accuracy"]
    assert rows["thermodynamic K-FAC", "temperature"]["accuracy"] > 0.9
    assert rows["thermodynamic K-FAC", "drift"]["accuracy"] > 0.8


@pytest.mark.slow
def test_presets_on_mnist(tmp_path, data_folder):
    none = ("--bits", "", "--mismatches", "", "--temperatures", "", "--drifts", "")
    run("presets", tmp_path, "--mnist", "--data", str(data_folder), "--seeds", "1", "--presets", "ideal", *none)
    assert min(row["runs"][0]["accuracy"] for row in results(tmp_path, "presets_mnist")["rows"]) > 0.8


def test_the_page_is_written_from_the_results(tmp_path):
    run("page", EXPERIMENTS / "results", "--output", str(tmp_path / "page.md"))
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "{{" not in text
    assert text == (EXPERIMENTS.parent / "docs" / "experiments.md").read_text(encoding="utf-8")


def test_errors_against_time(tmp_path):
    run("error_against_time", tmp_path, "--sizes", "20")
    (small,) = results(tmp_path, "error-against-time")["sizes"]
    assert [curve["temperature"] for curve in small["device"]] == [1.0, 1e-4]
    for curve in small["device"]:
        single, refined = curve["single"], curve["refined"]
        assert single[-1]["error"] < single[0]["error"] / 30  # windows 10⁵ times as long
        assert refined[-1]["error"] < 1e-9
        assert all(point["seconds"] >= point["seconds without loading"] for point in single)
    assert small["digital"]["CG"]["error"][-1] < 1e-12
    assert (tmp_path / "planning-error-against-time.png").is_file()


def test_the_map_of_energy_and_time(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    module = importlib.import_module("energy_time_map")
    monkeypatch.setattr(module, "ORDER", 40)
    monkeypatch.setattr(module, "CONDITIONS", (30.0,))
    run("energy_time_map", tmp_path)
    (case,) = results(tmp_path, "energy-time-map")["conditions"]
    low, middle, high = (case[name][30] for name in ("device, low", "device", "device, high"))
    assert low[0] < middle[0] < high[0]
    assert low[1] < middle[1] < high[1]
    faster, slower = (each["time against Cholesky"] for each in case["moved by"]["link and converters ×10, ÷10"])
    assert faster < case["crossover"]["time against Cholesky"] < slower
    assert (tmp_path / "planning-energy-time.png").is_file()


def test_drives_against_their_floor(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    module = importlib.import_module("drives")
    monkeypatch.setattr(module, "CONDITIONS", (10.0, 1e3))
    monkeypatch.setattr(module, "STEPS", 20_000)
    monkeypatch.setattr(module, "POINTS", 4001)
    run("drives", tmp_path)
    for row in results(tmp_path, "drives")["rows"]:
        assert 1 < row["best clock"] < row["geometric"] * (1 + 1e-3) < row["linear"]
    assert (tmp_path / "planning-drives.png").is_file()
