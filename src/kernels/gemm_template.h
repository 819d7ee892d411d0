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
 *
 *  The loops over rows and vectors are unrolled at once ("GCC unroll"), or the compiler would leave the sums in memory.
 */

enum {
  PREFETCH = 4, /* cache lines ahead when transposing */
  COPIED = 4    /* steps copied at a time */
};

#define NN__INSIDE static inline __attribute__((always_inline)) NN__TARGET
#define NN__EACH_ROW _Pragma("GCC unroll 16") for (int i = 0; i < rows; i++)
#define NN__EACH_VECTOR _Pragma("GCC unroll 2") for (int v = 0; v < vectors; v++)

/* `masked`: the last vector is partial, or may be. All but `t` and `m` are constants where this is inlined. */
NN__INSIDE void micro_kernel(const int rows, const int vectors, const bool masked, const bool by_rows, const bool add,
                             const nn__tile *t, M m) {
  V sum[ROWS][2];
  const size_t lda = t->lda, ldb = t->ldb, ldc = t->ldc;
  float *c = t->c;
  NN__EACH_ROW NN__EACH_VECTOR {
    const float *from = c + (size_t)i * ldc + v * LANES;
    sum[i][v] = !add ? V_ZERO : masked && v == vectors - 1 ? V_LOAD_M(from, m) : V_LOAD(from);
  }
  if (t->next_c != NULL) /* into the second level: the first is full of A and B */
    NN__EACH_ROW {
      const float *next = t->next_c + (size_t)i * ldc;
      NN__EACH_VECTOR __builtin_prefetch(next + v * LANES, 0, 2);
      __builtin_prefetch(next + vectors * LANES - 1, 0, 2); /* where rows do not begin with a cache line */
    }
  /* Five pointers, each for three rows, so that addresses fit the registers. */
  const float *a = t->a, *b = t->b;
  const float *a3 = a + 3 * lda, *a6 = a3 + 3 * lda, *a9 = a6 + 3 * lda, *a12 = a9 + 3 * lda;
  for (size_t p = 0; p < t->k; p++) {
    V y[2];
    NN__EACH_VECTOR y[v] = masked && v == vectors - 1 ? V_LOAD_M(b + v * LANES, m) : V_LOAD(b + v * LANES);
    NN__EACH_ROW {
      const float *of_row = i < 3 ? a : i < 6 ? a3 : i < 9 ? a6 : i < 12 ? a9 : a12;
      const V x = V_SET1(by_rows ? of_row[(size_t)(i % 3) * lda] : a[i]);
      NN__EACH_VECTOR sum[i][v] = V_FMA(x, y[v], sum[i][v]);
    }
    if (by_rows)
      a++, a3++, a6++, a9++, a12++;
    else
      a += lda;
    b += ldb;
  }
  NN__EACH_ROW NN__EACH_VECTOR {
    float *to = c + (size_t)i * ldc + v * LANES;
    if (masked && v == vectors - 1)
      V_STORE_M(to, m, sum[i][v]);
    else
      V_STORE(to, sum[i][v]);
  }
}

#define NN__KERNEL(rows, vectors, masked)                                                                              \
  NN__TARGET static void kernel_##rows##_##vectors##_##masked(const nn__tile *t, size_t last) {                        \
    const M m = M_FIRST(last);                                                                                         \
    if (t->a_by_rows) {                                                                                                \
      if (t->add)                                                                                                      \
        micro_kernel(rows, vectors, masked, true, true, t, m);                                                         \
      else                                                                                                             \
        micro_kernel(rows, vectors, masked, true, false, t, m);                                                        \
    } else {                                                                                                           \
      if (t->add)                                                                                                      \
        micro_kernel(rows, vectors, masked, false, true, t, m);                                                        \
      else                                                                                                             \
        micro_kernel(rows, vectors, masked, false, false, t, m);                                                       \
    }                                                                                                                  \
  }
#define NN__KERNELS(rows) NN__KERNEL(rows, 1, 1) NN__KERNEL(rows, 2, 0) NN__KERNEL(rows, 2, 1)
#define NN__ENTRY(rows)                                                                                                \
  { kernel_##rows##_1_1, kernel_##rows##_2_0, kernel_##rows##_2_1 }

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
  if (columns == 2 * LANES)
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

/* `count` steps of one panel. */
NN__INSIDE void copy_steps(size_t width, size_t count, const float *x, size_t ldx, float *out, size_t ldo) {
  if (width == 2 * LANES) {
    for (size_t p = 0; p < count; p++, x += ldx, out += ldo) {
      V_STORE(out, V_LOAD(x));
      V_STORE(out + LANES, V_LOAD(x + LANES));
    }
  } else if (width > LANES) {
    const M m = M_FIRST(width - LANES);
    for (size_t p = 0; p < count; p++, x += ldx, out += ldo) {
      V_STORE(out, V_LOAD(x));
      V_STORE(out + LANES, V_LOAD_M(x + LANES, m));
    }
  } else {
    const M m = M_FIRST(width);
    for (size_t p = 0; p < count; p++, x += ldx, out += ldo) V_STORE(out, V_LOAD_M(x, m));
  }
}

NN__TARGET static void copy_panels(size_t columns, size_t k, const float *x, size_t ldx, float *out, size_t width,
                                   size_t ldo, size_t stride) {
  /* A few steps over all panels at a time, the next few being fetched meanwhile: memory is read in order, and written
   * in runs of some lines. */
  for (size_t p = 0; p < k; p += COPIED) {
    const size_t count = k - p < COPIED ? k - p : COPIED;
    const float *from = x + p * ldx;
    for (size_t j = 0, to = p * ldo; j < columns; j += width, to += stride) {
      for (size_t ahead = p + COPIED; ahead < p + 2 * COPIED && ahead < k; ahead++) {
        __builtin_prefetch(x + ahead * ldx + j);
        if (width > 16) __builtin_prefetch(x + ahead * ldx + j + 16);
      }
      copy_steps(columns - j < width ? columns - j : width, count, from + j, ldx, out + to, ldo);
    }
  }
}
