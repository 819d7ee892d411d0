/* The tree of nodes and the memory that it lives in. */
#include "config/internal.h"

#include <string.h>

enum { CHUNK_MIN = 1024, CHUNK_MAX = 64 * 1024 };

/* Nodes are never freed one by one: a tree is a chain of chunks that are filled from the front. */
typedef struct nn__chunk {
  struct nn__chunk *next;
  size_t used, capacity;
} chunk;

static void *tree_alloc(nn__tree *tree, size_t bytes) {
  const size_t head = (sizeof(chunk) + 15) / 16 * 16;
  bytes = (bytes + 15) / 16 * 16;
  chunk *c = tree->chunks;
  if (c == NULL || c->capacity - c->used < bytes) {
    size_t capacity = c == NULL ? CHUNK_MIN : c->capacity < CHUNK_MAX ? 2 * c->capacity : CHUNK_MAX;
    if (capacity < bytes) capacity = bytes;
    void *memory = NULL;
    if (nn_alloc(head + capacity, 1, "the configuration", &memory) != NN_OK) {
      tree->out_of_memory = true;
      return NULL;
    }
    c = memory;
    c->capacity = capacity;
    c->next = tree->chunks;
    tree->chunks = c;
  }
  void *at = (char *)c + head + c->used;
  c->used += bytes;
  return at;
}

void nn__tree_clear(nn__tree *tree) {
  while (tree->chunks != NULL) {
    chunk *next = tree->chunks->next;
    nn_free(tree->chunks);
    tree->chunks = next;
  }
  *tree = (nn__tree){0};
}

nn_status nn__tree_status(const nn__tree *tree) {
  if (tree->out_of_memory) return NN_FAIL(NN_ERR_MEMORY, "out of memory while reading the configuration");
  return NN_OK;
}

nn__node *nn__node_new(nn__tree *tree, nn__node_type type, nn__mark mark) {
  nn__node *node = tree_alloc(tree, sizeof *node);
  if (node == NULL) return NULL;
  node->type = type;
  node->mark = mark;
  tree->nodes++;
  return node;
}

static const char *tree_text(nn__tree *tree, const char *text, size_t length) {
  char *copy = tree_alloc(tree, length + 1);
  if (copy == NULL) return NULL;
  memcpy(copy, text, length);
  copy[length] = '\0';
  return copy;
}

nn__node *nn__node_scalar(nn__tree *tree, const char *text, size_t length, bool quoted, nn__mark mark) {
  const char *copy = tree_text(tree, text, length);
  nn__node *node = copy == NULL ? NULL : nn__node_new(tree, NN__SCALAR, mark);
  if (node == NULL) return NULL;
  node->as.text = copy;
  node->quoted = quoted;
  return node;
}

/* Room for one more element of `size` bytes in `*array`. */
static bool reserve(nn__tree *tree, nn__node *node, void **array, size_t size) {
  if (node->count < node->capacity) return true;
  const size_t capacity = node->capacity == 0 ? 4 : 2 * node->capacity;
  void *grown = tree_alloc(tree, capacity * size);
  if (grown == NULL) return false;
  if (node->count > 0) memcpy(grown, *array, node->count * size);
  *array = grown;
  node->capacity = capacity;
  return true;
}

bool nn__node_append(nn__tree *tree, nn__node *list, nn__node *item) {
  NN_ASSERT(list->type == NN__LIST);
  void *array = list->as.items;
  if (!reserve(tree, list, &array, sizeof(nn__node *))) return false;
  list->as.items = array;
  list->as.items[list->count++] = item;
  return true;
}

bool nn__node_put(nn__tree *tree, nn__node *map, const char *key, nn__mark mark, nn__node *value) {
  NN_ASSERT(map->type == NN__MAP);
  nn__entry *entry = nn__node_entry(map, key);
  if (entry == NULL) {
    void *array = map->as.entries;
    const char *copy = tree_text(tree, key, strlen(key));
    if (copy == NULL || !reserve(tree, map, &array, sizeof *map->as.entries)) return false;
    map->as.entries = array;
    entry = &map->as.entries[map->count++];
    entry->key = copy;
  }
  entry->meant = NULL;
  entry->mark = mark;
  entry->value = value;
  return true;
}

nn__entry *nn__node_entry(const nn__node *map, const char *key) {
  if (map == NULL || map->type != NN__MAP) return NULL;
  for (size_t i = 0; i < map->count; i++)
    if (strcmp(map->as.entries[i].key, key) == 0) return &map->as.entries[i];
  return NULL;
}

nn__node *nn__node_get(const nn__node *map, const char *key) {
  const nn__entry *entry = nn__node_entry(map, key);
  return entry == NULL ? NULL : entry->value;
}

const nn__entry *nn__node_meant(const nn__node *map, const char *key) {
  const nn__entry *entry = nn__node_entry(map, key);
  if (entry != NULL || map == NULL || map->type != NN__MAP) return entry;
  for (size_t i = 0; i < map->count; i++) {
    entry = &map->as.entries[i];
    if (entry->meant != NULL && strcmp(entry->meant, key) == 0) return entry;
  }
  return NULL;
}

void nn__node_remove(nn__node *map, const char *key) {
  nn__entry *entry = nn__node_entry(map, key);
  if (entry == NULL) return;
  const size_t behind = map->count - 1 - (size_t)(entry - map->as.entries);
  memmove(entry, entry + 1, behind * sizeof *entry);
  map->count--;
}

bool nn__node_is_null(const nn__node *node) {
  static const char *const words[] = {"", "~", "null", "Null", "NULL"};
  if (node->type != NN__SCALAR || node->quoted) return false;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(node->as.text, words[i]) == 0) return true;
  return false;
}

const char *nn__node_words(const nn__node *node) {
  switch (node->type) {
  case NN__LIST:
    return "a list";
  case NN__MAP:
    return "a mapping";
  default:
    return nn__node_is_null(node) ? "no value" : "a single value";
  }
}
