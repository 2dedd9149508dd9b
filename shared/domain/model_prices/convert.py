#!/usr/bin/env python3
"""Converts the model prices that the PyPI package `litellm` ships (MIT licence) into `prices.tsv` beside this file.

    convert.py                 # downloads the version below with pip
    convert.py WHEEL           # takes a wheel that is here already

Kept are models that are priced by the token. Prices are US dollars per million tokens; an empty field is a price that
the source does not have. Where a provider has higher prices beyond a number of prompt tokens, each is a line of its own.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

VERSION = "1.109.1"
SOURCE = "litellm/model_prices_and_context_window_backup.json"
HERE = Path(__file__).resolve().parent
MODES = {"chat", "completion", "responses", "embedding", "realtime"}
# Columns, and the source's names for them.
PRICES = {
    "prompt": "input_cost_per_token",
    "completion": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "prompt_audio": "input_cost_per_audio_token",
    "completion_audio": "output_cost_per_audio_token",
    "reasoning": "output_cost_per_reasoning_token",
}
# The source's providers, as the OpenInference attribute `llm.provider` names them; others keep their name.
PROVIDERS = [
    (r"vertex_ai.*|gemini", "google"),
    (r"bedrock.*|amazon_nova|sagemaker", "aws"),
    (r"azure.*", "azure"),
    (r"text-completion-openai", "openai"),
    (r"mistral|text-completion-codestral|codestral", "mistralai"),
    (r"cohere.*", "cohere"),
    (r"fireworks_ai.*", "fireworks"),
    (r"together_ai", "together"),
]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(sys.argv[1]) if len(sys.argv) > 1 else downloaded(Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(SOURCE)
            licence = next(name for name in archive.namelist() if name.endswith("/LICENSE"))
            (HERE / "LICENSE").write_bytes(archive.read(licence))
    lines = sorted(converted(json.loads(content)))
    (HERE / "prices.tsv").write_text("\n".join([*header(wheel.name, content), *map("\t".join, lines)]) + "\n")
    print(f"{len(lines)} lines")


def downloaded(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, f"litellm=={VERSION}"]
    subprocess.run(pip, check=True)
    return next(folder.glob("litellm-*.whl"))


def header(wheel: str, content: bytes) -> list[str]:
    return [
        f"# Prices of language models, from {SOURCE} in {'-'.join(wheel.split('-')[:2])} on PyPI",
        "# MIT licence, Copyright (c) 2023 Berri AI; see LICENSE beside this file",
        f"# Converted by convert.py on {date.today().isoformat()} from the file with SHA-256 {hashlib.sha256(content).hexdigest()}",
        "\t".join(["model", "provider", "above_prompt_tokens", *PRICES]),
    ]


def converted(models: dict):
    for name, model in models.items():
        if model.get("mode") not in MODES or "\t" in name or "\n" in name:
            continue
        base = row(model, "")
        if base is None:
            continue
        provider = named(model.get("litellm_provider", ""))
        yield [name, provider, "0", *base]
        for tokens in thresholds(model):
            tier = row(model, f"_above_{tokens}k_tokens")
            if tier is not None:
                yield [name, provider, str(tokens * 1000), *tier]


def thresholds(model: dict) -> list[int]:
    found = (re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", key) for key in model)
    return sorted(int(match[1]) for match in found if match)


def row(model: dict, suffix: str) -> list[str] | None:
    prices = [price(model.get(key + suffix)) for key in PRICES.values()]
    return prices if any(prices) else None


def price(usd_per_token) -> str:
    if not isinstance(usd_per_token, int | float) or usd_per_token < 0:
        return ""
    per_million = (Decimal(repr(usd_per_token)) * 1_000_000).quantize(Decimal("0.000001")).normalize()
    return f"{per_million:f}"


def named(provider: str) -> str:
    for pattern, name in PROVIDERS:
        if re.fullmatch(pattern, provider):
            return name
    return provider


if __name__ == "__main__":
    main()
