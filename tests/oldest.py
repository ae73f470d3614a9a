"""The oldest versions that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
for group in [project["dependencies"], *project["optional-dependencies"].values()]:
    for requirement in group:
        if bound := re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement):
            print("==".join(bound.groups()))
