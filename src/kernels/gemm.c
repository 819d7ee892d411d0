/** @file gemm.c
 *  Matrix products: who computes what, in which blocks, and what is packed. Nothing here changes a bit of the result
 *  (gemm.h); all of it is about speed, so it may look at the number of threads. */
#include "kernels/gemm.h"

#include <string.h>

#include "kernels/matvec.h"
#include "kernels/rows.h"

enum {
  FULL_ROWS = 14,        /* of the largest tile of all instruction sets */
  STEPS = 384,           /* of the summed index in a block */
  STEPS_MOST = 800,      /* where C is outside the cache, and should be read and written seldom; a third-level cache is
                            fast enough for rows of A */
  STEPS_LEAST = 224,     /* where that makes room for all rows */
  FETCH_STEPS = 128,     /* during fewer nothing can be fetched */
  NARROW = 256,          /* rows of A so far apart still find places in a cache while a tile takes a part of each */
  BLOCK_ROWS_MOST = 336, /* of nn_gemm_block(): C stays in a cache until it is used */
  A_FLOATS = 24 * 16 * (STEPS + 1),
  B_FLOATS = 32 * (STEPS_MOST + 1),
  TILE_FLOATS = 32 * 16,
  DIRECT_FLOATS = 64 << 10,  /* rows of B spread over more than this miss the page tables' cache: pack them */
  OUTSIDE_FLOATS = 64 << 10, /* C larger than this is not in the second-level cache beside A */
  PACKING_COST = 4           /* of one element, in multiply-adds */
};

_Static_assert((A_FLOATS + B_FLOATS + 2 * TILE_FLOATS) * sizeof(float) <= NN_TEAM_STACK / 4 * 3,
               "compute() fits the stack that nn_team_check() asks for");

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
  bool ta, tb;
  float *room; /* of the thread, or NULL */
  const nn_after *after;

  size_t steps, rows; /* of a block */
  bool pack_a, pack_b;
  bool a_on_the_way;     /* packed by the tiles of the first panel of B that read it; B, unless transposed, always is by
                            the first tile */
  bool fetch_b, fetch_c; /* into the cache, ahead of its use */
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

/* A matrix to be fetched during `tiles` tiles. */
static nn__ahead ahead(const float *from, size_t rows, size_t columns, size_t ld, size_t tiles) {
  nn__ahead a = {
      .row = from, .ld = ld, .lines = (columns + 30) / 16}; /* one more where rows do not begin with a line */
  a.left = rows * a.lines;
  a.at_once = divide_up(a.left, tiles * NN__AHEAD_PARTS);
  return a;
}

/* What will be packed. */
static nn__ahead ahead_of_b(const block *w, size_t j, size_t width, size_t p, size_t steps, size_t tiles) {
  return w->tb ? ahead(w->b + j * w->ldb + p, width, steps, w->ldb, tiles)
               : ahead(w->b + p * w->ldb + j, steps, width, w->ldb, tiles);
}

/* Panels of A, one after the other, [steps, a_stride] each: a tile's rows to a panel. */
static void pack_a(const block *w, size_t i, const nn__cuts *tiles, size_t p, size_t steps, float *out) {
  const size_t stride = w->isa->a_stride;
  if (w->ta) {
    w->isa->copy(tiles, steps, w->a + p * w->lda + i, w->lda, out, panel_stride(stride, steps));
    return;
  }
  for (size_t t = 0, height; t < tiles->parts; t++, i += height, out += panel_stride(stride, steps)) {
    height = nn__cut_size(tiles, t);
    w->isa->transpose(height, steps, w->a + i * w->lda + p, w->lda, out, stride);
  }
}

/* Rows from i on, a tile of all columns after the other; steps [p, p + steps). */
static void multiply(const block *w, size_t i, const nn__cuts *tiles, size_t p, size_t steps, float *packed_a,
                     float *packed_b) {
  const nn__gemm_isa *isa = w->isa;
  const size_t wide = isa->columns;
  nn__tile tile = {.k = steps, .add = p > 0, .ldc = w->ldc, .a_by_rows = !w->ta && !w->pack_a};
  for (size_t j = w->j0; j < w->j1; j += wide) {
    const size_t width = at_most(w->j1 - j, wide), next = j + wide;
    nn__ahead b, c;
    if (w->pack_b && w->tb) isa->transpose(width, steps, w->b + j * w->ldb + p, w->ldb, packed_b, wide);
    if (w->fetch_b && next < w->j1) b = ahead_of_b(w, next, at_most(w->j1 - next, wide), p, steps, tiles->parts);
    tile.b_ahead = w->fetch_b && next < w->j1 ? &b : NULL;
    float *panel = packed_a;
    for (size_t t = 0, row = i, height; t < tiles->parts; t++, row += height) {
      const bool first_a = w->a_on_the_way && j == w->j0, first_b = !w->tb && t == 0;
      const bool a_packed = w->pack_a && !first_a, b_packed = w->pack_b && !first_b;
      height = nn__cut_size(tiles, t);
      tile.a = a_packed ? panel : w->ta ? w->a + p * w->lda + row : w->a + row * w->lda + p;
      tile.lda = a_packed ? isa->a_stride : w->lda;
      tile.a_copy = w->pack_a && first_a ? panel : NULL;
      tile.b = b_packed ? packed_b : w->b + p * w->ldb + j;
      tile.ldb = b_packed ? wide : w->ldb;
      tile.b_copy = w->pack_b && first_b ? packed_b : NULL;
      tile.c = w->c + row * w->ldc + j;
      if (w->fetch_c) c = ahead(tile.c + height * w->ldc, height, width, w->ldc, 1);
      tile.c_ahead = w->fetch_c && t + 1 < tiles->parts ? &c : NULL;
      isa->tile(height, width, &tile);
      panel += panel_stride(isa->a_stride, steps);
    }
  }
}

/* How it is cut, and what is packed. */
static void plan(block *w) {
  const nn__gemm_isa *isa = w->isa;
  const size_t rows = w->i1 - w->i0, columns = w->j1 - w->j0, panels = divide_up(rows, isa->rows);
  const bool outside = rows * columns > OUTSIDE_FLOATS;
  /* a transposed A is read in parts of a row, which for a second time only a copy finds fast */
  const bool spread = w->ta && at_most(w->k, STEPS) * w->lda > DIRECT_FLOATS;
  w->pack_a = columns > (spread ? 1 : 2) * isa->columns && (w->ta || collide(w->lda));
  w->a_on_the_way = w->ta && w->lda <= NARROW; /* further apart, a copy made in order is faster */
  const size_t floats = w->pack_a && w->room == NULL ? A_FLOATS : NN_TEAM_ROOM;
  w->steps = even_step(w->k, outside && floats == NN_TEAM_ROOM ? STEPS_MOST : STEPS);
  /* fewer steps where all rows then fit, so that B is packed once */
  if (panels * panel_stride(isa->a_stride, STEPS_LEAST) <= floats)
    while (panels * panel_stride(isa->a_stride, w->steps) > floats) w->steps = even_step(w->k, w->steps - 1);
  w->rows = even_step(rows, floats / panel_stride(isa->a_stride, w->steps) * isa->rows);
  /* packing B pays where C has many rows */
  w->pack_b = w->tb || (rows > 2 * isa->rows && (w->steps * w->ldb > DIRECT_FLOATS || collide(w->ldb)));
  w->fetch_b = w->pack_b && w->steps >= FETCH_STEPS;
  w->fetch_c = outside && w->steps >= FETCH_STEPS;
}

/* ---- few rows times the transpose of many ------------------------------------------------------------ */

/* C' = B A' does with a copy of the few rows of A, where C = A B' would need one of all of B. The chains are the same.
 * Turning C back costs about as much for each element as copying three. */
static bool turning_pays(const block *w) {
  const size_t rows = w->i1 - w->i0, columns = w->j1 - w->j0, wide = w->isa->columns, lanes = wide / 2;
  const size_t full = divide_up(rows, lanes) * lanes;
  if (w->ta || !w->tb || collide(w->ldb) || columns < 2 * w->isa->rows) return false;
  return divide_up(rows, wide) * panel_stride(wide, w->k) <= A_FLOATS && /* there is room for all steps */
         5 * rows >= 4 * full &&                                         /* vectors are nearly full */
         full * (w->k + 3 * columns) <= w->k * columns;
}

static void multiply_turned(const block *w, float *packed) {
  const nn__gemm_isa *isa = w->isa;
  const size_t rows = w->i1 - w->i0, columns = w->j1 - w->j0, wide = isa->columns, stride = panel_stride(wide, w->k);
  float turned[TILE_FLOATS] __attribute__((aligned(64))), back[TILE_FLOATS] __attribute__((aligned(64)));
  for (size_t r = 0; r < rows; r += wide)
    isa->transpose(at_most(rows - r, wide), w->k, w->a + (w->i0 + r) * w->lda, w->lda, packed + r / wide * stride,
                   wide);
  const nn__cuts tiles = nn__cut(columns, divide_up(columns, isa->rows));
  nn__tile tile = {.k = w->k, .a_by_rows = true, .lda = w->ldb, .ldb = wide, .c = turned, .ldc = wide};
  for (size_t t = 0, j = w->j0, height; t < tiles.parts; t++, j += height) {
    height = nn__cut_size(&tiles, t);
    tile.a = w->b + j * w->ldb;
    for (size_t r = 0; r < rows; r += wide) {
      const size_t width = at_most(rows - r, wide);
      float *c = w->c + (w->i0 + r) * w->ldc + j;
      tile.b = packed + r / wide * stride;
      isa->tile(height, width, &tile);
      if (t + 1 < tiles.parts) { /* what this writes behind its columns, the next tile writes again */
        isa->transpose(height, width, turned, wide, c, w->ldc);
        continue;
      }
      isa->transpose(height, width, turned, wide, back, isa->a_stride);
      for (size_t i = 0; i < width; i++) memcpy(c + i * w->ldc, back + i * isa->a_stride, height * sizeof *c);
    }
  }
}

/* ---- all of a thread's ------------------------------------------------------------------------------- */

/* Rows [i, i + rows) are made. */
static void finish(const block *w, size_t i, size_t rows) {
  const nn_after *after = w->after;
  const size_t columns = w->j1 - w->j0, at = i * w->ldc + w->j0;
  if (after == NULL) return;
  if (after->bias != NULL) nn__rows_add(rows, w->ldc, columns, after->bias + w->j0, w->c + at);
  if (after->map == NULL) return;
  const bool whole = columns == w->ldc; /* rows without a gap between them: one long one */
  const size_t runs = whole ? 1 : rows, length = whole ? rows * columns : columns;
  for (size_t r = 0; r < runs; r++)
    after->map->forward(length, after->p, w->c + at + r * w->ldc, after->y + at + r * w->ldc);
}

static void compute(block *w) {
  /* On the stack: a step allocates nothing. */
  float on_stack[A_FLOATS] __attribute__((aligned(64)));
  float packed_b[B_FLOATS] __attribute__((aligned(64)));
  float *packed_a = w->room != NULL ? w->room : on_stack;
  if (turning_pays(w)) {
    multiply_turned(w, packed_a);
    finish(w, w->i0, w->i1 - w->i0);
    return;
  }
  plan(w);
  for (size_t i = w->i0; i < w->i1; i += w->rows) {
    const size_t rows = at_most(w->i1 - i, w->rows);
    const nn__cuts tiles = nn__cut(rows, divide_up(rows, w->isa->rows)); /* low ones would cost as much as high ones */
    for (size_t p = 0; p < w->k; p += w->steps) {
      const size_t steps = at_most(w->k - p, w->steps);
      if (w->pack_a && !w->a_on_the_way) pack_a(w, i, &tiles, p, steps, packed_a);
      multiply(w, i, &tiles, p, steps, packed_a, packed_b);
    }
    finish(w, i, rows);
  }
}

/* ---- dividing the work ------------------------------------------------------------------------------ */

/* C is cut into down × across parts, one for each thread (some threads may have none), so that the largest part, with
 * what it packs, costs least; if that leaves a choice, by rows: those that a thread makes of its samples stay its own.
 */
static void choose_parts(const block *w, size_t m, size_t n, size_t threads, size_t *down, size_t *across) {
  size_t best = SIZE_MAX;
  *down = *across = 1;
  for (size_t d = 1; d <= threads && d <= m; d++) {
    const size_t a = at_most(threads / d, divide_up(n, w->isa->columns));
    const size_t rows = divide_up(m, d), columns = divide_up(divide_up(n, w->isa->columns), a) * w->isa->columns;
    const size_t cost = at_most(columns, n) * (rows + (w->tb ? PACKING_COST : 1)) + rows;
    if (cost < best || (cost == best && a < *across)) best = cost, *down = d, *across = a;
  }
}

void nn__gemm_with(const nn__gemm_isa *isa, const nn_team *team, nn_transpose ta, nn_transpose tb, size_t m, size_t n,
                   size_t k, const float *a, const float *b, float *c, const nn_after *after) {
  block w = {.isa = isa,
             .ta = ta == NN_T,
             .tb = tb == NN_T,
             .k = k,
             .a = a,
             .b = b,
             .c = c,
             .ldc = n,
             .room = team->room,
             .after = after};
  w.lda = w.ta ? m : k;
  w.ldb = w.tb ? k : n;
  const size_t work = m * n * k / NN__WORK_PER_THREAD;
  size_t down, across;
  choose_parts(&w, m, n, at_most((size_t)team->size, work > 1 ? work : 1), &down, &across);
  const size_t id = (size_t)team->id;
  if (id < down * across) {
    const nn_team rows = {.id = (int)(id / across), .size = (int)down};
    const nn_team columns = {.id = (int)(id % across), .size = (int)across};
    nn_team_share(&rows, m, 1, &w.i0, &w.i1);
    nn_team_share(&columns, n, isa->columns, &w.j0, &w.j1);
    if (w.i1 > w.i0 && w.j1 > w.j0) compute(&w);
  }
  nn_team_barrier(team);
}

/* Few rows, so that C stays in a cache; many where B does not, and is read once for all of them. The last two parts are
 * about equal, or one would have low tiles. */
size_t nn_gemm_block_rows(size_t n, size_t k, size_t grain, size_t left) {
  if (k <= 1) return at_most(grain, left);
  const size_t most = k * n > DIRECT_FLOATS ? BLOCK_ROWS_MOST : (n > 512 ? 2 : 4) * FULL_ROWS;
  const size_t rows = left < 2 * most ? even_step(left, most) : most;
  return at_most(divide_up(rows, grain) * grain, left);
}

void nn_gemm_block(const nn_team *team, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                   float *c) {
  const nn__gemm_isa *isa = nn__gemm_of(nn__isa_best());
  if (k <= 1) {
    nn__outer(m, n, k == 0 ? NULL : a, b, c);
    return;
  }
  block w = {.isa = isa,
             .ta = true,
             .k = k,
             .i1 = m,
             .j1 = n,
             .a = a,
             .b = b,
             .c = c,
             .lda = lda,
             .ldb = n,
             .ldc = n,
             .room = team->room};
  compute(&w);
}

void nn_gemm(const nn_team *team, nn_transpose ta, nn_transpose tb, size_t m, size_t n, size_t k, const float *a,
             const float *b, float *c) {
  if (m == 1 && tb == NN_T)
    nn__row_times_transposed(team, n, k, a, b, c);
  else if (m == 1)
    nn__row_times(team, n, k, a, b, c);
  else
    nn__gemm_with(nn__gemm_of(nn__isa_best()), team, ta, tb, m, n, k, a, b, c, NULL);
}

void nn_gemm_after(const nn_team *team, nn_transpose ta, nn_transpose tb, size_t m, size_t n, size_t k, const float *a,
                   const float *b, float *c, const nn_after *after) {
  NN_ASSERT(m >= 2);
  nn__gemm_with(nn__gemm_of(nn__isa_best()), team, ta, tb, m, n, k, a, b, c, after);
}
