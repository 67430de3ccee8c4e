"""Whether a history of operations on one register is linearizable: whether they can be put in an order, each
at a moment between its call and its answer, in which every answer is right.

    problem = find_problem([Operation("write", "a", called=0, answered=1), ...])

The register holds a value or nothing (None): a tag, and the digest it points to. An operation whose outcome
is not known (its client got an error, or nothing) may have happened at any moment after its call, once, or
never; it has `answered` = NEVER.

How: the events are gone through by time, with the set of all configurations that explain what came before.
A configuration is the value now, which of the operations under way are *spent* (have taken effect) and which
are *satisfied* (may be answered as they will be). Operations take effect as late as possible: when an answer
comes, each configuration is led on to those in which its operation is satisfied, by way of any of the others
under way. When there is none, that answer was wrong. What keeps the set small: who changes nothing (reads,
swaps that failed) is satisfied as soon as it may; so is what was overwritten before anybody could see it,
without being spent; and a configuration with less satisfied and more spent than another one is dropped.
(Wing and Gong, "Testing and verifying concurrent objects"; Lowe, "Testing for linearizability".)
"""

from collections import deque
from dataclasses import dataclass, field, replace
from itertools import count

NEVER = float("inf")
numbers = count()


@dataclass(frozen=True)
class Operation:
    """kind      value          ok, when the answer is known
    read         what was read  -
    write        what to write  -
    delete       -              False: there was nothing
    swap         what to write  False: it was not `expected` (None: there was something)
    drop         which to drop  False: such a value is nowhere (a manifest that was deleted by digest)
    """

    kind: str
    value: object = None
    expected: object = None
    ok: bool = True
    called: float = 0.0
    answered: float = NEVER
    who: str = ""
    number: int = field(default_factory=lambda: next(numbers))

    @property
    def known(self):
        return self.answered != NEVER

    @property
    def changes(self):
        return self.kind != "read" and self.ok

    @property
    def likeness(self):
        """Of those without an answer, one that is like another does nothing that the other can't."""
        return self.number if self.known else (self.kind, self.value, self.expected)

    def effect(self, value):
        """(whether it may have had that answer when the value was this, the value after it)."""
        return EFFECTS[self.kind](self, value)

    def __str__(self):
        words = {
            "read": f"read {self.value}",
            "write": f"wrote {self.value}",
            "delete": "deleted",
            "swap": f"swapped {self.expected} for {self.value}",
            "drop": f"dropped {self.value}",
        }[self.kind]
        end = f"{self.answered:.4f}" if self.known else "never"
        refused = "" if self.ok else " (refused)"
        return f"{self.called:.4f} - {end}  {self.who}: {words}{refused}"


def _read(op, value):
    return value == op.value, value


def _write(op, _value):
    return True, op.value


def _delete(op, value):
    if not op.known:
        return True, None
    return (value is not None) == op.ok, None


def _swap(op, value):
    same = value == op.expected
    if not op.known:
        return True, op.value if same else value
    return same == op.ok, op.value if same and op.ok else value


def _drop(op, value):
    same = value == op.value
    if op.ok:
        return True, None if same else value
    return not same, value


EFFECTS = {"read": _read, "write": _write, "delete": _delete, "swap": _swap, "drop": _drop}


@dataclass(frozen=True)
class Configuration:
    value: object
    satisfied: frozenset = frozenset()
    spent: frozenset = frozenset()

    def without(self, op):
        return Configuration(self.value, self.satisfied - {op.number}, self.spent - {op.number})


@dataclass
class Problem:
    """The answer that nothing explains, what the value may have been before it, and what was under way."""

    operation: Operation
    possible: list
    under_way: list
    before: list

    def __str__(self):
        lines = ["nothing explains", f"    {self.operation}", "for the value may have been"]
        lines += [f"    {value}" for value in self.possible]
        lines += ["with, under way or without an answer,", *(f"    {op}" for op in self.under_way)]
        lines += ["and before,", *(f"    {op}" for op in self.before)]
        return "\n".join(lines)


class Search:
    def __init__(self, initial):
        self.under_way = {}  # by number; those without an answer stay
        self.known = {}  # of them, those that will be answered
        self.configurations = [Configuration(initial)]

    def call(self, op):
        self.under_way[op.number] = op
        if op.known:
            self.known[op.number] = op
        self.configurations = [self._settled(c) for c in self.configurations]

    def answer(self, op):
        """False when it can't be."""
        found = Least()
        for configuration in self.configurations:
            if op.number in configuration.satisfied:
                found.add(configuration)
            if op.number not in (configuration.spent if op.changes else configuration.satisfied):
                self._lead_to(op, configuration, found)
        if not found:
            return False
        del self.under_way[op.number], self.known[op.number]
        left = Least()
        for configuration in found:
            left.add(configuration.without(op))
        self.configurations = list(left)
        return True

    def _lead_to(self, op, start, found):
        """Adds to found the configurations that come of this one by way of others under way, with op the last
        to take effect, or satisfied meanwhile."""
        seen, left = Least(), deque([(start, False)])
        while left:
            configuration, unseen = left.popleft()
            for last, following in self._steps(configuration, unseen):
                if last is op or op.number in following.satisfied - start.satisfied:
                    found.add(following)
                if last is op or (not op.changes and op.number in following.satisfied):
                    continue
                if seen.add(following):
                    gained = following.satisfied - configuration.satisfied
                    left.append((following, not gained - {last.number} and overwrites(last)))

    def _steps(self, configuration, unseen):
        """unseen: nobody has seen the value yet; who would overwrite it could as well have come before."""
        of_interest = self._interest(configuration)
        alike = set()
        for op in self.under_way.values():
            if not op.changes or op.number in configuration.spent or op.likeness in alike:
                continue
            if not op.known:
                alike.add(op.likeness)
            may, value = op.effect(configuration.value)
            if not may or value == configuration.value or (unseen and op.kind == "write"):
                continue
            if op.known or of_interest(value):
                yield op, self._spend(configuration, op, value)

    def _interest(self, configuration):
        """A function that says of a value whether anybody's answer can depend on it."""
        left = [o for o in self.known.values() if o.number not in configuration.satisfied]
        if any(not o.ok or o.kind in ("delete", "drop") for o in left):
            return lambda value: True
        values = {o.value for o in left if o.kind == "read"}
        values |= {o.value for o in self.under_way.values() if o.kind == "drop"}
        values |= {o.expected for o in self.under_way.values() if o.kind == "swap"}
        return values.__contains__

    def _spend(self, configuration, op, value):
        satisfied = set(configuration.satisfied)
        if op.known:
            satisfied.add(op.number)
        if op.kind in ("write", "delete"):
            satisfied |= self._hidden_by(op, configuration)
        spent = configuration.spent | {op.number}
        return self._settled(Configuration(value, frozenset(satisfied), spent))

    def _hidden_by(self, op, configuration):
        """Those that may have come just before it, so that nobody can tell."""
        kinds = {"write", "drop"}
        if op.kind == "write" and configuration.value is not None:
            kinds.add("delete")
        return {o.number for o in self.known.values() if o.ok and o.kind in kinds}

    def _settled(self, configuration):
        """With all that may be at this value, and leave it."""
        settled = [
            op.number
            for op in self.known.values()
            if op.number not in configuration.satisfied
            and op.effect(configuration.value) == (True, configuration.value)
        ]
        if not settled:
            return configuration
        satisfied = configuration.satisfied | frozenset(settled)
        return Configuration(configuration.value, satisfied, configuration.spent)

    def possible(self):
        return sorted({c.value for c in self.configurations}, key=str)


def overwrites(op):
    """Whether it need not have been, for all that it is satisfied by."""
    return not op.known or op.kind in ("write", "drop")


class Least:
    """Configurations without those that have no more satisfied, and no less spent, than another one."""

    def __init__(self):
        self.by_value = {}

    def add(self, new):
        """False when it is of no interest."""
        others = self.by_value.setdefault(new.value, [])
        for other in others:
            if other.spent <= new.spent and other.satisfied >= new.satisfied:
                return False
        others[:] = [o for o in others if not (new.spent <= o.spent and new.satisfied >= o.satisfied)]
        others.append(new)
        return True

    def __iter__(self):
        return (c for others in self.by_value.values() for c in others)

    def __bool__(self):
        return bool(self.by_value)


UNSEEN = "what nobody saw"


def with_unseen_alike(operations):
    """Values that were written without an answer, and that no other operation names, are one value."""
    named = {o.value for o in operations if o.known or o.kind == "drop"}
    named |= {o.expected for o in operations if o.kind == "swap"}

    def alike(op):
        unseen = not op.known and op.kind in ("write", "swap") and op.value not in named
        return replace(op, value=UNSEEN) if unseen else op

    return [alike(op) for op in operations]


BEFORE_SHOWN = 12


def find_problem(operations, initial=None):
    """The first answer that can't be, as a Problem; None when the history is linearizable."""
    operations = with_unseen_alike(operations)
    events = [(op.called, 0, op) for op in operations if op.known or op.changes]
    events += [(op.answered, 1, op) for op in operations if op.known]
    # An answer at the moment of a call is after it: at a coarse clock both orders may be.
    events.sort(key=lambda event: event[:2])
    search = Search(initial)
    answered = []
    for _, is_answer, op in events:
        if not is_answer:
            search.call(op)
        elif search.answer(op):
            answered.append(op)
        else:
            under_way = [o for o in search.under_way.values() if o is not op]
            return Problem(op, search.possible(), under_way, answered[-BEFORE_SHOWN:])
    return None
