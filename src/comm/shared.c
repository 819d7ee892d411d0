/* The tree where all ranks are on one node: every rank reads every slot, and sums whatever part it wants itself.
 * Nothing is sent; ranks meet before the sums, and again before slots change. */
#include "comm_internal.h"

#include <sys/statvfs.h>

bool nn_tree_shared(const nn_tree *tree) {
  return tree->shared;
}

/* Would this much fit? A file system of memory that overflows ends the program, where memory of its own could have been
 * had. Not known: yes. */
static bool has_room(double bytes) {
  struct statvfs memory;
  if (statvfs("/dev/shm", &memory) != 0) return true;
  return bytes < (double)memory.f_bavail * (double)memory.f_frsize;
}

nn_status nn__tree_choose(nn_tree *tree) {
  nn_comm *comm = tree->comm;
  if (nn__alone(comm) || comm->node_size != comm->size) return NN_OK;
  /* with the gradients come the parameters and the optimizer's state */
  double bytes = ((double)tree->slot_count + 4.0 / comm->size) * (double)tree->stride * sizeof(float);
  int most = tree->slot_count;
  NN_MPI(MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_INT, MPI_MAX, comm->world), "agreeing on shared memory");
  NN_TRY(nn_comm_sum_double(comm, &bytes, 1));
  int room = has_room(bytes);
  NN_MPI(MPI_Allreduce(MPI_IN_PLACE, &room, 1, MPI_INT, MPI_MIN, comm->world), "agreeing on shared memory");
  tree->shared = room == 1;
  if (tree->shared) tree->shared_slots = most;
  return NN_OK;
}

nn_status nn__tree_share(nn_tree *tree) {
  const size_t header = sizeof(nn_meeting), slots = (size_t)tree->shared_slots;
  void *memory = NULL;
  NN_TRY(nn_comm_agree(tree->comm, nn_alloc((size_t)tree->subtree_total, sizeof(float *), "the tree's plan", &memory)));
  tree->subtree_at = memory;
  NN_TRY(nn_window_create_each(tree->comm, header + slots * tree->stride * sizeof(float), &tree->window));
  int found = 0;
  nn_status status = NN_OK;
  for (int rank = 0; rank < tree->comm->size; rank++) {
    status = nn_window_part(tree->window, rank, &memory);
    if (status != NN_OK) break;
    float *base = (float *)(void *)((char *)memory + header);
    if (rank == 0) tree->meeting = memory;
    if (rank == tree->comm->rank) tree->slots = base;
    for (int k = 0; k < tree->subtrees[rank]; k++) tree->subtree_at[found++] = base + (size_t)k * tree->stride;
  }
  return nn_comm_agree(tree->comm, status);
}

void nn_tree_meet(nn_tree *tree) {
  nn_meet(tree->meeting, tree->comm->size);
}

/* The part of node [low, high); `*next` walks through the subtrees in order. A subtree's is where it is, a sum goes to
 * `to`. */
static const float *part_of(const nn_tree *tree, int low, int high, size_t first, size_t count, int *next, float *to) {
  if (tree->low[*next] == low && tree->high[*next] == high) return tree->subtree_at[(*next)++] + first;
  const int middle = nn__tree_cut(low, high);
  const float *left = part_of(tree, low, middle, first, count, next, to);
  const float *right = part_of(tree, middle, high, first, count, next, left == to ? to + count : to);
  for (size_t i = 0; i < count; i++) to[i] = left[i] + right[i];
  return to;
}

const float *nn_tree_part(const nn_tree *tree, size_t first, size_t count, float *scratch) {
  int next = 0;
  NN_ASSERT(tree->shared && first + count <= tree->stride);
  return part_of(tree, 0, tree->virtual_ranks, first, count, &next, scratch);
}
