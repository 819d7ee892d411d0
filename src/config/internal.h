/** @file config/internal.h
 *  What the files of this module share: places in the text, complaints, the tree of nodes, the schema engine.
 *
 *  The way of a configuration: reader.c (YAML events → tree), overlay.c (`--set` changes the tree), bind.c (tree +
 *  tables → struct), check.c (keys against each other). Everybody complains into one nn__errors, which sorts. */
#ifndef NN_CONFIG_INTERNAL_H
#define NN_CONFIG_INTERNAL_H

#include "nnmpi/config.h"

enum {
  NN__TEXT_LIMIT = 4 * 1024 * 1024, /**< bytes of a configuration */
  NN__DEPTH_LIMIT = 32,             /**< of nested lists and mappings */
  NN__NODE_LIMIT = 500 * 1000,      /**< bounds the memory that a hostile file can ask for */
  NN__NUMBER_LIMIT = 100 * 1000,    /**< numbers in all tensors: the canonical text then stays below NN__TEXT_LIMIT */
  NN__LIST_LIMIT = 1000,            /**< elements of lists other than tensors */
  NN__MAP_LIMIT = 256,              /**< keys of one mapping: duplicates are looked for pair by pair */
  NN__STRING_LIMIT = 1024           /**< bytes of a text value */
};

/* ---- places, paths, complaints: errors.c ---------------------------------------------------- */

/** Where something was written. */
typedef struct nn__mark {
  size_t source;    /**< 0: the file; k: the k-th `--set`, from 1 */
  int line, column; /**< from 1 */
} nn__mark;

/** "train.optimizer.lr", cut where it gets too long to be read. */
typedef struct nn__path {
  size_t length;
  char at[512];
} nn__path;

size_t nn__path_push(nn__path *path, const char *name); /**< returns what nn__path_pop() wants */
size_t nn__path_push_index(nn__path *path, size_t index);
void nn__path_pop(nn__path *path, size_t length);

enum { NN__ERRORS_KEPT = 128 /**< more never fit a message */ };

/** Complaints in the order of the text; the first NN__ERRORS_KEPT are kept, all are counted. */
typedef struct nn__errors {
  const char *file;
  const char *const *sets;
  size_t kept, total;
  bool out_of_memory;
  struct {
    nn__mark mark;
    nn_text line;
  } at[NN__ERRORS_KEPT];
} nn__errors;

/** Remember "file:line:column: path: what is wrong; what to do". `path` may be "". */
void nn__complain(nn__errors *errors, nn__mark mark, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** True where a complaint at `mark` would only be counted: no need to find good words for it. */
bool nn__errors_drop(const nn__errors *errors, nn__mark mark);
/** NN_OK without complaints; else one message of NN_ERR_CONFIG, or NN_ERR_MEMORY. */
nn_status nn__errors_report(const nn__errors *errors);
void nn__errors_clear(nn__errors *errors);

enum { NN__SHOWN_MAX = 64 };
/** A user's text in quotes, cut, on one line; `buffer` needs NN__SHOWN_MAX bytes; returns it. */
char *nn__shown(const char *text, char buffer[NN__SHOWN_MAX]);

/* ---- the tree: tree.c ------------------------------------------------------------------------ */

typedef enum nn__node_type {
  NN__SCALAR,
  NN__LIST,
  NN__MAP,
  NN__BROKEN /**< complained about already (an alias, a tag); stands for any value */
} nn__node_type;

typedef struct nn__node nn__node;

typedef struct nn__entry {
  const char *key;
  const char *meant; /**< what a mistyped key was most likely meant to be, NULL */
  nn__mark mark;     /**< of the key */
  nn__node *value;
} nn__entry;

struct nn__node {
  nn__node_type type;
  bool quoted;   /**< SCALAR */
  bool faulty;   /**< there is a complaint about it: checks against other keys leave it out */
  nn__mark mark; /**< of the value */
  size_t count, capacity;
  union {
    const char *text;   /**< SCALAR */
    nn__node **items;   /**< LIST */
    nn__entry *entries; /**< MAP */
  } as;
};

/** Owns all nodes and their texts; freed as a whole, so that nodes can be replaced freely. */
typedef struct nn__tree {
  struct nn__chunk *chunks;
  size_t nodes;
  bool out_of_memory;
} nn__tree;

void nn__tree_clear(nn__tree *tree);
nn_status nn__tree_status(const nn__tree *tree);
/** The three return NULL or false where memory runs out, which the tree remembers. */
nn__node *nn__node_new(nn__tree *tree, nn__node_type type, nn__mark mark);
nn__node *nn__node_scalar(nn__tree *tree, const char *text, size_t length, bool quoted, nn__mark mark);
bool nn__node_append(nn__tree *tree, nn__node *list, nn__node *item);
/** Add a key, or replace its value and mark. `key` is copied. */
bool nn__node_put(nn__tree *tree, nn__node *map, const char *key, nn__mark mark, nn__node *value);
void nn__node_remove(nn__node *map, const char *key);
/** NULL where `map` is NULL, no mapping, or has no such key. */
nn__entry *nn__node_entry(const nn__node *map, const char *key);
nn__node *nn__node_get(const nn__node *map, const char *key);
/** As nn__node_entry(), but a key that was meant to be this one counts too. */
const nn__entry *nn__node_meant(const nn__node *map, const char *key);
/** Nothing, `~` or `null`. */
bool nn__node_is_null(const nn__node *node);
/** "a list", "a mapping", … */
const char *nn__node_words(const nn__node *node);

/* ---- YAML: reader.c (libyaml) and unicode.c ---------------------------------------------------- */

/** Text → tree. `*out` is NULL where nothing usable came out; then, and wherever something is refused, there is a
 *  complaint. `path` is the key whose value the text is (for `--set`), "" for a file. */
nn_status nn__yaml_read(nn__tree *tree, const char *text, size_t length, size_t source, const char *path,
                        nn__errors *errors, nn__node **out);

/** Complain about the first byte that is not UTF-8 or no character for YAML, and in files about a tab in the
 *  indentation. True where all is well. */
bool nn__text_check(const char *text, size_t length, size_t source, const char *path, nn__errors *errors);
/** The character at `at`, of `*bytes` bytes; −1 where it is not UTF-8. */
int32_t nn__utf8_next(const char *at, size_t length, size_t *bytes);
/** Characters that YAML allows as they are. */
bool nn__is_yaml_character(int32_t character);

/** A value as `--set` and the tables' defaults are written, for a key of this type: plain text for single values,
 *  commas for lists, YAML where it begins with a bracket, a brace or (not for lists) a quote. */
nn_status nn__value_read(nn__tree *tree, nn_key_type type, const char *text, nn__mark mark, const char *path,
                         nn__errors *errors, nn__node **out);

/* ---- the schema engine: scalar.c, bind.c, suggest.c, schema.c ------------------------------------ */

typedef struct nn__binder {
  const nn_registry *registry;
  nn__errors *errors;
  nn__path path;
  nn__mark missing; /**< where to complain about what is not there */
  size_t numbers;   /**< in tensors so far */
  nn_status status; /**< NN_ERR_MEMORY, NN_ERR_INTERNAL: give up */
} nn__binder;

/** Complain about a node at the binder's path. */
void nn__bad(nn__binder *binder, nn__node *node, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Complain unless the node is a scalar with a value; `wanted` as "an integer". */
bool nn__want_scalar(nn__binder *binder, nn__node *node, const char *wanted);

bool nn__bind_bool(nn__binder *binder, nn__node *node, bool *out);
bool nn__bind_int(nn__binder *binder, const nn_key *key, nn__node *node, int64_t *out);
bool nn__bind_real(nn__binder *binder, const nn_key *key, nn__node *node, double *out);
bool nn__bind_word(nn__binder *binder, const nn_key *key, nn__node *node, int *out);
bool nn__bind_text(nn__binder *binder, nn__node *node, char **out);

/** How a mapping is to be read. */
typedef struct nn__scope {
  const nn_schema *schema;
  bool required; /**< complain about missing keys */
  bool named;    /**< `name` says which alternative this is (`{name: sgd, lr: 0.01}`): it is no option */
  int kind;      /**< nn_kind of an alternative; −1: a section */
} nn__scope;

/** Fill `into` (zeroed) from `map` (NULL: not written) and the defaults. Clear it by nn__struct_clear(), whatever came
 *  out. */
void nn__bind_struct(nn__binder *binder, nn__scope scope, nn__node *map, void *into);

/** Complain about a key that does not exist here; remembers in the entry what was meant. */
void nn__unknown_key(nn__binder *binder, nn__scope scope, nn__entry *entry);
/** The nearest of `count` words to `word`, NULL if none is near. */
const char *nn__nearest(const char *word, const char *const *words, size_t count);
/** Complain about an alternative that does not exist. */
void nn__unknown_choice(nn__binder *binder, nn_kind kind, nn__node *node, const char *name);

/** The key that the table lists by this name, NULL. */
const nn_key *nn__key_find(const nn_schema *schema, const char *name);
/** The same, else the one that takes all names (NN_KEY_TENSORS), NULL. */
const nn_key *nn__key_taking(const nn_schema *schema, const char *name);
const nn_schema *nn__alternative(const nn_registry *registry, nn_kind kind, const char *name);
const char *nn__kind_name(nn_kind kind);   /**< "layer" */
const char *nn__kind_a_name(nn_kind kind); /**< "a layer" */
#define NN__NO_BOUND 1e9                   /**< bounds from here on are kept but not told: nobody wants to read them */
/** "an integer from 1 to 100", "a number > 0, or auto". */
char *nn__range_words(const nn_key *key, char buffer[128]);
bool nn__in_range(const nn_key *key, double value);

static inline void *nn__member(const nn_key *key, void *object) {
  return (char *)object + key->offset;
}
static inline const void *nn__member_const(const nn_key *key, const void *object) {
  return (const char *)object + key->offset;
}

/** Free what the members of a struct own, and zero them. */
void nn__struct_clear(const nn_schema *schema, void *object);
/** False where a key without a default was not given, so that it is not written either. */
bool nn__member_given(const nn_key *key, const void *member);
/** False for `hidden` where `layers` is given, although an empty list of it could be meant. */
bool nn__key_applies(const nn_schema *schema, const nn_key *key, const void *object);
/** A text as it is written in YAML: plain where nobody can take it for something else, else quoted. */
void nn__text_write(nn_text *out, const char *text);
/** A value as flow YAML. */
void nn__value_write(nn_text *out, const nn_key *key, const void *member);

/* ---- the configuration: tables.c, overlay.c, check.c ------------------------------------------------ */

extern const nn_schema nn__config_schema; /**< the root: its keys are the sections */

/** Two keys of a section of which exactly one is to be given. */
typedef struct nn__pair {
  const char *section, *first, *second;
  const char *companion; /**< a key that goes with `first` only; NULL */
  const char *advice;    /**< what to give */
} nn__pair;
enum { NN__PAIR_COUNT = 3 };
extern const nn__pair nn__pairs[NN__PAIR_COUNT];

/** Change the tree as `--set` says. */
void nn__overlay(nn__tree *tree, nn__node *root, const nn_registry *registry, nn__errors *errors, size_t set_count);

/** Checks of keys against each other, and the defaults that depend on other keys. */
void nn__config_check(nn__binder *binder, const nn__node *root, nn_config *config);

#endif
