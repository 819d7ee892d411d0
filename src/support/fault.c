/* The launcher's rank; failures on request, for tests of what one failing rank does to the others. */
#include "nnmpi/support.h"

#include <stdlib.h>
#include <string.h>

int nn_launcher_rank(void) {
  /* not SLURM_PROCID: a batch script has it too, without any launcher */
  static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = getenv(names[i]);
    if (value != NULL) return atoi(value);
  }
  return -1;
}

bool nn_fault(const char *point, uint64_t number) {
  const char *wish = getenv("NNMPI_FAULT");
  if (wish == NULL) return false;
  const size_t length = strlen(point);
  if (strncmp(wish, point, length) != 0) return false;
  wish += length;
  if (*wish == ':') {
    char *end = NULL;
    if (strtoull(wish + 1, &end, 10) != number) return false;
    wish = end;
  }
  const int rank = nn_launcher_rank();
  return *wish == '@' && atoi(wish + 1) == (rank < 0 ? 0 : rank);
}
