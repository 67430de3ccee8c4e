"""A process of a registry that stopped while it sent a round trip to PostgreSQL: by libpq, as the registry does.

    with HalfSent(url, statement):
        ...     # the server has done the statement, and waits for the rest of what comes behind it
"""

import ctypes
import os

HALF = b"P\0\0\1\0half"  # of a message of 256 bytes


def library():
    libpq = ctypes.CDLL("libpq.so.5")
    libpq.PQconnectdb.restype = ctypes.c_void_p
    libpq.PQgetResult.restype = ctypes.c_void_p
    for name in ("finish", "status", "enterPipelineMode", "sendFlushRequest", "getResult", "clear", "socket"):
        getattr(libpq, f"PQ{name}").argtypes = [ctypes.c_void_p]
    given = 4 * [ctypes.c_void_p]  # types, values, lengths, formats
    libpq.PQsendQueryParams.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, *given, ctypes.c_int]
    return libpq


class HalfSent:
    def __init__(self, url, statement):
        self.libpq = library()
        self.connection = self.libpq.PQconnectdb(f"{url}?application_name=registry".encode())
        assert self.libpq.PQstatus(self.connection) == 0
        assert self.libpq.PQenterPipelineMode(self.connection)
        for text in ("BEGIN", statement):
            assert self.libpq.PQsendQueryParams(self.connection, text.encode(), 0, None, None, None, None, 0)
            assert self.libpq.PQsendFlushRequest(self.connection)
            while result := self.libpq.PQgetResult(self.connection):
                self.libpq.PQclear(result)
        os.write(self.libpq.PQsocket(self.connection), HALF)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.libpq.PQfinish(self.connection)
