"""What `babysit check` finds before training, in the trainings of ``tests/zoo``, and how long it takes.

::

    python benchmarks/preflight.py --seeds 3 --verbose

Every script is run until its first update is due, and checked there. A fault that exists before training counts as
named where a finding of its code, or of one that says the same, stands in the report as a warning or an error, or is
folded under its cause.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

ZOO = Path(__file__).parents[1] / "tests" / "zoo"
BEFORE = (
    *("DAT001", "DAT002", "DAT003", "DAT004", "DAT007", "DAT010"),
    *("INI001", "INI002", "INI003", "ACT003", "ACT004"),
    *("GRD004", "UPD003", "LOS007", "LOS009", "NRM001"),
)
"""Faults of the model, the loss or the data that are there before the first update."""
RATES = ("LOS002", "LOS003", "UPD001", "UPD002")
"""Learning rates that are too high or too low from the first update on."""
LATER = ("los003_transformer.py", "upd001_warmup.py")
"""Rates that are meant for a far longer training, which is not known before."""
SAME = (
    *({"INI002", "GRD001"}, {"INI003", "ACT002"}, {"DAT007", "LOS001"}),
    *({"LOS002", "UPD002"}, {"LOS003", "UPD001"}),
)


@dataclass(frozen=True)
class Result:
    """One checked script."""

    name: str
    code: str
    seed: int
    warned: list[str]
    folded: list[str]
    messages: dict[str, str]
    failed: list[str]
    refused: str
    seconds: float
    peers: dict[str, tuple[bool, float]]

    @property
    def named(self) -> bool:
        also = next((codes for codes in SAME if self.code in codes), {self.code})
        return bool(also & set(self.warned)) or self.code in self.folded


def complaints(subject) -> dict[str, tuple[bool, float]]:
    """Whether other tools, where they are installed, complain of anything at all, and the seconds they take."""
    import copy

    found = {}
    single = sum(item.function is None for item in subject.loss.__self__.operations) == 1
    with contextlib.suppress(ImportError):
        import torchtest2

        if single:
            model = copy.deepcopy(subject.model)

            def loss_fn(outputs, _):
                return subject.loss.__self__.rest_of(outputs, model, subject.batch)

            start = time.perf_counter()
            try:
                report = torchtest2.check_model(
                    model,
                    subject.batch.inputs,
                    subject.batch.targets,
                    loss_fn=loss_fn,
                    optimizer=subject.optimizer_for(model),
                )
                found["torchtest2"] = bool(report.failures or report.warnings), time.perf_counter() - start
            except Exception:
                found["torchtest2"] = True, time.perf_counter() - start
    with contextlib.suppress(ImportError):
        import guardtower

        model = copy.deepcopy(subject.model)
        start = time.perf_counter()
        try:
            report = guardtower.audit(
                model, lambda: subject.loss(model, subject.batch), optimizer=subject.optimizer_for(model)
            )
            found["guardtower"] = bool(report.errors or report.warnings), time.perf_counter() - start
        except Exception:
            found["guardtower"] = True, time.perf_counter() - start
    return found


def check(task: tuple[str, str, int, bool]) -> Result:
    """Check one script."""
    import torch

    from babysit.testing import check_script

    torch.set_num_threads(1)
    name, code, seed, with_peers = task
    start = time.perf_counter()
    others: dict[str, tuple[bool, float]] = {}
    try:
        report = check_script(
            ZOO / name, str(seed), also=lambda subject: others.update(complaints(subject) if with_peers else {})
        )
    except Exception as error:
        report = error
    seconds = time.perf_counter() - start
    if report is None or isinstance(report, Exception):
        return Result(name, code, seed, [], [], {}, [], str(report), seconds, others)
    warned = {item.code: item.message for item in report.findings if item.severity != "info"}
    failed = [f"{item.name}: {item.measured}" for item in report.checks if item.mark == "not applicable"]
    return Result(
        name, code, seed, list(warned), sorted(report.diagnosis.folded), warned, failed, "", report.seconds, others
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="*", help="shell pattern of names such as sick/los*")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--verbose", action="store_true", help="a line for each script that is not as it should be")
    parser.add_argument("--peers", action="store_true", help="torchtest2 and guardtower beside, where installed")
    parser.add_argument("--json", type=Path, help="write every result there")
    options = parser.parse_args()
    scripts = [(f"healthy/{path.name}", "") for path in sorted(ZOO.glob("healthy/*.py"))]
    scripts += [
        (f"sick/{path.name}", code)
        for path in sorted(ZOO.glob("sick/*.py"))
        if (code := path.name.partition("_")[0].upper()) in BEFORE + RATES and path.name not in LATER
    ]
    tasks = [
        (name, code, seed, options.peers)
        for name, code in scripts
        if fnmatch(name, options.only)
        for seed in range(options.seeds)
    ]
    os.environ["OMP_NUM_THREADS"] = "1"
    results = []
    with multiprocessing.get_context("spawn").Pool(options.processes, maxtasksperchild=40) as pool:
        for result in pool.imap_unordered(check, tasks):
            results.append(result)
            if options.verbose and (result.refused or (not result.named if result.code else result.warned)):
                mark = "REFUSED" if result.refused else "MISS" if result.code else "ALARM"
                print(f"{mark} {result.name} seed {result.seed}: {result.refused or result.messages}", flush=True)
                sys.stdout.flush()
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1))


def table(results: list[Result]) -> str:
    by_code: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_code[result.code].append(result)
    lines = ["| fault | named | seconds, median |", "|---|---|---|"]
    for code, found in sorted(by_code.items()):
        if code:
            named = sum(item.named for item in found)
            lines.append(f"| {code} | {named} of {len(found)} | {statistics.median(x.seconds for x in found):.1f} |")
    sick = [item for item in results if item.code]
    lines.append(f"| **all** | {sum(item.named for item in sick)} of {len(sick)} | |")
    healthy = by_code.get("", [])
    alarms = sum(bool(item.warned) for item in healthy)
    refused = sum(bool(item.refused) for item in results)
    times = [item.seconds for item in results if not item.refused]
    lines.append(f"\nhealthy: {alarms} of {len(healthy)} with a warning; {refused} of {len(results)} scripts refused")
    for peer in sorted({name for item in results for name in item.peers}):
        of_sick, of_healthy = ([x.peers[peer] for x in items if peer in x.peers] for items in (sick, healthy))
        lines.append(
            f"{peer}: complains of anything in {sum(bad for bad, _ in of_sick)} of {len(of_sick)} sick and "
            f"{sum(bad for bad, _ in of_healthy)} of {len(of_healthy)} healthy ones, "
            f"{statistics.median(seconds for _, seconds in of_sick + of_healthy):.1f} s"
        )
    if times:
        lines.append(f"seconds: median {statistics.median(times):.1f}, longest {max(times):.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
