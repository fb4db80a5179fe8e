import multiprocessing
import os
import signal
import time

import pytest
import torch

from babysit.lab import Bench, Verdict, run_claims
from babysit.lab.measures import below, told
from babysit.lab.running import run_claim
from babysit.lab.section import Claim, Drawing, Outcome

SLEEP = 120
BENCH = Bench(quick=True, seeds=(0, 1))


def claim(id_: str, run) -> Claim:
    return Claim(id_, "it is so", "< 1", run)


def holds(bench):
    return Outcome([below("x", [0.1 * seed for seed in bench.seeds], 1)])


def fails(bench):
    return Outcome([told("y", 3), below("x", 2, 1)])


def raises(bench):
    raise ValueError("no such\nthing")


def killed(bench):
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps(bench):
    time.sleep(SLEEP)
    return Outcome([told("x", 1)])


def draws(bench):
    def draw(figure):
        figure.subplots().plot([0, 1], [1, 0], label="a & b")

    return Outcome([told("x", 1)], [Drawing("line", "It falls < 1 & ends", draw)])


def test_verdicts():
    rows = run_claims([claim("A1", holds), claim("A2", fails)], BENCH, processes=1)
    assert [row.verdict for row in rows] == [Verdict.HOLDS, Verdict.FAILS]
    subtle = Outcome([below("x", 2, 1)], subtle="only where x is small")
    assert subtle.verdict is Verdict.SUBTLE


def test_an_experiment_that_raises_is_a_row_that_says_so():
    row = run_claim(claim("A1", raises), BENCH)
    assert row.verdict is Verdict.BROKEN
    assert row.remark.startswith("ValueError: no such thing (test_running.py:")
    assert row.to_json()["holds"] is False


def test_processes_give_the_rows_in_the_order_of_the_claims():
    told_of = []
    chosen = [claim("A2", fails), claim("A1", holds), claim("A3", raises)]
    rows = run_claims(chosen, BENCH, processes=2, done=lambda row: told_of.append(row.id))
    assert [row.id for row in rows] == ["A2", "A1", "A3"]
    assert sorted(told_of) == ["A1", "A2", "A3"]


def test_a_killed_process_is_told_and_costs_the_others_nothing():
    chosen = [claim("A1", killed), claim("A2", holds), claim("A3", killed), claim("A4", fails)]
    rows = run_claims(chosen, BENCH, processes=2)
    assert [row.verdict for row in rows] == [Verdict.BROKEN, Verdict.HOLDS, Verdict.BROKEN, Verdict.FAILS]
    assert "killed" in rows[0].remark


def test_what_ends_it_early_leaves_no_process_behind():
    def stop(row):
        raise KeyboardInterrupt

    before = multiprocessing.active_children()
    chosen = [claim("A1", holds), *(claim(f"A{number}", sleeps) for number in range(2, 6))]
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_claims(chosen, BENCH, processes=2, done=stop)
    assert time.monotonic() - began < SLEEP
    assert multiprocessing.active_children() == before


def test_random_numbers_and_threads_are_left_as_they_were():
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    seen = []

    def draw_number(bench):
        seen.append(torch.rand(1).item())
        return Outcome([told("x", seen[-1])])

    for _ in range(2):
        run_claim(claim("A1", draw_number), BENCH)
    assert seen[0] == seen[1]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_pictures_are_the_same_each_time_and_escaped():
    pytest.importorskip("matplotlib")
    first, second = (run_claim(claim("A1", draws), BENCH).pictures[0] for _ in range(2))
    assert first == second
    assert first.name == "A1-line"
    assert first.png[:8] == b"\x89PNG\r\n\x1a\n"
    assert first.svg.startswith("<svg ")
    assert 'aria-label="It falls &lt; 1 &amp; ends"' in first.svg
