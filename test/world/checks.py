"""How a client in Python tells what it found: a line `ok WHAT` or `FAIL WHAT: WHY` for each check."""

import time


def check(what, run):
    begun = time.monotonic()
    try:
        run()
        fault = None
    except Exception as error:  # Whatever it is, it is the outcome of this check, and the next one runs.
        fault = " ".join(f"{type(error).__name__} {error}".split()) or repr(error)
    what = f"{what} ({time.monotonic() - begun:.1f} s)"
    print(f"ok {what}" if fault is None else f"FAIL {what}: {fault}", flush=True)


def equal(given, expected):
    if given != expected:
        raise AssertionError(f"{given!r} is not {expected!r}")


def holds(condition, given):
    if not condition:
        raise AssertionError(f"not so: {given!r}")


def raised(kind, run):
    """The error of this kind that it raises."""
    try:
        run()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


# A picture of one point.
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Erk"
    "Jggg=="
)
