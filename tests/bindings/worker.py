"""A worker in Python, straight against the WIT package: answers requests, and echoes over WebSockets."""

from wit_world import exports
from wit_world.imports import http, sockets
from wit_world.exports.events import Event_Fetch, Event_Message


class Events(exports.Events):
    def handle(self, events):
        for event in events:
            if isinstance(event, Event_Fetch):
                self.fetch(*event.value)
            elif isinstance(event, Event_Message):
                socket, message = event.value
                sockets.send(socket, message)

    def fetch(self, id, request):
        if not any(name == "upgrade" for name, _ in request.headers):
            http.respond(id, http.Response(200, [], b"hello from Python\n", None))
            return
        client, server = sockets.web_socket_pair()
        server.accept(sockets.AcceptOptions(False))
        http.respond(id, http.Response(101, [], b"", client))
