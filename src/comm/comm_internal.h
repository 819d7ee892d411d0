/* What the files of comm share. */
#ifndef NNMPI_COMM_INTERNAL_H
#define NNMPI_COMM_INTERNAL_H

#include "nnmpi/comm.h"

#include <mpi.h>

struct nn_comm {
  MPI_Comm world, node;
  int rank, size;
  int node_rank, node_size, node_index, node_count;
  char host[64];
  char library[96];
};

enum { NN__COMM_PIECE = 1 << 30 /* bytes, and elements, of one call: MPI counts are ints */ };

/* An MPI return code as a status; `what` names the operation. */
nn_status nn__mpi_check(int code, const char *what);
#define NN_MPI(call, what) NN_TRY(nn__mpi_check((call), (what)))

/* True where there is nobody to talk to: no communicator, or one rank. */
static inline bool nn__alone(const nn_comm *comm) {
  return comm == NULL || comm->size == 1;
}

struct nn_tree {
  nn_comm *comm;
  int virtual_ranks, first, leaves;
  bool plain;                   /* one MPI_Allreduce does what is to be done across ranks */
  bool shared;                  /* all slots are in `window` */
  size_t count, stride;         /* floats of a gradient; of a slot */
  int slot_count, shared_slots; /* of this rank; that each rank has room for */
  float *slots;                 /* [slot_count, stride]: a stack */
  int *slot_of, *merges;        /* [leaves]: where a leaf goes; how many additions are due when it is filled */
  int *subtrees;                /* [size]: with how many subtrees a rank ends */
  int *low, *high;              /* [subtree_total], in order of ranks: the leaves that a subtree spans */
  int subtree_total;
  float *received; /* [subtree_total, slice] */
  int *integers;   /* [5, size]: counts and displacements for MPI */
  nn_window *window;
  float **subtree_at;  /* [subtree_total]: slots of all ranks, where they are shared */
  nn_meeting *meeting; /* in front of rank 0's slots */
};

/* Where a node over [low, high) is cut: at the largest power of two below its width. */
int nn__tree_cut(int low, int high);
/* Sets `shared` where all ranks are on one node that has room for it. Collective; the same on every rank. */
nn_status nn__tree_choose(nn_tree *tree);
/* Slots of a tree that is complete otherwise, in memory of the node. Collective; agrees. */
nn_status nn__tree_share(nn_tree *tree);

#endif
