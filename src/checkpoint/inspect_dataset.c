/* A data set in words: shapes, ranges, classes. */
#include "checkpoint/internal.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
  PIECE_BYTES = 4 << 20,  /* read at a time */
  LOOK_BYTES = 256 << 20, /* of a dataset at most: more would take long */
  CLASSES_COUNTED = 1000, /* labels 0 … 999 */
  CLASSES_SHOWN = 20
};

typedef struct tour {
  nn_h5_file *file;
  nn_text *out;
  int name_width, shape_width;
  bool measuring;
  char **names; /* of the classes; NULL: none */
  size_t name_count;
} tour;

/* What was seen of the values of one dataset. */
typedef struct seen {
  double low, high;
  uint64_t values, broken; /* read; NaN or infinite */
  bool labels;             /* all of them integers in 0 … CLASSES_COUNTED − 1 */
  uint64_t counts[CLASSES_COUNTED];
} seen;

#define LOOK(ctype)                                                                                                    \
  for (size_t i = 0; i < count; i++) note(s, (double)((const ctype *)values)[i])

static void note(seen *s, double value) {
  s->values++;
  if (!isfinite(value)) {
    s->broken++;
    return;
  }
  s->low = value < s->low ? value : s->low;
  s->high = value > s->high ? value : s->high;
  if (value >= 0 && value < CLASSES_COUNTED)
    s->counts[(size_t)value]++;
  else
    s->labels = false;
}

static void look(seen *s, nn_h5_type type, size_t count, const void *values) {
  switch (type) {
  case NN_H5_U8:
    LOOK(uint8_t);
    break;
  case NN_H5_I8:
    LOOK(int8_t);
    break;
  case NN_H5_U16:
    LOOK(uint16_t);
    break;
  case NN_H5_I16:
    LOOK(int16_t);
    break;
  case NN_H5_U32:
    LOOK(uint32_t);
    break;
  case NN_H5_I32:
    LOOK(int32_t);
    break;
  case NN_H5_U64:
    LOOK(uint64_t);
    break;
  case NN_H5_I64:
    LOOK(int64_t);
    break;
  case NN_H5_F32:
    LOOK(float);
    break;
  case NN_H5_F64:
    LOOK(double);
    break;
  case NN_H5_TEXT:
    break;
  }
}

static uint64_t bytes_of_row(const nn_h5_info *info) {
  uint64_t bytes = nn_h5_type_size(info->type);
  for (int i = 1; i < info->rank; i++) bytes *= info->dims[i];
  return bytes;
}

static nn_status look_at_all(nn_h5_file *file, const char *name, const nn_h5_info *info, seen *s) {
  const uint64_t rows = info->rank > 0 ? info->dims[0] : 1, row = bytes_of_row(info);
  const uint64_t piece = row < PIECE_BYTES ? PIECE_BYTES / row : 1;
  void *values = NULL;
  NN_TRY(nn_alloc((size_t)(piece < rows ? piece : rows), (size_t)row, name, &values));
  nn_status status = NN_OK;
  for (uint64_t first = 0; first < rows && status == NN_OK; first += piece) {
    const uint64_t count = rows - first < piece ? rows - first : piece;
    status = nn_h5_read_rows(file, name, first, count, values);
    if (status == NN_OK) look(s, info->type, (size_t)(count * row / nn_h5_type_size(info->type)), values);
  }
  nn_free(values);
  return status;
}

/* "y" and "train/y": labels are what follows the samples. */
static bool is_target(const char *name) {
  const size_t length = strlen(name);
  return strcmp(name, "y") == 0 || (length > 2 && strcmp(name + length - 2, "/y") == 0);
}

/* Letters of UTF-8 text: the bytes that do not continue one. */
static size_t letters(const char *text) {
  size_t count = 0;
  for (; *text != '\0'; text++) count += (*text & 0xc0) != 0x80;
  return count;
}

static void add_class_name(const tour *t, size_t k, size_t longest, nn_text *out) {
  if (t->name_count == 0) return;
  const size_t before = out->length;
  nn_text_add(out, "  ");
  if (k < t->name_count) nn_text_add_escaped(out, t->names[k]);
  if (out->at == NULL || out->out_of_memory) return;
  const size_t used = letters(out->at + before) - 2;
  if (used < longest) nn_text_add(out, "%*s", (int)(longest - used), "");
}

/* "33.3", with a point under any locale. */
static char *share(uint64_t count, uint64_t of, char buffer[32]) {
  const uint64_t tenths = (2000 * count + of) / (2 * (of > 0 ? of : 1)); /* rounded: fewer than 2^50 labels */
  snprintf(buffer, 32, "%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
  return buffer;
}

static void add_classes(const tour *t, const seen *s, nn_text *out) {
  char number[32];
  const size_t classes = (size_t)s->high + 1;
  size_t longest = 0;
  for (size_t k = 0; k < classes && k < t->name_count; k++) {
    const size_t length = letters(t->names[k]);
    if (length > longest && length < 40) longest = length;
  }
  nn_text_add(out, "; %zu class%s\n", classes, classes == 1 ? "" : "es");
  for (size_t k = 0; k < classes && k < CLASSES_SHOWN; k++) {
    nn_text_add(out, "    %4zu", k);
    add_class_name(t, k, longest, out);
    nn_text_add(out, "  %10" PRIu64 "  %5s %%\n", s->counts[k], share(s->counts[k], s->values, number));
  }
  if (classes > CLASSES_SHOWN) nn_text_add(out, "    and %zu more\n", classes - CLASSES_SHOWN);
}

static nn_status add_numbers(tour *t, const char *name, const nn_h5_info *info) {
  char low[32], high[32];
  uint64_t elements = 1;
  for (int i = 0; i < info->rank; i++) elements *= info->dims[i];
  if (elements == 0) {
    nn_text_add(t->out, "  empty\n");
    return NN_OK;
  }
  if (elements * nn_h5_type_size(info->type) > LOOK_BYTES) {
    nn_text_add(t->out, "  (too large to look at its values here)\n");
    return NN_OK;
  }
  void *memory = NULL;
  NN_TRY(nn_alloc(1, sizeof(seen), "counts of classes", &memory));
  seen *s = memory;
  s->low = INFINITY;
  s->high = -INFINITY;
  s->labels = info->type != NN_H5_F32 && info->type != NN_H5_F64 && elements == info->dims[0];
  const nn_status status = look_at_all(t->file, name, info, s);
  if (status == NN_OK) {
    nn_text_add(t->out, "  ");
    if (s->values > s->broken) {
      const int digits = info->type == NN_H5_F32 ? 7 : 16;
      nn_text_add(t->out, "%s … %s", nn__short_real(s->low, digits, low), nn__short_real(s->high, digits, high));
    }
    if (s->broken > 0) nn_text_add(t->out, ", %" PRIu64 " NaN or infinite", s->broken);
    if (s->labels && s->broken == 0 && is_target(name))
      add_classes(t, s, t->out);
    else
      nn_text_add(t->out, "\n");
  }
  nn_free(s);
  return status;
}

static nn_status add_texts(tour *t, const char *name) {
  enum { SHOWN = 12, LIMIT = 1 << 16 };
  char **texts = NULL;
  size_t count = 0;
  if (nn_h5_read_texts(t->file, name, LIMIT, &texts, &count) != NN_OK) { /* too long to be names */
    nn_text_add(t->out, "\n");
    return NN_OK;
  }
  for (size_t i = 0; i < count && i < SHOWN; i++) {
    nn_text_add(t->out, i > 0 ? ", " : "  ");
    nn_text_add_escaped(t->out, texts[i]);
  }
  nn_text_add(t->out, count > SHOWN ? ", …\n" : "\n");
  nn_h5_texts_free(&texts, count);
  return NN_OK;
}

static nn_status visit(void *context, const char *name, const nn_h5_info *info) {
  tour *t = context;
  char dims[64];
  nn__dims_text(info->rank, info->dims, dims);
  if (t->measuring) {
    t->name_width = (int)strlen(name) > t->name_width ? (int)strlen(name) : t->name_width;
    t->shape_width = (int)strlen(dims) > t->shape_width ? (int)strlen(dims) : t->shape_width;
    return NN_OK;
  }
  const size_t before = t->out->length;
  nn_text_add(t->out, "  ");
  nn_text_add_escaped(t->out, name);
  nn_text_add(t->out, "%*s  %-*s  %-7s", t->name_width + 2 - (int)(t->out->length - before), "", t->shape_width, dims,
              nn_h5_type_name(info->type));
  return info->type == NN_H5_TEXT ? add_texts(t, name) : add_numbers(t, name, info);
}

nn_status nn__inspect_dataset(nn_h5_file *file, nn_text *out) {
  tour t = {.file = file, .out = out, .measuring = true};
  nn_text refused = {0};
  nn_status status = NN_OK;
  if (nn_h5_has(file, "class_names") &&
      nn_h5_read_texts(file, "class_names", NN__CLASSES_MAX, &t.names, &t.name_count) != NN_OK) {
    t.names = NULL; /* whatever it is, the row of its dataset will show it */
    t.name_count = 0;
  }
  NN_TRY_DONE(nn_h5_each(file, "/", visit, &t));
  t.measuring = false;
  NN_TRY_DONE(nn_h5_each(file, "/", visit, &t));
  NN_TRY_DONE(nn_h5_refused(file, &refused));
  if (refused.length > 0) nn_text_add(out, "not readable:\n");
  for (const char *at = refused.at; at != NULL && *at != '\0'; at += strcspn(at, "\n") + 1)
    nn_text_add(out, "  %.*s\n", (int)strcspn(at, "\n"), at);
  status = nn_text_status(out);
done:
  nn_text_clear(&refused);
  nn_h5_texts_free(&t.names, t.name_count);
  return status;
}
