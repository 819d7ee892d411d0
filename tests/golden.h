/** @file golden.h
 *  Reads the files of tests/make_golden.py. */
#ifndef NNMPI_TESTS_GOLDEN_H
#define NNMPI_TESTS_GOLDEN_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nnmpi/support.h"

enum { GOLDEN_MAX = 512 };

typedef struct golden_tensor {
  const char *name;
  size_t count;
  float *at;
} golden_tensor;

typedef struct golden {
  char *text;
  size_t count;
  golden_tensor tensors[GOLDEN_MAX];
} golden;

/* The next word of a line, NULL at its end. */
static inline char *golden_word(char **at) {
  char *word = *at + strspn(*at, " ");
  if (*word == '\0') return NULL;
  *at = word + strcspn(word, " ");
  if (**at != '\0') *(*at)++ = '\0';
  return word;
}

static inline void golden_line(golden *g, char *line) {
  golden_tensor *t = &g->tensors[g->count++];
  assert_true(g->count <= GOLDEN_MAX);
  t->name = golden_word(&line);
  t->count = 1;
  char *shape = golden_word(&line);
  for (char *at = shape; at != NULL; at = strchr(at, 'x')) {
    at += *at == 'x';
    t->count *= (size_t)strtoul(at, NULL, 10);
  }
  t->at = malloc(t->count * sizeof *t->at);
  assert_non_null(t->at);
  for (size_t i = 0; i < t->count; i++) {
    double value = 0;
    const char *word = golden_word(&line);
    assert_true(word != NULL && nn_parse_real(word, &value));
    t->at[i] = (float)value;
  }
  assert_null(golden_word(&line));
}

static inline void golden_open(golden *g, const char *path) {
  size_t bytes = 0;
  *g = (golden){0};
  if (nn_file_read(path, 1 << 20, &g->text, &bytes) != NN_OK) fail_msg("%s", nn_error_last()->message);
  for (char *line = g->text; *line != '\0';) {
    char *end = line + strcspn(line, "\n");
    char *next = *end == '\0' ? end : end + 1;
    *end = '\0';
    if (*line != '#') golden_line(g, line);
    line = next;
  }
}

static inline void golden_close(golden *g) {
  for (size_t i = 0; i < g->count; i++) free(g->tensors[i].at);
  nn_free(g->text);
}

static inline const float *golden_get(const golden *g, const char *name, size_t count) {
  for (size_t i = 0; i < g->count; i++)
    if (strcmp(g->tensors[i].name, name) == 0) {
      assert_int_equal(g->tensors[i].count, count);
      return g->tensors[i].at;
    }
  fail_msg("there is no golden tensor %s", name);
  return NULL;
}

/** `actual` is the golden tensor, to within `tolerance` × max(1, |value|). */
static inline void golden_check(const golden *g, const char *name, size_t count, const float *actual,
                                double tolerance) {
  const float *expected = golden_get(g, name, count);
  for (size_t i = 0; i < count; i++) {
    const double want = (double)expected[i], have = (double)actual[i];
    if (!(fabs(have - want) <= tolerance * fmax(1, fabs(want))))
      fail_msg("%s: element %zu is %.9g, PyTorch has %.9g", name, i, have, want);
  }
}

#endif
