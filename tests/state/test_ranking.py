"""The ranking: pictures of the last batch by their first score, and only of it."""

from collections.abc import Callable
from dataclasses import replace

from pytestqt.qtbot import QtBot

from studio.core.draft import Draft
from studio.core.picture import Picture
from studio.core.recipe import Recipe
from studio.engine.protocol import Rendered
from studio.state.job_queue import JobQueue
from studio.state.ranking import Ranking
from tests.state.fakes import picture_of

SCORES = {10: 0.2, 11: 0.9, 12: 0.5}


def save(_rendered: Rendered, recipe: Recipe, _parents: object) -> Picture:
    picture = picture_of(recipe, recipe.seed)
    scores = (("rank:clip", SCORES[recipe.seed]),) if recipe.seed in SCORES else ()
    return replace(picture, made_with=replace(picture.made_with, scores=scores))


def finish(qtbot: QtBot, queue: JobQueue, draft: Draft, ranking: Ranking) -> None:
    jobs = queue.submit(draft)
    ranking.begin(jobs)
    qtbot.waitUntil(lambda: all(job.state.is_final for job in queue.jobs), timeout=5000)


def test_a_batch_is_sorted_by_score(make_queue: Callable[..., JobQueue], qtbot: QtBot) -> None:
    queue = make_queue(save=save)
    ranking = Ranking(queue)
    finish(qtbot, queue, Draft(seed=10, count=3, steps=1), ranking)
    assert [(picture.recipe.seed, score) for picture, score in ranking.rows] == [(11, 0.9), (12, 0.5), (10, 0.2)]
    ranking.forget(ranking.rows[0][0].id)
    assert [picture.recipe.seed for picture, _ in ranking.rows] == [12, 10]
    ranking.clear()
    assert ranking.rows == ()


def test_single_pictures_and_pictures_without_scores_are_not_ranked(
    make_queue: Callable[..., JobQueue], qtbot: QtBot
) -> None:
    queue = make_queue(save=save)
    ranking = Ranking(queue)
    finish(qtbot, queue, Draft(seed=11, steps=1), ranking)
    assert ranking.rows == ()
    finish(qtbot, queue, Draft(seed=50, count=2, steps=1), ranking)
    assert ranking.rows == ()
