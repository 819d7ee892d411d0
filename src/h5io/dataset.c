/* What a dataset is, and whether it may be read. */
#include "h5io/h5io_internal.h"

#include <string.h>

uint64_t nn__h5_elements(const nn_h5_info *info) {
  uint64_t elements = 1;
  for (int i = 0; i < info->rank; i++) elements *= info->dims[i];
  return elements;
}

static const char *filter_name(H5Z_filter_t filter) {
  switch (filter) {
  case H5Z_FILTER_SZIP:
    return "szip";
  case H5Z_FILTER_NBIT:
    return "nbit";
  case H5Z_FILTER_SCALEOFFSET:
    return "scaleoffset";
  case 307:
    return "bzip2";
  case 32000:
    return "lzf";
  case 32001:
    return "blosc";
  case 32004:
    return "lz4";
  case 32008:
    return "bitshuffle";
  case 32015:
    return "zstd";
  case 32026:
    return "blosc2";
  default:
    return "unknown";
  }
}

static bool filters_allowed(hid_t plist, nn__h5_why *why) {
  const int count = H5Pget_nfilters(plist);
  if (count < 0 || count > NN__H5_FILTERS_MAX) {
    nn__h5_because(why, "is stored through %d filters; at most %d are undone", count, (int)NN__H5_FILTERS_MAX);
    return false;
  }
  for (int i = 0; i < count; i++) {
    size_t values = 0;
    unsigned flags = 0;
    const H5Z_filter_t filter = H5Pget_filter2(plist, (unsigned)i, &flags, &values, NULL, 0, NULL, NULL);
    if (filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE || filter == H5Z_FILTER_FLETCHER32) continue;
    nn__h5_because(why,
                   "is stored through the filter %d (%s); nnmpi reads gzip, shuffle and fletcher32 only: convert the "
                   "file with `h5repack -f GZIP=4`",
                   (int)filter, filter_name(filter));
    return false;
  }
  return true;
}

/* HDF5 holds one decoded chunk in memory, whatever the chunk's size claims to be. */
static bool chunk_bounded(hid_t plist, size_t element, nn__h5_why *why) {
  hsize_t chunk[H5S_MAX_RANK];
  const int rank = H5Pget_chunk(plist, H5S_MAX_RANK, chunk);
  size_t bytes = element;
  bool fits = rank > 0;
  for (int i = 0; i < rank && fits; i++)
    fits = chunk[i] > 0 && nn_size_multiply(bytes, (size_t)chunk[i], &bytes) && bytes <= NN__H5_CHUNK_MAX;
  if (!fits) nn__h5_because(why, "is stored in chunks of more than 1 GiB; rewrite it with smaller ones");
  return fits;
}

/* Nothing here opens another file: that is why it comes before the dataset's shape is asked for, which for a virtual
 * dataset does. */
static bool storage_allowed(hid_t dataset, size_t element, nn__h5_why *why) {
  const hid_t plist = H5Dget_create_plist(dataset);
  bool allowed = false;
  if (plist < 0) {
    nn__h5_because(why, "is damaged%s", nn__h5_words().at);
    return false;
  }
  const H5D_layout_t layout = H5Pget_layout(plist);
  if (layout == H5D_VIRTUAL)
    nn__h5_because(why, "is virtual: its data lie in other files, which nnmpi does not open; copy them into this file");
  else if (H5Pget_external_count(plist) != 0)
    nn__h5_because(why, "keeps its data in another file, which nnmpi does not open; copy them into this file");
  else if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)
    nn__h5_because(why, "is stored in a way unknown to nnmpi");
  else
    allowed = filters_allowed(plist, why) && (layout != H5D_CHUNKED || chunk_bounded(plist, element, why));
  H5Pclose(plist);
  return allowed;
}

static bool shape_of(const nn_h5_file *file, hid_t space, size_t element, nn_h5_info *info, nn__h5_why *why) {
  const H5S_class_t kind = H5Sget_simple_extent_type(space);
  hsize_t dims[H5S_MAX_RANK];
  size_t bytes = element;
  char claimed[32], had[32];
  if (kind != H5S_SIMPLE && kind != H5S_SCALAR) {
    nn__h5_because(why, "has no elements at all (a null data space)");
    return false;
  }
  info->rank = H5Sget_simple_extent_ndims(space);
  if (info->rank < 0 || info->rank > NN_H5_RANK_MAX) {
    nn__h5_because(why, "has %d dimensions; at most %d are read", info->rank, NN_H5_RANK_MAX);
    return false;
  }
  if (info->rank > 0 && H5Sget_simple_extent_dims(space, dims, NULL) < 0) {
    nn__h5_because(why, "is damaged%s", nn__h5_words().at);
    return false;
  }
  bool fits = true, any = true;
  for (int i = 0; i < info->rank; i++) any = any && dims[i] > 0;
  for (int i = 0; i < info->rank; i++) {
    info->dims[i] = dims[i];
    if (any) fits = fits && dims[i] <= SIZE_MAX && nn_size_multiply(bytes, (size_t)dims[i], &bytes);
  }
  /* even the best compression needs some bytes; 1 MiB of never-written zeros is let pass */
  if (fits && (bytes <= (1 << 20) || bytes / NN__H5_DEFLATE_RATIO <= file->bytes)) return true;
  nn__h5_because(why, "claims to hold %s in a file of %s: its shape is damaged",
                 fits ? nn_format_bytes((double)bytes, claimed) : "more than can be addressed",
                 nn_format_bytes((double)file->bytes, had));
  return false;
}

/* HDF5 1.10 does not compare the size of data inside a header with the shape. */
static bool compact_complete(hid_t dataset, size_t element, const nn_h5_info *info, nn__h5_why *why) {
  const hid_t plist = H5Dget_create_plist(dataset);
  const bool compact = plist >= 0 && H5Pget_layout(plist) == H5D_COMPACT;
  if (plist >= 0) H5Pclose(plist);
  if (!compact || H5Dget_storage_size(dataset) >= element * nn__h5_elements(info)) return true;
  nn__h5_because(why, "has fewer data than its shape says: the file is damaged");
  return false;
}

bool nn__h5_dataset_readable(const nn_h5_file *file, hid_t dataset, nn_h5_info *info, nn__h5_why *why) {
  const hid_t type = H5Dget_type(dataset);
  hid_t space = H5I_INVALID_HID;
  size_t element = 0;
  bool readable = false;
  memset(info, 0, sizeof *info);
  if (type < 0 || (element = H5Tget_size(type)) == 0) {
    nn__h5_because(why, "is damaged: its type cannot be read%s", nn__h5_words().at);
    goto done;
  }
  if (!nn__h5_type_of(type, &info->type, why)) goto done;
  if (!storage_allowed(dataset, element, why)) goto done;
  space = H5Dget_space(dataset);
  if (space < 0) {
    nn__h5_because(why, "is damaged: its shape cannot be read%s", nn__h5_words().at);
    goto done;
  }
  readable = shape_of(file, space, element, info, why) && compact_complete(dataset, element, info, why);
done:
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  return readable;
}

static nn_status fail_absent(nn_h5_file *file, const char *name, bool is_group) {
  nn_text list = {0};
  nn__h5_list(file, 16, &list);
  const nn_status status = nn__h5_fail(
      file, is_group ? "'%s' is a group, not a dataset; the file has: %s" : "has no dataset '%s'; it has: %s", name,
      list.at != NULL ? list.at : "?");
  nn_text_clear(&list);
  return status;
}

nn_status nn__h5_dataset_open(nn_h5_file *file, const char *name, hid_t *out, nn_h5_info *info) {
  hid_t object = H5I_INVALID_HID;
  nn__h5_why why = {""};
  const nn__h5_found found = nn__h5_walk(file, name, &object, &why);
  if (found == NN__H5_DATASET && nn__h5_dataset_readable(file, object, info, &why)) {
    *out = object;
    return NN_OK;
  }
  if (object >= 0) H5Oclose(object);
  if (found == NN__H5_DATASET || found == NN__H5_REFUSED) return nn__h5_fail(file, "dataset '%s' %s", name, why.at);
  return fail_absent(file, name, found == NN__H5_GROUP);
}

nn_status nn_h5_info_read(nn_h5_file *file, const char *name, nn_h5_info *out) {
  hid_t dataset = H5I_INVALID_HID;
  nn_h5_info info;
  NN__H5_ENTER;
  NN_TRY(nn__h5_dataset_open(file, name, &dataset, &info));
  H5Oclose(dataset);
  *out = info;
  return NN_OK;
}
