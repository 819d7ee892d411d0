/* The memory of a file that is built: HDF5 asks for it through callbacks, so that the finished file is taken over as it
 * lies there, instead of being copied. */
#include "h5io/h5io_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* HDF5 asks for a few MiB more each time. What is expected is taken at once, on huge pages; memory that is not used yet
 * costs nothing. */
static void *grow(void *memory, size_t size, H5FD_file_image_op_t operation, void *context) {
  enum { HUGE_PAGE = 2 << 20 };
  nn__h5_memory *m = context;
  void *grown = NULL;
  size_t capacity = m->capacity + m->capacity / 4;
  (void)operation;
  NN_ASSERT(memory == m->at);
  if (size <= m->capacity) return memory;
  if (capacity < size) capacity = size;
  if (m->expected > capacity && m->expected > HUGE_PAGE) {
    capacity = (m->expected + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    grown = aligned_alloc(HUGE_PAGE, capacity);
    if (grown == NULL) return NULL;
#ifdef MADV_HUGEPAGE
    (void)madvise(grown, capacity, MADV_HUGEPAGE); /* advice: without it the program is only slower */
#endif
    if (memory != NULL) memcpy(grown, memory, m->capacity);
    free(memory);
  } else {
    grown = realloc(memory, capacity);
    if (grown == NULL) return NULL;
  }
  m->at = grown;
  m->capacity = capacity;
  return grown;
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
