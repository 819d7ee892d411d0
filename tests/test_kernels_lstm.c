/* The pointwise part of an LSTM's step: against its formulas in double, and the same bits on every instruction set. */
#include <math.h>

#include "kernels/clones.h"
#include "kernels_testing.h"

NN__DECLARE_CLONES(void, nn_lstm_forward, (const nn_lstm_step *step))
NN__DECLARE_CLONES(void, nn_lstm_backward, (const nn_lstm_gradient *gradient))

enum { ROWS = 3, UNITS = 37, CELLS = ROWS * UNITS, GATES = 4 * CELLS };

/* Everything that a step reads and writes. */
typedef struct bench {
  float bias_ih[4 * UNITS], bias_hh[4 * UNITS], x[GATES], zh[GATES], c_before[CELLS], dh[CELLS], dc_after[CELLS];
  float gates[GATES], c[CELLS], tanh_c[CELLS], h[CELLS], dc[CELLS], dz[GATES];
} bench;

static void fill(bench *b, float scale) {
  nn_test_fill(4 * UNITS, 1, b->bias_ih);
  nn_test_fill(4 * UNITS, 2, b->bias_hh);
  nn_test_fill(GATES, 3, b->x);
  nn_test_fill(GATES, 4, b->zh);
  nn_test_fill(CELLS, 5, b->c_before);
  nn_test_fill(CELLS, 6, b->dh);
  nn_test_fill(CELLS, 7, b->dc_after);
  for (size_t i = 0; i < GATES; i++) b->zh[i] *= scale;
}

typedef void (*forward_function)(const nn_lstm_step *step);
typedef void (*backward_function)(const nn_lstm_gradient *gradient);

static void run(bench *b, forward_function forward, backward_function backward) {
  memcpy(b->gates, b->x, sizeof b->gates);
  memcpy(b->dc, b->dc_after, sizeof b->dc);
  forward(&(nn_lstm_step){ROWS, UNITS, b->bias_ih, b->bias_hh, b->zh, b->c_before, b->gates, b->c, b->tanh_c, b->h});
  backward(&(nn_lstm_gradient){ROWS, UNITS, b->gates, b->tanh_c, b->c_before, b->dh, b->dc, b->dz});
}

static double logistic(double x) {
  return 1 / (1 + exp(-x));
}

static void near(const char *what, float actual, double expected) {
  if (!(fabs((double)actual - expected) <= 2e-6 * fmax(1, fabs(expected))))
    fail_msg("%s is %.9g instead of %.9g", what, (double)actual, expected);
}

static void a_step_follows_the_formulas(void **state) {
  (void)state;
  static bench b;
  fill(&b, 3);
  run(&b, nn_lstm_forward, nn_lstm_backward);
  for (size_t r = 0; r < ROWS; r++)
    for (size_t j = 0; j < UNITS; j++) {
      double z[4];
      for (size_t g = 0; g < 4; g++) {
        const size_t k = g * UNITS + j, at = r * 4 * UNITS + k;
        z[g] = (double)b.x[at] + (double)b.zh[at] + (double)b.bias_ih[k] + (double)b.bias_hh[k];
      }
      const size_t cell = r * UNITS + j, at = r * 4 * UNITS + j;
      const double i = logistic(z[0]), f = logistic(z[1]), g = tanh(z[2]), o = logistic(z[3]);
      const double before = (double)b.c_before[cell], c = f * before + i * g, t = tanh(c), dh = (double)b.dh[cell];
      const double dc = (double)b.dc_after[cell] + dh * o * (1 - t * t);
      near("h", b.h[cell], o * t);
      near("c", b.c[cell], c);
      near("tanh c", b.tanh_c[cell], t);
      near("dz of i", b.dz[at], dc * g * i * (1 - i));
      near("dz of f", b.dz[at + UNITS], dc * before * f * (1 - f));
      near("dz of g", b.dz[at + 2 * UNITS], dc * i * (1 - g * g));
      near("dz of o", b.dz[at + 3 * UNITS], dh * t * o * (1 - o));
      near("dc", b.dc[cell], dc * f);
    }
}

/* As the cell of a run does where all gates are as far open or closed as they go. */
static void gates_may_be_wide_open_or_shut(void **state) {
  (void)state;
  static bench b;
  fill(&b, 1000);
  run(&b, nn_lstm_forward, nn_lstm_backward);
  assert_true(nn_all_finite(GATES, b.gates) && nn_all_finite(CELLS, b.h) && nn_all_finite(GATES, b.dz));
  for (size_t i = 0; i < CELLS; i++) assert_true(fabsf(b.h[i]) <= 1);
}

static void every_instruction_set_gives_the_same_bits(void **state) {
  (void)state;
#if defined(__x86_64__)
  static const forward_function forward[] = {nn_lstm_forward__plain, nn_lstm_forward__avx2, nn_lstm_forward__avx512};
  static const backward_function backward[] = {nn_lstm_backward__plain, nn_lstm_backward__avx2,
                                               nn_lstm_backward__avx512};
#else
  static const forward_function forward[] = {nn_lstm_forward__plain};
  static const backward_function backward[] = {nn_lstm_backward__plain};
#endif
  static bench plain, other;
  fill(&plain, 4);
  fill(&other, 4);
  run(&plain, nn_lstm_forward__plain, nn_lstm_backward__plain);
  for (int isa = 0; isa <= (int)nn__isa_best(); isa++) {
    run(&other, forward[isa], backward[isa]);
    nn_test_same_bits("gates", GATES, plain.gates, other.gates);
    nn_test_same_bits("h", CELLS, plain.h, other.h);
    nn_test_same_bits("c", CELLS, plain.c, other.c);
    nn_test_same_bits("dz", GATES, plain.dz, other.dz);
    nn_test_same_bits("dc", CELLS, plain.dc, other.dc);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_step_follows_the_formulas),
      cmocka_unit_test(gates_may_be_wide_open_or_shut),
      cmocka_unit_test(every_instruction_set_gives_the_same_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
