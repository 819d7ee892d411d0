/* The checkpoints of a run folder: their names, the newest, the superfluous. */
#include "checkpoint/internal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

nn_status nn_checkpoint_path(const char *run_folder, uint64_t step, char **out) {
  return nn_string_format(out, "%s/checkpoints/step-%09" PRIu64 ".h5", run_folder, step);
}

/* ---- listing --------------------------------------------------------------------------------------------- */

typedef struct listing {
  size_t count, capacity;
  uint64_t *steps; /* highest first */
} listing;

/* "step-<at least nine digits>.h5", as nn_checkpoint_path() writes it. */
static bool parse_name(const char *name, uint64_t *step) {
  char again[64];
  if (strncmp(name, "step-", 5) != 0) return false;
  errno = 0;
  *step = strtoull(name + 5, NULL, 10);
  snprintf(again, sizeof again, "step-%09" PRIu64 ".h5", *step);
  return errno == 0 && strcmp(name, again) == 0;
}

static int higher_first(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x < y) - (x > y);
}

static nn_status listing_add(listing *l, uint64_t step) {
  if (l->count == l->capacity) {
    void *memory = NULL;
    const size_t capacity = l->capacity == 0 ? 16 : 2 * l->capacity;
    NN_TRY(nn_alloc(capacity, sizeof *l->steps, "the list of checkpoints", &memory));
    if (l->count > 0) memcpy(memory, l->steps, l->count * sizeof *l->steps);
    nn_free(l->steps);
    l->steps = memory;
    l->capacity = capacity;
  }
  l->steps[l->count++] = step;
  return NN_OK;
}

/* A folder that does not exist has none. */
static nn_status list(const char *run_folder, listing *l) {
  char *folder = NULL;
  DIR *directory = NULL;
  nn_status status = nn_string_format(&folder, "%s/checkpoints", run_folder);
  if (status != NN_OK) return status;
  directory = opendir(folder);
  if (directory == NULL) {
    if (errno != ENOENT) status = NN_FAIL(NN_ERR_IO, "%s: cannot be listed: %s", folder, strerror(errno));
    goto done;
  }
  for (;;) {
    uint64_t step = 0;
    errno = 0;
    const struct dirent *entry = readdir(directory);
    if (entry == NULL) {
      if (errno != 0) status = NN_FAIL(NN_ERR_IO, "%s: cannot be listed: %s", folder, strerror(errno));
      break;
    }
    if (parse_name(entry->d_name, &step)) NN_TRY_DONE(listing_add(l, step));
  }
  if (l->count > 1) qsort(l->steps, l->count, sizeof *l->steps, higher_first);
done:
  if (directory != NULL) closedir(directory);
  nn_free(folder);
  return status;
}

/* ---- the newest --------------------------------------------------------------------------------------------- */

/* The error slot says why. A damaged one keeps its name in front: for whoever wants to look at it. */
static nn_status put_aside(const char *path, nn_text *report) {
  char *aside = NULL;
  NN_TRY(nn_string_format(&aside, "%s.damaged", path));
  nn_text_add(report, "%s%s", report->length > 0 ? "\n" : "", nn_error_last()->message);
  if (rename(path, aside) == 0)
    nn_text_add(report, "; renamed to %s", aside);
  else
    nn_text_add(report, "; passed over (it cannot be renamed: %s)", strerror(errno));
  nn_free(aside);
  return nn_text_status(report);
}

static nn_status try_open(const char *path, nn_text *report, nn_checkpoint **out) {
  void *image = NULL;
  size_t bytes = 0;
  nn_status status = nn_h5_load_checked(path, NN_ERR_CHECKPOINT, &image, &bytes);
  if (status == NN_ERR_CHECKPOINT) return put_aside(path, report);
  /* whole, but not for us (another format, say): that is for the user to decide, not to be passed over */
  if (status == NN_OK) status = nn__checkpoint_from_image(path, image, bytes, out);
  nn_free(image);
  return status;
}

nn_status nn_checkpoint_newest(const char *run_folder, nn_text *report, nn_checkpoint **out) {
  listing l = {0};
  nn_checkpoint *found = NULL;
  nn_status status = list(run_folder, &l);
  for (size_t i = 0; i < l.count && found == NULL && status == NN_OK; i++) {
    char *path = NULL;
    status = nn_checkpoint_path(run_folder, l.steps[i], &path);
    if (status == NN_OK) status = try_open(path, report, &found);
    nn_free(path);
  }
  if (report->length > 0 && found != NULL)
    nn_text_add(report, "\nthe one before is continued, of step %" PRIu64, found->progress.step);
  else if (report->length > 0)
    nn_text_add(report, "\nno checkpoint is left: the run begins anew");
  nn_free(l.steps);
  if (status == NN_OK) status = nn_text_status(report);
  if (status == NN_OK)
    *out = found;
  else
    nn_checkpoint_close(&found);
  return status;
}

nn_status nn_checkpoint_prune(const char *run_folder, size_t keep) {
  listing l = {0};
  NN_ASSERT(keep >= 1);
  nn_status status = list(run_folder, &l);
  for (size_t i = keep; i < l.count && status == NN_OK; i++) {
    char *path = NULL;
    status = nn_checkpoint_path(run_folder, l.steps[i], &path);
    if (status == NN_OK && unlink(path) != 0 && errno != ENOENT)
      status = NN_FAIL(NN_ERR_IO, "%s: an old checkpoint cannot be removed: %s", path, strerror(errno));
    nn_free(path);
  }
  nn_free(l.steps);
  return status;
}
