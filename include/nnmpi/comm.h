/** @file comm.h
 *  Floor 1: the process group. The only module that calls MPI.
 *
 *  Calls marked Collective are made by every rank in the same order. Their status is the same on every rank
 *  except where MPI itself reports an error (NN_ERR_COMM), after which the caller should nn_comm_abort(). */
#ifndef NNMPI_COMM_H
#define NNMPI_COMM_H

#include "nnmpi/support.h"

typedef struct nn_comm nn_comm;

/** Start MPI (MPI_THREAD_FUNNELED) and find out who shares a node. Collective. */
nn_status nn_comm_open(nn_comm **out);
/** End MPI. Collective. All files must be closed before: one rank's non-zero exit ends the others. */
void nn_comm_close(nn_comm **comm);
/** End every rank at once, for failures after which no collective can be trusted. Local. Does not return. */
_Noreturn void nn_comm_abort(nn_comm *comm, nn_status status);

int nn_comm_rank(const nn_comm *comm);
int nn_comm_size(const nn_comm *comm);
int nn_comm_node_rank(const nn_comm *comm); /**< among the ranks of this node */
int nn_comm_node_size(const nn_comm *comm);
int nn_comm_node_index(const nn_comm *comm); /**< which node, numbered by its lowest rank */
int nn_comm_node_count(const nn_comm *comm);
const char *nn_comm_host(const nn_comm *comm);
const char *nn_comm_library(const nn_comm *comm); /**< "Open MPI v4.1.4": first line of the library's version */
/** The same without a process group: MPI allows this question before it is started. `buffer` needs 96 bytes; returns
 *  it. Local. */
char *nn_comm_library_text(char buffer[96]);

/** True where the environment says that a launcher (mpirun, srun) started this process; callable before
 *  nn_comm_open(). Without one, login nodes are spared MPI_Init. Local. */
bool nn_comm_launched(void);

/** Make one rank's failure everyone's. Collective.
 *  Every rank returns the status of the lowest failing rank; nn_error_last() then holds its message and rank. */
nn_status nn_comm_agree(nn_comm *comm, nn_status local);

nn_status nn_comm_barrier(nn_comm *comm);

/** Copy `bytes` from rank 0 to all, in pieces below 2 GiB. Collective. */
nn_status nn_comm_broadcast(nn_comm *comm, void *data, size_t bytes);

/** Rank 0's block to all; the others get memory for nn_free(). `*data` may be NULL on rank 0 (then NULL and 0
 *  everywhere). There is a zero behind the block. Collective, agrees on allocation failures. */
nn_status nn_comm_broadcast_block(nn_comm *comm, char **data, size_t *bytes);

/** Gather `bytes` from each rank on every rank, in rank order: `all` has size × bytes. Collective. */
nn_status nn_comm_gather_all(nn_comm *comm, const void *mine, size_t bytes, void *all);

/** Element-wise sum over ranks, in place. Collective. The order of additions is the MPI library's. */
nn_status nn_comm_sum_float(nn_comm *comm, float *data, size_t count);
/** The same for doubles: exact whenever at most one rank's element is not zero, which is how it is used. */
nn_status nn_comm_sum_double(nn_comm *comm, double *data, size_t count);
nn_status nn_comm_max_double(nn_comm *comm, double *data, size_t count);

/* ---- memory that the ranks of a node share ------------------------------------------------- */

typedef struct nn_window nn_window;

/** One zeroed block of `bytes` per node, the same memory for each of its ranks. Collective; agrees. */
nn_status nn_window_create(nn_comm *comm, size_t bytes, nn_window **out);
/** The same with a block of `bytes` for each rank, first touched by that rank; nn_window_data() is its own. */
nn_status nn_window_create_each(nn_comm *comm, size_t bytes, nn_window **out);
/** The block of a rank of the node, of a window made by nn_window_create_each(). */
nn_status nn_window_part(const nn_window *window, int node_rank, void **out);
void nn_window_destroy(nn_window **window); /**< Collective. */
void *nn_window_data(const nn_window *window);
/** What ranks of the node wrote before is seen by all of them after. Collective over the node. */
nn_status nn_window_sync(nn_window *window);

/* ---- the fixed tree ------------------------------------------------------------------------- */

/** The gradients of V virtual ranks are added along one binary tree over 0 … V − 1 that depends on V alone:
 *  a node over [lo, hi) with hi − lo > 1 is split at lo + the largest power of two below hi − lo.
 *  Rank r of N computes the virtual ranks [r V / N, (r + 1) V / N) (integer division), adds up the largest
 *  subtrees that lie inside its range, and nn_tree_sum() finishes across ranks. */
typedef struct nn_tree nn_tree;

/** How ranks' sums come together. */
typedef enum nn_tree_way {
  NN_TREE_AUTO, /**< the fastest that gives the tree's bits: through shared memory where all ranks are on one node */
  NN_TREE_MESSAGES, /**< slices by MPI, added in the order of the tree */
  NN_TREE_PLAIN     /**< one MPI_Allreduce, in any order */
} nn_tree_way;

/** `count`: floats of a gradient. Collective: agrees on the allocation of its buffers. */
nn_status nn_tree_create(nn_comm *comm, int virtual_ranks, nn_tree_way way, size_t count, nn_tree **out);
void nn_tree_destroy(nn_tree **tree); /**< Collective where it is shared. */
/** Slots of the stack of a rank that has all virtual ranks. */
size_t nn_tree_stack(int virtual_ranks);
size_t nn_tree_bytes(int virtual_ranks, int size, int rank, size_t count); /**< what create allocates, or
                                                                        MPI for a plain reduction */

/** Virtual ranks of a rank: [first, first + count). */
void nn_tree_range(int virtual_ranks, int size, int rank, int *first, int *count);

/** A rank adds its gradients up on a stack of slots. Its virtual ranks come in order; `v` goes into the slot that this
 *  returns, p, and then `*due` additions are made: slot[p − 1] += slot[p], slot[p − 2] += slot[p − 1], … The caller
 * makes them, for all of the slots or for one part after another, there or in memory of its own for a part, a stack of
 *  nn_tree_slots(). Local, changes nothing: any thread may ask. */
int nn_tree_place(const nn_tree *tree, int v, int *due);
int nn_tree_slots(const nn_tree *tree);
/** Slot `place`: `count` floats. Slots are equally far apart. */
float *nn_tree_slot(const nn_tree *tree, int place);
/** Finish the sum across ranks. `*sum` is the tree's sum over all V, the same bits on every rank (any order of
 * additions across ranks where it is plain), and may be changed by the caller until the next step. Collective. */
nn_status nn_tree_sum(nn_tree *tree, float **sum);

/** True where every rank reads every slot. Then, instead of nn_tree_sum(): all ranks meet when their slots are
 * complete, each sums the parts that it wants, and they meet again before a slot is written. */
bool nn_tree_shared(const nn_tree *tree);
/** Returns when every rank has come; what they wrote before is seen. Yields its core while it waits. Collective. */
void nn_tree_meet(nn_tree *tree);
/** Floats [first, first + count) of the tree's sum. `scratch` holds nn_tree_stack(V) × count floats, `count` a multiple
 * of
 *  16. Returns where the sum is: in the scratch, or for V = 1 in a slot. Local, by any thread. */
const float *nn_tree_part(const nn_tree *tree, size_t first, size_t count, float *scratch);

#endif
