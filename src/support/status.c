/* Status and message: one error slot per thread. */
#include "nnmpi/support.h"

#include <stdlib.h>
#include <string.h>

static _Thread_local nn_error slot = {NN_OK, -1, "", ""};

const nn_error *nn_error_last(void) {
  return &slot;
}

nn_status nn_error_set(nn_status status, const char *format, ...) {
  char text[NN_ERROR_MAX]; /* the arguments may point into the slot */
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  memcpy(slot.message, text, sizeof text);
  slot.status = status;
  slot.rank = -1;
  slot.host[0] = '\0';
  return status;
}

void nn_error_prefix(const char *format, ...) {
  char text[NN_ERROR_MAX];
  va_list arguments;
  va_start(arguments, format);
  const int written = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (written < 0) return;
  const size_t used = strlen(text);
  snprintf(text + used, sizeof text - used, "%s", slot.message);
  memcpy(slot.message, text, sizeof text);
}

void nn_error_set_rank(int rank, const char *host) {
  slot.rank = rank;
  snprintf(slot.host, sizeof slot.host, "%s", host);
}

const char *nn_status_name(nn_status status) {
  switch (status) {
  case NN_OK:
    return "success";
  case NN_DIFFERENT:
    return "not the same";
  case NN_ERR_USAGE:
    return "command line";
  case NN_ERR_CONFIG:
    return "configuration";
  case NN_ERR_DATA:
    return "data";
  case NN_ERR_CHECKPOINT:
    return "checkpoint";
  case NN_ERR_IO:
    return "input or output";
  case NN_ERR_MEMORY:
    return "memory";
  case NN_ERR_COMM:
    return "communication";
  case NN_ERR_DIVERGED:
    return "divergence";
  case NN_ERR_BUSY:
    return "run folder in use";
  case NN_ERR_INTERNAL:
    return "internal error";
  case NN_STOPPED:
    return "stopped early";
  }
  return "unknown";
}

void nn__assert_failed(const char *condition, const char *file, int line) {
  fprintf(stderr, "nnmpi: internal error: %s:%d: %s does not hold; please report this\n", file, line, condition);
  fflush(stderr);
  abort();
}
