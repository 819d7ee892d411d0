/* Runs a fuzzing target on the files that are named: the corpus as a test, or one input that failed. */
#include "fuzz.h"

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *bytes = NULL;
    size_t count = 0;
    if (nn_file_read(argv[i], (size_t)1 << 24, &bytes, &count) != NN_OK) {
      fprintf(stderr, "%s\n", nn_error_last()->message);
      return 1;
    }
    uint8_t *exact = malloc(count > 0 ? count : 1); /* no byte behind the end, for AddressSanitizer */
    if (exact == NULL) return 1;
    memcpy(exact, bytes, count);
    nn_free(bytes);
    fprintf(stderr, "%s\n", argv[i]);
    (void)LLVMFuzzerTestOneInput(exact, count);
    free(exact);
  }
  return 0;
}
