/* `--set key.path=value`: changes of the tree before it is read by the tables.
 *
 * A path walks the tables and the tree together, because a value's form depends on its key (256,64 is a list for
 * model.hidden) and a path reaches into choices. What does not exist is put into the tree as it is: the engine then
 * complains about it as about any other key, naming the `--set`. */
#include "config/internal.h"

#include <string.h>

enum { SEGMENTS_MAX = 16, SEGMENT_BYTES = 64 };

typedef struct overlay {
  nn__tree *tree;
  const nn_registry *registry;
  nn__errors *errors;
  nn__mark mark;
  const char *value;
  char segments[SEGMENTS_MAX][SEGMENT_BYTES];
  size_t count;
  char path[SEGMENTS_MAX * SEGMENT_BYTES]; /* as written, for messages */
} overlay;

static void walk(overlay *o, nn__node *map, const nn_schema *schema, bool named, size_t at);

static bool is_last(const overlay *o, size_t at) {
  return at + 1 == o->count;
}

static nn__node *read_value(overlay *o, nn_key_type type) {
  nn__node *node = NULL;
  if (nn__value_read(o->tree, type, o->value, o->mark, o->path, o->errors, &node) != NN_OK)
    o->tree->out_of_memory = true;
  return node;
}

static void put(overlay *o, nn__node *map, const char *key, nn__node *value) {
  if (value != NULL) nn__node_put(o->tree, map, key, o->mark, value);
}

/* `relu` → {relu: } (with `name` NULL) or {name: relu}, so that there is a place for options. */
static nn__node *with_options(overlay *o, nn__node *node, bool listed) {
  if (node->type == NN__MAP) return node;
  if (node->type != NN__SCALAR || nn__node_is_null(node)) return NULL;
  nn__node *map = nn__node_new(o->tree, NN__MAP, node->mark);
  nn__node *options = map == NULL ? NULL : nn__node_new(o->tree, NN__MAP, node->mark);
  if (options == NULL) return NULL;
  const bool good = listed ? nn__node_put(o->tree, map, node->as.text, node->mark, options)
                           : nn__node_put(o->tree, map, "name", node->mark, node);
  return good ? map : NULL;
}

/* A segment below `train.optimizer`: `name` or an option. */
static void walk_choice(overlay *o, nn__node *parent, const nn_key *key, size_t at) {
  nn__entry *entry = nn__node_entry(parent, key->name);
  nn__node *choice = entry == NULL ? NULL : entry->value;
  if ((choice == NULL || nn__node_is_null(choice)) && key->fallback != NULL &&
      nn__value_read(o->tree, key->type, key->fallback, o->mark, o->path, o->errors, &choice) != NN_OK)
    o->tree->out_of_memory = true;
  if (choice == NULL || nn__node_is_null(choice)) choice = nn__node_new(o->tree, NN__MAP, o->mark);
  nn__node *map = choice == NULL ? NULL : with_options(o, choice, false);
  if (map == NULL) return; /* out of memory, or a complaint of the engine to come */
  const nn__node *name = nn__node_get(map, "name");
  const bool named = name != NULL && name->type == NN__SCALAR, names = strcmp(o->segments[at], "name") == 0;
  if (!named && !names) {
    nn__complain(o->errors, o->mark, o->path, "%s is not given; set %s={name: …, …}", key->name, key->name);
    return;
  }
  nn__node_put(o->tree, parent, key->name, entry == NULL ? o->mark : entry->mark, map);
  const nn_schema *schema = named ? nn__alternative(o->registry, key->kind, name->as.text) : NULL;
  if (names && is_last(o, at))
    put(o, map, "name", read_value(o, NN_KEY_TEXT));
  else if (schema != NULL)
    walk(o, map, schema, true, at);
}

/* Segments below `model.layers`: an index, then the layer's name, then an option. */
static void walk_choices(overlay *o, nn__node *parent, const nn_key *key, size_t at) {
  nn__node *list = nn__node_get(parent, key->name);
  const size_t count = list != NULL && list->type == NN__LIST ? list->count : 0;
  int64_t index = -1;
  if (list != NULL && list->type != NN__LIST && !nn__node_is_null(list)) return; /* the engine complains */
  if (!nn_parse_int(o->segments[at], &index) || index < 0 || (uint64_t)index >= count) {
    nn__complain(o->errors, o->mark, o->path, "there is no element %s; %s has %zu%s", o->segments[at], key->name, count,
                 count > 0 ? ", counted from 0" : "");
    return;
  }
  nn__node **item = &list->as.items[index];
  if (is_last(o, at)) {
    nn__node *value = read_value(o, NN_KEY_CHOICE);
    if (value != NULL) *item = value;
    return;
  }
  nn__node *map = with_options(o, *item, true);
  if (map == NULL || map->count != 1) return;
  *item = map;
  nn__entry *entry = &map->as.entries[0];
  const char *segment = o->segments[at + 1];
  if (strcmp(entry->key, segment) != 0) {
    char shown[NN__SHOWN_MAX];
    nn__complain(o->errors, o->mark, o->path, "element %s of %s is %s, not '%s'", o->segments[at], key->name,
                 nn__shown(entry->key, shown), segment);
    return;
  }
  if (is_last(o, at + 1)) {
    nn__node *value = read_value(o, NN_KEY_SECTION);
    if (value != NULL) entry->value = value;
    return;
  }
  if (nn__node_is_null(entry->value)) entry->value = nn__node_new(o->tree, NN__MAP, entry->mark);
  const nn_schema *schema = nn__alternative(o->registry, key->kind, entry->key);
  if (schema != NULL && entry->value != NULL && entry->value->type == NN__MAP)
    walk(o, entry->value, schema, false, at + 2);
}

static void walk_section(overlay *o, nn__node *parent, const nn_key *key, size_t at) {
  nn__node *section = nn__node_get(parent, key->name);
  const bool absent = section == NULL || nn__node_is_null(section);
  const size_t before = o->errors->total;
  if (absent) {
    section = nn__node_new(o->tree, NN__MAP, o->mark);
    put(o, parent, key->name, section);
  }
  if (section != NULL && section->type == NN__MAP) walk(o, section, key->section, false, at);
  if (absent && o->errors->total > before) nn__node_remove(parent, key->name); /* one complaint is enough */
}

/* Put the value at the segments from `at` on, below `map`, which `schema` describes. */
static void walk(overlay *o, nn__node *map, const nn_schema *schema, bool named, size_t at) {
  const char *segment = o->segments[at];
  const bool hidden = named && strcmp(segment, "name") == 0;
  const nn_key *key = hidden ? NULL : nn__key_taking(schema, segment);
  if (key == NULL || is_last(o, at)) {
    put(o, map, segment, key == NULL ? nn__node_scalar(o->tree, "", 0, true, o->mark) : read_value(o, key->type));
    return;
  }
  switch (key->type) {
  case NN_KEY_SECTION:
    walk_section(o, map, key, at + 1);
    break;
  case NN_KEY_CHOICE:
    walk_choice(o, map, key, at + 1);
    break;
  case NN_KEY_CHOICES:
    walk_choices(o, map, key, at + 1);
    break;
  default:
    nn__complain(o->errors, o->mark, o->path, "%s is a value and has no keys; set it as a whole", key->name);
  }
}

/* "a.b.c=value" → segments and value; false after a complaint. */
static bool split(overlay *o, const char *set) {
  const char *equals = strchr(set, '=');
  NN_ASSERT(equals != NULL); /* nn_config_parse() has looked */
  o->value = equals + 1;
  snprintf(o->path, sizeof o->path, "%.*s", (int)(equals - set < 512 ? equals - set : 512), set);
  for (const char *at = set; at <= equals; at++) {
    const size_t length = strcspn(at, ".=");
    const char *wrong = length == 0                ? "an empty name in the path"
                        : length >= SEGMENT_BYTES  ? "too long a name in the path"
                        : o->count == SEGMENTS_MAX ? "too long a path"
                                                   : NULL;
    if (wrong != NULL) {
      nn__complain(o->errors, o->mark, "", "%s; write key.path=value", wrong);
      return false;
    }
    memcpy(o->segments[o->count], at, length);
    o->segments[o->count++][length] = '\0';
    at += length;
  }
  return true;
}

/* The later given of two keys that exclude each other wins. */
static void drop_rivals(const overlay *o, nn__node *root) {
  for (size_t i = 0; i < NN__PAIR_COUNT && o->count > 1; i++) {
    const nn__pair *pair = &nn__pairs[i];
    nn__node *section = nn__node_get(root, pair->section);
    if (strcmp(o->segments[0], pair->section) != 0 || section == NULL || section->type != NN__MAP) continue;
    const bool first = strcmp(o->segments[1], pair->first) == 0;
    if (!first && strcmp(o->segments[1], pair->second) != 0) continue;
    nn__node_remove(section, first ? pair->second : pair->first);
    if (!first && pair->companion != NULL) nn__node_remove(section, pair->companion);
  }
}

void nn__overlay(nn__tree *tree, nn__node *root, const nn_registry *registry, nn__errors *errors, size_t set_count) {
  for (size_t i = 0; i < set_count; i++) {
    overlay o = {.tree = tree, .registry = registry, .errors = errors, .mark = {i + 1, 1, 1}};
    if (!split(&o, errors->sets[i]) || !nn__text_check(errors->sets[i], strlen(errors->sets[i]), i + 1, "", errors))
      continue;
    const size_t before = errors->total;
    walk(&o, root, &nn__config_schema, false, 0);
    if (errors->total == before) drop_rivals(&o, root);
  }
}
