/* `nnmpi inspect`: which kind of file it is, and what is in it. */
#include "checkpoint/internal.h"

#include <stdlib.h>
#include <string.h>

char *nn__short_real(double value, int digits, char buffer[32]) {
  char rounded[64]; /* written and read back under one locale, whichever it is */
  snprintf(rounded, sizeof rounded, "%.*e", digits - 1, value);
  return nn_format_real(strtod(rounded, NULL), buffer);
}

/* A file without our trailer that looks as if it had been a checkpoint: its tensors cannot be trusted. */
static nn_status refuse_half_checkpoint(nn_h5_file *file, const char *path) {
  if (!nn_h5_has(file, "parameters") || !nn_h5_has(file, "config") || !nn_h5_has(file, "signature")) return NN_OK;
  return NN_FAIL(NN_ERR_CHECKPOINT,
                 "%s: looks like a checkpoint, but does not end with nnmpi's checksum: it is damaged, or another "
                 "program has rewritten it",
                 path);
}

static nn_status inspect_ours(nn_h5_file *file, const char *path, const char *format, nn_text *out) {
  if (strcmp(format, NN__CHECKPOINT_FORMAT) == 0) return nn__inspect_checkpoint(path, out);
  if (strcmp(format, "nnmpi history") == 0) {
    nn_text_add(out, "%s: a history of nnmpi\n", path);
    return nn__inspect_history(file, out);
  }
  nn_text_add(out, "%s: %s\n", path, strcmp(format, "nnmpi predictions") == 0 ? "predictions of nnmpi" : "a data set");
  return nn__inspect_dataset(file, out);
}

nn_status nn_inspect(const char *path, nn_text *out) {
  nn_h5_file *file = NULL;
  char *format = NULL;
  bool trailed = false;
  NN_TRY(nn_h5_check(path, NN_ERR_CHECKPOINT, false, &trailed));
  nn_status status = nn_h5_open(path, NN_ERR_DATA, &file);
  if (status != NN_OK) return status;
  if (trailed) {
    NN_TRY_DONE(nn__checkpoint_format(file, &format));
    NN_TRY_DONE(inspect_ours(file, path, format, out));
  } else { /* a stranger's: its attributes are left alone (h5io.h) */
    NN_TRY_DONE(refuse_half_checkpoint(file, path));
    nn_text_add(out, "%s: a data set\n", path);
    NN_TRY_DONE(nn__inspect_dataset(file, out));
  }
  status = nn_text_status(out);
done:
  nn_free(format);
  nn_h5_close(&file);
  return status;
}
