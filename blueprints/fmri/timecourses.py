"""Time courses of a functional MRI recording: `timecourses.py DATA CONFIG OUT`.

DATA is a zip file or a folder with exactly one four-dimensional (functional) and one three-dimensional
(anatomical) image, .nii or .nii.gz, whose affines give the same world coordinates. CONFIG is the job's
configuration. OUT gets summary.json, timecourses.csv, tsnr.nii.gz, classes.nii.gz, components.nii.gz and
figure.png. The same data and configuration give the same bytes. Exit codes: 0 done, 65 the data or the
configuration cannot be used (said on stderr).
"""

# ruff: noqa: T201  (a program: what it prints is the job's log)
import csv
import json
import platform
import tempfile
import zlib
from pathlib import Path

import matplotlib
import nibabel
import numpy as np
import scipy
from neurocaas_analysis import Unusable, dataset_files, exactly_one, number, parameters, program, say
from nibabel.processing import resample_from_to
from scipy.signal import detrend

DEFAULTS = {"classes": 3, "components": 3, "mask_fraction": 0.3, "detrend": True}
IMAGES = (".nii", ".nii.gz")


def images(files):
    """The functional and the anatomical image, told apart by their dimensions."""
    found = {3: [], 4: []}
    loaded = {}
    for path in files:
        if path.name.lower().endswith(IMAGES):
            try:
                loaded[path] = nibabel.load(path)
                loaded[path].get_fdata()
            except (
                OSError,
                ValueError,
                EOFError,
                zlib.error,
                nibabel.filebasedimages.ImageFileError,
            ) as error:
                raise Unusable(
                    f"{path.name} cannot be read: {error}. Allowed: NIfTI. Correct the dataset."
                ) from error
            found.setdefault(loaded[path].ndim, []).append(path)
    functional = exactly_one("functional image", found[4], "image *.nii or *.nii.gz with four dimensions")
    anatomical = exactly_one("anatomical image", found[3], "image *.nii or *.nii.gz with three dimensions")
    return functional.name, loaded[functional], anatomical.name, loaded[anatomical]


def head(mean, anatomy, fraction):
    """The voxels that have signal in both images; not those without a number, as some programs leave them
    outside of the head.
    """
    known = mean[np.isfinite(mean)]
    mask = (mean > fraction * (np.percentile(known, 98) if known.size else 0)) & (anatomy > 0)
    if not mask.any():
        got = (
            f"no voxel with a mean above {fraction:g} of the 98th percentile and an anatomical intensity "
            "above 0"
        )
        allowed = "images of the same head, in the same world coordinates"
        raise Unusable(
            f"The images: got {got}. Allowed: {allowed}. Lower mask_fraction, or correct the dataset."
        )
    return mask


def classes_of(anatomy, mask, count):
    """1 to `count` for voxels of the mask by anatomical intensity, classes of equal size; 0 outside."""
    edges = np.quantile(anatomy[mask], np.linspace(0, 1, count + 1)[1:-1])
    return np.where(mask, 1 + np.searchsorted(edges, anatomy, side="right"), 0).astype(np.int16)


def components_of(signal, count):
    """Principal components of time courses (voxels x time), each voxel standardised: parts of the variance,
    time courses of unit length and voxel weights. A component's sign is that of its largest weight."""
    deviation = signal.std(axis=1, keepdims=True)
    standard = (signal - signal.mean(axis=1, keepdims=True)) / np.where(deviation > 0, deviation, 1)
    weights, singular, courses = np.linalg.svd(standard, full_matrices=False)
    weights, courses = weights[:, :count], courses[:count]
    signs = np.sign(weights[np.abs(weights).argmax(axis=0), np.arange(weights.shape[1])])
    return (singular**2 / (singular**2).sum())[:count], courses * signs[:, None], weights * signs


def analyse(functional, anatomical, values):
    """All that is computed, by name."""
    signal = functional.get_fdata()
    grid = (signal.shape[:3], functional.affine)
    anatomy = resample_from_to(anatomical, grid, order=1).get_fdata()
    mean = signal.mean(axis=3)
    mask = head(mean, anatomy, values["mask_fraction"])
    courses = signal[mask]
    level = courses.mean(axis=1, keepdims=True)
    if values["detrend"]:
        courses = detrend(courses, axis=1) + level
    noise = courses.std(axis=1, ddof=1)
    ratio = np.divide(level[:, 0], noise, out=np.zeros_like(noise), where=noise > 0)
    percent = 100 * (courses / level - 1)
    classes = classes_of(anatomy, mask, values["classes"])
    names = range(1, values["classes"] + 1)
    members = {name: classes[mask] == name for name in names}
    means = {
        name: percent[inside].mean(axis=0) if inside.any() else np.zeros(signal.shape[3])
        for name, inside in members.items()
    }
    variance, components, weights = components_of(courses, min(values["components"], signal.shape[3] - 1))
    return {
        "mask": mask, "classes": classes, "members": members, "means": means, "ratio": ratio,
        "variance": variance, "components": components, "weights": weights,
    }  # fmt: skip


def summarise(names, functional, anatomical, found, values):
    """Everything as numbers."""
    ratio = found["ratio"]
    return {
        "schema_version": 1,
        "files": {"functional": names[0], "anatomical": names[1]},
        "parameters": values,
        "shape": list(functional.shape),
        "anatomical_shape": list(anatomical.shape),
        "repetition_time_s": number(functional.header.get_zooms()[3]),
        "voxels": {"all": int(found["mask"].size), "head": int(found["mask"].sum())},
        "tsnr": {"mean": number(ratio.mean()), "median": number(np.median(ratio))},
        "classes": [
            {"class": name, "voxels": int(inside.sum()),
                "tsnr": number(ratio[inside].mean()) if inside.any() else None,
             "std_percent": number(found["means"][name].std())}
            for name, inside in found["members"].items()
        ],
        "components_variance": [number(part) for part in found["variance"]],
        "versions": {
            "python": platform.python_version(),
            **{module.__name__: module.__version__ for module in (matplotlib, nibabel, np, scipy)},
        },
    }  # fmt: skip


def volume(path, values, mask, affine):
    """Save values of the mask's voxels (last axis: volumes) as an image with zeros outside."""
    filled = np.zeros((*mask.shape, *values.shape[1:]), dtype=np.float32)
    filled[mask] = values
    nibabel.save(nibabel.Nifti1Image(filled, affine), path)


def write_courses(path, found):
    """A row a volume: the classes' mean signal in percent, the components' time courses."""
    columns = {f"class_{name}_percent": course for name, course in found["means"].items()}
    columns |= {f"component_{number + 1}": course for number, course in enumerate(found["components"])}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["volume", *columns])
        for row, cells in enumerate(zip(*columns.values(), strict=True)):
            writer.writerow([row, *(number(cell) for cell in cells)])


def draw(path, title, found, repetition):
    """The classes' time courses and the variance of the components."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4), dpi=100, layout="constrained")
    for name, course in found["means"].items():
        axes[0].plot(np.arange(len(course)) * repetition, course, label=f"class {name}")
    axes[0].set(title="mean signal by anatomical intensity", xlabel="time (s)", ylabel="signal change (%)")
    axes[0].legend(frameon=False)
    axes[1].bar(range(1, len(found["variance"]) + 1), 100 * found["variance"], color="0.4")
    axes[1].set(title="principal components", xlabel="component", ylabel="variance (%)")
    figure.suptitle(title)
    figure.savefig(path)
    pyplot.close(figure)


def main(data, config, out):
    values = parameters(config, DEFAULTS)
    with tempfile.TemporaryDirectory() as folder:
        say(0.15, "reading")
        functional_name, functional, anatomical_name, anatomical = images(dataset_files(data, Path(folder)))
        if functional.shape[3] < 3:
            raise Unusable(
                f"{functional_name}: got {functional.shape[3]} volumes. Allowed: 3 or more. "
                "Correct the dataset."
            )
        say(0.3, f"{functional.shape[3]} volumes")
        found = analyse(functional, anatomical, values)
        say(0.75, "writing images and figure")
        summary = summarise((functional_name, anatomical_name), functional, anatomical, found, values)
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    mask, affine = found["mask"], functional.affine
    volume(out / "tsnr.nii.gz", found["ratio"], mask, affine)
    volume(out / "classes.nii.gz", found["classes"][mask], mask, affine)
    volume(out / "components.nii.gz", found["weights"], mask, affine)
    write_courses(out / "timecourses.csv", found)
    draw(out / "figure.png", functional_name, found, summary["repetition_time_s"])
    print(
        f"tSNR mean {summary['tsnr']['mean']}; components {summary['components_variance']}; "
        f"{summary['voxels']['head']} voxels"
    )


if __name__ == "__main__":
    program(main)
