"""Where things are, and the settings that programs know."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TEMPLATE = DEPLOY / "gateway" / "bennu.conf.template"


def settings() -> set[str]:
    """From the table of the README, which a test of its own keeps that of the code."""
    readme = (ROOT / "README.md").read_text()
    table = readme.split("<!-- settings:begin -->")[1].split("<!-- settings:end -->")[0]
    return set(re.findall(r"^\| `(BENNU_[A-Z0-9_]+)`", table, re.MULTILINE))


def is_setting(name: str) -> bool:
    return name in settings() or name.removesuffix("_FILE") in settings()


def names_of_the_gateway() -> set[str]:
    """What has to be filled in to make the template a configuration."""
    return set(re.findall(r"\$\{(BENNU_[A-Z_]+)\}", TEMPLATE.read_text()))
