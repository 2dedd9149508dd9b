"""Waiting for what takes a moment, with a bound."""

import time

BETWEEN_LOOKS_SECONDS = 0.05


def until(is_so, what: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(BETWEEN_LOOKS_SECONDS)
