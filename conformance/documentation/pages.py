"""Types the Python of docs/how-to as it is written, but for the platform's address; what a page says is there already is put there by who calls."""

import json
import os
import re
import sys
import textwrap

# MLflow's telemetry reaches outside, and so does Feast's.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["FEAST_USAGE"] = "False"
os.environ["GIT_PYTHON_REFRESH"] = "quiet"
os.environ["MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT"] = "1"

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
url = sys.argv[1]
typed = []


class Page:
    """The blocks of a page, which are typed one after the other into the same names."""

    def __init__(self, page, **names):
        self.page, self.names = page, names
        with open(os.path.join(ROOT, "docs/how-to", page), encoding="utf-8") as file:
            text = file.read()
        self.blocks = [(text.count("\n", 0, found.start()) + 1, found[1]) for found in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S)]

    def source(self, place):
        line, block = self.blocks[place]
        typed.append(f"{self.page}:{line}")
        # An error names the line of the page.
        return line, "\n" * line + textwrap.dedent(block).replace("http://localhost:8080", url)

    def type(self, place):
        line, source = self.source(place)
        exec(compile(source, f"docs/how-to/{self.page}", "exec"), self.names)
        return self.names


def done():
    print(json.dumps({"typed": typed}))
