"""Trials: a run is killed at random moments, and started again, until it is through.

Everything random comes from the seed of the trial, but when the kernel runs whom.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from .oracle import findings
from .site import strike

STARTS = 12
"""How often a trial types the command before its last, undisturbed one."""

KILLS = range(4, 9)
"""How many kills a trial asks for; a run that is through before gets fewer."""


@dataclass
class Trial:
    """What happened in one.

    Attributes:
        seed: of the trial.
        kills: (victim, seconds since its command began).
        ends: exit code of each command, the last one included.
        errors: what the commands said that ended by themselves, and not well.
        findings: what is wrong at the end; nothing, it is to be hoped.
    """

    seed: str
    kills: list = field(default_factory=list)
    ends: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    findings: list = field(default_factory=list)


def victims(site):
    """Whom a trial may kill; a server that is not ours is left alone."""
    ours = ["parent", "worker", "group"]
    if site.server is not None and site.server.cluster is not None:
        # The database dies in half of the kills, since there everything is at stake.
        return [*ours, *ours, "backend", "backend", "postmaster"]
    return ours


SPAN = 0.6
"""The next kill comes within this share of the time of an undisturbed run: what is resumed is
shorter, and would mostly be through before."""


def attempt(site, golden, seed, seconds):
    """One trial on a cleared site, where an undisturbed run takes so many seconds."""
    chance = random.Random(seed)
    trial = Trial(seed)
    wanted = chance.choice(KILLS)
    for _ in range(STARTS):
        if len(trial.kills) == wanted:
            break
        run = site.start()
        began = time.monotonic()
        while len(trial.kills) < wanted and not run.ends_within(chance.uniform(0, SPAN * seconds)):
            victim = chance.choice(victims(site))
            at = time.monotonic() - began
            if _strike(site, run, victim, chance):
                trial.kills.append((victim, round(at, 3)))
        result = run.wait()
        trial.ends.append(result.code)
        if result.code > 0:
            trial.errors.append(f"exit {result.code}: {result.err.strip()}")
        if result.code == 0:
            break
    else:
        result = None
    try:
        if result is None or result.code != 0:
            result = site.finish()
            trial.ends.append(result.code)
        trial.findings = findings(site, golden, result)
    except AssertionError as error:
        trial.findings = [str(error)]
    return trial


def _strike(site, run, victim, chance):
    """Kill one; whether there was anybody to kill."""
    if victim == "parent":
        return run.kill()
    if victim == "group":
        return run.kill_group()
    if victim == "postmaster":
        site.server.stop(signal.SIGQUIT)
        site.server.start()
        return True
    alive = run.workers() if victim == "worker" else site.backends()
    return bool(alive) and strike(chance.choice(alive))


@dataclass
class Summary:
    """The sum of many trials."""

    trials: list = field(default_factory=list)

    def add(self, trial):
        self.trials.append(trial)

    @property
    def kills(self):
        return sum(len(trial.kills) for trial in self.trials)

    def as_dict(self):
        """Plain figures, for people and for a file."""
        wrong = {trial.seed: trial.findings for trial in self.trials if trial.findings}
        texts = [text for found in wrong.values() for text in found]
        kills = Counter(victim for trial in self.trials for victim, _ in trial.kills)
        return {
            "trials": len(self.trials),
            "faults_fired": self.kills,
            "by_victim": dict(sorted(kills.items())),
            "commands": sum(len(trial.ends) for trial in self.trials),
            "exit_codes": dict(
                sorted(Counter(code for trial in self.trials for code in trial.ends).items())
            ),
            "resumed_after_kill": sum(len(trial.ends) > 1 for trial in self.trials),
            "lost": sum("lost" in text for text in texts),
            "doubled": sum("extra" in text or "twice" in text for text in texts),
            "unexplained": len(texts),
            "findings": wrong,
            "seeds": [trial.seed for trial in self.trials],
        }
