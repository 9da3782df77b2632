"""Short messages between two processes: JSON over a socket that keeps message boundaries and notices the other's death."""

from __future__ import annotations

import json
import socket
from typing import Any

MESSAGE_BYTES = 60_000
Message = dict[str, Any]


class Line:
    """One end of a connection."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    @classmethod
    def pair(cls) -> tuple[Line, Line]:
        """Two connected ends."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    @classmethod
    def of(cls, handle: int) -> Line:
        """The end with this file descriptor, which it takes over."""
        end = socket.socket(fileno=handle)
        end.set_inheritable(False)
        return cls(end)

    def send(self, message: Message, *, handle: int | None = None) -> None:
        """Send a message, and a file descriptor with it. Raises OSError if the other end has gone."""
        data = json.dumps(message).encode()
        assert len(data) <= MESSAGE_BYTES, "a message is short; what is long travels as a file"
        if handle is None:
            self._end.send(data)
        else:
            socket.send_fds(self._end, [data], [handle])

    def receive(self) -> Message | None:
        """The next message, or None if the other end has gone. Raises ValueError for what is no message."""
        return self.receive_with_handle()[0]

    def receive_with_handle(self) -> tuple[Message | None, int | None]:
        """The next message with the file descriptor that came along."""
        data, handles = self._received()
        if not data:
            return None, None
        message = json.loads(data)
        if not isinstance(message, dict):
            raise ValueError(f"not a message: {message!r:.80}")
        return message, handles[0] if handles else None

    def _received(self) -> tuple[bytes, list[int]]:
        while True:
            try:
                data, handles, _, _ = socket.recv_fds(self._end, MESSAGE_BYTES, 1)
            except ConnectionResetError:
                continue  # said once if the other end went with messages unread; what it had sent before comes after
            else:
                return data, handles

    def fileno(self) -> int:
        """The file descriptor, for `select`."""
        return self._end.fileno()

    def close(self) -> None:
        """Close this end; the other one notices."""
        self._end.close()
