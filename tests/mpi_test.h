/* For tests under mpirun: cmocka with a process group as its state. Every rank runs every test; where one
 * fails alone and the others wait for it in a collective, the test's time limit ends them. */
#ifndef NNMPI_MPI_TEST_H
#define NNMPI_MPI_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nnmpi/comm.h"

#include <stdlib.h>
#include <string.h>

static int nn_test_open_comm(void **state) {
  nn_comm *comm = NULL;
  if (nn_comm_open(&comm) != NN_OK) return -1;
  *state = comm;
  return 0;
}

static int nn_test_close_comm(void **state) {
  nn_comm *comm = *state;
  nn_comm_close(&comm);
  return 0;
}

#endif
