"""Fit a diffusion tensor to each voxel of a recording: `fit.py DATA CONFIG OUT`.

DATA is a zip file or a folder with exactly one image (.nii or .nii.gz, four-dimensional), one .bval and one
.bvec (FSL format). CONFIG is the job's configuration. OUT gets summary.json, fa.nii.gz, md.nii.gz, slices.csv
and figure.png. The same data and configuration give the same bytes. Exit codes: 0 done, 65 the data or the
configuration cannot be used (said on stderr).
"""

# ruff: noqa: T201  (a program: what it prints is the job's log)
import csv
import json
import platform
import tempfile
import zlib
from pathlib import Path

import dipy
import matplotlib
import nibabel
import numpy as np
import scipy
from dipy.core.gradients import gradient_table
from dipy.io.gradients import read_bvals_bvecs
from dipy.reconst.dti import TensorModel
from neurocaas_analysis import Unusable, dataset_files, exactly_one, number, parameters, program, say

DEFAULTS = {"b0_threshold": 50, "max_bvalue": 0, "fit_method": "WLS", "fa_threshold": 0.2}
ENDINGS = {"image": (".nii", ".nii.gz"), "b-values": (".bval", ".bvals"), "b-vectors": (".bvec", ".bvecs")}


def recording(data, folder):
    """The paths of image, b-values and b-vectors; a zip file is unpacked into `folder`."""
    files = dataset_files(data, folder)
    return [
        exactly_one(
            what,
            [path for path in files if path.name.lower().endswith(endings)],
            f"file *{' or *'.join(endings)}",
        )
        for what, endings in ENDINGS.items()
    ]


def load(image, bvals, bvecs, values):
    """Image, signal and gradient table, without the volumes above max_bvalue."""
    try:
        loaded = nibabel.load(image)
        signal = loaded.get_fdata()
        b, directions = read_bvals_bvecs(str(bvals), str(bvecs))
    except (OSError, ValueError, EOFError, zlib.error, nibabel.filebasedimages.ImageFileError) as error:
        raise Unusable(
            f"The recording cannot be read: {error}. Allowed: NIfTI with FSL gradient files. "
            "Correct the dataset."
        ) from error
    if signal.ndim != 4 or signal.shape[3] != len(b):
        got = f"an image of shape {signal.shape} and {len(b)} b-values"
        raise Unusable(
            f"The recording: got {got}. Allowed: x, y, z and one volume a b-value. Correct the dataset."
        )
    if values["max_bvalue"]:
        keep = b <= values["max_bvalue"]
        signal, b, directions = signal[..., keep], b[keep], directions[keep]
    try:
        table = gradient_table(b, bvecs=directions, b0_threshold=values["b0_threshold"])
    except ValueError as error:
        raise Unusable(
            f"The gradients: {error}. Allowed: directions of length 1 where there is weighting. Correct them."
        ) from error
    if not table.b0s_mask.any() or (~table.b0s_mask).sum() < 6:
        got = (
            f"{table.b0s_mask.sum()} volumes up to b0_threshold and {(~table.b0s_mask).sum()} between it "
            "and max_bvalue"
        )
        raise Unusable(
            f"The gradients: got {got}. Allowed: at least 1 and at least 6. Change b0_threshold "
            "or max_bvalue."
        )
    return loaded, signal, table


def statistics(values):
    """Of a list of voxels; empty for no voxels."""
    if not values.size:
        return {}
    return {
        "mean": number(values.mean()),
        "median": number(np.median(values)),
        "std": number(values.std()),
        "p05": number(np.percentile(values, 5)),
        "p95": number(np.percentile(values, 95)),
    }


def fit(signal, table, values):
    """The maps by name, and the mask of the voxels with signal, outside of which maps are 0."""
    mask = signal[..., table.b0s_mask].mean(axis=-1) > 0
    model = TensorModel(table, fit_method=values["fit_method"])
    result = model.fit(signal, mask=mask)
    maps = {
        name: np.where(mask, np.nan_to_num(getattr(result, name)), 0.0) for name in ("fa", "md", "ad", "rd")
    }
    return maps, mask


def summarise(names, loaded, signal, table, maps, mask, values):
    """Everything as numbers. Diffusivities are in mm2/s."""
    slices = []
    for z in range(mask.shape[2]):
        inside = mask[:, :, z]
        means = {
            name: number(maps[name][:, :, z][inside].mean()) if inside.any() else None
            for name in ("fa", "md")
        }
        slices.append({"slice": z, "voxels": int(inside.sum()), **means})
    fa = maps["fa"][mask]
    return {
        "schema_version": 1,
        "files": names,
        "parameters": values,
        "shape": list(signal.shape),
        "voxel_size_mm": [number(size) for size in loaded.header.get_zooms()[:3]],
        "volumes": {"b0": int(table.b0s_mask.sum()), "weighted": int((~table.b0s_mask).sum())},
        "voxels": {
            "all": int(mask.size),
            "fitted": int(mask.sum()),
            "anisotropic": int((fa >= values["fa_threshold"]).sum()),
        },
        **{name: statistics(maps[name][mask]) for name in maps},
        "slices": slices,
        "versions": {
            "python": platform.python_version(),
            **{module.__name__: module.__version__ for module in (dipy, matplotlib, nibabel, np, scipy)},
        },
    }


def draw(path, title, maps, mask, threshold):
    """FA and MD of the middle slice, and the distribution of FA."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    middle = mask.shape[2] // 2
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 4), dpi=100, layout="constrained")
    for axis, (name, label, colours, top) in zip(
        axes,
        (("fa", "fractional anisotropy", "magma", 1.0), ("md", "mean diffusivity (mm²/s)", "viridis", None)),
        strict=False,
    ):
        shown = axis.imshow(
            maps[name][:, :, middle].T,
            origin="lower",
            cmap=colours,
            vmin=0,
            vmax=top,
            interpolation="nearest",
        )
        axis.set(title=f"{label}, slice {middle}", xlabel="x (voxels)", ylabel="y (voxels)")
        figure.colorbar(shown, ax=axis, shrink=0.8)
    axes[2].hist(maps["fa"][mask], bins=40, range=(0, 1), color="0.4")
    axes[2].axvline(threshold, color="tab:red", linewidth=1, label=f"threshold {threshold:g}")
    axes[2].set(title="all fitted voxels", xlabel="fractional anisotropy", ylabel="voxels")
    axes[2].legend(frameon=False)
    figure.suptitle(title)
    figure.savefig(path)
    pyplot.close(figure)


def main(data, config, out):
    values = parameters(config, DEFAULTS)
    with tempfile.TemporaryDirectory() as folder:
        files = recording(data, Path(folder))
        say(0.15, "reading " + files[0].name)
        loaded, signal, table = load(*files, values)
        say(0.25, f"fitting {int(np.prod(signal.shape[:3]))} voxels ({values['fit_method']})")
        maps, mask = fit(signal, table, values)
        say(0.75, "writing maps and figure")
        for name in ("fa", "md"):
            nibabel.save(
                nibabel.Nifti1Image(maps[name].astype(np.float32), loaded.affine), out / f"{name}.nii.gz"
            )
        summary = summarise([file.name for file in files], loaded, signal, table, maps, mask, values)
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    with (out / "slices.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["slice", "voxels", "fa", "md"])
        writer.writeheader()
        writer.writerows(summary["slices"])
    draw(out / "figure.png", files[0].name, maps, mask, values["fa_threshold"])
    fa = summary["fa"]
    print(
        f"FA mean {fa['mean']}, median {fa['median']}; MD mean {summary['md']['mean']} mm2/s; "
        f"{summary['voxels']['fitted']} voxels"
    )


if __name__ == "__main__":
    program(main)
