/* Places, key paths, and the list of complaints that becomes one message. */
#include "config/internal.h"

#include <string.h>

/* ---- key paths ------------------------------------------------------------------------------- */

/* Length of the longest prefix of at most `limit` bytes that does not cut a UTF-8 character in two. */
static size_t whole_characters(const char *text, size_t length, size_t limit) {
  if (length <= limit) return length;
  size_t cut = limit;
  while (cut > 0 && ((unsigned char)text[cut] & 0xc0) == 0x80) cut--;
  return cut;
}

static void path_add(nn__path *path, const char *name) {
  enum { NAME_MAX_SHOWN = 64 };
  const size_t room = sizeof path->at - 1 - path->length;
  const size_t limit = room < NAME_MAX_SHOWN ? room : NAME_MAX_SHOWN;
  const size_t length = whole_characters(name, strlen(name), limit);
  for (size_t i = 0; i < length; i++) {
    const unsigned char byte = (unsigned char)name[i];
    path->at[path->length + i] = (char)(byte < 0x20 || byte == 0x7f ? '?' : byte);
  }
  path->length += length;
  path->at[path->length] = '\0';
}

size_t nn__path_push(nn__path *path, const char *name) {
  const size_t before = path->length;
  if (before > 0) path_add(path, ".");
  path_add(path, name);
  return before;
}

size_t nn__path_push_index(nn__path *path, size_t index) {
  char text[32];
  snprintf(text, sizeof text, "%zu", index);
  return nn__path_push(path, text);
}

void nn__path_pop(nn__path *path, size_t length) {
  path->length = length;
  path->at[length] = '\0';
}

char *nn__shown(const char *text, char buffer[NN__SHOWN_MAX]) {
  enum { ELLIPSIS = 3, QUOTES = 2 };
  const size_t length = strlen(text), limit = NN__SHOWN_MAX - 1 - ELLIPSIS - QUOTES;
  const size_t shown = whole_characters(text, length, limit);
  char *at = buffer;
  *at++ = '\'';
  for (size_t i = 0; i < shown; i++) {
    const unsigned char byte = (unsigned char)text[i];
    *at++ = (char)(byte < 0x20 || byte == 0x7f ? '?' : byte);
  }
  snprintf(at, ELLIPSIS + QUOTES, "%s'", shown < length ? "…" : "");
  return buffer;
}

/* ---- complaints ------------------------------------------------------------------------------ */

static int compare_marks(nn__mark a, nn__mark b) {
  if (a.source != b.source) return a.source < b.source ? -1 : 1;
  if (a.line != b.line) return a.line < b.line ? -1 : 1;
  return a.column < b.column ? -1 : a.column > b.column;
}

bool nn__errors_drop(const nn__errors *errors, nn__mark mark) {
  return errors->kept == NN__ERRORS_KEPT && compare_marks(mark, errors->at[errors->kept - 1].mark) >= 0;
}

/* "runs/a.yaml:3:7: " or "--set a.b=c: ". */
static void add_place(nn_text *line, const nn__errors *errors, nn__mark mark) {
  enum { SHOWN = 160 };
  const char *name = mark.source == 0 ? errors->file : errors->sets[mark.source - 1];
  const size_t length = strlen(name);
  if (mark.source == 0) { /* the end of a long path says more than its start */
    size_t skip = length > SHOWN ? length - SHOWN : 0;
    while (((unsigned char)name[skip] & 0xc0) == 0x80) skip++;
    nn_text_add(line, "%s%s:%d:%d: ", skip > 0 ? "…" : "", name + skip, mark.line, mark.column);
  } else {
    const size_t shown = whole_characters(name, length, SHOWN);
    nn_text_add(line, "--set %.*s%s: ", (int)shown, name, shown < length ? "…" : "");
  }
}

/* The key that a `--set` names need not be named twice. */
static bool path_is_known(const nn__errors *errors, nn__mark mark, const char *path) {
  if (path[0] == '\0') return true;
  if (mark.source == 0) return false;
  const char *set = errors->sets[mark.source - 1];
  const size_t length = strlen(path);
  return strncmp(set, path, length) == 0 && set[length] == '=';
}

void nn__complain(nn__errors *errors, nn__mark mark, const char *path, const char *format, ...) {
  errors->total++;
  if (nn__errors_drop(errors, mark)) return;
  nn_text line = {0};
  add_place(&line, errors, mark);
  if (!path_is_known(errors, mark, path)) nn_text_add(&line, "%s: ", path);
  char words[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  nn_text_add(&line, "%s", words);
  if (line.out_of_memory) {
    errors->out_of_memory = true;
    nn_text_clear(&line);
    return;
  }
  if (errors->kept == NN__ERRORS_KEPT) nn_text_clear(&errors->at[--errors->kept].line);
  size_t place = errors->kept++;
  for (; place > 0 && compare_marks(mark, errors->at[place - 1].mark) < 0; place--)
    errors->at[place] = errors->at[place - 1];
  errors->at[place].mark = mark;
  errors->at[place].line = line;
}

nn_status nn__errors_report(const nn__errors *errors) {
  enum { TAIL = 48 /* "\n… and 18446744073709551615 more" */ };
  if (errors->out_of_memory) return NN_FAIL(NN_ERR_MEMORY, "out of memory while checking the configuration");
  if (errors->total == 0) return NN_OK;
  char message[NN_ERROR_MAX];
  size_t used = 0, shown = 0;
  for (; shown < errors->kept; shown++) {
    const size_t needed = errors->at[shown].line.length + (shown > 0);
    const size_t room = sizeof message - 1 - used;
    const bool last = shown + 1 == errors->total;
    if (needed > room || (!last && needed + TAIL > room)) break;
    used += (size_t)snprintf(message + used, room + 1, "%s%s", shown > 0 ? "\n" : "", errors->at[shown].line.at);
  }
  if (shown < errors->total) snprintf(message + used, sizeof message - used, "\n… and %zu more", errors->total - shown);
  return NN_FAIL(NN_ERR_CONFIG, "%s", message);
}

void nn__errors_clear(nn__errors *errors) {
  for (size_t i = 0; i < errors->kept; i++) nn_text_clear(&errors->at[i].line);
  errors->kept = 0;
  errors->total = 0;
}
