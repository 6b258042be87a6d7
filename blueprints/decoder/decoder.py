"""A linear decoder of trials: `decoder.py run DATA CONFIG MODELS OUT`, and `decoder.py model CONFIG` prints
where the model is.

DATA is a table without a header (.csv): a row a trial, a column a feature; in training, and in prediction if
there is one more column than the model has features, the last column is the label (a whole number). "mode" of
the configuration CONFIG decides what is done:

- train: OUT gets model.npz and summary.json (with the accuracy in cross-validation). A member of an ensemble
  (`jobnb`) is trained on a bootstrap sample that its number decides.
- predict: the models below the folder MODELS are averaged. OUT gets predictions.csv and summary.json.

A model is numbers only (no pickle, which could run code): mean and scale of the features, weights,
intercepts, labels. The same data and configuration give the same numbers. Exit codes: 0 done, 65 the data or
the configuration cannot be used (said on stderr).
"""

# ruff: noqa: T201  (a program: what it prints is the job's log)
import csv
import json
import platform
import sys

import numpy as np
import scipy
import sklearn
from neurocaas_analysis import Unusable, number, parameters, program, say
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

DEFAULTS = {"mode": "train", "model": None, "penalty": 1, "folds": 5, "jobnb": None}
LARGEST = 2**53
"""Whole numbers below are exact."""

MODEL = ("mean", "scale", "weights", "intercept", "labels")


def table(data):
    """The numbers of a CSV file, two-dimensional."""
    try:
        # spreadsheets begin with a mark
        values = np.loadtxt(data, delimiter=",", ndmin=2, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise Unusable(
            f"{data.name}: {error}. Allowed: no header, rows of numbers separated by commas. "
            "Correct the dataset."
        ) from error
    if not values.size or not (np.abs(values) < LARGEST).all():
        got = f"no trials, or numbers that are not below {LARGEST:g}"
        raise Unusable(f"{data.name}: got {got}. Allowed: one row a trial. Correct the dataset.")
    return values


def split(values):
    """Features and labels (the last column)."""
    labels = values[:, -1]
    parts = labels[labels != labels.round()]
    if values.shape[1] < 2 or parts.size:
        got = f"{values.shape[1]} columns, the last one with {parts[0] if parts.size else 'whole numbers'}"
        raise Unusable(
            f"The labels: got {got}. Allowed: features, then a column of whole numbers. Correct the dataset."
        )
    return values[:, :-1], labels.astype(np.int64)


def estimator(penalty):
    return make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1000))


def accuracy_of(features, labels, values):
    """Accuracy in each fold of a cross-validation."""
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < values["folds"]:
        got = f"{len(counts)} labels, the rarest with {counts.min()} trials"
        allowed = f"2 or more, each with at least {values['folds']} trials (folds)"
        raise Unusable(f"The labels: got {got}. Allowed: {allowed}. Use fewer folds, or more trials.")
    folds = StratifiedKFold(values["folds"], shuffle=True, random_state=0)
    return cross_val_score(estimator(values["penalty"]), features, labels, cv=folds)


def train(features, labels, values, out):
    """Write the model; the summary of the training."""
    scores = accuracy_of(features, labels, values)
    say(0.6, "fitting")
    if values["jobnb"] is not None:
        chosen = np.random.default_rng(values["jobnb"]).integers(len(labels), size=len(labels))
        features, labels = features[chosen], labels[chosen]
    scaler, regression = (step for _, step in estimator(values["penalty"]).fit(features, labels).steps)
    found = (scaler.mean_, scaler.scale_, regression.coef_, regression.intercept_, regression.classes_)
    np.savez(out / "model.npz", **dict(zip(MODEL, found, strict=True)))
    return {
        "trials": len(labels),
        "features": features.shape[1],
        "labels": [int(label) for label in regression.classes_],
        "accuracy": {"mean": number(scores.mean()), "folds": [number(score) for score in scores]},
    }


def probabilities(model, features):
    """The probability of each label: as LogisticRegression.predict_proba does, from the numbers of a
    model.
    """
    score = (features - model["mean"]) / model["scale"] @ model["weights"].T + model["intercept"]
    if score.shape[1] == 1:
        score = np.hstack([np.zeros_like(score), score])
    return scipy.special.softmax(score, axis=1)


def models(folder):
    """The models below the folder. They must be of one kind."""
    found = []
    for path in sorted(folder.rglob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as archive:
                found.append({name: archive[name] for name in MODEL})
        except (ValueError, OSError, KeyError) as error:
            raise Unusable(
                f"{path.name} is no model: {error}. Allowed: a model.npz of a training job. Correct model."
            ) from error
    if not found:
        raise Unusable(
            "The model: got no model.npz. Allowed: a model.npz, or a folder of results with such "
            "files. Correct model."
        )
    first = found[0]
    if any(
        model["mean"].shape != first["mean"].shape or not np.array_equal(model["labels"], first["labels"])
        for model in found
    ):
        raise Unusable(
            "The models: got models of different features or labels. Allowed: models of one "
            "ensemble. Correct model."
        )
    return found


def predict(trials, ensemble, out):
    """Write the predictions; their summary, with the accuracy when the trials have labels."""
    count, labels = len(ensemble[0]["mean"]), ensemble[0]["labels"]
    if trials.shape[1] not in (count, count + 1):
        got = f"{trials.shape[1]} columns"
        raise Unusable(
            f"The trials: got {got}. Allowed: {count} features as in training, with or without a "
            "label. Correct the dataset."
        )
    truth = split(trials)[1] if trials.shape[1] == count + 1 else None
    chance = np.mean([probabilities(model, trials[:, :count]) for model in ensemble], axis=0)
    predicted = labels[chance.argmax(axis=1)]
    with (out / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "label", "probability"])
        best = chance.max(axis=1)
        writer.writerows([row, int(predicted[row]), number(best[row])] for row in range(len(trials)))
    counts = {int(label): int((predicted == label).sum()) for label in labels}
    summary = {"trials": len(trials), "models": len(ensemble), "counts": counts}
    if truth is not None:
        every = np.union1d(labels, truth)
        summary["accuracy"] = number((predicted == truth).mean())
        summary["confusion"] = {
            "labels": every.tolist(),
            "matrix": confusion_matrix(truth, predicted, labels=every).tolist(),
        }
    return summary


def run(data, config, folder, out):
    values = parameters(config, DEFAULTS)
    say(0.2, f"reading {data.name}")
    trials = table(data)
    say(0.3, values["mode"])
    summary = (
        train(*split(trials), values, out)
        if values["mode"] == "train"
        else predict(trials, models(folder), out)
    )
    versions = {
        "python": platform.python_version(),
        **{module.__name__: module.__version__ for module in (np, scipy, sklearn)},
    }
    document = {
        "schema_version": 1,
        "mode": values["mode"],
        "parameters": values,
        **summary,
        "versions": versions,
    }
    (out / "summary.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"{values['mode']}: {summary['trials']} trials, accuracy {summary.get('accuracy', 'unknown')}")


def model(config):
    """Print the path of the model; nothing for a training."""
    values = parameters(config, DEFAULTS)
    if values["mode"] == "predict":
        if not values["model"]:
            raise Unusable(
                "model: got nothing. Allowed: the path of a model, results/…/model.npz. Add it "
                "to the configuration."
            )
        print(values["model"])


if __name__ == "__main__":
    program({"run": run, "model": model}[sys.argv[1]], *sys.argv[2:])
