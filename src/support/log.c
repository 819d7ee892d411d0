/* Lines for people: on the terminal and in log.txt. */
#include "nnmpi/support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct nn_log {
  int rank;
  bool quiet;
  FILE *file;
  nn_text early; /* lines for the file before there is one */
  nn_log_before before;
  void *context;
};

nn_status nn_log_create(int rank, bool quiet, nn_log **out) {
  void *memory = NULL;
  NN_TRY(nn_alloc(1, sizeof(nn_log), "the log", &memory));
  nn_log *log = memory;
  log->rank = rank;
  log->quiet = quiet;
  *out = log;
  return NN_OK;
}

void nn_log_destroy(nn_log **log) {
  if (*log == NULL) return;
  if ((*log)->file != NULL) fclose((*log)->file);
  nn_text_clear(&(*log)->early);
  nn_free(*log);
  *log = NULL;
}

nn_status nn_log_to_file(nn_log *log, const char *path) {
  if (log == NULL) return NN_OK;
  FILE *file = fopen(path, "ae");
  if (file == NULL) return NN_FAIL(NN_ERR_IO, "%s: cannot be opened for writing: %s", path, strerror(errno));
  if (log->file != NULL) fclose(log->file);
  log->file = file;
  if (log->early.length > 0) fprintf(file, "%s", log->early.at);
  fflush(file);
  nn_text_clear(&log->early);
  return NN_OK;
}

void nn_log_set_before_line(nn_log *log, nn_log_before before, void *context) {
  if (log == NULL) return;
  log->before = before;
  log->context = context;
}

/* A full disk must not stop a training: the log is the one file that may lose lines. */
static void write_to_file(nn_log *log, const char *prefix, const char *text) {
  enum { EARLY_MAX = 1 << 16 };
  char stamp[32];
  const time_t now = time(NULL);
  struct tm local;
  localtime_r(&now, &local);
  strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &local);
  if (log->file != NULL) {
    fprintf(log->file, "%s %s%s\n", stamp, prefix, text);
    fflush(log->file);
  } else if (log->early.length < EARLY_MAX) {
    nn_text_add(&log->early, "%s %s%s\n", stamp, prefix, text);
  }
}

void nn_log_write(nn_log *log, nn_log_level level, const char *format, ...) {
  static const char *const prefixes[] = {"", "warning: ", "error: "};
  if (log == NULL) return;
  char text[NN_ERROR_MAX];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  write_to_file(log, prefixes[level], text);
  if (log->rank != 0 || (log->quiet && level == NN_LOG_INFO)) return;
  if (log->before != NULL) log->before(log->context, level);
  FILE *stream = level == NN_LOG_INFO ? stdout : stderr;
  if (level == NN_LOG_INFO)
    fprintf(stream, "%s\n", text);
  else
    fprintf(stream, "nnmpi: %s%s\n", prefixes[level], text);
  fflush(stream);
}
