/** @file kernels.h
 *  Floor 1: arithmetic on raw `float *` with sizes, and the thread team. The only module that uses OpenMP.
 *
 *  One parallel region spans a whole step: nn_team_run() starts it, and inside it every thread makes the same
 *  calls with the same arguments. Each kernel here divides its work by sizes alone, never lets the number of
 *  threads change an order of summation, and returns on every thread only when the result is complete
 *  (it ends with a barrier). So code between kernels may read any result, and must write shared memory from one thread
 *  only (team->id == 0, followed by nn_team_barrier()).
 *
 *  Everything is Local. Matrices are row-major. */
#ifndef NNMPI_KERNELS_H
#define NNMPI_KERNELS_H

#include "nnmpi/support.h"

/* ---- the team ------------------------------------------------------------------------------- */

/** One thread's view of its team. */
typedef struct nn_team {
  int id; /**< 0 … size − 1 */
  int size;
  nn_meeting *meeting; /**< where the team's barriers happen; NULL will do for a team of one */
  float *room; /**< NN_TEAM_ROOM floats of this thread's own, for packed matrices; NULL: products take smaller blocks */
} nn_team;

enum { NN_TEAM_ROOM = 37 * 16 * (800 + 1) /**< 1.8 MiB */, NN_TEAM_STACK = 960 << 10 /**< bytes */ };

typedef void (*nn_team_function)(const nn_team *team, void *context);

/** Run `function` on `threads` threads at once; returns when all have. */
void nn_team_run(int threads, nn_team_function function, void *context);
/** The same for large products: `room` has NN_TEAM_ROOM floats for each thread, or is NULL. */
void nn_team_run_with(int threads, float *room, nn_team_function function, void *context);
void nn_team_barrier(const nn_team *team);
/** Fails (NN_ERR_MEMORY) where the stack of one of so many threads is smaller than NN_TEAM_STACK: products pack parts
 * of matrices there. Local. */
nn_status nn_team_check(int threads);

/** This thread's part [*first, *last) of `count` items; boundaries are multiples of `grain`. For work whose result
 *  does not depend on who does it. */
void nn_team_share(const nn_team *team, size_t count, size_t grain, size_t *first, size_t *last);

/** Cores that this process may run on (its affinity mask, and OpenMP's places). */
int nn_cpu_allowed(void);
/** Let the calling thread run on every core that the process was given: where OpenMP pins threads (OMP_PROC_BIND), a
 * new thread would share the one core of the thread that made it. */
void nn_cpu_spread(void);
/** The cores themselves as text, "0-3,8", for the start line. */
nn_status nn_cpu_allowed_text(nn_text *out);
/** Name of the instruction set that the kernels use here: "avx512", "avx2" or "portable". It decides about speed only:
 *  the bits are the same on each. */
const char *nn_cpu_isa(void);

/** GFLOP/s in float of independent chains of fused multiply-adds on the calling thread over about `seconds`, with the
 *  widest vectors of this processor: the limit of every product. Counts the thread's processor time, so that other
 *  programs hardly matter. One sample: take the best of several. */
double nn_cpu_peak(double seconds);
const char *nn_cpu_peak_isa(void); /**< vectors of nn_cpu_peak(): "avx512", "avx2", "generic" */

/* ---- products ------------------------------------------------------------------------------- */

typedef enum nn_transpose { NN_N, NN_T } nn_transpose;

/** C = op(A) op(B), C [m, n], op(A) [m, k], op(B) [k, n]; leading dimensions as stored, without padding.
 *  Every element is one chain acc = fmaf(a[p], b[p], acc) over p = 0 … k − 1 from +0: its bits depend on its row of A
 * and its column of B alone, not on m, n, threads or instruction set, so rows may be cut or put together. One
 * exception: for m == 1 and tb == NN_T the element is sixteen such chains, over p ≡ l mod 16, added pairwise (three
 * times as fast). */
void nn_gemm(const nn_team *team, nn_transpose ta, nn_transpose tb, size_t m, size_t n, size_t k, const float *a,
             const float *b, float *c);

/** What follows a product: each thread makes it of its own part of C, while that is in a cache. */
typedef struct nn_after {
  const float *bias;        /**< [n]: nn_rows_add() to C; NULL: nothing is added */
  const struct nn_map *map; /**< then nn_map_apply() of C; NULL: nothing more */
  float p;                  /**< of the map */
  float *y;                 /**< [m, n]: where the map goes; C itself, or memory of its own */
} nn_after;

/** nn_gemm(), m ≥ 2, and what follows it. */
void nn_gemm_after(const nn_team *team, nn_transpose ta, nn_transpose tb, size_t m, size_t n, size_t k, const float *a,
                   const float *b, float *c, const nn_after *after);

/** C = A' B by the calling thread alone, NOT synchronised: A [k, lda], of which the first m columns count, B [k, n],
 *  C [m, n]. Elements are nn_gemm()'s, so a large product may be made in blocks of its rows. k may be 0. */
void nn_gemm_block(const nn_team *team, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                   float *c);
/** Rows of C that nn_gemm_block() should be asked for at once, of `left` that are to be made: all, or a multiple of
 * `grain`. */
size_t nn_gemm_block_rows(size_t n, size_t k, size_t grain, size_t left);

/** A gradient of `rows` × `width` numbers, the matrix a b', which is not made: its row r is a[r] b. With +0 for −0, as
 * a product of nn_gemm(). */
typedef struct nn_outer {
  size_t rows, width; /**< of a, of b */
  const float *a, *b;
  const float *x; /**< [width], or NULL: who changes a parameter by this gradient multiplies it with x at once: */
  float *y;       /**< [rows]: what nn_gemm() makes of the single row x and the changed parameter, transposed */
} nn_outer;

/* ---- rows and columns ----------------------------------------------------------------------- */

/** y[r, :] += b, y [rows, width], b [width]. */
void nn_rows_add(const nn_team *team, size_t rows, size_t width, const float *b, float *y);
/** out[:] = sum over r of x[r, :], rows added in index order per column (in fixed blocks). */
void nn_rows_sum(const nn_team *team, size_t rows, size_t width, const float *x, float *out);
/** The same for the first `columns` of each row alone, by the calling thread, NOT synchronised. `rows` may be 0. */
void nn_columns_sum(size_t rows, size_t width, size_t columns, const float *x, float *out);

/* ---- element-wise --------------------------------------------------------------------------- */

/** y[i] = f(x[i]); dx[i] = dy[i] f'(x[i]), given x and y = f(x). `p` is the function's parameter (slope).
 *  In place (y == x, dx == dy) is allowed. Called on a share: NOT synchronised, no team. */
typedef void (*nn_map_forward)(size_t count, float p, const float *x, float *y);
typedef void (*nn_map_backward)(size_t count, float p, const float *x, const float *y, const float *dy, float *dx);

typedef struct nn_map {
  const char *name;
  nn_map_forward forward;
  nn_map_backward backward; /**< NULL: the gradient is zero (step) */
  bool in_place;            /**< backward makes the same where y took the place of x (p ≥ 0) */
} nn_map;

extern const nn_map nn_map_identity, nn_map_relu, nn_map_leaky_relu, nn_map_sigmoid, nn_map_tanh, nn_map_gelu,
    nn_map_softplus, nn_map_arctan, nn_map_step;
/* relu'(0) = 0, leaky_relu'(0) = p, as PyTorch; gelu is the exact one, x Φ(x); arctan(x) / π + 1/2; step: 1 for x ≥ 0.
 */

void nn_map_apply(const nn_team *team, const nn_map *map, float p, size_t count, const float *x, float *y);
void nn_map_apply_backward(const nn_team *team, const nn_map *map, float p, size_t count, const float *x,
                           const float *y, const float *dy, float *dx);

/** exp, log, tanh, erf, arctan in float, same bits in body and tail of a loop, on every instruction set; error at
 *  most 2 ulp for exp, 4 for the others over the whole range. In place allowed; NOT synchronised. */
void nn_vector_exp(size_t count, const float *x, float *y);
void nn_vector_log(size_t count, const float *x, float *y);
void nn_vector_tanh(size_t count, const float *x, float *y);
void nn_vector_erf(size_t count, const float *x, float *y);
void nn_vector_arctan(size_t count, const float *x, float *y);

/** Random words of nn_philox(): words[k count + i] is its out[k] for `counter` with i added to its first word, i <
 * count, k < 4. NOT synchronised. */
void nn_vector_philox(const uint32_t key[2], const uint32_t counter[4], size_t count, uint32_t *words);
/** y[i] = low + (high − low) nn_random_uniform(seed, use, stream, i) in double, then rounded. NOT synchronised. */
void nn_vector_uniform(uint64_t seed, nn_random_use use, uint64_t stream, size_t count, double low, double high,
                       float *y);

/** y[r, :] = softmax(beta x[r, :]), stable (maximum subtracted); sums in index order. Synchronised. */
void nn_softmax_rows(const nn_team *team, size_t rows, size_t width, float beta, const float *x, float *y);

void nn_add(const nn_team *team, size_t count, const float *x, float *y); /**< y += x */
void nn_scale(const nn_team *team, size_t count, float factor, float *x); /**< x *= factor */
void nn_fill(const nn_team *team, size_t count, float value, float *x);
void nn_copy(const nn_team *team, size_t count, const float *x, float *y);

/* ---- cells of recurrent layers ---------------------------------------------------------------- */

/** One time step of an LSTM for `rows` rows. Gates stand in PyTorch's order i, f, g, o, `units` values each:
 *  i, f, o = sigmoid(z), g = tanh(z), z = gates + zh + bias_ih + bias_hh; c = f c_before + i g; h = o tanh(c). */
typedef struct nn_lstm_step {
  size_t rows, units;
  const float *bias_ih, *bias_hh; /**< [4 units] */
  const float *zh;                /**< [rows, 4 units]: W_hh h of the step before */
  const float *c_before;          /**< [rows, units] */
  float *gates;                   /**< [rows, 4 units]: W_ih x, becomes i, f, g, o */
  float *c, *tanh_c, *h;          /**< [rows, units] */
} nn_lstm_step;

/** The gradients, from that of h: `dc` [rows, units] is that of c from the step after, and becomes that of c_before;
 *  `dz` [rows, 4 units] is that of z. */
typedef struct nn_lstm_gradient {
  size_t rows, units;
  const float *gates, *tanh_c, *c_before, *dh;
  float *dc, *dz;
} nn_lstm_gradient;

/** Both are called on a share: NOT synchronised, no team. */
void nn_lstm_forward(const nn_lstm_step *step);
void nn_lstm_backward(const nn_lstm_gradient *gradient);

/* ---- sums in a named order ------------------------------------------------------------------ */

enum { NN_SUM_BLOCK = 4096 /**< elements of a fixed block */ };

/** Sum of squares of a block of floats, in a fixed order, with a relative error of at most 2e-7 (three roundings to
 * float) and usually 1e-9; of squares beyond the range of a float, too. Local to a thread. */
double nn_block_sum_squares(size_t count, const float *x);
/** Sum of squares of `count` floats: blocks of NN_SUM_BLOCK, added in index order. `scratch` has
 *  nn_blocks(count) doubles. Returns the same value on every thread. */
double nn_sum_squares(const nn_team *team, size_t count, const float *x, double *scratch);
size_t nn_blocks(size_t count);
/** False if any of the floats is NaN or infinite. Local to a thread. */
bool nn_all_finite(size_t count, const float *x);
/** The largest |x[i]| in this thread's share; NaN where one is NaN. NOT synchronised. */
float nn_magnitude(const nn_team *team, size_t count, const float *x);

/* ---- input rows ----------------------------------------------------------------------------- */

typedef enum nn_element {
  NN_ELEMENT_U8,
  NN_ELEMENT_I8,
  NN_ELEMENT_U16,
  NN_ELEMENT_I16,
  NN_ELEMENT_U32,
  NN_ELEMENT_I32,
  NN_ELEMENT_U64,
  NN_ELEMENT_I64,
  NN_ELEMENT_F32,
  NN_ELEMENT_F64
} nn_element;

size_t nn_element_size(nn_element type);

/** y[j] = (x[j] / scale − mean[j]) × inverse_deviation[j] for one row of `width` elements; mean and inverse_deviation
 *  are both NULL for no normalisation. Arithmetic in float (double for f64 and 32- and 64-bit integers). Local to a
 * thread. */
void nn_row_convert(nn_element type, size_t width, const void *x, double scale, const float *mean,
                    const float *inverse_deviation, float *y);

#endif
