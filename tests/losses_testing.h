/** @file losses_testing.h
 *  Computing a loss on a team. */
#ifndef NNMPI_TESTS_LOSSES_TESTING_H
#define NNMPI_TESTS_LOSSES_TESTING_H

#include "layers_testing.h"

typedef struct loss_bench {
  const nn_choice *choice;
  size_t rows, width;
  const float *y;
  const int32_t *labels;
  const float *values;
  const float *weights; /* [rows] */
  double *row_loss;     /* [rows] */
  float *dy;            /* [rows, width] or NULL */
} loss_bench;

static inline void loss_on(const nn_team *team, void *context) {
  const loss_bench *b = context;
  nn_loss_find(b->choice->schema->name)
      ->compute(b->choice->options, team, b->rows, b->width, b->y, b->labels, b->values, b->weights, b->row_loss,
                b->dy);
}

/** Computes, and returns sum over r of weight × loss, as training would. */
static inline double loss_run(loss_bench *b, int threads) {
  double sum = 0;
  nn_team_run(threads, loss_on, b);
  for (size_t r = 0; r < b->rows; r++) sum += (b->weights != NULL ? (double)b->weights[r] : 1) * b->row_loss[r];
  return sum;
}

#endif
