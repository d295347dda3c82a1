// A worker in JavaScript, straight against the WIT package: answers requests, and echoes over WebSockets.
import { respond } from "pairway:worker/http@0.1.0";
import { send, webSocketPair } from "pairway:worker/sockets@0.1.0";

const text = new TextEncoder();

function fetch([id, request]) {
  const wantsSocket = request.headers.some(([name]) => name === "upgrade");
  if (!wantsSocket) {
    respond(id, { status: 200, headers: [], body: text.encode("hello from JavaScript\n"), socket: undefined });
    return;
  }
  const [client, server] = webSocketPair();
  server.accept({ halfOpen: false });
  respond(id, { status: 101, headers: [], body: new Uint8Array(), socket: client });
}

export const events = {
  handle(batch) {
    for (const event of batch) {
      if (event.tag === "fetch") fetch(event.val);
      if (event.tag === "message") send(...event.val);
    }
  },
};
