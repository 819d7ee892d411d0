/* Reading chunks that went through filters. The bytes come from HDF5, the decoding is ours: HDF5 trusts what a file
 * says about the size of a decoded chunk (1.10 reads behind a chunk that came out too short, and a small one may
 * inflate to a thousand times its size in memory). */
#include "h5io/h5io_internal.h"

#include <endian.h>
#include <string.h>
#include <zlib.h>

enum {
  MARGIN = 4 * NN__H5_FILTERS_MAX, /* bytes that checksums add to a chunk on its way */
  CHUNKS_MAX = 1 << 24             /* chunks looked up in one call: more would take minutes */
};

typedef struct reader {
  const nn_h5_file *file;
  const char *name;
  hid_t dataset;
  size_t element;
  bool swap; /* the file's byte order is the other one */
  int rank, filter_count;
  uint64_t dims[NN_H5_RANK_MAX], chunk[NN_H5_RANK_MAX];
  size_t chunk_bytes;
  struct {
    H5Z_filter_t id;
    unsigned element; /* of shuffle */
  } filters[NN__H5_FILTERS_MAX];
  unsigned char *stored, *work[2]; /* a chunk as it is in the file; between two filters */
  size_t stored_room;
  bool numbers;          /* else texts, whose elements have any size */
  unsigned char fill[8]; /* for chunks of numbers that were never written */
} reader;

static nn_status fail_damaged(const reader *r, const char *what) {
  return nn__h5_fail(r->file, "dataset '%s' cannot be read: the file is damaged (%s)", r->name, what);
}

/* ---- one chunk -------------------------------------------------------------------------------------- */

/* The ring of Fletcher's sums has 65535 elements; its zero is written 65535 unless all words were zero. */
static uint64_t in_ring(uint64_t sum) {
  return sum == 0 ? 0 : (sum - 1) % 65535 + 1;
}

/* Fletcher's checksum over big-endian 16-bit words: their sum, and the sum of its values after each of them. */
static uint32_t fletcher32(const unsigned char *bytes, size_t count) {
  enum { LANES = 16, ROWS_MOST = 128 /* the second sum fits 32 bits */ };
  uint64_t sum1 = 0, sum2 = 0;
  size_t i = 0;
  for (size_t rows; (rows = (count - i) / (2 * LANES)) > 0;) {
    uint32_t lane1[LANES] = {0}, lane2[LANES] = {0};
    if (rows > ROWS_MOST) rows = ROWS_MOST;
    for (size_t r = 0; r < rows; r++, i += 2 * LANES) {
      uint16_t words[LANES];
      memcpy(words, bytes + i, sizeof words);
      for (int l = 0; l < LANES; l++) {
        lane1[l] += (uint32_t)be16toh(words[l]);
        lane2[l] += lane1[l];
      }
    }
    sum2 += sum1 * rows * LANES;
    for (uint64_t l = 0; l < LANES; l++) { /* lane l has l words fewer behind each of its own than lane 0 */
      sum1 += lane1[l];
      sum2 += LANES * (uint64_t)lane2[l] - l * lane1[l];
    }
    sum1 = in_ring(sum1), sum2 = in_ring(sum2);
  }
  for (; i < count; i += 2) {
    sum1 += (uint64_t)bytes[i] << 8 | (i + 1 < count ? bytes[i + 1] : 0u);
    sum2 += sum1;
  }
  return (uint32_t)(in_ring(sum2) << 16 | in_ring(sum1));
}

/* The bytes of each element are gathered again: all first bytes stood first, then all second ones, … */
static void unshuffle(size_t element, size_t count, const unsigned char *from, unsigned char *to) {
  const size_t elements = count / element;
  for (size_t b = 0; b < element; b++)
    for (size_t i = 0; i < elements; i++) to[i * element + b] = from[b * elements + i];
  memcpy(to + elements * element, from + elements * element, count - elements * element);
}

/* Undo the filters, last one first; *plain then has exactly chunk_bytes. */
static nn_status decode(reader *r, size_t count, uint32_t skipped, unsigned char **plain) {
  unsigned char *at = r->stored;
  for (int i = r->filter_count - 1; i >= 0; i--) {
    unsigned char *to = r->work[at == r->work[0]];
    if (skipped >> i & 1) continue;
    if (r->filters[i].id == H5Z_FILTER_FLETCHER32) {
      if (count < 4) return fail_damaged(r, "a chunk is too short for its checksum");
      count -= 4;
      const unsigned char *c = at + count;
      const uint32_t sum = (uint32_t)c[0] | (uint32_t)c[1] << 8 | (uint32_t)c[2] << 16 | (uint32_t)c[3] << 24;
      if (fletcher32(at, count) != sum) return fail_damaged(r, "the Fletcher32 checksum of a chunk does not match");
    } else if (r->filters[i].id == H5Z_FILTER_DEFLATE) {
      uLongf room = (uLongf)(r->chunk_bytes + MARGIN);
      if (uncompress(to, &room, at, (uLong)count) != Z_OK) return fail_damaged(r, "a compressed chunk is not valid");
      at = to;
      count = (size_t)room;
    } else {
      const size_t element = r->filters[i].element;
      if (count > r->chunk_bytes + MARGIN) return fail_damaged(r, "a chunk has the wrong size");
      if (element <= 1) continue;
      unshuffle(element, count, at, to);
      at = to;
    }
  }
  if (count != r->chunk_bytes) return fail_damaged(r, "a chunk has the wrong size");
  *plain = at;
  return NN_OK;
}

static void swap_bytes(unsigned char *bytes, size_t count, size_t element) {
  for (size_t i = 0; i + element <= count; i += element)
    for (size_t low = i, high = i + element - 1; low < high; low++, high--) {
      const unsigned char kept = bytes[low];
      bytes[low] = bytes[high];
      bytes[high] = kept;
    }
}

/* The index of chunks has a size for each, and HDF5 reads so many bytes, but tells the size that the shape implies. */
static nn_status check_plain(const reader *r, const hsize_t *offset) {
  unsigned skipped = 0;
  haddr_t address = HADDR_UNDEF;
  hsize_t bytes = 0;
  if (H5Dget_chunk_info_by_coord(r->dataset, offset, &skipped, &address, &bytes) < 0 || bytes != r->chunk_bytes)
    return fail_damaged(r, "a chunk has the wrong size");
  return NN_OK;
}

/* The chunk that begins at `offset`, decoded, in the machine's byte order. */
static nn_status fetch(reader *r, const hsize_t *offset, unsigned char **plain) {
  hsize_t bytes = 0;
  uint32_t skipped = 0;
  const bool known = H5Dget_chunk_storage_size(r->dataset, offset, &bytes) >= 0;
  if (!known && !nn__h5_said("not allocated") && !nn__h5_said("isn't defined"))
    return nn__h5_fail(r->file, "dataset '%s' cannot be read: the file is damaged%s", r->name, nn__h5_words().at);
  if (!known || bytes == 0) {
    memset(r->work[0], 0, r->chunk_bytes);
    for (size_t i = 0; r->numbers && i < r->chunk_bytes; i += r->element) memcpy(r->work[0] + i, r->fill, r->element);
    *plain = r->work[0];
    return NN_OK;
  }
  if (r->filter_count == 0) NN_TRY(check_plain(r, offset));
  /* a compressed chunk is hardly ever longer than the plain one, and never by much */
  if (bytes > r->file->bytes || bytes > 2 * (uint64_t)r->chunk_bytes + 4096)
    return fail_damaged(r, "a chunk claims to be larger than it can be");
  if (bytes > r->stored_room) {
    void *memory = NULL;
    nn_free(r->stored);
    r->stored = NULL;
    r->stored_room = 0;
    NN_TRY(nn_alloc((size_t)bytes, 1, "a chunk of a data set", &memory));
    r->stored = memory;
    r->stored_room = (size_t)bytes;
  }
  if (H5Dread_chunk(r->dataset, H5P_DEFAULT, offset, &skipped, r->stored) < 0)
    return nn__h5_fail(r->file, "dataset '%s' cannot be read: the file is damaged%s", r->name, nn__h5_words().at);
  NN_TRY(decode(r, (size_t)bytes, skipped, plain));
  if (r->swap) swap_bytes(*plain, r->chunk_bytes, r->element);
  return NN_OK;
}

/* ---- all chunks of some rows -------------------------------------------------------------------------- */

/* Copy what the chunk at `offset` has of the rows [first, last) into `out`. */
static void scatter(const reader *r, const hsize_t *offset, uint64_t first, uint64_t last, const unsigned char *plain,
                    unsigned char *out) {
  uint64_t begin[NN_H5_RANK_MAX], end[NN_H5_RANK_MAX], at[NN_H5_RANK_MAX];
  const int inner = r->rank - 1;
  for (int d = 0; d < r->rank; d++) {
    const uint64_t low = d == 0 ? first : 0, high = d == 0 ? last : r->dims[d];
    begin[d] = at[d] = offset[d] > low ? offset[d] : low;
    end[d] = offset[d] + r->chunk[d] < high ? offset[d] + r->chunk[d] : high;
  }
  const size_t run = (size_t)(end[inner] - begin[inner]) * r->element;
  for (;;) {
    uint64_t from = 0, to = 0;
    for (int d = 0; d < r->rank; d++) {
      from = from * r->chunk[d] + (at[d] - offset[d]);
      to = to * r->dims[d] + (d == 0 ? at[d] - first : at[d]);
    }
    memcpy(out + to * r->element, plain + from * r->element, run);
    int d = inner - 1;
    while (d >= 0 && ++at[d] == end[d]) {
      at[d] = begin[d];
      d--;
    }
    if (d < 0) return;
  }
}

/* Indices of the chunks that the rows touch: [low, high) in each dimension. */
static nn_status chunks_of(const reader *r, uint64_t first, uint64_t last, uint64_t *low, uint64_t *high) {
  size_t chunks = 1;
  for (int d = 0; d < r->rank; d++) {
    low[d] = d == 0 ? first / r->chunk[0] : 0;
    high[d] = ((d == 0 ? last : r->dims[d]) - 1) / r->chunk[d] + 1;
    if (!nn_size_multiply(chunks, (size_t)(high[d] - low[d]), &chunks) || chunks > CHUNKS_MAX)
      return nn__h5_fail(r->file, "dataset '%s' is stored in more than %d chunks; rewrite it with larger ones", r->name,
                         (int)CHUNKS_MAX);
  }
  return NN_OK;
}

static nn_status read_all(reader *r, uint64_t first, uint64_t last, unsigned char *out) {
  uint64_t low[NN_H5_RANK_MAX] = {0}, high[NN_H5_RANK_MAX] = {0}, at[NN_H5_RANK_MAX];
  hsize_t offset[NN_H5_RANK_MAX];
  NN_TRY(chunks_of(r, first, last, low, high));
  memcpy(at, low, sizeof at);
  for (;;) {
    unsigned char *plain = NULL;
    for (int d = 0; d < r->rank; d++) offset[d] = at[d] * r->chunk[d];
    NN_TRY(fetch(r, offset, &plain));
    scatter(r, offset, first, last, plain, out);
    int d = r->rank - 1;
    while (d >= 0 && ++at[d] == high[d]) {
      at[d] = low[d];
      d--;
    }
    if (d < 0) return NN_OK;
  }
}

/* ---- setting up ------------------------------------------------------------------------------------- */

static bool filters_of(reader *r, hid_t plist) {
  r->filter_count = H5Pget_nfilters(plist);
  if (r->filter_count < 0 || r->filter_count > NN__H5_FILTERS_MAX) return false;
  for (int i = 0; i < r->filter_count; i++) {
    unsigned flags = 0, values[8] = {0};
    size_t count = 8;
    r->filters[i].id = H5Pget_filter2(plist, (unsigned)i, &flags, &count, values, 0, NULL, NULL);
    r->filters[i].element = count > 0 ? values[0] : 0;
  }
  return true;
}

static bool order_differs(hid_t dataset) {
  const hid_t type = H5Dget_type(dataset);
  const H5T_order_t order = type >= 0 ? H5Tget_order(type) : H5T_ORDER_ERROR;
  if (type >= 0) H5Tclose(type);
  return (order == H5T_ORDER_LE || order == H5T_ORDER_BE) && order != H5Tget_order(H5T_NATIVE_INT);
}

static nn_status setup(reader *r, const nn_h5_info *info, size_t element) {
  hsize_t chunk[NN_H5_RANK_MAX];
  void *memory = NULL;
  nn_status status = NN_OK;
  const hid_t plist = H5Dget_create_plist(r->dataset);
  r->rank = info->rank;
  r->element = element;
  r->chunk_bytes = element;
  if (plist < 0 || H5Pget_chunk(plist, NN_H5_RANK_MAX, chunk) != info->rank || !filters_of(r, plist)) {
    status = nn__h5_fail(r->file, "dataset '%s' is damaged%s", r->name, nn__h5_words().at);
    goto done;
  }
  for (int d = 0; d < info->rank; d++) {
    r->dims[d] = info->dims[d];
    r->chunk[d] = chunk[d];
    r->chunk_bytes *= (size_t)chunk[d]; /* bounded by nn__h5_dataset_readable() */
  }
  r->numbers = info->type != NN_H5_TEXT;
  if (r->numbers) {
    r->swap = order_differs(r->dataset);
    if (H5Pget_fill_value(plist, nn__h5_memory_type(info->type), r->fill) < 0) memset(r->fill, 0, sizeof r->fill);
  }
  for (int i = 0; i < 2; i++) {
    NN_TRY_DONE(nn_alloc(r->chunk_bytes + MARGIN, 1, "a chunk of a data set", &memory));
    r->work[i] = memory;
  }
done:
  if (plist >= 0) H5Pclose(plist);
  return status;
}

static nn_status read_with(const nn_h5_file *file, const char *name, hid_t dataset, const nn_h5_info *info,
                           size_t element, uint64_t first, uint64_t last, unsigned char *out) {
  reader r = {.file = file, .name = name, .dataset = dataset};
  nn_status status = setup(&r, info, element);
  if (status == NN_OK) status = read_all(&r, first, last, out);
  nn_free(r.stored);
  nn_free(r.work[0]);
  nn_free(r.work[1]);
  return status;
}

nn_status nn__h5_chunks_read(const nn_h5_file *file, const char *name, hid_t dataset, const nn_h5_info *info,
                             uint64_t first, uint64_t count, void *out) {
  return read_with(file, name, dataset, info, nn_h5_type_size(info->type), first, first + count, out);
}

nn_status nn__h5_chunks_raw(const nn_h5_file *file, const char *name, hid_t dataset, const nn_h5_info *info,
                            size_t element, void *out) {
  return read_with(file, name, dataset, info, element, 0, info->dims[0], out);
}

bool nn__h5_filtered(hid_t dataset) {
  const hid_t plist = H5Dget_create_plist(dataset);
  const bool filtered = plist >= 0 && H5Pget_layout(plist) == H5D_CHUNKED && H5Pget_nfilters(plist) != 0;
  if (plist >= 0) H5Pclose(plist);
  return filtered;
}
