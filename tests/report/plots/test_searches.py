from __future__ import annotations

import dataclasses
import itertools
import math
from xml.etree import ElementTree

import pytest
from searches import HEADER, RANGES, searched_run

from babysit.measure.record import Range, RunRecord, TrialRecord
from babysit.report.plots.parallel import agreement, parallel_coordinates
from babysit.report.plots.round_maps import round_maps
from babysit.report.plots.rungs import race_of, rung_curves
from babysit.report.plots.trials import score_colours
from babysit.report.standing import stand
from babysit.report.summary import Summary

RUN = searched_run()
SUMMARY = Summary(command="search", search=stand(RUN), header=HEADER)


def lines(svg: ElementTree.Element, class_: str) -> list[list[tuple[float, float]]]:
    paths = [path.attrib["d"] for path in svg.iter("path") if class_ in path.attrib["class"].split()]
    return [[tuple(map(float, point.split())) for point in path[1:].replace("M", "L").split("L")] for path in paths]


def test_the_winner_was_where_it_was_at_the_first_rung() -> None:
    race = race_of(RUN.rounds[0], RUN.trials)
    assert race is not None
    coarse = [trial for trial in RUN.trials if trial.round == 0 and trial.rungs]
    winner = max((trial for trial in coarse if len(trial.rungs) == 3), key=lambda trial: trial.rungs[2][1])
    order = sorted((trial.rungs[0][1] for trial in coarse), reverse=True)
    assert (race.winner, race.first, race.last) == (winner, 1.0, 4.0)
    assert (race.place, race.runners) == (1 + order.index(winner.rungs[0][1]), 21)
    assert race_of(RUN.rounds[1], RUN.trials) is None


def test_every_trial_has_its_curve_and_its_end() -> None:
    svg = ElementTree.fromstring(rung_curves(RUN, SUMMARY))
    drawn = [points for class_ in ("trial", "bold") for points in lines(svg, class_)]
    assert sorted(map(len, drawn)) == sorted(len(trial.rungs) for trial in RUN.trials if trial.rungs)
    assert len(lines(svg, "bold")) == 1
    assert len(lines(svg, "cross")) == 3
    hollow = [dot for dot in svg.iter("circle") if "hollow" in dot.attrib["class"]]
    assert len(hollow) == sum(trial.status == "halved" for trial in RUN.trials)
    steps = {round(b[0] - a[0]) for points in drawn for a, b in itertools.pairwise(points)}
    assert len(steps) == 1, "1, 2 and 4 epochs lie at equal distances on a logarithmic axis"
    assert "was " in svg.attrib["aria-label"]
    assert "of 21 after 1" in svg.attrib["aria-label"]


def test_without_rungs_on_the_way_there_is_no_curve() -> None:
    short = tuple(dataclasses.replace(trial, rungs=trial.rungs[-1:]) for trial in RUN.trials)
    assert rung_curves(dataclasses.replace(RUN, trials=short), SUMMARY) == ""


def test_a_best_trial_without_a_conditional_hyperparameter_or_a_score_has_no_place() -> None:
    without = [
        dataclasses.replace(trial, params={"lr": trial.params["lr"]}, rungs=((1.0, 0.5), (2.0, math.nan)))
        if trial.score > 0.8
        else trial
        for trial in RUN.trials
    ]
    run = dataclasses.replace(RUN, trials=tuple(without))
    for drawn in (round_maps(run, SUMMARY), rung_curves(run, SUMMARY)):
        assert drawn
        assert '="nan"' not in drawn


def test_damaged_rungs_do_no_harm() -> None:
    odd = (dataclasses.replace(RUN.trials[0], rungs=((1.0,), (2.0, 0.5), (4.0, 0.6))), *RUN.trials[1:])
    ElementTree.fromstring(rung_curves(dataclasses.replace(RUN, trials=odd), SUMMARY))


def test_lines_cross_the_axes_at_their_values() -> None:
    trials = tuple(
        TrialRecord(i, 0, {"lr": rate, "l2": 10.0 - rate}, "complete", 1, 1, 2, 1, 0.5 + i / 10)
        for i, rate in enumerate((0.0, 5.0, 10.0))
    )
    svg = ElementTree.fromstring(parallel_coordinates(RunRecord(header=HEADER, trials=trials), SUMMARY))
    first, second, third = sorted(lines(svg, "trial"), key=lambda points: -points[0][1])
    assert second[0][1] == pytest.approx((first[0][1] + third[0][1]) / 2, abs=0.11)
    assert [points[2][1] for points in (first, second, third)] == sorted(
        (points[2][1] for points in (first, second, third)), reverse=True
    )
    assert first[0][1] == pytest.approx(third[1][1], abs=0.11)
    assert lines(svg, "bold") == [third]


def test_words_keep_their_bands_and_the_lost_end_in_a_cross() -> None:
    svg = ElementTree.fromstring(parallel_coordinates(RUN, SUMMARY))
    assert len(lines(svg, "trial")) == 23
    assert len(lines(svg, "thin")) == len(lines(svg, "cross")) == 3
    names = [text.text for text in svg.iter("text") if "axis-name" in text.attrib.get("class", "")]
    assert names == ["lr", "l2", "rule", "kernel", "accuracy (%)"]
    heights = [
        (trial.params["rule"], points[2][1])
        for points, hint in zip(lines(svg, "trial"), hints(svg, "trial"), strict=True)
        for trial in RUN.trials
        if hint.startswith(f"trial {trial.number} (")
    ]
    adam, sgd = ([height for rule, height in heights if rule == wanted] for wanted in ("adam", "sgd"))
    assert min(adam) > max(sgd), "sgd stands above adam"


def hints(svg: ElementTree.Element, class_: str) -> list[str]:
    return [path.findtext("title") or "" for path in svg.iter("path") if class_ in path.attrib["class"].split()]


@pytest.mark.parametrize("count", [2, 5, 8, 12])
def test_any_number_of_axes_stays_inside_the_picture(count: int) -> None:
    names = [f"a rather long hyperparameter name {i}" for i in range(count)]
    trials = tuple(
        TrialRecord(n, 0, {name: (n * 7 + i) % 11 for i, name in enumerate(names)}, "complete", 1, 1, 2, 1, n / 20)
        for n in range(11)
    )
    svg = ElementTree.fromstring(parallel_coordinates(RunRecord(header=HEADER, trials=trials), SUMMARY))
    shown = [text for text in svg.iter("text") if "axis-name" in text.attrib.get("class", "")]
    assert len(shown) == min(count, 8) + 1
    for text in shown:
        width = 7.5 * len(text.text or "")
        left = {"": 0.0, "middle": width / 2, "end": width}[text.attrib.get("text-anchor", "")]
        assert float(text.attrib["x"]) - left > -12
        assert float(text.attrib["x"]) - left + width < 572


def test_what_the_best_settings_share() -> None:
    trials = tuple(
        TrialRecord(n, 0, {"a": float(n % 10), "b": float(n)}, "complete", 1, 1, 2, 1, float(n % 10 == 4) - n / 1e3)
        for n in range(40)
    )
    best, name, share = agreement(RunRecord(trials=trials), ["a", "b"])
    assert ([trial.number for trial in best], name, share) == ([4, 14, 24, 34], "a", 0.0)
    assert agreement(RunRecord(trials=trials[:5]), ["a"]) == ([], "", 1.0)


def title_of(values: list[float], best: int, other: list[float] | None = None) -> str:
    """The title of a search of ``a``, whose first settings are the best, and of a ``b`` that does not matter."""
    trials = tuple(
        TrialRecord(
            n,
            0,
            {"a": value, "b": (n * 7919 % 101) / 101 if other is None else other[n]},
            "complete",
            1,
            1,
            2,
            1,
            0.9 - n / 1e3 if n < best else 0.5 - n / 1e3,
        )
        for n, value in enumerate(values)
    )
    svg = ElementTree.fromstring(parallel_coordinates(RunRecord(header=HEADER, trials=trials), SUMMARY))
    return svg.attrib["aria-label"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([64, 64, 64, *[16, 32, 64, 128] * 5], "The 3 best settings all have a 64"),
        ([64, 64, 64, *[32, 64] * 9], "The 3 best settings all have a 64"),
        ([64, 32, 64, *[16, 32, 64, 128, 256] * 4], "The 3 best settings have 2 of the 5 values of a: 32 to 64"),
        ([0.3, 0.3, 0.3, *[n / 20 for n in range(20)]], "The 3 best settings all have a 0.3"),
        ([0.3, 0.3001, 0.3002, *[n / 20 for n in range(20)]], "The 3 best settings all have a about 0.3"),
        (
            [0.301, 0.304, 0.308, *[n / 20 for n in range(20)]],
            "The 3 best settings lie on less than 1 % of the range of a: 0.301 to 0.308",
        ),
        (
            [0.3, 0.35, 0.4, *[n / 20 for n in range(21)]],
            "The 3 best settings lie on 10 % of the range of a: 0.3 to 0.4",
        ),
    ],
)
def test_the_title_says_what_the_best_have_in_common(values: list[float], said: str) -> None:
    assert said in title_of(values, best=3)


def test_one_map_a_round_on_its_own_range() -> None:
    narrow = dataclasses.replace(RUN.rounds[1], ranges={**RANGES, "lr": Range(1e-2, 1e-1, log=True)})
    run = dataclasses.replace(RUN, rounds=(RUN.rounds[0], narrow))
    svg = ElementTree.fromstring(round_maps(run, SUMMARY))
    titles = [text.text for text in svg.iter("text") if text.attrib.get("class") == "panel-title"]
    best = max(trial.score for trial in RUN.trials if trial.round == 0)
    assert titles == [f"coarse: 24 trials, best {100 * best:.1f} %", "final: 2 trials, best 97.0 %"]
    assert f"{100 * best:.1f} % → 97.0 %" in svg.attrib["aria-label"]
    assert round_maps(dataclasses.replace(RUN, rounds=RUN.rounds[:1]), SUMMARY) == ""


def test_hopeless_scores_do_not_hide_the_differences_of_the_others() -> None:
    trials = [
        TrialRecord(n, 0, {}, "complete", 1, 1, 2, 1, score) for n, score in enumerate((-1e6, 0.5, 0.6, 0.7, 0.8))
    ]
    colours = score_colours(trials)
    assert colours.cut
    assert len({colours.of(trial.score) for trial in trials[1:]}) == 4
    assert not score_colours(trials[1:]).cut
