"""Near copies beside two peers: `python benchmarks/near_duplicates.py DATA [--peers PYTHON]`.

DATA is a folder of pictures, such as the clothing data set. 200 of them are copied in seven ways (resized,
saved anew, cut by 5 %, mirrored, brighter or darker, framed, turned by 2 degrees) into a temporary folder
with all the others; each program looks at all of it, from files to pairs, in a process of its own. PYTHON
is an interpreter that has the two peers. Precision counts every pair of originals as wrong, though some are
copies in truth.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

COPIES = 200
WAYS = ("resize", "recompress", "crop", "flip", "brightness", "border", "rotate")
OURS = """
import sys
from eighteen.auditing._looking import look_at_all
from eighteen.matching import Sketches, near_pairs
from pathlib import Path
import json
files = sorted(Path(sys.argv[1]).iterdir())
records = look_at_all([(file, -1) for file in files], 10**8, None, lambda more: None)
pairs = near_pairs(Sketches.unpack([record.sketch for record in records]))
found = [[files[i].name, files[j].name] for i, j in zip(pairs.first, pairs.second)]
print(json.dumps(found))
"""
IMAGEDEDUP = """
import json, sys
from imagededup.methods import PHash
found = PHash(verbose=False).find_duplicates(image_dir=sys.argv[1])
print(json.dumps([[one, other] for one, others in found.items() for other in others]))
"""
CLEANVISION = """
import json, os, sys
from itertools import combinations
from cleanvision import Imagelab
lab = Imagelab(data_path=sys.argv[1])
lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, verbose=False)
sets = [s for kind in ("near_duplicates", "exact_duplicates") for s in lab.info[kind]["sets"]]
pairs = [list(pair) for s in sets for pair in combinations(s, 2)]
print(json.dumps([[os.path.basename(a), os.path.basename(b)] for a, b in pairs]))
"""


def variant(picture: Image.Image, way: str, draw: np.random.Generator) -> Image.Image:
    width, height = picture.size
    if way == "resize":
        factor = draw.uniform(0.4, 0.8)
        return picture.resize((int(width * factor), int(height * factor)), Image.Resampling.BICUBIC)
    if way == "crop":
        left, top = int(draw.integers(0, width // 20 + 1)), int(draw.integers(0, height // 20 + 1))
        return picture.crop((left, top, left + int(width * 0.95), top + int(height * 0.95)))
    if way == "flip":
        return ImageOps.mirror(picture)
    if way == "brightness":
        return ImageEnhance.Brightness(picture).enhance(float(draw.choice([0.7, 1.3])))
    if way == "border":
        colour = [(0, 0, 0), (255, 255, 255), (200, 30, 30)][int(draw.integers(3))]
        return ImageOps.expand(picture, int(draw.uniform(0.02, 0.06) * min(width, height)), colour)
    if way == "rotate":
        return picture.rotate(float(draw.choice([-2, 2])), Image.Resampling.BICUBIC)
    return picture


def plant(source: Path, folder: Path, seed: int) -> dict[tuple[str, str], str]:
    """Fills the folder; gives each pair of an original and its copy, and how it was made."""
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for file in files:
        shutil.copyfile(file, folder / file.name)
    draw = np.random.default_rng(seed)
    truth = {}
    for number, row in enumerate(draw.choice(len(files), COPIES, replace=False)):
        way, name = WAYS[number % len(WAYS)], f"copy-{number:03}.jpg"
        picture = Image.open(files[row]).convert("RGB")
        quality = int(draw.integers(30, 60)) if way == "recompress" else 90
        variant(picture, way, draw).save(folder / name, quality=quality)
        truth[files[row].name, name] = way
    return truth


def ask(python: str, program: str, folder: Path) -> tuple[set[tuple[str, str]], float, float]:
    """What a program finds, its seconds, and its seconds of processor."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [python, "-c", program, str(folder)], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    pairs = json.loads(done.stdout.splitlines()[-1])
    return {(min(a, b), max(a, b)) for a, b in pairs if a != b}, seconds, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--peers", help="interpreter that has imagededup and cleanvision")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    programs = [("eighteen", sys.executable, OURS)]
    if arguments.peers:
        programs += [
            ("imagededup, PHash", arguments.peers, IMAGEDEDUP),
            ("cleanvision", arguments.peers, CLEANVISION),
        ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = plant(arguments.data, folder, arguments.seed)
        truth = {(min(pair), max(pair)): way for pair, way in made.items()}
        print(f"{len(list(folder.iterdir()))} pictures, {COPIES} of them planted copies\n")
        print("| program | recall | precision | seconds | of processor | ratio | missed |")
        print("|---|---|---|---|---|---|---|")
        ours = 0.0
        for title, python, program in programs:
            found, seconds, cpu = ask(python, program, folder)
            hit = found & truth.keys()
            missed = [way for pair, way in truth.items() if pair not in hit]
            words = ", ".join(f"{way} {missed.count(way)}" for way in WAYS if way in missed) or "none"
            ours = ours or cpu
            print(
                f"| {title} | {len(hit) / COPIES:.3f} | {len(hit) / max(1, len(found)):.3f} | {seconds:.1f} "
                f"| {cpu:.1f} | {cpu / ours:.1f} | {words} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
