"""The oldest versions that pyproject.toml allows, as constraints for pip; and what is too new for them."""

import re
import tomllib
from pathlib import Path

print("pyparsing<3.3")  # newer ones warn of names that matplotlib before 3.11 uses
print("pytest<9")  # newer ones warn of how scikit-learn before 1.8 hands over its checks
project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
for group in [project["dependencies"], *project["optional-dependencies"].values()]:
    for requirement in group:
        if bound := re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement):
            print("==".join(bound.groups()))
