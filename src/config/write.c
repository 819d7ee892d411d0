/* The canonical text of a configuration: every key with its value, sections as blocks, all else in one line each. */
#include "config/internal.h"

#include <string.h>
#include <strings.h>

/* ---- texts ------------------------------------------------------------------------------------------ */

static bool is_plain_byte(char c, bool first) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/') return true;
  return !first && ((c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+');
}

/* Words that some YAML reader takes for a boolean or null. */
static bool is_plain(const char *text) {
  static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  const bool relative = strncmp(text, "./", 2) == 0 || strncmp(text, "../", 3) == 0;
  for (const char *at = text; *at != '\0'; at++)
    if (!is_plain_byte(*at, at == text && !relative)) return false;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcasecmp(text, words[i]) == 0) return false;
  return text[0] != '\0';
}

/* What YAML would not give back as it is, is escaped by its number. */
static void write_quoted(nn_text *out, const char *text) {
  const size_t length = strlen(text);
  nn_text_add_bytes(out, "\"", 1);
  for (size_t i = 0, bytes = 1; i < length; i += bytes) {
    const int32_t c = nn__utf8_next(text + i, length - i, &bytes);
    const bool breaks = c == '\n' || c == '\r' || c == '\t' || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (c == '"' || c == '\\')
      nn_text_add(out, "\\%c", (char)c);
    else if (c < 0) /* cannot come out of a text that was read */
      nn_text_add_bytes(out, "?", 1);
    else if (breaks || !nn__is_yaml_character(c))
      nn_text_add(out, c > 0xffff ? "\\U%08X" : "\\u%04X", (unsigned)c);
    else
      nn_text_add_bytes(out, text + i, bytes);
  }
  nn_text_add_bytes(out, "\"", 1);
}

void nn__text_write(nn_text *out, const char *text) {
  if (is_plain(text))
    nn_text_add(out, "%s", text);
  else
    write_quoted(out, text);
}

/* ---- values ------------------------------------------------------------------------------------------ */

static void write_tensor(nn_text *out, const nn_tensor *tensor, int level, const double **at) {
  char number[32];
  if (level == tensor->rank || level == NN_TENSOR_RANK_MAX) {
    nn_text_add(out, "%s", nn_format_real(*(*at)++, number));
    return;
  }
  nn_text_add_bytes(out, "[", 1);
  for (size_t i = 0; i < tensor->dims[level]; i++) {
    if (i > 0) nn_text_add_bytes(out, ", ", 2);
    write_tensor(out, tensor, level + 1, at);
  }
  nn_text_add_bytes(out, "]", 1);
}

/* "weight_ih_l0: [[1, 2]], bias_ih_l0: [0]"; returns how many. */
static size_t write_tensors(nn_text *out, const nn_tensors *tensors, size_t count) {
  for (size_t i = 0; i < tensors->count; i++) {
    const double *at = tensors->at[i].at;
    if (count++ > 0) nn_text_add_bytes(out, ", ", 2);
    nn__text_write(out, tensors->names[i]);
    nn_text_add_bytes(out, ": ", 2);
    write_tensor(out, &tensors->at[i], 0, &at);
  }
  return count;
}

/* "lr: 0.1, momentum: 0": what is given; returns how many. */
static size_t write_options(nn_text *out, const nn_schema *schema, const void *object, size_t count) {
  for (const nn_key *key = schema->keys; key != NULL && key->name != NULL; key++) {
    const void *member = nn__member_const(key, object);
    if (!nn__member_given(key, member)) continue;
    if (key->type == NN_KEY_TENSORS) {
      count = write_tensors(out, member, count);
      continue;
    }
    nn_text_add(out, "%s%s: ", count++ > 0 ? ", " : "", key->name);
    nn__value_write(out, key, member);
  }
  return count;
}

/* `relu` or `{name: sgd, lr: 0.1}`. */
static void write_choice(nn_text *out, const nn_choice *choice) {
  nn_text options = {0};
  if (write_options(&options, choice->schema, choice->options, 1) == 1) {
    nn_text_add(out, "%s", choice->schema->name);
  } else {
    nn_text_add(out, "{name: %s", choice->schema->name);
    nn_text_add_bytes(out, options.at, options.length);
    nn_text_add_bytes(out, "}", 1);
  }
  out->out_of_memory |= options.out_of_memory;
  nn_text_clear(&options);
}

/* `relu` or `{dense: {units: 256}}`. */
static void write_listed(nn_text *out, const nn_choice *choice) {
  nn_text options = {0};
  if (write_options(&options, choice->schema, choice->options, 0) == 0) {
    nn_text_add(out, "%s", choice->schema->name);
  } else {
    nn_text_add(out, "{%s: {", choice->schema->name);
    nn_text_add_bytes(out, options.at, options.length);
    nn_text_add_bytes(out, "}}", 2);
  }
  out->out_of_memory |= options.out_of_memory;
  nn_text_clear(&options);
}

static void write_list(nn_text *out, const nn_key *key, const void *member) {
  const nn_ints *ints = member;
  const nn_texts *texts = member;
  const nn_choices *choices = member;
  const size_t count = key->type == NN_KEY_INTS    ? ints->count
                       : key->type == NN_KEY_TEXTS ? texts->count
                                                   : choices->count;
  nn_text_add_bytes(out, "[", 1);
  for (size_t i = 0; i < count; i++) {
    if (i > 0) nn_text_add_bytes(out, ", ", 2);
    if (key->type == NN_KEY_INTS)
      nn_text_add(out, "%lld", (long long)ints->at[i]);
    else if (key->type == NN_KEY_TEXTS)
      nn__text_write(out, texts->at[i]);
    else
      write_listed(out, &choices->at[i]);
  }
  nn_text_add_bytes(out, "]", 1);
}

void nn__value_write(nn_text *out, const nn_key *key, const void *member) {
  char number[32];
  const bool automatic = (key->flags & NN_KEY_AUTO) != 0;
  switch (key->type) {
  case NN_KEY_BOOL:
    nn_text_add(out, "%s", *(const bool *)member ? "true" : "false");
    break;
  case NN_KEY_INT:
    if (automatic && *(const int64_t *)member == NN_AUTO)
      nn_text_add(out, "auto");
    else
      nn_text_add(out, "%lld", (long long)*(const int64_t *)member);
    break;
  case NN_KEY_REAL:
    if (automatic && *(const double *)member < 0)
      nn_text_add(out, "auto");
    else
      nn_text_add(out, "%s", nn_format_real(*(const double *)member, number));
    break;
  case NN_KEY_TEXT:
    nn__text_write(out, *(char *const *)member);
    break;
  case NN_KEY_WORD:
    nn__text_write(out, key->words[*(const int *)member]);
    break;
  case NN_KEY_INTS:
  case NN_KEY_TEXTS:
  case NN_KEY_CHOICES:
    write_list(out, key, member);
    break;
  case NN_KEY_TENSOR: {
    const double *at = ((const nn_tensor *)member)->at;
    write_tensor(out, member, 0, &at);
    break;
  }
  case NN_KEY_TENSORS:
    nn_text_add_bytes(out, "{", 1);
    write_tensors(out, member, 0);
    nn_text_add_bytes(out, "}", 1);
    break;
  case NN_KEY_SECTION:
    nn_text_add_bytes(out, "{", 1);
    write_options(out, key->section, member, 0);
    nn_text_add_bytes(out, "}", 1);
    break;
  case NN_KEY_CHOICE:
    write_choice(out, member);
    break;
  }
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

bool nn__key_applies(const nn_schema *schema, const nn_key *key, const void *object) {
  for (size_t i = 0; i < NN__PAIR_COUNT; i++) {
    if (strcmp(nn__pairs[i].section, schema->name) != 0 || strcmp(nn__pairs[i].first, key->name) != 0) continue;
    const nn_key *second = nn__key_find(schema, nn__pairs[i].second);
    if (second != NULL && nn__member_given(second, nn__member_const(second, object))) return false;
  }
  return nn__member_given(key, nn__member_const(key, object));
}

static void write_section(nn_text *out, const nn_schema *schema, const void *object, int indent) {
  for (const nn_key *key = schema->keys; key->name != NULL; key++) {
    const void *member = nn__member_const(key, object);
    if (!nn__key_applies(schema, key, object)) continue;
    nn_text_add(out, "%*s%s:", indent, "", key->name);
    if (key->type == NN_KEY_SECTION) {
      nn_text_add(out, "\n");
      write_section(out, key->section, member, indent + 2);
    } else if (key->type == NN_KEY_CHOICES) { /* a line for each layer */
      const nn_choices *choices = member;
      nn_text_add(out, "\n");
      for (size_t i = 0; i < choices->count; i++) {
        nn_text_add(out, "%*s- ", indent + 2, "");
        write_listed(out, &choices->at[i]);
        nn_text_add(out, "\n");
      }
    } else {
      nn_text_add(out, " ");
      nn__value_write(out, key, member);
      nn_text_add(out, "\n");
    }
  }
}

nn_status nn_config_write(const nn_config *config, nn_text *out) {
  const size_t before = out->length;
  write_section(out, &nn__config_schema, config, 0);
  NN_TRY(nn_text_status(out));
  if (out->length - before > NN__TEXT_LIMIT)
    return NN_FAIL(NN_ERR_CONFIG,
                   "the configuration takes %zu bytes with all defaults written out, above %d; keep "
                   "arrays in an HDF5 file",
                   out->length - before, NN__TEXT_LIMIT);
  return NN_OK;
}
