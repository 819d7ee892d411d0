/* The memory of a file that is built: HDF5 asks for it through callbacks, so that the finished file is taken over as it
 * lies there, instead of being copied. */
#include "h5io/h5io_internal.h"

#include <stdlib.h>
#include <string.h>

/* HDF5 asks for a little more each time, and clears that. */
static void *grow(void *memory, size_t size, H5FD_file_image_op_t operation, void *context) {
  nn__h5_memory *m = context;
  size_t capacity = m->capacity + m->capacity / 4;
  (void)operation;
  NN_ASSERT(memory == m->at);
  if (size > m->capacity) {
    if (capacity < size) capacity = size;
    void *grown = realloc(memory, capacity);
    if (grown == NULL) return NULL;
    m->at = grown;
    m->capacity = capacity;
  }
  m->size = size;
  return m->at;
}

bool nn__h5_memory_extend(nn__h5_memory *memory, size_t size) {
  const size_t before = memory->size;
  if (size <= before) return true;
  if (grow(memory->at, size, H5FD_FILE_IMAGE_OP_FILE_RESIZE, memory) == NULL) return false;
  memset((char *)memory->at + before, 0, size - before);
  return true;
}

static void *begin(size_t size, H5FD_file_image_op_t operation, void *context) {
  nn__h5_memory *m = context;
  NN_ASSERT(m->at == NULL);
  return grow(NULL, size, operation, context);
}

static void *copy(void *to, const void *from, size_t size, H5FD_file_image_op_t operation, void *context) {
  (void)operation, (void)context;
  return memcpy(to, from, size);
}

/* At closing: the memory stays, and is nn_h5_image's. */
static herr_t leave(void *memory, H5FD_file_image_op_t operation, void *context) {
  const nn__h5_memory *m = context;
  (void)operation;
  return memory == m->at ? 0 : -1;
}

static void *same_context(void *context) {
  return context;
}

static herr_t keep_context(void *context) {
  (void)context;
  return 0;
}

bool nn__h5_memory_use(hid_t access, nn__h5_memory *memory) {
  H5FD_file_image_callbacks_t callbacks = {.image_malloc = begin,
                                           .image_memcpy = copy,
                                           .image_realloc = grow,
                                           .image_free = leave,
                                           .udata_copy = same_context,
                                           .udata_free = keep_context,
                                           .udata = memory};
  return H5Pset_file_image_callbacks(access, &callbacks) >= 0;
}
