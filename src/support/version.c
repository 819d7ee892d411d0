/* Only this file knows the commit, so that a new commit recompiles nothing else. */
#include "nnmpi/support.h"

#include "nnmpi_commit.h"

const char *nn_version(void) {
  return NNMPI_VERSION;
}

const char *nn_commit(void) {
  return NNMPI_COMMIT;
}
