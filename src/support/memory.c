/* Aligned, zeroed memory, with huge pages for what is large. */
#include "nnmpi/support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

nn_status nn_alloc(size_t count, size_t size, const char *what, void **out) {
  size_t bytes = 0, rounded = 0;
  char text[32];
  if (!nn_size_multiply(count, size, &bytes) || __builtin_add_overflow(bytes, (size_t)HUGE_PAGE, &rounded))
    return NN_FAIL(NN_ERR_MEMORY, "out of memory: %zu elements of %zu bytes for %s are more than can be addressed",
                   count, size, what);
  const bool large = bytes >= 2 * (size_t)HUGE_PAGE;
  const size_t alignment = large ? (size_t)HUGE_PAGE : (size_t)NN_ALIGNMENT;
  rounded = (bytes + alignment - 1) / alignment * alignment;
  void *memory = aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == NULL)
    return NN_FAIL(NN_ERR_MEMORY, "out of memory: %s for %s could not be had", nn_format_bytes((double)bytes, text),
                   what);
#ifdef MADV_HUGEPAGE
  if (large) (void)madvise(memory, rounded, MADV_HUGEPAGE); /* advice: without it the program is only slower */
#endif
  memset(memory, 0, bytes);
  *out = memory;
  return NN_OK;
}

void nn_free(void *memory) {
  free(memory);
}
