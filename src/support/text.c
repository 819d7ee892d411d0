/* Growing text, and strings on the heap. */
#include "nnmpi/support.h"

#include <stdlib.h>
#include <string.h>

/* Room for `more` bytes and the zero behind them. */
static bool reserve(nn_text *text, size_t more) {
  if (text->out_of_memory) return false;
  const size_t needed = text->length + more + 1;
  if (needed <= text->capacity) return true;
  size_t capacity = text->capacity < 256 ? 256 : text->capacity;
  while (capacity < needed) capacity *= 2;
  char *grown = realloc(text->at, capacity);
  if (grown == NULL) {
    text->out_of_memory = true;
    return false;
  }
  text->at = grown;
  text->capacity = capacity;
  return true;
}

void nn_text_add_bytes(nn_text *text, const char *bytes, size_t count) {
  if (!reserve(text, count)) return;
  if (count > 0) memcpy(text->at + text->length, bytes, count);
  text->length += count;
  text->at[text->length] = '\0';
}

void nn_text_add(nn_text *text, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  NN_ASSERT(length >= 0);
  if (reserve(text, (size_t)length)) {
    vsnprintf(text->at + text->length, (size_t)length + 1, format, again);
    text->length += (size_t)length;
  }
  va_end(again);
}

nn_status nn_text_status(const nn_text *text) {
  if (text->out_of_memory)
    return NN_FAIL(NN_ERR_MEMORY, "out of memory while writing a text of %zu bytes", text->length);
  return NN_OK;
}

void nn_text_clear(nn_text *text) {
  free(text->at);
  *text = (nn_text){0};
}

void nn_text_add_escaped(nn_text *text, const char *string) {
  for (const char *at = string; *at != '\0'; at++) {
    const unsigned char byte = (unsigned char)*at;
    if (byte == '"' || byte == '\\')
      nn_text_add(text, "\\%c", byte);
    else if (byte == '\n')
      nn_text_add_bytes(text, "\\n", 2);
    else if (byte == '\t')
      nn_text_add_bytes(text, "\\t", 2);
    else if (byte < 0x20 || byte == 0x7f)
      nn_text_add(text, "\\u%04x", byte);
    else
      nn_text_add_bytes(text, at, 1);
  }
}

nn_status nn_string_copy(const char *string, char **out) {
  return nn_string_format(out, "%s", string);
}

nn_status nn_string_format(char **out, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  NN_ASSERT(length >= 0);
  void *memory = NULL;
  const nn_status status = nn_alloc((size_t)length + 1, 1, "a string", &memory);
  if (status == NN_OK) {
    vsnprintf(memory, (size_t)length + 1, format, again);
    *out = memory;
  }
  va_end(again);
  return status;
}
