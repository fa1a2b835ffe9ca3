from __future__ import annotations

import threading
import time

from cobra_jupyter.workbench.workers.pool import Queue, Ticket
from tests.patience import PATIENCE


def waiting(queue: Queue, count: int) -> None:
    while len(queue._waiting) < count:
        time.sleep(0.005)


def test_foreground_work_runs_before_background_work_and_each_in_order() -> None:
    queue, never, order = Queue(1), threading.Event(), []
    running = queue.enter(never, background=False)
    assert running

    def work(name: str, background: bool) -> None:
        ticket = queue.enter(never, background)
        assert ticket
        order.append(name)
        queue.leave(ticket)

    threads = []
    for place, (name, background) in enumerate([("b1", True), ("b2", True), ("f1", False), ("f2", False)]):
        threads.append(threading.Thread(target=work, args=(name, background)))
        threads[-1].start()
        waiting(queue, place + 1)
    queue.leave(running)
    for thread in threads:
        thread.join(PATIENCE)
    assert order == ["f1", "f2", "b1", "b2"]


def test_work_that_is_cancelled_while_it_waits_does_not_block_the_queue() -> None:
    queue, never, given_up = Queue(1), threading.Event(), threading.Event()
    running = queue.enter(never, background=False)
    assert running
    found: list[bool] = []
    first = threading.Thread(target=lambda: found.append(bool(queue.enter(given_up, background=False))))
    first.start()
    waiting(queue, 1)
    second = threading.Thread(target=lambda: found.append(bool(queue.enter(never, background=True))))
    second.start()
    waiting(queue, 2)
    given_up.set()
    first.join(PATIENCE)
    queue.leave(running)
    second.join(PATIENCE)
    assert found == [False, True]


def test_a_fit_of_many_threads_takes_as_many_cores_and_is_not_overtaken() -> None:
    queue, never = Queue(4), threading.Event()
    one = queue.enter(never, background=False)
    entered: list[int] = []

    def work(cores: int) -> None:
        ticket = queue.enter(never, False, cores)
        assert ticket
        entered.append(cores)
        queue.leave(ticket)

    wide = threading.Thread(target=work, args=(4,))
    wide.start()
    waiting(queue, 1)
    narrow = threading.Thread(target=work, args=(1,))
    narrow.start()
    waiting(queue, 2)
    assert one
    queue.leave(one)
    for thread in (wide, narrow):
        thread.join(PATIENCE)
    assert entered == [4, 1]


def test_one_fit_at_a_time_has_the_gpu_and_others_pass_those_that_wait_for_it() -> None:
    queue, never, given_up = Queue(8), threading.Event(), threading.Event()
    first = queue.enter(never, False, gpu=True)
    second = threading.Thread(target=lambda: later.append(queue.enter(never, False, gpu=True)))
    later: list[Ticket | None] = []
    second.start()
    waiting(queue, 1)
    other = queue.enter(given_up, False)  # would wait for ever behind the second
    assert first
    assert other
    assert later == []
    queue.leave(first)
    second.join(PATIENCE)
    assert later[0]
    assert later[0].gpu
