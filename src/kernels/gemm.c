/** @file gemm.c
 *  Matrix products: a grid of tiles that depends on the sizes alone, a single-threaded dnnl_sgemm for each. */
#include <dnnl.h>

#include "nnmpi/kernels.h"

enum { NN__TILE_ROWS = 256, NN__TILE_COLUMNS = 512 };

void nn_gemm(const nn_team *team, nn_transpose ta, nn_transpose tb, size_t m, size_t n, size_t k, const float *a,
             const float *b, float *c) {
  const size_t rows = (m + NN__TILE_ROWS - 1) / NN__TILE_ROWS, columns = (n + NN__TILE_COLUMNS - 1) / NN__TILE_COLUMNS;
  const size_t lda = ta == NN_N ? k : m, ldb = tb == NN_N ? n : k;
  size_t first, last;
  nn_team_share(team, rows * columns, 1, &first, &last);
  for (size_t tile = first; tile < last; tile++) {
    const size_t i = tile / columns * NN__TILE_ROWS, j = tile % columns * NN__TILE_COLUMNS;
    const size_t height = m - i < NN__TILE_ROWS ? m - i : NN__TILE_ROWS;
    const size_t width = n - j < NN__TILE_COLUMNS ? n - j : NN__TILE_COLUMNS;
    const dnnl_status_t status =
        dnnl_sgemm(ta == NN_N ? 'N' : 'T', tb == NN_N ? 'N' : 'T', (dnnl_dim_t)height, (dnnl_dim_t)width, (dnnl_dim_t)k,
                   1.0f, ta == NN_N ? a + i * lda : a + i, (dnnl_dim_t)lda, tb == NN_N ? b + j : b + j * ldb,
                   (dnnl_dim_t)ldb, 0.0f, c + i * n + j, (dnnl_dim_t)n);
    NN_ASSERT(status == dnnl_success);
  }
  nn_team_barrier(team);
}
