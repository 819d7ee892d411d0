/** @file cpu.c
 *  The cores that this process may use, and what oneDNN makes of them. */
#include <dnnl.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "nnmpi/kernels.h"

enum { NN__CPUS_MAX = 1 << 16 };

/* The affinity mask, for CPU_FREE(); NULL if the system does not tell. */
static cpu_set_t *cpu_mask(size_t *cpus) {
  for (size_t n = CPU_SETSIZE; n <= NN__CPUS_MAX; n *= 2) {
    cpu_set_t *mask = CPU_ALLOC(n);
    if (mask == NULL) return NULL;
    CPU_ZERO_S(CPU_ALLOC_SIZE(n), mask);
    if (sched_getaffinity(0, CPU_ALLOC_SIZE(n), mask) == 0) {
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
#if defined(__x86_64__)
  /* The values of some names differ between oneDNN 2 and 3, so each is named only where it exists. */
  switch ((int)dnnl_get_effective_cpu_isa()) {
  case dnnl_cpu_isa_sse41:
    return "sse41";
  case dnnl_cpu_isa_avx:
    return "avx";
  case dnnl_cpu_isa_avx2:
    return "avx2";
  case dnnl_cpu_isa_avx2_vnni:
    return "avx2_vnni";
#if DNNL_VERSION_MAJOR >= 3
  case dnnl_cpu_isa_avx2_vnni_2:
    return "avx2_vnni_2";
  case dnnl_cpu_isa_avx512_core_fp16:
    return "avx512_core_fp16";
  case dnnl_cpu_isa_avx512_core_amx_fp16:
    return "avx512_core_amx_fp16";
#else
  case dnnl_cpu_isa_avx512_mic:
  case dnnl_cpu_isa_avx512_mic_4ops:
    return "avx512_mic";
#endif
  case dnnl_cpu_isa_avx512_core:
    return "avx512_core";
  case dnnl_cpu_isa_avx512_core_vnni:
    return "avx512_core_vnni";
  case dnnl_cpu_isa_avx512_core_bf16:
    return "avx512_core_bf16";
  case dnnl_cpu_isa_avx512_core_amx:
    return "avx512_core_amx";
  default:
    return "portable";
  }
#else
  return "portable";
#endif
}

const char *nn_cpu_library(void) {
  static _Thread_local char text[48];
  const dnnl_version_t *v = dnnl_version();
  snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
  return text;
}
