/* Cutting a validation or test set out of a data set. */
#include "dataset.h"

#include <math.h>
#include <stdlib.h>

/* What one class has, and what it gives. */
typedef struct share {
  size_t count, first; /* samples of the class; where they begin in the list by class */
  size_t given;
  uint64_t remainder; /* of count × wanted / total */
  size_t class;
} share;

size_t nn__split_size(double fraction, size_t count) {
  NN_ASSERT(count >= 2 && fraction > 0 && fraction < 1);
  const double exact = floor(fraction * (double)count + 0.5);
  if (exact < 1) return 1;
  return exact > (double)(count - 1) ? count - 1 : (size_t)exact;
}

static bool would_be_emptied(const share *s) {
  return s->given + 1 >= s->count;
}

/* Who gets one more first: nobody loses its last sample while others have some; then the larger remainder. */
static int by_claim(const void *a, const void *b) {
  const share *p = a, *q = b;
  if (would_be_emptied(p) != would_be_emptied(q)) return would_be_emptied(p) ? 1 : -1;
  if (p->remainder != q->remainder) return p->remainder < q->remainder ? 1 : -1;
  return p->class < q->class ? -1 : 1;
}

static int by_class(const void *a, const void *b) {
  const share *p = a, *q = b;
  return p->class < q->class ? -1 : 1;
}

static void apportion(share *shares, size_t classes, size_t count, size_t wanted) {
  size_t given = 0;
  for (size_t c = 0; c < classes; c++) {
    const uint64_t product = (uint64_t)shares[c].count * wanted; /* both below 2^32 */
    shares[c].given = (size_t)(product / count);
    shares[c].remainder = product % count;
    given += shares[c].given;
  }
  qsort(shares, classes, sizeof *shares, by_claim);
  for (size_t c = 0; given < wanted; c++) {
    NN_ASSERT(c < classes); /* fewer are missing than classes have a remainder */
    if (shares[c].given == shares[c].count) continue;
    shares[c].given++;
    given++;
  }
  qsort(shares, classes, sizeof *shares, by_class);
}

/* The samples in the order of their classes. */
static void list_by_class(const int32_t *labels, size_t classes, size_t count, share *shares, uint32_t *list) {
  size_t first = 0;
  for (size_t c = 0; c < classes; c++) {
    shares[c].first = first;
    first += shares[c].count;
  }
  for (size_t i = 0; i < count; i++) list[shares[labels == NULL ? 0 : (size_t)labels[i]].first++] = (uint32_t)i;
  for (size_t c = 0; c < classes; c++) shares[c].first -= shares[c].count;
}

/* The first steps of a Fisher–Yates shuffle pick `s->given` samples of the class; they are marked. */
static void draw(uint64_t seed, nn__split_use use, const share *s, uint32_t *list, unsigned char *marks) {
  const uint64_t stream = (uint64_t)use << 32 | (uint64_t)s->class;
  uint32_t *own = list + s->first;
  for (size_t i = 0; i < s->given; i++) {
    const size_t j = i + (size_t)nn_random_below(seed, NN_RANDOM_SPLIT, stream, i, s->count - i);
    const uint32_t picked = own[j];
    own[j] = own[i];
    own[i] = picked;
    marks[picked] = 1;
  }
}

nn_status nn__split(uint64_t seed, nn__split_use use, const int32_t *labels, size_t classes, size_t count,
                    size_t wanted, uint32_t *taken, uint32_t *rest) {
  NN_ASSERT(count > 0 && wanted <= count && count <= UINT32_MAX);
  nn_status status = NN_OK;
  void *shares = NULL, *list = NULL, *marks = NULL;
  if (labels == NULL) classes = 1;
  NN_TRY_DONE(nn_alloc(classes, sizeof(share), "the split of the data set", &shares));
  NN_TRY_DONE(nn_alloc(count, sizeof(uint32_t), "the split of the data set", &list));
  NN_TRY_DONE(nn_alloc(count, 1, "the split of the data set", &marks));
  share *s = shares;
  for (size_t c = 0; c < classes; c++) s[c].class = c;
  for (size_t i = 0; i < count; i++) s[labels == NULL ? 0 : (size_t)labels[i]].count++;
  apportion(s, classes, count, wanted);
  list_by_class(labels, classes, count, s, list);
  for (size_t c = 0; c < classes; c++) draw(seed, use, &s[c], list, marks);
  size_t in = 0, out = 0;
  for (size_t i = 0; i < count; i++) {
    if (((unsigned char *)marks)[i])
      taken[in++] = (uint32_t)i;
    else
      rest[out++] = (uint32_t)i;
  }
  NN_ASSERT(in == wanted);
done:
  nn_free(shares);
  nn_free(list);
  nn_free(marks);
  return status;
}
