/** @file empty_mpi.c
 *  A program that starts MPI, says so and ends: what starting takes at least. */
#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv) {
  int rank = 0;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0) {
    puts("started");
    fflush(stdout);
  }
  MPI_Finalize();
  return 0;
}
