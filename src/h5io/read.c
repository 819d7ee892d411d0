/* Numbers of datasets. */
#include "h5io/h5io_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static nn_status need_numbers(const nn_h5_file *file, const char *name, const nn_h5_info *info) {
  if (info->type != NN_H5_TEXT) return NN_OK;
  return nn__h5_fail(file, "dataset '%s' holds texts; numbers are needed", name);
}

/* A failed read: a checksum that does not match is the usual case. */
static nn_status fail_read(const nn_h5_file *file, const char *name) {
  return nn__h5_fail(file, "dataset '%s' cannot be read: the file is damaged%s", name, nn__h5_words().at);
}

nn_status nn_h5_read_rows(nn_h5_file *file, const char *name, uint64_t first, uint64_t count, void *out) {
  hid_t dataset = H5I_INVALID_HID, from = H5I_INVALID_HID, to = H5I_INVALID_HID;
  nn_h5_info info;
  hsize_t start[NN_H5_RANK_MAX] = {first}, size[NN_H5_RANK_MAX] = {count};
  nn__h5_enter();
  nn_status status = nn__h5_dataset_open(file, name, &dataset, &info);
  if (status != NN_OK) return status;
  NN_TRY_DONE(need_numbers(file, name, &info));
  const uint64_t rows = info.rank > 0 ? info.dims[0] : 1;
  if (first > rows || count > rows - first) {
    status = nn__h5_fail(file, "dataset '%s' has %" PRIu64 " rows; rows %" PRIu64 " to %" PRIu64 " were asked for",
                         name, rows, first, first + count);
    goto done;
  }
  if (nn_fault("read", 0)) {
    status = nn__h5_fail(file, "dataset '%s' cannot be read: %s", name, strerror(EIO));
    goto done;
  }
  if (count == 0 || nn__h5_elements(&info) == 0) goto done;
  if (info.rank == 0) {
    if (H5Dread(dataset, nn__h5_memory_type(info.type), H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0)
      status = fail_read(file, name);
    goto done;
  }
  for (int i = 1; i < info.rank; i++) size[i] = info.dims[i];
  from = H5Dget_space(dataset);
  to = H5Screate_simple(info.rank, size, NULL);
  if (from < 0 || to < 0 || H5Sselect_hyperslab(from, H5S_SELECT_SET, start, NULL, size, NULL) < 0 ||
      H5Dread(dataset, nn__h5_memory_type(info.type), to, from, H5P_DEFAULT, out) < 0)
    status = fail_read(file, name);
done:
  if (to >= 0) H5Sclose(to);
  if (from >= 0) H5Sclose(from);
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

nn_status nn_h5_read(nn_h5_file *file, const char *name, nn_h5_type as, uint64_t elements, void *out) {
  hid_t dataset = H5I_INVALID_HID, transfer = H5I_INVALID_HID;
  nn_h5_info info;
  bool lost = false;
  NN_ASSERT(as != NN_H5_TEXT);
  nn__h5_enter();
  nn_status status = nn__h5_dataset_open(file, name, &dataset, &info);
  if (status != NN_OK) return status;
  NN_TRY_DONE(need_numbers(file, name, &info));
  if (nn__h5_elements(&info) != elements) {
    status = nn__h5_fail(file, "dataset '%s' has %" PRIu64 " elements; %" PRIu64 " are expected", name,
                         nn__h5_elements(&info), elements);
    goto done;
  }
  if (elements == 0) goto done;
  transfer = H5Pcreate(H5P_DATASET_XFER);
  if (transfer < 0 || H5Pset_type_conv_cb(transfer, refuse_loss, &lost) < 0 ||
      H5Dread(dataset, nn__h5_memory_type(as), H5S_ALL, H5S_ALL, transfer, out) < 0)
    status = lost ? nn__h5_fail(file, "dataset '%s' (%s) holds a value that %s cannot hold", name,
                                nn_h5_type_name(info.type), nn_h5_type_name(as))
                  : fail_read(file, name);
done:
  if (transfer >= 0) H5Pclose(transfer);
  H5Oclose(dataset);
  return status;
}
