/* What the files of the checkpoint module share. */
#ifndef NNMPI_CHECKPOINT_INTERNAL_H
#define NNMPI_CHECKPOINT_INTERNAL_H

#include "nnmpi/checkpoint.h"

#define NN__CHECKPOINT_FORMAT "nnmpi checkpoint"

enum {
  NN__CHECKPOINT_VERSION = 1,
  NN__TEXT_MAX = 16 << 20,   /* bytes of the configuration, or of the signature */
  NN__CLASSES_MAX = 1 << 20, /* names of classes */
  NN__NAME_MAX = 256         /* bytes of the name of a tensor's dataset */
};

struct nn_checkpoint {
  nn_h5_file *file;
  char *path;
  char *config, *signature;
  nn_progress_state progress;
  int virtual_ranks;
  uint64_t data_digest;
  nn_normalizer normalizer;
  nn_shape shape;
  nn_target_info target;
};

/* ---- reading (open.c) -------------------------------------------------------------------------------- */

/** From the bytes of a file whose trailer was checked. */
nn_status nn__checkpoint_from_image(const char *path, const void *image, size_t bytes, nn_checkpoint **out);

/** Root attribute `format` of an open file, "" where there is none; for nn_free(). */
nn_status nn__checkpoint_format(nn_h5_file *file, char **out);

/* ---- tensors (restore.c) ------------------------------------------------------------------------------ */

/** "[256, 784]"; `buffer` needs 64 bytes; returns it. */
char *nn__dims_text(int rank, const uint64_t *dims, char buffer[64]);

/* ---- texts for people (inspect*.c) -------------------------------------------------------------------- */

/** A number with `digits` significant digits, "-1.767"; `buffer` needs 32 bytes; returns it. */
char *nn__short_real(double value, int digits, char buffer[32]);

nn_status nn__inspect_checkpoint(const char *path, nn_text *out);
nn_status nn__inspect_dataset(nn_h5_file *file, nn_text *out);
nn_status nn__inspect_history(nn_h5_file *file, nn_text *out);

#endif
