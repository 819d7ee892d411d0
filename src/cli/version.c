/* nnmpi --version. */
#include "cli.h"

nn_status nn__version_text(nn_text *out) {
  char mpi[96];
  nn_text_add(out, "nnmpi %s (commit %s)\n", nn_version(), nn_commit());
  nn_text_add(out, "%s\n%s\n", nn_comm_library_text(mpi), nn_h5_library());
  nn_text_add(out, "instruction set %s\n", nn_cpu_isa());
  return nn_text_status(out);
}
