/** @file h5_testing.h
 *  What tests of files share: a folder of their own, whole files read and written, h5py where there is one. */
#ifndef NNMPI_TESTS_H5_TESTING_H
#define NNMPI_TESTS_H5_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nnmpi/support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct scene {
  char folder[256];
  char path[512];     /* the last one made by at() */
  const char *python; /* one that has h5py; NULL: none */
} scene;

/** "<folder>/name", until the next call. */
static inline const char *at(scene *s, const char *name) {
  snprintf(s->path, sizeof s->path, "%s/%s", s->folder, name);
  return s->path;
}

static inline int scene_setup(void **state) {
  static const char *const pythons[] = {"python3", "/usr/bin/python3"};
  scene *s = calloc(1, sizeof *s);
  if (s == NULL) return -1;
  const char *base = getenv("TMPDIR");
  snprintf(s->folder, sizeof s->folder, "%s/nnmpi-test-XXXXXX", base != NULL ? base : "/tmp");
  if (mkdtemp(s->folder) == NULL) {
    free(s);
    return -1;
  }
  for (size_t i = 0; i < 2 && s->python == NULL; i++) {
    char command[128];
    snprintf(command, sizeof command, "%s -c 'import h5py' >/dev/null 2>&1", pythons[i]);
    if (system(command) == 0) s->python = pythons[i];
  }
  *state = s;
  return 0;
}

static inline int scene_teardown(void **state) {
  scene *s = *state;
  char command[512];
  snprintf(command, sizeof command, "rm -rf '%s'", s->folder);
  const int result = system(command);
  free(s);
  return result;
}

/** Runs a script of tests/data/ with an argument; skips the test visibly where there is no h5py. */
static inline void run_python(scene *s, const char *script, const char *argument) {
  char command[1536];
  if (s->python == NULL) {
    print_message("skipped: no python3 with h5py (Debian: python3-h5py)\n");
    skip();
  }
  snprintf(command, sizeof command, "%s '%s/%s' '%s'", s->python, NN_TEST_DATA, script, argument);
  assert_int_equal(system(command), 0);
}

static inline void write_whole(const char *path, const void *bytes, size_t count) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, count, file), count);
  assert_int_equal(fclose(file), 0);
}

/** The call fails with this status, and its message contains all of the words. */
#define assert_fails(call, code, ...)                                                                                  \
  do {                                                                                                                 \
    const char *const words_[] = {__VA_ARGS__};                                                                        \
    assert_int_equal((call), (code));                                                                                  \
    for (size_t word_ = 0; word_ < sizeof words_ / sizeof *words_; word_++)                                            \
      if (strstr(nn_error_last()->message, words_[word_]) == NULL)                                                     \
        fail_msg("the message should contain \"%s\": %s", words_[word_], nn_error_last()->message);                    \
  } while (0)

/** The call succeeds; says the message if not. */
#define assert_ok(call)                                                                                                \
  do {                                                                                                                 \
    if ((call) != NN_OK) fail_msg("%s: %s", #call, nn_error_last()->message);                                          \
  } while (0)

#endif
