/* Attributes: single numbers and texts. */
#include "h5io/h5io_internal.h"

/* Open an attribute of one element; *out stays invalid where there is none. */
static nn_status attribute_open(nn_h5_file *file, const char *object, const char *name, hid_t *out) {
  hid_t owner = H5I_INVALID_HID, attribute = H5I_INVALID_HID, space = H5I_INVALID_HID;
  nn__h5_why why = {""};
  nn_status status = NN_OK;
  const nn__h5_found found = nn__h5_walk(file, object, &owner, &why);
  if (found == NN__H5_ABSENT) return NN_OK;
  if (found == NN__H5_REFUSED) return nn__h5_fail(file, "'%s' %s", object, why.at);
  const htri_t exists = H5Aexists(owner, name);
  if (exists == 0) goto done;
  if (exists > 0) attribute = H5Aopen(owner, name, H5P_DEFAULT);
  if (attribute >= 0) space = H5Aget_space(attribute);
  if (space < 0) {
    status = nn__h5_fail(file, "attribute '%s' of '%s' is damaged%s", name, object, nn__h5_words().at);
    goto done;
  }
  const H5S_class_t kind = H5Sget_simple_extent_type(space);
  if ((kind != H5S_SCALAR && kind != H5S_SIMPLE) || H5Sget_simple_extent_npoints(space) != 1) {
    status = nn__h5_fail(file, "attribute '%s' of '%s' is not a single value", name, object);
    goto done;
  }
  *out = attribute;
  attribute = H5I_INVALID_HID;
done:
  if (space >= 0) H5Sclose(space);
  if (attribute >= 0) H5Aclose(attribute);
  H5Oclose(owner);
  return status;
}

/* Type of an open attribute, if it is one of ours. */
static bool attribute_type(hid_t attribute, nn_h5_type *out) {
  nn__h5_why why;
  const hid_t type = H5Aget_type(attribute);
  const bool known = type >= 0 && nn__h5_type_of(type, out, &why);
  if (type >= 0) H5Tclose(type);
  return known;
}

static bool is_real(nn_h5_type type) {
  return type == NN_H5_F32 || type == NN_H5_F64;
}

nn_status nn_h5_attribute_int(nn_h5_file *file, const char *object, const char *name, int64_t *out, bool *found) {
  hid_t attribute = H5I_INVALID_HID;
  nn_h5_type type;
  int64_t value = 0;
  uint64_t large = 0;
  *found = false;
  NN__H5_ENTER;
  NN_TRY(attribute_open(file, object, name, &attribute));
  if (attribute < 0) return NN_OK;
  nn_status status = NN_OK;
  if (!attribute_type(attribute, &type) || type == NN_H5_TEXT || is_real(type)) {
    status = nn__h5_fail(file, "attribute '%s' of '%s' is not an integer", name, object);
    goto done;
  }
  const bool is_large = type == NN_H5_U64;
  if (H5Aread(attribute, is_large ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64, is_large ? (void *)&large : &value) < 0) {
    status = nn__h5_fail(file, "attribute '%s' of '%s' is damaged%s", name, object, nn__h5_words().at);
    goto done;
  }
  if (large > INT64_MAX) {
    status = nn__h5_fail(file, "attribute '%s' of '%s' is too large", name, object);
    goto done;
  }
  *out = is_large ? (int64_t)large : value;
  *found = true;
done:
  H5Aclose(attribute);
  return status;
}

nn_status nn_h5_attribute_real(nn_h5_file *file, const char *object, const char *name, double *out, bool *found) {
  hid_t attribute = H5I_INVALID_HID;
  nn_h5_type type;
  double value = 0;
  *found = false;
  NN__H5_ENTER;
  NN_TRY(attribute_open(file, object, name, &attribute));
  if (attribute < 0) return NN_OK;
  nn_status status = NN_OK;
  if (!attribute_type(attribute, &type) || type == NN_H5_TEXT) {
    status = nn__h5_fail(file, "attribute '%s' of '%s' is not a number", name, object);
  } else if (H5Aread(attribute, H5T_NATIVE_DOUBLE, &value) < 0) {
    status = nn__h5_fail(file, "attribute '%s' of '%s' is damaged%s", name, object, nn__h5_words().at);
  } else {
    *out = value;
    *found = true;
  }
  H5Aclose(attribute);
  return status;
}

nn_status nn_h5_attribute_text(nn_h5_file *file, const char *object, const char *name, char **out, bool *found) {
  hid_t attribute = H5I_INVALID_HID;
  *found = false;
  NN__H5_ENTER;
  NN_TRY(attribute_open(file, object, name, &attribute));
  if (attribute < 0) return NN_OK;
  const nn_status status = nn__h5_attribute_text(file, name, attribute, out);
  if (status == NN_OK) *found = true;
  H5Aclose(attribute);
  return status;
}
