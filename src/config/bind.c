/* The schema engine: a mapping of the tree and a table → a struct. Everything that is wrong is complained about in one
 * go; what is right is stored, so that nn__struct_clear() always finds a struct in order. */
#include "config/internal.h"

#include <string.h>

static void bind_value(nn__binder *binder, const nn_key *key, nn__node *node, void *member);

/* Zeroed memory, or a binder that gives up. */
static void *bind_alloc(nn__binder *binder, size_t count, size_t size) {
  void *memory = NULL;
  if (nn_alloc(count, size, "the configuration", &memory) == NN_OK) return memory;
  binder->status = NN_ERR_MEMORY;
  return NULL;
}

/* ---- lists ---------------------------------------------------------------------------------------- */

static bool want_list(nn__binder *binder, nn__node *node, const char *wanted) {
  char shown[NN__SHOWN_MAX];
  if (node->type == NN__BROKEN) return false;
  if (node->type == NN__SCALAR && !nn__node_is_null(node))
    nn__bad(binder, node, "expected %s, found the single value %s; write it as [value]", wanted,
            nn__shown(node->as.text, shown));
  else if (node->type != NN__LIST)
    nn__bad(binder, node, "expected %s, found %s; write [value, value]", wanted, nn__node_words(node));
  return node->type == NN__LIST;
}

static bool want_short_list(nn__binder *binder, nn__node *node, const char *wanted) {
  if (!want_list(binder, node, wanted)) return false;
  if (node->count <= NN__LIST_LIMIT) return true;
  nn__bad(binder, node, "a list of %zu elements; at most %d are allowed", node->count, NN__LIST_LIMIT);
  return false;
}

static void bind_ints(nn__binder *binder, const nn_key *key, nn__node *node, nn_ints *out) {
  if (!want_short_list(binder, node, "a list of integers")) return;
  out->at = bind_alloc(binder, node->count, sizeof *out->at);
  if (out->at == NULL) return;
  out->count = node->count;
  for (size_t i = 0; i < node->count; i++) {
    const size_t before = nn__path_push_index(&binder->path, i);
    if (!nn__bind_int(binder, key, node->as.items[i], &out->at[i])) node->faulty = true;
    nn__path_pop(&binder->path, before);
  }
}

static void bind_texts(nn__binder *binder, nn__node *node, nn_texts *out) {
  if (!want_short_list(binder, node, "a list of texts")) return;
  out->at = bind_alloc(binder, node->count, sizeof *out->at);
  if (out->at == NULL) return;
  out->count = node->count;
  for (size_t i = 0; i < node->count; i++) {
    const size_t before = nn__path_push_index(&binder->path, i);
    if (!nn__bind_text(binder, node->as.items[i], &out->at[i])) node->faulty = true;
    nn__path_pop(&binder->path, before);
  }
}

/* The shape as the first elements have it. */
static bool tensor_shape(nn__binder *binder, nn__node *node, nn_tensor *shape, size_t *total) {
  if (!want_list(binder, node, "a list of numbers")) return false;
  *total = 1;
  for (nn__node *at = node; at->type == NN__LIST; at = at->as.items[0]) {
    if (shape->rank == NN_TENSOR_RANK_MAX) {
      nn__bad(binder, node, "lists nested deeper than %d", NN_TENSOR_RANK_MAX);
      return false;
    }
    if (at->count == 0) {
      nn__bad(binder, node, "an empty list; write numbers, or remove the key");
      return false;
    }
    shape->dims[shape->rank++] = at->count;
    if (!nn_size_multiply(*total, at->count, total)) *total = SIZE_MAX;
  }
  if (*total <= NN__NUMBER_LIMIT - binder->numbers) return true;
  nn__bad(binder, node, "more than %d numbers in a configuration; keep them in an HDF5 file", NN__NUMBER_LIMIT);
  return false;
}

/* The numbers below `node`, which is `level` lists deep; false after a complaint. */
static bool tensor_fill(nn__binder *binder, const nn_key *key, nn__node *node, int level, const nn_tensor *shape,
                        double **at) {
  if (level == shape->rank) return nn__bind_real(binder, key, node, (*at)++);
  if (!want_list(binder, node, "a list of numbers")) return false;
  if (node->count != shape->dims[level]) {
    nn__bad(binder, node, "%zu elements, but the first list has %zu; make all equally long", node->count,
            shape->dims[level]);
    return false;
  }
  bool good = true;
  for (size_t i = 0; i < node->count && (good || level == shape->rank - 1); i++) {
    const size_t before = nn__path_push_index(&binder->path, i);
    if (!tensor_fill(binder, key, node->as.items[i], level + 1, shape, at)) good = false;
    nn__path_pop(&binder->path, before);
  }
  return good;
}

static void bind_tensor(nn__binder *binder, const nn_key *key, nn__node *node, nn_tensor *out) {
  nn_tensor tensor = {0};
  size_t total = 0;
  if (!tensor_shape(binder, node, &tensor, &total)) return;
  double *at = bind_alloc(binder, total, sizeof *at);
  if (at == NULL) return;
  tensor.at = at;
  if (tensor_fill(binder, key, node, 0, &tensor, &at)) {
    binder->numbers += total;
    *out = tensor;
  } else {
    node->faulty = true;
    nn_free(tensor.at);
  }
}

/* All entries that the table does not list. */
static void bind_tensors(nn__binder *binder, const nn_key *key, nn__scope scope, const nn__node *map, nn_tensors *out) {
  out->names = bind_alloc(binder, map->count, sizeof *out->names);
  if (out->names != NULL) out->at = bind_alloc(binder, map->count, sizeof *out->at);
  for (size_t i = 0; out->at != NULL && i < map->count && binder->status == NN_OK; i++) {
    nn__entry *entry = &map->as.entries[i];
    const bool says_which = scope.named && strcmp(entry->key, "name") == 0;
    if (says_which || nn__key_find(scope.schema, entry->key) != NULL) continue;
    const size_t before = nn__path_push(&binder->path, entry->key);
    nn_tensor tensor = {0};
    bind_tensor(binder, key, entry->value, &tensor);
    nn__path_pop(&binder->path, before);
    if (tensor.rank == 0) continue; /* complained about */
    out->at[out->count] = tensor;
    if (nn_string_copy(entry->key, &out->names[out->count++]) != NN_OK) binder->status = NN_ERR_MEMORY;
  }
}

/* ---- choices ---------------------------------------------------------------------------------------- */

/* `{sgd: {lr: 0.1}}` for a choice, `{name: dense, units: 5}` for a layer in a list: each is written the other way. */
static bool is_other_style(const nn__binder *binder, nn_kind kind, const nn__node *map, bool listed) {
  if (listed) {
    const nn__node *name = nn__node_get(map, "name");
    return name != NULL && name->type == NN__SCALAR && nn__alternative(binder->registry, kind, name->as.text) != NULL;
  }
  return map->count == 1 && nn__alternative(binder->registry, kind, map->as.entries[0].key) != NULL;
}

/* An alternative by its name; `options` NULL where none are written. */
static void bind_alternative(nn__binder *binder, nn_kind kind, nn__node *node, const char *name, nn__node *options,
                             bool named, nn_choice *out) {
  const nn_schema *schema = nn__alternative(binder->registry, kind, name);
  if (schema == NULL) {
    nn__unknown_choice(binder, kind, node, name);
    return;
  }
  if (schema->size > 0) {
    out->options = bind_alloc(binder, 1, schema->size);
    if (out->options == NULL) return;
  }
  out->schema = schema;
  out->line = node->mark.source == 0 ? node->mark.line : 0;
  out->column = node->mark.source == 0 ? node->mark.column : 0;
  const nn__mark missing = binder->missing;
  binder->missing = node->mark;
  const nn__scope scope = {schema, true, named, (int)kind};
  nn__bind_struct(binder, scope, options, out->options);
  binder->missing = missing;
}

/* `sgd` or `{name: sgd, lr: 0.01}`. */
static void bind_choice(nn__binder *binder, const nn_key *key, nn__node *node, nn_choice *out) {
  const char *a_kind = nn__kind_a_name(key->kind);
  if (node->type == NN__SCALAR) {
    if (nn__want_scalar(binder, node, a_kind))
      bind_alternative(binder, key->kind, node, node->as.text, NULL, true, out);
    return;
  }
  if (node->type != NN__MAP) {
    if (node->type == NN__LIST) nn__bad(binder, node, "expected %s, found a list; write one name", a_kind);
    return;
  }
  nn__node *name = nn__node_get(node, "name");
  if (name == NULL) {
    if (is_other_style(binder, key->kind, node, false))
      nn__bad(binder, node, "the name is missing; write {name: %s, …}", node->as.entries[0].key);
    else
      nn__bad(binder, node, "the name is missing; write {name: …} with %s", a_kind);
    return;
  }
  const size_t before = nn__path_push(&binder->path, "name");
  const bool good = nn__want_scalar(binder, name, a_kind);
  const bool known = good && nn__alternative(binder->registry, key->kind, name->as.text) != NULL;
  if (good && !known) nn__unknown_choice(binder, key->kind, name, name->as.text);
  nn__path_pop(&binder->path, before);
  if (known) bind_alternative(binder, key->kind, node, name->as.text, node, true, out);
}

/* One of a list: `relu`, `{relu: }`, `{dense: {units: 256}}`. */
static void bind_listed(nn__binder *binder, nn_kind kind, nn__node *node, nn_choice *out) {
  const char *kind_name = nn__kind_name(kind);
  if (node->type == NN__SCALAR) {
    if (nn__want_scalar(binder, node, nn__kind_a_name(kind)))
      bind_alternative(binder, kind, node, node->as.text, NULL, false, out);
    return;
  }
  if (node->type != NN__MAP) {
    if (node->type == NN__LIST) nn__bad(binder, node, "expected %s, found a list", nn__kind_a_name(kind));
    return;
  }
  if (is_other_style(binder, kind, node, true)) {
    nn__bad(binder, node, "in a list, the %s is the key; write {%s: {…}}", kind_name,
            nn__node_get(node, "name")->as.text);
    return;
  }
  if (node->count != 1) {
    nn__bad(binder, node,
            "%zu keys, where one %s is due; indent its options below its name, as {name: {option: value}}", node->count,
            kind_name);
    return;
  }
  nn__node *options = node->as.entries[0].value;
  const char *name = node->as.entries[0].key;
  const size_t before = nn__path_push(&binder->path, name);
  if (options->type == NN__MAP || nn__node_is_null(options))
    bind_alternative(binder, kind, node, name, options->type == NN__MAP ? options : NULL, false, out);
  else if (options->type != NN__BROKEN)
    nn__bad(binder, options, "expected options, found %s; write {option: value}", nn__node_words(options));
  nn__path_pop(&binder->path, before);
}

static void bind_choices(nn__binder *binder, const nn_key *key, nn__node *node, nn_choices *out) {
  char wanted[64];
  snprintf(wanted, sizeof wanted, "a list with %s in each element", nn__kind_a_name(key->kind));
  if (!want_short_list(binder, node, wanted)) return;
  if (node->count == 0) {
    nn__bad(binder, node, "an empty list; give at least one %s", nn__kind_name(key->kind));
    return;
  }
  out->at = bind_alloc(binder, node->count, sizeof *out->at);
  if (out->at == NULL) return;
  out->count = node->count;
  for (size_t i = 0; i < node->count; i++) {
    const size_t before = nn__path_push_index(&binder->path, i);
    bind_listed(binder, key->kind, node->as.items[i], &out->at[i]);
    nn__path_pop(&binder->path, before);
  }
}

/* ---- structs ------------------------------------------------------------------------------------------ */

static void bind_section(nn__binder *binder, const nn_key *key, nn__node *node, void *out) {
  const nn__scope scope = {key->section, true, false, -1};
  if (node->type == NN__MAP) {
    nn__bind_struct(binder, scope, node, out);
    return;
  }
  if (nn__node_is_null(node))
    nn__bad(binder, node, "the section is empty; write keys below it, indented, or remove it");
  else if (node->type != NN__BROKEN)
    nn__bad(binder, node, "expected a section with keys, found %s; write the keys below it, indented",
            nn__node_words(node));
}

static void bind_value(nn__binder *binder, const nn_key *key, nn__node *node, void *member) {
  switch (key->type) {
  case NN_KEY_BOOL:
    nn__bind_bool(binder, node, member);
    break;
  case NN_KEY_INT:
    nn__bind_int(binder, key, node, member);
    break;
  case NN_KEY_REAL:
    nn__bind_real(binder, key, node, member);
    break;
  case NN_KEY_TEXT:
    nn__bind_text(binder, node, member);
    break;
  case NN_KEY_WORD:
    nn__bind_word(binder, key, node, member);
    break;
  case NN_KEY_INTS:
    bind_ints(binder, key, node, member);
    break;
  case NN_KEY_TEXTS:
    bind_texts(binder, node, member);
    break;
  case NN_KEY_TENSOR:
    bind_tensor(binder, key, node, member);
    break;
  case NN_KEY_TENSORS: /* of several nodes: nn__bind_struct() */
    break;
  case NN_KEY_SECTION:
    bind_section(binder, key, node, member);
    break;
  case NN_KEY_CHOICE:
    bind_choice(binder, key, node, member);
    break;
  case NN_KEY_CHOICES:
    bind_choices(binder, key, node, member);
    break;
  }
}

/* A default that its own table refuses is a bug of the table, or an alternative that nobody registered. */
static void bind_fallback(nn__binder *binder, const nn_key *key, void *member) {
  nn__tree tree = {0};
  nn__errors errors = {.file = "default"};
  nn__binder inner = {.registry = binder->registry, .errors = &errors, .path = binder->path};
  nn__node *node = NULL;
  binder->status = nn__value_read(&tree, key->type, key->fallback, inner.missing, inner.path.at, &errors, &node);
  if (node != NULL) {
    bind_value(&inner, key, node, member);
    binder->status = inner.status;
  }
  if (errors.kept > 0 && binder->status == NN_OK)
    binder->status =
        NN_FAIL(NN_ERR_INTERNAL, "the default of %s cannot be read: %s", inner.path.at, errors.at[0].line.at);
  nn__errors_clear(&errors);
  nn__tree_clear(&tree);
}

static void complain_about_missing(nn__binder *binder, const nn_key *key) {
  char wanted[128] = "it";
  switch (key->type) {
  case NN_KEY_INT:
  case NN_KEY_REAL:
    nn__range_words(key, wanted);
    break;
  case NN_KEY_CHOICE:
    snprintf(wanted, sizeof wanted, "%s", nn__kind_a_name(key->kind));
    break;
  case NN_KEY_TEXT:
    snprintf(wanted, sizeof wanted, "a text");
    break;
  case NN_KEY_TENSOR:
    snprintf(wanted, sizeof wanted, "a list of numbers");
    break;
  default:
    break;
  }
  nn__complain(binder->errors, binder->missing, binder->path.at, "missing; give %s", wanted);
}

static void bind_absent(nn__binder *binder, nn__scope scope, const nn_key *key, const nn__node *map, void *member) {
  const bool wanted = scope.required && (key->flags & NN_KEY_REQUIRED) != 0 && nn__node_meant(map, key->name) == NULL;
  if (key->type == NN_KEY_SECTION) {
    const nn__scope inner = {key->section, wanted, false, -1};
    nn__bind_struct(binder, inner, NULL, member);
  } else if (wanted) {
    complain_about_missing(binder, key);
  } else if (key->fallback != NULL) {
    bind_fallback(binder, key, member);
  }
}

void nn__bind_struct(nn__binder *binder, nn__scope scope, nn__node *map, void *into) {
  for (size_t i = 0; map != NULL && i < map->count; i++) {
    nn__entry *entry = &map->as.entries[i];
    const bool says_which = scope.named && strcmp(entry->key, "name") == 0;
    if (!says_which && nn__key_taking(scope.schema, entry->key) == NULL) nn__unknown_key(binder, scope, entry);
  }
  const nn__mark missing = binder->missing;
  for (const nn_key *key = scope.schema->keys; key != NULL && key->name != NULL; key++) {
    if (binder->status != NN_OK) break;
    if (key->type == NN_KEY_TENSORS) {
      if (map != NULL && map->count > 0) bind_tensors(binder, key, scope, map, nn__member(key, into));
      continue;
    }
    const bool says_which = scope.named && strcmp(key->name, "name") == 0;
    nn__entry *entry = says_which ? NULL : nn__node_entry(map, key->name);
    const size_t before = nn__path_push(&binder->path, key->name);
    if (entry == NULL) {
      bind_absent(binder, scope, key, map, nn__member(key, into));
    } else {
      if (key->type == NN_KEY_SECTION && entry->mark.source == 0) binder->missing = entry->mark;
      bind_value(binder, key, entry->value, nn__member(key, into));
      binder->missing = missing;
    }
    nn__path_pop(&binder->path, before);
  }
}
