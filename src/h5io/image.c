/* Building a file in memory. Nothing here can fail for lack of disk: HDF5 does not survive that. */
#include "h5io/h5io_internal.h"

#include <string.h>

enum {
  CHUNK_TARGET = 1 << 20, /* bytes of a chunk at most: HDF5's chunk cache holds one of these */
  GROWTH = 64 << 10,      /* bytes that HDF5 clears at a time */
  META_LEAST = 16 << 10,  /* bytes kept for metadata in front of what is lent */
  META_MOST = 4 << 20
};

/* Failures here are lack of memory, or bugs; HDF5 does not tell which. */
nn_status nn__h5_fail_image(const char *name) {
  return NN_FAIL(NN_ERR_MEMORY, "cannot build '%s' in memory%s", name, nn__h5_words().at);
}

nn_status nn_h5_image_create_for(size_t bytes, nn_h5_image **out) {
  nn_h5_image *image = NULL;
  void *memory = NULL;
  char unique[64];
  NN__H5_ENTER;
  NN_TRY(nn_alloc(1, sizeof *image, "a file image", &memory));
  image = memory;
  /* HDF5 takes two images of one name for the same file */
  snprintf(unique, sizeof unique, "nnmpi-image-%p", memory);
  image->id = H5I_INVALID_HID;
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  const hid_t creation = H5Pcreate(H5P_FILE_CREATE);
  const size_t share = bytes / 64 < META_LEAST ? META_LEAST : bytes / 64 > META_MOST ? META_MOST : bytes / 64;
  const size_t metadata = bytes < NN_H5_LENT_LEAST ? 0 : share;
  /* SEMI: a forgotten id makes closing fail instead of spoiling the file. EARLIEST: images of newer formats cannot be
   * read back by 1.10. */
  if (access >= 0 && creation >= 0 && H5Pset_fapl_core(access, GROWTH, false) >= 0 &&
      nn__h5_memory_use(access, &image->memory) && H5Pset_fclose_degree(access, H5F_CLOSE_SEMI) >= 0 &&
      H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST) >= 0 &&
      (metadata == 0 || H5Pset_meta_block_size(access, metadata) >= 0) &&
      H5Pset_obj_track_times(creation, false) >= 0) /* the same content gives the same bytes */
    image->id = H5Fcreate(unique, H5F_ACC_EXCL, creation, access);
  const nn_status status = image->id < 0 ? nn__h5_fail_image("a file") : NN_OK;
  if (creation >= 0) H5Pclose(creation);
  if (access >= 0) H5Pclose(access);
  if (status == NN_OK)
    *out = image;
  else
    nn_free(memory);
  return status;
}

nn_status nn_h5_image_create(nn_h5_image **out) {
  return nn_h5_image_create_for(0, out);
}

void nn_h5_image_destroy(nn_h5_image **image) {
  if (image == NULL || *image == NULL) return;
  NN__H5_ENTER;
  /* what cannot be closed HDF5 goes on using */
  if (!(*image)->finished) (*image)->stuck = H5Fclose((*image)->id) < 0;
  if (!(*image)->stuck) {
    nn_free((*image)->memory.at);
    nn__h5_lent_clear(*image);
    nn_free((*image)->parts);
    nn_free(*image);
  }
  *image = NULL;
}

/* ---- datasets --------------------------------------------------------------------------------------- */

/* Halve the slowest dimension that can be halved until a chunk is small enough; halves are rounded up, so that the
 * last chunk is nearly full. */
static void choose_chunk(int rank, const uint64_t *dims, size_t element, hsize_t *chunk) {
  for (int i = 0; i < rank; i++) chunk[i] = dims[i];
  for (int halved = 0; halved < rank;) {
    uint64_t bytes = element;
    for (int i = 0; i < rank; i++) bytes *= chunk[i]; /* the whole array is in memory: no overflow */
    if (bytes <= CHUNK_TARGET) return;
    if (chunk[halved] > 1)
      chunk[halved] = (chunk[halved] + 1) / 2;
    else
      halved++;
  }
}

static bool set_storage(hid_t plist, int rank, const uint64_t *dims, size_t element, int deflate) {
  hsize_t chunk[NN_H5_RANK_MAX];
  if (H5Pset_obj_track_times(plist, false) < 0) return false;
  for (int i = 0; i < rank; i++)
    if (dims[i] == 0) return true;
  if (rank == 0) return true; /* a single value cannot be chunked; the file as a whole has its checksum */
  if (deflate == NN__H5_LENT)
    return H5Pset_alloc_time(plist, H5D_ALLOC_TIME_EARLY) >= 0 && H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER) >= 0;
  choose_chunk(rank, dims, element, chunk);
  if (H5Pset_chunk(plist, rank, chunk) < 0 || H5Pset_fill_time(plist, H5D_FILL_TIME_ALLOC) < 0) return false;
  if (deflate > 0 && (H5Pset_shuffle(plist) < 0 || H5Pset_deflate(plist, (unsigned)deflate) < 0)) return false;
  return H5Pset_fletcher32(plist) >= 0;
}

hid_t nn__h5_dataset_create(nn_h5_image *image, const char *name, hid_t type, int rank, const uint64_t *dims,
                            int deflate) {
  hsize_t size[NN_H5_RANK_MAX];
  hid_t dataset = H5I_INVALID_HID;
  for (int i = 0; i < rank; i++) size[i] = dims[i];
  const hid_t space = rank > 0 ? H5Screate_simple(rank, size, NULL) : H5Screate(H5S_SCALAR);
  const hid_t links = H5Pcreate(H5P_LINK_CREATE);
  const hid_t storage = H5Pcreate(H5P_DATASET_CREATE);
  if (space >= 0 && links >= 0 && storage >= 0 && H5Pset_create_intermediate_group(links, 1) >= 0 &&
      H5Pset_char_encoding(links, H5T_CSET_UTF8) >= 0 && set_storage(storage, rank, dims, H5Tget_size(type), deflate))
    dataset = H5Dcreate2(image->id, name, type, space, links, storage, H5P_DEFAULT);
  if (storage >= 0) H5Pclose(storage);
  if (links >= 0) H5Pclose(links);
  if (space >= 0) H5Sclose(space);
  return dataset;
}

nn_status nn_h5_image_dataset(nn_h5_image *image, const char *name, nn_h5_type type, int rank, const uint64_t *dims,
                              int deflate) {
  NN_ASSERT(type != NN_H5_TEXT && rank >= 0 && rank <= NN_H5_RANK_MAX && deflate >= 0 && deflate <= 9);
  NN__H5_ENTER;
  const hid_t dataset = nn__h5_dataset_create(image, name, nn__h5_stored_type(type), rank, dims, deflate);
  if (dataset < 0) return nn__h5_fail_image(name);
  return H5Dclose(dataset) < 0 ? nn__h5_fail_image(name) : NN_OK;
}

nn_status nn_h5_image_write(nn_h5_image *image, const char *name, nn_h5_type type, int rank, const uint64_t *dims,
                            int deflate, const void *data) {
  NN_ASSERT(type != NN_H5_TEXT && rank >= 0 && rank <= NN_H5_RANK_MAX && deflate >= 0 && deflate <= 9);
  NN__H5_ENTER;
  const hid_t dataset = nn__h5_dataset_create(image, name, nn__h5_stored_type(type), rank, dims, deflate);
  if (dataset < 0) return nn__h5_fail_image(name);
  bool empty = false;
  for (int i = 0; i < rank; i++) empty = empty || dims[i] == 0;
  nn_status status = NN_OK;
  if (!empty && H5Dwrite(dataset, nn__h5_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
    status = nn__h5_fail_image(name);
  if (H5Dclose(dataset) < 0 && status == NN_OK) status = nn__h5_fail_image(name);
  return status;
}

nn_status nn_h5_image_write_rows(nn_h5_image *image, const char *name, uint64_t first, uint64_t count,
                                 const void *data) {
  hsize_t dims[H5S_MAX_RANK], start[H5S_MAX_RANK] = {first};
  hid_t to = H5I_INVALID_HID, from = H5I_INVALID_HID, stored = H5I_INVALID_HID;
  nn_h5_type type;
  nn__h5_why why;
  nn_status status = NN_OK;
  NN__H5_ENTER;
  if (count == 0) return NN_OK;
  const hid_t dataset = H5Dopen2(image->id, name, H5P_DEFAULT);
  NN_ASSERT(dataset >= 0); /* created by nn_h5_image_dataset() before */
  stored = H5Dget_type(dataset);
  to = H5Dget_space(dataset);
  if (stored < 0 || to < 0 || !nn__h5_type_of(stored, &type, &why)) {
    status = nn__h5_fail_image(name);
    goto done;
  }
  const int rank = H5Sget_simple_extent_dims(to, dims, NULL);
  NN_ASSERT(rank >= 1 && first + count <= dims[0]);
  dims[0] = count;
  from = H5Screate_simple(rank, dims, NULL);
  bool empty = false;
  for (int i = 0; i < rank; i++) empty = empty || dims[i] == 0;
  if (from < 0 || H5Sselect_hyperslab(to, H5S_SELECT_SET, start, NULL, dims, NULL) < 0 ||
      (!empty && H5Dwrite(dataset, nn__h5_memory_type(type), from, to, H5P_DEFAULT, data) < 0))
    status = nn__h5_fail_image(name);
done:
  if (from >= 0) H5Sclose(from);
  if (to >= 0) H5Sclose(to);
  if (stored >= 0) H5Tclose(stored);
  if (H5Dclose(dataset) < 0 && status == NN_OK) status = nn__h5_fail_image(name);
  return status;
}

/* ---- texts ------------------------------------------------------------------------------------------ */

/* A type for texts of at most `length` bytes: fixed, since variable strings live in a heap without a checksum. */
static hid_t text_type(size_t length, H5T_str_t padding) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  if (type < 0) return type;
  if (H5Tset_size(type, length == 0 ? 1 : length) >= 0 && H5Tset_strpad(type, padding) >= 0 &&
      H5Tset_cset(type, H5T_CSET_UTF8) >= 0)
    return type;
  H5Tclose(type);
  return H5I_INVALID_HID;
}

nn_status nn_h5_image_texts(nn_h5_image *image, const char *name, const char *const *texts, size_t count) {
  size_t longest = 1;
  void *bytes = NULL;
  hid_t type = H5I_INVALID_HID, dataset = H5I_INVALID_HID;
  const uint64_t dims[1] = {count};
  NN__H5_ENTER;
  for (size_t i = 0; i < count; i++)
    if (strlen(texts[i]) > longest) longest = strlen(texts[i]);
  nn_status status = nn_alloc(count, longest, name, &bytes);
  if (status != NN_OK) return status;
  for (size_t i = 0; i < count; i++) memcpy((char *)bytes + i * longest, texts[i], strlen(texts[i]));
  type = text_type(longest, H5T_STR_NULLPAD);
  if (type >= 0) dataset = nn__h5_dataset_create(image, name, type, 1, dims, 0);
  if (dataset < 0 || (count > 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) < 0))
    status = nn__h5_fail_image(name);
  if (dataset >= 0 && H5Dclose(dataset) < 0 && status == NN_OK) status = nn__h5_fail_image(name);
  if (type >= 0) H5Tclose(type);
  nn_free(bytes);
  return status;
}

nn_status nn_h5_image_text(nn_h5_image *image, const char *name, const char *text) {
  hid_t dataset = H5I_INVALID_HID;
  nn_status status = NN_OK;
  NN__H5_ENTER;
  const hid_t type = text_type(strlen(text) + 1, H5T_STR_NULLTERM);
  if (type >= 0) dataset = nn__h5_dataset_create(image, name, type, 0, NULL, 0);
  if (dataset < 0 || H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0) status = nn__h5_fail_image(name);
  if (dataset >= 0 && H5Dclose(dataset) < 0 && status == NN_OK) status = nn__h5_fail_image(name);
  if (type >= 0) H5Tclose(type);
  return status;
}

/* ---- attributes ------------------------------------------------------------------------------------- */

/* The object that gets an attribute: a dataset or group that exists, or a group made now. */
static hid_t owner_open(nn_h5_image *image, const char *object) {
  hid_t group = H5I_INVALID_HID;
  const hid_t found = H5Oopen(image->id, object, H5P_DEFAULT);
  if (found >= 0) return found;
  const hid_t links = H5Pcreate(H5P_LINK_CREATE);
  if (links >= 0 && H5Pset_create_intermediate_group(links, 1) >= 0)
    group = H5Gcreate2(image->id, object, links, H5P_DEFAULT, H5P_DEFAULT);
  if (links >= 0) H5Pclose(links);
  return group;
}

static nn_status attribute_write(nn_h5_image *image, const char *object, const char *name, hid_t stored, hid_t memory,
                                 const void *value) {
  nn_status status = NN_OK;
  const hid_t owner = owner_open(image, object);
  const hid_t space = H5Screate(H5S_SCALAR);
  hid_t attribute = H5I_INVALID_HID;
  if (owner >= 0 && space >= 0) attribute = H5Acreate2(owner, name, stored, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute < 0 || H5Awrite(attribute, memory, value) < 0) status = nn__h5_fail_image(name);
  if (attribute >= 0 && H5Aclose(attribute) < 0 && status == NN_OK) status = nn__h5_fail_image(name);
  if (space >= 0) H5Sclose(space);
  if (owner >= 0) H5Oclose(owner);
  return status;
}

nn_status nn_h5_image_attribute_int(nn_h5_image *image, const char *object, const char *name, int64_t value) {
  NN__H5_ENTER;
  return attribute_write(image, object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

nn_status nn_h5_image_attribute_real(nn_h5_image *image, const char *object, const char *name, double value) {
  NN__H5_ENTER;
  return attribute_write(image, object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

nn_status nn_h5_image_attribute_text(nn_h5_image *image, const char *object, const char *name, const char *value) {
  NN__H5_ENTER;
  NN_ASSERT(strlen(value) < 32000); /* the format refuses attributes of 64 KiB: long texts are datasets */
  const hid_t type = text_type(strlen(value) + 1, H5T_STR_NULLTERM);
  if (type < 0) return nn__h5_fail_image(name);
  const nn_status status = attribute_write(image, object, name, type, type, value);
  H5Tclose(type);
  return status;
}
