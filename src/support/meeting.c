/* A barrier that neither sleeps nor holds a core that others need. */
#include "nnmpi/support.h"

#include <sched.h>
#include <stdatomic.h>

enum { SPINS = 2000 /* looks before who waits offers its core to others: some 20 microseconds */ };

static inline void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void nn_meet(nn_meeting *meeting, int size) {
  const unsigned round = atomic_load_explicit(&meeting->round, memory_order_relaxed);
  if (atomic_fetch_add_explicit(&meeting->arrived, 1, memory_order_acq_rel) == size - 1) {
    atomic_store_explicit(&meeting->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&meeting->round, round + 1, memory_order_release);
    return;
  }
  for (int spins = 0; atomic_load_explicit(&meeting->round, memory_order_acquire) == round; spins++) {
    if (spins < SPINS)
      pause_briefly();
    else
      sched_yield();
  }
}
