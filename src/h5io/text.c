/* Strings: those of fixed length here, the others in heap.c. */
#include "h5io/h5io_internal.h"

#include <string.h>

enum { TOTAL_MAX = 256 << 20 /* bytes of all strings of one dataset */ };

/* Length of a fixed string without its padding. */
static size_t fixed_length(const char *text, size_t size, H5T_str_t padding) {
  if (padding == H5T_STR_SPACEPAD) {
    while (size > 0 && text[size - 1] == ' ') size--;
    return size;
  }
  return strnlen(text, size);
}

static nn_status read_fixed(const nn_h5_file *file, const char *name, hid_t dataset, hid_t type, const nn_h5_info *info,
                            size_t text_limit, char **texts) {
  const size_t count = (size_t)nn__h5_elements(info), size = H5Tget_size(type);
  const H5T_str_t padding = H5Tget_strpad(type);
  size_t total = 0;
  void *bytes = NULL;
  if (size > text_limit + 1 || !nn_size_multiply(size, count, &total) || total > TOTAL_MAX)
    return nn__h5_fail(file, "dataset '%s' holds %zu texts of %zu bytes, which is too much", name, count, size);
  nn_status status = nn_alloc(count, size, name, &bytes);
  if (status != NN_OK) return status;
  if (nn__h5_filtered(dataset)) {
    NN_TRY_DONE(nn__h5_chunks_raw(file, name, dataset, info, size, bytes));
  } else if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) < 0) {
    status = nn__h5_fail(file, "dataset '%s' is damaged%s", name, nn__h5_words().at);
    goto done;
  }
  for (size_t i = 0; i < count; i++) {
    const char *text = (const char *)bytes + i * size;
    NN_TRY_DONE(nn_string_format(&texts[i], "%.*s", (int)fixed_length(text, size, padding), text));
  }
done:
  nn_free(bytes);
  return status;
}

nn_status nn__h5_dataset_texts(const nn_h5_file *file, const char *name, hid_t dataset, const nn_h5_info *info,
                               size_t text_limit, char **texts) {
  if (nn__h5_elements(info) == 0) return NN_OK;
  const hid_t type = H5Dget_type(dataset);
  if (type < 0) return nn__h5_fail(file, "dataset '%s' is damaged%s", name, nn__h5_words().at);
  const nn_status status = H5Tis_variable_str(type) > 0
                               ? nn__h5_variable_texts(file, name, dataset, info, text_limit, texts)
                               : read_fixed(file, name, dataset, type, info, text_limit, texts);
  H5Tclose(type);
  return status;
}

nn_status nn__h5_attribute_text(const nn_h5_file *file, const char *name, hid_t attribute, char **out) {
  const hid_t type = H5Aget_type(attribute);
  const size_t size = type >= 0 ? H5Tget_size(type) : 0;
  void *bytes = NULL;
  nn_status status = NN_OK;
  if (type < 0 || H5Tget_class(type) != H5T_STRING) {
    status = nn__h5_fail(file, "attribute '%s' is not a text", name);
  } else if (H5Tis_variable_str(type) > 0) {
    status = nn__h5_fail(file,
                         "attribute '%s' is a text of variable length, which is not read; write it with a fixed "
                         "length (in Python: numpy.bytes_)",
                         name);
  } else if (size > NN__H5_TEXT_MAX) {
    status = nn__h5_fail(file, "attribute '%s' is a text of %zu bytes, which is too much", name, size);
  } else if ((status = nn_alloc(size, 1, name, &bytes)) == NN_OK) {
    if (H5Aread(attribute, type, bytes) < 0)
      status = nn__h5_fail(file, "attribute '%s' is damaged%s", name, nn__h5_words().at);
    else
      status = nn_string_format(out, "%.*s", (int)fixed_length(bytes, size, H5Tget_strpad(type)), (const char *)bytes);
  }
  nn_free(bytes);
  if (type >= 0) H5Tclose(type);
  return status;
}

nn_status nn_h5_read_texts(nn_h5_file *file, const char *name, size_t limit, char ***out, size_t *count) {
  hid_t dataset = H5I_INVALID_HID;
  nn_h5_info info;
  void *memory = NULL;
  char **texts = NULL;
  size_t elements = 0;
  NN__H5_ENTER;
  nn_status status = nn__h5_dataset_open(file, name, &dataset, &info);
  if (status != NN_OK) return status;
  elements = (size_t)nn__h5_elements(&info);
  if (info.type != NN_H5_TEXT) {
    status = nn__h5_fail(file, "dataset '%s' holds %s; texts are needed", name, nn_h5_type_name(info.type));
    goto done;
  }
  if (elements > limit) {
    status = nn__h5_fail(file, "dataset '%s' has %zu texts; at most %zu are expected", name, elements, limit);
    goto done;
  }
  NN_TRY_DONE(nn_alloc(elements, sizeof *texts, name, &memory));
  texts = memory;
  NN_TRY_DONE(nn__h5_dataset_texts(file, name, dataset, &info, NN__H5_TEXT_MAX, texts));
  *out = texts;
  *count = elements;
  texts = NULL;
done:
  nn_h5_texts_free(&texts, elements);
  H5Oclose(dataset);
  return status;
}

void nn_h5_texts_free(char ***texts, size_t count) {
  if (texts == NULL || *texts == NULL) return;
  for (size_t i = 0; i < count; i++) nn_free((*texts)[i]);
  nn_free(*texts);
  *texts = NULL;
}

nn_status nn_h5_read_text(nn_h5_file *file, const char *name, size_t limit, char **out) {
  hid_t dataset = H5I_INVALID_HID;
  nn_h5_info info;
  char *text = NULL;
  NN__H5_ENTER;
  nn_status status = nn__h5_dataset_open(file, name, &dataset, &info);
  if (status != NN_OK) return status;
  if (info.type != NN_H5_TEXT || nn__h5_elements(&info) != 1) {
    status = nn__h5_fail(file, "dataset '%s' is not a single text", name);
    goto done;
  }
  NN_TRY_DONE(nn__h5_dataset_texts(file, name, dataset, &info, limit, &text));
  *out = text;
  text = NULL;
done:
  nn_free(text);
  H5Oclose(dataset);
  return status;
}
