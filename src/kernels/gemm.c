/** @file gemm.c
 *  Matrix products: who computes what, in which blocks, and what is packed. Nothing here changes a bit of the result
 *  (gemm.h); all of it is about speed, so it may look at the number of threads. */
#include "kernels/gemm.h"

#include "kernels/matvec.h"

enum {
  FULL_ROWS = 14, /* of the largest tile of all instruction sets */
  STEPS = 384,    /* of the summed index in a block */
  A_PANELS = 24,  /* panels of rows in a block: with their STEPS they fill about half of a second-level cache */
  A_FLOATS = A_PANELS * (STEPS + 1) * 16,
  B_FLOATS = (STEPS + 1) * 32,
  DIRECT_FLOATS = 64 << 10,  /* rows of B spread over more than this miss the page tables' cache: pack them */
  OUTSIDE_FLOATS = 64 << 10, /* C larger than this is not in the second-level cache beside A */
  WORK_PER_THREAD = 20000,   /* multiply-adds below which another thread costs more than it gives */
  PACKING_COST = 4           /* of one element, in multiply-adds */
};

const nn__gemm_isa *nn__gemm_of(nn__isa isa) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (isa == NN__AVX512) return &nn__gemm_avx512;
  if (isa == NN__AVX2) return &nn__gemm_avx2;
#endif
  (void)isa;
  return &nn__gemm_portable;
}

/* True where rows this many floats apart fall into the same few sets of a cache: the low 12 bits of their addresses are
 * nearly the same. */
static bool collide(size_t ld) {
  const size_t offset = ld * sizeof(float) % 4096;
  return ld >= 1000 && (offset < 128 || offset > 4096 - 128);
}

/* ---- one thread's block -------------------------------------------------------------------------- */

/* C[i0 … i1, j0 … j1] of the product. */
typedef struct {
  const nn__gemm_isa *isa;
  bool ta, tb, pack_a, pack_b;
  bool fetch_c; /* into the cache, ahead of its use */
  size_t i0, i1, j0, j1, k;
  const float *a, *b;
  float *c;
  size_t lda, ldb, ldc;
} block;

/* Floats from one packed panel to the next: a little more than it has, or the panels would share the same cache sets.
 */
static size_t panel_stride(size_t width, size_t steps) {
  return width * (steps + 1);
}

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}
static size_t at_most(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Parts of about equal size: `count` things in steps of at most `most`. */
static size_t even_step(size_t count, size_t most) {
  return divide_up(count, divide_up(count, most));
}

/* One panel of B: columns [j, j + width), steps [p, p + steps). */
static void pack_b(const block *w, size_t j, size_t width, size_t p, size_t steps, float *out) {
  if (w->tb)
    w->isa->transpose(width, steps, w->b + j * w->ldb + p, w->ldb, out, w->isa->columns);
  else
    w->isa->copy(width, steps, w->b + p * w->ldb + j, w->ldb, out, width, w->isa->columns, 0);
}

/* Part `part` of `parts` of what pack_b() will read, into the cache, while there is other work. */
static void fetch_b(const block *w, size_t j, size_t width, size_t p, size_t steps, size_t part, size_t parts) {
  const float *from = w->tb ? w->b + j * w->ldb + p : w->b + p * w->ldb + j;
  const size_t rows = w->tb ? width : steps, floats = w->tb ? steps : width;
  for (size_t r = rows * part / parts; r < rows * (part + 1) / parts; r++) {
    const float *row = from + r * w->ldb;
    for (size_t f = 0; f < floats; f += 16) __builtin_prefetch(row + f, 0, 2);
    __builtin_prefetch(row + floats - 1, 0, 2); /* where rows do not begin with a cache line */
  }
}

/* Panels of A, one after the other, [steps, a_stride] each, of `high` rows but for the last. */
static void pack_a(const block *w, size_t i, size_t rows, size_t high, size_t p, size_t steps, float *out) {
  const size_t stride = w->isa->a_stride;
  if (w->ta) {
    w->isa->copy(rows, steps, w->a + p * w->lda + i, w->lda, out, high, stride, panel_stride(stride, steps));
    return;
  }
  for (size_t at = 0; at < rows; at += high, out += panel_stride(stride, steps))
    w->isa->transpose(at_most(rows - at, high), steps, w->a + (i + at) * w->lda + p, w->lda, out, stride);
}

/* Rows [i, i + rows) in tiles of `high`, all columns, steps [p, p + steps). */
static void multiply(const block *w, size_t i, size_t rows, size_t high, size_t p, size_t steps, const float *packed_a,
                     float *packed_b) {
  const nn__gemm_isa *isa = w->isa;
  const size_t wide = isa->columns, tiles = divide_up(rows, high);
  nn__tile tile = {.k = steps, .add = p > 0, .ldc = w->ldc, .a_by_rows = !w->ta && !w->pack_a};
  tile.lda = w->pack_a ? isa->a_stride : w->lda;
  tile.ldb = w->pack_b ? wide : w->ldb;
  for (size_t j = w->j0; j < w->j1; j += wide) {
    const size_t width = at_most(w->j1 - j, wide), next = j + wide;
    if (w->pack_b) pack_b(w, j, width, p, steps, packed_b);
    tile.b = w->pack_b ? packed_b : w->b + p * w->ldb + j;
    const float *panel = packed_a;
    for (size_t t = 0; t < tiles; t++, panel += panel_stride(isa->a_stride, steps)) {
      const size_t row = i + t * high;
      tile.a = w->pack_a ? panel : w->ta ? w->a + p * w->lda + row : w->a + row * w->lda + p;
      tile.c = w->c + row * w->ldc + j;
      if (w->fetch_c)
        tile.next_c = t + 1 < tiles ? tile.c + high * w->ldc : next < w->j1 ? w->c + i * w->ldc + next : NULL;
      if (w->pack_b && next < w->j1) fetch_b(w, next, at_most(w->j1 - next, wide), p, steps, t, tiles);
      isa->tile(at_most(i + rows - row, high), width, &tile);
    }
  }
}

static void compute(const block *w) {
  /* On the stack: a step allocates nothing. */
  float packed_a[A_FLOATS] __attribute__((aligned(64)));
  float packed_b[B_FLOATS] __attribute__((aligned(64)));
  const size_t steps = even_step(w->k, STEPS), rows = even_step(w->i1 - w->i0, A_PANELS * w->isa->rows);
  for (size_t i = w->i0; i < w->i1; i += rows) {
    const size_t rows_now = at_most(w->i1 - i, rows), high = even_step(rows_now, w->isa->rows);
    for (size_t p = 0; p < w->k; p += steps) {
      const size_t steps_now = at_most(w->k - p, steps);
      if (w->pack_a) pack_a(w, i, rows_now, high, p, steps_now, packed_a);
      multiply(w, i, rows_now, high, p, steps_now, packed_a, packed_b);
    }
  }
}

/* ---- dividing the work ------------------------------------------------------------------------------ */

/* C is cut into down × across parts, one for each thread (some threads may have none), so that the largest part, with
 * what it packs, costs least. */
static void choose_parts(const block *w, size_t m, size_t n, size_t threads, size_t *down, size_t *across) {
  size_t best = SIZE_MAX;
  *down = *across = 1;
  for (size_t d = 1; d <= threads && d <= m; d++) {
    const size_t a = at_most(threads / d, divide_up(n, w->isa->columns));
    const size_t rows = divide_up(m, d), columns = divide_up(divide_up(n, w->isa->columns), a) * w->isa->columns;
    const size_t cost = at_most(columns, n) * (rows + (w->tb ? PACKING_COST : 1)) + rows;
    if (cost < best) best = cost, *down = d, *across = a;
  }
}

void nn__gemm_with(const nn__gemm_isa *isa, const nn_team *team, nn_transpose ta, nn_transpose tb, size_t m, size_t n,
                   size_t k, const float *a, const float *b, float *c) {
  block w = {.isa = isa, .ta = ta == NN_T, .tb = tb == NN_T, .k = k, .a = a, .b = b, .c = c, .ldc = n};
  w.lda = w.ta ? m : k;
  w.ldb = w.tb ? k : n;
  const size_t work = m * n * k / WORK_PER_THREAD;
  size_t down, across;
  choose_parts(&w, m, n, at_most((size_t)team->size, work > 1 ? work : 1), &down, &across);
  const size_t id = (size_t)team->id;
  if (id < down * across) {
    const nn_team rows = {.id = (int)(id / across), .size = (int)down};
    const nn_team columns = {.id = (int)(id % across), .size = (int)across};
    nn_team_share(&rows, m, 1, &w.i0, &w.i1);
    nn_team_share(&columns, n, isa->columns, &w.j0, &w.j1);
    const size_t steps = even_step(k, STEPS);
    w.pack_b = w.tb || (w.i1 - w.i0 > 2 * isa->rows && (steps * w.ldb > DIRECT_FLOATS || collide(w.ldb)));
    w.fetch_c = steps >= 128 && (w.i1 - w.i0) * (w.j1 - w.j0) > OUTSIDE_FLOATS;
    w.pack_a = w.j1 - w.j0 > 2 * isa->columns && collide(w.lda);
    if (w.i1 > w.i0 && w.j1 > w.j0) compute(&w);
  }
  nn_team_barrier(team);
}

/* Packing B pays where C has many rows; so does a block of many rows where B is to be packed. */
static bool many_floats(size_t steps, size_t ldb) {
  return even_step(steps, STEPS) * ldb > DIRECT_FLOATS || collide(ldb);
}

/* The multiple of `grain` that fills tiles best: the fewest rows of those, so that C stays in a cache; or the most
 * where B does not, and is read once for all of them. */
size_t nn_gemm_block_rows(size_t n, size_t k, size_t grain, size_t most) {
  if (k <= 1) return grain;
  const bool large = k * n > DIRECT_FLOATS;
  const size_t limit = at_most(most, (large ? A_PANELS : 4) * FULL_ROWS);
  size_t best = grain;
  for (size_t rows = 2 * grain; rows <= limit; rows += grain) {
    const size_t here = rows * divide_up(best, FULL_ROWS),
                 before = best * divide_up(rows, FULL_ROWS); /* tiles' heights */
    if (large ? here >= before : here > before) best = rows;
  }
  return best;
}

void nn_gemm_block(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, float *c) {
  const nn__gemm_isa *isa = nn__gemm_of(nn__isa_best());
  if (k <= 1) {
    nn__outer(m, n, k == 0 ? NULL : a, b, c);
    return;
  }
  block w = {.isa = isa, .ta = true, .k = k, .i1 = m, .j1 = n, .a = a, .b = b, .c = c, .lda = lda, .ldb = n, .ldc = n};
  w.pack_a = n > 2 * isa->columns;
  w.pack_b = m > 2 * isa->rows && many_floats(k, n);
  w.fetch_c = k >= 128 && m * n > OUTSIDE_FLOATS;
  compute(&w);
}

void nn_gemm(const nn_team *team, nn_transpose ta, nn_transpose tb, size_t m, size_t n, size_t k, const float *a,
             const float *b, float *c) {
  if (m == 1 && tb == NN_T)
    nn__row_times_transposed(team, n, k, a, b, c);
  else
    nn__gemm_with(nn__gemm_of(nn__isa_best()), team, ta, tb, m, n, k, a, b, c);
}
