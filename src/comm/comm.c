/* The process group: start and end, who is where, agreement, plain collectives. */
#include "comm_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

nn_status nn__mpi_check(int code, const char *what) {
  if (code == MPI_SUCCESS) return NN_OK;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) strcpy(text, "unknown error");
  return NN_FAIL(NN_ERR_COMM, "MPI failed in %s: %s", what, text);
}

bool nn_comm_launched(void) {
  return nn_launcher_rank() >= 0;
}

/* Ranks that can share memory form a node; nodes are numbered by their lowest rank. */
static nn_status find_nodes(nn_comm *comm) {
  NN_MPI(MPI_Comm_split_type(comm->world, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &comm->node),
         "finding the nodes");
  MPI_Comm_rank(comm->node, &comm->node_rank);
  MPI_Comm_size(comm->node, &comm->node_size);
  int first = comm->node_rank == 0, before = 0;
  NN_MPI(MPI_Exscan(&first, &before, 1, MPI_INT, MPI_SUM, comm->world), "numbering the nodes");
  if (comm->rank == 0) before = 0; /* MPI_Exscan leaves it undefined there */
  comm->node_index = before;
  NN_MPI(MPI_Bcast(&comm->node_index, 1, MPI_INT, 0, comm->node), "numbering the nodes");
  NN_MPI(MPI_Allreduce(&first, &comm->node_count, 1, MPI_INT, MPI_SUM, comm->world), "counting the nodes");
  return NN_OK;
}

char *nn_comm_library_text(char buffer[96]) {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  if (MPI_Get_library_version(text, &length) != MPI_SUCCESS) strcpy(text, "unknown MPI");
  text[strcspn(text, ",\n")] = '\0';
  snprintf(buffer, 96, "%.95s", text);
  return buffer;
}

nn_status nn_comm_open(nn_comm **out) {
  int given = 0;
  if (nn_launcher_rank() < 0) {
    /* Without a launcher, Open MPI 4 would start a daemon, for processes that might be spawned: none are, and where no
     * ssh is installed it fails. */
    (void)setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
    /* Without that daemon, all such processes of a user would share one folder, which the first to end removes while
     * another starts in it. One process needs none. */
    (void)setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
  }
  if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given) != MPI_SUCCESS)
    return NN_FAIL(NN_ERR_COMM, "MPI could not be started");
  void *memory = NULL;
  NN_TRY(nn_alloc(1, sizeof(nn_comm), "the process group", &memory));
  nn_comm *comm = memory;
  if (gethostname(comm->host, sizeof comm->host - 1) != 0) strcpy(comm->host, "unknown");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  nn_status status = nn__mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &comm->world), "starting up");
  if (status == NN_OK && given < MPI_THREAD_FUNNELED)
    status = NN_FAIL(NN_ERR_COMM, "this MPI library does not allow threads (MPI_THREAD_FUNNELED)");
  if (status == NN_OK) {
    MPI_Comm_rank(comm->world, &comm->rank);
    MPI_Comm_size(comm->world, &comm->size);
    nn_comm_library_text(comm->library);
    status = find_nodes(comm);
  }
  if (status != NN_OK) {
    nn_free(comm);
    return status;
  }
  *out = comm;
  return NN_OK;
}

void nn_comm_close(nn_comm **comm) {
  if (*comm == NULL) return;
  MPI_Comm_free(&(*comm)->node);
  MPI_Comm_free(&(*comm)->world);
  nn_free(*comm);
  *comm = NULL;
  MPI_Finalize();
}

void nn_comm_abort(nn_comm *comm, nn_status status) {
  if (comm != NULL) MPI_Abort(comm->world, (int)status);
  _exit((int)status);
}

int nn_comm_rank(const nn_comm *comm) {
  return comm == NULL ? 0 : comm->rank;
}
int nn_comm_size(const nn_comm *comm) {
  return comm == NULL ? 1 : comm->size;
}
int nn_comm_node_rank(const nn_comm *comm) {
  return comm == NULL ? 0 : comm->node_rank;
}
int nn_comm_node_size(const nn_comm *comm) {
  return comm == NULL ? 1 : comm->node_size;
}
int nn_comm_node_index(const nn_comm *comm) {
  return comm == NULL ? 0 : comm->node_index;
}
int nn_comm_node_count(const nn_comm *comm) {
  return comm == NULL ? 1 : comm->node_count;
}
const char *nn_comm_host(const nn_comm *comm) {
  return comm == NULL ? "localhost" : comm->host;
}
const char *nn_comm_library(const nn_comm *comm) {
  return comm == NULL ? "no MPI" : comm->library;
}

nn_status nn_comm_agree(nn_comm *comm, nn_status local) {
  if (nn__alone(comm)) {
    if (local != NN_OK) nn_error_set_rank(0, nn_comm_host(comm));
    return local;
  }
  int failing = local == NN_OK ? comm->size : comm->rank, first = 0;
  NN_MPI(MPI_Allreduce(&failing, &first, 1, MPI_INT, MPI_MIN, comm->world), "agreeing on a status");
  if (first == comm->size) return NN_OK;
  nn_error error = *nn_error_last();
  error.status = local;
  memcpy(error.host, comm->host, sizeof error.host);
  NN_MPI(MPI_Bcast(&error, (int)sizeof error, MPI_BYTE, first, comm->world), "passing on an error");
  (void)NN_FAIL(error.status, "%s", error.message);
  nn_error_set_rank(first, error.host);
  return error.status;
}

nn_status nn_comm_barrier(nn_comm *comm) {
  if (nn__alone(comm)) return NN_OK;
  return nn__mpi_check(MPI_Barrier(comm->world), "a barrier");
}

nn_status nn_comm_broadcast(nn_comm *comm, void *data, size_t bytes) {
  if (nn__alone(comm)) return NN_OK;
  for (size_t at = 0; at < bytes; at += NN__COMM_PIECE) {
    const size_t piece = bytes - at < NN__COMM_PIECE ? bytes - at : NN__COMM_PIECE;
    NN_MPI(MPI_Bcast((char *)data + at, (int)piece, MPI_BYTE, 0, comm->world), "a broadcast");
  }
  return NN_OK;
}

nn_status nn_comm_broadcast_block(nn_comm *comm, char **data, size_t *bytes) {
  if (nn__alone(comm)) return NN_OK;
  uint64_t head[2] = {*bytes, *data != NULL};
  NN_TRY(nn_comm_broadcast(comm, head, sizeof head));
  if (head[1] == 0) {
    *data = NULL;
    *bytes = 0;
    return NN_OK;
  }
  void *memory = *data;
  nn_status status = NN_OK;
  if (comm->rank != 0) status = nn_alloc((size_t)head[0] + 1, 1, "a broadcast block", &memory);
  status = nn_comm_agree(comm, status);
  if (status == NN_OK) status = nn_comm_broadcast(comm, memory, (size_t)head[0]);
  if (status != NN_OK) {
    if (comm->rank != 0) nn_free(memory);
    return status;
  }
  *data = memory;
  *bytes = (size_t)head[0];
  return NN_OK;
}

nn_status nn_comm_gather_all(nn_comm *comm, const void *mine, size_t bytes, void *all) {
  if (nn__alone(comm)) {
    memcpy(all, mine, bytes);
    return NN_OK;
  }
  NN_ASSERT(bytes < NN__COMM_PIECE);
  return nn__mpi_check(MPI_Allgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, comm->world), "gathering");
}

/* MPI_Allreduce in place, in pieces that an int can count. */
static nn_status reduce_in_place(nn_comm *comm, void *data, size_t count, size_t size, MPI_Datatype type, MPI_Op op) {
  if (nn__alone(comm)) return NN_OK;
  for (size_t at = 0; at < count; at += NN__COMM_PIECE) {
    const size_t piece = count - at < NN__COMM_PIECE ? count - at : NN__COMM_PIECE;
    NN_MPI(MPI_Allreduce(MPI_IN_PLACE, (char *)data + at * size, (int)piece, type, op, comm->world), "a reduction");
  }
  return NN_OK;
}

nn_status nn_comm_sum_float(nn_comm *comm, float *data, size_t count) {
  return reduce_in_place(comm, data, count, sizeof *data, MPI_FLOAT, MPI_SUM);
}

nn_status nn_comm_sum_double(nn_comm *comm, double *data, size_t count) {
  return reduce_in_place(comm, data, count, sizeof *data, MPI_DOUBLE, MPI_SUM);
}

nn_status nn_comm_max_double(nn_comm *comm, double *data, size_t count) {
  return reduce_in_place(comm, data, count, sizeof *data, MPI_DOUBLE, MPI_MAX);
}
