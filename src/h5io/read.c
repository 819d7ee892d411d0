/* Numbers of datasets. */
#include "h5io/h5io_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static nn_status need_numbers(const nn_h5_file *file, const char *name, const nn_h5_info *info) {
  if (info->type != NN_H5_TEXT) return NN_OK;
  return nn__h5_fail(file, "dataset '%s' holds texts; numbers are needed", name);
}

/* Rows that exist, of a dataset of numbers. */
static nn_status read_some(const nn_h5_file *file, const char *name, hid_t dataset, const nn_h5_info *info,
                           uint64_t first, uint64_t count, void *out) {
  hsize_t start[NN_H5_RANK_MAX] = {first}, size[NN_H5_RANK_MAX] = {count};
  hid_t from = H5S_ALL, to = H5S_ALL;
  nn_status status = NN_OK;
  if (nn_fault("read", 0)) return nn__h5_fail(file, "dataset '%s' cannot be read: %s", name, strerror(EIO));
  if (count == 0 || nn__h5_elements(info) == 0) return NN_OK;
  if (nn__h5_filtered(dataset)) return nn__h5_chunks_read(file, name, dataset, info, first, count, out);
  if (info->rank > 0) {
    for (int i = 1; i < info->rank; i++) size[i] = info->dims[i];
    from = H5Dget_space(dataset);
    to = H5Screate_simple(info->rank, size, NULL);
  }
  if (from < 0 || to < 0 ||
      (info->rank > 0 && H5Sselect_hyperslab(from, H5S_SELECT_SET, start, NULL, size, NULL) < 0) ||
      H5Dread(dataset, nn__h5_memory_type(info->type), to, from, H5P_DEFAULT, out) < 0)
    status = nn__h5_fail(file, "dataset '%s' cannot be read: the file is damaged%s", name, nn__h5_words().at);
  if (info->rank > 0 && to >= 0) H5Sclose(to);
  if (info->rank > 0 && from >= 0) H5Sclose(from);
  return status;
}

nn_status nn_h5_read_rows(nn_h5_file *file, const char *name, uint64_t first, uint64_t count, void *out) {
  hid_t dataset = H5I_INVALID_HID;
  nn_h5_info info;
  NN__H5_ENTER;
  NN_TRY(nn__h5_dataset_open(file, name, &dataset, &info));
  nn_status status = need_numbers(file, name, &info);
  const uint64_t rows = info.rank > 0 ? info.dims[0] : 1;
  if (status == NN_OK && (first > rows || count > rows - first))
    status = nn__h5_fail(file, "dataset '%s' has %" PRIu64 " rows; rows %" PRIu64 " to %" PRIu64 " were asked for",
                         name, rows, first, first + count);
  if (status == NN_OK) status = read_some(file, name, dataset, &info, first, count, out);
  H5Oclose(dataset);
  return status;
}

/* HDF5 would clip what does not fit and cut off fractions, silently. */
static H5T_conv_ret_t refuse_loss(H5T_conv_except_t what, hid_t from, hid_t to, void *source, void *target,
                                  void *context) {
  bool *lost = context;
  (void)from, (void)to, (void)source, (void)target;
  if (what == H5T_CONV_EXCEPT_PRECISION) return H5T_CONV_UNHANDLED; /* rounding to the nearest is what one expects */
  *lost = true;
  return H5T_CONV_ABORT;
}

/* The whole dataset, which has another type than is wanted. */
static nn_status read_converted(const nn_h5_file *file, const char *name, hid_t dataset, const nn_h5_info *info,
                                nn_h5_type as, size_t elements, void *out) {
  const size_t from = nn_h5_type_size(info->type), to = nn_h5_type_size(as);
  void *values = NULL;
  bool lost = false;
  NN_TRY(nn_alloc(elements, from > to ? from : to, name, &values));
  const hid_t transfer = H5Pcreate(H5P_DATASET_XFER);
  nn_status status = read_some(file, name, dataset, info, 0, info->rank > 0 ? info->dims[0] : 1, values);
  if (status == NN_OK &&
      (transfer < 0 || H5Pset_type_conv_cb(transfer, refuse_loss, &lost) < 0 ||
       H5Tconvert(nn__h5_memory_type(info->type), nn__h5_memory_type(as), elements, values, NULL, transfer) < 0))
    status = lost ? nn__h5_fail(file, "dataset '%s' (%s) holds a value that %s cannot hold", name,
                                nn_h5_type_name(info->type), nn_h5_type_name(as))
                  : NN_FAIL(NN_ERR_MEMORY, "%s: dataset '%s' cannot be converted to %s%s", file->name, name,
                            nn_h5_type_name(as), nn__h5_words().at);
  if (status == NN_OK) memcpy(out, values, elements * to);
  if (transfer >= 0) H5Pclose(transfer);
  nn_free(values);
  return status;
}

nn_status nn_h5_read(nn_h5_file *file, const char *name, nn_h5_type as, uint64_t elements, void *out) {
  hid_t dataset = H5I_INVALID_HID;
  nn_h5_info info;
  NN_ASSERT(as != NN_H5_TEXT);
  NN__H5_ENTER;
  NN_TRY(nn__h5_dataset_open(file, name, &dataset, &info));
  nn_status status = need_numbers(file, name, &info);
  if (status == NN_OK && nn__h5_elements(&info) != elements)
    status = nn__h5_fail(file, "dataset '%s' has %" PRIu64 " elements; %" PRIu64 " are expected", name,
                         nn__h5_elements(&info), elements);
  if (status == NN_OK)
    status = info.type == as ? read_some(file, name, dataset, &info, 0, info.rank > 0 ? info.dims[0] : 1, out)
                             : read_converted(file, name, dataset, &info, as, (size_t)elements, out);
  H5Oclose(dataset);
  return status;
}
