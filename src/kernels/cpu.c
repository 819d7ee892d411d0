/** @file cpu.c
 *  The cores that this process may use, and the instruction set that the kernels take on them. */
#include <errno.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "kernels/clones.h"
#include "nnmpi/kernels.h"

enum { NN__CPUS_MAX = 1 << 16 };

/* With OMP_PROC_BIND, OpenMP pins this thread to its place among those of the process. */
static void add_places(cpu_set_t *mask, size_t cpus) {
  int ids[256];
  for (int place = 0; place < omp_get_num_places(); place++) {
    const int count = omp_get_place_num_procs(place);
    if (count > (int)(sizeof ids / sizeof *ids)) continue; /* no core, nor a socket */
    omp_get_place_proc_ids(place, ids);
    for (int i = 0; i < count; i++)
      if (ids[i] >= 0 && (size_t)ids[i] < cpus) CPU_SET_S((size_t)ids[i], CPU_ALLOC_SIZE(cpus), mask);
  }
}

/* The cores of the process, for CPU_FREE(); NULL if the system does not tell. */
static cpu_set_t *cpu_mask(size_t *cpus) {
  for (size_t n = CPU_SETSIZE; n <= NN__CPUS_MAX; n *= 2) {
    cpu_set_t *mask = CPU_ALLOC(n);
    if (mask == NULL) return NULL;
    CPU_ZERO_S(CPU_ALLOC_SIZE(n), mask);
    if (sched_getaffinity(0, CPU_ALLOC_SIZE(n), mask) == 0) {
      add_places(mask, n);
      *cpus = n;
      return mask;
    }
    CPU_FREE(mask);
    if (errno != EINVAL) return NULL; /* EINVAL: the kernel knows more cores than fit */
  }
  return NULL;
}

int nn_cpu_allowed(void) {
  size_t cpus = 0;
  cpu_set_t *mask = cpu_mask(&cpus);
  int count;
  if (mask != NULL) {
    count = CPU_COUNT_S(CPU_ALLOC_SIZE(cpus), mask);
    CPU_FREE(mask);
  } else {
    count = (int)sysconf(_SC_NPROCESSORS_ONLN);
  }
  return count > 0 ? count : 1;
}

nn_status nn_cpu_allowed_text(nn_text *out) {
  size_t cpus = 0;
  cpu_set_t *mask = cpu_mask(&cpus);
  if (mask == NULL) {
    nn_text_add(out, "unknown");
    return nn_text_status(out);
  }
  const size_t bytes = CPU_ALLOC_SIZE(cpus);
  const char *between = "";
  for (size_t first = 0; first < cpus; first++) {
    if (!CPU_ISSET_S(first, bytes, mask)) continue;
    size_t last = first;
    while (last + 1 < cpus && CPU_ISSET_S(last + 1, bytes, mask)) last++;
    if (last == first)
      nn_text_add(out, "%s%zu", between, first);
    else
      nn_text_add(out, "%s%zu-%zu", between, first, last);
    between = ",";
    first = last;
  }
  CPU_FREE(mask);
  return nn_text_status(out);
}

const char *nn_cpu_isa(void) {
#if defined(__x86_64__) && defined(__GNUC__)
  const nn__isa best = nn__isa_best();
  if (best == NN__AVX512) return "avx512";
  if (best == NN__AVX2) return "avx2";
#endif
  return "portable";
}

void nn_cpu_spread(void) {
  size_t cpus = 0;
  cpu_set_t *mask = cpu_mask(&cpus);
  if (mask == NULL) return;
  (void)sched_setaffinity(0, CPU_ALLOC_SIZE(cpus), mask); /* of this thread; where it fails, it is only slower */
  CPU_FREE(mask);
}
