/* The way to an object. HDF5 would follow links out of the file by itself, so every component is looked at first. */
#include "h5io/h5io_internal.h"

#include <string.h>

/* One walk in progress. */
typedef struct walk {
  const nn_h5_file *file;
  hid_t at;                     /* the object reached */
  char rest[NN__H5_NAME_MAX];   /* what is still to be followed */
  int soft_links;               /* followed so far */
  char target[NN__H5_NAME_MAX]; /* of the last one */
  nn__h5_why *why;
} walk;

static nn__h5_found refuse(walk *w, const char *because) {
  nn__h5_because(w->why, "%s", because);
  return NN__H5_REFUSED;
}

static nn__h5_found refuse_damaged(walk *w) {
  nn__h5_because(w->why, "cannot be reached: the file is damaged%s", nn__h5_words().at);
  return NN__H5_REFUSED;
}

/* A name that leads nowhere: an ordinary absence, unless a soft link promised something. */
static nn__h5_found absent(walk *w) {
  if (w->soft_links == 0) return NN__H5_ABSENT;
  nn__h5_because(w->why, "is a link to '%s', which does not exist", nn__h5_legible(w->target).at);
  return NN__H5_REFUSED;
}

/* The next component, taken off the rest; false at the end. */
static bool next_component(walk *w, char component[NN__H5_NAME_MAX]) {
  for (;;) {
    char *begin = w->rest + strspn(w->rest, "/");
    const size_t length = strcspn(begin, "/");
    if (length == 0) return false;
    memcpy(component, begin, length);
    component[length] = '\0';
    memmove(w->rest, begin + length, strlen(begin + length) + 1);
    if (strcmp(component, ".") != 0) return true;
  }
}

static bool go_to(walk *w, hid_t from, const char *name) {
  const hid_t next = H5Oopen(from, name, H5P_DEFAULT);
  if (next < 0) return false;
  if (w->at >= 0) H5Oclose(w->at);
  w->at = next;
  return true;
}

/* Put the link's text in place of the component. */
static nn__h5_found follow_soft(walk *w, const char *component, size_t bytes) {
  char longer[NN__H5_NAME_MAX];
  if (++w->soft_links > NN__H5_LINKS_MAX) return refuse(w, "is reached by too many soft links: do they form a ring?");
  if (bytes >= sizeof w->target) return refuse(w, "is a soft link of more than 1000 characters");
  memset(w->target, 0, sizeof w->target);
  if (H5Lget_val(w->at, component, w->target, sizeof w->target - 1, H5P_DEFAULT) < 0) return refuse_damaged(w);
  if (strlen(w->target) + 1 + strlen(w->rest) >= sizeof longer)
    return refuse(w, "is a soft link of more than 1000 characters");
  snprintf(longer, sizeof longer, "%.*s/%.*s", (int)strlen(w->target), w->target, (int)strlen(w->rest), w->rest);
  memcpy(w->rest, longer, sizeof longer);
  if (w->target[0] == '/' && !go_to(w, w->file->id, "/")) return refuse_damaged(w);
  return NN__H5_GROUP;
}

/* One component further; GROUP: go on. */
static nn__h5_found step(walk *w, const char *component) {
  H5L_info_t link;
  if (H5Iget_type(w->at) != H5I_GROUP) return absent(w);
  const htri_t exists = H5Lexists(w->at, component, H5P_DEFAULT);
  if (exists < 0) return refuse_damaged(w);
  if (exists == 0) return absent(w);
  if (H5Lget_info(w->at, component, &link, H5P_DEFAULT) < 0) return refuse_damaged(w);
  switch (link.type) {
  case H5L_TYPE_HARD:
    return go_to(w, w->at, component) ? NN__H5_GROUP : refuse_damaged(w);
  case H5L_TYPE_SOFT:
    return follow_soft(w, component, link.u.val_size);
  case H5L_TYPE_EXTERNAL:
    return refuse(w, "is a link into another file, which nnmpi does not follow; copy the data into this file");
  default:
    return refuse(w, "is a user-defined link, which nnmpi does not follow; copy the data into this file");
  }
}

nn__h5_found nn__h5_walk(const nn_h5_file *file, const char *name, hid_t *out, nn__h5_why *why) {
  walk w = {.file = file, .at = H5I_INVALID_HID, .why = why};
  char component[NN__H5_NAME_MAX];
  nn__h5_found found = NN__H5_GROUP;
  if (strlen(name) >= sizeof w.rest) return NN__H5_ABSENT; /* we never write one so long, nor does anybody */
  memcpy(w.rest, name, strlen(name) + 1);
  if (!go_to(&w, file->id, "/")) return refuse_damaged(&w);
  while (found == NN__H5_GROUP && next_component(&w, component)) found = step(&w, component);
  if (found == NN__H5_GROUP) {
    const H5I_type_t kind = H5Iget_type(w.at);
    if (kind == H5I_DATASET) found = NN__H5_DATASET;
    if (kind != H5I_DATASET && kind != H5I_GROUP) found = refuse(&w, "is a named type, not a dataset");
  }
  if (found == NN__H5_GROUP || found == NN__H5_DATASET)
    *out = w.at;
  else if (w.at >= 0)
    H5Oclose(w.at);
  return found;
}

bool nn_h5_has(nn_h5_file *file, const char *name) {
  hid_t object = H5I_INVALID_HID;
  nn__h5_why why;
  NN__H5_ENTER;
  /* what is refused is there: the reader will say why it may not be read */
  const nn__h5_found found = nn__h5_walk(file, name, &object, &why);
  if (object >= 0) H5Oclose(object);
  return found != NN__H5_ABSENT;
}

/* ---- visiting ------------------------------------------------------------------------------------ */

/* Told of every dataset: `info` NULL where it may not be read, and why. */
typedef nn_status (*visit_any)(void *context, const char *name, const nn_h5_info *info, const nn__h5_why *why);

typedef struct tour {
  nn_h5_file *file;
  visit_any visit;
  void *context;
  size_t objects;                   /* seen so far: groups that share groups multiply */
  haddr_t inside[NN__H5_DEPTH_MAX]; /* addresses of the groups we are in: hard links may form rings */
} tour;

typedef struct names {
  nn_text text; /* names, each with its zero */
  size_t count;
} names;

static herr_t collect(hid_t group, const char *name, const H5L_info_t *info, void *context) {
  names *all = context;
  (void)group;
  (void)info;
  nn_text_add_bytes(&all->text, name, strlen(name) + 1);
  all->count++;
  return all->count >= NN__H5_OBJECTS_MAX || all->text.out_of_memory; /* > 0 ends the iteration */
}

/* Is the group behind this link to be entered? Not by a soft link, which would show everything twice, nor where it is
 * one of the groups that we are in. */
static bool is_new_group(tour *t, hid_t group, const char *name, int depth) {
  H5L_info_t link;
  if (H5Lget_info(group, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD) return false;
  if (depth + 1 >= NN__H5_DEPTH_MAX) return false;
  for (int i = 1; i <= depth; i++)
    if (t->inside[i] == link.u.address) return false;
  t->inside[depth + 1] = link.u.address;
  return true;
}

static nn_status tour_group(tour *t, hid_t group, const char *path, int depth);

static nn_status tour_object(tour *t, hid_t group, const char *path, const char *name, int depth) {
  char full[NN__H5_NAME_MAX];
  hid_t object = H5I_INVALID_HID;
  nn__h5_why why;
  nn_h5_info info;
  nn_status status = NN_OK;
  if (++t->objects > NN__H5_OBJECTS_MAX) return nn__h5_fail(t->file, "has more than %d objects", NN__H5_OBJECTS_MAX);
  if (snprintf(full, sizeof full, "%s%s%s", path, *path != '\0' ? "/" : "", name) >= (int)sizeof full) return NN_OK;
  switch (nn__h5_walk(t->file, full, &object, &why)) {
  case NN__H5_GROUP:
    if (is_new_group(t, group, name, depth)) status = tour_group(t, object, full, depth + 1);
    break;
  case NN__H5_DATASET: {
    const bool readable = nn__h5_dataset_readable(t->file, object, &info, &why);
    status = t->visit(t->context, full, readable ? &info : NULL, &why);
    break;
  }
  case NN__H5_REFUSED:
    status = t->visit(t->context, full, NULL, &why);
    break;
  case NN__H5_ABSENT:
    break;
  }
  if (object >= 0) H5Oclose(object);
  return status;
}

static nn_status tour_group(tour *t, hid_t group, const char *path, int depth) {
  names all = {{0}, 0};
  nn_status status = NN_OK;
  if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, collect, &all) < 0) {
    status = nn__h5_fail(t->file, "group '%s' cannot be listed%s", path, nn__h5_words().at);
    goto done;
  }
  NN_TRY_DONE(nn_text_status(&all.text));
  const char *name = all.text.at;
  for (size_t i = 0; i < all.count; i++) {
    NN_TRY_DONE(tour_object(t, group, path, name, depth));
    name += strlen(name) + 1;
  }
done:
  nn_text_clear(&all.text);
  return status;
}

static nn_status tour_from(nn_h5_file *file, const char *name, visit_any visit, void *context) {
  tour t = {.file = file, .visit = visit, .context = context};
  hid_t group = H5I_INVALID_HID;
  nn__h5_why why = {""};
  char path[NN__H5_NAME_MAX];
  const nn__h5_found found = nn__h5_walk(file, name, &group, &why);
  nn_status status = NN_OK;
  if (found == NN__H5_GROUP) {
    snprintf(path, sizeof path, "%s", name + strspn(name, "/"));
    for (size_t end = strlen(path); end > 0 && path[end - 1] == '/'; end--) path[end - 1] = '\0';
    status = tour_group(&t, group, path, 0);
  } else {
    status = nn__h5_fail(file, "'%s' %s", name, found == NN__H5_REFUSED ? why.at : "is not a group of this file");
  }
  if (group >= 0) H5Oclose(group);
  return status;
}

typedef struct readable_only {
  nn_h5_visit visit;
  void *context;
} readable_only;

static nn_status pass_readable(void *context, const char *name, const nn_h5_info *info, const nn__h5_why *why) {
  const readable_only *to = context;
  (void)why;
  return info != NULL ? to->visit(to->context, name, info) : NN_OK;
}

nn_status nn_h5_each(nn_h5_file *file, const char *group, nn_h5_visit visit, void *context) {
  readable_only to = {visit, context};
  NN__H5_ENTER;
  return tour_from(file, group, pass_readable, &to);
}

static nn_status add_refused(void *context, const char *name, const nn_h5_info *info, const nn__h5_why *why) {
  if (info == NULL) nn_text_add(context, "%s: %s\n", nn__h5_legible(name).at, why->at);
  return NN_OK;
}

nn_status nn_h5_refused(nn_h5_file *file, nn_text *out) {
  NN__H5_ENTER;
  NN_TRY(tour_from(file, "/", add_refused, out));
  return nn_text_status(out);
}

typedef struct listing {
  nn_text *out;
  size_t count, limit;
} listing;

static nn_status add_to_list(void *context, const char *name, const nn_h5_info *info, const nn__h5_why *why) {
  listing *list = context;
  if (list->count++ >= list->limit) return NN_OK;
  nn_text_add(list->out, "%s%s ", list->count > 1 ? ", " : "", nn__h5_legible(name).at);
  if (info != NULL)
    nn__h5_info_text(info, list->out);
  else
    nn_text_add(list->out, "(%s)", why->at);
  return NN_OK;
}

void nn__h5_list(nn_h5_file *file, size_t limit, nn_text *out) {
  listing list = {out, 0, limit};
  if (tour_from(file, "/", add_to_list, &list) != NN_OK)
    nn_text_add(out, "%s…", list.count > 0 ? ", " : "");
  else if (list.count == 0)
    nn_text_add(out, "no datasets");
  else if (list.count > limit)
    nn_text_add(out, " and %zu more", list.count - limit);
}
