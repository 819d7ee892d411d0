/* nnmpi import and nnmpi inspect: files, one process, no MPI. */
#include "cli.h"

#include <string.h>

nn_status nn__unknown_format(const char *typed) {
  static const char *const formats[] = {"idx", "csv", NULL};
  const char *close = nn__closest_word(typed, formats);
  if (close != NULL) return NN_FAIL(NN_ERR_USAGE, "unknown format '%s'; did you mean 'import %s'?", typed, close);
  return NN_FAIL(NN_ERR_USAGE, "unknown format '%s'; 'nnmpi import idx' and 'nnmpi import csv' exist", typed);
}

nn_status nn__import_run(nn__call *call) {
  (void)call;
  return NN_FAIL(NN_ERR_USAGE, "the format is missing: 'nnmpi import idx ...' or 'nnmpi import csv ...'");
}

static nn_status print_if_ok(nn_status status, nn_text *text) {
  if (status == NN_OK) status = nn__output_text(text);
  nn_text_clear(text);
  return status;
}

nn_status nn__import_idx_run(nn__call *call) {
  const nn__arguments *arguments = call->arguments;
  nn_import_idx_options options = {.test_images = nn__option_text(arguments, "test-images"),
                                   .test_labels = nn__option_text(arguments, "test-labels"),
                                   .class_names = nn__option_text(arguments, "class-names")};
  NN_TRY(nn__option_required(arguments, "images", &options.images));
  NN_TRY(nn__option_required(arguments, "labels", &options.labels));
  NN_TRY(nn__option_required(arguments, "output", &options.output));
  if ((options.test_images == NULL) != (options.test_labels == NULL))
    return NN_FAIL(NN_ERR_USAGE, "--test-images and --test-labels belong together; --test-%s is missing",
                   options.test_images == NULL ? "images" : "labels");
  const char *const inputs[] = {options.images, options.labels, options.test_images, options.test_labels, NULL};
  NN_TRY(nn__output_apart(options.output, inputs));
  nn_text summary = {0};
  return print_if_ok(nn_import_idx(&options, &summary), &summary);
}

nn_status nn__import_csv_run(nn__call *call) {
  static const char *const types[] = {"auto", "class", "value", NULL};
  const nn__arguments *arguments = call->arguments;
  nn_import_csv_options options = {.file = arguments->operands[0], .test_fraction = 0.2};
  int64_t seed = 1;
  const char *type = "auto";
  NN_TRY(nn__option_required(arguments, "target", &options.target));
  NN_TRY(nn__option_word(arguments, "target-type", types, &type));
  NN_TRY(nn__option_share(arguments, "valid-fraction", &options.valid_fraction));
  NN_TRY(nn__option_share(arguments, "test-fraction", &options.test_fraction));
  NN_TRY(nn__option_int(arguments, "seed", 0, INT64_MAX, &seed));
  NN_TRY(nn__option_required(arguments, "output", &options.output));
  if (options.valid_fraction + options.test_fraction >= 1)
    return NN_FAIL(NN_ERR_USAGE, "--valid-fraction %g and --test-fraction %g leave no rows to train with",
                   options.valid_fraction, options.test_fraction);
  const char *const inputs[] = {options.file, NULL};
  NN_TRY(nn__output_apart(options.output, inputs));
  options.seed = (uint64_t)seed;
  options.target_mode = type == types[1] ? NN_TARGET_CLASS : type == types[2] ? NN_TARGET_VALUE : NN_TARGET_AUTO;
  nn_text summary = {0};
  return print_if_ok(nn_import_csv(&options, &summary), &summary);
}

nn_status nn__inspect_run(nn__call *call) {
  const nn__arguments *arguments = call->arguments;
  const char *first = arguments->operands[0], *second = arguments->operands[1];
  nn_text text = {0};
  bool same = true;
  for (size_t i = 0; i < arguments->operand_count; i++) NN_TRY(nn__rehearse(arguments->operands[i], true, NN_ERR_DATA));
  if (arguments->operand_count < 2) return print_if_ok(nn_inspect(first, &text), &text);
  NN_TRY(print_if_ok(nn_inspect_two(first, second, &same, &text), &text));
  return same ? NN_OK : NN_FAIL(NN_DIFFERENT, "%s and %s differ", first, second);
}
