/** @file rows.h
 *  What others ask of rows.c. */
#ifndef NNMPI_KERNELS_ROWS_H
#define NNMPI_KERNELS_ROWS_H

#include <stddef.h>

/** y[r, j] += b[j] for r < rows, j < columns; rows are `width` apart. By the calling thread. */
void nn__rows_add(size_t rows, size_t width, size_t columns, const float *b, float *y);

#endif
