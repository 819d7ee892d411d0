/** @file tests/fuzz/fuzz.h
 *  What the fuzzing targets share. Each defines LLVMFuzzerTestOneInput(): linked with Clang's libFuzzer it gets new
 *  inputs, with replay.c the files that are named. */
#ifndef NN_TESTS_FUZZ_H
#define NN_TESTS_FUZZ_H

#include "nnmpi/support.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** A file in memory for one input. HDF5 asks for its real path, so it is no memfd. */
typedef struct fuzz_file {
  char path[64];
} fuzz_file;

static inline fuzz_file fuzz_file_make(const void *data, size_t size, const void *more, size_t more_size) {
  static unsigned made;
  fuzz_file file;
  snprintf(file.path, sizeof file.path, "/dev/shm/nnmpi-fuzz-%ld-%u", (long)getpid(), made++ % 16);
  const int fd = open(file.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, data, size) != (ssize_t)size || write(fd, more, more_size) != (ssize_t)more_size) abort();
  close(fd);
  return file;
}

static inline void fuzz_file_remove(const fuzz_file *file) {
  unlink(file->path);
}

/** What every failure owes: a message. */
static inline bool fuzz_failed(nn_status status) {
  if (status != NN_OK && nn_error_last()->message[0] == '\0') abort();
  if (status != NN_OK && getenv("NNMPI_FUZZ_SAY") != NULL) fprintf(stderr, "%s\n", nn_error_last()->message);
  return status != NN_OK;
}

#endif
