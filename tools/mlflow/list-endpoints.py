"""Lists what MLflow's own server answers, as JSON: run it with the python of an environment that holds one version of mlflow (not skinny).

What is doubled under /ajax-api is listed once; what is there only, is listed as it is.
"""
import json
import re
import sys

import mlflow
from mlflow.server import app

pairs = set()


def add(path, methods):
    path = re.sub(r"<(?:\w+:)?(\w+)>|\{(\w+)(?::\w+)?\}", lambda found: "{%s}" % (found.group(1) or found.group(2)), path)
    pairs.update((method, path) for method in set(methods or ()) - {"HEAD", "OPTIONS"})


for rule in app.url_map.iter_rules():
    add(rule.rule, rule.methods)
try:
    from mlflow.server.fastapi_app import create_fastapi_app
except ImportError:
    print("this version has no FastAPI routes", file=sys.stderr)
else:
    for path, operations in create_fastapi_app(app).openapi()["paths"].items():
        add(path, [method.upper() for method in operations])

twins = {(method, path) for method, path in pairs if path.startswith("/ajax-api") and (method, "/api" + path[len("/ajax-api") :]) in pairs}
endpoints = sorted("%s %s" % pair for pair in pairs - twins if not pair[1].startswith(("/static", "/build")))
print(json.dumps({"version": mlflow.__version__, "endpoints": endpoints}, indent=1))
