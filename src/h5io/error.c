/* HDF5's error stack, silenced and turned into the end of our message. */
#include "h5io/h5io_internal.h"

#include "h5io/h5io_count.h"
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

/* HDF5 as a whole is one mutable thing, and seldom built for threads: so is what guards it. */
static pthread_mutex_t only_one = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

int nn__h5_enter(void) {
  (void)pthread_mutex_lock(&only_one); /* cannot fail: never destroyed, and recursive */
  /* HDF5 keeps both settings per thread or per library; setting them again costs nothing. */
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  H5PLset_loading_state(0);
  return 0;
}

void nn__h5_leave(const int *entered) {
  (void)entered;
  (void)pthread_mutex_unlock(&only_one);
}

long nn__h5_open_count(void) {
  return (long)H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL);
}

static herr_t keep_innermost(unsigned level, const H5E_error2_t *error, void *context) {
  nn__h5_text *words = context;
  if (level != 0 || error->desc == NULL || error->desc[0] == '\0') return 0;
  int used = snprintf(words->at, sizeof words->at, " (HDF5: %s)", error->desc);
  if (used >= (int)sizeof words->at) words->at[sizeof words->at - 2] = ')';
  return 0;
}

nn__h5_text nn__h5_words(void) {
  nn__h5_text words = {""};
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &words);
  return nn__h5_legible(words.at);
}

nn__h5_text nn__h5_legible(const char *text) {
  nn__h5_text out;
  snprintf(out.at, sizeof out.at, "%s", text);
  for (char *c = out.at; *c != '\0'; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
  return out;
}

typedef struct search {
  const char *part;
  bool found;
} search;

static herr_t look_for(unsigned level, const H5E_error2_t *error, void *context) {
  search *s = context;
  (void)level;
  if (error->desc != NULL && strstr(error->desc, s->part) != NULL) s->found = true;
  return 0;
}

bool nn__h5_said(const char *part) {
  search s = {part, false};
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, look_for, &s);
  return s.found;
}

nn_status nn__h5_fail(const nn_h5_file *file, const char *format, ...) {
  char message[NN_ERROR_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  return nn_error_set(file->code, "%s: %s", file->name, message);
}

void nn__h5_because(nn__h5_why *why, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(why->at, sizeof why->at, format, args);
  va_end(args);
}
