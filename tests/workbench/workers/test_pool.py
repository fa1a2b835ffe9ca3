from __future__ import annotations

import threading
import time

from cobra_jupyter.workbench.workers.pool import Queue


def waiting(queue: Queue, count: int) -> None:
    while len(queue._waiting) < count:
        time.sleep(0.005)


def test_foreground_work_runs_before_background_work_and_each_in_order() -> None:
    queue, never, order = Queue(1), threading.Event(), []
    assert queue.enter(never, background=False)

    def work(name: str, background: bool) -> None:
        queue.enter(never, background)
        order.append(name)
        queue.leave()

    threads = []
    for place, (name, background) in enumerate([("b1", True), ("b2", True), ("f1", False), ("f2", False)]):
        threads.append(threading.Thread(target=work, args=(name, background)))
        threads[-1].start()
        waiting(queue, place + 1)
    queue.leave()
    for thread in threads:
        thread.join(10)
    assert order == ["f1", "f2", "b1", "b2"]


def test_work_that_is_cancelled_while_it_waits_does_not_block_the_queue() -> None:
    queue, never, given_up = Queue(1), threading.Event(), threading.Event()
    assert queue.enter(never, background=False)
    found: list[bool] = []
    first = threading.Thread(target=lambda: found.append(queue.enter(given_up, background=False)))
    first.start()
    waiting(queue, 1)
    second = threading.Thread(target=lambda: found.append(queue.enter(never, background=True)))
    second.start()
    waiting(queue, 2)
    given_up.set()
    first.join(10)
    queue.leave()
    second.join(10)
    assert found == [False, True]
