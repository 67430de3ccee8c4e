"""A listening socket that refuses connections for a while and keeps its port: nobody else gets it meanwhile."""

import socket

from processes import free_port


class Door:
    def __init__(self, backlog):
        self.backlog = backlog
        # By its number: a port that the system chose does not outlive shutdown().
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=backlog)

    def accept(self):
        """OSError: it was shut."""
        return self.listener.accept()[0]

    def shut(self):
        """Ends accept() too, which close() alone would not; the port stays bound."""
        self.listener.shutdown(socket.SHUT_RDWR)

    def open(self):
        self.listener.listen(self.backlog)

    def close(self):
        self.listener.close()
