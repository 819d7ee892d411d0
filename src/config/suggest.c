/* Keys and alternatives that do not exist: what was meant, where it belongs, or what there is. */
#include "config/internal.h"

#include <ctype.h>
#include <string.h>

enum { SHOWN_KEYS_MAX = 480 };

/* Two neighbours swapped, as in sdg: two edits, but one slip. */
static bool is_swap(const char *a, const char *b) {
  while (*a != '\0' && *a == *b) a++, b++;
  return a[0] != '\0' && a[1] != '\0' && a[1] == b[0] && a[0] == b[1] && strcmp(a + 2, b + 2) == 0;
}

/* The same letters and digits, as in LeakyReLU and leaky_relu. */
static bool is_spelling(const char *a, const char *b) {
  for (;; a++, b++) {
    a += strspn(a, "_-");
    b += strspn(b, "_-");
    if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) return false;
    if (*a == '\0') return true;
  }
}

static int distance_between(const char *word, const char *candidate) {
  return is_spelling(word, candidate) ? 0 : nn_edit_distance(word, candidate);
}

/* Few edits for words of this length, or the beginning of the candidate (batch for batch_size). */
static bool is_near(int distance, const char *word, const char *candidate) {
  const size_t a = strlen(word), b = strlen(candidate), longer = a > b ? a : b, shorter = a > b ? b : a;
  const int allowed = longer <= 3 ? 1 : longer <= 7 ? 2 : 3;
  const bool begins = a >= 3 && strncmp(word, candidate, a) == 0;
  return (distance <= allowed && (size_t)distance < shorter) || begins || is_swap(word, candidate);
}

const char *nn__nearest(const char *word, const char *const *words, size_t count) {
  const char *best = NULL;
  int least = 0;
  for (size_t i = 0; i < count; i++) {
    const int distance = distance_between(word, words[i]);
    if (!is_near(distance, word, words[i]) || (best != NULL && distance >= least)) continue;
    best = words[i];
    least = distance;
  }
  return best;
}

static const nn_key *nearest_key(const nn_schema *schema, const char *name, bool named) {
  const nn_key *best = NULL;
  int least = 0;
  for (const nn_key *key = schema->keys; key != NULL && key->name != NULL; key++) {
    const int distance = distance_between(name, key->name);
    if (!is_near(distance, name, key->name) || (best != NULL && distance >= least)) continue;
    if (named && strcmp(key->name, "name") == 0) continue;
    best = key;
    least = distance;
  }
  return best;
}

/* ---- where else a key exists ------------------------------------------------------------------------ */

/* The first key of this type below `schema` that has such a key in it: a section, or a choice with
 * an alternative that has such an option. `home` ends as its path. */
static bool find_home(const nn__binder *binder, const nn_schema *schema, const char *name, nn_key_type type,
                      nn__path *home) {
  for (const nn_key *key = schema->keys; key->name != NULL; key++) {
    const size_t before = nn__path_push(home, key->name);
    if (key->type == NN_KEY_SECTION) {
      const bool has = type == NN_KEY_SECTION && nn__key_find(key->section, name) != NULL;
      if (has || find_home(binder, key->section, name, type, home)) return true;
    } else if (key->type == type) {
      for (size_t i = 0; i < binder->registry->kinds[key->kind].count; i++)
        if (nn__key_find(binder->registry->kinds[key->kind].at[i], name) != NULL) return true;
    }
    nn__path_pop(home, before);
  }
  return false;
}

/* "adam, adamw": alternatives of the kind with such an option. */
static bool find_siblings(const nn__binder *binder, int kind, const char *name, char list[SHOWN_KEYS_MAX]) {
  size_t used = 0;
  list[0] = '\0';
  for (size_t i = 0; i < binder->registry->kinds[kind].count && used < SHOWN_KEYS_MAX - 80; i++) {
    const nn_schema *schema = binder->registry->kinds[kind].at[i];
    if (nn__key_find(schema, name) == NULL) continue;
    used += (size_t)snprintf(list + used, SHOWN_KEYS_MAX - used, "%s%.64s", used > 0 ? ", " : "", schema->name);
  }
  return used > 0;
}

static void list_keys(const nn_schema *schema, bool named, char list[SHOWN_KEYS_MAX]) {
  size_t used = 0;
  list[0] = '\0';
  for (const nn_key *key = schema->keys; key != NULL && key->name != NULL; key++) {
    if (named && strcmp(key->name, "name") == 0) continue;
    if (used > SHOWN_KEYS_MAX - 80) break;
    used += (size_t)snprintf(list + used, SHOWN_KEYS_MAX - used, "%s%.64s", used > 0 ? ", " : "", key->name);
  }
}

void nn__unknown_key(nn__binder *binder, nn__scope scope, nn__entry *entry) {
  entry->value->faulty = true;
  const nn_key *near = nearest_key(scope.schema, entry->key, scope.named);
  if (nn__errors_drop(binder->errors, entry->mark)) {
    binder->errors->total++;
    return;
  }
  const size_t before = nn__path_push(&binder->path, entry->key);
  char list[SHOWN_KEYS_MAX];
  nn__path home = {0};
  const nn_schema *root = &nn__config_schema;
  const char *path = binder->path.at;
  if (scope.kind >= 0 && find_siblings(binder, scope.kind, entry->key, list))
    nn__complain(binder->errors, entry->mark, path, "unknown key; %s has no '%s' (it is an option of %s)",
                 scope.schema->name, entry->key, list);
  else if ((scope.schema != root && nn__key_find(root, entry->key) != NULL))
    nn__complain(binder->errors, entry->mark, path, "unknown key; '%s' is a section of its own", entry->key);
  else if (find_home(binder, root, entry->key, NN_KEY_SECTION, &home) ||
           find_home(binder, root, entry->key, NN_KEY_CHOICES, &home) ||
           find_home(binder, root, entry->key, NN_KEY_CHOICE, &home))
    nn__complain(binder->errors, entry->mark, path, "unknown key; '%s' belongs to %s", entry->key, home.at);
  else if (near != NULL) {
    entry->meant = near->name;
    nn__complain(binder->errors, entry->mark, path, "unknown key; did you mean '%s'?", near->name);
  } else {
    list_keys(scope.schema, scope.named, list);
    nn__complain(binder->errors, entry->mark, path, "unknown key; %s%s",
                 list[0] != '\0' ? "valid here: " : "there are no options", list);
  }
  nn__path_pop(&binder->path, before);
}

void nn__unknown_choice(nn__binder *binder, nn_kind kind, nn__node *node, const char *name) {
  char shown[NN__SHOWN_MAX], list[SHOWN_KEYS_MAX] = "";
  const char *near = NULL;
  int least = 0;
  size_t used = 0;
  for (size_t i = 0; i < binder->registry->kinds[kind].count; i++) {
    const char *candidate = binder->registry->kinds[kind].at[i]->name;
    const int distance = distance_between(name, candidate);
    if (is_near(distance, name, candidate) && (near == NULL || distance < least)) {
      near = candidate;
      least = distance;
    }
    if (used < SHOWN_KEYS_MAX - 80)
      used += (size_t)snprintf(list + used, sizeof list - used, "%s%.64s", i > 0 ? ", " : "", candidate);
  }
  nn__shown(name, shown);
  if (near != NULL)
    nn__bad(binder, node, "%s is not %s; did you mean '%s'?", shown, nn__kind_a_name(kind), near);
  else
    nn__bad(binder, node, "%s is not %s; there are: %s", shown, nn__kind_a_name(kind), list);
}
