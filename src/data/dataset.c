/* What a data set tells about itself, and its end. */
#include "dataset.h"

#include <string.h>

size_t nn_shape_size(const nn_shape *shape) {
  size_t size = 1;
  for (int i = 0; i < shape->rank; i++) size *= shape->dims[i];
  return size;
}

char *nn_shape_text(const nn_shape *shape, char buffer[96]) {
  size_t used = 0;
  buffer[0] = '\0';
  for (int i = 0; i < shape->rank && i < NN_SHAPE_RANK_MAX; i++)
    used += (size_t)snprintf(buffer + used, 96 - used, "%s%zu", i > 0 ? " x " : "", shape->dims[i]);
  return buffer;
}

nn_element nn__element_of(nn_h5_type type) {
  static const nn_element elements[] = {
      [NN_H5_U8] = NN_ELEMENT_U8,   [NN_H5_I8] = NN_ELEMENT_I8,   [NN_H5_U16] = NN_ELEMENT_U16,
      [NN_H5_I16] = NN_ELEMENT_I16, [NN_H5_U32] = NN_ELEMENT_U32, [NN_H5_I32] = NN_ELEMENT_I32,
      [NN_H5_U64] = NN_ELEMENT_U64, [NN_H5_I64] = NN_ELEMENT_I64, [NN_H5_F32] = NN_ELEMENT_F32,
      [NN_H5_F64] = NN_ELEMENT_F64};
  NN_ASSERT(type != NN_H5_TEXT);
  return elements[type];
}

size_t nn__table_row_bytes(const nn_dataset *dataset, const nn__table *table) {
  return dataset->width * nn_element_size(nn__element_of(table->x.type));
}

size_t nn__table_blocks(const nn__table *table) {
  return (table->rows + NN__BLOCK_ROWS - 1) / NN__BLOCK_ROWS;
}

const unsigned char *nn__table_x(const nn_dataset *dataset, const nn__table *table) {
  return dataset->shared + table->x_offset;
}

int32_t *nn__table_labels(const nn_dataset *dataset, const nn__table *table) {
  return (int32_t *)(void *)(dataset->shared + table->y_offset);
}

float *nn__table_values(const nn_dataset *dataset, const nn__table *table) {
  return (float *)(void *)(dataset->shared + table->y_offset);
}

uint64_t *nn__table_digests(const nn_dataset *dataset, const nn__table *table) {
  return (uint64_t *)(void *)(dataset->shared + table->digest_offset);
}

size_t nn_dataset_shared_bytes(const nn_dataset *dataset) {
  return dataset->shared_bytes;
}

size_t nn_dataset_private_bytes(const nn_dataset *d) {
  size_t bytes = sizeof *d;
  if (d->split_count > 0) /* which rows, and what drawing them takes */
    bytes += d->tables[NN_SET_TRAIN].rows * (2 * sizeof(uint32_t) + 1);
  if (d->normalize) bytes += d->width * (2 * sizeof(float) + 5 * sizeof(double));
  if (d->normalize_targets) bytes += d->target.width * 5 * sizeof(double);
  if (d->target.classes) bytes += d->target.width * (sizeof(float) + sizeof(size_t));
  return bytes;
}

const nn_shape *nn_dataset_shape(const nn_dataset *dataset) {
  return &dataset->shape;
}

const nn_target_info *nn_dataset_target(const nn_dataset *dataset) {
  return &dataset->target;
}

size_t nn_dataset_count(const nn_dataset *dataset, nn_set set) {
  return dataset->views[set].count;
}

bool nn_dataset_is_drawn(const nn_dataset *dataset) {
  return dataset->drawn;
}

const char *nn_dataset_x_name(const nn_dataset *dataset, nn_set set) {
  NN_ASSERT(dataset->views[set].table != NULL);
  return dataset->views[set].table->x_name;
}

const char *nn_dataset_y_name(const nn_dataset *dataset, nn_set set) {
  NN_ASSERT(dataset->views[set].table != NULL);
  return dataset->views[set].table->y_name;
}

const nn_normalizer *nn_dataset_normalizer(const nn_dataset *dataset) {
  return &dataset->normalizer;
}

uint64_t nn_dataset_digest(const nn_dataset *dataset) {
  return dataset->digest;
}

double nn_dataset_target_variation(const nn_dataset *dataset, nn_set set) {
  return dataset->variation[set];
}

const float *nn_dataset_class_weights(const nn_dataset *dataset) {
  return dataset->class_weights;
}

void nn_dataset_destroy(nn_dataset **dataset) {
  nn_dataset *d = *dataset;
  if (d == NULL) return;
  for (int set = 0; set < NN_SET_COUNT; set++) {
    nn_free(d->tables[set].x_name);
    nn_free(d->tables[set].y_name);
    nn_free(d->views[set].rows);
  }
  nn_h5_texts_free(&d->names, d->name_count);
  nn_h5_close(&d->file);
  nn_normalizer_clear(&d->normalizer);
  nn_free(d->class_weights);
  nn_free(d->source);
  nn_free(d);
  *dataset = NULL;
}
