/* What can be said and done about structs by their tables alone. */
#include "config/internal.h"

#include <string.h>

const nn_key *nn__key_find(const nn_schema *schema, const char *name) {
  for (const nn_key *key = schema->keys; key != NULL && key->name != NULL; key++)
    if (key->type != NN_KEY_TENSORS && strcmp(key->name, name) == 0) return key;
  return NULL;
}

const nn_key *nn__key_taking(const nn_schema *schema, const char *name) {
  const nn_key *found = nn__key_find(schema, name);
  for (const nn_key *key = schema->keys; found == NULL && key != NULL && key->name != NULL; key++)
    if (key->type == NN_KEY_TENSORS) found = key;
  return found;
}

const nn_schema *nn__alternative(const nn_registry *registry, nn_kind kind, const char *name) {
  for (size_t i = 0; i < registry->kinds[kind].count; i++)
    if (strcmp(registry->kinds[kind].at[i]->name, name) == 0) return registry->kinds[kind].at[i];
  return NULL;
}

const char *nn__kind_name(nn_kind kind) {
  static const char *const names[NN_KIND_COUNT] = {"layer", "loss", "initialisation", "optimizer", "schedule"};
  return names[kind];
}

const char *nn__kind_a_name(nn_kind kind) {
  static const char *const names[NN_KIND_COUNT] = {"a layer", "a loss", "an initialisation", "an optimizer",
                                                   "a schedule"};
  return names[kind];
}

static void clear_texts(nn_texts *texts) {
  for (size_t i = 0; i < texts->count; i++) nn_free(texts->at[i]);
  nn_free(texts->at);
  *texts = (nn_texts){0};
}

static void clear_tensors(nn_tensors *tensors) {
  for (size_t i = 0; i < tensors->count; i++) {
    nn_free(tensors->names[i]);
    nn_free(tensors->at[i].at);
  }
  nn_free(tensors->names);
  nn_free(tensors->at);
  *tensors = (nn_tensors){0};
}

static void clear_choices(nn_choices *choices) {
  for (size_t i = 0; i < choices->count; i++) nn_choice_clear(&choices->at[i]);
  nn_free(choices->at);
  *choices = (nn_choices){0};
}

static void clear_member(const nn_key *key, void *member) {
  switch (key->type) {
  case NN_KEY_TEXT:
    nn_free(*(char **)member);
    *(char **)member = NULL;
    break;
  case NN_KEY_INTS:
    nn_free(((nn_ints *)member)->at);
    *(nn_ints *)member = (nn_ints){0};
    break;
  case NN_KEY_TEXTS:
    clear_texts(member);
    break;
  case NN_KEY_TENSOR:
    nn_free(((nn_tensor *)member)->at);
    *(nn_tensor *)member = (nn_tensor){0};
    break;
  case NN_KEY_TENSORS:
    clear_tensors(member);
    break;
  case NN_KEY_SECTION:
    nn__struct_clear(key->section, member);
    break;
  case NN_KEY_CHOICE:
    nn_choice_clear(member);
    break;
  case NN_KEY_CHOICES:
    clear_choices(member);
    break;
  case NN_KEY_BOOL:
  case NN_KEY_INT:
  case NN_KEY_REAL:
  case NN_KEY_WORD:
    break;
  }
}

void nn__struct_clear(const nn_schema *schema, void *object) {
  for (const nn_key *key = schema->keys; key != NULL && key->name != NULL; key++)
    clear_member(key, nn__member(key, object));
}

void nn_choice_clear(nn_choice *choice) {
  if (choice->schema != NULL && choice->options != NULL) nn__struct_clear(choice->schema, choice->options);
  nn_free(choice->options);
  *choice = (nn_choice){0};
}

/* A section that may be absent, is, where one of its required keys is. */
static bool section_given(const nn_key *key, const void *section) {
  if ((key->flags & NN_KEY_REQUIRED) != 0) return true;
  for (const nn_key *inner = key->section->keys; inner->name != NULL; inner++)
    if ((inner->flags & NN_KEY_REQUIRED) != 0 && !nn__member_given(inner, nn__member_const(inner, section)))
      return false;
  return true;
}

bool nn__member_given(const nn_key *key, const void *member) {
  switch (key->type) {
  case NN_KEY_TEXT:
    return *(char *const *)member != NULL;
  case NN_KEY_TENSOR:
    return ((const nn_tensor *)member)->rank > 0;
  case NN_KEY_TENSORS:
    return ((const nn_tensors *)member)->count > 0;
  case NN_KEY_SECTION:
    return section_given(key, member);
  case NN_KEY_CHOICE:
    return ((const nn_choice *)member)->schema != NULL;
  case NN_KEY_CHOICES:
    return ((const nn_choices *)member)->count > 0;
  case NN_KEY_INT: /* 0 outside of its range can only mean: absent */
    return *(const int64_t *)member != 0 || key->fallback != NULL || nn__in_range(key, 0);
  case NN_KEY_REAL:
    return *(const double *)member < 0 || *(const double *)member > 0 || key->fallback != NULL || nn__in_range(key, 0);
  case NN_KEY_BOOL:
  case NN_KEY_WORD:
  case NN_KEY_INTS:
  case NN_KEY_TEXTS:
    return true;
  }
  return true;
}
