/** @file team.c
 *  The thread team, and what the process may run on. */
#include <omp.h>

#include "nnmpi/kernels.h"

void nn_team_run(int threads, nn_team_function function, void *context) {
  NN_ASSERT(threads >= 1);
#pragma omp parallel num_threads(threads)
  {
    /* oneDNN asks OpenMP how many threads it may use unless it is inside an active region, which a region of one
     * thread is not. The setting belongs to this region's implicit task: the caller's is untouched. */
    omp_set_num_threads(1);
    const nn_team team = {.id = omp_get_thread_num(), .size = omp_get_num_threads()};
    function(&team, context);
  }
}

void nn_team_barrier(const nn_team *team) {
  if (team->size > 1) {
#pragma omp barrier
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
