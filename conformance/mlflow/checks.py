"""What the sessions share: one line per check, and the end of the session at the first that does not hold."""

import json
import os
import sys

os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
# Its telemetry reaches outside, and its thread has been seen to fail a session.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["GIT_PYTHON_REFRESH"] = "quiet"
# What a model needs installed is guessed by importing it in another process; the sessions do not ask for the guess.
os.environ["MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT"] = "1"

checks = 0


def check(what, holds):
    global checks
    checks += 1
    print(("ok   " if holds else "FAIL ") + what, flush=True)
    if not holds:
        sys.exit(1)


def refused(what, code, call):
    from mlflow.exceptions import MlflowException

    try:
        call()
    except MlflowException as error:
        check(f"{what} is refused with {code} ({error.error_code})", error.error_code == code)
        return error
    check(f"{what} is refused with {code}", False)


def until(what, holds, seconds=30):
    import time

    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    check(what, holds())


def done():
    import mlflow

    print(json.dumps({"client": mlflow.__version__, "checks": checks}))
