/** @file crc.h
 *  Checksums of files. */
#ifndef NNMPI_H5IO_CRC_H
#define NNMPI_H5IO_CRC_H

#include <stddef.h>
#include <stdint.h>

/** CRC-32 (zlib's) of what `crc` is that of, 0: of nothing, with these bytes behind it. */
uint32_t nn__crc32(uint32_t crc, const void *bytes, size_t count);

#endif
