/* Types of elements: ours and HDF5's. */
#include "h5io/h5io_internal.h"

#include <inttypes.h>

size_t nn_h5_type_size(nn_h5_type type) {
  switch (type) {
  case NN_H5_U8:
  case NN_H5_I8:
    return 1;
  case NN_H5_U16:
  case NN_H5_I16:
    return 2;
  case NN_H5_U32:
  case NN_H5_I32:
  case NN_H5_F32:
    return 4;
  case NN_H5_U64:
  case NN_H5_I64:
  case NN_H5_F64:
    return 8;
  case NN_H5_TEXT:
    return 0;
  }
  NN_ASSERT(0 && "a type");
  return 0;
}

const char *nn_h5_type_name(nn_h5_type type) {
  switch (type) {
  case NN_H5_U8:
    return "uint8";
  case NN_H5_I8:
    return "int8";
  case NN_H5_U16:
    return "uint16";
  case NN_H5_I16:
    return "int16";
  case NN_H5_U32:
    return "uint32";
  case NN_H5_I32:
    return "int32";
  case NN_H5_U64:
    return "uint64";
  case NN_H5_I64:
    return "int64";
  case NN_H5_F32:
    return "float32";
  case NN_H5_F64:
    return "float64";
  case NN_H5_TEXT:
    return "text";
  }
  NN_ASSERT(0 && "a type");
  return "";
}

hid_t nn__h5_memory_type(nn_h5_type type) {
  switch (type) {
  case NN_H5_U8:
    return H5T_NATIVE_UINT8;
  case NN_H5_I8:
    return H5T_NATIVE_INT8;
  case NN_H5_U16:
    return H5T_NATIVE_UINT16;
  case NN_H5_I16:
    return H5T_NATIVE_INT16;
  case NN_H5_U32:
    return H5T_NATIVE_UINT32;
  case NN_H5_I32:
    return H5T_NATIVE_INT32;
  case NN_H5_U64:
    return H5T_NATIVE_UINT64;
  case NN_H5_I64:
    return H5T_NATIVE_INT64;
  case NN_H5_F32:
    return H5T_NATIVE_FLOAT;
  case NN_H5_F64:
    return H5T_NATIVE_DOUBLE;
  case NN_H5_TEXT:
    return H5I_INVALID_HID;
  }
  NN_ASSERT(0 && "a type");
  return H5I_INVALID_HID;
}

hid_t nn__h5_stored_type(nn_h5_type type) {
  switch (type) {
  case NN_H5_U8:
    return H5T_STD_U8LE;
  case NN_H5_I8:
    return H5T_STD_I8LE;
  case NN_H5_U16:
    return H5T_STD_U16LE;
  case NN_H5_I16:
    return H5T_STD_I16LE;
  case NN_H5_U32:
    return H5T_STD_U32LE;
  case NN_H5_I32:
    return H5T_STD_I32LE;
  case NN_H5_U64:
    return H5T_STD_U64LE;
  case NN_H5_I64:
    return H5T_STD_I64LE;
  case NN_H5_F32:
    return H5T_IEEE_F32LE;
  case NN_H5_F64:
    return H5T_IEEE_F64LE;
  case NN_H5_TEXT:
    return H5I_INVALID_HID;
  }
  NN_ASSERT(0 && "a type");
  return H5I_INVALID_HID;
}

/* An integer whose bits fill its bytes, in one of the two usual orders. */
static bool integer_of(hid_t type, nn_h5_type *out) {
  const size_t size = H5Tget_size(type);
  const H5T_sign_t sign = H5Tget_sign(type);
  const H5T_order_t order = H5Tget_order(type);
  if (order != H5T_ORDER_LE && order != H5T_ORDER_BE) return false;
  if (sign != H5T_SGN_NONE && sign != H5T_SGN_2) return false;
  if (H5Tget_precision(type) != 8 * size || H5Tget_offset(type) != 0) return false;
  const bool is_signed = sign == H5T_SGN_2;
  switch (size) {
  case 1:
    *out = is_signed ? NN_H5_I8 : NN_H5_U8;
    return true;
  case 2:
    *out = is_signed ? NN_H5_I16 : NN_H5_U16;
    return true;
  case 4:
    *out = is_signed ? NN_H5_I32 : NN_H5_U32;
    return true;
  case 8:
    *out = is_signed ? NN_H5_I64 : NN_H5_U64;
    return true;
  default:
    return false;
  }
}

static bool real_of(hid_t type, nn_h5_type *out) {
  if (H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0) {
    *out = NN_H5_F32;
    return true;
  }
  if (H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0) {
    *out = NN_H5_F64;
    return true;
  }
  return false;
}

static const char *class_name(H5T_class_t kind) {
  switch (kind) {
  case H5T_TIME:
    return "a time";
  case H5T_BITFIELD:
    return "a bit field";
  case H5T_OPAQUE:
    return "opaque bytes";
  case H5T_COMPOUND:
    return "a compound of several fields";
  case H5T_REFERENCE:
    return "references";
  case H5T_VLEN:
    return "lists of varying length";
  case H5T_ARRAY:
    return "small arrays";
  default:
    return "a type unknown to nnmpi";
  }
}

bool nn__h5_type_of(hid_t type, nn_h5_type *out, nn__h5_why *why) {
  const H5T_class_t kind = H5Tget_class(type);
  switch (kind) {
  case H5T_INTEGER:
    if (integer_of(type, out)) return true;
    nn__h5_because(why, "holds integers of an unusual layout (%zu bits in %zu bytes); store it as int32, for instance",
                   H5Tget_precision(type), H5Tget_size(type));
    return false;
  case H5T_FLOAT:
    if (real_of(type, out)) return true;
    nn__h5_because(why, "holds floating-point numbers of %zu bits; store it as float32 or float64",
                   H5Tget_precision(type));
    return false;
  case H5T_STRING:
    *out = NN_H5_TEXT;
    return true;
  case H5T_ENUM:
    nn__h5_because(why, "holds an enumeration (NumPy's bool is one); store it as uint8");
    return false;
  default:
    nn__h5_because(why, "holds %s; store numbers (8- to 64-bit integers, float32, float64) or strings",
                   class_name(kind));
    return false;
  }
}

void nn__h5_info_text(const nn_h5_info *info, nn_text *out) {
  nn_text_add(out, "[");
  for (int i = 0; i < info->rank; i++) nn_text_add(out, "%s%" PRIu64, i > 0 ? ", " : "", info->dims[i]);
  nn_text_add(out, "] %s", nn_h5_type_name(info->type));
}
