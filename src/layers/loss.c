/* What all losses have in common. */
#include "layers/internal.h"

#include <math.h>

const char *const nn__loss_reduction_words[] = {"mean", "sum", NULL};

/* 2 artanh z = 2 (z + z³/3 + z⁵/5 + …) for |z| ≤ 0.2: the first term left out is below 1e-18 of the sum. */
static double twice_artanh(double z) {
  const double square = z * z;
  double series = 0;
  for (int k = 11; k >= 0; k--) series = series * square + 1.0 / (2 * k + 1);
  return 2 * z * series;
}

double nn__loss_log1p(double x) {
  if (!(x < INFINITY)) return x; /* infinite or NaN */
  if (x < 0.5) return twice_artanh(x / (2 + x));
  int exponent = 0;
  double m = frexp(1 + x, &exponent);
  if (m < 0x1.6a09e667f3bcdp-1) { /* 1/sqrt 2: m in [1/sqrt 2, sqrt 2) */
    m *= 2;
    exponent--;
  }
  return twice_artanh((m - 1) / (m + 1)) + exponent * 0x1.62e42fefa39efp-1; /* log 2 */
}

size_t nn_loss_outputs(const nn_choice *loss, const nn_target_info *target) {
  const nn_loss_ops *ops = nn_loss_find(loss->schema->name);
  NN_ASSERT(ops != NULL);
  return target->classes && target->width == 2 && ops->one_for_two ? 1 : target->width;
}

/* The losses that take such targets: "mse, half_sse, bce_with_logits". */
static void list_losses(bool classes, nn_text *out) {
  for (const nn_loss_ops *const *at = nn__loss_registry; *at != NULL; at++)
    if (classes ? (*at)->takes_labels : (*at)->takes_values)
      nn_text_add(out, "%s%s", out->length > 0 ? ", " : "", (*at)->schema.name);
}

nn_status nn_loss_check(const nn_choice *loss, const nn_target_info *target, size_t width) {
  const nn_loss_ops *ops = nn_loss_find(loss->schema->name);
  NN_ASSERT(ops != NULL);
  if (target->classes ? !ops->takes_labels : !ops->takes_values) {
    nn_text others = {0};
    list_losses(target->classes, &others);
    const char *named = others.at != NULL ? others.at : "the others";
    const nn_status status =
        target->classes
            ? NN_FAIL(NN_ERR_CONFIG,
                      "train.loss: %s needs values, but the targets are class labels: use one of %s, or set "
                      "data.target: value",
                      ops->schema.name, named)
        : target->width == 1
            ? NN_FAIL(NN_ERR_CONFIG,
                      "train.loss: %s needs class labels, but the targets are values: use one of %s, or set "
                      "data.target: class",
                      ops->schema.name, named)
            : NN_FAIL(NN_ERR_CONFIG,
                      "train.loss: %s needs a class label for each sample, but the data has %zu values for each: "
                      "give the position of the 1 where they are one-hot (numpy: y.argmax(axis=1)), or use one of %s",
                      ops->schema.name, target->width, named);
    nn_text_clear(&others);
    return status;
  }
  if (target->classes && target->width == 1)
    return NN_FAIL(NN_ERR_CONFIG,
                   "all labels are 0: one class alone leaves nothing to learn; numbers that are no classes "
                   "are read as such with data.target: value");
  if (ops->check != NULL) return ops->check(loss->options, target, width);
  return nn__loss_check_width(ops->schema.name, target, width, true);
}

nn_status nn__loss_check_width(const char *name, const nn_target_info *target, size_t width, bool one_for_two) {
  if (width == target->width) return NN_OK;
  if (target->classes && one_for_two && width == 1) {
    if (target->width == 2) return NN_OK;
    return NN_FAIL(NN_ERR_CONFIG,
                   "the network puts out 1 value, the data has %zu classes: %s tells only two classes "
                   "apart by one output",
                   target->width, name);
  }
  return NN_FAIL(NN_ERR_CONFIG, "the network puts out %zu value%s, the data has %zu %s%s", width, NN_PLURAL(width),
                 target->width, target->classes ? "class" : "target value",
                 target->width == 1 ? (target->classes ? "" : " a sample") : (target->classes ? "es" : "s a sample"));
}
