"""How often the watcher names the cause of a sick training, and how often it warns of a healthy one.

Runs every script of ``tests/zoo`` under the watcher, for several seeds, in two processes of one thread each::

    python benchmarks/diagnosis.py --seeds 3
    python benchmarks/diagnosis.py --half held-out --only "sick/los*" --verbose
    python benchmarks/diagnosis.py --keep runs/zoo && python benchmarks/diagnosis.py --judge runs/zoo

``--keep`` leaves the run folders, and ``--judge`` asks the rules of today of them: rules read records alone, so that a
changed one is judged on all of the zoo in a few minutes, without training anything.

A cause counts as named where a warning or an error that stands in the diagnosis, not folded under another one, states
it: a finding of its own code (information, where its rule gives nothing else), or, for a learning rate that is too low
or too high and for weights that start too small, one that says so in its message or remedies (see
``tests/zoo/causes.py``). The table has the first of these by itself, too: by its own code. It counts as told where it
is named, or where its finding was folded under one that explains it. The scripts of each code, and the healthy ones,
are split in two halves: limits were chosen with the first half in view, and the second half tells what they are worth.
The table has a line a family of codes, with ``--codes`` a line a code; steps are medians of ``--when``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

ZOO = Path(__file__).parents[1] / "tests" / "zoo"
sys.path.append(str(ZOO))

from causes import cause_of, is_named, is_named_by_code, is_told  # noqa: E402

HALVES = ("calibration", "held-out")
BESIDE = "watched.json"
PREFIXES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


@dataclass(frozen=True)
class Result:
    """One watched training.

    Attributes:
        name: Script, below the zoo.
        code: What is wrong with it; "" for a healthy one.
        seed: Of the training.
        half: "calibration" or "held-out".
        found: Code → severity of the findings.
        folded: Code of each symptom that was folded → code of its cause.
        said: Code → message and remedies of the findings.
        steps: Steps taken.
        detected: Steps after which the code was found first; None where it never was.
        seconds: Time taken.
        notes: Of the watcher.
    """

    name: str
    code: str
    seed: int
    half: str
    found: dict[str, str]
    folded: dict[str, str]
    said: dict[str, str]
    steps: int
    detected: int | None
    seconds: float
    notes: list[str]

    @property
    def warned(self) -> list[str]:
        return [code for code, severity in self.found.items() if severity != "info"]

    @property
    def named_by_code(self) -> bool:
        return is_named_by_code(self.code, self.found)

    @property
    def named(self) -> bool:
        return is_named(self.code, self.found, self.said)

    @property
    def told(self) -> bool:
        return is_told(self.code, self.found, self.said, self.folded)


def scripts() -> list[tuple[str, str, str]]:
    """Name, code and half of every training."""
    by_code: dict[str, list[str]] = defaultdict(list)
    for path in sorted(ZOO.glob("healthy/*.py")):
        by_code[""].append(f"healthy/{path.name}")
    for path in sorted(ZOO.glob("sick/*.py")):
        by_code[cause_of(path.name)].append(f"sick/{path.name}")
    return [
        (name, code, "held-out" if place % 2 else "calibration")
        for code, names in by_code.items()
        for place, name in enumerate(names)
    ]


@dataclass(frozen=True)
class Task:
    """One training to be watched, or judged.

    Attributes:
        name: Script, below the zoo.
        code: What is wrong with it; "" for a healthy one.
        half: "calibration" or "held-out".
        seed: Of the training.
        when: Judge beginnings too.
        kept: Run folder to write, or to judge; ``None`` keeps nothing.
    """

    name: str
    code: str
    half: str
    seed: int
    when: bool
    kept: Path | None


def watch(task: Task) -> Result:
    """Run one training."""
    import torch

    from babysit.testing import watch_script

    torch.set_num_threads(1)
    if task.kept and (task.kept / "run.json").exists():
        shutil.rmtree(task.kept)
    start = time.perf_counter()
    seen = watch_script(ZOO / task.name, str(task.seed), out=task.kept)
    seconds = time.perf_counter() - start
    if task.kept:
        (task.kept / BESIDE).write_text(json.dumps({"notes": seen.notes, "seconds": seconds}))
    return result(task, seen.records, seen.diagnosis, seen.notes, seconds)


def judge(task: Task) -> Result:
    """Judge one training that was watched earlier."""
    from babysit.diagnose import diagnose, join
    from babysit.measure.record import read_runs

    assert task.kept
    runs = read_runs(task.kept)
    beside = json.loads((task.kept / BESIDE).read_text())
    return result(task, runs, join([diagnose(run) for run in runs]), beside["notes"], beside["seconds"])


def result(task: Task, runs, diagnosis, notes, seconds: float) -> Result:
    """What came out of a training."""
    found = {finding.code: str(finding.severity) for finding in reversed(diagnosis.findings)}
    return Result(
        task.name,
        task.code,
        task.seed,
        task.half,
        found,
        {code: cause.code for code, cause in sorted(diagnosis.folded.items())},
        {item.code: " | ".join((item.message, *item.remedies)) for item in reversed(diagnosis.findings)},
        sum(len(run.losses) for run in runs),
        detection(runs, task.code) if task.when and task.code in found else None,
        seconds,
        [*notes, *(f"{rule}: {error}" for rule, error in diagnosis.broken.items())],
    )


def detection(runs, code: str) -> int | None:
    """Steps after which a running training would have been diagnosed so for good, by powers of two."""
    from babysit.diagnose import diagnose

    first = None
    for steps in PREFIXES:
        if any(code in {item.code for item in diagnose(beginning(run, steps)).findings} for run in runs):
            first = first or steps
    return first


def beginning(run, steps: int):
    """What was recorded of the first steps."""
    import dataclasses

    from babysit.measure.record import LossBlock

    def early(items):
        return tuple(item for item in items if item.step < steps)

    names = ("steps", "calls", "forwards", "graphs", "coverage", "replicas", "origins")
    cut = {name: early(getattr(run, name)) for name in names}
    losses = run.losses[:steps]
    evaluations = tuple(item for item in run.evaluations if item.step <= steps)
    probes = run.probes if len(run.losses) <= steps else ()
    blocks = (LossBlock(0, losses),) if losses else ()
    return dataclasses.replace(run, blocks=blocks, evaluations=evaluations, probes=probes, **cut)


def table(results: list[Result], *, codes: bool = False) -> str:
    """A line a family of codes or a code, and the healthy ones."""
    lines = [
        "| cause | named, calibration | named, held out | by its own code, calibration | by its own code, held out "
        "| told, calibration | told, held out | steps until named |",
        "|---|---|---|---|---|---|---|---|",
    ]
    sick = [result for result in results if result.code]
    kinds: dict[str, list[Result]] = defaultdict(list)
    for result in sorted(sick, key=lambda item: item.code):
        kinds[result.code if codes else result.code.rstrip("0123456789")].append(result)
    lines += [row(kind, of_kind) for kind, of_kind in kinds.items()]
    lines.append(row("**all**", sick))
    for half in HALVES:
        healthy = [item for item in results if not item.code and item.half == half]
        alarms = sum(bool(item.warned) for item in healthy)
        lines.append(f"\nhealthy, {half}: {alarms} of {len(healthy)} trainings with a warning")
    return "\n".join(lines)


def row(title: str, results: list[Result]) -> str:
    halves = [[item for item in results if item.half == half] for half in HALVES]
    named = [share([item.named for item in half]) for half in halves]
    by_code = [share([item.named_by_code for item in half]) for half in halves]
    told = [share([item.told for item in half]) for half in halves]
    when = sorted(item.detected for item in results if item.detected is not None)
    return f"| {' | '.join([title, *named, *by_code, *told])} | {when[len(when) // 2] if when else '–'} |"


def share(results: list[bool]) -> str:
    return f"{sum(results)} of {len(results)}" if results else "–"


def verdict(result: Result) -> str:
    """What is to be shown of a training; "" where it is as it should be."""
    if not result.code:
        return "ALARM" if result.warned else "notes" if result.notes else ""
    if not result.named:
        return "told" if result.told else "MISS"
    if not result.named_by_code:
        return "stated"
    return "also" if result.notes or set(result.warned) - {result.code} else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--half", choices=("calibration", "held-out", "both"), default="both")
    parser.add_argument("--only", default="*", help="shell pattern of names such as sick/los*")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--when", action="store_true", help="judge beginnings too: steps until named")
    parser.add_argument("--verbose", action="store_true", help="a line for each training that is not as it should be")
    parser.add_argument("--codes", action="store_true", help="a line for each code in the table, not for each family")
    parser.add_argument("--json", type=Path, help="write every result there")
    parser.add_argument("--keep", type=Path, help="keep the run folders in this folder")
    parser.add_argument("--judge", type=Path, help="judge the run folders that --keep has left there; train nothing")
    options = parser.parse_args()
    folder = options.judge or options.keep
    chosen = [
        Task(name, code, half, seed, options.when, folder and folder / Path(name).with_suffix("") / str(seed))
        for name, code, half in scripts()
        if fnmatch(name, options.only) and options.half in ("both", half)
        for seed in range(options.seeds)
    ]
    if options.judge and (missing := [task for task in chosen if not (task.kept / BESIDE).exists()]):
        print(f"{len(missing)} of {len(chosen)} trainings were not kept, such as {missing[0].kept}")
        chosen = [task for task in chosen if task not in missing]
    os.environ["OMP_NUM_THREADS"] = "1"
    results = []
    with multiprocessing.get_context("spawn").Pool(options.processes, maxtasksperchild=60) as pool:
        for item in pool.imap_unordered(judge if options.judge else watch, chosen):
            results.append(item)
            mark = verdict(item)
            if options.verbose and mark:
                print(f"{mark} {item.name} seed {item.seed}: {item.found} folded {item.folded} {item.notes}")
                for code in (code for code in item.warned if code != item.code):
                    print(f"      {code} {item.said[code]}")
                sys.stdout.flush()
    print(table(results, codes=options.codes))
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1))


if __name__ == "__main__":
    main()
