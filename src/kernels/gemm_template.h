/** @file gemm_template.h
 *  The micro-kernels, written once for any vector type. To be included by gemm_<isa>.c after defining
 *
 *  NN__TARGET             attributes of every function
 *  V, LANES               vector of LANES floats, LANES a multiple of 4
 *  V_ZERO, V_SET1(x), V_LOAD(p), V_STORE(p, v), V_FMA(a, b, c)
 *  M, M_FIRST(count), V_LOAD_M(p, m), V_STORE_M(p, m, v)    the first 1 … LANES elements; the others load as 0
 *  V_QUADS(row, i, p)     groups of four: row[i][p …], row[i + 4][p …], …
 *  V_TRANSPOSE4(v)        V v[4]: 4 × 4 transposed within each group
 *  ROWS                   rows of the largest tile; its columns are 2 LANES
 *  A_STRIDE               ROWS rounded up to whole vectors
 *
 *  The loops over rows and vectors are unrolled at once ("GCC unroll"), or the compiler would leave the sums in memory.
 */

enum {
  PREFETCH = 4, /* cache lines ahead when transposing */
  EARLY = 8,    /* steps ahead when packing */
  COPIED = 4    /* steps copied at a time */
};

#define NN__INSIDE static inline __attribute__((always_inline)) NN__TARGET
#define NN__EACH_ROW _Pragma("GCC unroll 16") for (int i = 0; i < rows; i++)
#define NN__EACH_VECTOR _Pragma("GCC unroll 2") for (int v = 0; v < vectors; v++)

/* The next few lines. */
NN__INSIDE void fetch(nn__ahead *what) {
  const size_t count = what->left < what->at_once ? what->left : what->at_once;
  what->left -= count;
  for (size_t i = 0; i < count; i++) {
    __builtin_prefetch(what->row + what->line * 16, 0, 2);
    if (++what->line == what->lines) what->line = 0, what->row += what->ld;
  }
}

/* The first `count` floats of `from`, in whole vectors. */
NN__INSIDE void pack(const size_t count, const float *from, float *to) {
  _Pragma("GCC unroll 2") for (size_t at = 0; at < count; at += LANES)
      V_STORE(to + at, count - at < LANES ? V_LOAD_M(from + at, M_FIRST(count - at)) : V_LOAD(from + at));
}

/* `masked`: the last vector is partial, or may be. All but `t` and `m` are constants where this is inlined. */
NN__INSIDE void micro_kernel(const int rows, const int vectors, const bool masked, const bool by_rows,
                             const bool fetches, const bool packs, const nn__tile *t, M m) {
  V sum[ROWS][2];
  const size_t lda = t->lda, ldb = t->ldb, ldc = t->ldc;
  float *c = t->c;
  NN__EACH_ROW NN__EACH_VECTOR sum[i][v] = V_ZERO;
  if (t->add) {
    NN__EACH_ROW NN__EACH_VECTOR {
      const float *from = c + (size_t)i * ldc + v * LANES;
      sum[i][v] = masked && v == vectors - 1 ? V_LOAD_M(from, m) : V_LOAD(from);
    }
  }
  /* Five pointers, each for three rows, so that addresses fit the registers. */
  const float *a = t->a, *b = t->b;
  float *a_copy = packs ? t->a_copy : NULL, *b_copy = packs ? t->b_copy : NULL;
  const float *a3 = a + 3 * lda, *a6 = a3 + 3 * lda, *a9 = a6 + 3 * lda, *a12 = a9 + 3 * lda;
  for (size_t part = 1, p = 0, end = t->k; p < t->k; part++) {
    if (fetches) {
      if (t->c_ahead != NULL) fetch(t->c_ahead);
      if (t->b_ahead != NULL) fetch(t->b_ahead);
      end = t->k * part / NN__AHEAD_PARTS;
    }
    for (; p < end; p++) {
      V y[2];
      NN__EACH_VECTOR y[v] = masked && v == vectors - 1 ? V_LOAD_M(b + v * LANES, m) : V_LOAD(b + v * LANES);
      NN__EACH_ROW {
        const float *of_row = i < 3 ? a : i < 6 ? a3 : i < 9 ? a6 : i < 12 ? a9 : a12;
        const V x = V_SET1(by_rows ? of_row[(size_t)(i % 3) * lda] : a[i]);
        NN__EACH_VECTOR sum[i][v] = V_FMA(x, y[v], sum[i][v]);
      }
      if (packs && b_copy != NULL) {
        NN__EACH_VECTOR {
          __builtin_prefetch(b + EARLY * ldb + v * LANES);
          V_STORE(b_copy + v * LANES, y[v]);
        }
        b_copy += 2 * LANES;
      }
      if (packs && a_copy != NULL) {
        __builtin_prefetch(a + EARLY * lda);
        pack((size_t)rows, a, a_copy);
        a_copy += A_STRIDE;
      }
      if (by_rows)
        a++, a3++, a6++, a9++, a12++;
      else
        a += lda;
      b += ldb;
    }
  }
  NN__EACH_ROW NN__EACH_VECTOR {
    float *to = c + (size_t)i * ldc + v * LANES;
    if (masked && v == vectors - 1)
      V_STORE_M(to, m, sum[i][v]);
    else
      V_STORE(to, sum[i][v]);
  }
}

#define NN__BY_ROWS_OR_NOT(rows, vectors, masked, fetches, packs)                                                      \
  {                                                                                                                    \
    if (t->a_by_rows)                                                                                                  \
      micro_kernel(rows, vectors, masked, true, fetches, packs, t, m);                                                 \
    else                                                                                                               \
      micro_kernel(rows, vectors, masked, false, fetches, packs, t, m);                                                \
  }
#define NN__KERNEL(name, rows, vectors, masked, fetches)                                                               \
  NN__TARGET static void name(const nn__tile *t, size_t last) {                                                        \
    const M m = M_FIRST(last);                                                                                         \
    if (t->a_copy != NULL || t->b_copy != NULL)                                                                        \
      NN__BY_ROWS_OR_NOT(rows, vectors, masked, fetches, true)                                                         \
    else                                                                                                               \
      NN__BY_ROWS_OR_NOT(rows, vectors, masked, fetches, false)                                                        \
  }
#define NN__KERNELS(rows)                                                                                              \
  NN__KERNEL(narrow_##rows, rows, 1, true, false)                                                                      \
  NN__KERNEL(full_##rows, rows, 2, false, false)                                                                       \
  NN__KERNEL(partial_##rows, rows, 2, true, false)
#define NN__ENTRY(rows)                                                                                                \
  { narrow_##rows, full_##rows, partial_##rows }

NN__KERNELS(1)
NN__KERNELS(2)
NN__KERNELS(3)
NN__KERNELS(4)
NN__KERNELS(5)
NN__KERNELS(6)
#if ROWS > 6
NN__KERNELS(7)
NN__KERNELS(8)
#endif
#if ROWS > 8
NN__KERNELS(9)
NN__KERNELS(10)
NN__KERNELS(11)
NN__KERNELS(12)
NN__KERNELS(13)
NN__KERNELS(14)
#endif
/* of these heights are nearly all tiles of large products */
NN__KERNEL(fetching_highest, ROWS, 2, false, true)
NN__KERNEL(fetching_lower, ROWS - 1, 2, false, true)

static void (*const kernels[ROWS][3])(const nn__tile *t, size_t last) = {
    NN__ENTRY(1), NN__ENTRY(2),  NN__ENTRY(3),  NN__ENTRY(4),  NN__ENTRY(5),  NN__ENTRY(6),
#if ROWS > 6
    NN__ENTRY(7), NN__ENTRY(8),
#endif
#if ROWS > 8
    NN__ENTRY(9), NN__ENTRY(10), NN__ENTRY(11), NN__ENTRY(12), NN__ENTRY(13), NN__ENTRY(14),
#endif
};

static void tile_of_any_size(size_t rows, size_t columns, const nn__tile *t) {
  const bool fetches = t->c_ahead != NULL || t->b_ahead != NULL;
  if (columns == 2 * LANES && fetches && rows >= ROWS - 1)
    (rows == ROWS ? fetching_highest : fetching_lower)(t, LANES);
  else if (columns == 2 * LANES)
    kernels[rows - 1][1](t, LANES);
  else if (columns > LANES)
    kernels[rows - 1][2](t, columns - LANES);
  else
    kernels[rows - 1][0](t, columns);
}

NN__TARGET static void transpose_rows(size_t rows, size_t k, const float *x, size_t ldx, float *out, size_t ldo) {
  for (size_t first = 0; first < rows; first += LANES) {
    const float *row[LANES]; /* rows beyond the last repeat it */
    for (size_t i = 0; i < LANES; i++) row[i] = x + (first + i < rows ? first + i : rows - 1) * ldx;
    size_t p = 0;
    for (; p + 4 <= k; p += 4) {
      if (p % 16 == 0) /* a new cache line of every row */
        for (size_t i = 0; i < LANES; i++) __builtin_prefetch(row[i] + p + 16 * PREFETCH);
      V v[4] = {V_QUADS(row, 0, p), V_QUADS(row, 1, p), V_QUADS(row, 2, p), V_QUADS(row, 3, p)};
      V_TRANSPOSE4(v);
      float *to = out + p * ldo + first;
      V_STORE(to, v[0]);
      V_STORE(to + ldo, v[1]);
      V_STORE(to + 2 * ldo, v[2]);
      V_STORE(to + 3 * ldo, v[3]);
    }
    for (; p < k; p++)
      for (size_t i = 0; i < LANES; i++) out[p * ldo + first + i] = row[i][p];
  }
}

NN__TARGET static void copy_panels(const nn__cuts *panels, size_t k, const float *x, size_t ldx, float *out,
                                   size_t stride) {
  /* A few steps over all panels at a time, the next few being fetched meanwhile: memory is read in order, and written
   * in runs of some lines. */
  for (size_t p = 0; p < k; p += COPIED) {
    const size_t end = k - p < COPIED ? k : p + COPIED, ahead = k - end < COPIED ? k : end + COPIED;
    for (size_t q = 0, j = 0, width; q < panels->parts; q++, j += width) {
      width = nn__cut_size(panels, q);
      for (size_t at = end; at < ahead; at++) __builtin_prefetch(x + at * ldx + j);
      for (size_t at = p; at < end; at++) pack(width, x + at * ldx + j, out + q * stride + at * A_STRIDE);
    }
  }
}
