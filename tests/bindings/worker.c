// A worker in C, straight against the WIT package: answers requests, and echoes over WebSockets.
#include <string.h>
#include "worker.h"

static void answer(exports_pairway_worker_events_request_id_t id, uint16_t status, const char *text,
                   pairway_worker_http_own_web_socket_t *socket) {
  pairway_worker_http_response_t response = {0};
  response.status = status;
  response.body.ptr = (uint8_t *)text;
  response.body.len = strlen(text);
  response.socket.is_some = socket != NULL;
  if (socket != NULL) response.socket.val = *socket;
  pairway_worker_http_error_t error;
  pairway_worker_http_respond(id, &response, &error);
}

static void fetch(exports_pairway_worker_events_request_id_t id, exports_pairway_worker_events_request_t *request) {
  for (size_t i = 0; i < request->headers.len; i++) {
    worker_string_t *name = &request->headers.ptr[i].f0;
    if (name->len != 7 || memcmp(name->ptr, "upgrade", 7) != 0) continue;
    pairway_worker_sockets_tuple2_own_web_socket_own_web_socket_t pair;
    pairway_worker_sockets_error_t error;
    if (!pairway_worker_sockets_web_socket_pair(&pair, &error)) return;
    pairway_worker_sockets_accept_options_t options = {.half_open = false};
    pairway_worker_sockets_method_web_socket_accept(pairway_worker_sockets_borrow_web_socket(pair.f1), &options, &error);
    answer(id, 101, "", &pair.f0);
    return;
  }
  answer(id, 200, "hello from C\n", NULL);
}

void exports_pairway_worker_events_handle(exports_pairway_worker_events_list_event_t *events) {
  for (size_t i = 0; i < events->len; i++) {
    exports_pairway_worker_events_event_t *event = &events->ptr[i];
    if (event->tag == EXPORTS_PAIRWAY_WORKER_EVENTS_EVENT_FETCH) {
      fetch(event->val.fetch.f0, &event->val.fetch.f1);
    } else if (event->tag == EXPORTS_PAIRWAY_WORKER_EVENTS_EVENT_MESSAGE) {
      pairway_worker_sockets_error_t error;
      pairway_worker_sockets_send(event->val.message.f0, &event->val.message.f1, &error);
    }
  }
  exports_pairway_worker_events_list_event_free(events);
}
