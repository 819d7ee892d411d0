/* The bytes of a file that was built: what HDF5 has in its memory, and large data where it always was. */
#include "h5io/h5io_internal.h"

#include <string.h>

/* ---- what is lent --------------------------------------------------------------------------------------- */

nn_status nn_h5_image_lend(nn_h5_image *image, const char *name, nn_h5_type type, int rank, const uint64_t *dims,
                           const void *data) {
  void *memory = NULL;
  size_t bytes = nn_h5_type_size(type);
  NN_ASSERT(type != NN_H5_TEXT && rank >= 1 && rank <= NN_H5_RANK_MAX && !image->finished);
  for (int i = 0; i < rank; i++) bytes *= dims[i]; /* the whole array is in memory: no overflow */
  NN__H5_ENTER;
  if (bytes < NN_H5_LENT_LEAST || H5Tequal(nn__h5_stored_type(type), nn__h5_memory_type(type)) <= 0)
    return nn_h5_image_write(image, name, type, rank, dims, 0, data);
  NN_TRY(nn_alloc(1, sizeof(nn__h5_lent), name, &memory));
  nn__h5_lent *lent = memory, **end = &image->lent;
  while (*end != NULL) end = &(*end)->next;
  *end = lent;
  lent->data = (nn_bytes){data, bytes};
  lent->info = (nn_h5_info){.type = type, .rank = rank};
  memcpy(lent->info.dims, dims, (size_t)rank * sizeof *dims);
  return nn_string_copy(name, &lent->name);
}

void nn__h5_lent_clear(nn_h5_image *image) {
  while (image->lent != NULL) {
    nn__h5_lent *next = image->lent->next;
    nn_free(image->lent->name);
    nn_free(image->lent);
    image->lent = next;
  }
}

/* A dataset in one piece that nobody fills, and where that is. */
static nn_status place(nn_h5_image *image, nn__h5_lent *lent) {
  const hid_t type = nn__h5_stored_type(lent->info.type);
  const hid_t dataset = nn__h5_dataset_create(image, lent->name, type, lent->info.rank, lent->info.dims, NN__H5_LENT);
  if (dataset < 0) return nn__h5_fail_image(lent->name);
  const haddr_t at = H5Dget_offset(dataset);
  nn_status status = at == HADDR_UNDEF ? nn__h5_fail_image(lent->name) : NN_OK;
  if (H5Dclose(dataset) < 0 && status == NN_OK) status = nn__h5_fail_image(lent->name);
  lent->place = at;
  return status;
}

static void sort_by_place(nn_h5_image *image) {
  nn__h5_lent *sorted = NULL;
  for (nn__h5_lent *lent = image->lent, *next; lent != NULL; lent = next) {
    nn__h5_lent **at = &sorted;
    next = lent->next;
    while (*at != NULL && (*at)->place < lent->place) at = &(*at)->next;
    lent->next = *at;
    *at = lent;
  }
  image->lent = sorted;
}

/* ---- the finished file ------------------------------------------------------------------------------------ */

/* What was lent comes last, and is not flushed: HDF5 fills its memory up to the end of what it flushes. It also does
 * where the metadata outgrow what nn_h5_image_create_for() keeps free for them in front: that only takes longer. */
static nn_status close_file(nn_h5_image *image, size_t *bytes) {
  nn_status status = H5Fflush(image->id, H5F_SCOPE_GLOBAL) < 0 ? nn__h5_fail_image("a file") : NN_OK;
  for (nn__h5_lent *lent = image->lent; lent != NULL && status == NN_OK; lent = lent->next) status = place(image, lent);
  const ssize_t size = H5Fget_file_image(image->id, NULL, 0);
  if (size <= 0 && status == NN_OK) status = nn__h5_fail_image("a file");
  image->stuck = H5Fclose(image->id) < 0;
  if (image->stuck && status == NN_OK) status = nn__h5_fail_image("a file");
  image->finished = true;
  sort_by_place(image); /* HDF5 may have gone back to room that it had left */
  *bytes = (size_t)size;
  return status;
}

/* Bytes of the file that HDF5's memory must have: up to the end of the last that are not lent. */
static size_t own_bytes(const nn_h5_image *image, size_t bytes) {
  size_t own = 0, end = 0;
  for (const nn__h5_lent *lent = image->lent; lent != NULL; lent = lent->next) {
    NN_ASSERT(lent->place >= end && lent->place + lent->data.count <= bytes);
    if (lent->place > end) own = lent->place;
    end = lent->place + lent->data.count;
  }
  return bytes > end ? bytes : own;
}

static void add_own(nn_h5_image *image, size_t first, size_t end) {
  if (first < end) image->parts[image->part_count++] = (nn_bytes){(char *)image->memory.at + first, end - first};
}

static nn_status take_parts(nn_h5_image *image, size_t bytes) {
  void *memory = NULL;
  size_t most = 1, at = 0; /* one in front of each that is lent, and one behind */
  for (const nn__h5_lent *lent = image->lent; lent != NULL; lent = lent->next) most += 2;
  NN_TRY(nn_alloc(most, sizeof(nn_bytes), "the parts of a file", &memory));
  image->parts = memory;
  if (!nn__h5_memory_extend(&image->memory, own_bytes(image, bytes))) return nn__h5_fail_image("a file");
  for (const nn__h5_lent *lent = image->lent; lent != NULL; lent = lent->next) {
    add_own(image, at, lent->place);
    image->parts[image->part_count++] = lent->data;
    at = lent->place + lent->data.count;
  }
  add_own(image, at, bytes);
  return NN_OK;
}

nn_status nn_h5_image_finish(nn_h5_image *image, const nn_bytes **parts, size_t *count) {
  size_t bytes = 0;
  NN__H5_ENTER;
  if (image->part_count == 0) {
    if (image->finished) return NN_FAIL(NN_ERR_MEMORY, "cannot build a file in memory: that failed before");
    NN_TRY(close_file(image, &bytes));
    NN_TRY(take_parts(image, bytes));
  }
  *parts = image->parts;
  *count = image->part_count;
  return NN_OK;
}

nn_status nn_h5_image_save(nn_h5_image *image, const char *path) {
  const nn_bytes *parts = NULL;
  size_t count = 0;
  NN_TRY(nn_h5_image_finish(image, &parts, &count));
  return nn__h5_trailed_replace(path, parts, count);
}
