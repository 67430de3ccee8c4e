"""A TCP proxy that cuts a connection once, in a chosen phase of a chosen request."""

import socket
import threading

PHASES = ("before the request", "within the body", "before the answer")
BODY_BYTES = 50_000  # that still pass, when it cuts within a body


class CuttingProxy:
    """Stands before a registry; cut("PATCH", "within the body") cuts the next such request."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.lock = threading.Lock()
        self.wanted = None
        self.cuts = 0
        self.sockets = set()
        self.closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing = True
        self.listener.close()
        for one in list(self.sockets):
            self._close(one)

    def cut(self, method, phase, path=""):
        self.wanted = (f"{method} ".encode(), path.encode(), phase)

    def _accept(self):
        while not self.closing:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            pair = {"client": client, "server": server, "swallow": False, "left": None}
            self.sockets |= {client, server}
            for run in (self._up, self._down):
                threading.Thread(target=run, args=(pair,), daemon=True).start()

    def _close(self, one):
        """With a reset, as a line that breaks has no goodbye either."""
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        one.close()
        self.sockets.discard(one)

    def _end(self, pair):
        self._close(pair["client"])
        self._close(pair["server"])

    def _phase_of(self, data):
        """The phase in which the request that begins here is to be cut, once."""
        with self.lock:
            if not self.wanted:
                return None
            method, path, phase = self.wanted
            line = data.split(b"\r\n", 1)[0]
            if not data.startswith(method) or path not in line:
                return None
            self.wanted = None
            self.cuts += 1
            return phase

    def _up(self, pair):
        try:
            while data := pair["client"].recv(65536):
                phase = self._phase_of(data)
                if phase == "before the request":
                    break
                if phase == "within the body":
                    pair["left"] = BODY_BYTES
                if phase == "before the answer":
                    pair["swallow"] = True
                if pair["left"] is not None:
                    data = data[: pair["left"]]
                    pair["left"] -= len(data)
                pair["server"].sendall(data)
                if pair["left"] == 0:
                    break
        except OSError:
            pass
        self._end(pair)

    def _down(self, pair):
        try:
            while data := pair["server"].recv(65536):
                if pair["swallow"]:
                    break
                pair["client"].sendall(data)
        except OSError:
            pass
        self._end(pair)
