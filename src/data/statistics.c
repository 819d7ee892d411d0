/* Mean and deviation of columns, the same bits whoever computes them. */
#include "dataset.h"

#include <math.h>
#include <string.h>

/* Rows of a type added to sums (relative to `first`), and their squared distances from a block's mean. */
#define NN__ROW_FUNCTIONS(NAME, TYPE)                                                                                  \
  static void add_##NAME(size_t width, const void *row, const double *first, double *sum) {                            \
    const TYPE *x = row;                                                                                               \
    for (size_t j = 0; j < width; j++) sum[j] += (double)x[j] - first[j];                                              \
  }                                                                                                                    \
  static void square_##NAME(size_t width, const void *row, const double *first, const double *mean, double *sum) {     \
    const TYPE *x = row;                                                                                               \
    for (size_t j = 0; j < width; j++) {                                                                               \
      const double distance = (double)x[j] - first[j] - mean[j];                                                       \
      sum[j] += distance * distance;                                                                                   \
    }                                                                                                                  \
  }

NN__ROW_FUNCTIONS(i8, int8_t)
NN__ROW_FUNCTIONS(u16, uint16_t)
NN__ROW_FUNCTIONS(i16, int16_t)
NN__ROW_FUNCTIONS(u32, uint32_t)
NN__ROW_FUNCTIONS(i32, int32_t)
NN__ROW_FUNCTIONS(u64, uint64_t)
NN__ROW_FUNCTIONS(i64, int64_t)
NN__ROW_FUNCTIONS(f32, float)
NN__ROW_FUNCTIONS(f64, double)

static const struct {
  void (*add)(size_t width, const void *row, const double *first, double *sum);
  void (*square)(size_t width, const void *row, const double *first, const double *mean, double *sum);
} row_functions[] = {
    [NN_ELEMENT_I8] = {add_i8, square_i8},    [NN_ELEMENT_U16] = {add_u16, square_u16},
    [NN_ELEMENT_I16] = {add_i16, square_i16}, [NN_ELEMENT_U32] = {add_u32, square_u32},
    [NN_ELEMENT_I32] = {add_i32, square_i32}, [NN_ELEMENT_U64] = {add_u64, square_u64},
    [NN_ELEMENT_I64] = {add_i64, square_i64}, [NN_ELEMENT_F32] = {add_f32, square_f32},
    [NN_ELEMENT_F64] = {add_f64, square_f64},
};

static size_t row_of(const uint32_t *rows, size_t i) {
  return rows == NULL ? i : rows[i];
}

/* uint8, what images are made of: whole numbers, so that sums are exact in any order. */
static nn_status bytes_statistics(size_t width, const uint8_t *x, const uint32_t *rows, size_t count, double *mean,
                                  double *deviation) {
  void *memory = NULL;
  NN_TRY(nn_alloc(width, 2 * sizeof(uint64_t) + 2 * sizeof(uint32_t), "the statistics of the data set", &memory));
  uint64_t *sums = memory, *squares = sums + width;
  uint32_t *block_sums = (uint32_t *)(squares + width), *block_squares = block_sums + width;
  for (size_t first = 0; first < count; first += NN__BLOCK_ROWS) {
    const size_t last = count - first < NN__BLOCK_ROWS ? count : first + NN__BLOCK_ROWS;
    memset(block_sums, 0, 2 * width * sizeof *block_sums);
    for (size_t i = first; i < last; i++) {
      const uint8_t *row = x + row_of(rows, i) * width;
      for (size_t j = 0; j < width; j++) {
        const uint32_t value = row[j];
        block_sums[j] += value;
        block_squares[j] += value * value;
      }
    }
    for (size_t j = 0; j < width; j++) {
      sums[j] += block_sums[j];
      squares[j] += block_squares[j];
    }
  }
  for (size_t j = 0; j < width; j++) {
    mean[j] = (double)sums[j] / (double)count;
    const double variance = ((double)squares[j] - mean[j] * (double)sums[j]) / (double)count;
    deviation[j] = variance > 0 ? sqrt(variance) : 0; /* exactly 0 for a constant column */
  }
  nn_free(memory);
  return NN_OK;
}

nn_status nn__column_statistics(nn_element type, size_t width, const void *x, const uint32_t *rows, size_t count,
                                double *mean, double *deviation) {
  NN_ASSERT(count > 0);
  if (type == NN_ELEMENT_U8) return bytes_statistics(width, x, rows, count, mean, deviation);
  void *memory = NULL;
  NN_TRY(nn_alloc(width, 3 * sizeof(double), "the statistics of the data set", &memory));
  double *start = memory, *block_mean = start + width, *block_squares = block_mean + width, *squares = deviation;
  const unsigned char *base = x;
  const size_t stride = width * nn_element_size(type);
  nn__elements_to_real(type, width, base + row_of(rows, 0) * stride, start);
  memset(mean, 0, width * sizeof *mean);
  memset(squares, 0, width * sizeof *squares);
  for (size_t first = 0; first < count; first += NN__BLOCK_ROWS) {
    const size_t last = count - first < NN__BLOCK_ROWS ? count : first + NN__BLOCK_ROWS;
    memset(block_mean, 0, 2 * width * sizeof *block_mean);
    for (size_t i = first; i < last; i++)
      row_functions[type].add(width, base + row_of(rows, i) * stride, start, block_mean);
    const double had = (double)first, now = (double)last, more = now - had;
    for (size_t j = 0; j < width; j++) block_mean[j] /= more;
    for (size_t i = first; i < last; i++)
      row_functions[type].square(width, base + row_of(rows, i) * stride, start, block_mean, block_squares);
    for (size_t j = 0; j < width; j++) {
      const double step = block_mean[j] - mean[j];
      mean[j] += step * (more / now);
      squares[j] += block_squares[j] + step * step * (had * more / now);
    }
  }
  for (size_t j = 0; j < width; j++) {
    mean[j] += start[j];
    deviation[j] = sqrt(squares[j] / (double)count);
  }
  nn_free(memory);
  return NN_OK;
}
