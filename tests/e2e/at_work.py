"""Threads of a test that act while its block runs."""


class AtWork:
    """Has `actors`: threads with an event `ending` and end(), which waits and tells what went wrong."""

    def __enter__(self):
        for actor in self.actors:
            actor.start()
        return self

    def __exit__(self, failed, *_):
        for actor in self.actors:
            actor.ending.set()
        for actor in self.actors if not failed else []:
            actor.end()
