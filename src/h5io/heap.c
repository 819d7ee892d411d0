/* Strings of variable length. The file keeps them in heaps, and in the dataset their addresses. HDF5 1.10 believes the
 * sizes that it finds there and writes behind its buffers, so both are decoded here, every size checked. Layout: "HDF5
 * File Format Specification", III.E (global heap) and VIII. */
#include "h5io/h5io_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
  HEAP_MAX = 64 << 20,   /* bytes of one heap; HDF5 makes them of 4 KiB, or of one long text */
  TOTAL_MAX = 256 << 20, /* bytes of all texts of a dataset */
  OBJECTS_MAX = 1 << 16  /* in one heap: their numbers have 16 bits */
};

/* The heap that was looked at last: neighbours share one. */
typedef struct heap {
  const nn_h5_file *file;
  const char *name;               /* of the dataset, for messages */
  size_t address_size, size_size; /* bytes of an address and of a size in this file */
  uint64_t base;                  /* what addresses count from */
  uint64_t address;               /* of the heap in memory */
  size_t bytes;
  unsigned char *at;   /* NULL: none */
  uint32_t *positions; /* [OBJECTS_MAX] where each object's header is; 0: there is none */
} heap;

static nn_status fail(const heap *h, const char *what) {
  return nn__h5_fail(h->file, "dataset '%s' cannot be read: the file is damaged (%s)", h->name, what);
}

static uint64_t little(const unsigned char *at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes && i < 8; i++) value |= (uint64_t)at[i] << (8 * i);
  return value;
}

/* Bytes of the file itself, as HDF5's driver has it open. */
static bool bytes_at(const nn_h5_file *file, uint64_t address, size_t count, unsigned char *out) {
  void *handle = NULL;
  if (address > file->bytes || count > file->bytes - address) return false;
  if (H5Fget_vfd_handle(file->id, H5P_DEFAULT, &handle) < 0 || handle == NULL) return false;
  if (file->is_image) {
    memcpy(out, *(unsigned char **)handle + address, count);
    return true;
  }
  const int fd = *(const int *)handle;
  while (count > 0) {
    const ssize_t got = pread(fd, out, count, (off_t)address);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out += got;
    address += (uint64_t)got;
    count -= (size_t)got;
  }
  return true;
}

static nn_status heap_open(const nn_h5_file *file, const char *name, heap *h) {
  const hid_t plist = H5Fget_create_plist(file->id);
  hsize_t base = 0;
  void *memory = NULL;
  *h = (heap){.file = file, .name = name};
  const bool known =
      plist >= 0 && H5Pget_sizes(plist, &h->address_size, &h->size_size) >= 0 && H5Pget_userblock(plist, &base) >= 0;
  if (plist >= 0) H5Pclose(plist);
  if (!known || h->address_size < 1 || h->address_size > 8 || h->size_size < 1 || h->size_size > 8)
    return fail(h, "addresses of an unknown size");
  h->base = base;
  NN_TRY(nn_alloc(OBJECTS_MAX, sizeof *h->positions, "a heap of texts", &memory));
  h->positions = memory;
  return NN_OK;
}

static void heap_close(heap *h) {
  nn_free(h->at);
  nn_free(h->positions);
  *h = (heap){0};
}

/* Where each object begins: number (2 bytes), references (2), nothing (4), size, and the bytes, padded to 8. Number 0
 * is what is free. */
static nn_status heap_index(heap *h) {
  const size_t header = 8 + h->size_size;
  memset(h->positions, 0, OBJECTS_MAX * sizeof *h->positions);
  for (size_t at = header; h->bytes - at >= header;) {
    const size_t number = (size_t)little(h->at + at, 2);
    const uint64_t size = little(h->at + at + 8, h->size_size);
    if (number == 0) return NN_OK;
    if (size > h->bytes - at - header) return fail(h, "a text is longer than its heap");
    h->positions[number] = (uint32_t)at;
    const size_t padded = ((size_t)size + 7) / 8 * 8;
    at += header + padded;
    if (at > h->bytes) return NN_OK;
  }
  return NN_OK;
}

static nn_status heap_load(heap *h, uint64_t address) {
  unsigned char head[16];
  const size_t header = 8 + h->size_size;
  void *memory = NULL;
  nn_free(h->at);
  h->at = NULL;
  if (!bytes_at(h->file, address, header, head) || memcmp(head, "GCOL", 4) != 0 || head[4] != 1)
    return fail(h, "there is no heap where a text should be");
  const uint64_t bytes = little(head + 8, h->size_size);
  if (bytes < header || bytes > HEAP_MAX || bytes > h->file->bytes) return fail(h, "a heap has an impossible size");
  NN_TRY(nn_alloc((size_t)bytes, 1, "a heap of texts", &memory));
  h->at = memory;
  h->bytes = (size_t)bytes;
  h->address = address;
  if (!bytes_at(h->file, address, h->bytes, h->at)) return fail(h, "a heap does not lie in the file");
  return heap_index(h);
}

/* One element of the dataset: length (4 bytes), address of the heap, number in it (4). */
static nn_status text_of(heap *h, const unsigned char *element, size_t text_limit, size_t *left, char **out) {
  const uint64_t length = little(element, 4), relative = little(element + 4, h->address_size);
  const uint64_t number = little(element + 4 + h->address_size, 4);
  if (length == 0) return nn_string_copy("", out);
  if (length > text_limit)
    return nn__h5_fail(h->file, "dataset '%s' has a text of more than %zu bytes", h->name, text_limit);
  if (length > *left) return nn__h5_fail(h->file, "dataset '%s' holds more than 256 MiB of text", h->name);
  *left -= (size_t)length;
  if (relative > h->file->bytes) return fail(h, "a text does not lie in the file");
  if (h->at == NULL || h->address != h->base + relative) NN_TRY(heap_load(h, h->base + relative));
  if (number >= OBJECTS_MAX || h->positions[number] == 0) return fail(h, "a text is not in its heap");
  const unsigned char *object = h->at + h->positions[number];
  if (length > little(object + 8, h->size_size)) return fail(h, "a text is longer than it was stored");
  return nn_string_format(out, "%.*s", (int)length, (const char *)object + 8 + h->size_size);
}

/* The elements as they are in the file. */
static nn_status raw_elements(const heap *h, hid_t dataset, const nn_h5_info *info, size_t element, size_t count,
                              unsigned char *out) {
  const hid_t plist = H5Dget_create_plist(dataset);
  const H5D_layout_t layout = plist >= 0 ? H5Pget_layout(plist) : H5D_LAYOUT_ERROR;
  if (plist >= 0) H5Pclose(plist);
  if (layout == H5D_CHUNKED) return nn__h5_chunks_raw(h->file, h->name, dataset, info, element, out);
  if (layout != H5D_CONTIGUOUS)
    return nn__h5_fail(h->file,
                       "dataset '%s' has texts of variable length inside its header; write it again, with texts "
                       "of a fixed length",
                       h->name);
  const haddr_t address = H5Dget_offset(dataset); /* from the beginning of the file */
  if (address == HADDR_UNDEF) return NN_OK;       /* never written: all empty */
  return bytes_at(h->file, address, element * count, out) ? NN_OK : fail(h, "it does not lie in the file");
}

nn_status nn__h5_variable_texts(const nn_h5_file *file, const char *name, hid_t dataset, const nn_h5_info *info,
                                size_t text_limit, char **texts) {
  const size_t count = (size_t)nn__h5_elements(info);
  size_t left = TOTAL_MAX;
  void *memory = NULL;
  heap h;
  nn_status status = heap_open(file, name, &h);
  if (status != NN_OK) return status;
  const size_t element = 8 + h.address_size;
  NN_TRY_DONE(nn_alloc(count, element, name, &memory));
  NN_TRY_DONE(raw_elements(&h, dataset, info, element, count, memory));
  for (size_t i = 0; i < count; i++)
    NN_TRY_DONE(text_of(&h, (const unsigned char *)memory + i * element, text_limit, &left, &texts[i]));
done:
  nn_free(memory);
  heap_close(&h);
  return status;
}
