#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the demo's subjects: three MR contrasts of one anatomy, deformed into many.

The T1-weighted contrast is the ICBM-152 average scan itself. The T2-weighted contrast and the FLAIR are SIMULATED
from its grey- and white-matter maps. No patient is in here, and nothing learned from it says anything about patients.

  subject    the anatomy is turned, scaled and deformed smoothly (a few mm, never folded)
  t1         the scan's intensities, changed by tissue and gamma, under a smooth coil field
  t2         spin-echo signal  S = PD (1 - exp(-TR/T1)) exp(-TE/T2)  of each tissue, mixed by the maps
  flair      inversion recovery  S = PD (1 - 2 exp(-TI/T1) + exp(-TR/T1)) exp(-TE/T2)  of the same tissues: CSF is dark
  all        Rician noise inside the brain; background is 0, as in skull-stripped sets

Equal seeds give equal subjects. Each subject is drawn from its own random stream, its FLAIR's noise from another.
"""

import argparse
import gzip
import hashlib
import multiprocessing
import pathlib
import sys
import zipfile

import nibabel
import numpy as np
from scipy import ndimage

SHA256 = {
    "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz":
        "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6",
    "mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz":
        "97a5ca69bd24db37a9cb7b32525e1733a209af904129bf1cd36da06d24243bed",
    "mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz":
        "382d92812de4744f9c86c7a0e4f680dc317a0a50e4da1f0153618a6798c7b7db",
    "ch2bet.nii.gz":
        "592a2d20abdf36eefcb540ca8958428040edffc1bc1a18ba1dcfbabac77c5dd1",
}

# T1 ms, T2 ms, relative proton density at 1.5 T: the values of BrainWeb's simulator (Kwan, Evans, Pike,
# IEEE Trans. Med. Imaging 18:1085, 1999; brainweb.bic.mni.mcgill.ca, tissue_mr_parameters.txt).
TISSUES = {"csf": (2569.0, 329.0, 1.00), "grey": (833.0, 83.0, 0.86), "white": (500.0, 70.0, 0.77)}
TISSUE_SPREAD = 0.03  # relative sd of each of these values from subject to subject
TR_MS, TE_MS = 4000.0, 100.0  # a usual T2-weighted protocol, the same for all subjects
# A usual FLAIR protocol but for TI, which nulls CSF with the T1 above: scanners take 2200 ms and more, as the T1 of
# CSF in a head is longer than the simulator's.
FLAIR_TR_MS, FLAIR_TI_MS, FLAIR_TE_MS = 9000.0, 1704.0, 120.0

SLICE_MM = 2  # slices are twice as thick as the template's voxels
NOISE_T1, NOISE_T2, NOISE_FLAIR = 0.02, 0.01, 0.02  # sd, relative to white matter (T1), CSF (T2), grey matter (FLAIR)
FLAIR_STREAM = 1  # tells the random stream of a subject's FLAIR from that of the rest
COIL_SPREAD = 0.12  # sd of the logarithm of the coil field inside the brain


def image_from(name, data):
    """The NIfTI image in the bytes of a .nii.gz file, if they are the ones this script was written for."""
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256[name]:
        sys.exit(f"{name}: SHA-256 is {digest}, expected {SHA256[name]}")
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(data))


def blur_to_slices(volume):
    """Averages along z over one slice thickness; slices are every second plane of it."""
    return ndimage.convolve1d(volume, np.array([0.25, 0.5, 0.25]), axis=2)


def load_anatomy(wheel):
    """T1 (white matter about 1), grey and white fractions and the brain's outline, averaged to slices."""
    def load(kind):
        name = f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"
        with zipfile.ZipFile(wheel) as archive:
            image = image_from(name, archive.read(f"nilearn/datasets/data/{name}"))
        return image, np.asarray(image.dataobj, dtype=np.float32)

    image, t1 = load("t1")
    brain = (t1 > 0).astype(np.float32)
    grey, white = load("gm")[1] / 255, load("wm")[1] / 255
    t1 /= np.median(t1[white > 0.95])
    anatomy = {"t1": t1, "grey": grey * brain, "white": white * brain, "brain": brain}
    return image.affine, {name: blur_to_slices(volume) for name, volume in anatomy.items()}


def slice_grid(shape):
    """Voxel indices along x, y, z of the thick slices of a volume."""
    return np.arange(shape[0]), np.arange(shape[1]), np.arange(0, shape[2], SLICE_MM)


def smooth_field(rng, shape, sigma):
    """Gaussian-filtered noise with sd 1 on the slice grid: made on a grid of half of sigma, interpolated."""
    step = sigma / 2
    coarse = [int(np.ceil(n / step)) + 4 for n in shape]
    noise = ndimage.gaussian_filter(rng.standard_normal(coarse), 2.0, mode="reflect")
    noise = (noise / noise.std()).astype(np.float32)
    for axis, indices in reversed(list(enumerate(slice_grid(shape)))):
        noise = interpolate_axis(noise, indices / step + 1.5, axis)
    return noise


def interpolate_axis(values, where, axis):
    """Cubic convolution along one axis at fractional indices."""
    low = np.floor(where).astype(int)
    t = (where - low).astype(np.float32)
    weights = (-0.5 * t + t**2 - 0.5 * t**3, 1 - 2.5 * t**2 + 1.5 * t**3,
               0.5 * t + 2 * t**2 - 1.5 * t**3, -0.5 * t**2 + 0.5 * t**3)
    shape = [1] * values.ndim
    shape[axis] = -1
    last = values.shape[axis] - 1
    return sum(np.take(values, np.clip(low + k - 1, 0, last), axis) * w.reshape(shape)
               for k, w in enumerate(weights))


def rotation(axis, angle):
    turn = np.eye(3)
    i, j = [k for k in range(3) if k != axis]
    turn[i, i] = turn[j, j] = np.cos(angle)
    turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
    return turn


def displacement(rng, shape):
    """Where the tissue at each point of the slice grid comes from: [3][x][y][slice], in voxels (1 mm)."""
    x, y, z = (np.asarray(a, dtype=np.float32) - n / 2 for a, n in zip(slice_grid(shape), shape))
    matrix = np.diag(1 + rng.normal(0, 0.03, 3))
    for axis, angle in enumerate(np.deg2rad(rng.normal(0, 2.5, 3))):
        matrix = rotation(axis, angle) @ matrix
    m = matrix.astype(np.float32)
    where = np.stack([m[i, 0] * x[:, None, None] + m[i, 1] * y[:, None] + m[i, 2] * z + shape[i] / 2
                      for i in range(3)])
    for sigma, millimetres in ((30.0, 4.0), (9.0, 1.3)):
        for axis in range(3):
            where[axis] += millimetres * smooth_field(rng, shape, sigma)
    return where


def smallest_jacobian(where):
    """The least local volume change of a displacement; not positive where it folds."""
    coarse = where[:, ::2, ::2]
    gradient = np.stack([np.stack(np.gradient(component, 2.0)) for component in coarse])
    a, b, c = gradient  # rows of the 3x3 matrix at each point
    return float((a * np.cross(b, c, axis=0)).sum(axis=0).min())


def spin_echo(t1, t2, density):
    return density * (1 - np.exp(-TR_MS / t1)) * np.exp(-TE_MS / t2)


def inversion_recovery(t1, t2, density):
    """Signed, as voxels mix it: below 0 where T1 is too long for TI."""
    longitudinal = 1 - 2 * np.exp(-FLAIR_TI_MS / t1) + np.exp(-FLAIR_TR_MS / t1)
    return density * longitudinal * np.exp(-FLAIR_TE_MS / t2)


def rician(rng, signal, sd):
    real = signal + sd * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.hypot(real, sd * rng.standard_normal(signal.shape, dtype=np.float32))


def make_subject(anatomy, seed, index):
    """One subject's contrasts, in arbitrary units, on a grid of thick slices."""
    rng = np.random.default_rng([seed, index])
    where = displacement(rng, anatomy["t1"].shape)
    while smallest_jacobian(where) <= 0.1:
        where = displacement(rng, anatomy["t1"].shape)
    warped = {name: ndimage.map_coordinates(volume, where, order=1) for name, volume in anatomy.items()}
    brain = warped["brain"]
    inside = brain > 0.5
    grey, white = warped["grey"], warped["white"]
    csf = np.clip(brain - grey - white, 0, 1)

    gains = {name: 1 + rng.normal(0, 0.05) for name in TISSUES}
    mixture = gains["csf"] * csf + gains["grey"] * grey + gains["white"] * white
    coil = smooth_field(rng, anatomy["t1"].shape, 45.0)
    coil = np.exp(COIL_SPREAD * (coil - coil[inside].mean()) / coil[inside].std())
    gamma = np.exp(rng.normal(0, 0.15))
    t1 = np.clip(warped["t1"] * mixture / np.maximum(brain, 0.5), 0, None) ** gamma * coil

    values = {name: np.array(usual) * (1 + rng.normal(0, TISSUE_SPREAD, 3)) for name, usual in TISSUES.items()}
    tissue = {name: spin_echo(*values[name]) for name in TISSUES}
    t2 = csf * tissue["csf"] + grey * tissue["grey"] + white * tissue["white"]

    t1 = rician(rng, t1.astype(np.float32), NOISE_T1) * inside
    t2 = rician(rng, t2.astype(np.float32), NOISE_T2 * tissue["csf"]) * inside

    tissue = {name: inversion_recovery(*values[name]) for name in TISSUES}
    flair = csf * tissue["csf"] + grey * tissue["grey"] + white * tissue["white"]
    rng = np.random.default_rng([seed, index, FLAIR_STREAM])
    flair = rician(rng, flair.astype(np.float32), NOISE_FLAIR * tissue["grey"]) * inside
    labels = np.argmax([1 - brain, csf, grey, white], axis=0)
    return {"t1": t1, "t2": t2, "flair": flair, "tissues": labels.astype(np.uint8)}


def save(path, volume, affine):
    """Int16 NIfTI with its head scaled to 0..10000, as a scanner would store it."""
    counts = np.rint(volume * (10000 / volume.max())).astype(np.int16)
    image = nibabel.Nifti1Image(counts, affine)
    image.header.set_xyzt_units("mm", "sec")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


def save_labels(path, labels, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(labels, affine), path)


def thick_affine(affine):
    return affine @ np.diag([1, 1, SLICE_MM, 1])


def plan(paired, t1_only, t2_only, held_out):
    """(name, contrasts) of each subject, in order of their random streams. All have a FLAIR."""
    kinds = [("pair", ("t1", "t2"), paired), ("t1only", ("t1",), t1_only), ("t2only", ("t2",), t2_only),
             ("test", ("t1", "t2"), held_out)]
    return [(f"{kind}{k + 1:02d}", (*contrasts, "flair")) for kind, contrasts, count in kinds for k in range(count)]


def write_subject(job):
    """Makes and saves one subject: OUT/CONTRAST/NAME.nii.gz. Run in a process that inherited the anatomy."""
    index, (name, contrasts) = job
    volumes = make_subject(WORKER["anatomy"], WORKER["seed"], index)
    for contrast in contrasts:
        save(WORKER["out"] / contrast / f"{name}.nii.gz", volumes[contrast], thick_affine(WORKER["affine"]))
    if WORKER["tissues"]:
        save_labels(WORKER["out"] / "tissues" / f"{name}.nii.gz", volumes["tissues"], thick_affine(WORKER["affine"]))
    return name


WORKER = {}


def write_colin(path, out, affine, shape):
    """Colin-27's real T1 on the demo's grid: both are in MNI space, so no registration is needed."""
    image = image_from(path.name, path.read_bytes())
    volume = np.asarray(image.dataobj, dtype=np.float32)
    to_colin = np.linalg.inv(image.affine) @ affine
    resampled = ndimage.affine_transform(volume, to_colin[:3, :3], to_colin[:3, 3], shape, order=1)
    save(out, blur_to_slices(resampled)[:, :, ::SLICE_MM], thick_affine(affine))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nilearn", type=pathlib.Path, required=True, help="nilearn's wheel, for the data in it")
    parser.add_argument("--colin", type=pathlib.Path, help="Debian's ch2bet.nii.gz (mricron-data)")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--paired", type=int, default=8, help="training subjects with T1 and T2")
    parser.add_argument("--t1-only", type=int, default=3, help="training subjects without T2")
    parser.add_argument("--t2-only", type=int, default=3, help="training subjects without T1")
    parser.add_argument("--held-out", type=int, default=3)
    parser.add_argument("--tissues", action="store_true",
                        help="write label maps too: 1 cerebrospinal fluid, 2 grey matter, 3 white matter")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()

    affine, anatomy = load_anatomy(args.nilearn)
    WORKER.update(affine=affine, anatomy=anatomy, seed=args.seed, out=args.out, tissues=args.tissues)
    if args.colin:
        write_colin(args.colin, args.out / "colin27.nii.gz", affine, anatomy["t1"].shape)
    jobs = list(enumerate(plan(args.paired, args.t1_only, args.t2_only, args.held_out)))
    with multiprocessing.get_context("fork").Pool(args.jobs) as pool:
        for name in pool.imap(write_subject, jobs):
            print(f"  {name}", flush=True)


if __name__ == "__main__":
    main()
