/* metrics.csv: a line per epoch, for `tail -f` and spreadsheets. Every figure has nine digits; history.h5 has them all.
 *
 * A column beyond the eight standard ones is there as soon as one row knows a value. That is nearly always decided by
 * the first row, so a line is appended; where a later row brings a new column, the file is written anew. */
#include "history/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct column {
  const char *name;
  size_t offset; /* of a double in nn_epoch_row */
} column;

#define HEADER "epoch,step,loss,accuracy,val_loss,val_accuracy,lr,seconds"

static const column extras[] = {
    {"top_k", offsetof(nn_epoch_row, train.top_k)},     {"mae", offsetof(nn_epoch_row, train.mae)},
    {"rmse", offsetof(nn_epoch_row, train.rmse)},       {"r2", offsetof(nn_epoch_row, train.r2)},
    {"val_top_k", offsetof(nn_epoch_row, valid.top_k)}, {"val_mae", offsetof(nn_epoch_row, valid.mae)},
    {"val_rmse", offsetof(nn_epoch_row, valid.rmse)},   {"val_r2", offsetof(nn_epoch_row, valid.r2)},
};
enum { EXTRAS = sizeof extras / sizeof *extras };

static double value_of(const nn_epoch_row *row, const column *c) {
  return *(const double *)(const void *)((const char *)row + c->offset);
}

/* Bit c is set where one of the first `count` rows knows extra column c. */
static unsigned known_extras(const nn_history *history, size_t count) {
  unsigned known = 0;
  for (size_t i = 0; i < count; i++)
    for (unsigned c = 0; c < EXTRAS; c++)
      if (!isnan(value_of(&history->epochs[i], &extras[c]))) known |= 1u << c;
  return known;
}

/* A comma and the number, with a point whatever the locale; nothing behind the comma for NaN. */
static void add_number(nn_text *out, const char *format, double value) {
  char number[64] = "";
  if (!isnan(value)) snprintf(number, sizeof number, format, value);
  const char *point = localeconv()->decimal_point, *at = strstr(number, point);
  if (at == NULL)
    nn_text_add(out, ",%s", number);
  else
    nn_text_add(out, ",%.*s.%s", (int)(at - number), number, at + strlen(point));
}

static void add_header(nn_text *out, unsigned known) {
  nn_text_add(out, HEADER);
  for (unsigned c = 0; c < EXTRAS; c++)
    if (known & 1u << c) nn_text_add(out, ",%s", extras[c].name);
  nn_text_add(out, "\n");
}

static void add_row(nn_text *out, const nn_epoch_row *row, unsigned known) {
  nn_text_add(out, "%" PRIu64 ",%" PRIu64, row->epoch, row->step);
  add_number(out, "%.9g", row->train.loss);
  add_number(out, "%.9g", row->train.accuracy);
  add_number(out, "%.9g", row->valid.loss);
  add_number(out, "%.9g", row->valid.accuracy);
  add_number(out, "%.9g", row->lr);
  add_number(out, "%.6g", row->seconds);
  for (unsigned c = 0; c < EXTRAS; c++)
    if (known & 1u << c) add_number(out, "%.9g", value_of(row, &extras[c]));
  nn_text_add(out, "\n");
}

nn_status nn_history_csv_rewrite(const nn_history *history, const char *path) {
  nn_text text = {0};
  const unsigned known = known_extras(history, history->epoch_count);
  if (history->epoch_count > 0) add_header(&text, known);
  for (size_t i = 0; i < history->epoch_count; i++) add_row(&text, &history->epochs[i], known);
  nn_status status = nn_text_status(&text);
  const nn_bytes bytes = {text.at, text.length};
  if (status == NN_OK) status = nn_file_replace(path, &bytes, 1);
  nn_text_clear(&text);
  return status;
}

/* All in one write(), so that a reader never sees half a line; what a full disk took of it is taken back. */
static nn_status append(int file, const char *path, const nn_text *text, off_t size) {
  ssize_t done;
  do {
    done = write(file, text->at, text->length);
  } while (done < 0 && errno == EINTR);
  if (done == (ssize_t)text->length) return NN_OK;
  const int why = done < 0 ? errno : ENOSPC;
  if (done > 0 && ftruncate(file, size) != 0) {
    /* nothing more can be done; the file is written anew when the run is continued */
  }
  return NN_FAIL(NN_ERR_IO, "%s: cannot be written: %s", path, strerror(why));
}

nn_status nn_history_csv_append(const nn_history *history, const char *path) {
  const size_t count = history->epoch_count;
  if (count == 0) return NN_OK;
  const unsigned known = known_extras(history, count);
  struct stat about;
  const int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return NN_FAIL(NN_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
  nn_text text = {0};
  nn_status status = NN_OK;
  if (fstat(file, &about) != 0) {
    status = NN_FAIL(NN_ERR_IO, "%s: cannot be looked at: %s", path, strerror(errno));
    goto done;
  }
  /* a file that does not hold just the rows before this one, in these columns, is not one to append to */
  const bool fits = (count == 1) == (about.st_size == 0) && (count == 1 || known_extras(history, count - 1) == known);
  if (!fits) {
    status = nn_history_csv_rewrite(history, path);
    goto done;
  }
  if (count == 1) add_header(&text, known);
  add_row(&text, &history->epochs[count - 1], known);
  NN_TRY_DONE(nn_text_status(&text));
  status = append(file, path, &text, about.st_size);
done:
  nn_text_clear(&text);
  close(file);
  return status;
}
