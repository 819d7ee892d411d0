/** @file team.c
 *  The thread team: one parallel region, a barrier inside it, shares of work. */
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>

#include "nnmpi/kernels.h"

enum { SPINS = 2000 /* looks before a waiting thread offers its core to others: some 20 microseconds */ };

struct nn_meeting {
  _Alignas(NN_ALIGNMENT) atomic_int arrived;
  _Alignas(NN_ALIGNMENT) atomic_uint round;
};

void nn_team_run(int threads, nn_team_function function, void *context) {
  NN_ASSERT(threads >= 1);
  if (threads == 1) { /* OpenMP would ask the system even then */
    const nn_team alone = {.id = 0, .size = 1};
    function(&alone, context);
    return;
  }
  nn_meeting meeting;
  atomic_init(&meeting.arrived, 0);
  atomic_init(&meeting.round, 0);
#pragma omp parallel num_threads(threads)
  {
    const nn_team team = {.id = omp_get_thread_num(), .size = omp_get_num_threads(), .meeting = &meeting};
    function(&team, context);
  }
}

static inline void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Not OpenMP's barrier: that one spins for milliseconds, which on cores that others use too makes every barrier as long
 * as a time slice. */
void nn_team_barrier(const nn_team *team) {
  if (team->size == 1) return;
  nn_meeting *meeting = team->meeting;
  const unsigned round = atomic_load_explicit(&meeting->round, memory_order_relaxed);
  if (atomic_fetch_add_explicit(&meeting->arrived, 1, memory_order_acq_rel) == team->size - 1) {
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

void nn_team_share(const nn_team *team, size_t count, size_t grain, size_t *first, size_t *last) {
  NN_ASSERT(grain > 0);
  const size_t id = (size_t)team->id, size = (size_t)team->size;
  const size_t grains = count / grain + (count % grain != 0);
  /* the first grains % size threads get one grain more */
  const size_t each = grains / size, more = grains % size;
  const size_t begin = each * id + (id < more ? id : more);
  const size_t end = begin + each + (id < more);
  *first = begin * grain < count ? begin * grain : count;
  *last = end * grain < count ? end * grain : count;
}
