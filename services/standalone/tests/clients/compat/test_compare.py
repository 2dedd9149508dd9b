"""The differential test for pytest: `BENNU_REFERENCE` is the reference's executable."""

import os

import compare
import pytest


@pytest.mark.skipif(
    "BENNU_REFERENCE" not in os.environ, reason="BENNU_REFERENCE does not name the reference's executable"
)
def test_the_answers_are_those_of_the_reference():
    assert compare.main(["--reference", os.environ["BENNU_REFERENCE"]]) == 0
