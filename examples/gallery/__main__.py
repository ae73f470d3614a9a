"""Draw every picture again: ``python examples/gallery [folder]``, by default into docs/images/gallery."""

import subprocess
import sys
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if sys.argv[1:] else HERE.parents[1] / "docs" / "images" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    for script in sorted(HERE.glob("[a-z]*.py")):
        picture = folder / f"{script.stem}.png"
        subprocess.run([sys.executable, script, picture], check=True)
        few = Image.open(picture).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
        few.save(picture, optimize=True)  # half of the bytes
