/* libyaml's events → a tree of nodes with their places. The only file that includes <yaml.h>.
 *
 * Strict where YAML is generous: no anchors, aliases, tags, second documents, duplicate keys, and bounds on depth and
 * size. What is refused is complained about and reading goes on, so that one run reports all; only after a syntax error
 * it stops. */
#include "config/internal.h"

#include <string.h>
#include <yaml.h>

typedef struct reader {
  yaml_parser_t parser;
  nn__tree *tree;
  nn__errors *errors;
  size_t source;
  int depth;
  nn__path path;
  bool stopped; /* complained about something that ends the reading */
} reader;

static nn__mark mark_of(const reader *r, yaml_mark_t mark) {
  return (nn__mark){r->source, (int)mark.line + 1, (int)mark.column + 1};
}

/* ---- syntax errors ---------------------------------------------------------------------------- */

/* libyaml's words, and what usually helps. */
static const char *advice_for(const char *problem) {
  static const struct {
    const char *words, *advice;
  } table[] = {
      {"mapping values are not allowed", "check the indentation, and quote text that contains ': '"},
      {"did not find expected key", "check the indentation of this line and the ones above"},
      {"could not find expected ':'", "write a key as 'key: value', with a space behind the colon"},
      {"did not find expected ',' or ']'", "separate elements by commas and close the list with ']'"},
      {"did not find expected ',' or '}'", "separate keys by commas and close the mapping with '}'"},
      {"found unexpected end of stream", "close the quote or bracket that was opened"},
      {"cannot start any token", "quote text that begins with one of @ ` %"},
      {"block sequence entries are not allowed", "start the list on a line of its own, or write [a, b]"},
      {"did not find expected '-' indicator", "align the elements of the list"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strstr(problem, table[i].words) != NULL) return table[i].advice;
  return "correct the text here";
}

/* The byte at libyaml's index, which counts characters; `length` at the end of the text. */
static size_t byte_at(const char *text, size_t length, size_t character) {
  size_t at = 0;
  for (size_t bytes; at < length && character > 0; at += bytes, character--)
    (void)nn__utf8_next(text + at, length - at, &bytes);
  return at;
}

/* Behind the last character that is no white space: libyaml names a line that is not there. */
static nn__mark end_of_text(const reader *r, const char *text, size_t length) {
  nn__mark mark = {r->source, 1, 1};
  while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL) length--;
  for (size_t at = 0, bytes; at < length; at += bytes) {
    (void)nn__utf8_next(text + at, length - at, &bytes);
    mark.line += text[at] == '\n';
    mark.column = text[at] == '\n' ? 1 : mark.column + 1;
  }
  return mark;
}

static void complain_about_syntax(reader *r, const char *text, size_t length) {
  r->stopped = true;
  const yaml_parser_t *p = &r->parser;
  if (p->error == YAML_MEMORY_ERROR) {
    r->tree->out_of_memory = true;
    return;
  }
  const char *problem = p->problem != NULL ? p->problem : "unknown error";
  const char *path = r->source == 0 ? "" : r->path.at; /* libyaml reads ahead: the error may be in another key */
  const size_t byte = byte_at(text, length, p->problem_mark.index);
  const nn__mark mark = byte == length ? end_of_text(r, text, length) : mark_of(r, p->problem_mark);
  if (strstr(problem, "cannot start any token") != NULL && byte < length && text[byte] == '\t') {
    nn__complain(r->errors, mark, path, "a tab; use spaces");
    return;
  }
  char context[96] = "";
  if (p->context != NULL && p->context_mark.line != p->problem_mark.line && r->source == 0)
    snprintf(context, sizeof context, " (%.60s, line %zu)", p->context, p->context_mark.line + 1);
  nn__complain(r->errors, mark, path, "not valid YAML: %s%s; %s", problem, context, advice_for(problem));
}

/* ---- nodes --------------------------------------------------------------------------------------- */

static nn__node *read_node(reader *r, const yaml_event_t *event);

static void stop(reader *r, nn__mark mark, const char *what, int limit, const char *advice) {
  nn__complain(r->errors, mark, r->path.at, "more than %d %s; %s", limit, what, advice);
  r->stopped = true;
}

/* The next event; false where reading stops. The caller deletes it. */
static bool next_event(reader *r, yaml_event_t *event) {
  if (r->stopped || r->tree->out_of_memory) return false;
  if (!yaml_parser_parse(&r->parser, event)) {
    const char *text = (const char *)r->parser.input.string.start;
    complain_about_syntax(r, text, (size_t)((const char *)r->parser.input.string.end - text));
    return false;
  }
  return true;
}

/* Anchors and tags; true where there is none. */
static bool refuse_properties(reader *r, const yaml_event_t *event, const yaml_char_t *anchor, const yaml_char_t *tag) {
  char shown[NN__SHOWN_MAX];
  const nn__mark mark = mark_of(r, event->start_mark);
  if (anchor != NULL)
    nn__complain(r->errors, mark, r->path.at, "anchor %s is not supported; write the value where it is used",
                 nn__shown((const char *)anchor, shown));
  if (tag != NULL)
    nn__complain(r->errors, mark, r->path.at, "tag %s is not supported; remove it",
                 nn__shown((const char *)tag, shown));
  return anchor == NULL && tag == NULL;
}

static nn__node *read_scalar(reader *r, const yaml_event_t *event) {
  const nn__mark mark = mark_of(r, event->start_mark);
  const char *value = (const char *)event->data.scalar.value;
  const size_t length = event->data.scalar.length;
  if (!refuse_properties(r, event, event->data.scalar.anchor, event->data.scalar.tag))
    return nn__node_new(r->tree, NN__BROKEN, mark);
  if (memchr(value, '\0', length) != NULL) {
    nn__complain(r->errors, mark, r->path.at, "a text with a zero byte; remove \\0");
    return nn__node_new(r->tree, NN__BROKEN, mark);
  }
  const bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
  return nn__node_scalar(r->tree, value, length, quoted, mark);
}

static void read_items(reader *r, nn__node *list) {
  yaml_event_t event;
  while (next_event(r, &event)) {
    const bool end = event.type == YAML_SEQUENCE_END_EVENT;
    const size_t before = nn__path_push_index(&r->path, list->count);
    nn__node *item = end ? NULL : read_node(r, &event);
    yaml_event_delete(&event);
    nn__path_pop(&r->path, before);
    if (item == NULL || !nn__node_append(r->tree, list, item)) return;
  }
}

/* The key's text; NULL where there is a complaint. */
static const char *read_key(reader *r, const yaml_event_t *event) {
  const nn__node *key = read_node(r, event);
  if (key == NULL || key->type == NN__BROKEN) return NULL;
  if (key->type != NN__SCALAR) {
    nn__complain(r->errors, key->mark, r->path.at, "a key must be a word, found %s; write 'key: value'",
                 nn__node_words(key));
    return NULL;
  }
  if (key->as.text[0] == '\0') {
    nn__complain(r->errors, key->mark, r->path.at, "a key without a name; write 'key: value'");
    return NULL;
  }
  return key->as.text;
}

static bool put_value(reader *r, nn__node *map, const char *key, nn__mark mark, nn__node *value) {
  const nn__entry *first = nn__node_entry(map, key);
  if (first == NULL) return nn__node_put(r->tree, map, key, mark, value);
  const size_t before = nn__path_push(&r->path, key);
  nn__complain(r->errors, mark, r->path.at, "given twice, first at line %d; remove one of them", first->mark.line);
  nn__path_pop(&r->path, before);
  return true;
}

static void read_entries(reader *r, nn__node *map) {
  yaml_event_t event;
  while (next_event(r, &event)) {
    const bool end = event.type == YAML_MAPPING_END_EVENT;
    const nn__mark mark = mark_of(r, event.start_mark);
    const char *key = end ? NULL : read_key(r, &event);
    yaml_event_delete(&event);
    if (end || !next_event(r, &event)) return;
    const size_t before = key != NULL ? nn__path_push(&r->path, key) : r->path.length;
    nn__node *value = read_node(r, &event);
    yaml_event_delete(&event);
    nn__path_pop(&r->path, before);
    if (value == NULL) return;
    if (key != NULL && !put_value(r, map, key, mark, value)) return;
    if (map->count > NN__MAP_LIMIT) {
      stop(r, mark, "keys in one mapping", NN__MAP_LIMIT, "no section has so many");
      return;
    }
  }
}

/* A list or a mapping, with everything inside. */
static nn__node *read_collection(reader *r, const yaml_event_t *event) {
  const nn__mark mark = mark_of(r, event->start_mark);
  const bool list = event->type == YAML_SEQUENCE_START_EVENT;
  if (r->depth == NN__DEPTH_LIMIT) {
    stop(r, mark, "levels of nesting", NN__DEPTH_LIMIT, "no key needs so many");
    return NULL;
  }
  refuse_properties(r, event, list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor,
                    list ? event->data.sequence_start.tag : event->data.mapping_start.tag);
  nn__node *node = nn__node_new(r->tree, list ? NN__LIST : NN__MAP, mark);
  if (node == NULL) return NULL;
  r->depth++;
  if (list)
    read_items(r, node);
  else
    read_entries(r, node);
  r->depth--;
  return node;
}

/* The node that begins with `event`; NULL where reading stops. */
static nn__node *read_node(reader *r, const yaml_event_t *event) {
  const nn__mark mark = mark_of(r, event->start_mark);
  if (r->tree->nodes >= NN__NODE_LIMIT) {
    stop(r, mark, "values", NN__NODE_LIMIT, "keep arrays in an HDF5 file");
    return NULL;
  }
  char shown[NN__SHOWN_MAX];
  switch (event->type) {
  case YAML_SCALAR_EVENT:
    return read_scalar(r, event);
  case YAML_SEQUENCE_START_EVENT:
  case YAML_MAPPING_START_EVENT:
    return read_collection(r, event);
  case YAML_ALIAS_EVENT:
    nn__complain(r->errors, mark, r->path.at, "alias %s is not supported; write the value here",
                 nn__shown((const char *)event->data.alias.anchor, shown));
    return nn__node_new(r->tree, NN__BROKEN, mark);
  default:
    NN_ASSERT(false); /* libyaml sends no other event here */
    return NULL;
  }
}

/* Everything between the start and the end of the stream. */
static nn__node *read_document(reader *r) {
  yaml_event_t event;
  nn__node *root = NULL;
  bool done = false;
  for (int documents = 0; !done && next_event(r, &event);) {
    const nn__mark mark = mark_of(r, event.start_mark);
    switch (event.type) {
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
      break;
    case YAML_DOCUMENT_START_EVENT:
      if (++documents > 1) {
        nn__complain(r->errors, mark, r->path.at, "a second document begins here; keep one, without '---'");
        r->stopped = true;
      }
      break;
    case YAML_STREAM_END_EVENT:
      done = true;
      break;
    default:
      root = read_node(r, &event);
    }
    yaml_event_delete(&event);
  }
  return root;
}

nn_status nn__yaml_read(nn__tree *tree, const char *text, size_t length, size_t source, const char *path,
                        nn__errors *errors, nn__node **out) {
  reader r = {.tree = tree, .errors = errors, .source = source};
  nn__path_push(&r.path, path);
  *out = NULL;
  if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark is harmless */
    text += 3;
    length -= 3;
  }
  if (!nn__text_check(text, length, source, path, errors)) return NN_OK;
  if (!yaml_parser_initialize(&r.parser)) return NN_FAIL(NN_ERR_MEMORY, "out of memory while reading YAML");
  yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
  nn__node *root = read_document(&r);
  yaml_parser_delete(&r.parser);
  NN_TRY(nn__tree_status(tree));
  if (!r.stopped && root == NULL)
    nn__complain(errors, (nn__mark){source, 1, 1}, path, "empty: there is no key in it; see nnmpi --help-config");
  if (!r.stopped) *out = root;
  return NN_OK;
}

/* ---- values outside of a file ------------------------------------------------------------------- */

nn_status nn__value_read(nn__tree *tree, nn_key_type type, const char *text, nn__mark mark, const char *path,
                         nn__errors *errors, nn__node **out) {
  size_t length = strlen(text);
  while (length > 0 && (*text == ' ' || *text == '\t')) text++, length--;
  while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) length--;
  const bool list = type == NN_KEY_INTS || type == NN_KEY_TEXTS || type == NN_KEY_TENSOR || type == NN_KEY_TENSORS ||
                    type == NN_KEY_CHOICES;
  const char first = length > 0 ? text[0] : '\0';
  nn_text wrapped = {0};
  nn_status status = NN_OK;
  *out = NULL;
  if (list && first != '[') { /* 256,64 */
    nn_text_add_bytes(&wrapped, "[", 1);
    nn_text_add_bytes(&wrapped, text, length);
    nn_text_add_bytes(&wrapped, "]", 1);
    NN_TRY_DONE(nn_text_status(&wrapped));
    NN_TRY_DONE(nn__yaml_read(tree, wrapped.at, wrapped.length, mark.source, path, errors, out));
  } else if (first == '"' || first == '\'' || ((first == '[' || first == '{') && type != NN_KEY_TEXT)) {
    NN_TRY_DONE(nn__yaml_read(tree, text, length, mark.source, path, errors, out));
  } else if (nn__text_check(text, length, mark.source, path, errors)) {
    *out = nn__node_scalar(tree, text, length, false, mark);
    NN_TRY_DONE(nn__tree_status(tree));
  }
done:
  nn_text_clear(&wrapped);
  return status;
}
