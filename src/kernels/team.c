/** @file team.c
 *  The thread team: one parallel region, a barrier inside it, shares of work. */
#include <omp.h>
#include <pthread.h>

#include "nnmpi/kernels.h"

void nn_team_run(int threads, nn_team_function function, void *context) {
  nn_team_run_with(threads, NULL, function, context);
}

void nn_team_run_with(int threads, float *room, nn_team_function function, void *context) {
  NN_ASSERT(threads >= 1);
  if (threads == 1) { /* OpenMP would ask the system even then */
    const nn_team alone = {.id = 0, .size = 1, .room = room};
    function(&alone, context);
    return;
  }
  nn_meeting meeting = {0};
#pragma omp parallel num_threads(threads)
  {
    const int id = omp_get_thread_num();
    const nn_team team = {.id = id,
                          .size = omp_get_num_threads(),
                          .meeting = &meeting,
                          .room = room == NULL ? NULL : room + (size_t)id * NN_TEAM_ROOM};
    function(&team, context);
  }
}

/* Unknown: it will do. */
static void look_at_stack(const nn_team *team, void *context) {
  size_t *bytes = context; /* [threads] */
  pthread_attr_t attributes;
  bytes[team->id] = SIZE_MAX;
#ifdef __GLIBC__
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  (void)pthread_attr_getstacksize(&attributes, &bytes[team->id]);
  (void)pthread_attr_destroy(&attributes);
#else
  (void)attributes;
#endif
}

nn_status nn_team_check(int threads) {
  void *memory = NULL;
  NN_TRY(nn_alloc((size_t)threads, sizeof(size_t), "the sizes of stacks", &memory));
  size_t *bytes = memory, least = SIZE_MAX;
  nn_team_run(threads, look_at_stack, bytes);
  for (int i = 0; i < threads; i++)
    if (bytes[i] != 0 && bytes[i] < least) least = bytes[i]; /* 0: a thread that OpenMP did not start */
  nn_free(memory);
  if (least >= NN_TEAM_STACK) return NN_OK;
  return NN_FAIL(NN_ERR_MEMORY,
                 "a thread has a stack of %zu KiB, and products need %d KiB: raise OMP_STACKSIZE (4M) or `ulimit -s`",
                 least >> 10, NN_TEAM_STACK >> 10);
}

/* Not OpenMP's barrier: that one spins for milliseconds, which on cores that others use too makes every barrier as long
 * as a time slice. */
void nn_team_barrier(const nn_team *team) {
  if (team->size > 1) nn_meet(team->meeting, team->size);
}

void nn_team_share(const nn_team *team, size_t count, size_t grain, size_t *first, size_t *last) {
  NN_ASSERT(grain > 0);
  *first = 0, *last = count;
  if (team->size == 1) return; /* a single sample asks so often that divisions count */
  const size_t id = (size_t)team->id, size = (size_t)team->size;
  const size_t grains = count / grain + (count % grain != 0);
  /* the first grains % size threads get one grain more */
  const size_t each = grains / size, more = grains % size;
  const size_t begin = each * id + (id < more ? id : more);
  const size_t end = begin + each + (id < more);
  *first = begin * grain < count ? begin * grain : count;
  *last = end * grain < count ? end * grain : count;
}
