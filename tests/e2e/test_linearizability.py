"""The checker of histories: histories that are right, and ones with one thing wrong, which it finds."""

import itertools
import random
from collections import Counter

import pytest

from linearizability import NEVER, Operation, find_problem


def op(kind, called, answered=NEVER, value=None, **more):
    return Operation(kind, value, called=called, answered=answered, **more)


def write(value, called, answered=NEVER):
    return op("write", called, answered, value)


def read(value, called, answered):
    return op("read", called, answered, value)


def swap(expected, value, called, answered=NEVER, ok=True):
    return op("swap", called, answered, value, expected=expected, ok=ok)


def delete(called, answered=NEVER, ok=True):
    return op("delete", called, answered, ok=ok)


def drop(value, called, answered=NEVER, ok=True):
    return op("drop", called, answered, value, ok=ok)


RIGHT = {
    "nothing": [],
    "a read of what was written": [write("a", 0, 1), read("a", 2, 3)],
    "a read beside a write sees the old value": [write("a", 0, 1), write("b", 2, 5), read("a", 3, 4)],
    "a read beside a write sees the new value": [write("a", 0, 1), write("b", 2, 5), read("b", 3, 4)],
    "two writes at once, in either order": [write("a", 0, 3), write("b", 1, 2), read("a", 4, 5)],
    "reads beside a write, first old, then new": [
        write("a", 0, 1), write("b", 2, 9), read("a", 3, 4), read("b", 5, 6)],
    "a write without an answer that has happened": [write("a", 0, 1), write("b", 2), read("b", 3, 4)],
    "a write without an answer that has not": [write("a", 0, 1), write("b", 2), read("a", 3, 4)],
    "a write without an answer that happens late": [
        write("a", 0, 1), write("b", 2), read("a", 3, 4), write("c", 5, 6), read("b", 7, 8)],
    "a write that a later one hides, so that a swap fails": [
        write("a", 0, 1), write("b", 2, 7), swap("a", "c", 3, 4, ok=False), write("d", 5, 8), read("d", 9, 10)],
    "a swap": [write("a", 0, 1), swap("a", "b", 2, 3), read("b", 4, 5)],
    "a refused swap": [write("a", 0, 1), swap("x", "b", 2, 3, ok=False), read("a", 4, 5)],
    "of two swaps of the same one is refused": [
        write("a", 0, 1), swap("a", "b", 2, 5), swap("a", "c", 3, 4, ok=False), read("b", 6, 7)],
    "a creation, and one that is refused": [
        swap(None, "a", 0, 1), swap(None, "b", 2, 3, ok=False), read("a", 4, 5)],
    "a swap without an answer that has happened": [
        write("a", 0, 1), swap("a", "b", 2), swap("b", "c", 3, 4), read("c", 5, 6)],
    "a swap without an answer whose time has passed": [
        write("a", 0, 1), swap("a", "b", 2), write("c", 3, 4), read("c", 5, 6)],
    "a deletion": [write("a", 0, 1), delete(2, 3), read(None, 4, 5), delete(6, 7, ok=False)],
    "a deletion without an answer": [write("a", 0, 1), delete(2), read("a", 3, 4), read(None, 5, 6)],
    "a drop of another value": [write("a", 0, 1), drop("b", 2, 3), read("a", 4, 5)],
    "a drop of the value": [write("a", 0, 1), drop("a", 2, 3), read(None, 4, 5)],
    "a value that comes back": [
        write("a", 0, 1), write("b", 2, 3), write("a", 4, 5), swap("a", "c", 6, 7), read("c", 8, 9)],
}

WRONG = {
    "a stale read": [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)],
    "a read of what nobody wrote": [write("a", 0, 1), read("x", 2, 3)],
    "a read from the future": [read("a", 0, 1), write("a", 2, 3)],
    "a write that is lost": [write("a", 0, 1), read(None, 2, 3)],
    "reads beside a write, first new, then old": [
        write("a", 0, 1), write("b", 2, 9), read("b", 3, 4), read("a", 5, 6)],
    "two readers who disagree on the order of two writes": [
        write("a", 0, 9), write("b", 0, 9), read("a", 1, 2), read("b", 3, 4), read("a", 5, 6)],
    "two swaps of the same, both done": [write("a", 0, 1), swap("a", "b", 2, 5), swap("a", "c", 3, 4)],
    "a swap that was refused though nothing else was there": [
        write("a", 0, 1), swap("a", "b", 2, 3, ok=False), read("a", 4, 5)],
    "two creations, both done": [swap(None, "a", 0, 3), swap(None, "b", 1, 2)],
    "a refused write that is seen": [
        write("a", 0, 1), swap("x", "b", 2, 3, ok=False), read("b", 4, 5)],
    "a deletion that comes back": [write("a", 0, 1), delete(2, 3), read("a", 4, 5)],
    "a deletion of nothing, done": [delete(0, 1)],
    "a deletion that found nothing where something was": [write("a", 0, 1), delete(2, 3, ok=False)],
    "a write without an answer that happens twice": [
        write("a", 0, 1), write("b", 2), read("b", 3, 4), write("c", 5, 6), read("b", 7, 8)],
    "a swap without an answer that happens after its time": [
        write("a", 0, 1), swap("a", "b", 2), write("c", 3, 4), read("b", 5, 6)],
    "a drop that found nothing where the value was": [write("a", 0, 1), drop("a", 2, 3, ok=False)],
    "a drop that was not": [write("a", 0, 1), drop("a", 2, 3), read("a", 4, 5)],
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_history_that_is_right(name):
    assert find_problem(RIGHT[name]) is None


@pytest.mark.parametrize("name", WRONG)
def test_a_history_that_is_wrong(name):
    assert find_problem(WRONG[name]) is not None


def test_the_problem_is_the_first_answer_that_nothing_explains():
    history = [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5), read("b", 6, 7)]
    problem = find_problem(history)
    assert (problem.operation, problem.possible) == (history[2], ["b"])
    assert "nothing explains" in str(problem)


# Histories of a register that is one, by clients at once


def simulated(seed, steps=400, clients=8, lost=0.05):
    """What clients of a real register see: each operation takes effect at a moment of its own between its
    call and its answer, and some answers are lost, with the effect or without. Returns a list."""
    choose = random.Random(seed)
    value, time, free, under_way, history = None, 0, list(range(clients)), [], []
    values = []
    while len(history) < steps:
        time += 1
        if free and (not under_way or choose.random() < 0.5):
            who = free.pop(choose.randrange(len(free)))
            kind = choose.choice(["read", "read", "write", "swap", "delete", "drop"])
            new = f"v{time}"
            asked = choose.choice([*values[-3:], None]) if kind in ("swap", "drop") else None
            under_way.append({"who": who, "kind": kind, "new": new, "asked": asked, "called": time, "done": False})
            continue
        one = choose.choice(under_way)
        if not one["done"] and choose.random() < 0.8:
            one["done"] = True
            value = apply(one, value)
            if one["kind"] in ("write", "swap"):
                values.append(one["new"])
            continue
        if not one["done"] and choose.random() > lost:
            continue
        under_way.remove(one)
        free.append(one["who"])
        known = one["done"] and choose.random() > lost
        history.append(told(one, time if known else NEVER))
    history += [told(one, NEVER) for one in under_way]
    return [o for o in history if o.known or o.kind != "read"]


def apply(one, value):
    one["before"] = value
    kind = one["kind"]
    if kind == "write" or (kind == "swap" and value == one["asked"]):
        return one["new"]
    if kind == "delete" or (kind == "drop" and value == one["asked"]):
        return None
    return value


def told(one, answered):
    kind, before = one["kind"], one.get("before")
    common = {"called": one["called"], "answered": answered, "who": f"client {one['who']}"}
    known = answered != NEVER
    if kind == "read":
        return Operation("read", before, **common)
    if kind == "swap":
        ok = before == one["asked"] if known else True
        return Operation("swap", one["new"], expected=one["asked"], ok=ok, **common)
    if kind == "drop":
        return Operation("drop", one["asked"], **common)
    ok = before is not None if known and kind == "delete" else True
    return Operation(kind, one["new"] if kind == "write" else None, ok=ok, **common)


@pytest.mark.parametrize("seed", range(10))
def test_what_clients_of_a_real_register_saw_is_right(seed):
    history = simulated(seed)
    assert sum(not o.known for o in history) > 5
    problem = find_problem(history)
    assert problem is None, str(problem)


def stale(history, choose):
    """The history with one read that saw what had been overwritten for sure."""
    reads = [o for o in history if o.kind == "read"]
    choose.shuffle(reads)
    for late in reads:
        for early in reads:
            overwritten = any(
                o.kind == "write" and o.known and early.answered < o.called and o.answered < late.called
                for o in history
            )
            if overwritten and early.value is not None:
                wrong = Operation("read", early.value, called=late.called, answered=late.answered)
                return [wrong if o is late else o for o in history]
    raise AssertionError("no such reads")


@pytest.mark.parametrize("seed", range(10))
def test_one_stale_read_in_a_long_history_is_found(seed):
    assert find_problem(stale(simulated(seed), random.Random(seed))) is not None


# Beside a checker that tries everything


def possible(history):
    """Whether any order of any choice of those without an answer is right."""
    known = [o for o in history if o.known]
    lost = [o for o in history if not o.known]
    return any(
        in_time(order) and right(order)
        for n in range(len(lost) + 1)
        for some in itertools.combinations(lost, n)
        for order in itertools.permutations([*known, *some])
    )


def in_time(order):
    return all(later.answered >= o.called for n, o in enumerate(order) for later in order[n + 1 :])


def right(order):
    value = None
    for o in order:
        may, value = o.effect(value)
        if not may:
            return False
    return True


def test_it_agrees_with_a_checker_that_tries_everything():
    found = Counter()
    for seed in range(1200):
        choose = random.Random(seed)
        history = simulated(seed, steps=6, clients=3, lost=0.2)
        if seed % 2 and (reads := [o for o in history if o.kind == "read"]):
            late = choose.choice(reads)
            other = choose.choice([o.value for o in history])
            wrong = Operation("read", other, called=late.called, answered=late.answered)
            history = [wrong if o is late else o for o in history]
        expected = possible(history)
        found[expected] += 1
        assert (find_problem(history) is None) == expected, "\n".join(str(o) for o in history)
    assert found[False] > 100 and found[True] > 500


def test_many_outcomes_that_are_not_known_are_no_burden():
    history = [write(f"lost {n}", n) for n in range(60)]
    for n in range(300):
        at = 100 + 4 * n
        history += [write(n, at, at + 1), read(n, at + 2, at + 3)]
    assert find_problem(history) is None
    history.append(read(0, 5000, 5001))
    assert find_problem(history) is not None


def test_many_outcomes_that_are_not_known_are_no_burden_where_answers_depend_on_them():
    history = []
    for n in range(300):
        at = 10 * n
        history += [write(n, at, at + 1), write(f"lost {n}", at + 1), read(n, at + 2, at + 3)]
        history += [delete(at + 4, at + 5), swap(None, "refused", at + 6, at + 7, ok=False)]
    assert find_problem(history[:60 * 5]) is None
