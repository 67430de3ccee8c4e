"""A TCP proxy, before a Redis or whatever else: it can be gone, hang, be slow, or answer one thing to everything.

    with TcpProxy(port) as line:
        line.hang()                           # who goes through line.port waits
        line.clear()
"""

import socket
import threading
import time

from door import Door

REDIS_ERROR = b"-LOADING Redis is loading the dataset in memory\r\n"


class TcpProxy:
    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.door = Door(backlog=128)
        self.port = self.door.port
        self.lock = threading.Lock()
        self.pairs = []
        self.delay_s = 0
        self.answer = None
        self.flowing = threading.Event()
        self.flowing.set()
        self._start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()
        self.door.close()
        self.clear()

    # What is asked of it

    def leave(self):
        """Nobody can connect, and who has is cut off."""
        if self.thread.is_alive():
            self.door.shut()
            self.thread.join()
        self.cut()

    def cut(self):
        """Who is connected is cut off, and may connect again."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            end(pair)

    def come_back(self):
        """On the same port, after leave()."""
        self.door.open()
        self._start()

    def _start(self):
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def hang(self):
        """Connections stay, and nothing passes."""
        self.flowing.clear()

    def slow(self, seconds):
        """Whatever is asked gets there so much later."""
        self.delay_s = seconds

    def always(self, answer):
        """Whatever is asked is answered with these bytes, and does not get there."""
        self.answer = answer

    def clear(self):
        """As if nothing had been. Not after leave()."""
        if self.answer:
            self.cut()  # of what was asked nobody knows where its answer ends
        self.delay_s = 0
        self.answer = None
        self.flowing.set()

    # Its threads

    def _accept(self):
        while True:
            try:
                client = self.door.accept()
            except OSError:
                return
            self._welcome(client)

    def _welcome(self, client):
        try:
            pair = (client, socket.create_connection(self.target))
        except OSError:
            client.close()
            return
        for one in pair:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.pairs.append(pair)
        self._begin(pair)

    def _begin(self, pair):
        for way in (pair, pair[::-1]):
            threading.Thread(target=self._carry, args=(*way, way is pair), daemon=True).start()

    def _carry(self, source, sink, up):
        try:
            while data := source.recv(65536):
                self.flowing.wait()
                if up and self.delay_s:
                    time.sleep(self.delay_s)
                if up and self.answer:
                    source.sendall(self.answer)
                else:
                    sink.sendall(data)
        except OSError:
            pass
        end((source, sink))


def end(pair):
    for one in pair:
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class CutAfter(TcpProxy):
    """Cuts each connection when so many bytes have gone that way on it: up to the server, or back."""

    def __init__(self, port, after, up):
        self.after = after
        self.counts_up = up
        super().__init__(port)

    def _carry(self, source, sink, up):
        counts = up == self.counts_up
        left = self.after
        try:
            while left > 0 and (data := source.recv(65536)):
                sink.sendall(data[:left] if counts else data)
                left -= len(data) if counts else 0
        except OSError:
            pass
        end((source, sink))
