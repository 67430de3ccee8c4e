"""Clients that push, pull, tag, mount, attach and delete while collection runs without a grace and registries are
killed; and what they know must be there, and must be gone, when it is over.

Each actor owns the manifests and tags that it makes; layers are of a few that all share, so that one finds by a HEAD,
mounts, or pushes what another has just left, and a run is about to delete. An answer that does not come leaves open
what was done: the same is asked again until there is one. What may come late, of a process that stood still, is then
expected either way (`unsure`)."""

import random
import threading
import time
from collections import Counter

import requests

from at_work import AtWork
from helpers import ANY_MANIFEST, Client, artifact, digest_of, image_of_layers, index, random_bytes, tar_layer

SHARED = ["crowd/one", "crowd/two"]
LAYERS_AT_ONCE = 8  # of which images are made; one is replaced now and then
PUSH_TRIES = 6
ANSWER_TIMEOUT_S = 120  # for what is asked again and again

# How often each is done.
KINDS = {
    "push": 8, "push_same_again": 2, "tag_another": 3, "move": 2, "untag": 2, "delete": 4,
    "push_index": 3, "attach": 4, "pull": 5, "mount": 3, "litter": 3, "delete_a_layer": 2, "drop_repository": 1,
}  # fmt: skip


class Wrong(AssertionError):
    """An answer that no order of events explains."""


def is_being_deleted(answer):
    """A blob that may not be pushed for now. When a server was killed in a deletion this is so for long."""
    return answer.status_code == 503 and b"being deleted" in answer.content


def whole(answer):
    """Its body may have been cut off by a kill."""
    length = answer.headers.get("Content-Length")
    if answer.request.method != "HEAD" and length is not None and len(answer.content) != int(length):
        raise requests.ConnectionError("the answer was cut off")
    return answer


class Made:
    """A manifest that an actor pushed to a repository of its own name and bytes."""

    def __init__(self, image, repo, kind):
        self.image = image
        self.repo = repo
        self.kind = kind  # "image", "index", "child", "referrer"
        self.there = False  # a 201 for it, and nothing that takes it away
        self.unsure = False  # a push of it may still come
        self.tags = set()
        self.parents = []  # indexes
        self.subject = None

    @property
    def digest(self):
        return self.image.digest

    def lives(self):
        """None: it may be either."""
        if self.kind == "child" and self.parents:
            return self._with(self.parents)
        if self.kind == "referrer":
            return self._with([self.subject])
        return self.there or (None if self.unsure else False)

    def _with(self, others):
        if not self.there:
            return None if self.unsure else False
        states = [other.lives() for other in others]
        return True if True in states else None if None in states or self.unsure else False


class Counts(Counter):
    """Of all actors."""

    lock = threading.Lock()

    def add(self, what):
        with self.lock:
            self[what] += 1


class Layers:
    """The layers of which images are made, a few at a time."""

    def __init__(self, seed):
        self.seed = seed
        self.made = [self._layer(n) for n in range(LAYERS_AT_ONCE)]

    def _layer(self, n):
        return tar_layer({"file": random_bytes((200, 3000, 40_000)[n % 3], f"{self.seed}/layer/{n}")})

    def renew(self, choose):
        self.made[choose.randrange(LAYERS_AT_ONCE)] = self._layer(choose.randrange(1 << 30))

    def pick(self, choose):
        if choose.random() < 0.03:
            self.renew(choose)
        return choose.sample(self.made, choose.choice([1, 1, 2, 3]))


class Actor(threading.Thread):
    """A client of any of the registries, one request after the other. late: what was sent to a registry may be done
    after another answered the same."""

    def __init__(self, urls, name, seed, layers, counts, late, timeout_s):
        super().__init__(daemon=True, name=name)
        self.clients = [Client(url) for url in urls]
        self.random = random.Random(seed)
        self.layers = layers
        self.counts = counts
        self.late = late
        self.timeout_s = timeout_s
        self.own = f"own/{name}-0"
        self.made = []
        self.numbers = 0
        self.ending = threading.Event()
        self.problem = None

    def run(self):
        kinds, weights = list(KINDS), list(KINDS.values())
        try:
            while not self.ending.is_set():
                [kind] = self.random.choices(kinds, weights)
                getattr(self, kind)()
                self.counts.add("operations")
        except Exception as problem:  # the test must know
            self.problem = problem
        finally:
            for client in self.clients:
                client.close()

    # Asking

    def ask(self, method, path, wanted, refusals=(), **more):
        """(answer, sure): the first that is neither missing nor of a registry in trouble. sure: no other request of
        this kind can still be done."""
        deadline, sure = time.monotonic() + ANSWER_TIMEOUT_S, True
        while True:
            client = self.random.choice(self.clients)
            try:
                answer = whole(client.request(method, path, None, self.timeout_s, **more))
            except requests.RequestException as error:
                sure = sure and (not self.late or "NewConnectionError" in repr(error))
                self.counts.add("answers missing")
            else:
                if answer.status_code in wanted or answer.status_code in refusals or is_being_deleted(answer):
                    return answer, sure
                if answer.status_code < 500 and answer.status_code not in (409, 429):
                    raise Wrong(f"{method} {path}: {answer.status_code} {answer.content[:300]!r}")
                sure = sure and not self.late
                self.counts.add(f"answers {answer.status_code}")
            if time.monotonic() > deadline:
                raise Wrong(f"{method} {path}: no answer but trouble for {ANSWER_TIMEOUT_S} s")
            time.sleep(0.05)

    # Pushing

    def next_number(self):
        self.numbers += 1
        return f"{self.name}-{self.numbers}"

    def new_image(self):
        return image_of_layers(self.layers.pick(self.random), annotations={"name": self.next_number()})

    def repo(self):
        return self.random.choice([*SHARED, self.own])

    def push_blob(self, repo, digest, data):
        """False: it was refused. By a HEAD, a mount, or its bytes."""
        blob = f"/v2/{repo}/blobs/{digest}"
        uploads = f"/v2/{repo}/blobs/uploads/"
        if self.ask("HEAD", blob, {200, 404})[0].status_code == 200:
            self.counts.add("blobs found by a HEAD")
            return True
        if self.random.random() < 0.3:
            source = {"mount": digest, "from": self.random.choice(SHARED)}
            if self.ask("POST", uploads, {201, 202}, params=source)[0].status_code == 201:
                self.counts.add("blobs mounted")
                return True
        return self.upload(uploads, digest, data)

    def upload(self, uploads, digest, data):
        answer, _ = self.ask("POST", uploads, {202})
        headers = {"Content-Type": "application/octet-stream"}
        location = answer.headers["Location"]
        path = location[location.index("/v2/") :]
        if self.random.random() < 0.3:
            answer, _ = self.ask("PATCH", path, {202}, {404, 416}, data=data, headers=headers)
            if answer.status_code != 202:
                return False
            location, data = answer.headers["Location"], b""
            path = location[location.index("/v2/") :]
        answer, _ = self.ask("PUT", path, {201}, {400, 404, 416}, params={"digest": digest}, data=data, headers=headers)
        self.counts.add("blobs pushed" if answer.status_code == 201 else f"blobs refused {answer.status_code}")
        return answer.status_code == 201

    def put(self, made, reference):
        """The answer to a manifest; what is refused may be pushed again."""
        path = f"/v2/{made.repo}/manifests/{reference}"
        headers = {"Content-Type": made.image.media_type}
        answer, sure = self.ask("PUT", path, {201}, {400, 404}, data=made.image.manifest, headers=headers)
        made.unsure = made.unsure or not sure
        if answer.status_code == 201:
            made.there = True
            self.counts.add("manifests pushed")
        else:
            self.counts.add(f"manifests refused {answer.status_code}")
        return answer.status_code == 201

    def push(self, made=None, reference=None):
        """As clients do: what is missing, then the manifest."""
        if made is None:
            made = Made(self.new_image(), self.repo(), "image")
            reference = self.next_number() if self.random.random() < 0.8 else made.digest
        for _ in range(PUSH_TRIES):
            if all(self.push_blob(made.repo, d, b) for d, b in made.image.blobs.items()) and self.put(made, reference):
                self.remember(made, reference)
                return made
            self.layers.renew(self.random)
        self.counts.add("pushes given up")
        if made.unsure and made not in self.made:
            self.made.append(made)
        return None

    def remember(self, made, reference):
        if made not in self.made:
            self.made.append(made)
        if ":" not in reference:
            for other in self.made:
                if other.repo == made.repo:
                    other.tags.discard(reference)
            made.tags.add(reference)

    def some(self, *kinds):
        found = [made for made in self.made if made.there and made.lives() and made.kind in kinds]
        return self.random.choice(found) if found else None

    # Operations

    def push_same_again(self):
        made = self.some("image")
        if made:
            self.must_put(made, self.next_number())

    def must_put(self, made, reference):
        """What is there has all that it names, so that nothing is to be pushed before."""
        if not self.put(made, reference):
            raise Wrong(f"{made.repo}@{made.digest} is there, and was refused as {reference}")
        self.remember(made, reference)

    def tag_another(self):
        made = self.some("image", "index")
        if made:
            self.must_put(made, self.next_number())

    def move(self):
        """A tag to an image that is new; the old one stays, without it."""
        old = self.some("image")
        if old and old.tags and not old.unsure:
            self.push(Made(self.new_image(), old.repo, "image"), self.random.choice(sorted(old.tags)))

    def untag(self):
        made = self.some("image", "index")
        if made and made.tags:
            tag = self.random.choice(sorted(made.tags))
            self.ask("DELETE", f"/v2/{made.repo}/manifests/{tag}", {202, 404})
            made.tags.discard(tag)

    def delete(self):
        made = self.some("image", "index")
        if made:
            self.ask("DELETE", f"/v2/{made.repo}/manifests/{made.digest}", {202, 404})
            self.forget(made)

    def forget(self, made):
        made.there = False
        made.tags.clear()
        self.counts.add("manifests deleted")

    def push_index(self):
        repo = self.repo()
        children = [Made(self.new_image(), repo, "child") for _ in range(self.random.choice([1, 2]))]
        old = self.some("child")
        children = [child for child in children if self.push(child, child.digest)]
        if old and old.repo == repo:
            children.append(old)
        if not children:
            return
        all_of_them = index([child.image for child in children], annotations={"name": self.next_number()})
        made = Made(all_of_them, repo, "index")
        # Whatever becomes of it, its children go with it from now on.
        for child in children:
            child.parents.append(made)
        self.must_put(made, self.next_number())

    def attach(self):
        subject = self.some("image", "index", "referrer")
        if not subject or subject.unsure:
            return
        by_tag = subject.digest.replace(":", "-")
        taken = {tag for made in self.made if made.subject is subject for tag in made.tags}
        if by_tag not in taken and self.random.random() < 0.3:
            self.attach_by_list(subject, by_tag)
        elif by_tag + ".sig" not in taken and self.random.random() < 0.5:
            self.push(self.signature(subject.repo, subject), by_tag + ".sig")
        else:
            made = self.signature(subject.repo, subject, about=subject.image.descriptor())
            self.push(made, made.digest)

    def signature(self, repo, subject, kind="referrer", about=None):
        layer = [("a/layer", self.next_number().encode())]
        made = Made(artifact("a/signature", layers=layer, subject=about), repo, kind)
        made.subject = subject
        return made

    def attach_by_list(self, subject, tag):
        """As who knows no referrers does: an index of them, at a tag that names the subject."""
        child = self.signature(subject.repo, None, "child")
        if not self.push(child, child.digest):
            return
        made = Made(index([child.image], annotations={"name": self.next_number()}), subject.repo, "referrer")
        made.subject = subject
        child.parents.append(made)
        self.must_put(made, tag)

    def pull(self):
        made = self.some("image", "index", "child", "referrer")
        if made:
            self.check_whole(made)

    def check_whole(self, made):
        references = [made.digest, *sorted(made.tags)[:1]]
        for reference in references:
            path = f"/v2/{made.repo}/manifests/{reference}"
            answer, _ = self.ask("GET", path, {200}, {404}, headers={"Accept": ANY_MANIFEST})
            if answer.status_code != 200 or answer.content != made.image.manifest:
                raise Wrong(f"{made.kind} {path}, {made.digest}: {answer.status_code} {answer.content[:200]!r}")
        for digest, data in made.image.blobs.items():
            answer, _ = self.ask("GET", f"/v2/{made.repo}/blobs/{digest}", {200}, {404})
            if answer.content != data:
                raise Wrong(f"{digest} of {made.repo}@{made.digest}: {answer.status_code} {answer.content[:200]!r}")
        self.counts.add("manifests pulled whole")

    def mount(self):
        """An image of a repository that others use into the own one, by mounts where they are granted."""
        made = self.some("image")
        if not made or made.repo == self.own:
            return
        copy = Made(made.image, self.own, "image")
        if any(old.repo == self.own and old.digest == made.digest for old in self.made):
            return
        for digest in made.image.blobs:
            self.ask("POST", f"/v2/{self.own}/blobs/uploads/", {201, 202}, params={"mount": digest, "from": made.repo})
        self.push(copy, self.next_number())

    def delete_a_layer(self):
        """Refused while a manifest of the repository names it."""
        [layer] = self.random.sample(self.layers.made, 1)
        digest = self.random.choice(list(image_of_layers([layer]).blobs))
        self.ask("DELETE", f"/v2/{self.repo()}/blobs/{digest}", {202, 404, 405, 409})

    def litter(self):
        """Blobs that no manifest will name: a run has the more to do, and takes the longer."""
        repo = self.random.choice(SHARED)
        for _ in range(4):
            data = self.next_number().encode()
            self.upload(f"/v2/{repo}/blobs/uploads/", digest_of(data), data)

    def drop_repository(self):
        answer, _ = self.ask("DELETE", f"/api/v1/repositories/{self.own}", {200, 202, 404})
        self.counts.add("repositories deleted" if answer.status_code != 404 else "repositories not there")
        for made in self.made:
            if made.repo == self.own:
                self.forget(made)
        self.own = f"own/{self.next_number()}"

    # The end

    def check(self):
        """When all is quiet, and was collected."""
        for made in self.made:
            state = made.lives()
            if state:
                self.check_whole(made)
            elif state is False:
                answer, _ = self.ask("GET", f"/v2/{made.repo}/manifests/{made.digest}", {200, 404})
                if answer.status_code == 200:
                    raise Wrong(f"{made.kind} {made.repo}@{made.digest} should be gone")

    def expected(self, is_there):
        """{repository: {digest}} of the content of what is there."""
        found = {}
        for made in self.made:
            state = made.lives()
            if state or (state is None and is_there(made)):
                found.setdefault(made.repo, set()).update(made.image.blobs)
        return found

    def end(self):
        self.ending.set()
        self.join(2 * ANSWER_TIMEOUT_S)
        if self.is_alive():
            raise Wrong(f"{self.name} hangs")
        if self.problem:
            raise self.problem


class Crowd(AtWork):
    """Actors at work while the block runs."""

    def __init__(self, urls, seed, count=6, late=False, timeout_s=60):
        self.counts = Counts()
        layers = Layers(seed)
        self.actors = [
            Actor(urls, f"a{n}", f"{seed}/{n}", layers, self.counts, late, timeout_s) for n in range(count)
        ]

    def problem(self):
        return next((actor.problem for actor in self.actors if actor.problem), None)
