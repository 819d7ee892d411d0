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

#endif
