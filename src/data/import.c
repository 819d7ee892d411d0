/* What the importers share. */
#include "import.h"

nn_status nn__import_begin(nn_h5_image **out) {
  nn_h5_image *image = NULL;
  NN_TRY(nn_h5_image_create(&image));
  const nn_status status = nn_h5_image_attribute_text(image, "/", "format", "nnmpi dataset");
  if (status == NN_OK)
    *out = image;
  else
    nn_h5_image_destroy(&image);
  return status;
}

nn_status nn__import_save(nn_h5_image *image, const char *path) {
  NN_TRY(nn_directory_create_for(path));
  return nn_h5_image_save(image, path);
}

nn_status nn__import_input(nn_status status) {
  return status == NN_ERR_IO ? NN_FAIL(NN_ERR_DATA, "%s", nn_error_last()->message) : status;
}
