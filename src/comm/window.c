/* Memory that the ranks of a node share. A node with one rank needs no window: plain memory serves. */
#include "comm_internal.h"

#include <string.h>

struct nn_window {
  nn_comm *comm;
  void *data;
  MPI_Win win; /* MPI_WIN_NULL: plain memory */
};

static bool shared(const nn_comm *comm) {
  return comm != NULL && comm->node_size > 1;
}

/* Where the block of a rank of the node is in this process. Every process may see it at another address, but at the
 * same distance from a page's start. */
static nn_status find(const nn_window *window, int owner, void **out) {
  void *base = NULL;
  MPI_Aint size = 0;
  int unit = 0;
  NN_MPI(MPI_Win_shared_query(window->win, owner, &size, &unit, &base), "finding shared memory");
  *out = (void *)(((uintptr_t)base + NN_ALIGNMENT - 1) / NN_ALIGNMENT * NN_ALIGNMENT);
  return NN_OK;
}

/* The first rank of the node owns the one block, or each its own; the others learn where they are. */
static nn_status allocate(nn_window *window, size_t bytes, bool each) {
  nn_comm *comm = window->comm;
  const int owner = each ? comm->node_rank : 0;
  const MPI_Aint mine = comm->node_rank == owner ? (MPI_Aint)(bytes + NN_ALIGNMENT) : 0;
  void *base = NULL;
  char text[32];
  if (MPI_Win_allocate_shared(mine, 1, MPI_INFO_NULL, comm->node, &base, &window->win) != MPI_SUCCESS)
    return NN_FAIL(NN_ERR_MEMORY, "out of memory: %s of shared memory could not be had on host %s",
                   nn_format_bytes((double)bytes, text), comm->host);
  MPI_Win_set_errhandler(window->win, MPI_ERRORS_RETURN);
  NN_MPI(MPI_Win_lock_all(MPI_MODE_NOCHECK, window->win), "opening shared memory");
  NN_TRY(find(window, owner, &window->data));
  if (comm->node_rank == owner) memset(window->data, 0, bytes);
  return NN_OK;
}

static nn_status create(nn_comm *comm, size_t bytes, bool each, nn_window **out) {
  void *memory = NULL;
  nn_status status = nn_comm_agree(comm, nn_alloc(1, sizeof(nn_window), "a shared window", &memory));
  if (status != NN_OK) {
    nn_free(memory);
    return status;
  }
  nn_window *window = memory;
  window->comm = comm;
  window->win = MPI_WIN_NULL;
  status = shared(comm) ? allocate(window, bytes, each) : nn_alloc(bytes, 1, "shared memory", &window->data);
  status = nn_comm_agree(comm, status);
  if (status == NN_OK) status = nn_comm_agree(comm, nn_window_sync(window));
  if (status != NN_OK) {
    /* a window that only some ranks have cannot be freed by all of them: MPI_Finalize() does it */
    if (window->win == MPI_WIN_NULL) nn_free(window->data);
    nn_free(window);
    return status;
  }
  *out = window;
  return NN_OK;
}

nn_status nn_window_create(nn_comm *comm, size_t bytes, nn_window **out) {
  return create(comm, bytes, false, out);
}

nn_status nn_window_create_each(nn_comm *comm, size_t bytes, nn_window **out) {
  return create(comm, bytes, true, out);
}

nn_status nn_window_part(const nn_window *window, int node_rank, void **out) {
  if (window->win != MPI_WIN_NULL) return find(window, node_rank, out);
  *out = window->data;
  return NN_OK;
}

void nn_window_destroy(nn_window **window) {
  if (*window == NULL) return;
  if ((*window)->win == MPI_WIN_NULL) {
    nn_free((*window)->data);
  } else {
    MPI_Win_unlock_all((*window)->win);
    MPI_Win_free(&(*window)->win);
  }
  nn_free(*window);
  *window = NULL;
}

void *nn_window_data(const nn_window *window) {
  return window->data;
}

nn_status nn_window_sync(nn_window *window) {
  if (window->win == MPI_WIN_NULL) return NN_OK;
  NN_MPI(MPI_Win_sync(window->win), "synchronising shared memory");
  NN_MPI(MPI_Barrier(window->comm->node), "synchronising shared memory");
  NN_MPI(MPI_Win_sync(window->win), "synchronising shared memory");
  return NN_OK;
}
