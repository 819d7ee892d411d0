/* What differs between two configurations, key by key. */
#include "config/internal.h"

#include <string.h>

typedef struct comparison {
  nn_text *out;
  size_t count;
  nn__path path;
} comparison;

static void compare_structs(comparison *c, const nn_schema *schema, const void *old, const void *now);

/* ---- one difference --------------------------------------------------------------------------------------- */

/* Cut a value that would fill the screen. */
static void add_cut(nn_text *out, const nn_text *value, bool cut) {
  enum { SHOWN = 160 };
  size_t length = value->length;
  if (cut && length > SHOWN) {
    length = SHOWN;
    while (((unsigned char)value->at[length] & 0xc0) == 0x80) length--;
  }
  nn_text_add_bytes(out, value->at, length);
  if (length < value->length) nn_text_add(out, "…");
}

static void report_texts(comparison *c, const nn_text *old, const nn_text *now) {
  nn_text a = {0}, b = {0};
  add_cut(&a, old, true);
  add_cut(&b, now, true);
  const bool out_of_memory = a.out_of_memory || b.out_of_memory || old->out_of_memory || now->out_of_memory;
  const bool cut = !out_of_memory && strcmp(a.at, b.at) != 0;
  c->count++;
  nn_text_add(c->out, "  %s: ", c->path.at);
  add_cut(c->out, old, cut);
  nn_text_add(c->out, " -> ");
  add_cut(c->out, now, cut);
  nn_text_add(c->out, "\n");
  c->out->out_of_memory |= out_of_memory;
  nn_text_clear(&a);
  nn_text_clear(&b);
}

static void add_value(nn_text *out, const nn_key *key, const void *member) {
  if (member != NULL)
    nn__value_write(out, key, member);
  else
    nn_text_add(out, "(not given)");
}

/* `old` and `now` are NULL where not given. */
static void report(comparison *c, const nn_key *key, const void *old, const void *now) {
  nn_text a = {0}, b = {0};
  add_value(&a, key, old);
  add_value(&b, key, now);
  report_texts(c, &a, &b);
  nn_text_clear(&a);
  nn_text_clear(&b);
}

/* ---- values --------------------------------------------------------------------------------------------------- */

static bool same_real(double a, double b) {
  return !(a < b) && !(a > b);
}

static bool same_ints(const nn_ints *a, const nn_ints *b) {
  return a->count == b->count && (a->count == 0 || memcmp(a->at, b->at, a->count * sizeof *a->at) == 0);
}

static bool same_texts(const nn_texts *a, const nn_texts *b) {
  if (a->count != b->count) return false;
  for (size_t i = 0; i < a->count; i++)
    if (strcmp(a->at[i], b->at[i]) != 0) return false;
  return true;
}

/* Of two tensors of the same shape, only the first numbers that differ are shown, with their place. */
static void compare_tensors(comparison *c, const nn_key *key, const nn_tensor *old, const nn_tensor *now) {
  if (old->rank != now->rank || memcmp(old->dims, now->dims, sizeof old->dims) != 0) {
    report(c, key, old, now);
    return;
  }
  size_t total = 1, index = 0;
  for (int i = 0; i < old->rank; i++) total *= old->dims[i];
  while (index < total && same_real(old->at[index], now->at[index])) index++;
  if (index == total) return;
  const size_t before = c->path.length;
  size_t behind = total, rest = index;
  for (int i = 0; i < old->rank; i++) {
    behind /= old->dims[i];
    nn__path_push_index(&c->path, rest / behind);
    rest %= behind;
  }
  static const nn_key number = {.type = NN_KEY_REAL};
  report(c, &number, &old->at[index], &now->at[index]);
  nn__path_pop(&c->path, before);
}

static const nn_tensor *named_tensor(const nn_tensors *tensors, const char *name) {
  for (size_t i = 0; i < tensors->count; i++)
    if (strcmp(tensors->names[i], name) == 0) return &tensors->at[i];
  return NULL;
}

/* By name, in whatever order they stand. */
static void compare_tensor_lists(comparison *c, const nn_tensors *old, const nn_tensors *now) {
  static const nn_key tensor = {.type = NN_KEY_TENSOR};
  for (size_t i = 0; i < old->count; i++) {
    const size_t before = nn__path_push(&c->path, old->names[i]);
    const nn_tensor *other = named_tensor(now, old->names[i]);
    if (other != NULL)
      compare_tensors(c, &tensor, &old->at[i], other);
    else
      report(c, &tensor, &old->at[i], NULL);
    nn__path_pop(&c->path, before);
  }
  for (size_t i = 0; i < now->count; i++) {
    if (named_tensor(old, now->names[i]) != NULL) continue;
    const size_t before = nn__path_push(&c->path, now->names[i]);
    report(c, &tensor, NULL, &now->at[i]);
    nn__path_pop(&c->path, before);
  }
}

/* What a layer or another choice is called in a list of them. */
static void report_names(comparison *c, const nn_choice *old, const nn_choice *now) {
  nn_text a = {0}, b = {0};
  nn_text_add(&a, "%s", old->schema->name);
  nn_text_add(&b, "%s", now->schema->name);
  report_texts(c, &a, &b);
  nn_text_clear(&a);
  nn_text_clear(&b);
}

/* Both given. */
static void compare_values(comparison *c, const nn_key *key, const void *old, const void *now) {
  bool same = true;
  switch (key->type) {
  case NN_KEY_BOOL:
    same = *(const bool *)old == *(const bool *)now;
    break;
  case NN_KEY_INT:
    same = *(const int64_t *)old == *(const int64_t *)now;
    break;
  case NN_KEY_REAL:
    same = same_real(*(const double *)old, *(const double *)now);
    break;
  case NN_KEY_TEXT:
    same = strcmp(*(char *const *)old, *(char *const *)now) == 0;
    break;
  case NN_KEY_WORD:
    same = *(const int *)old == *(const int *)now;
    break;
  case NN_KEY_INTS:
    same = same_ints(old, now);
    break;
  case NN_KEY_TEXTS:
    same = same_texts(old, now);
    break;
  case NN_KEY_TENSOR:
    compare_tensors(c, key, old, now);
    break;
  case NN_KEY_TENSORS: /* compare_structs() */
    break;
  case NN_KEY_SECTION:
    compare_structs(c, key->section, old, now);
    break;
  case NN_KEY_CHOICE: {
    const nn_choice *a = old, *b = now;
    same = strcmp(a->schema->name, b->schema->name) == 0;
    if (same) compare_structs(c, a->schema, a->options, b->options);
    break;
  }
  case NN_KEY_CHOICES: {
    const nn_choices *a = old, *b = now;
    same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
      const size_t before = nn__path_push_index(&c->path, i);
      if (strcmp(a->at[i].schema->name, b->at[i].schema->name) != 0) {
        report_names(c, &a->at[i], &b->at[i]);
      } else {
        nn__path_push(&c->path, a->at[i].schema->name);
        compare_structs(c, a->at[i].schema, a->at[i].options, b->at[i].options);
      }
      nn__path_pop(&c->path, before);
    }
    break;
  }
  }
  if (!same) report(c, key, old, now);
}

static void compare_structs(comparison *c, const nn_schema *schema, const void *old, const void *now) {
  for (const nn_key *key = schema->keys; key != NULL && key->name != NULL; key++) {
    if ((key->flags & NN_KEY_MAY_CHANGE) != 0) continue;
    if (key->type == NN_KEY_TENSORS) {
      compare_tensor_lists(c, nn__member_const(key, old), nn__member_const(key, now));
      continue;
    }
    const void *a = nn__key_applies(schema, key, old) ? nn__member_const(key, old) : NULL;
    const void *b = nn__key_applies(schema, key, now) ? nn__member_const(key, now) : NULL;
    const size_t before = nn__path_push(&c->path, key->name);
    if (a != NULL && b != NULL)
      compare_values(c, key, a, b);
    else if (a != NULL || b != NULL)
      report(c, key, a, b);
    nn__path_pop(&c->path, before);
  }
}

nn_status nn_config_compare(const nn_config *old, const nn_config *now, nn_text *out, size_t *count) {
  comparison c = {.out = out};
  compare_structs(&c, &nn__config_schema, old, now);
  *count = c.count;
  return nn_text_status(out);
}
