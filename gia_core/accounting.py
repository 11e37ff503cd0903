"""What a mechanism promises in numbers: epsilon, as Opacus counts it, and a bound on reconstruction.

Opacus imports torch, which takes seconds. A page must not wait for that, so it asks an ``Accountant``, which keeps a
process of its own; the first answer takes seconds, every other one a fraction of one.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings
from pathlib import Path
from statistics import NormalDist
from threading import Lock
from typing import IO, Any, Literal, NamedTuple

PRECISE_UP_TO = 1000.0
"""Beyond this epsilon the PRV accountant is not asked: neither number promises anything."""
CLOSE = 0.01
"""The noise for a wanted epsilon gives at most that much less."""
REMEMBERED = 1000
"""Answers that an accountant keeps."""

POISSON = (
    "Epsilon assumes Poisson sampling: everyone takes part in each step by a coin toss of their own. Batches of a "
    "fixed size from a shuffled data set are not covered."
)
"""What every epsilon of a sampled mechanism has to be shown with."""


class Release(NamedTuple):
    """A Gaussian mechanism that is applied again and again to random samples of those it protects."""

    noise_multiplier: float
    """Standard deviation of the noise on the sum, divided by the bound on what one of them adds to it."""
    sample_rate: float
    """With which probability each of them takes part in one step."""
    steps: int
    """How often it is applied."""
    delta: float
    """Probability with which epsilon may be exceeded."""


class Epsilon(NamedTuple):
    """Two upper bounds for the same mechanism, for neighbors that differ by one more or one less."""

    rdp: float
    """By Rényi differential privacy (Mironov, CSF 2017); infinite without noise."""
    prv: float | None
    """By privacy loss random variables (Gopi et al., NeurIPS 2021), usually tighter; None where it was not counted."""


def epsilon(release: Release) -> Epsilon:
    """Count it here; imports Opacus and with it torch, but where there is no noise."""
    rdp = count(release, "rdp")
    try:
        return Epsilon(rdp, count(release, "prv") if rdp <= PRECISE_UP_TO else None)
    except ValueError:  # a delta so small that rounding decides
        return Epsilon(rdp, None)


def count(release: Release, by: Literal["rdp", "prv"]) -> float:
    """Epsilon by one of Opacus' accountants, with its default settings."""
    if release.noise_multiplier == 0:
        return math.inf
    import numpy as np
    from opacus.accountants import PRVAccountant, RDPAccountant

    accountant: Any = RDPAccountant() if by == "rdp" else PRVAccountant()
    accountant.history = [(release.noise_multiplier, release.sample_rate, release.steps)]
    # The default mesh of the PRV accountant suits a small epsilon; for a large one it would fill the memory.
    options = {} if by == "rdp" else {"eps_error": max(0.01, count(release, "rdp") / 1000)}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # about orders at the edge: the bound is valid, if not the tightest
        return max(0.0, float(accountant.get_epsilon(delta=release.delta, **options)))


def noise_for(wanted: float, release: Release, by: Literal["rdp", "prv"] = "rdp") -> float:
    """The noise multiplier that gives an epsilon of at most ``wanted``; that of ``release`` is not looked at.

    Raises ValueError where the accountant cannot show so small an epsilon for any noise.
    """

    def reached(noise: float) -> float:
        return count(release._replace(noise_multiplier=noise), by)

    low, high = 0.0, 20.0
    while (best := reached(high)) > wanted:
        low, high = high, 2 * high
        if high > 1e6:
            raise ValueError(f"No noise is shown to give an epsilon of {wanted:g}; ask for more, or raise delta.")
    while wanted - best > CLOSE and high - low > 1e-6 * high:
        middle = (low + high) / 2
        found = reached(middle)
        low, high, best = (low, middle, found) if found <= wanted else (middle, high, best)
    return high


def reconstruction_bound(release: Release, candidates: int = 10) -> float:
    """Largest chance to name the right one of that many equally likely records, knowing all others.

    It is Φ(Φ⁻¹(1 / candidates) + √steps / noise multiplier) for one that takes part in every step (Hayes et al.,
    NeurIPS 2023), and no more for one that is sampled.
    """
    if release.noise_multiplier == 0:
        return 1.0
    normal = NormalDist()
    return normal.cdf(normal.inv_cdf(1 / candidates) + math.sqrt(release.steps) / release.noise_multiplier)


def in_words(release: Release, counted: Epsilon) -> str:
    """For example "epsilon 2.1 at delta 1e-5 by RDP, 1.84 by PRV"."""
    if math.isinf(counted.rdp):
        return "epsilon is infinite: without noise nothing is promised"
    delta = f"{release.delta:g}".replace("e-0", "e-")
    prv = "" if counted.prv is None else f", {counted.prv:.3g} by PRV"
    return f"epsilon {counted.rdp:.3g} at delta {delta} by RDP{prv}"


class Accountant:
    """Counts in a process of its own, which begins with the first question and ends with this one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._answers: dict[str, dict[str, Any]] = {}

    def epsilon(self, release: Release) -> Epsilon:
        """As the function of this name."""
        return Epsilon(**self._ask({"release": release._asdict()}))

    def rdp(self, release: Release) -> float:
        """The first of both bounds alone, which takes milliseconds where the second may take seconds."""
        return float(self._ask({"release": release._asdict(), "count": "rdp"})["epsilon"])

    def noise_for(self, wanted: float, release: Release, by: Literal["rdp", "prv"] = "rdp") -> float:
        """As the function of this name."""
        return float(self._ask({"release": release._asdict(), "wanted": wanted, "by": by})["noise_multiplier"])

    def close(self) -> None:
        """End the process; another question begins a new one."""
        with self._lock:
            if self._process is not None:
                with self._process:  # closes its input, upon which it ends, and waits for that
                    self._process = None

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Raises ValueError with a sentence where there is no answer."""
        line = json.dumps(question, sort_keys=True)
        with self._lock:
            if line not in self._answers:
                if len(self._answers) >= REMEMBERED:
                    self._answers.clear()
                self._answers[line] = self._answer(line)
            answer = self._answers[line]
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def _answer(self, line: str) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self._process = begun()
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        try:
            requests.write(line + "\n")
            requests.flush()
            return dict(json.loads(replies.readline()))
        except (OSError, ValueError):
            raise ValueError("Epsilon could not be counted: the process that counts it ended. Try once more.") from None


def begun() -> subprocess.Popen[str]:
    """The process that counts. It is out of reach of Ctrl-C, and ends when its input does."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def serve(questions: IO[str], answers: IO[str]) -> None:
    """Answer one question in JSON per line, until there is none."""
    for line in questions:
        answers.write(json.dumps(answered(json.loads(line))) + "\n")
        answers.flush()


def answered(question: dict[str, Any]) -> dict[str, Any]:
    release = Release(**question["release"])
    try:
        if "wanted" in question:
            return {"noise_multiplier": noise_for(question["wanted"], release, question["by"])}
        if "count" in question:
            return {"epsilon": count(release, question["count"])}
        return epsilon(release)._asdict()
    except ValueError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
